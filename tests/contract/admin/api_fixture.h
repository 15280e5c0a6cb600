// A real ApiServer on a temporary unix socket and a port of the kernel's choice, a fake node behind it, curl and raw sockets in front.
#pragma once

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <mutex>
#include <netinet/in.h>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "admin/api_server.h"
#include "base/log.h"
#include "base/system_clock.h"
#include "tests/contract/admin/fake_node_port.h"

namespace fairlead::testing {

/// Remembers every event while it lives.
class EventCapture final : public LogSink {
 public:
  EventCapture() { set_log_sink(this); }
  ~EventCapture() override { set_log_sink(nullptr); }
  void write(LogEvent event) noexcept override {
    const std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
  }
  void write_line(LineFormatter, std::span<const std::byte>) noexcept override {}
  [[nodiscard]] std::vector<std::map<std::string, std::string>> of(MessageId id) const {
    const std::lock_guard lock(mutex_);
    std::vector<std::map<std::string, std::string>> out;
    for (const auto& event : events_) {
      if (event.id != id) continue;
      auto& fields = out.emplace_back();
      for (const auto& field : event.fields) fields[std::string(field.key)] = field.value;
    }
    return out;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<LogEvent> events_;
};

struct Outcome {
  int exit_code = -1;
  std::string output;
};
/// Runs a shell command and takes what it prints (standard error too).
inline Outcome run(const std::string& command) {
  Outcome out;
  std::FILE* pipe = ::popen(("{ " + command + "\n} 2>&1").c_str(), "r");
  if (pipe == nullptr) return out;
  std::array<char, 4096> chunk{};
  for (std::size_t n = 0; (n = std::fread(chunk.data(), 1, chunk.size(), pipe)) > 0;) out.output.append(chunk.data(), n);
  const int status = ::pclose(pipe);
  out.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return out;
}

/// Asks `condition` again until it holds; false after ten seconds.
template <class Condition>
bool eventually(Condition condition) {
  const SystemClock clock;
  const Instant end = clock.now() + std::chrono::seconds(10);
  while (!condition()) {
    if (clock.now() > end) return false;
    ::poll(nullptr, 0, 5);
  }
  return true;
}

/// A client socket without any HTTP library.
class RawClient {
 public:
  static RawClient unix_socket(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const bool connected = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    return RawClient(std::move(fd), connected);
  }
  /// `host`: comes from 127.0.0.host.
  static RawClient tcp(std::uint16_t port, std::uint8_t host = 1) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl((INADDR_LOOPBACK & ~0xffU) | host);
    Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return RawClient(std::move(fd), false);
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool connected = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    return RawClient(std::move(fd), connected);
  }
  [[nodiscard]] bool connected() const { return connected_; }
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  void finish_sending() { ::shutdown(fd_.get(), SHUT_WR); }
  /// Everything until the server closes. `ended` false: it did not within ten seconds.
  std::string read_all() {
    std::string out;
    ended = false;
    std::array<char, 4096> chunk{};
    pollfd waiting{fd_.get(), POLLIN, 0};
    while (::poll(&waiting, 1, 10000) == 1) {
      const auto n = ::recv(fd_.get(), chunk.data(), chunk.size(), 0);
      if (n <= 0) {
        ended = true;
        break;
      }
      out.append(chunk.data(), static_cast<std::size_t>(n));
    }
    return out;
  }
  /// Until `text` has arrived.
  std::string read_until(std::string_view text) {
    std::string out;
    std::array<char, 1> byte{};
    pollfd waiting{fd_.get(), POLLIN, 0};
    while (out.find(text) == std::string::npos && ::poll(&waiting, 1, 10000) == 1) {
      if (::recv(fd_.get(), byte.data(), 1, 0) <= 0) break;
      out += byte[0];
    }
    return out;
  }
  /// What there is, within ten seconds; empty: nothing came, or the server closed (`ended`).
  std::string read_some() {
    std::array<char, 4096> chunk{};
    pollfd waiting{fd_.get(), POLLIN, 0};
    if (::poll(&waiting, 1, 10000) != 1) return {};
    const auto n = ::recv(fd_.get(), chunk.data(), chunk.size(), 0);
    ended = n <= 0;
    return n <= 0 ? std::string() : std::string(chunk.data(), static_cast<std::size_t>(n));
  }
  /// Nothing to read, and the server has not closed.
  [[nodiscard]] bool is_open_and_silent() const {
    pollfd now{fd_.get(), POLLIN, 0};
    return connected_ && ::poll(&now, 1, 0) == 0;
  }
  bool ended = false;

 private:
  RawClient(Fd fd, bool connected) : fd_(std::move(fd)), connected_(connected) {}
  Fd fd_;
  bool connected_ = false;
};

class ApiFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "fairlead-api-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder = pattern;
    options.socket = (folder / "run/fairlead.sock").string();
    options.listen = "127.0.0.1:0";
  }
  void TearDown() override {
    server.reset();
    std::filesystem::remove_all(folder);
  }
  void start() {
    server = std::make_unique<admin::ApiServer>(options, node);
    const auto started = server->start();
    ASSERT_TRUE(started) << started.error().message();
  }
  [[nodiscard]] Outcome curl(const std::string& arguments, const std::string& path) const {
    return run("curl -sS --max-time 20 --unix-socket '" + options.socket + "' " + arguments + " 'http://localhost" + path + "'");
  }
  /// A line of /metrics, as in "fairlead_api_shed_connections_total 1".
  [[nodiscard]] bool counted(const std::string& line) const {
    return curl("", "/metrics").output.find("\n" + line + "\n") != std::string::npos;
  }
  [[nodiscard]] Outcome curl_tcp(const std::string& arguments, const std::string& path) const {
    return run("curl -sS --noproxy '*' --max-time 20 " + arguments + " 'http://127.0.0.1:" + std::to_string(server->tcp_port()) + path +
               "'");
  }

  std::filesystem::path folder;
  EventCapture events;
  FakeNodePort node;
  admin::ApiOptions options;
  std::unique_ptr<admin::ApiServer> server;
};

}  // namespace fairlead::testing
