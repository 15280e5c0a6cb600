// While it lives, SIGINT, SIGTERM and SIGHUP are taken note of and end nothing: for verbs that have something to put back first.
#pragma once

#include <csignal>
#include <iterator>

namespace fairlead::cli {

class NotedSignals {
 public:
  NotedSignals();
  ~NotedSignals();
  NotedSignals(const NotedSignals&) = delete;
  NotedSignals& operator=(const NotedSignals&) = delete;
  /// Whether one came since the youngest of these was made.
  [[nodiscard]] static bool came();

 private:
  static constexpr int kNumbers[] = {SIGINT, SIGTERM, SIGHUP};
  struct sigaction before_[std::size(kNumbers)]{};
};

}  // namespace fairlead::cli
