// fairlead: pure
// Other programs' configuration -> one fairlead.yaml and an account of every line that was read: carried over, approximated, or left
// out. Four readers (haproxy_reader.h, keepalived_reader.h, corosync_reader.h, pacemaker_reader.h) say what is wanted (wanted.h),
// `settle` makes one sound configuration of it, `write_yaml` writes it.
//
// I1  No line is dropped in silence: each that is not blank and not a comment has exactly one entry in `lines`, and each that is not
//     carried over has a note.
// I2  What is written is accepted by config::load_text.
// I3  Work and memory are bounded by kInputBytesMax and kLinesMax whatever the bytes are (import_limits.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/problem.h"

namespace fairlead::migrate {

enum class Kind : std::uint8_t { kHaproxy, kKeepalived, kCorosync, kPacemaker };
[[nodiscard]] std::string_view to_string(Kind kind);
[[nodiscard]] std::optional<Kind> parse_kind(std::string_view name);

struct Input {
  Kind kind = Kind::kHaproxy;
  std::string name;  ///< For messages and comments.
  std::string text;
};

/// What became of a line, from good to bad.
enum class Fate : std::uint8_t {
  kCarried,       ///< It stands in the output, or says what Fairlead does anyway.
  kApproximated,  ///< It stands there in another sense.
  kLeftOut,       ///< It does not.
};
[[nodiscard]] std::string_view to_string(Fate fate);

struct Note {
  std::string file;
  int line = 1;
  std::string text;  ///< The line, cut.
  Fate fate = Fate::kLeftOut;
  std::string reason;
  std::string remedy;  ///< May be empty.
};
/// "FILE:LINE: text: reason (remedy)"
[[nodiscard]] std::string format(const Note& note);

struct LineFate {
  std::string file;
  int line = 1;
  Fate fate = Fate::kCarried;
};

struct Migration {
  std::optional<std::string> yaml;        ///< Absent: an input could not be read at all, `problems` says why.
  std::vector<config::Problem> problems;  ///< Of the inputs; with `yaml`, what `fairlead check` says about it.
  std::vector<Note> notes;                ///< By input and line.
  std::vector<LineFate> lines;            ///< Every line that says something, likewise.
};

/// Inputs of any kinds together make one file.
[[nodiscard]] Migration migrate(const std::vector<Input>& inputs);

}  // namespace fairlead::migrate
