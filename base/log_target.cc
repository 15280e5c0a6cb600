#include "base/log_target.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>
#include <utility>

namespace fairlead {
namespace {

int syslog_priority(LogLevel level) {
  static constexpr std::array kPriorities{LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG, LOG_DEBUG};
  return kPriorities[static_cast<std::size_t>(level)];
}

constexpr std::size_t kFileWriteBytes = 16 * 1024;  // Of lines at once.

bool would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

/// A byte stream: a file, a pipe, a terminal, a socket. Remembers how much of a line it has written, so that a line interrupted by a full
/// pipe is finished when there is room again.
class StreamTarget : public LogTarget {
 public:
  Outcome write(const LogRecord& record) override {
    taken_ = 0;
    if (torn_) {  // An earlier line was cut off by an error: don't glue this one to its rest.
      if (const Outcome outcome = put("\n"); outcome != Outcome::kDone) return outcome;
      torn_ = false;
    }
    const std::string_view line = record.line;
    while (sent_ < line.size()) {
      const ssize_t n = transmit(line.substr(sent_));
      if (n > 0) {
        sent_ += static_cast<std::size_t>(n);
      } else if (n < 0 && errno == EINTR) {
        continue;
      } else if (n < 0 && would_block(errno)) {
        taken_ = sent_;
        return Outcome::kBlocked;
      } else {
        torn_ = sent_ > 0 && line[sent_ - 1] != '\n';
        taken_ = std::exchange(sent_, 0);
        return Outcome::kFailed;
      }
    }
    sent_ = 0;
    return Outcome::kDone;
  }
  [[nodiscard]] std::size_t taken() const override { return taken_; }

 protected:
  /// As write(2): EAGAIN when it would have to wait.
  virtual ssize_t transmit(std::string_view bytes) = 0;
  void forget_line() {
    sent_ = 0;
    torn_ = false;
  }

 private:
  Outcome put(std::string_view bytes) {
    for (;;) {
      const ssize_t n = transmit(bytes);
      if (n > 0) return Outcome::kDone;
      if (n < 0 && errno == EINTR) continue;
      return n < 0 && would_block(errno) ? Outcome::kBlocked : Outcome::kFailed;
    }
  }
  std::size_t sent_ = 0;
  std::size_t taken_ = 0;
  bool torn_ = false;
};

/// Standard error. Its open file description is shared with other processes, so O_NONBLOCK may not be set on it: a pipe or a terminal is
/// opened a second time through /proc, a socket is written with MSG_DONTWAIT, and what allows neither is polled before each short write.
class StderrTarget final : public StreamTarget {
 public:
  explicit StderrTarget(int fd) : fd_(fd) {
    struct stat info {};
    if (::fstat(fd, &info) != 0) return;
    socket_ = S_ISSOCK(info.st_mode);
    int type = 0;
    socklen_t size = sizeof type;
    messages_ = socket_ && ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type != SOCK_STREAM;
    if (S_ISFIFO(info.st_mode) || S_ISCHR(info.st_mode)) {
      own_.reset(::open(("/proc/self/fd/" + std::to_string(fd)).c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
      if (own_.valid()) fd_ = own_.get();
    }
  }
  [[nodiscard]] int wait_fd() const override { return fd_; }
  /// What a pipe takes in one piece, also from several writers (pipe(7)).
  [[nodiscard]] std::size_t lines_bytes_max() const override { return messages_ ? 0 : PIPE_BUF; }

 private:
  ssize_t transmit(std::string_view bytes) override {
    if (socket_) return ::send(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (own_.valid()) return ::write(fd_, bytes.data(), bytes.size());
    pollfd p{.fd = fd_, .events = POLLOUT, .revents = 0};
    if (::poll(&p, 1, 0) == 0) {
      errno = EAGAIN;
      return -1;
    }
    return ::write(fd_, bytes.data(), std::min<std::size_t>(bytes.size(), PIPE_BUF));
  }

  int fd_;
  Fd own_;
  bool socket_ = false;
  bool messages_ = false;  // A socket that keeps what was sent together apart from the rest.
};

class FileTarget final : public StreamTarget {
 public:
  static Result<std::unique_ptr<LogTarget>> open(const std::string& path) {
    if (path.empty()) return Error{Errc::kInvalidArgument, "log.path is empty (target: file needs one)"};
    auto fd = open_file(path);
    if (!fd) return fd.error();
    return std::unique_ptr<LogTarget>(new FileTarget(path, std::move(*fd)));
  }
  [[nodiscard]] int wait_fd() const override { return fd_.get(); }
  [[nodiscard]] std::size_t lines_bytes_max() const override { return kFileWriteBytes; }
  Status reopen() override {
    auto fd = open_file(path_);
    if (!fd) return fd.error();
    fd_ = std::move(*fd);
    forget_line();
    return {};
  }

 private:
  FileTarget(std::string path, Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  static Result<Fd> open_file(const std::string& path) {
    // O_NONBLOCK: a named pipe without a reader is an error instead of a wait. Regular files ignore it.
    Fd fd(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0640));
    if (!fd.valid()) return errno_error("log file " + path);
    return fd;
  }
  ssize_t transmit(std::string_view bytes) override { return ::write(fd_.get(), bytes.data(), bytes.size()); }

  std::string path_;
  Fd fd_;
};

/// One datagram per record to a local socket; connects again when the receiver was restarted.
class DatagramTarget : public LogTarget {
 public:
  explicit DatagramTarget(std::string path) : path_(std::move(path)) {}
  Status connect() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path_.size() >= sizeof address.sun_path) return Error{Errc::kInvalidArgument, "log socket " + path_ + ": the path is too long"};
    path_.copy(address.sun_path, path_.size());
    Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd.valid()) return errno_error("log socket " + path_);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return errno_error("log socket " + path_);
    fd_ = std::move(fd);
    return {};
  }
  Outcome write(const LogRecord& record) override {
    const std::string bytes = datagram(record);
    for (int attempt = 0; attempt < 2; ++attempt) {
      if (::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) >= 0) return Outcome::kDone;
      if (would_block(errno)) return Outcome::kBlocked;
      const bool gone = errno == ECONNREFUSED || errno == ENOTCONN || errno == ECONNRESET || errno == EBADF;
      if (!gone || !connect()) return Outcome::kFailed;
    }
    return Outcome::kFailed;
  }
  [[nodiscard]] int wait_fd() const override { return fd_.get(); }
  [[nodiscard]] bool wants_body() const override { return true; }
  Status reopen() override { return connect(); }

 protected:
  [[nodiscard]] virtual std::string datagram(const LogRecord& record) const = 0;

 private:
  std::string path_;
  Fd fd_;
};

std::string_view line_of(const LogRecord& record) {
  std::string_view text = record.line;
  if (text.ends_with('\n')) text.remove_suffix(1);
  return text;
}
/// The body, or the whole line of a record that was rendered for another target (the target was changed while it waited).
std::string_view body_of(const LogRecord& record) { return record.body.empty() ? line_of(record) : std::string_view(record.body); }

/// RFC 3164, as syslog(3) writes it to the local socket.
class SyslogTarget final : public DatagramTarget {
 public:
  SyslogTarget(const LogPlaces& places, LogFormat format)
      : DatagramTarget(places.syslog_socket), identifier_(places.identifier), format_(format) {}

 private:
  [[nodiscard]] std::string datagram(const LogRecord& record) const override {
    const std::time_t now = std::time(nullptr);
    std::tm local{};
    ::localtime_r(&now, &local);
    std::array<char, 32> when{};
    const std::size_t n = std::strftime(when.data(), when.size(), "%b %e %T", &local);
    const std::string_view text = format_ == LogFormat::kJson ? line_of(record) : body_of(record);
    return "<" + std::to_string(LOG_DAEMON | syslog_priority(record.level)) + ">" + std::string(when.data(), n) + " " + identifier_ + "[" +
           std::to_string(::getpid()) + "]: " + std::string(text);
  }
  std::string identifier_;
  LogFormat format_;
};

class JournalTarget final : public DatagramTarget {
 public:
  explicit JournalTarget(const LogPlaces& places) : DatagramTarget(places.journal_socket), identifier_(places.identifier) {}

 private:
  [[nodiscard]] std::string datagram(const LogRecord& record) const override { return build_journal_datagram(record, identifier_); }
  std::string identifier_;
};

template <class Target>
Result<std::unique_ptr<LogTarget>> connected(std::unique_ptr<Target> target) {
  if (auto status = target->connect(); !status) return status.error();
  return std::unique_ptr<LogTarget>(std::move(target));
}

/// NAME=value, or the form with a length when the value has a newline.
void append_journal_field(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  if (value.find('\n') == std::string_view::npos) {
    out += '=';
  } else {
    out += '\n';
    const std::uint64_t size = value.size();
    for (unsigned shift = 0; shift < 64; shift += 8) out += static_cast<char>((size >> shift) & 0xff);  // Little endian.
  }
  out += value;
  out += '\n';
}

}  // namespace

std::string_view to_string(LogTargetKind kind) {
  static constexpr std::array<std::string_view, 5> kNames{"auto", "journal", "stderr", "syslog", "file"};
  return kNames[static_cast<std::size_t>(kind)];
}

bool is_journal_stream(int fd) {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat info {};
  if (stream == nullptr || ::fstat(fd, &info) != 0) return false;
  return stream == std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino);
}

std::string build_journal_datagram(const LogRecord& record, std::string_view identifier) {
  std::string out;
  append_journal_field(out, "MESSAGE", body_of(record));
  append_journal_field(out, "PRIORITY", std::to_string(syslog_priority(record.level)));
  append_journal_field(out, "SYSLOG_IDENTIFIER", identifier);
  if (record.event == nullptr) return out;
  append_journal_field(out, "FAIRLEAD_ID", to_string(record.event->id));
  for (const LogField& field : record.event->fields) {
    std::string name(field.key);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
    append_journal_field(out, name, std::string_view(field.value).substr(0, 16384));
  }
  return out;
}

Result<std::unique_ptr<LogTarget>> open_log_target(const LogOptions& options, const LogPlaces& places) {
  switch (options.target) {
    case LogTargetKind::kFile: return FileTarget::open(options.path);
    case LogTargetKind::kSyslog: return connected(std::make_unique<SyslogTarget>(places, options.format));
    case LogTargetKind::kJournal: return connected(std::make_unique<JournalTarget>(places));
    case LogTargetKind::kAuto:
      if (is_journal_stream(places.stderr_fd)) return connected(std::make_unique<JournalTarget>(places));
      return std::unique_ptr<LogTarget>(std::make_unique<StderrTarget>(places.stderr_fd));
    case LogTargetKind::kStderr: break;
  }
  return std::unique_ptr<LogTarget>(std::make_unique<StderrTarget>(places.stderr_fd));
}

}  // namespace fairlead
