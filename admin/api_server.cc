#include "admin/api_server.h"

#include <algorithm>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <map>
#include <optional>
#include <pthread.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>

#include "admin/api_sockets.h"
#include "admin/api_watch.h"
#include "admin/tls_context.h"
#include "base/crash_stack.h"
#include "base/log.h"
#include "base/sockaddr.h"
#include "base/system_clock.h"

namespace fairlead::admin {

namespace net = boost::asio;
using boost::system::error_code;

namespace {

constexpr int kAcceptsPerTurn = 16;
constexpr auto kAcceptBackoff = std::chrono::milliseconds(200);
constexpr std::size_t kUserNamesMax = 64;

void name_this_thread() {
  ::pthread_setname_np(::pthread_self(), "admin");
  // Signals are the control thread's.
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

std::string hint_for(const Error& error) {
  if (error.code == Errc::kConflict)
    return "another process has this address: set admin.listen to a free one; the unix socket works meanwhile";
  if (error.code == Errc::kPermission) return "ports below 1024 need root or CAP_NET_BIND_SERVICE";
  return "see admin.listen and admin.tls in fairlead.yaml; the unix socket works meanwhile";
}

}  // namespace

class ApiServer::Loop {
 public:
  Loop(ApiOptions options, NodePort& node)
      : options_(std::move(options)),
        io_(std::make_shared<net::io_context>(1)),
        work_(net::make_work_guard(*io_)),
        refusals_(clock_, counters_),
        dispatcher_(node, counters_, refusals_),
        hub_(io_, node),
        unix_waiter_(*io_),
        tcp_waiter_(*io_),
        unix_pause_(*io_),
        tcp_pause_(*io_) {}
  ~Loop() { stop(); }

  Status start() {
    if (!options_.socket.empty()) {
      auto listener = UnixListener::open(options_.socket);
      if (!listener) return listener.error();
      unix_listener_.emplace(std::move(*listener));
      operators_ = group_id(options_.operator_group);
      FL_LOG(ADMIN_LISTENING, "address", options_.socket);
    }
    if (!options_.listen.empty()) open_tcp();
    if (unix_listener_) {
      if (auto watched = watch_unix(); !watched) return watched;
    }
    if (tcp_listener_.valid()) watch_tcp();
    thread_ = std::thread([this] { run(); });
    return {};
  }

  void stop() {
    if (thread_.joinable()) {
      net::post(*io_, [this] { shut_down(); });
      thread_.join();
    } else {
      shut_down();  // start() failed on its way, or this is the second call.
    }
    // Asio's waiter owns the descriptor of the listener only while it runs (see watch()).
    unix_listener_.reset();
    tcp_listener_.reset();
  }

  void renew(config::AdminTls tls, std::vector<std::string> operators) {
    net::post(*io_, [this, tls = std::move(tls), operators = std::move(operators)]() mutable {
      options_.operators = std::move(operators);
      renew_tls(tls);
    });
  }

  [[nodiscard]] std::uint16_t tcp_port() const { return tcp_port_.load(std::memory_order_acquire); }

 private:
  void run() {
    name_this_thread();
    const CrashStack stack;
    for (;;) {
      try {
        io_->run();
        return;
      } catch (const std::exception& error) {
        // No handler of ours throws on outside input; what is left is memory, and one connection less is the cheaper loss.
        FL_LOG(ADMIN_FAILED, "address", "admin thread", "error", error.what(), "hint", "the thread goes on; report this");
      }
    }
  }

  void shut_down() {
    stopping_ = true;
    unix_waiter_.release();
    tcp_waiter_.release();
    unix_pause_.cancel();
    tcp_pause_.cancel();
    tcp_port_.store(0, std::memory_order_release);
    hub_.stop();
    const auto sessions = std::move(sessions_);
    sessions_.clear();
    for (const auto& [number, weak] : sessions) {
      if (const auto session = weak.lock()) session->close();
    }
    work_.reset();
  }

  // ---- TCP listener ----
  void open_tcp() {
    const auto failed = [&](const Error& error, std::string_view hint) {
      FL_LOG(ADMIN_FAILED, "address", options_.listen, "error", error.message(), "hint", hint);
    };
    const auto endpoint = parse_endpoint(options_.listen);
    if (!endpoint) return failed(endpoint.error(), "write admin.listen as ADDRESS:PORT, for example 127.0.0.1:9440");
    const bool wants_tls = options_.tls != config::AdminTls{};
    if (!wants_tls && !endpoint->address.is_loopback()) {
      return failed(Error{Errc::kPermission, "plain HTTP is for loopback addresses only"},
                    "set admin.tls.cert, key and client_ca, or listen on 127.0.0.1; the unix socket works meanwhile");
    }
    if (wants_tls) {
      auto context = make_tls_context(options_.tls);
      if (!context) return failed(context.error(), hint_for(context.error()));
      use_tls(std::move(*context));
    }
    tcp_wanted_ = true;
    bind_tcp(*endpoint, /*first=*/true);
  }

  void use_tls(std::shared_ptr<net::ssl::context> context) {
    tls_ = std::move(context);
    counters_.certificate_expiry_s = tls_ == nullptr ? 0 : certificate_expiry(*tls_);
  }

  /// Who came by a certificate that is trusted no more, or by none, has to come again.
  void retire_tcp() {
    const auto peers = peers_;  // A session that closes forgets itself.
    for (const auto& [number, peer] : peers) {
      if (const auto session = session_of(number)) session->retire();
    }
  }

  /// A listener that is there stays as it is: off loopback it needs TLS until its end. One that failed for its certificates opens now.
  void renew_tls(const config::AdminTls& tls) {
    const auto listen = parse_endpoint(options_.listen);
    if (stopping_ || !listen) return;
    if (tls == config::AdminTls{}) {
      if (!listen->address.is_loopback() || tls_ == nullptr) return;
      use_tls(nullptr);
      return retire_tcp();
    }
    auto context = make_tls_context(tls);
    if (!context) {
      FL_LOG(ADMIN_FAILED, "address", options_.listen, "error", context.error().message(), "hint",
             tcp_wanted_ ? "correct admin.tls and reload; the certificates from before are in use meanwhile"
                         : "correct admin.tls and reload; the unix socket works meanwhile");
      return;
    }
    const bool changed = tls_ == nullptr || identity_of(*tls_) != identity_of(**context);
    use_tls(std::move(*context));
    if (changed) retire_tcp();
    if (std::exchange(tcp_wanted_, true)) return;
    bind_tcp(*listen, /*first=*/true);
    if (tcp_listener_.valid()) watch_tcp();
  }

  /// Tries to bind; a failure is logged the first time and tried again, because the address may become free or appear.
  void bind_tcp(const Endpoint& endpoint, bool first) {
    auto listener = open_tcp_listener(endpoint);
    if (!listener) {
      if (first)
        FL_LOG(ADMIN_FAILED, "address", endpoint.to_string(), "error", listener.error().message(), "hint", hint_for(listener.error()));
      tcp_pause_.expires_after(options_.listen_retry);
      tcp_pause_.async_wait([this, endpoint](error_code cancelled) {
        if (cancelled || stopping_) return;
        bind_tcp(endpoint, /*first=*/false);
        if (tcp_listener_.valid()) watch_tcp();
      });
      return;
    }
    tcp_listener_ = std::move(*listener);
    const Endpoint bound = local_of(tcp_listener_.get());
    tcp_port_.store(bound.port, std::memory_order_release);
    FL_LOG(ADMIN_LISTENING, "address", (tls_ ? "https://" : "http://") + bound.to_string());
  }

  // ---- accepting ----
  [[nodiscard]] Status watch_unix() {
    error_code failed;
    unix_waiter_.assign(unix_listener_->get(), failed);
    if (failed) return errno_error("admin socket " + options_.socket + ": watch it", failed.value());
    wait(unix_waiter_, unix_pause_, unix_listener_->get(), [this](Fd fd) { take_unix(std::move(fd)); });
    return {};
  }
  void watch_tcp() {
    error_code failed;
    tcp_waiter_.assign(tcp_listener_.get(), failed);
    if (failed) {
      const Error error = errno_error("watch admin.listen", failed.value());
      FL_LOG(ADMIN_FAILED, "address", options_.listen, "error", error.message(), "hint", hint_for(error));
      return;
    }
    wait(tcp_waiter_, tcp_pause_, tcp_listener_.get(), [this](Fd fd) { take_tcp(std::move(fd)); });
  }

  void wait(net::posix::stream_descriptor& waiter, net::steady_timer& pause, int listener, std::function<void(Fd)> take) {
    if (stopping_) return;
    waiter.async_wait(net::posix::stream_descriptor::wait_read,
                      [this, &waiter, &pause, listener, take = std::move(take)](error_code failed) mutable {
                        if (failed || stopping_) return;
                        for (int i = 0; i < kAcceptsPerTurn; ++i) {
                          auto accepted = accept_one(listener);
                          if (!accepted) return rest(waiter, pause, listener, std::move(take));
                          if (!accepted->has_value()) break;
                          take_or_shed(take, std::move(**accepted));
                        }
                        wait(waiter, pause, listener, std::move(take));
                      });
  }

  /// Asio registers the socket with epoll, OpenSSL takes memory: where there is none, this one connection is refused. The listener goes on.
  void take_or_shed(const std::function<void(Fd)>& take, Fd fd) {
    try {
      take(std::move(fd));
    } catch (const std::exception&) { ++counters_.shed; }
  }

  /// No descriptor left: a level-triggered listener would spin.
  void rest(net::posix::stream_descriptor& waiter, net::steady_timer& pause, int listener, std::function<void(Fd)> take) {
    pause.expires_after(kAcceptBackoff);
    pause.async_wait([this, &waiter, &pause, listener, take = std::move(take)](error_code cancelled) mutable {
      if (!cancelled) wait(waiter, pause, listener, std::move(take));
    });
  }

  void take_unix(Fd fd) {
    const auto peer = peer_credentials(fd.get());
    if (!peer) return;  // Gone already; the descriptor closes here.
    const ApiRole role = role_of(*peer, ::geteuid(), operators_);
    const auto& limits = options_.limits;
    const std::size_t reserved = role == ApiRole::kOperate ? 0 : std::min(limits.unix_reserved, limits.unix_connections);
    Caller caller{user_name(peer->uid), role};
    if (counters_.unix_connections + reserved >= limits.unix_connections) return refusals_.shed(caller, limits.unix_connections - reserved);
    add(std::move(fd), counters_.unix_connections, counters_.unix_watchers, std::move(caller), /*tls=*/nullptr);
  }

  void take_tcp(Fd fd) {
    const Endpoint peer = peer_of(fd.get());
    Caller caller{"tcp " + peer.to_string(), ApiRole::kRead, "tcp " + peer.address.to_string()};
    if (counters_.tcp_connections >= options_.limits.tcp_connections && !make_room(caller.party))
      return refusals_.shed(caller, options_.limits.tcp_connections);
    add(std::move(fd), counters_.tcp_connections, counters_.tcp_watchers, std::move(caller), tls_);
  }

  /// Over TCP nobody is known when it comes, so whoever comes gets the place of one that can do without: of a stranger or, where nobody is
  /// ever known because there is no TLS, of one whose client we wait for. Of the address that has most of these with the new one; strangers
  /// first, the oldest of them, then who waits longest. Who fills the places with silent connections thus closes its own, and no handshake
  /// and no scrape of another. False: all are needed.
  bool make_room(const std::string& party) {
    struct MayGo {
      const Caller* who;
      bool stranger;
      Instant since;
      std::shared_ptr<ApiSession> session;
    };
    std::vector<MayGo> all;
    std::map<std::string_view, std::size_t> places_of{{party, 1}};
    std::size_t most = 0;
    for (const auto& [number, peer] : peers_) {
      auto session = session_of(number);
      const auto since = session == nullptr ? std::nullopt : session->waits_since();
      if (session == nullptr || !(peer.stranger || (tls_ == nullptr && since))) continue;
      most = std::max(most, ++places_of[peer.caller.party]);
      all.push_back({&peer.caller, peer.stranger, since.value_or(Instant{}), std::move(session)});
    }
    std::erase_if(all, [&](const MayGo& one) { return places_of[one.who->party] != most; });
    if (all.empty()) return false;
    const auto goes = std::min_element(all.begin(), all.end(), [](const MayGo& a, const MayGo& b) {
      return a.stranger != b.stranger ? a.stranger : !a.stranger && a.since < b.since;
    });
    refusals_.evicted(*goes->who, goes->stranger ? "it had not said who it is" : "it waited longest");
    goes->session->close();  // It is forgotten then, and its place free.
    return true;
  }

  [[nodiscard]] std::shared_ptr<ApiSession> session_of(std::uint64_t number) const {
    const auto found = sessions_.find(number);
    return found == sessions_.end() ? nullptr : found->second.lock();
  }

  void is_known(std::uint64_t number) {
    const auto found = peers_.find(number);
    if (found != peers_.end() && std::exchange(found->second.stranger, false)) --counters_.tcp_strangers;
  }

  /// Counts it; its on_end counts it down.
  SessionSetup setup(Caller caller, bool has_operators, std::uint64_t* count, std::uint64_t* watchers) {
    if (count == &counters_.tcp_connections) {
      peers_.emplace(next_session_, Peer{caller, /*stranger=*/true});
      ++counters_.tcp_strangers;
    }
    ++*count;
    return {.io = io_,
            .dispatcher = &dispatcher_,
            .counters = &counters_,
            .refusals = &refusals_,
            .operators = &options_.operators,
            .limits = options_.limits,
            .caller = std::move(caller),
            .has_operators = has_operators,
            .on_end = EndCall([this, count, number = next_session_] {
              --*count;
              is_known(number);
              peers_.erase(number);
              sessions_.erase(number);
            }),
            .on_known = [this, number = next_session_] { is_known(number); },
            .hub = &hub_,
            .watchers = watchers,
            .on_upgrade = [this, number = next_session_](std::weak_ptr<ApiSession> next) { sessions_[number] = std::move(next); }};
  }

  void add(Fd fd, std::uint64_t& count, std::uint64_t& watchers, Caller caller, std::shared_ptr<net::ssl::context> tls) {
    const bool has_operators = tls != nullptr || &count == &counters_.unix_connections;
    const auto session = make_session(std::move(fd), std::move(tls), setup(std::move(caller), has_operators, &count, &watchers));
    sessions_.emplace(next_session_++, session);
    session->start();
  }

  /// Looked up once per user.
  const std::string& user_name(uid_t uid) {
    if (user_names_.size() >= kUserNamesMax) user_names_.clear();
    const auto [at, added] = user_names_.try_emplace(uid);
    if (added) at->second = user_label(uid);
    return at->second;
  }

  ApiOptions options_;                   // After start() the admin thread's: renew() changes the operators.
  std::shared_ptr<net::io_context> io_;  // Answers that come late hold it too.
  net::executor_work_guard<net::io_context::executor_type> work_;
  const SystemClock clock_;
  ApiCounters counters_;
  RefusalLog refusals_;
  ApiDispatcher dispatcher_;
  WatchHub hub_;
  std::optional<UnixListener> unix_listener_;
  Fd tcp_listener_;
  // They borrow the listeners' descriptors and release() them before those are closed.
  net::posix::stream_descriptor unix_waiter_;
  net::posix::stream_descriptor tcp_waiter_;
  net::steady_timer unix_pause_;
  net::steady_timer tcp_pause_;
  std::shared_ptr<net::ssl::context> tls_;
  std::optional<gid_t> operators_;
  std::map<std::uint64_t, std::weak_ptr<ApiSession>> sessions_;
  struct Peer {
    Caller caller;
    bool stranger = true;  ///< Nothing shows yet who it is.
  };
  std::map<std::uint64_t, Peer> peers_;  ///< Of the sessions over TCP, as they came. The oldest first.
  std::uint64_t next_session_ = 0;
  std::map<uid_t, std::string> user_names_;
  bool tcp_wanted_ = false;  ///< It is bound, or is being tried: what it needs was there.
  std::atomic<std::uint16_t> tcp_port_{0};
  bool stopping_ = false;
  std::thread thread_;
};

ApiOptions api_options(const config::Admin& settings) {
  ApiOptions out;
  out.socket = settings.socket;
  out.listen = settings.listen;
  out.tls = settings.tls;
  out.operators = settings.operators;
  return out;
}

ApiServer::ApiServer(ApiOptions options, NodePort& node) : options_(std::move(options)), node_(node) {}
ApiServer::~ApiServer() = default;

Status ApiServer::start() {
  try {
    loop_ = std::make_unique<Loop>(options_, node_);
    return loop_->start();
  } catch (const std::system_error& failed) {  // Asio's loop takes descriptors, the thread a task of the process's allowance.
    return errno_error("start the admin thread", failed.code().value());
  } catch (const boost::system::system_error& failed) { return errno_error("start the admin thread", failed.code().value()); }
}

void ApiServer::stop() {
  if (loop_) loop_->stop();
}

void ApiServer::renew(config::AdminTls tls, std::vector<std::string> operators) {
  if (loop_) loop_->renew(std::move(tls), std::move(operators));
}

std::uint16_t ApiServer::tcp_port() const { return loop_ ? loop_->tcp_port() : 0; }

}  // namespace fairlead::admin
