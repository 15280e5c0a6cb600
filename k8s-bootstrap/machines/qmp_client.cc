#include "k8s-bootstrap/machines/qmp_client.h"

#include <boost/json.hpp>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/system_clock.h"

namespace fairlead::bootstrap {
namespace {

namespace json = boost::json;

constexpr std::size_t kAnswerMax = std::size_t{1} << 20U;

class Monitor {
 public:
  Monitor(Fd fd, std::string path, Duration patience) : fd_(std::move(fd)), path_(std::move(path)), patience_(patience) {}

  /// The next line; nullopt: the other side has closed.
  Result<std::optional<std::string>> line() {
    const Instant end = clock_.now() + patience_;
    while (true) {
      if (const auto at = held_.find('\n'); at != std::string::npos) {
        std::string out = held_.substr(0, at);
        held_.erase(0, at + 1);
        return std::optional(std::move(out));
      }
      if (held_.size() > kAnswerMax) return Error{Errc::kUnavailable, fmt::format("{}: an answer without an end", path_)};
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - clock_.now()).count();
      pollfd waits{fd_.get(), POLLIN, 0};
      if (left <= 0 || ::poll(&waits, 1, static_cast<int>(left) + 1) == 0)
        return Error{Errc::kTimeout, fmt::format("the qemu at {} does not answer", path_)};
      char bytes[4096];
      const ssize_t n = ::read(fd_.get(), bytes, sizeof bytes);
      if (n == 0) return std::optional<std::string>();
      if (n < 0 && errno == ECONNRESET) return std::optional<std::string>();
      if (n < 0 && errno != EINTR) return errno_error(path_);
      if (n > 0) held_.append(bytes, static_cast<std::size_t>(n));
    }
  }

  /// The answer to a command; events in between are somebody else's.
  Result<std::string> execute(const std::string& command) {
    const std::string text = json::serialize(json::object{{"execute", command}}) + "\n";
    if (::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size())) return errno_error(path_);
    while (true) {
      auto said = line();
      if (!said) return said.error();
      if (!*said) {
        if (command == "quit") return std::string("{\"return\": {}}");  // It may be gone before it has said so.
        return Error{Errc::kUnavailable, fmt::format("the qemu at {} ended while it was asked", path_)};
      }
      boost::system::error_code wrong;
      const json::value answer = json::parse(**said, wrong);
      if (wrong || !answer.is_object()) return Error{Errc::kUnavailable, fmt::format("{}: no JSON: {}", path_, **said)};
      if (answer.as_object().contains("return")) return std::move(**said);
      if (const json::value* error = answer.as_object().if_contains("error"))
        return Error{Errc::kUnavailable, fmt::format("{}: {}: {}", path_, command, json::serialize(*error))};
    }
  }

 private:
  Fd fd_;
  std::string path_;
  Duration patience_;
  std::string held_;
  SystemClock clock_;
};

}  // namespace

Result<std::optional<std::string>> ask_qmp(const std::string& socket, const std::vector<std::string>& commands, Duration patience) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.size() >= sizeof address.sun_path)
    return Error{Errc::kInvalidArgument, fmt::format("{}: a socket's path has at most {} characters: choose a shorter state_dir", socket,
                                                     sizeof address.sun_path - 1)};
  std::memcpy(address.sun_path, socket.data(), socket.size());
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return errno_error("socket");
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {  // NOLINT: connect(2)'s own type
    if (errno == ENOENT || errno == ECONNREFUSED) return std::optional<std::string>();
    return errno_error(socket);
  }
  Monitor monitor(std::move(fd), socket, patience);
  auto greeting = monitor.line();
  if (!greeting) return greeting.error();
  if (!*greeting) return std::optional<std::string>();  // Its process ended just now.
  auto ready = monitor.execute("qmp_capabilities");
  if (!ready) return ready.error();
  std::string out;
  for (const std::string& command : commands) {
    auto answer = monitor.execute(command);
    if (!answer) return answer.error();
    out += *answer + "\n";
  }
  return std::optional(std::move(out));
}

}  // namespace fairlead::bootstrap
