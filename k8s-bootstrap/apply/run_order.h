// fairlead: pure
// Which steps of a plan may start now. No thread: the executor asks, and tells what ended.
//
//   O1  A step starts only when all it needs are done, and at most once.
//   O2  On one machine runs one step at a time, and at most `parallel` on all together.
//   O3  After a failure or a stop nothing new starts; what runs goes on to its end.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "k8s-bootstrap/plan/plan.h"

namespace fairlead::bootstrap {

class RunOrder {
 public:
  enum class State : std::uint8_t { kWaiting, kRunning, kDone, kFailed };

  /// The plan outlives it and keeps G1; `parallel` is at least 1.
  RunOrder(const Plan& plan, unsigned parallel);

  /// Those that may start, in the plan's order; they count as running from here on.
  [[nodiscard]] std::vector<const Step*> start();
  void ended(std::string_view step, bool well);
  void stop() { stopped_ = true; }

  /// Nothing runs, and nothing more will start.
  [[nodiscard]] bool over() const;
  [[nodiscard]] State state(std::string_view step) const;
  [[nodiscard]] std::size_t count(State state) const;

 private:
  [[nodiscard]] bool may_start(const Step& step) const;

  const Plan& plan_;
  const unsigned parallel_;
  std::map<std::string, State, std::less<>> states_;
  std::map<std::string, unsigned> busy_;  ///< Machine -> running steps.
  unsigned running_ = 0;
  bool stopped_ = false;
};

}  // namespace fairlead::bootstrap
