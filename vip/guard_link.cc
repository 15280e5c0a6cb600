#include "vip/guard_link.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/overloaded.h"

extern char** environ;  // NOLINT(readability-redundant-declaration): POSIX leaves it to the program.

namespace fairlead::vip {
namespace {

constexpr int kFirstGuardFd = 3;
constexpr int kWordsPerTurn = 128;
constexpr Duration kDaemonTurnCountedMax = std::chrono::milliseconds(150);

// Descriptors 3, 4, 5 for the guard; nothing else. The sources are above 5, so that no dup2 overwrites one.
int spawn(pid_t& pid, const GuardProgram& program, std::array<int, 3> fds) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  for (int i = 0; i < 3; ++i) ::posix_spawn_file_actions_adddup2(&actions, fds[static_cast<std::size_t>(i)], kFirstGuardFd + i);
  ::posix_spawn_file_actions_addclosefrom_np(&actions, kFirstGuardFd + 3);
  // The daemon blocks signals for signalfd; the guard ignores them instead, and inherits no mask.
  sigset_t none;
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  std::vector<std::string> words = program.arguments;
  words.push_back(std::to_string(kFirstGuardFd));
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const int result = ::posix_spawn(&pid, program.path.c_str(), &actions, &attributes, argv.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  return result;
}

Fd moved_up(Fd fd) {
  if (!fd.valid() || fd.get() > kFirstGuardFd + 2) return fd;
  return Fd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, kFirstGuardFd + 3));
}

}  // namespace

GuardChild::GuardChild(GuardChild&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      link_(std::move(other.link_)),
      pidfd_(std::move(other.pidfd_)),
      beats_(std::exchange(other.beats_, nullptr)) {}

GuardChild& GuardChild::operator=(GuardChild&& other) noexcept {
  if (this == &other) return *this;
  (void)kill();
  pid_ = std::exchange(other.pid_, -1);
  link_ = std::move(other.link_);
  pidfd_ = std::move(other.pidfd_);
  beats_ = std::exchange(other.beats_, nullptr);
  return *this;
}

GuardChild::~GuardChild() {
  const pid_t pid = kill();
  if (pid > 0) (void)::waitpid(pid, nullptr, WNOHANG);
}

pid_t GuardChild::kill() {
  if (pidfd_.valid()) (void)::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
  return let_go();
}

pid_t GuardChild::let_go() {
  if (beats_ != nullptr) ::munmap(beats_, sizeof *beats_);
  beats_ = nullptr;
  link_.reset();
  pidfd_.reset();
  return std::exchange(pid_, -1);
}

Result<GuardChild> spawn_guard(const GuardProgram& program) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) return errno_error("guard: socket pair");
  GuardChild out;
  out.link_.reset(pair[0]);
  const Fd theirs = moved_up(Fd(pair[1]));
  const Fd page = moved_up(Fd(::memfd_create("fairlead-beats", MFD_CLOEXEC)));
  if (!page.valid() || ::ftruncate(page.get(), sizeof(SharedBeats)) < 0) return errno_error("guard: page of beats");
  void* mapped = ::mmap(nullptr, sizeof(SharedBeats), PROT_READ | PROT_WRITE, MAP_SHARED, page.get(), 0);
  if (mapped == MAP_FAILED) return errno_error("guard: map the page of beats");
  out.beats_ = static_cast<SharedBeats*>(mapped);
  const Fd self = moved_up(Fd(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0))));
  if (!self.valid()) return errno_error("guard: pidfd of the daemon");
  if (!theirs.valid()) return errno_error("guard: descriptors");
  pid_t pid = -1;
  if (const int failed = spawn(pid, program, {theirs.get(), page.get(), self.get()}); failed != 0)
    return errno_error("guard: start " + program.path, failed);
  out.pid_ = pid;
  out.pidfd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!out.pidfd_.valid()) return errno_error("guard: pidfd of the guard");
  return out;
}

void GuardLink::attach(GuardChild child, Instant now) {
  if (child_.valid() || over_) {
    if (const pid_t pid = child.kill(); pid > 0) ended_.push_back(pid);
    return;
  }
  spawning_.reset();
  if (!missing_since_) missing_since_ = now;
  child_ = std::move(child);
  setup_sent_ = false;
  ready_ = false;
  guard_counter_ = 0;
  silent_ = Duration::zero();
  last_turn_ = now;
  std::erase_if(entries_, [](const auto& e) { return e.second.dropping; });  // A new guard knows nothing that could be dropped.
  for (auto& [vip, entry] : entries_) entry.sent = entry.known = false;
  flush();
}

void GuardLink::spawn_failed(const Error& error, Instant now) {
  if (child_.valid() || over_) return;
  spawning_.reset();
  lost(error.message(), now);
}

void GuardLink::lost(std::string reason, Instant now) {
  unwatch_();
  if (const pid_t pid = child_.kill(); pid > 0) ended_.push_back(pid);
  ready_ = false;
  if (!missing_since_) missing_since_ = now;
  for (auto& [vip, entry] : entries_) entry.sent = entry.known = false;
  failures_.push_back(now);
  while (!failures_.empty() && now - failures_.front() > kGuardFailureWindow) failures_.pop_front();
  while (failures_.size() > kGuardFailuresMax) failures_.pop_front();
  const bool too_often = failed_too_often(now);
  next_spawn_ = too_often ? now + kGuardBackOff : now;
  events_.push_back(GuardLost{std::move(reason), too_often});
}

bool GuardLink::failed_too_often(Instant now) const {
  const auto recent = std::count_if(failures_.begin(), failures_.end(), [&](Instant at) { return now - at <= kGuardFailureWindow; });
  return static_cast<std::size_t>(recent) >= kGuardFailuresMax;
}

bool GuardLink::can_guard(Instant now) const {
  if (failed_too_often(now)) return false;
  return ready_ || !missing_since_ || now - *missing_since_ < kGuardMissingMax;
}

/// L4
void GuardLink::want(Instant now) {
  if (child_.valid() || over_) return;
  if (!missing_since_) missing_since_ = now;
  if (spawning_ && now - *spawning_ >= kGuardSpawnMax) {
    spawning_.reset();
    lost("it did not start in time", now);
  }
  if (spawning_ || now < next_spawn_) return;
  spawning_ = now;
  events_.emplace_back(GuardWanted{});
}

Status GuardLink::hold(GuardHold what) {
  if (entries_.size() >= kGuardedMax && entries_.find(what.vip) == entries_.end())
    return Error{Errc::kLimitExceeded, "vip " + what.vip + ": the guard watches " + std::to_string(kGuardedMax) + " VIPs at most"};
  what.serial = ++last_serial_;
  const std::string vip = what.vip;
  entries_[vip] = Entry{.hold = std::move(what)};
  flush();
  return {};
}

Status GuardLink::keep(GuardHold what) {
  const auto at = entries_.find(what.vip);
  const bool told = at != entries_.end() && !at->second.dropping && at->second.hold.epoch == what.epoch &&
                    at->second.hold.incarnation == what.incarnation && at->second.hold.address == what.address;
  return told ? Status{} : hold(std::move(what));
}

void GuardLink::drop(const std::string& vip) {
  const auto at = entries_.find(vip);
  if (at == entries_.end()) return;
  if (!child_.valid()) {
    entries_.erase(at);
    return;
  }
  at->second.dropping = true;
  at->second.sent = at->second.known = false;
  at->second.hold.serial = ++last_serial_;
  flush();
}

void GuardLink::goodbye() {
  over_ = true;
  if (!child_.valid()) return;
  flush();
  unwatch_();
  ended_.push_back(send(GuardGoodbye{}) ? child_.let_go() : child_.kill());
  ready_ = false;
}

void GuardLink::reap() {
  std::erase_if(ended_, [](pid_t pid) { return ::waitpid(pid, nullptr, WNOHANG) != 0; });
}

// Everything not sent yet, as far as the socket takes it; the rest with the next turn.
void GuardLink::flush() {
  if (!child_.valid()) return;
  if (!setup_sent_) setup_sent_ = send(setup_);
  if (!setup_sent_) return;
  for (auto& [vip, entry] : entries_) {
    if (entry.sent) continue;
    entry.sent = entry.dropping ? send(GuardDrop{entry.hold.serial, vip, entry.hold.epoch}) : send(entry.hold);
    if (!entry.sent) return;
  }
}

bool GuardLink::send(const GuardOrder& order) {
  const GuardBytes bytes = build_guard_order(order);
  return ::send(child_.link(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
}

std::vector<GuardLinkEvent> GuardLink::turn(Instant now) {
  if (child_.valid()) {
    read_words(now);
    if (child_.valid() && died()) {
      lost("it died", now);
    } else if (child_.valid() && silent_too_long(now)) {
      lost("it stood still", now);
    }
    flush();
  }
  want(now);
  reap();
  return std::exchange(events_, {});
}

void GuardLink::beat() {
  if (child_.valid()) child_.beats().daemon.store(++beat_, std::memory_order_relaxed);
}

void GuardLink::read_words(Instant now) {
  std::array<std::byte, kGuardMessageBytesMax> buffer{};
  for (int n = 0; n < kWordsPerTurn; ++n) {
    const auto got = ::recv(child_.link(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (got <= 0) return lost("it closed the link", now);
    if (const auto word = parse_guard_word(std::span(buffer).first(static_cast<std::size_t>(got)))) on_word(*word);
  }
}

void GuardLink::on_word(const GuardWord& word) {
  std::visit(Overloaded{[&](const GuardReady& ready) {
                          ready_ = true;
                          missing_since_.reset();
                          events_.push_back(GuardUp{child_.pid(), ready.notes});
                        },
                        [&](const GuardAck& ack) {
                          const auto at = std::find_if(entries_.begin(), entries_.end(),
                                                       [&](const auto& e) { return e.second.hold.serial == ack.serial && e.second.sent; });
                          if (at == entries_.end()) return;
                          if (at->second.dropping) {
                            entries_.erase(at);
                            return;
                          }
                          at->second.known = true;
                          events_.push_back(GuardKnows{at->first, at->second.hold.epoch});
                        }},
             word);
}

bool GuardLink::died() const {
  pollfd on{.fd = child_.pidfd(), .events = POLLIN, .revents = 0};
  return ::poll(&on, 1, 0) > 0;
}

bool GuardLink::silent_too_long(Instant now) {
  const Duration passed = last_turn_ ? std::min(now - *last_turn_, kDaemonTurnCountedMax) : Duration::zero();
  last_turn_ = now;
  const std::uint64_t counter = child_.beats().guard.load(std::memory_order_relaxed);
  silent_ = counter != guard_counter_ ? Duration::zero() : silent_ + passed;
  guard_counter_ = counter;
  return silent_ > kGuardSilentMax;
}

bool GuardLink::knows(const std::string& vip, Epoch epoch) const {
  const auto at = entries_.find(vip);
  return at != entries_.end() && at->second.known && at->second.hold.epoch == epoch;
}

}  // namespace fairlead::vip
