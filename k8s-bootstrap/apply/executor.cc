#include "k8s-bootstrap/apply/executor.h"

#include <condition_variable>
#include <deque>
#include <fmt/format.h>
#include <mutex>
#include <thread>
#include <vector>

#include "base/overloaded.h"
#include "base/utc_text.h"
#include "k8s-bootstrap/apply/kubeadm_help.h"
#include "k8s-bootstrap/apply/run_order.h"
#include "k8s-bootstrap/apply/script_output.h"
#include "k8s-bootstrap/render/sha256.h"

namespace fairlead::bootstrap {
namespace {

constexpr Duration kStopLook = std::chrono::milliseconds(100);

class Execution {
 public:
  Execution(const Plan& plan, std::string run, Hands& hands, JournalFile& journal, SecretBox& secrets, Watcher& watcher, const Clock& clock,
            const RunOptions& options)
      : run_(std::move(run)),
        hands_(hands),
        journal_(journal),
        secrets_(secrets),
        watcher_(watcher),
        clock_(clock),
        options_(options),
        order_(plan, options.parallel) {}

  Result<RunSummary> go() {
    const Instant begun = clock_.now();
    if (auto written = note(JournalLine::Event::kRun, "", {}, ""); !written) return written.error();
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < std::max(1U, options_.parallel); ++i) threads.emplace_back([this] { work(); });
    dispatch();
    for (std::thread& thread : threads) thread.join();
    summary_.done = order_.count(RunOrder::State::kDone);
    summary_.failed = order_.count(RunOrder::State::kFailed);
    summary_.not_begun = order_.count(RunOrder::State::kWaiting);
    summary_.stopped = stop_asked();
    summary_.took = clock_.now() - begun;
    if (journal_failure_) return *journal_failure_;
    if (summary_.failed == 0 && summary_.not_begun == 0) {
      if (auto ended = note(JournalLine::Event::kComplete, "", summary_.took, ""); !ended) return ended.error();
    }
    return summary_;
  }

 private:
  [[nodiscard]] bool stop_asked() const { return options_.stop && options_.stop(); }

  Status note(JournalLine::Event event, const std::string& step, Duration took, const std::string& why) {
    return journal_.append({utc_text(clock_.wall()), run_, event, step, took, why});
  }

  /// This thread: hands out what may start until nothing more will.
  void dispatch() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
      if (stop_asked()) order_.stop();
      for (const Step* step : order_.start()) ready_.push_back(step);
      if (!ready_.empty()) changed_.notify_all();
      if (order_.over()) break;
      changed_.wait_for(lock, kStopLook);
    }
    over_ = true;
    changed_.notify_all();
  }

  void work() {
    while (const Step* step = next()) {
      const Instant begun = clock_.now();
      if (auto written = note(JournalLine::Event::kBegin, step->id, {}, ""); !written) {
        give_up(*step, written.error());
        continue;
      }
      const Step shown = as_shown(*step);
      tell([&] { watcher_.begins(shown); });
      const std::string failure = carry_out(*step);
      const Duration took = clock_.now() - begun;
      auto written = note(failure.empty() ? JournalLine::Event::kDone : JournalLine::Event::kFailed, step->id, took, failure);
      tell([&] { watcher_.ends(shown, took, failure); });
      if (!written) {
        give_up(*step, written.error());
        continue;
      }
      ended(*step, failure);
    }
  }

  const Step* next() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return over_ || !ready_.empty(); });
    if (ready_.empty()) return nullptr;
    const Step* step = ready_.front();
    ready_.pop_front();
    return step;
  }

  void ended(const Step& step, const std::string& failure) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!failure.empty() && summary_.first_failure.empty()) summary_.first_failure = fmt::format("{}: {}", step.id, failure);
    order_.ended(step.id, failure.empty());
    changed_.notify_all();
  }

  void give_up(const Step& step, const Error& error) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!journal_failure_) journal_failure_ = error;
    }
    ended(step, error.message());
  }

  template <class F>
  void tell(F call) {
    const std::lock_guard<std::mutex> lock(telling_);
    call();
  }

  /// Empty: done. Else the cause, masked.
  std::string carry_out(const Step& step) {
    for (std::size_t i = 0; i < step.operations.size(); ++i) {
      const std::size_t first = i;
      const Status done =
          std::visit(Overloaded{[&](const WriteFile&) {
                                  while (i + 1 < step.operations.size() && std::holds_alternative<WriteFile>(step.operations[i + 1])) ++i;
                                  return write(step, first, i + 1);
                                },
                                [&](const CopyFile& file) { return hands_.copy(step.machine, file); },
                                [&](const FetchFile& file) { return fetch(step.machine, file); },
                                [&](const RunScript& script) { return run(step, i, script); },
                                [&](const WaitFor& wait) { return wait_for(step, wait); },
                                [&](const LocalWork& work) { return hands_.local(step, work); }},
                     step.operations[first]);
      if (!done) return mask(done.error().message());
    }
    return {};
  }

  /// What somebody may see of it: a hook's words, or a label's value, may hold a secret.
  Step as_shown(const Step& step) {
    Step out;
    out.id = step.id;
    out.phase = step.phase;
    out.machine = step.machine;
    out.title = mask(step.title);
    out.because = mask(step.because);
    out.needs = step.needs;
    out.hazard = step.hazard;
    out.usual = step.usual;
    return out;
  }

  std::string mask(std::string_view text) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return secrets_.mask(text);
  }
  Result<std::string> fill(std::string_view text) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return secrets_.fill(text);
  }

  /// Files that come one after the other go together: each call is a session on the machine.
  Status write(const Step& step, std::size_t first, std::size_t end) {
    std::vector<WriteFile> files;
    for (std::size_t i = first; i < end; ++i) {
      files.push_back(std::get<WriteFile>(step.operations[i]));
      auto text = fill(files.back().text);
      if (!text) return text.error();
      files.back().text = std::move(*text);
    }
    return hands_.write_all(step.machine, files);
  }

  Status fetch(const std::string& machine, FetchFile file) {
    auto digest = fill(file.sha256);
    if (!digest) return digest.error();
    file.sha256 = std::move(*digest);
    return hands_.fetch(machine, file);
  }

  Status run(const Step& step, std::size_t operation, RunScript script) {
    const std::string digest = sha256(script.script + '\0' + script.input);
    auto filled = fill(script.script);
    if (!filled) return filled.error();
    auto input = fill(script.input);
    if (!input) return input.error();
    script.script = std::move(*filled);
    script.input = std::move(*input);
    auto result = hands_.run(step.machine, StepKey{run_, step.id, operation, digest}, script);
    if (!result) return result.error();
    if (result->exit_code != 0) return failure_of(*result, script.secret);
    for (const std::string& name : script.gives) {
      auto value = given_value(result->output, name);
      if (!value) return Error{Errc::kInvalidArgument, fmt::format("the machine's answer has no line {}=...", name)};
      const std::lock_guard<std::mutex> lock(mutex_);
      secrets_.give(name, std::move(*value));
    }
    return {};
  }

  Status wait_for(const Step& step, const WaitFor& wait) {
    const Step shown = as_shown(step);
    tell([&] { watcher_.says(shown, mask(fmt::format("waits: {}", wait.what))); });
    const Instant until = clock_.now() + wait.timeout;
    std::string last;
    while (true) {
      auto result = hands_.ask(step.machine, wait.script);
      if (result && result->exit_code == 0) return {};
      last = result ? last_words(*result) : result.error().message();
      if (clock_.now() >= until) {
        return Error{Errc::kTimeout, fmt::format("{}: not so within {} s{}{}", wait.what, static_cast<long>(to_seconds(wait.timeout)),
                                                 last.empty() ? "" : "; last answer: ", last)};
      }
      std::unique_lock<std::mutex> lock(mutex_);
      const Instant again = clock_.now() + wait.every;
      while (clock_.now() < again) {
        if (stop_asked()) return Error{Errc::kUnavailable, fmt::format("stopped while waiting: {}", wait.what)};
        changed_.wait_for(lock, std::min(kStopLook, wait.every));
      }
    }
  }

  const std::string run_;
  Hands& hands_;
  JournalFile& journal_;
  SecretBox& secrets_;  ///< mutex_
  Watcher& watcher_;    ///< telling_
  const Clock& clock_;
  const RunOptions& options_;
  std::mutex telling_;
  std::mutex mutex_;
  std::condition_variable changed_;
  RunOrder order_;                        ///< mutex_
  std::deque<const Step*> ready_;         ///< mutex_
  bool over_ = false;                     ///< mutex_
  std::optional<Error> journal_failure_;  ///< mutex_
  RunSummary summary_;                    ///< mutex_ while threads run.
};

}  // namespace

Result<RunSummary> run_plan(const Plan& plan, const std::string& run, Hands& hands, JournalFile& journal, SecretBox& secrets,
                            Watcher& watcher, const Clock& clock, const RunOptions& options) {
  return Execution(plan, run, hands, journal, secrets, watcher, clock, options).go();
}

}  // namespace fairlead::bootstrap
