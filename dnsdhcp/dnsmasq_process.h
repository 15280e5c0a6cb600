// dnsmasq as a child of this process: started, watched by a descriptor, sent signals, its log read. conntrackd is another such.
//
// It ends with the thread that started it (PR_SET_PDEATHSIG), so with this process at the latest: start it from one that lives as long.
// Rationale for vfork(2) and not posix_spawn(3): only the child itself can ask for that signal, and fork(2) would copy the page tables of a
// process with locked memory.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

#include "base/fd.h"
#include "base/qb_loop.h"
#include "base/result.h"
#include "dnsdhcp/dnsmasq_words.h"

namespace fairlead::dnsdhcp {

struct DnsmasqCommand {
  std::string program;                   ///< A path.
  std::vector<std::string> arguments;    ///< Without the program's name.
  std::vector<std::string> environment;  ///< NAME=value, all of it.
  std::string package = "dnsmasq-base";  ///< That has the program.
};

/// A started one, not watched yet. Without a watcher it is killed and waited for.
class DnsmasqChild {
 public:
  DnsmasqChild() = default;
  DnsmasqChild(pid_t pid, Fd pidfd, Fd log) : pid_(pid), pidfd_(std::move(pidfd)), log_(std::move(log)) {}
  DnsmasqChild(DnsmasqChild&& other) noexcept;
  DnsmasqChild& operator=(DnsmasqChild&& other) noexcept;
  DnsmasqChild(const DnsmasqChild&) = delete;
  DnsmasqChild& operator=(const DnsmasqChild&) = delete;
  ~DnsmasqChild() { end(); }

  [[nodiscard]] pid_t pid() const { return pid_; }  ///< -1: none.
  [[nodiscard]] int pidfd() const { return pidfd_.get(); }
  [[nodiscard]] int log() const { return log_.get(); }
  void signal(int number) const;  ///< Does nothing to one that is gone.
  /// Nothing: it still runs. Once it has answered, it is none any more. The text is describe_exit()'s, or "ended by signal 9".
  [[nodiscard]] std::optional<std::string> take_end(std::string_view last_words);
  /// The same of any program: its exit code; that of one ended by a signal is the signal's number, negative.
  [[nodiscard]] std::optional<int> take_code();

 private:
  void end();
  pid_t pid_ = -1;
  Fd pidfd_;
  Fd log_;
};

/// Runs `dnsmasq --version` and reads it. Waits up to two seconds. Errors: kNotFound (not there: which package has it), kTimeout, those of
/// check_dnsmasq().
[[nodiscard]] Result<std::string> probe_dnsmasq(const std::string& program);

/// Waits until it is executed. Capabilities are those of the calling thread (ambient ones stay). Errors: kNotFound, kPermission, those of
/// pipe2(2), vfork(2), pidfd_open(2).
[[nodiscard]] Result<DnsmasqChild> start_dnsmasq(const DnsmasqCommand& command);

/// Reads a child's log, line by line.
///
/// At most kLogLinesMax lines in kLogPeriod are handed on; of further ones only the number, at the end of the period.
class DnsmasqLog {
 public:
  struct Callbacks {
    std::function<void(const DnsmasqLine&)> on_line;
    std::function<void(std::uint64_t lines)> on_left_out;
  };
  DnsmasqLog(QbLoop& loop, Callbacks callbacks) : loop_(loop), callbacks_(std::move(callbacks)) {}
  ~DnsmasqLog() { detach(); }
  DnsmasqLog(const DnsmasqLog&) = delete;
  DnsmasqLog& operator=(const DnsmasqLog&) = delete;

  /// `fd` is the child's; detach() before it is closed.
  [[nodiscard]] Status attach(int fd);
  /// Reads what is left and looks no more.
  void detach();
  /// The last line that spoke of trouble since attach(); else the last one of all.
  [[nodiscard]] const std::string& last_words() const { return trouble_.empty() ? last_ : trouble_; }

 private:
  bool read_some();
  void readable();
  void take(std::string_view line);
  void period_over();

  QbLoop& loop_;
  Callbacks callbacks_;
  int fd_ = -1;
  std::string rest_;  // Of a line without its end.
  std::string last_;
  std::string trouble_;
  std::uint64_t lines_ = 0;  // In this period.
  std::uint64_t left_out_ = 0;
  QbLoop::TimerId period_ = 0;
};

inline constexpr std::uint64_t kLogLinesMax = 200;
inline constexpr Duration kLogPeriod = std::chrono::seconds(10);

}  // namespace fairlead::dnsdhcp
