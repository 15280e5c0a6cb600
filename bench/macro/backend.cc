#include "bench/macro/backend.h"

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
};

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

  Poller poller_;
  Fd signals_;
  std::vector<Fd> listeners_;
  std::vector<Link> links_;
  std::vector<std::uint32_t> free_;
  std::vector<std::uint64_t> again_;  ///< Tokens of links that used up their turn.
  Counts counts_;
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
  const std::uint32_t generation = link.generation;
  link = Link(kRequestMagic);
  link.generation = generation;
  free_.push_back(index);
}

void Backend::turn(std::uint32_t index, std::uint32_t events) {
  Link& link = links_[index];
  bool more = false;
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
    const auto read = receive_messages(link, (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0, [&](const Header& request, bool intact) {
      ++counts_.requests;
      counts_.damaged += intact ? 0 : 1;
      const std::uint64_t length = std::clamp<std::uint64_t>(request.reply_length, sizeof(Header), kMessageMax);
      link.writer.add({.magic = kReplyMagic, .flags = intact ? 0 : kFlagDamaged, .length = length, .tag = request.tag});
    });
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
  const SystemClock clock;
  std::array<epoll_event, kEventsPerWait> storage{};
  std::vector<std::uint64_t> turn_now;
  for (Instant now = clock.now(); now < until; now = clock.now()) {
    const auto timeout_ms = again_.empty() ? std::min<std::int64_t>(to_ms(until - now) + 1, 1000) : 0;
    const auto events = poller_.wait(storage, static_cast<int>(timeout_ms));
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
  const auto served = backend.serve(SystemClock().now() + options.lifetime);
  const Counts& c = backend.counts();
  fmt::print("{{\"accepted\": {}, \"requests\": {}, \"damaged\": {}, \"foreign\": {}, \"cut\": {}, \"accept_failures\": {}}}\n", c.accepted,
             c.requests, c.damaged, c.foreign, c.cut, c.accept_failures);
  return served;
}

}  // namespace fairlead::bench
