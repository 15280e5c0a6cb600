// A question put to every worker, and their answers put together.
//
//   Survey::make --ask(worker)--> inbox ... worker's thread: answer(worker, merge) --last one--> done(sum, nobody silent)
//                     | full: ask_again() with the next beat
//                     '---------------------------------- give_up() ----------------------> done(sum so far, who was silent)
//
// Invariants (tests/unit/daemon/survey_test.cc):
//   I1  `done` is called exactly once: by the last answer, or by give_up().
//   I2  A worker is asked once, and its answer counts once; what comes after `done` is dropped.
// Threading: answer() from the workers' threads, everything else from control. Ownership: shared with the questions under way.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/priority_mutex.h"
#include "base/time.h"

namespace fairlead::daemon {

inline constexpr Duration kSurveyTime = std::chrono::seconds(2);  ///< For workers to answer; a healthy one needs microseconds.

class OpenSurvey {
 public:
  virtual ~OpenSurvey() = default;
  /// Asks the workers whose inbox was full.
  virtual void ask_again() = 0;
  /// Whoever has not answered by now is silent.
  virtual void give_up() = 0;
  [[nodiscard]] virtual bool over() const = 0;
};

template <class T>
class Survey final : public OpenSurvey, public std::enable_shared_from_this<Survey<T>> {
 public:
  using Silent = std::vector<std::uint32_t>;
  /// False: this worker's inbox is full.
  using Ask = std::function<bool(std::uint32_t worker, const std::shared_ptr<Survey>& survey)>;
  using Done = std::function<void(T sum, Silent silent)>;

  [[nodiscard]] static std::shared_ptr<Survey> make(std::size_t workers, Ask ask, Done done) {
    auto survey = std::shared_ptr<Survey>(new Survey(workers, std::move(ask), std::move(done)));
    survey->ask_again();
    return survey;
  }

  void ask_again() override {
    for (std::uint32_t i = 0; i < asked_.size(); ++i) asked_[i] = asked_[i] || ask_(i, this->shared_from_this());
  }

  void answer(std::uint32_t worker, const std::function<void(T&)>& merge) {
    std::unique_lock lock(mutex_);
    if (over_ || answered_[worker]) return;
    answered_[worker] = true;
    merge(sum_);
    if (--left_ == 0) finish(lock);
  }

  void give_up() override {
    std::unique_lock lock(mutex_);
    if (!over_) finish(lock);
  }

  [[nodiscard]] bool over() const override {
    const std::lock_guard lock(mutex_);
    return over_;
  }

 private:
  Survey(std::size_t workers, Ask ask, Done done)
      : ask_(std::move(ask)), asked_(workers), done_(std::move(done)), answered_(workers), left_(workers) {}

  void finish(std::unique_lock<PriorityMutex>& lock) {
    over_ = true;
    Silent silent;
    for (std::uint32_t i = 0; i < answered_.size(); ++i) {
      if (!answered_[i]) silent.push_back(i);
    }
    T sum = std::move(sum_);
    lock.unlock();  // `done` goes elsewhere.
    std::exchange(done_, nullptr)(std::move(sum), std::move(silent));
  }

  const Ask ask_;
  std::vector<bool> asked_;
  mutable PriorityMutex mutex_;  // Guards what follows. Answers are rare, and once each.
  Done done_;
  std::vector<bool> answered_;
  std::size_t left_;
  T sum_{};
  bool over_ = false;
};

}  // namespace fairlead::daemon
