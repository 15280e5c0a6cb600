// The daemon's log: a bounded queue and one thread named `log`, the only writer of any target.
//
//   any thread --write()/write_line()--> queue --log thread--> libqb (qb_log) --> custom target --> stderr | file | syslog | journal
//        |
//        +--events of level notice and above--> EventRing (`fairlead events`), also while a target is stalled
//        +--every event--> FlightRecorder (`fairlead blackbox`), likewise
//
// An event is written at once, lines are waited for (LogThreadSettings::gather): a thousand connections a second then wake this thread a
// hundred times and not a thousand, and their lines go to a file in a hundred writes. Rationale: woken for each line, a proxy with short
// connections took a quarter more CPU time.
//
// Records go through libqb, so that its other targets see what happened: the name of each event, and one name for lines that are written
// together. The targets are our own (base/log_target.h) and not libqb's: those wait in fprintf(3), cut lines at
// 512 bytes (4096 at most) and hide errors.
//
// Invariants:
//   I1  write() and write_line() never wait: a record that finds the queue full is dropped and counted. An eighth of it is for events only.
//   I2  A record is counted as dropped or handed to the target, in the order of its producer.
//   I3  After drops, once a line was written again, LOG_LINES_DROPPED tells how many were lost since the last such event.
//   I4  All libqb calls of the log come from the log thread.
//   I5  stop() returns within 50 ms of its deadline, whatever the target does.
// Threading: every public call from any thread; construct and stop() from one. One LogThread at a time (libqb's log is global).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <thread>

#include "base/event_ring.h"
#include "base/flight_recorder.h"
#include "base/log.h"
#include "base/log_target.h"
#include "base/result.h"
#include "base/time.h"

namespace fairlead {

struct LogThreadSettings {
  std::size_t queue_capacity = 4096;                   ///< Records; about 320 B each.
  std::size_t ring_capacity = 1024;                    ///< Events kept for `fairlead events`.
  Duration report_interval = std::chrono::seconds(1);  ///< LOG_LINES_DROPPED at most this often.
  Duration gather = std::chrono::milliseconds(10);     ///< So long a line waits for others; less when they fill a quarter of the queue.
  LogPlaces places;
  LogTargetOpener open = open_log_target;      ///< Tests put a target of their own here.
  std::shared_ptr<FlightRecorder> recorder{};  ///< Nothing: none is kept.
};

class LogThread final : public LogSink {
 public:
  /// Starts the thread. A target that cannot be opened becomes standard error, and LOG_TARGET_FAILED says so; to refuse to start
  /// instead, ask check() first.
  explicit LogThread(LogOptions options, LogThreadSettings settings = {});
  LogThread(const LogThread&) = delete;
  LogThread& operator=(const LogThread&) = delete;
  /// stop(1 s). The sink must have been taken away before (set_log_sink(nullptr)).
  ~LogThread() override;

  /// Can this target be opened now? Errors: those of open_log_target().
  [[nodiscard]] static Status check(const LogOptions& options, const LogPlaces& places = {});

  void write(LogEvent event) noexcept override;
  void write_line(LineFormatter formatter, std::span<const std::byte> data) noexcept override;

  /// Takes effect on the log thread for what is written from then on. A target that cannot be opened leaves the old one in place.
  void reconfigure(LogOptions options);
  /// Opens the file again (SIGUSR1 after a rotation): LOG_REOPENED, or LOG_TARGET_FAILED and the old file stays.
  void reopen();

  /// Waits until what was logged, reconfigured or reopened before the call is done or dropped. False at the deadline.
  [[nodiscard]] bool flush(Duration deadline);

  /// Writes what is queued and ends the thread. False when the target took too long: then the rest is dropped and counted. A thread that
  /// sits in a system call (a file on a dead disk) is left behind; it owns what it touches, and ends with the process.
  bool stop(Duration deadline);

  /// Records lost so far: queue full, target failed, or left over at stop().
  [[nodiscard]] std::uint64_t dropped() const;
  [[nodiscard]] EventRing& events();
  [[nodiscard]] const EventRing& events() const;
  /// Of the settings.
  [[nodiscard]] const FlightRecorder* recorder() const;

 private:
  class Core;
  std::shared_ptr<Core> core_;  // Shared with the thread, which may outlive us (see stop()).
  std::thread thread_;
  bool stopped_ = false;
};

}  // namespace fairlead
