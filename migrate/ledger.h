// fairlead: pure
// The account of what was read: every line gets in once, by whoever cuts the text into lines, and has its fate at the end.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "migrate/migrate.h"

namespace fairlead::migrate {

class Ledger {
 public:
  using Line = std::size_t;

  /// Fixes the order of files in notes().
  void know(std::string_view file) { files_.emplace_back(file); }
  Line add(std::string_view file, int line, std::string_view text);

  /// It stands in the output as it is meant, or says what is so anyway. Changes nothing where something else was said before.
  void carried(Line line);
  void approximated(Line line, std::string reason, std::string remedy = {}) {
    say(line, Fate::kApproximated, std::move(reason), std::move(remedy));
  }
  void left_out(Line line, std::string reason, std::string remedy = {}) { say(line, Fate::kLeftOut, std::move(reason), std::move(remedy)); }

  /// Left out with what it belongs to; silent where it was said to be already.
  void left_out_too(Line line, std::string reason) {
    if (!said_to_be_out(line)) left_out(line, std::move(reason));
  }
  [[nodiscard]] bool said_to_be_out(Line line) const { return entries_[line].fate == Fate::kLeftOut; }
  /// "haproxy.cfg:12"
  [[nodiscard]] std::string place(Line line) const;
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

  /// A line that nobody decided about is left out, and said to be.
  void close();
  [[nodiscard]] std::vector<Note> notes() const;
  [[nodiscard]] std::vector<LineFate> lines() const;

 private:
  struct Said {
    Fate fate;
    std::string reason;
    std::string remedy;
  };
  struct Entry {
    std::size_t file = 0;
    int line = 1;
    std::string text;
    std::optional<Fate> fate;
    std::vector<Said> said;
  };
  void say(Line line, Fate fate, std::string reason, std::string remedy);
  [[nodiscard]] std::vector<std::size_t> in_order() const;

  std::vector<std::string> files_;
  std::vector<Entry> entries_;
};

}  // namespace fairlead::migrate
