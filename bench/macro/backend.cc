#include "bench/macro/backend.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "base/sockaddr.h"
#include "base/system_clock.h"
#include "bench/macro/link.h"

namespace fairlead::bench {
namespace {

constexpr std::uint64_t kSignalToken = ~std::uint64_t{0};
// Listeners have no generation (connections start at 1): their tokens never meet a connection's.
constexpr std::uint64_t listener_token(std::uint32_t index) { return token_of(index, 0); }

struct Counts {
  std::uint64_t accepted = 0;
  std::uint64_t requests = 0;
  std::uint64_t damaged = 0;  ///< Requests whose body was not the pattern.
  std::uint64_t foreign = 0;  ///< Connections that sent something else.
  std::uint64_t cut = 0;      ///< Connections that ended inside a request.
  std::uint64_t accept_failures = 0;
  std::uint64_t events = 0;
};
/// A connection that wants events.
struct Watch {
  std::uint32_t link = 0;
  std::uint64_t next_tag = 0;
  std::uint64_t length = 0;
};
constexpr Duration kIdleWait = std::chrono::seconds(1);
constexpr int kEventsPerTurn = 64;  // then whoever has something to say gets his turn, however late the events are

class Backend {
 public:
  explicit Backend(Poller poller) : poller_(std::move(poller)) {}
  Status open(const BackendOptions& options);
  Status serve(Instant until);
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  void accept_all(int listener);
  void turn(std::uint32_t index, std::uint32_t events);
  void close(std::uint32_t index);
  void answer(std::uint32_t index, const Header& request, bool intact);
  void end_watch(std::uint32_t index);
  /// Sends the events that are due; returns how long nothing more is.
  Duration send_events(Instant now);

  SystemClock clock_;
  Poller poller_;
  Fd signals_;
  std::vector<Fd> listeners_;
  std::vector<Link> links_;
  std::vector<std::uint32_t> free_;
  std::vector<std::uint64_t> again_;  ///< Tokens of links that used up their turn.
  Counts counts_;
  std::vector<Watch> watches_;
  std::vector<bool> watching_;  ///< By link: most requests come from connections that have no watch, and need not be looked for.
  std::size_t next_watch_ = 0;
  bool held_ = false;          ///< No events for now.
  Duration event_interval_{};  ///< 0: no events.
  Instant event_due_{};
};

Status Backend::open(const BackendOptions& options) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  if (::sigprocmask(SIG_BLOCK, &set, nullptr) != 0) return errno_error("block signals");
  signals_.reset(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!signals_.valid()) return errno_error("signalfd");
  if (auto added = poller_.add_level_triggered(signals_.get(), kSignalToken); !added) return added;
  if (options.event_rate > 0) {
    event_interval_ = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(1 / options.event_rate));
    ask_for_exact_timers();
  }
  std::string names;
  for (const Endpoint& endpoint : options.listen) {
    auto fd = listen_on(endpoint);
    if (!fd) return fd.error();
    if (auto added = poller_.add_level_triggered(fd->get(), listener_token(static_cast<std::uint32_t>(listeners_.size()))); !added)
      return added;
    names += fmt::format("{}\"{}\"", names.empty() ? "" : ", ", local_of(fd->get()).to_string());
    listeners_.push_back(std::move(*fd));
  }
  fmt::print("{{\"ready\": [{}]}}\n", names);
  std::fflush(stdout);
  return {};
}

void Backend::accept_all(int listener) {
  for (;;) {
    Fd fd(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd.valid()) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno != EAGAIN) ++counts_.accept_failures;
      return;
    }
    const int on = 1;
    if (::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) ++counts_.accept_failures;
    if (free_.empty()) {
      free_.push_back(static_cast<std::uint32_t>(links_.size()));
      links_.emplace_back(kRequestMagic);
      watching_.push_back(false);
    }
    const std::uint32_t index = free_.back();
    Link& link = links_[index];
    const std::uint32_t generation = link.generation + 1;
    if (!poller_.add(fd.get(), token_of(index, generation))) {
      ++counts_.accept_failures;
      continue;
    }
    free_.pop_back();
    link.generation = generation;
    link.fd = std::move(fd);
    ++counts_.accepted;
  }
}

void Backend::close(std::uint32_t index) {
  Link& link = links_[index];
  if (link.reader.partial() > 0) ++counts_.cut;
  end_watch(index);
  const std::uint32_t generation = link.generation;
  link = Link(kRequestMagic);
  link.generation = generation;
  free_.push_back(index);
}

void Backend::answer(std::uint32_t index, const Header& request, bool intact) {
  ++counts_.requests;
  counts_.damaged += intact ? 0 : 1;
  const std::uint64_t length = std::clamp<std::uint64_t>(request.reply_length, sizeof(Header), kMessageMax);
  end_watch(index);
  if ((request.flags & kFlagHoldEvents) != 0) held_ = true;
  if ((request.flags & kFlagGoOn) != 0) {
    held_ = false;
    event_due_ = clock_.now();
  }
  if ((request.flags & kFlagWatch) != 0) {
    watching_[index] = true;
    watches_.push_back({.link = index, .next_tag = request.tag, .length = length});
    return;
  }
  links_[index].writer.add({.magic = kReplyMagic, .flags = intact ? 0 : kFlagDamaged, .length = length, .tag = request.tag});
}

void Backend::end_watch(std::uint32_t index) {
  if (!watching_[index]) return;
  watching_[index] = false;
  std::erase_if(watches_, [&](const Watch& watch) { return watch.link == index; });
}

Duration Backend::send_events(Instant now) {
  if (watches_.empty() || held_ || event_interval_ <= Duration{}) {
    event_due_ = now;  // the rate begins with the first watch: nothing is made up for
    return kIdleWait;
  }
  for (int sent = 0; event_due_ <= now && sent < kEventsPerTurn; ++sent) {
    next_watch_ = (next_watch_ + 1) % watches_.size();
    Watch& watch = watches_[next_watch_];
    event_due_ += event_interval_;
    Link& link = links_[watch.link];
    if (!link.writer.empty()) continue;  // who does not read gets no longer queue; his next event carries the next number
    link.writer.add({.magic = kReplyMagic, .flags = 0, .length = watch.length, .tag = watch.next_tag++});
    ++counts_.events;
    const auto index = watch.link;
    if (link.writer.flush(link.fd.get(), kTurnBytes).outcome == MessageWriter::Outcome::kFailed) close(index);
    if (watches_.empty()) return kIdleWait;
  }
  return event_due_ - now;
}

void Backend::turn(std::uint32_t index, std::uint32_t events) {
  Link& link = links_[index];
  bool more = false;
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
    const auto read = receive_messages(link, (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0,
                                       [&](const Header& request, bool intact) { answer(index, request, intact); });
    if (read.outcome == ReadOutcome::kNotOurs) ++counts_.foreign;
    // A client that closes wants nothing more; what is unsent goes with it.
    if (read.outcome == ReadOutcome::kEof || read.outcome == ReadOutcome::kFailed || read.outcome == ReadOutcome::kNotOurs)
      return close(index);
    more = read.outcome == ReadOutcome::kMore;
  }
  if (!link.writer.empty()) {
    const auto wrote = link.writer.flush(link.fd.get(), kTurnBytes);
    if (wrote.outcome == MessageWriter::Outcome::kFailed) return close(index);
    more = more || wrote.outcome == MessageWriter::Outcome::kBudget;
  }
  if (more) again_.push_back(token_of(index, link.generation));
}

Status Backend::serve(Instant until) {
  std::array<epoll_event, kEventsPerWait> storage{};
  std::vector<std::uint64_t> turn_now;
  for (Instant now = clock_.now(); now < until; now = clock_.now()) {
    const Duration nothing_due = send_events(now);
    const auto events = poller_.wait(storage, again_.empty() ? std::min({until - now, nothing_due, kIdleWait}) : Duration{});
    if (!events) return events.error();
    turn_now.swap(again_);
    for (const epoll_event& event : *events) {
      if (event.data.u64 == kSignalToken) return {};
      const std::uint32_t index = index_of(event.data.u64);
      if (generation_of(event.data.u64) == 0) {
        accept_all(listeners_[index].get());
      } else if (links_[index].generation == generation_of(event.data.u64) && links_[index].fd.valid()) {
        turn(index, event.events);
      }
    }
    for (const std::uint64_t token : turn_now) {
      const std::uint32_t index = index_of(token);
      if (links_[index].generation == generation_of(token) && links_[index].fd.valid()) turn(index, EPOLLIN | EPOLLOUT);
    }
    turn_now.clear();
  }
  return {};
}

}  // namespace

Status run_backend(const BackendOptions& options) {
  auto poller = Poller::create();
  if (!poller) return poller.error();
  Backend backend(std::move(*poller));
  if (auto opened = backend.open(options); !opened) return opened;
  auto served = backend.serve(SystemClock().now() + options.lifetime);
  const Counts& c = backend.counts();
  fmt::print(
      "{{\"accepted\": {}, \"requests\": {}, \"damaged\": {}, \"foreign\": {}, \"cut\": {}, \"accept_failures\": {}, "
      "\"events\": {}}}\n",
      c.accepted, c.requests, c.damaged, c.foreign, c.cut, c.accept_failures, c.events);
  return served;
}

}  // namespace fairlead::bench
