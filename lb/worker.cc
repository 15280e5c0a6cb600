#include "lb/worker.h"

#include <algorithm>
#include <csignal>
#include <deque>
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/crash_stack.h"
#include "base/overloaded.h"
#include "base/sockaddr.h"
#include "base/system_clock.h"
#include "lb/listener_socket.h"
#include "lb/relay_table.h"
#include "net/chain_io.h"
#include "net/io_engine.h"

namespace fairlead::lb {
namespace {

constexpr std::size_t kInboxSize = 1024;
constexpr std::uint32_t kInboxOwner = 0xffffffffU;
constexpr std::uint32_t kListenerOwner = RelayTable::kOwnersReserved;  ///< + its place in listeners_.
constexpr Duration kAcceptPause = std::chrono::milliseconds(100);
constexpr int kShedPerPause = 64;
constexpr int kQueuedMax = 4096;  ///< The longest accept queue; who comes meanwhile is the engine's.
constexpr std::uint32_t kListedPerTurn = 512;
constexpr std::uint32_t kClosedPerTurn = 128;
constexpr int kPartingTurns = 100;
constexpr Duration kPartingPause = std::chrono::milliseconds(10);

}  // namespace

/// What lives on the worker's thread.
class Worker::Loop final : public net::EventSink {
 public:
  Loop(Worker& worker, net::IoEngine& engine, net::BufferPool& pool)
      : worker_(worker),
        engine_(engine),
        pool_(pool),
        relays_({.engine = engine,
                 .pool = pool,
                 .stats = *worker.stats_,
                 .sources = worker.shared_.sources,
                 .process = worker.shared_.process,
                 .report = worker.shared_.report,
                 .bulk = worker.options_.pipes_max > 0,
                 .index = worker.options_.index,
                 .limit = worker.options_.connections_max,
                 .seed = mix64(worker.options_.index) ^ static_cast<std::uint64_t>(clock_.now().time_since_epoch().count())},
                clock_.now()),
        spare_(::dup(STDERR_FILENO)) {}

  [[nodiscard]] Status open() {
    auto watching = engine_.watch(worker_.inbox_.event_fd(), kInboxOwner);
    if (!watching) return watching.error();
    worker_.stats_->buffers_total.store(pool_.count(), std::memory_order_relaxed);
    return {};
  }

  void run() {
    while (!stopped_ && !worker_.stopping_.load(std::memory_order_relaxed)) {
      deadline_ = std::min(relays_.next_deadline(), resume_at_);
      const bool idle = listings_.empty() && killings_.empty() && closings_.empty() && idle_closings_.empty();
      engine_.poll(idle ? deadline_ : now_, *this);
      if (!listings_.empty()) go_on_listing();
      if (!killings_.empty()) go_on_killing();
      if (!closings_.empty()) go_on_closing();
      if (!idle_closings_.empty()) go_on_closing_idle();
      if (resume_at_ <= now_) resume_accepting();
      relays_.run_timers();
      publish_stats();
    }
    part();
  }

  void on_turn() override {
    now_ = clock_.now();
    relays_.begin_turn(now_);
    if (deadline_ < now_) note_lateness(now_ - deadline_);
  }

  void on_event(const net::Event& event) override {
    if (event.owner < RelayTable::kOwnersReserved) return relays_.on_event(event);
    if (event.owner == kInboxOwner) {
      worker_.inbox_.drain([this](WorkerMessage&& message) { handle(std::move(message)); });
      return;
    }
    const std::size_t place = event.owner - kListenerOwner;
    switch (event.kind) {
      case net::EventKind::kAccepted: return relays_.accept(Fd(event.fd), listeners_[place].id);
      case net::EventKind::kAcceptFailed: return accept_failed(place);
      case net::EventKind::kClosed: listeners_[place].socket = net::kNoSocket; return;
      default: return;
    }
  }

 private:
  struct OpenSocket {
    ListenerId id = 0;
    BindId bind = 0;
    net::SocketId socket = net::kNoSocket;
    bool closing = false;
    bool paused = false;
    bool has_congestion_control = false;  ///< It was chosen once: the host's default does not come back by itself.
  };
  struct Listing {
    ConnectionListing connections;
    std::function<void(std::vector<ConnectionView>)> done;
  };
  struct Killing {
    ConnectionKilling connections;
    std::function<void(std::size_t killed)> done;
  };

  /// Resets what is still open: the engine would close it with FINs, and a cut answer must not look complete. Bounded, and idle when
  /// nothing is open.
  void part() {
    for (OpenSocket& l : listeners_) close_listener(l.bind);
    (void)relays_.kill({}, EndCause::kShutdown);
    for (int i = 0; i < kPartingTurns && relays_.size() > 0; ++i) engine_.poll(clock_.now() + kPartingPause, *this);
  }

  void handle(WorkerMessage&& message) {
    std::visit(Overloaded{
                   [this](SetRoutes&& m) { set_routes(std::move(m.table)); },
                   [this](OpenListener&& m) { open_listener(std::move(m)); },
                   [this](CloseListener&& m) { close_listener(m.bind); },
                   [this](SetLegOptions&& m) { set_leg_options(m); },
                   [this](CloseServerConnections&& m) { close_connections_of(m); },
                   [this](CloseIdle&& m) { idle_closings_.push_back({.server = m.server, .next = 0, .longest = {}, .is_done = false}); },
                   [this](KillMatching&& m) {
                     killings_.push_back({{.query = std::move(m.query), .cause = m.cause}, std::move(m.done)});
                   },
                   [this](ListMatching&& m) {
                     listings_.push_back(
                         {{.query = std::move(m.query), .limit = m.limit, .next = 0, .found = {}, .is_done = false}, std::move(m.done)});
                   },
                   [this](ReleaseAddress&& m) { release_address(std::move(m)); },
                   [this](AddressGone&& m) { address_gone(m.address); },
                   [this](DrainAddress&& m) { relays_.drain(m.address, std::move(m.done)); },
                   [this](StopDraining&& m) { relays_.stop_draining(m.address); },
                   [this](Ping&& m) { worker_.stats_->pong.store(m.sequence, std::memory_order_relaxed); },
                   [this](StopWorker&&) { stopped_ = true; },
               },
               std::move(message));
  }

  /// An address that a reload gave to another listener brings clients for that one from now on.
  void set_routes(std::shared_ptr<const RouteTable> table) {
    for (OpenSocket& l : listeners_) l.id = table->listener_of(l.bind).value_or(l.id);
    relays_.set_routes(std::move(table));
  }

  void open_listener(OpenListener&& message) {
    auto place = std::find_if(listeners_.begin(), listeners_.end(), [](const OpenSocket& l) { return l.socket == net::kNoSocket; });
    if (place == listeners_.end()) place = listeners_.insert(listeners_.end(), OpenSocket{});
    const auto owner = kListenerOwner + static_cast<std::uint32_t>(place - listeners_.begin());
    if (const auto held = relays_.held_back(); !held.empty()) hold_back_syns(message.socket.get(), held);
    auto socket = engine_.listen(std::move(message.socket), owner);
    // Refused: the descriptor is closed, and the kernel gives this address's clients to the other workers' sockets.
    if (!socket) return worker_.stats_->accept_failures.add();
    const RouteTable* table = relays_.routes();  // Perhaps newer than the message: WorkerMail.
    const auto id = table == nullptr ? std::nullopt : table->listener_of(message.bind);
    *place = {.id = id.value_or(message.listener),
              .bind = message.bind,
              .socket = *socket,
              .has_congestion_control = message.has_congestion_control};
  }

  /// A part of one list in each turn: whoever asks for ten thousand connections keeps no other client waiting.
  void go_on_listing() {
    Listing& first = listings_.front();
    relays_.list(first.connections, kListedPerTurn);
    if (!first.connections.is_done) return;
    first.done(std::move(first.connections.found));
    listings_.pop_front();
  }

  /// Likewise.
  void go_on_killing() {
    Killing& first = killings_.front();
    relays_.kill(first.connections, kClosedPerTurn);
    if (!first.connections.is_done) return;
    first.done(first.connections.killed);
    killings_.pop_front();
  }

  void close_connections_of(const CloseServerConnections& m) {
    closings_.push_back({.server = m.server, .cause = m.cause, .before = clock_.now()});
  }
  /// Likewise, of all servers at once: many may go down together.
  void go_on_closing() {
    for (ServerClosing& closing : closings_) relays_.close_server_connections(closing, kClosedPerTurn);
    std::erase_if(closings_, [](const ServerClosing& closing) { return closing.is_done; });
  }

  /// One after the other: two at once would find the same connection.
  void go_on_closing_idle() {
    relays_.close_idle(idle_closings_.front(), kListedPerTurn);
    if (idle_closings_.front().is_done) idle_closings_.pop_front();
  }

  void set_leg_options(const SetLegOptions& message) {
    for (OpenSocket& l : listeners_) {
      if (l.bind != message.bind || l.socket == net::kNoSocket || l.closing) continue;
      apply_leg_options(engine_.fd_of(l.socket), message.options);
      const std::string& wanted = message.options.congestion_control;
      if (wanted.empty() && !l.has_congestion_control) continue;
      l.has_congestion_control = true;
      set_congestion_control(engine_.fd_of(l.socket), wanted.empty() ? default_congestion_control() : wanted);
    }
  }

  void close_listener(BindId bind) {
    for (OpenSocket& l : listeners_) {
      if (l.bind != bind || l.socket == net::kNoSocket || l.closing) continue;
      l.closing = true;
      engine_.close(l.socket, /*reset=*/false);
    }
  }

  /// R18, in an order that leaves no client behind: no handshake begins any more; who ended one and waits in a queue, or in the engine, is
  /// reset by accept(); who is being served is reset. All of it while the address is here.
  void release_address(ReleaseAddress&& message) {
    (void)relays_.hold_back(message.address);
    filter_listeners();
    take_queues(message.address);
    relays_.part(message.address, EndCause::kVipReleased, std::move(message.done));
  }

  /// Who is left is reset, as far as that still gets out (outlive_address).
  void address_gone(const IpAddress& address) {
    const std::uint64_t hold = relays_.hold_back(address);
    take_queues(address);
    relays_.part(address, EndCause::kVipLost, [this, address, hold](std::size_t) {
      relays_.end_hold(address, hold);
      filter_listeners();
    });
  }

  void filter_listeners() {
    const auto held = relays_.held_back();
    for (const OpenSocket& l : listeners_) {
      if (l.socket != net::kNoSocket && !l.closing) hold_back_syns(engine_.fd_of(l.socket), held);
    }
  }

  /// Takes up whoever waits where clients of `address` may wait.
  void take_queues(const IpAddress& address) {
    for (const OpenSocket& l : listeners_) {
      if (l.socket == net::kNoSocket || l.closing) continue;
      const IpAddress bound = local_of(engine_.fd_of(l.socket)).address;
      if (bound != address && bound != IpAddress::any(address.family())) continue;
      for (int i = 0; i < kQueuedMax; ++i) {
        const int fd = ::accept4(engine_.fd_of(l.socket), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) break;  // Empty; what else it may be (no descriptor) the engine meets too, and says so.
        relays_.accept(Fd(fd), l.id);
      }
    }
  }

  /// No descriptor was left. The waiting clients are reset (the spare descriptor makes room for one at a time), and accepting pauses.
  void accept_failed(std::size_t place) {
    OpenSocket& l = listeners_[place];
    if (l.closing) return;
    worker_.stats_->accept_failures.add();
    l.paused = true;
    resume_at_ = now_ + kAcceptPause;
    for (int i = 0; i < kShedPerPause; ++i) {
      spare_.reset();
      const int fd = ::accept4(engine_.fd_of(l.socket), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd >= 0) {
        net::reset_on_close(fd);
        ::close(fd);
        relays_.count_turned_away(l.id);
      }
      spare_.reset(::dup(STDERR_FILENO));
      if (fd < 0) return;
    }
  }

  void resume_accepting() {
    resume_at_ = Instant::max();
    for (OpenSocket& l : listeners_) {
      if (!std::exchange(l.paused, false) || l.closing || l.socket == net::kNoSocket) continue;
      engine_.resume_accept(l.socket);
    }
  }

  void note_lateness(Duration late) {
    auto& worst = worker_.stats_->late_ns_max;
    if (late.count() > worst.load(std::memory_order_relaxed)) worst.store(late.count(), std::memory_order_relaxed);
  }

  void publish_stats() {
    WorkerStats& stats = *worker_.stats_;
    stats.turns.add();
    stats.buffers_used.store(pool_.count() - pool_.available(), std::memory_order_relaxed);
    stats.engine_operations.store(engine_.counters().operations, std::memory_order_relaxed);
    stats.engine_starved.store(engine_.counters().starved, std::memory_order_relaxed);
  }

  Worker& worker_;
  net::IoEngine& engine_;
  net::BufferPool& pool_;
  SystemClock clock_;
  RelayTable relays_;
  std::vector<OpenSocket> listeners_;
  std::deque<Listing> listings_;
  std::deque<Killing> killings_;
  std::vector<ServerClosing> closings_;
  std::deque<IdleClosing> idle_closings_;
  Fd spare_;
  Instant now_{};
  Instant deadline_ = Instant::max();
  Instant resume_at_ = Instant::max();
  bool stopped_ = false;
};

Worker::Worker(const WorkerOptions& options, WorkerShared shared)
    : options_(options), shared_(std::move(shared)), stats_(std::make_unique<WorkerStats>()), inbox_(kInboxSize) {
  stats_->index = options.index;
}

Worker::~Worker() {
  if (!thread_.joinable()) return;
  stopping_.store(true, std::memory_order_relaxed);
  (void)post(StopWorker{});  // Wakes it. A full inbox has woken it already, and the loop looks at `stopping_` too.
  if (ended_.wait_for(options_.stop_patience) != std::future_status::ready) {
    assertion_failed(("worker " + std::to_string(options_.index) + " does not end: its thread hangs").c_str(), __FILE__, __LINE__);
  }
  thread_.join();
}

Status Worker::start() {
  auto started = std::make_shared<std::promise<Status>>();
  auto answer = started->get_future();
  std::promise<void> ended;
  ended_ = ended.get_future();
  thread_ = std::thread([this, started, ended = std::move(ended)]() mutable {
    run([started](Status s) { started->set_value(std::move(s)); });
    ended.set_value();
  });
  Status status = answer.get();
  if (!status) thread_.join();
  return status;
}

void Worker::run(const std::function<void(Status)>& started) {
  const CrashStack stack;
  ::pthread_setname_np(::pthread_self(), ("worker-" + std::to_string(options_.index)).substr(0, 15).c_str());
  if (options_.cpu >= 0) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(static_cast<unsigned>(options_.cpu), &cpus);
    (void)::pthread_setaffinity_np(::pthread_self(), sizeof cpus, &cpus);  // Better cache use; without it the scheduler places us.
  }
  ::sigset_t broken_pipe;
  ::sigemptyset(&broken_pipe);
  ::sigaddset(&broken_pipe, SIGPIPE);
  (void)::pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);  // splice(2) has no MSG_NOSIGNAL.
  net::BufferPool pool(std::clamp<std::size_t>(options_.pool_bytes / net::kBufferBytes, 16, net::kBuffersPerPoolMax));
  std::unique_ptr<net::IoEngine> engine;
  if (options_.uring) {
    auto made = net::make_uring_engine(pool, {.pipes_max = options_.pipes_max});
    if (!made) return started(made.error());
    engine = std::move(*made);
  } else {
    engine = net::make_epoll_engine(pool, {.pipes_max = options_.pipes_max});
  }
  Loop loop(*this, *engine, pool);
  if (auto opened = loop.open(); !opened) return started(opened.error());
  started({});
  loop.run();
  engine.reset();  // Closes every descriptor it owns; before the loop, whose relays only know names.
}

}  // namespace fairlead::lb
