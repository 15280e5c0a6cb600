// fairlead: pure
// The journal of `bootstrap apply`: one JSON object a line. What it says is a cache: without it, apply works from facts. It holds the id of
// the run that is not complete yet (by which machines know their records of steps again), and how long steps took, for estimates.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace fairlead::bootstrap {

struct JournalLine {
  enum class Event : std::uint8_t { kRun, kBegin, kDone, kFailed, kComplete };
  std::string at;  ///< UTC, for people.
  std::string run;
  Event event = Event::kRun;
  std::string step;  ///< Empty for those of the run itself.
  Duration took{};   ///< kDone, kFailed, kComplete.
  std::string why;   ///< kFailed; masked.
  bool operator==(const JournalLine&) const = default;
};
[[nodiscard]] std::string_view to_string(JournalLine::Event event);

/// One line, with its line feed.
[[nodiscard]] std::string journal_line(const JournalLine& line);

struct Journal {
  std::vector<JournalLine> lines;
  unsigned damaged = 0;  ///< Lines that could not be read, a torn last one among them.

  /// The run that began and is not complete (kComplete: every step of its plan was done).
  [[nodiscard]] std::optional<std::string> unfinished_run() const;
  /// Of the last time such a step was done, on any machine: "join" of "mast-2/join".
  [[nodiscard]] std::map<std::string, Duration, std::less<>> durations() const;
};
[[nodiscard]] Journal parse_journal(std::string_view text);

/// "join" of "mast-2/join"
[[nodiscard]] std::string_view kind_of(std::string_view step_id);

}  // namespace fairlead::bootstrap
