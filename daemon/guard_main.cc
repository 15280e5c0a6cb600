#include "daemon/guard_main.h"

#include <future>
#include <memory>
#include <pthread.h>
#include <sched.h>
#include <thread>

#include "base/qb_loop.h"
#include "daemon/privileges.h"
#include "membership/guard_voice.h"
#include "vip/guard_process.h"

namespace fairlead::daemon {
namespace {

constexpr Duration kSettlePause = std::chrono::milliseconds(1);
constexpr auto kSayMax = std::chrono::milliseconds(500);  ///< The core tries again (G4).

/// Alone: the kernel's answer was all there is to say.
class NobodyToTell final : public vip::ReleaseVoice {
 public:
  [[nodiscard]] int fd() const override { return -1; }
  void dispatch() override {}
  [[nodiscard]] Status say(const Released&) override { return {}; }
};

/// A membership of the guard's own, on a thread of its own: Corosync's client wants a loop that always reads, and the guard's thread one
/// that never waits for Corosync.
class GroupVoice final : public vip::ReleaseVoice {
 public:
  explicit GroupVoice(std::string cluster) : thread_([this, cluster = std::move(cluster)] { run(cluster); }) {}
  ~GroupVoice() override {
    loop_ready_.get_future().wait();
    loop_->request_stop();
    thread_.join();
  }

  [[nodiscard]] int fd() const override { return -1; }
  void dispatch() override {}
  [[nodiscard]] Status say(const Released& released) override {
    auto said = std::make_shared<std::promise<Status>>();
    auto answer = said->get_future();
    if (!orders_.post({released, said})) return Error{Errc::kLimitExceeded, "guard: too much to say"};
    if (answer.wait_for(kSayMax) != std::future_status::ready) return Error{Errc::kTimeout, "guard: Corosync does not take Released"};
    return answer.get();
  }

 private:
  struct Order {
    Released released;
    std::shared_ptr<std::promise<Status>> said;
  };

  void run(const std::string& cluster) {
    ::pthread_setname_np(::pthread_self(), "guard-voice");
    // As the guard itself: Released is waited for. Where that is not allowed the guard's notes say so.
    const sched_param real_time{.sched_priority = vip::kGuardPriority};
    (void)::sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &real_time);
    QbLoop loop;
    membership::GuardVoice voice(loop, cluster);
    loop_ = &loop;
    const Status listening = loop.add_inbox(orders_, [&](Order&& order) { tell(loop, voice, std::move(order)); });
    voice.start();
    loop_ready_.set_value();
    if (listening) loop.run();
    voice.stop();
  }

  void tell(QbLoop& loop, membership::GuardVoice& voice, Order&& order) {
    if (auto status = voice.say(order.released); !status) return order.said->set_value(status);
    settle(loop, voice, order.said);
  }
  /// Answers when Corosync has delivered it: the process ends after that.
  void settle(QbLoop& loop, membership::GuardVoice& voice, const std::shared_ptr<std::promise<Status>>& said) {
    if (!voice.in_group()) return said->set_value(Error{Errc::kUnavailable, "guard: Corosync is gone"});
    if (voice.settled()) return said->set_value({});
    loop.after(kSettlePause, [this, &loop, &voice, said] { settle(loop, voice, said); });
  }

  Inbox<Order> orders_{64};
  std::promise<void> loop_ready_;
  QbLoop* loop_ = nullptr;  // Of the thread's frame; valid once loop_ready_ is set.
  std::thread thread_;
};

}  // namespace

Result<vip::GuardChild> start_guard(const std::string& cluster) {
  const LentCapabilities lent(kGuardCapabilities);
  return vip::spawn_guard({.path = "/proc/self/exe", .arguments = {"fairleadd", "--guard-of", cluster, "--guard"}});
}

int guard_main(const std::string& cluster, int first_fd) {
  if (cluster.empty()) {
    NobodyToTell voice;
    return vip::run_guard(first_fd, voice);
  }
  GroupVoice voice(cluster);
  return vip::run_guard(first_fd, voice);
}

}  // namespace fairlead::daemon
