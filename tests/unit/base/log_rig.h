// What tests of the log share: pipes that are full, options, lines with a number.
#pragma once

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <functional>
#include <gtest/gtest.h>
#include <poll.h>
#include <span>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <vector>

#include "base/fd.h"
#include "base/qb_log.h"
#include "base/system_clock.h"

namespace fairlead::test {

struct Pipe {
  Fd read;
  Fd write;
};
inline Pipe make_pipe() {
  int fds[2] = {-1, -1};
  EXPECT_EQ(::pipe2(fds, O_CLOEXEC), 0);
  return {Fd(fds[0]), Fd(fds[1])};
}

/// Where a syslog or a journal would listen. The path of a unix socket may have 107 bytes.
inline Fd datagram_server(const std::string& path) {
  Fd server(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  EXPECT_EQ(::bind(server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  return server;
}

/// Fills the pipe as any process may that shares our standard error: until not one more byte fits. Returns how many bytes went in.
inline std::size_t fill(int fd) {
  Fd other(::open(("/proc/self/fd/" + std::to_string(fd)).c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  const std::string junk(4096, 'j');
  std::size_t total = 0;
  for (const std::size_t chunk : {std::size_t{4096}, std::size_t{1}}) {
    ssize_t n = 0;
    while ((n = ::write(other.get(), junk.data(), chunk)) > 0) total += static_cast<std::size_t>(n);
    EXPECT_EQ(errno, EAGAIN);
  }
  return total;
}

inline std::string read_exactly(int fd, std::size_t size) {
  std::string out(size, '\0');
  std::size_t got = 0;
  while (got < size) {
    const ssize_t n = ::read(fd, out.data() + got, size - got);
    if (n <= 0) break;
    got += static_cast<std::size_t>(n);
  }
  out.resize(got);
  return out;
}

/// Reads lines until `wanted` says stop or nothing comes for ten seconds.
inline std::vector<std::string> read_lines(int fd, const std::function<bool(const std::vector<std::string>&)>& enough) {
  std::vector<std::string> lines;
  std::string rest;
  while (!enough(lines)) {
    pollfd p{.fd = fd, .events = POLLIN, .revents = 0};
    if (::poll(&p, 1, 10'000) != 1) break;
    char buffer[65536];
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n <= 0) break;
    rest.append(buffer, static_cast<std::size_t>(n));
    for (std::size_t end = 0; (end = rest.find('\n')) != std::string::npos; rest.erase(0, end + 1)) lines.push_back(rest.substr(0, end));
  }
  return lines;
}

inline std::size_t count_lines(const std::string& text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

inline LogEvent event(MessageId id, std::vector<LogField> fields = {}) { return {SystemClock().wall(), id, std::move(fields)}; }

inline LogOptions to_stderr(LogLevel level = LogLevel::kNotice, LogFormat format = LogFormat::kText) {
  return {.level = level, .target = LogTargetKind::kStderr, .path = {}, .format = format};
}
inline LogOptions to_file(std::string path, LogLevel level = LogLevel::kNotice, LogFormat format = LogFormat::kText) {
  return {.level = level, .target = LogTargetKind::kFile, .path = std::move(path), .format = format};
}

inline std::string format_number(std::span<const std::byte> data, LogFormat format) {
  int number = 0;
  std::memcpy(&number, data.data(), sizeof number);
  return format == LogFormat::kJson ? "{\"n\":" + std::to_string(number) + "}" : "line n=" + std::to_string(number);
}
inline void write_number(LogThread& log, int number) { log.write_line(&format_number, std::as_bytes(std::span(&number, 1))); }

}  // namespace fairlead::test
