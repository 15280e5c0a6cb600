#include "admin/api_session.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <openssl/err.h>
#include <optional>

#include "admin/api_stream.h"
#include "admin/api_watch_session.h"
#include "admin/tls_context.h"
#include "base/system_clock.h"

namespace fairlead::admin {
namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;

constexpr std::size_t kBufferBytes = 64 * 1024;
constexpr std::size_t kReadBytes = 4096;
constexpr std::size_t kDrainedBytesMax = 256 * 1024;
constexpr auto kFarewell = std::chrono::seconds(1);

std::string text(beast::string_view value) { return {value.data(), value.size()}; }

/// What a request that cannot be read is answered with; nullopt: nothing, the connection is gone.
std::optional<ApiResponse> refusal(error_code failed, const ApiLimits& limits) {
  if (failed == http::error::header_limit || failed == http::error::buffer_overflow) {
    return problem_response(Error{Errc::kLimitExceeded, "the request's header is above " + std::to_string(limits.header_bytes) + " bytes"},
                            431);
  }
  if (failed == http::error::body_limit) {
    return problem_response(Error{Errc::kLimitExceeded, "the request's body is above " + std::to_string(limits.body_bytes) + " bytes"},
                            413);
  }
  static const auto& http_category = make_error_code(http::error::end_of_stream).category();
  const bool cut_off = failed == http::error::end_of_stream || failed == http::error::partial_message;
  if (failed.category() == http_category && !cut_off)
    return problem_response(Error{Errc::kInvalidArgument, "not an HTTP/1.1 request: " + failed.message()});
  return std::nullopt;
}

/// What a request's head is refused for, before its body is read; nullopt: nothing.
std::optional<ApiResponse> refusal_of(const http::request_header<>& head) {
  const auto hosts = head.count(http::field::host);
  if (hosts > 1 || (hosts == 0 && head.version() >= 11))  // RFC 9112 3.2
    return problem_response(
        Error{Errc::kInvalidArgument, "the request has " + std::string(hosts == 0 ? "no" : "more than one") + " Host line"});
  const beast::string_view coding = head[http::field::transfer_encoding];
  if (!coding.empty() && !beast::iequals(coding, "chunked"))
    return problem_response(Error{Errc::kUnsupported, "Transfer-Encoding: only chunked is known here"});
  return std::nullopt;
}

/// Whom a request is for. In absolute form its target says so, and Host counts for nothing (RFC 9112 3.2.2).
std::string host_of(std::string_view target, std::string_view host) {
  const auto scheme = target.find("://");
  if (target.starts_with('/') || scheme == std::string_view::npos) return std::string(host);
  const std::string_view rest = target.substr(scheme + 3);
  return std::string(rest.substr(0, rest.find_first_of("/?#")));
}

/// Why a TLS handshake failed, for people. Our own OpenSSL says what was wrong with the client; an alert is the client's word about us.
std::string handshake_error(error_code failed) {
  static constexpr int kAlerts = 1000;  // SSL_AD_REASON_OFFSET: an alert of the other side.
  static constexpr int kBadCertificate = 42;
  static constexpr int kUnknownCa = 48;
  if (failed.category() != net::error::get_ssl_category()) return failed.message();
  const int alert = ERR_GET_REASON(static_cast<unsigned long>(failed.value())) - kAlerts;
  if (alert < kBadCertificate || alert > kUnknownCa) return failed.message();
  return "it does not take our certificate (" + failed.message() + "): see admin.tls.cert, and the authority that client trusts";
}

class HttpSession final : public ApiSession, public std::enable_shared_from_this<HttpSession> {
 public:
  HttpSession(ApiStream stream, SessionSetup setup) : setup_(std::move(setup)), stream_(std::move(stream)), answer_timer_(*setup_.io) {}
  ~HttpSession() override { give_back(); }

  void start() override {
    if (!stream_.is_tls()) return wait();
    stream_.expires_after(setup_.limits.request);
    stream_.async_handshake(beast::role_type::server, IoDone([self = self()](error_code failed) {
                              if (failed) return self->turn_away(failed);
                              if (self->identify()) self->wait();
                            }));
  }

  void close() override {
    closing_ = true;
    answer_timer_.cancel();
    stream_.close();
    end();
  }

  void retire() override {
    retired_ = true;
    if (!answering_) close();
  }

  [[nodiscard]] std::optional<Instant> waits_since() const override { return waits_since_; }

 private:
  std::shared_ptr<HttpSession> self() { return this->shared_from_this(); }

  void end() {
    closing_ = true;
    setup_.on_end();
  }

  void turn_away(error_code failed) {
    // A client that goes, or never begins, is no stranger at the door.
    const bool silent = failed == beast::error::timeout || failed == net::error::eof || failed == net::error::operation_aborted ||
                        failed == net::error::connection_reset || failed == net::ssl::error::stream_truncated;
    if (!silent) setup_.refusals->turned_away(setup_.caller, handshake_error(failed));
    end();
  }

  void known() {
    if (setup_.on_known) std::exchange(setup_.on_known, nullptr)();
  }

  /// An operator who is none any more may have come before that.
  [[nodiscard]] ApiRole role_now() const {
    if (!stream_.is_tls()) return setup_.caller.role;
    const auto& names = *setup_.operators;
    const bool listed = !common_name_.empty() && std::find(names.begin(), names.end(), common_name_) != names.end();
    return listed ? ApiRole::kOperate : ApiRole::kRead;
  }

  /// False: no place for this one, the connection is over.
  bool identify() {
    common_name_ = peer_common_name(stream_.tls_handle());
    setup_.caller = {"certificate CN=" + common_name_, role_now()};
    known();
    const ApiLimits& limits = setup_.limits;
    const std::size_t kept = setup_.caller.role == ApiRole::kOperate ? 0 : std::min(limits.tcp_reserved, limits.tcp_connections);
    // Strangers do not count: they make room for whoever comes.
    if (setup_.counters->tcp_connections - setup_.counters->tcp_strangers + kept <= limits.tcp_connections) return true;
    setup_.refusals->shed(setup_.caller, limits.tcp_connections - kept);
    stream_.close();
    end();
    return false;
  }

  /// For the next request's first byte. It has the idle time; from there on the request's own deadline counts.
  void wait() {
    if (closing_) return;
    waits_since_ = SystemClock().now();
    if (buffer_.size() > 0) return read_header();
    stream_.expires_after(setup_.limits.idle);
    stream_.async_read_some(buffer_.prepare(kReadBytes), [self = self()](error_code failed, std::size_t size) {
      if (failed) return self->finish();
      self->buffer_.commit(size);
      self->read_header();
    });
  }

  void read_header() {
    if (closing_) return end();
    parser_.emplace();
    parser_->header_limit(setup_.limits.header_bytes);
    parser_->body_limit(setup_.limits.body_bytes);
    stream_.expires_after(setup_.limits.request);
    http::async_read_header(stream_, buffer_, *parser_, [self = self()](error_code failed, std::size_t) {
      if (failed) return self->refuse(failed);
      if (auto refused = refusal_of(self->parser_->get().base())) return self->turn_down(std::move(*refused));
      if (beast::iequals(self->parser_->get()[http::field::expect], "100-continue")) return self->invite_body();
      self->read_body();
    });
  }

  void invite_body() {
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    net::async_write(stream_, net::buffer(kContinue), [self = self()](error_code failed, std::size_t) {
      if (failed) return self->end();
      self->read_body();
    });
  }

  void read_body() {
    if (closing_) return end();
    http::async_read(stream_, buffer_, *parser_, [self = self()](error_code failed, std::size_t) {
      if (failed) return self->refuse(failed);
      self->dispatch();
    });
  }

  void refuse(error_code failed) {
    if (failed == beast::error::timeout) ++setup_.counters->timeouts;
    auto response = closing_ ? std::nullopt : refusal(failed, setup_.limits);
    if (!response) return end();
    turn_down(std::move(*response));
  }

  /// The connection ends with it: what follows may be no request.
  void turn_down(ApiResponse response) {
    head_only_ = false;
    keep_alive_ = false;
    version_ = 11;
    send(std::move(response));
  }

  void dispatch() {
    if (closing_) return end();
    known();
    auto request = parser_->release();
    head_only_ = request.method() == http::verb::head;
    keep_alive_ = request.keep_alive();
    setup_.caller.role = role_now();
    version_ = request.version();
    ApiRequest call{.method = text(request.method_string()),
                    .target = text(request.target()),
                    .body = std::move(request.body()),
                    .content_type = text(request[http::field::content_type]),
                    .host = host_of(text(request.target()), text(request[http::field::host])),
                    .origin = text(request[http::field::origin]),
                    .caller = setup_.caller,
                    .tls = stream_.is_tls(),
                    .if_none_match = text(request[http::field::if_none_match]),
                    .websocket = beast::websocket::is_upgrade(request),
                    .websocket_version = text(request[http::field::sec_websocket_version]),
                    .websocket_key = text(request[http::field::sec_websocket_key])};
    handshake_.reset();
    if (call.websocket) handshake_.emplace(std::move(request.base()));
    const std::uint64_t number = ++request_number_;
    stream_.expires_never();
    waits_since_.reset();
    answering_ = true;
    // The answer may come on any thread and after this session: it holds the loop, but the session only weakly.
    const Duration takes =
        setup_.dispatcher->handle(call, [io = setup_.io, weak = std::weak_ptr<HttpSession>(self()), number](ApiResponse response) {
          net::post(*io, [weak, number, response = std::move(response)]() mutable {
            if (const auto session = weak.lock()) session->answer(number, std::move(response));
          });
        });
    answer_timer_.expires_after(setup_.limits.command + takes);
    answer_timer_.async_wait([self = self(), number](error_code failed) {
      if (failed) return;  // Answered or closed.
      self->answer(number, problem_response(Error{Errc::kTimeout, "no answer yet; the command goes on. Look at `fairlead events`"}));
    });
  }

  void answer(std::uint64_t number, ApiResponse response) {
    if (closing_ || number != request_number_) return;
    ++request_number_;  // A second answer is stale.
    answer_timer_.cancel();
    send(std::move(response));
  }

  void send(ApiResponse answer) {
    if (answer.watch && retired_) return close();
    if (answer.watch && !begin_watch(answer)) return;
    if (answer.late_body && setup_.counters->answer_bytes > kAnswerBytesMax) answer = too_many_lists();
    if (answer.late_body) answer.body = answer.late_body();
    keep_alive_ = keep_alive_ && !retired_;
    ++setup_.counters->responses[answer.status];
    response_ = {};
    response_.result(answer.status);
    response_.version(version_);
    response_.set(http::field::server, "fairlead");
    response_.set(http::field::content_type, answer.content_type);
    response_.set(http::field::cache_control, answer.cache_control);
    response_.set("X-Content-Type-Options", "nosniff");
    for (const auto& [name, value] : answer.headers) response_.set(name, value);
    response_.keep_alive(keep_alive_);
    if (!answer.allow.empty()) response_.set(http::field::allow, answer.allow);
    if (answer.status != 304) response_.content_length(answer.body.size());  // It would be that of the body there is not (RFC 9110 8.6).
    if (!head_only_) response_.body() = std::move(answer.body);
    held_bytes_ = response_.body().size();
    setup_.counters->answer_bytes += held_bytes_;
    stream_.expires_after(setup_.limits.request);
    waits_since_ = SystemClock().now();
    sending_ = true;
    http::async_write(stream_, response_, [self = self()](error_code failed, std::size_t) {
      self->answering_ = self->sending_ = false;
      self->give_back();
      if (failed == beast::error::timeout) ++self->setup_.counters->timeouts;
      if (failed) return self->end();
      if (self->keep_alive_ && !self->retired_) return self->wait();
      self->finish();
    });
  }

  /// The answer is taken, or nobody takes it any more.
  void give_back() {
    setup_.counters->answer_bytes -= std::exchange(held_bytes_, 0);
    if (!sending_) response_ = {};
  }

  /// The connection goes on as a WebSocket: false. True: `answer` became the reason why not.
  bool begin_watch(ApiResponse& answer) {
    const bool kept = setup_.has_operators && setup_.caller.role != ApiRole::kOperate;
    const std::size_t places = setup_.limits.watchers - (kept ? setup_.limits.watchers / 4 : 0);
    if (*setup_.watchers >= places) {
      setup_.refusals->refused(setup_.caller, "GET /api/v1/watch", "GET /api/v1/watch",
                               "all " + std::to_string(places) + " places are taken");
      answer = problem_response(
          Error{Errc::kUnavailable,
                std::to_string(places) + " watchers are connected this way already: close a dashboard, or ask /api/v1/status"});
      return true;
    }
    if (buffer_.size() > 0 || !handshake_) {
      keep_alive_ = false;
      answer = problem_response(Error{Errc::kInvalidArgument, "bytes follow the handshake: a WebSocket's client waits for its answer"});
      return true;
    }
    ++setup_.counters->responses[answer.status];
    closing_ = true;  // This session is over; its connection is not.
    auto on_upgrade = std::move(setup_.on_upgrade);
    auto next = make_watch_session(std::move(stream_), std::move(*handshake_), *answer.watch, std::move(setup_));
    if (on_upgrade) on_upgrade(next);
    next->start();
    return false;
  }

  /// Says good-bye in order: closing with unread input would reset the connection and may take the answer with it.
  void finish() {
    if (closing_) return end();
    stream_.expires_after(kFarewell);
    if (stream_.is_tls()) return stream_.async_shutdown(IoDone([self = self()](error_code) { self->end(); }));
    stream_.shut_down_sending();  // The peer may be gone already; then the read below says so.
    buffer_.clear();
    drain(0);
  }

  void drain(std::size_t drained) {
    stream_.async_read_some(buffer_.prepare(kReadBytes), [self = self(), drained](error_code failed, std::size_t size) {
      if (failed || self->closing_ || drained + size > kDrainedBytesMax) return self->end();
      self->drain(drained + size);
    });
  }

  SessionSetup setup_;
  std::string common_name_;  ///< Of the client's certificate.
  ApiStream stream_;
  beast::flat_buffer buffer_{kBufferBytes};
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> response_;
  std::optional<WatchHandshake> handshake_;  ///< Of a request that wants to become a WebSocket.
  net::steady_timer answer_timer_;
  std::uint64_t request_number_ = 0;
  unsigned version_ = 11;
  bool head_only_ = false;
  bool keep_alive_ = false;
  bool closing_ = false;
  bool retired_ = false;
  bool answering_ = false;      ///< From a whole request to the end of its answer.
  bool sending_ = false;        ///< Its last part.
  std::size_t held_bytes_ = 0;  ///< Of the answer that is being sent.
  std::optional<Instant> waits_since_;
};

}  // namespace

std::shared_ptr<ApiSession> make_session(Fd fd, std::shared_ptr<net::ssl::context> tls, SessionSetup setup) {
  ApiStream stream(*setup.io, std::move(fd), std::move(tls));
  return std::make_shared<HttpSession>(std::move(stream), std::move(setup));
}

}  // namespace fairlead::admin
