// fairlead: pure
#include "k8s-bootstrap/transport/shell_session.h"

#include <charconv>
#include <fmt/format.h>

namespace fairlead::bootstrap {
namespace {

constexpr std::string_view kBegin = "fairlead:begin\n";
constexpr std::string_view kEnd = "fairlead:end ";
constexpr std::string_view kCut = "fairlead:cut\n";
constexpr std::string_view kLastLine = "\n#fairlead-end";

/// Reads exactly the script (a shell that reads its script itself may read on into what follows), looks whether it is whole, runs it.
/// The C locale: words of programs are looked at. PATH: a user's may lack the administrator's folders.
std::string reader(std::size_t bytes) {
  return fmt::format(
      "LC_ALL=C; PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin; export LC_ALL PATH; "
      "fl=$(dd bs={} count=1 iflag=fullblock 2>/dev/null); "
      "case $fl in *\"#fairlead-end\") ;; *) echo fairlead:cut >&2; exit 254;; esac; "
      "echo fairlead:begin; echo fairlead:begin >&2; (eval \"$fl\"); fl=$?; echo >&2; echo fairlead:end $fl >&2; exit $fl",
      bytes);
}

}  // namespace

std::string shell_quote(std::string_view text) {
  std::string out = "'";
  for (const char c : text)
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  return out + "'";
}

std::vector<std::string> session_argv(const RemoteCommand& command, bool sudo) {
  std::vector<std::string> out;
  if (sudo) out = {"sudo", "-n", "--"};
  out.insert(out.end(), {"sh", "-c", reader(command.script.size() + kLastLine.size())});
  return out;
}

std::string session_command(const RemoteCommand& command, bool sudo) {
  return fmt::format("{}sh -c {}", sudo ? "sudo -n -- " : "", shell_quote(reader(command.script.size() + kLastLine.size())));
}

std::string session_script(const RemoteCommand& command) { return command.script + std::string(kLastLine); }

std::string_view SessionOutput::take(std::string_view bytes) {
  if (begun_) return bytes;
  held_.append(bytes);
  const auto at = held_.find(kBegin, scanned_);
  if (at == std::string::npos) {
    // The marker may lie across two pieces; what was looked through is dropped when it is too much.
    scanned_ = held_.size() - std::min(held_.size(), kBegin.size() - 1);
    if (held_.size() > kNoiseMax) {
      held_.erase(0, scanned_);
      scanned_ = 0;
    }
    return {};
  }
  begun_ = true;
  return std::string_view(held_).substr(at + kBegin.size());
}

SessionErrors read_session_errors(std::string_view errors) {
  SessionErrors out;
  const auto begin = errors.find(kBegin);
  if (begin == std::string_view::npos) {
    const auto cut = errors.find(kCut);
    out.came_cut = cut != std::string_view::npos;
    out.before = std::string(errors.substr(0, cut));
    return out;
  }
  out.begun = true;
  out.before = std::string(errors.substr(0, begin));
  std::string_view rest = errors.substr(begin + kBegin.size());
  // The script may say anything, also this; what is said last is ours.
  const auto end = rest.rfind(kEnd);
  if (end != std::string_view::npos && (end == 0 || rest[end - 1] == '\n')) {
    int code = 0;
    const std::string_view number = rest.substr(end + kEnd.size());
    const auto [stop, problem] = std::from_chars(number.data(), number.data() + number.size(), code);
    if (problem == std::errc() && stop != number.data() + number.size() && *stop == '\n' && code >= 0 && code <= 255) {
      out.exit_code = code;
      rest = rest.substr(0, end == 0 ? 0 : end - 1);  // The newline before it is ours, too.
    }
  }
  out.errors = std::string(rest);
  return out;
}

}  // namespace fairlead::bootstrap
