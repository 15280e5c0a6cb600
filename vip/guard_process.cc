#include "vip/guard_process.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <deque>
#include <fcntl.h>
#include <memory>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/overloaded.h"
#include "base/system_clock.h"
#include "vip/guard_core.h"
#include "vip/netlink_address_driver.h"

namespace fairlead::vip {
namespace {

constexpr int kTurnMs = 20;
constexpr int kOrdersPerTurn = 64;

// Each is a better chance to be quick when it matters, and none is needed to be right.
std::string harden() {
  std::string notes;
  const auto note = [&](const char* what) {
    const Error error = errno_error(what);
    notes += (notes.empty() ? "" : "; ") + error.message();
  };
  if (::mlockall(MCL_CURRENT | MCL_FUTURE) != 0) note("lock memory");
  const sched_param param{.sched_priority = kGuardPriority};
  if (::sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &param) != 0) note("real-time scheduling");
  const Fd score(::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  if (!score.valid() || ::write(score.get(), "-1000", 5) != 5) note("oom_score_adj -1000");
  // All else is a better chance; without this it is no guard.
  if (!may_change_addresses()) notes += (notes.empty() ? "" : "; ") + std::string("CAP_NET_ADMIN is missing: it cannot delete addresses");
  return notes;
}

void ignore_signals() {
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE, SIGALRM, SIGTSTP, SIGTTIN, SIGTTOU})
    std::signal(number, SIG_IGN);
}

class GuardProcess {
 public:
  GuardProcess(int first_fd, ReleaseVoice& voice) : link_(first_fd), page_(first_fd + 1), daemon_(first_fd + 2), voice_(voice) {}
  ~GuardProcess() {
    if (beats_ != nullptr) ::munmap(beats_, sizeof *beats_);
  }
  GuardProcess(const GuardProcess&) = delete;
  GuardProcess& operator=(const GuardProcess&) = delete;

  Status start() {
    void* page = ::mmap(nullptr, sizeof *beats_, PROT_READ | PROT_WRITE, MAP_SHARED, page_.get(), 0);
    if (page == MAP_FAILED) return errno_error("map the page of beats");
    beats_ = static_cast<SharedBeats*>(page);
    auto driver = NetlinkAddressDriver::open(NetlinkAddressDriver::Events::kNone);
    if (!driver) return driver.error();
    addresses_ = std::move(*driver);
    say(GuardReady{harden()});
    return {};
  }

  void run() {
    while (!core_.is_over()) {
      wait();
      // Orders first: what the daemon gave up before it died is not ours to say.
      read_orders();
      if (died()) feed(DaemonDied{});
      beats_->guard.fetch_add(1, std::memory_order_relaxed);
      feed(Turned{beats_->daemon.load(std::memory_order_relaxed)});
    }
  }

 private:
  void wait() {
    std::array<pollfd, 3> on{{{.fd = link_.get(), .events = POLLIN, .revents = 0},
                              {.fd = known_dead_ ? -1 : daemon_.get(), .events = POLLIN, .revents = 0},
                              {.fd = voice_.fd(), .events = POLLIN, .revents = 0}}};
    (void)::poll(on.data(), on.size(), kTurnMs);
    if (on[2].revents != 0) voice_.dispatch();
  }

  bool died() {
    if (known_dead_) return false;
    pollfd on{.fd = daemon_.get(), .events = POLLIN, .revents = 0};
    known_dead_ = ::poll(&on, 1, 0) > 0;
    return known_dead_;
  }

  void read_orders() {
    std::array<std::byte, kGuardMessageBytesMax> buffer{};
    for (int n = 0; n < kOrdersPerTurn && link_.valid(); ++n) {
      const auto got = ::recv(link_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) {  // The daemon closed it, mostly by dying; its pidfd tells which.
        link_.reset();
        return;
      }
      if (auto order = parse_guard_order(std::span(buffer).first(static_cast<std::size_t>(got)))) feed(OrderCame{std::move(*order)});
    }
  }

  void say(const GuardWord& word) {
    const GuardBytes bytes = build_guard_word(word);
    if (link_.valid()) (void)::send(link_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  }

  // Feeds the core and, as its answers to actions, itself.
  void feed(GuardInput first) {
    std::deque<GuardInput> inputs;
    inputs.push_back(std::move(first));
    while (!inputs.empty()) {
      const GuardActions actions = core_.step(inputs.front(), clock_.now());
      inputs.pop_front();
      for (const GuardAction& action : actions) carry_out(action, inputs);
    }
  }

  void carry_out(const GuardAction& action, std::deque<GuardInput>& answers) {
    std::visit(Overloaded{[&](const Acknowledge& a) { say(GuardAck{a.serial}); },
                          [&](const DeleteAddress& d) {
                            answers.push_back(AddressDeleted{d.vip, d.epoch, addresses_->remove(d.address).has_value()});
                          },
                          [&](const KillDaemon&) { (void)::syscall(SYS_pidfd_send_signal, daemon_.get(), SIGKILL, nullptr, 0); },
                          [&](const SayReleased& s) {
                            answers.push_back(ReleaseSaid{s.released.vip, s.released.epoch, voice_.say(s.released).has_value()});
                          },
                          [&](const ExitGuard&) {}},
               action);
  }

  Fd link_;
  Fd page_;
  Fd daemon_;
  ReleaseVoice& voice_;
  SystemClock clock_;
  GuardCore core_;
  SharedBeats* beats_ = nullptr;
  std::unique_ptr<NetlinkAddressDriver> addresses_;
  bool known_dead_ = false;
};

}  // namespace

int run_guard(int first_fd, ReleaseVoice& voice) {
  ignore_signals();
  (void)::prctl(PR_SET_NAME, "guard");
  GuardProcess guard(first_fd, voice);
  if (auto status = guard.start(); !status) {
    std::fprintf(stderr, "fairleadd: guard: %s\n", status.error().message().c_str());
    return 1;
  }
  guard.run();
  return 0;
}

}  // namespace fairlead::vip
