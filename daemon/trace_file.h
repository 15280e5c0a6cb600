// Lines for a file, written by a thread that may wait: whoever adds them never waits for a disk (ha-rules R22).
//
// It ends, and says so once (TRACE_ENDED), when the disk refuses, when more than kTraceWaitingMax waits for it (what comes after a gap
// could not be replayed), or at kTraceBytesMax.
// Threading: add() and flush() by one thread. Ownership: what `post_job` posts to outlives it, and writes what was flushed last.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/fd.h"

namespace fairlead::daemon {

inline constexpr std::size_t kTraceWaitingMax = std::size_t{4} * 1024 * 1024;
inline constexpr std::size_t kTraceFlushAt = kTraceWaitingMax / 4;
inline constexpr std::uint64_t kTraceBytesMax = std::uint64_t{1} << 30;  ///< Of one life.

class TraceFile {
 public:
  using PostJob = std::function<bool(std::function<void()>)>;
  /// `file`: open for appending.
  TraceFile(Fd file, PostJob post_job);
  ~TraceFile();
  TraceFile(const TraceFile&) = delete;
  TraceFile& operator=(const TraceFile&) = delete;

  [[nodiscard]] bool is_on() const { return !ended_; }
  void add(const std::string& line);
  /// Hands what was added over, if the one before was written.
  void flush();

 private:
  struct Disk {
    explicit Disk(Fd fd) : file(std::move(fd)) {}
    Fd file;
    std::atomic<bool> busy{false};
    std::atomic<int> error{0};  ///< errno of the write that failed.
  };
  void end(const std::string& reason);

  std::shared_ptr<Disk> disk_;
  PostJob post_job_;
  std::string waiting_;
  std::uint64_t added_ = 0;  ///< Bytes.
  bool ended_ = false;
};

}  // namespace fairlead::daemon
