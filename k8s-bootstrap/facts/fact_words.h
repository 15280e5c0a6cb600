// fairlead: pure
// Pieces of what tools print, each looked at by itself: words, numbers, versions, sockets, JSON of two servers.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "k8s-bootstrap/facts/facts.h"

namespace fairlead::bootstrap {

/// Words between blanks, from the left.
class Words {
 public:
  explicit Words(std::string_view text) : left_(text) { skip(); }
  [[nodiscard]] std::string_view next();  ///< Empty at the end.
  [[nodiscard]] std::string_view rest() const { return left_; }
  [[nodiscard]] bool done() const { return left_.empty(); }

 private:
  void skip();
  std::string_view left_;
};
[[nodiscard]] std::vector<std::string_view> split(std::string_view line);
[[nodiscard]] std::string_view trimmed(std::string_view text);
/// Without control characters and at most 300 bytes: for facts and messages.
[[nodiscard]] std::string printable(std::string_view text);

/// All of it, or nothing.
template <class N>
[[nodiscard]] std::optional<N> number(std::string_view text) {
  N out{};
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (problem != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return out;
}
[[nodiscard]] Known truth(std::string_view word);  ///< "yes", "no"; all else is kUnknown.

struct PrintedTime {
  Duration value{};
  Duration resolution{};  ///< A second when there were no fractions.
};
[[nodiscard]] std::optional<PrintedTime> seconds(std::string_view text);  ///< "1764261972.123456789"

[[nodiscard]] bool is_sha256(std::string_view text);
/// The first thing that looks like a version: "Client Version: v1.36.4" -> "1.36.4"; empty: none.
[[nodiscard]] std::string version_in(std::string_view text);

struct ListeningPort {
  std::uint16_t port = 0;
  std::string program;  ///< "?": not said.
};
[[nodiscard]] std::optional<ListeningPort> listening_of_ss(std::string_view line);
[[nodiscard]] std::optional<ListeningPort> listening_of_proc(std::string_view line);  ///< Of /proc/net/tcp: also lines that do not listen.

[[nodiscard]] std::string git_version(std::string_view json);  ///< The API server's /version; without the v.
/// fairleadd's status: the VIPs that are held here; nothing: that is no status.
[[nodiscard]] std::optional<std::vector<std::string>> vips_held(std::string_view json);

/// Lines "KEY=VALUE" in place of facts; keys as members of MachineFacts, "modules.NAME", "sysctls.NAME", "units.NAME", "packages.NAME".
/// What was supplied is listed in `stand_ins`. Returns what could not be taken, one line each.
[[nodiscard]] std::vector<std::string> apply_stand_ins(std::string_view text, MachineFacts& facts);

}  // namespace fairlead::bootstrap
