// What a waiting verb waits for and for how long, on one line of standard error that is gone when the waiting is over. Only on a terminal:
// in a file or a pipe it would be noise.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "cli/invocation.h"

namespace fairlead::cli {

/// Threading: a thread of its own writes; every function may be called by any other. Nothing else writes to standard error meanwhile but
/// by say().
class Progress {
 public:
  /// `what`: "VIP api moves to gate-2". `limit`: when the waiting ends at the latest; shown when it is there. The environment outlives it.
  Progress(CliEnvironment& environment, std::string what, std::optional<Duration> limit = std::nullopt);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// How far it is: "3 connections left".
  void detail(std::string text);
  /// A whole line on standard error, terminal or not.
  void say(const std::string& line);

 private:
  void run();
  void draw(const std::string& detail);

  CliEnvironment& environment_;
  const std::string what_;
  const std::optional<Duration> limit_;
  const Instant begun_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string detail_;  ///< mutex_, which nobody holds while the terminal is written to: detail() never waits for it.
  bool over_ = false;   ///< mutex_
  std::mutex terminal_;
  bool drawn_ = false;  ///< terminal_
  std::thread writer_;  ///< Last: it uses the others.
};

}  // namespace fairlead::cli
