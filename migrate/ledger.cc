// fairlead: pure
#include "migrate/ledger.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "base/assert.h"
#include "migrate/import_limits.h"
#include "migrate/words.h"

namespace fairlead::migrate {

Ledger::Line Ledger::add(std::string_view file, int line, std::string_view text) {
  if (std::find(files_.begin(), files_.end(), file) == files_.end()) files_.emplace_back(file);
  Entry entry;
  entry.file = static_cast<std::size_t>(std::find(files_.begin(), files_.end(), file) - files_.begin());
  entry.line = line;
  entry.text = shown(text);
  entries_.push_back(std::move(entry));
  return entries_.size() - 1;
}

void Ledger::carried(Line line) {
  if (!entries_[line].fate) entries_[line].fate = Fate::kCarried;
}

void Ledger::say(Line line, Fate fate, std::string reason, std::string remedy) {
  FL_ASSERT(line < entries_.size());
  Entry& entry = entries_[line];
  entry.fate = std::max(entry.fate.value_or(Fate::kCarried), fate);
  if (entry.said.size() > kNotesPerLineMax) return;
  if (entry.said.size() == kNotesPerLineMax) {
    reason = "and more";
    remedy.clear();
  }
  const bool known = std::any_of(entry.said.begin(), entry.said.end(), [&](const Said& said) { return said.reason == reason; });
  if (!known) entry.said.push_back({fate, std::move(reason), std::move(remedy)});
}

std::string Ledger::place(Line line) const { return fmt::format("{}:{}", files_[entries_[line].file], entries_[line].line); }

void Ledger::close() {
  for (Line line = 0; line < entries_.size(); ++line) {
    if (!entries_[line].fate) left_out(line, "not understood", "write it by hand if it matters");
  }
}

std::vector<std::size_t> Ledger::in_order() const {
  std::vector<std::size_t> out(entries_.size());
  std::iota(out.begin(), out.end(), 0);
  std::stable_sort(out.begin(), out.end(), [&](std::size_t a, std::size_t b) {
    return std::pair(entries_[a].file, entries_[a].line) < std::pair(entries_[b].file, entries_[b].line);
  });
  return out;
}

std::vector<Note> Ledger::notes() const {
  std::vector<Note> out;
  for (const std::size_t at : in_order()) {
    const Entry& entry = entries_[at];
    for (const Said& said : entry.said) out.push_back({files_[entry.file], entry.line, entry.text, said.fate, said.reason, said.remedy});
  }
  return out;
}

std::vector<LineFate> Ledger::lines() const {
  std::vector<LineFate> out;
  for (const std::size_t at : in_order()) {
    const Entry& entry = entries_[at];
    out.push_back({files_[entry.file], entry.line, entry.fate.value_or(Fate::kLeftOut)});
  }
  return out;
}

}  // namespace fairlead::migrate
