// fairlead: pure
#include "vip/leftovers.h"

#include <algorithm>
#include <charconv>

namespace fairlead::vip {
namespace {

constexpr std::string_view kHeader = "fairlead-vips 1";
constexpr std::size_t kDeviceNameMax = 15;  // IFNAMSIZ - 1.

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> out;
  while (!line.empty()) {
    const auto end = std::min(line.find(' '), line.size());
    out.push_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return out;
}

bool is_plain(std::string_view text, std::string_view more) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || more.find(c) != std::string_view::npos;
  });
}

// False: the line is none of ours.
bool read_line(std::string_view line, Journal& out) {
  const auto words = words_of(line);
  if (words.size() == 2 && words[0] == "boot" && is_plain(words[1], "-")) {
    out.boot_id = words[1];
    return true;
  }
  if (out.addresses.size() + out.settings.size() >= kJournalEntriesMax || words.size() != 4 || !is_device_name(words[1])) return false;
  if (words[0] == "address") {
    JournalAddress entry;
    entry.device = words[1];
    const auto [end, failed] = std::from_chars(words[2].data(), words[2].data() + words[2].size(), entry.index);
    if (failed != std::errc() || end != words[2].data() + words[2].size()) return false;
    auto address = parse_ip_prefix(words[3]);
    if (!address) return false;
    entry.address = *address;
    out.addresses.push_back(std::move(entry));
    return true;
  }
  if (words[0] != "setting" || !is_plain(words[2], "_") || !is_plain(words[3], "-")) return false;
  out.settings.push_back({std::string(words[1]), std::string(words[2]), std::string(words[3])});
  return true;
}

}  // namespace

bool is_device_name(std::string_view name) {
  if (name.empty() || name.size() > kDeviceNameMax || name == "." || name == "..") return false;
  return std::none_of(name.begin(), name.end(), [](char c) { return c == '/' || c == ':' || static_cast<unsigned char>(c) <= ' '; });
}

std::string render_journal(const Journal& journal) {
  std::string out = std::string(kHeader) + "\nboot " + journal.boot_id + "\n";
  for (const JournalAddress& a : journal.addresses)
    out += "address " + a.device + " " + std::to_string(a.index) + " " + a.address.to_string() + "\n";
  for (const JournalSetting& s : journal.settings) out += "setting " + s.device + " " + s.key + " " + s.value + "\n";
  return out + "end\n";
}

Result<Journal> parse_journal(std::string_view text) {
  Journal out;
  bool first = true;
  while (!text.empty()) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos) break;  // Cut short.
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (first ? line != kHeader : line != "end" && !read_line(line, out))
      return Error{Errc::kInvalidArgument, "journal: '" + std::string(line.substr(0, 80)) + "' is no line of it"};
    if (!first && line == "end") {
      if (text.empty() && !out.boot_id.empty()) return out;
      break;
    }
    first = false;
  }
  return Error{Errc::kInvalidArgument, "journal: it does not end where it should"};
}

std::vector<PresentAddress> plan_leftovers(const std::vector<PresentAddress>& present, const Journal& journal, const std::string& boot_id,
                                           const std::vector<LeasedAddress>& held) {
  const bool marks_are_shown = std::any_of(present.begin(), present.end(), [](const PresentAddress& p) { return p.protocol != 0; });
  const bool journal_counts = !marks_are_shown && !boot_id.empty() && journal.boot_id == boot_id;
  std::vector<PresentAddress> out;
  for (const PresentAddress& p : present) {
    const bool is_held =
        std::any_of(held.begin(), held.end(), [&](const LeasedAddress& h) { return h.index == p.index && h.address == p.address; });
    if (is_held) continue;
    const bool in_journal = journal_counts && p.remaining.has_value() &&
                            std::any_of(journal.addresses.begin(), journal.addresses.end(), [&](const JournalAddress& j) {
                              return j.index == p.index && j.device == p.device && j.address == p.address;
                            });
    if (p.protocol == kFairleadProtocol || in_journal) out.push_back(p);
  }
  return out;
}

}  // namespace fairlead::vip
