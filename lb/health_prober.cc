#include "lb/health_prober.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/system/system_error.hpp>
#include <cstring>
#include <deque>
#include <exception>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <optional>
#include <pthread.h>
#include <system_error>
#include <thread>
#include <unordered_map>
#include <utility>

#include "base/assert.h"
#include "base/crash_stack.h"
#include "base/sockaddr.h"
#include "base/system_clock.h"
#include "base/units.h"
#include "generated/version.h"
#include "lb/health_tls.h"

namespace fairlead::lb {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using SessionPtr = std::unique_ptr<SSL_SESSION, decltype(&SSL_SESSION_free)>;

enum class Phase : std::uint8_t { kConnect, kHandshake, kAnswer };

std::string_view text_of(Phase phase) {
  switch (phase) {
    case Phase::kConnect: return "while connecting";
    case Phase::kHandshake: return "during the TLS handshake";
    case Phase::kAnswer: return "while waiting for the answer";
  }
  return "";
}

struct Finding {
  ProbeOutcome outcome;
  std::string detail;
};

Finding finding_of_errno(int number, Phase phase, const config::Health& health) {
  const std::string text = errno_error(std::string(text_of(phase)), number).message();
  switch (connect_cause_of(number)) {
    case ConnectCause::kRefused: return {ProbeOutcome::kRefused, text};
    case ConnectCause::kReset: return {ProbeOutcome::kReset, text};
    case ConnectCause::kUnreachable: return {ProbeOutcome::kUnreachable, text};
    case ConnectCause::kTimeout: return {ProbeOutcome::kTimeout, text};
    case ConnectCause::kLocal: break;
  }
  return {ProbeOutcome::kLocal, health.source ? "from health.source " + health.source->to_string() + " " + text : text};
}

Finding finding_of(const error_code& ec, Phase phase, const config::Health& health, const TlsCheck& check) {
  const std::string where(text_of(phase));
  if (ec.category() == asio::error::get_ssl_category()) {
    return {ProbeOutcome::kTls,
            !check.failure.empty() ? check.failure : tls_error_text(static_cast<unsigned long>(static_cast<unsigned>(ec.value())))};
  }
  if (ec == asio::ssl::error::stream_truncated || ec == asio::error::eof || ec == http::error::end_of_stream ||
      ec == http::error::partial_message) {
    return {ProbeOutcome::kClosed, "the server closed the connection " + where};
  }
  if (ec == http::error::header_limit || ec == http::error::buffer_overflow) {
    return {ProbeOutcome::kProtocol, "the answer's header is longer than " + std::to_string(kAnswerHeaderBytesMax) + " bytes"};
  }
  if (ec.category() == http::make_error_code(http::error::bad_version).category()) {
    return {ProbeOutcome::kProtocol, "the answer is not HTTP/1.1: " + ec.message()};
  }
  if (ec.category() == boost::system::system_category()) return finding_of_errno(ec.value(), phase, health);
  return {ProbeOutcome::kLocal, where + ": " + ec.message()};
}

tcp::endpoint to_asio(const Endpoint& endpoint) {
  const SocketAddress address = to_sockaddr(endpoint);
  tcp::endpoint out;
  out.resize(address.size);
  std::memcpy(out.data(), address.get(), address.size);
  return out;
}

bool is_tls(config::HealthType type) { return type == config::HealthType::kTls || type == config::HealthType::kHttps; }
bool is_http(config::HealthType type) { return type == config::HealthType::kHttp || type == config::HealthType::kHttps; }

/// Nothing that would end the request line or a header field early may come from the configuration.
bool is_clean(std::string_view text, bool blanks) {
  return std::all_of(text.begin(), text.end(), [blanks](char c) {
    return (c > ' ' && c != '\x7f') || static_cast<unsigned char>(c) >= 0x80 || (blanks && c == ' ');
  });
}

/// Rationale: SSL_set_app_data is not ours; Asio deletes what it finds there.
int probe_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

/// One server's newest TLS session, and what it may be reused for.
struct StoredSession {
  SessionPtr session{nullptr, SSL_SESSION_free};
  std::weak_ptr<asio::ssl::context> context;
  Endpoint endpoint;
  std::string server_name;
  Instant full_handshake_at;
};

/// What the probes of one prober share. Health thread only, the atomics aside.
struct Shared {
  HealthProber::ResultSink sink;
  SystemClock clock;
  TlsContexts contexts;
  std::unordered_map<ServerId, StoredSession> sessions;
  std::atomic<bool> stopping{false};
  std::atomic<std::uint64_t> pending{0};
  std::atomic<std::uint64_t> open{0};
  std::atomic<std::uint64_t> probes{0};
  std::atomic<std::uint64_t> full{0};
  std::atomic<std::uint64_t> resumed{0};
};

/// One probe, from its socket to the end of its connection. Keeps itself alive by the handlers under way; the timer's is always one.
class Probe : public std::enable_shared_from_this<Probe> {
 public:
  Probe(asio::io_context& io, Shared& shared, ProbeRequest request, std::function<void()> ended)
      : shared_(shared), request_(std::move(request)), health_(*request_.health), ended_(std::move(ended)), socket_(io), timer_(io) {}
  ~Probe() {
    if (!shared_.stopping) report({ProbeOutcome::kLocal, "the check was given up"});  // I1, when an exception took its handler away.
    if (counted_) shared_.open.fetch_sub(1, std::memory_order_relaxed);
    ended_();
  }

  void begin() {
    try {
      begin_steps();
    } catch (const std::exception& failure) {  // Beast and Asio: a field too long, no memory for an SSL object.
      finish({ProbeOutcome::kLocal, failure.what()});
    }
  }

 private:
  void begin_steps() {
    if (auto ready = prepare(); !ready) return finish({ProbeOutcome::kLocal, ready.error().message()});
    began_ = shared_.clock.now();
    arm(health_.timeout);
    if (auto opened = open_socket(); !opened) { return finish(finding_of_errno(opened.error().sys_errno, Phase::kConnect, health_)); }
    socket_.async_connect(to_asio(target_), [self = shared_from_this()](const error_code& ec) { self->on_connected(ec); });
  }

  // ---- what our own side must provide; its failure says nothing about the server ----
  Status prepare() {
    target_ = request_.endpoint;
    if (health_.port != 0) target_.port = health_.port;
    if (is_http(health_.type)) {
      if (auto built = build_request(); !built) return built;
    }
    if (!is_tls(health_.type)) return {};
    auto context = shared_.contexts.context_for({.verify = health_.verify, .ca = health_.ca, .cert = health_.cert, .key = health_.key});
    if (!context) return context.error();
    context_ = *context;
    SSL_CTX_sess_set_new_cb(context_->native_handle(), &Probe::on_new_session);
    tls_.emplace(socket_, *context_);
    SSL* ssl = tls_->native_handle();
    check_.ca_file = health_.ca;
    const bool named = !request_.host.empty() && !parse_ip_address(request_.host);
    check_.server_name = !health_.server_name.empty() ? health_.server_name : named ? request_.host : target_.address.to_string();
    while (check_.server_name.ends_with('.')) check_.server_name.pop_back();
    SSL_set_ex_data(ssl, probe_index(), this);
    if (auto attached = attach(check_, ssl, health_.verify); !attached) return attached;
    offer_session(ssl);
    return {};
  }

  Status build_request() {
    const std::string host = !health_.host.empty()
                                 ? health_.host
                                 : to_string(HostPort{request_.host.empty() ? target_.address.to_string() : request_.host, target_.port});
    if (!is_clean(health_.path, false) || !health_.path.starts_with('/')) {
      return Error{Errc::kInvalidConfig, "health.path must begin with '/' and have no blanks or control characters"};
    }
    if (!is_clean(host, false)) return Error{Errc::kInvalidConfig, "health.host must have no blanks or control characters"};
    get_.method(http::verb::get);
    get_.target(health_.path);
    get_.version(11);
    get_.set(http::field::host, host);
    get_.set(http::field::user_agent, std::string("fairlead/") + kVersion);
    get_.set(http::field::accept, "*/*");
    get_.set(http::field::connection, "close");
    if (health_.token_file.empty()) return {};
    auto token = read_token(health_.token_file);  // Read each time: service account tokens are replaced every hour.
    if (!token) return token.error();
    get_.set(http::field::authorization, "Bearer " + *token);
    return {};
  }

  Status open_socket() {
    error_code ec;
    const tcp::endpoint to = to_asio(target_);
    socket_.open(to.protocol(), ec);
    if (ec) return errno_error("socket", ec.value());
    shared_.open.fetch_add(1, std::memory_order_relaxed);
    counted_ = true;
    socket_.set_option(tcp::no_delay(true), ec);
    if (!health_.source) return {};
    const int on = 1;  // The port is chosen at connect, so that probes do not use up ports for all destinations.
    ::setsockopt(socket_.native_handle(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    socket_.bind(to_asio({*health_.source, 0}), ec);
    if (ec) return errno_error("bind", ec.value());
    return {};
  }

  // ---- the steps ----
  void on_connected(const error_code& ec) {
    if (stopped(ec)) return;
    // A connect to a free ephemeral port of our own host can meet itself (simultaneous open): nobody listens there.
    error_code local_ec;
    if (socket_.local_endpoint(local_ec) == to_asio(target_) && !local_ec) return finish({ProbeOutcome::kRefused, "nobody listens there"});
    if (!tls_) return health_.type == config::HealthType::kTcp ? finish({ProbeOutcome::kOk, "connected"}) : ask(socket_);
    phase_ = Phase::kHandshake;
    tls_->async_handshake(asio::ssl::stream_base::client, [self = shared_from_this()](const error_code& e) { self->on_handshake(e); });
  }

  void on_handshake(const error_code& ec) {
    if (stopped(ec)) return;
    SSL* ssl = tls_->native_handle();
    (SSL_session_reused(ssl) == 1 ? shared_.resumed : shared_.full).fetch_add(1, std::memory_order_relaxed);
    if (health_.type == config::HealthType::kHttps) return ask(*tls_);
    report({ProbeOutcome::kOk, SSL_get_version(ssl)});
    arm(kProbeLingerMax);
    say_goodbye();
  }

  template <class Stream>
  void ask(Stream& stream) {
    phase_ = Phase::kAnswer;
    http::async_write(stream, get_, [self = shared_from_this(), &stream](const error_code& ec, std::size_t) {
      // A server may refuse (and close) before it read all of the request; then its answer says more than our failed write.
      if (ec == asio::error::operation_aborted && self->stopped(ec)) return;
      self->read_answer(stream);
    });
  }

  template <class Stream>
  void read_answer(Stream& stream) {
    answer_.header_limit(kAnswerHeaderBytesMax);
    answer_.body_limit(boost::none);
    http::async_read_header(stream, buffer_, answer_, [self = shared_from_this(), &stream](const error_code& ec, std::size_t) {
      if (self->stopped(ec)) return;
      const unsigned status = self->answer_.get().result_int();
      const auto& expect = self->health_.expect;
      const bool expected = std::any_of(expect.begin(), expect.end(), [status](std::uint16_t e) { return e == status; });
      self->report({expected ? ProbeOutcome::kOk : ProbeOutcome::kStatus, std::to_string(status)});
      self->arm(kProbeLingerMax);
      self->drain(stream);
    });
  }

  /// Reads what the server still has to say (the body; session tickets), so that our close does not reset the connection.
  template <class Stream>
  void drain(Stream& stream) {
    stream.async_read_some(asio::buffer(scratch_), [self = shared_from_this(), &stream](const error_code& ec, std::size_t n) {
      self->drained_ += n;
      if (ec || self->drained_ > kAnswerBodyBytesMax) return self->say_goodbye();
      self->drain(stream);
    });
  }

  void say_goodbye() {
    if (!tls_ || !socket_.is_open()) return end();
    // Sends our close_notify and waits for the server's; how it answers no longer matters.
    tls_->async_shutdown([self = shared_from_this()](const error_code&) { self->end(); });
  }

  // ---- the ends ----
  /// True when this probe is over already, or `ec` ends it.
  bool stopped(const error_code& ec) {
    if (reported_) return true;
    if (!ec) return false;
    finish(finding_of(ec, phase_, health_, check_));
    return true;
  }

  void arm(Duration after) {
    timer_.expires_after(std::chrono::duration_cast<std::chrono::steady_clock::duration>(after));
    timer_.async_wait([self = shared_from_this()](const error_code& ec) {
      if (ec) return;  // Re-armed or ended.
      self->report(
          {ProbeOutcome::kTimeout, "more than " + format_duration(self->health_.timeout) + " " + std::string(text_of(self->phase_))});
      self->end();
    });
  }

  void report(Finding finding) {
    if (std::exchange(reported_, true)) return;
    const Duration took = began_ ? shared_.clock.now() - *began_ : Duration{};
    if (finding.outcome != ProbeOutcome::kOk && finding.outcome != ProbeOutcome::kStatus) shared_.sessions.erase(request_.server);
    shared_.probes.fetch_add(1, std::memory_order_relaxed);
    shared_.pending.fetch_sub(1, std::memory_order_relaxed);
    shared_.sink({.server = request_.server,
                  .token = request_.token,
                  .outcome = finding.outcome,
                  .detail = std::move(finding.detail),
                  .duration = took});
  }

  void finish(Finding finding) {
    report(std::move(finding));
    end();
  }

  void end() {
    timer_.cancel();
    error_code ignored;
    if (socket_.is_open()) socket_.close(ignored);
    if (std::exchange(counted_, false)) shared_.open.fetch_sub(1, std::memory_order_relaxed);
  }

  // ---- TLS sessions ----
  void offer_session(SSL* ssl) {
    const auto stored = shared_.sessions.find(request_.server);
    if (stored == shared_.sessions.end()) return;
    const StoredSession& s = stored->second;
    const bool fits = s.context.lock() == context_ && s.endpoint == target_ && s.server_name == check_.server_name &&
                      shared_.clock.now() - s.full_handshake_at < kTlsSessionAgeMax && SSL_SESSION_is_resumable(s.session.get()) == 1;
    if (!fits) {
      shared_.sessions.erase(stored);
      return;
    }
    SSL_set_session(ssl, s.session.get());
    full_handshake_at_ = s.full_handshake_at;
  }

  static int on_new_session(SSL* ssl, SSL_SESSION* session) {
    auto* probe = static_cast<Probe*>(SSL_get_ex_data(ssl, probe_index()));
    if (probe == nullptr) return 0;
    Shared& shared = probe->shared_;
    const Instant full_at = SSL_session_reused(ssl) == 1 && probe->full_handshake_at_ ? *probe->full_handshake_at_ : shared.clock.now();
    StoredSession& stored = shared.sessions[probe->request_.server];
    stored = StoredSession{.session = SessionPtr(session, SSL_SESSION_free),
                           .context = probe->context_,
                           .endpoint = probe->target_,
                           .server_name = probe->check_.server_name,
                           .full_handshake_at = full_at};
    return 1;  // We keep the reference.
  }

  Shared& shared_;
  const ProbeRequest request_;
  const config::Health& health_;  ///< Of request_, which shares it.
  std::function<void()> ended_;
  std::shared_ptr<asio::ssl::context> context_;
  TlsCheck check_;
  tcp::socket socket_;
  std::optional<asio::ssl::stream<tcp::socket&>> tls_;
  asio::steady_timer timer_;
  http::request<http::empty_body> get_;
  boost::beast::flat_buffer buffer_{kAnswerHeaderBytesMax};
  http::response_parser<http::string_body> answer_;
  std::array<char, 4096> scratch_{};
  std::size_t drained_ = 0;
  Endpoint target_;
  Phase phase_ = Phase::kConnect;
  std::optional<Instant> began_;
  std::optional<Instant> full_handshake_at_;
  bool reported_ = false;
  bool counted_ = false;
};

}  // namespace

class HealthProber::Impl {
 public:
  Impl(ResultSink sink, Options options) : options_(options) {
    shared_.sink = std::move(sink);
    // Asio opens its descriptors with the first socket and timer; better now, where a failure can be told, than in the first check.
    const tcp::socket socket(io_);
    const asio::steady_timer timer(io_);
    thread_ = std::thread([this] { run(); });
    ::pthread_setname_np(thread_.native_handle(), "health");
  }
  ~Impl() {
    shared_.stopping = true;
    io_.stop();
    thread_.join();
  }

  bool start(ProbeRequest request) {
    FL_ASSERT(request.health != nullptr && request.health->type != config::HealthType::kNone);
    if (shared_.pending.fetch_add(1, std::memory_order_relaxed) >= options_.pending_max) {
      shared_.pending.fetch_sub(1, std::memory_order_relaxed);
      return false;
    }
    asio::post(io_, [this, r = std::move(request)]() mutable {
      waiting_.push_back(std::move(r));
      begin_waiting();
    });
    return true;
  }

  void forget(ServerId server) {
    asio::post(io_, [this, server] { shared_.sessions.erase(server); });
  }

  [[nodiscard]] Counters counters() const {
    return {.probes = shared_.probes.load(std::memory_order_relaxed),
            .handshakes_full = shared_.full.load(std::memory_order_relaxed),
            .handshakes_resumed = shared_.resumed.load(std::memory_order_relaxed),
            .open = shared_.open.load(std::memory_order_relaxed)};
  }

 private:
  void run() {
    const CrashStack stack;
    for (;;) {
      try {
        io_.run();
        return;
      } catch (const std::exception&) {
        // No handler throws on outside input: what is left is memory. The handler's probe ends here and says so (~Probe).
      }
    }
  }

  void begin_waiting() {
    while (!waiting_.empty() && running_ < options_.concurrent_max) {
      const ProbeRequest request = std::move(waiting_.front());
      waiting_.pop_front();
      std::shared_ptr<Probe> probe;
      try {
        probe = std::make_shared<Probe>(io_, shared_, request, [this] { on_ended(); });
      } catch (const std::exception& failure) {
        shared_.pending.fetch_sub(1, std::memory_order_relaxed);
        shared_.sink(
            {.server = request.server, .token = request.token, .outcome = ProbeOutcome::kLocal, .detail = failure.what(), .duration = {}});
        continue;
      }
      ++running_;
      probe->begin();
    }
  }

  void on_ended() {
    --running_;
    // Posted, not called: a probe that ends while it begins would recurse here once per waiting request.
    if (!shared_.stopping && !waiting_.empty()) asio::post(io_, [this] { begin_waiting(); });
  }

  Options options_;
  Shared shared_;
  std::deque<ProbeRequest> waiting_;
  std::size_t running_ = 0;
  asio::io_context io_{1};  // Last: its destruction ends the handlers and with them the probes, which use all of the above.
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  std::thread thread_;
};

HealthProber::HealthProber(ResultSink sink) : HealthProber(std::move(sink), Options{}) {}
HealthProber::HealthProber(ResultSink sink, Options options) : impl_(std::make_unique<Impl>(std::move(sink), options)) {}
Result<std::unique_ptr<HealthProber>> HealthProber::make(ResultSink sink) {
  try {
    return std::make_unique<HealthProber>(std::move(sink));
  } catch (const std::system_error& failed) {  // Asio's loop takes descriptors, the thread a task of the process's allowance.
    return errno_error("start the health thread", failed.code().value());
  } catch (const boost::system::system_error& failed) { return errno_error("start the health thread", failed.code().value()); }
}
HealthProber::~HealthProber() = default;
bool HealthProber::start(ProbeRequest request) { return impl_->start(std::move(request)); }
void HealthProber::forget(ServerId server) { impl_->forget(server); }
HealthProber::Counters HealthProber::counters() const { return impl_->counters(); }

}  // namespace fairlead::lb
