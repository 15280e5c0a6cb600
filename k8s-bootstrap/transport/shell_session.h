// fairlead: pure
// How a script reaches a shell of another machine by standard input, with an input of its own behind it, and how its answer is told from
// everything else that comes back over the same connection.
//
//   in:   SCRIPT "\n#fairlead-end" INPUT
//   out:  (noise of login scripts) "fairlead:begin\n" OUTPUT
//   err:  (words of ssh, sudo)     "fairlead:begin\n" ERRORS "fairlead:end RC\n"
//
//   SS1  A script that did not come whole does not run: its last line is missing.
//   SS2  Without "begin" nothing of the script ran. With "begin" and without "end" it may have run to any point.
//   SS3  The other side's command line holds nothing of the script but its length.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "k8s-bootstrap/transport/transport.h"

namespace fairlead::bootstrap {

/// 'a b' in single quotes, for any POSIX shell: "it's" -> 'it'\''s'
[[nodiscard]] std::string shell_quote(std::string_view text);

/// The command for the other side's shell, whichever that is (it has no quote but the single ones, no backslash).
[[nodiscard]] std::string session_command(const RemoteCommand& command, bool sudo);
/// The same without a shell in between: for exec.
[[nodiscard]] std::vector<std::string> session_argv(const RemoteCommand& command, bool sudo);
/// What goes in before the input of the command.
[[nodiscard]] std::string session_script(const RemoteCommand& command);

/// Cuts off what comes before "begin" in a stream that arrives in pieces. At most kNoiseMax bytes are looked through.
class SessionOutput {
 public:
  static constexpr std::size_t kNoiseMax = std::size_t{1} << 20;
  /// The part of `bytes` that belongs to the script; valid until the next call.
  [[nodiscard]] std::string_view take(std::string_view bytes);
  /// What came in place of "begin", while that did not come: a shell that refuses says so here.
  [[nodiscard]] std::string_view noise() const { return begun_ ? std::string_view() : std::string_view(held_); }

 private:
  bool begun_ = false;
  std::size_t scanned_ = 0;
  std::string held_;
};

struct SessionErrors {
  bool begun = false;
  std::optional<int> exit_code;  ///< Of the script; nothing: its end was not seen.
  std::string before;            ///< What was said before it began: by ssh, sudo, login scripts.
  std::string errors;            ///< The script's own.
  bool came_cut = false;         ///< SS1
};
[[nodiscard]] SessionErrors read_session_errors(std::string_view errors);

}  // namespace fairlead::bootstrap
