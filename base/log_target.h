// Where finished log lines go: standard error, a file, syslog, the journal. Used by the `log` thread only (base/qb_log.h).
//
// No target waits: one that cannot take a line now says kBlocked and the caller polls wait_fd() and comes back with the same record.
// The exception is a regular file, whose write(2) may sleep as long as its disk does.
// SIGPIPE: a target whose reader is gone answers kFailed; the thread that writes has the signal blocked (base/qb_log.cc).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/log.h"
#include "base/result.h"

namespace fairlead {

enum class LogTargetKind : std::uint8_t { kAuto, kJournal, kStderr, kSyslog, kFile };
[[nodiscard]] std::string_view to_string(LogTargetKind kind);

/// The `log` section of the configuration, as this room needs it.
struct LogOptions {
  LogLevel level = LogLevel::kNotice;           ///< Events above it are not written. Connection lines always are.
  LogTargetKind target = LogTargetKind::kAuto;  ///< kAuto: the journal when standard error is connected to it, else standard error.
  std::string path;                             ///< kFile only.
  LogFormat format = LogFormat::kText;
  bool operator==(const LogOptions&) const = default;
};

/// One thing to write, rendered. `event` is nullptr for connections' lines.
struct LogRecord {
  LogLevel level = LogLevel::kInfo;
  const LogEvent* event = nullptr;
  std::string line;  ///< The whole line in the wanted format, with its newline; or several, for a target that takes them (lines_bytes_max).
  std::string body;  ///< Without time and level, for targets that keep those themselves (see LogTarget::wants_body).
};

class LogTarget {
 public:
  enum class Outcome : std::uint8_t { kDone, kBlocked, kFailed };

  virtual ~LogTarget() = default;
  /// kBlocked: poll wait_fd() for POLLOUT, then call again with the same record. kFailed: the record is lost.
  [[nodiscard]] virtual Outcome write(const LogRecord& record) = 0;
  [[nodiscard]] virtual int wait_fd() const = 0;
  /// Connections' lines may come as one record of so many bytes. 0: one by one.
  [[nodiscard]] virtual std::size_t lines_bytes_max() const { return 0; }
  /// Bytes of the record that failed, or was given up while blocked, that were written all the same.
  [[nodiscard]] virtual std::size_t taken() const { return 0; }
  [[nodiscard]] virtual bool wants_body() const { return false; }
  /// Opens the same name anew (log rotation); keeps what it has when that fails. Nothing to do for targets without a file.
  [[nodiscard]] virtual Status reopen() { return {}; }
};

/// Host paths; tests put their own here.
struct LogPlaces {
  int stderr_fd = 2;
  std::string syslog_socket = "/dev/log";
  std::string journal_socket = "/run/systemd/journal/socket";
  std::string identifier = "fairleadd";
};

/// Opens what the options ask for. Errors: those of open(2) and connect(2), with the path; kInvalidArgument for a file without a path.
[[nodiscard]] Result<std::unique_ptr<LogTarget>> open_log_target(const LogOptions& options, const LogPlaces& places);
using LogTargetOpener = std::function<Result<std::unique_ptr<LogTarget>>(const LogOptions&, const LogPlaces&)>;

/// True when standard error is the journal's stream socket ($JOURNAL_STREAM names its device and inode; systemd.exec(5)).
[[nodiscard]] bool is_journal_stream(int fd);

/// The bytes of one datagram in the journal's native protocol: MESSAGE, PRIORITY, SYSLOG_IDENTIFIER, FAIRLEAD_ID and the event's fields
/// with upper-cased names.
[[nodiscard]] std::string build_journal_datagram(const LogRecord& record, std::string_view identifier);

}  // namespace fairlead
