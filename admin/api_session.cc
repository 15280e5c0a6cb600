#include "admin/api_session.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <optional>

#include "admin/api_watch_session.h"
#include "admin/tls_context.h"
#include "base/log.h"
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

template <class Stream>
inline constexpr bool kIsTls = std::is_same_v<Stream, TlsStream>;

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

template <class Stream>
class HttpSession final : public ApiSession, public std::enable_shared_from_this<HttpSession<Stream>> {
 public:
  HttpSession(Stream stream, std::shared_ptr<net::ssl::context> tls, std::vector<std::string> operators, SessionSetup setup)
      : tls_(std::move(tls)),
        operators_(std::move(operators)),
        setup_(std::move(setup)),
        stream_(std::move(stream)),
        answer_timer_(*setup_.io) {}

  void start() override {
    if constexpr (kIsTls<Stream>) {
      lowest().expires_after(setup_.limits.request);
      stream_.async_handshake(net::ssl::stream_base::server, [self = self()](error_code failed) {
        if (failed) return self->turn_away(failed);
        self->identify();
        self->wait();
      });
    } else {
      wait();
    }
  }

  void close() override {
    closing_ = true;
    answer_timer_.cancel();
    lowest().close();
    end();
  }

 private:
  std::shared_ptr<HttpSession> self() { return this->shared_from_this(); }
  auto& lowest() { return beast::get_lowest_layer(stream_); }

  void end() {
    closing_ = true;
    if (setup_.on_end) std::exchange(setup_.on_end, nullptr)();
  }

  void turn_away(error_code failed) {
    // A client that goes, or never begins, is no stranger at the door.
    const bool silent = failed == beast::error::timeout || failed == net::error::eof || failed == net::error::operation_aborted ||
                        failed == net::error::connection_reset || failed == net::ssl::error::stream_truncated;
    if (!silent) {
      ++setup_.counters->turned_away;
      if (const auto count = setup_.counters->turned_away_said.again(SystemClock{}.now()))
        FL_LOG(ADMIN_CLIENT_REFUSED, "peer", setup_.caller.name, "error", failed.message(), "count", *count);
    }
    end();
  }

  void identify() {
    if constexpr (kIsTls<Stream>) {
      const std::string name = peer_common_name(stream_.native_handle());
      setup_.caller.name = "certificate CN=" + name;
      const bool listed = !name.empty() && std::find(operators_.begin(), operators_.end(), name) != operators_.end();
      setup_.caller.role = listed ? ApiRole::kOperate : ApiRole::kRead;
    }
  }

  /// For the next request's first byte. It has the idle time; from there on the request's own deadline counts.
  void wait() {
    if (closing_) return;
    if (buffer_.size() > 0) return read_header();
    lowest().expires_after(setup_.limits.idle);
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
    lowest().expires_after(setup_.limits.request);
    http::async_read_header(stream_, buffer_, *parser_, [self = self()](error_code failed, std::size_t) {
      if (failed) return self->refuse(failed);
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
    head_only_ = false;
    keep_alive_ = false;
    version_ = 11;
    send(std::move(*response));
  }

  void dispatch() {
    if (closing_) return end();
    auto request = parser_->release();
    head_only_ = request.method() == http::verb::head;
    keep_alive_ = request.keep_alive();
    version_ = request.version();
    ApiRequest call{.method = text(request.method_string()),
                    .target = text(request.target()),
                    .body = std::move(request.body()),
                    .content_type = text(request[http::field::content_type]),
                    .host = text(request[http::field::host]),
                    .origin = text(request[http::field::origin]),
                    .caller = setup_.caller,
                    .tls = kIsTls<Stream>,
                    .if_none_match = text(request[http::field::if_none_match]),
                    .websocket = beast::websocket::is_upgrade(request),
                    .websocket_version = text(request[http::field::sec_websocket_version]),
                    .websocket_key = text(request[http::field::sec_websocket_key])};
    handshake_.reset();
    if (call.websocket) handshake_.emplace(std::move(request.base()));
    const std::uint64_t number = ++request_number_;
    lowest().expires_never();
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
    if (answer.watch && !begin_watch(answer)) return;
    if (answer.late_body) answer.body = answer.late_body();
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
    lowest().expires_after(setup_.limits.request);
    http::async_write(stream_, response_, [self = self()](error_code failed, std::size_t) {
      if (failed == beast::error::timeout) ++self->setup_.counters->timeouts;
      if (failed) return self->end();
      if (self->keep_alive_) return self->wait();
      self->finish();
    });
  }

  /// The connection goes on as a WebSocket: false. True: `answer` became the reason why not.
  bool begin_watch(ApiResponse& answer) {
    if (*setup_.watchers >= setup_.limits.watchers) {
      answer = problem_response(Error{
          Errc::kUnavailable,
          std::to_string(setup_.limits.watchers) + " watchers are connected this way already: close a dashboard, or ask /api/v1/status"});
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
    auto next = make_watch_session(std::move(stream_), std::move(tls_), std::move(*handshake_), *answer.watch, std::move(setup_));
    if (on_upgrade) on_upgrade(next);
    next->start();
    return false;
  }

  /// Says good-bye in order: closing with unread input would reset the connection and may take the answer with it.
  void finish() {
    if (closing_) return end();
    lowest().expires_after(kFarewell);
    if constexpr (kIsTls<Stream>) {
      stream_.async_shutdown([self = self()](error_code) { self->end(); });
    } else {
      error_code ignored;  // The peer may be gone already; then the read below says so.
      lowest().socket().shutdown(net::socket_base::shutdown_send, ignored);
      buffer_.clear();
      drain(0);
    }
  }

  void drain(std::size_t drained) {
    stream_.async_read_some(buffer_.prepare(kReadBytes), [self = self(), drained](error_code failed, std::size_t size) {
      if (failed || self->closing_ || drained + size > kDrainedBytesMax) return self->end();
      self->drain(drained + size);
    });
  }

  std::shared_ptr<net::ssl::context> tls_;  // Outlives stream_.
  std::vector<std::string> operators_;
  SessionSetup setup_;
  Stream stream_;
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
};

template <class Stream, class... Args>
std::shared_ptr<ApiSession> make(std::shared_ptr<net::ssl::context> tls, std::vector<std::string> operators, SessionSetup setup,
                                 Args&&... args) {
  Stream stream(std::forward<Args>(args)...);
  return std::make_shared<HttpSession<Stream>>(std::move(stream), std::move(tls), std::move(operators), std::move(setup));
}

net::ip::tcp::socket adopt_tcp(net::io_context& io, Fd fd, bool v6) {
  net::ip::tcp::socket socket(io);
  socket.assign(v6 ? net::ip::tcp::v6() : net::ip::tcp::v4(), fd.release());
  error_code ignored;  // Only latency depends on it.
  socket.set_option(net::ip::tcp::no_delay(true), ignored);
  return socket;
}

}  // namespace

std::shared_ptr<ApiSession> make_unix_session(Fd fd, SessionSetup setup) {
  net::local::stream_protocol::socket socket(*setup.io);
  socket.assign(net::local::stream_protocol(), fd.release());
  return make<UnixStream>(nullptr, {}, std::move(setup), std::move(socket));
}

std::shared_ptr<ApiSession> make_tcp_session(Fd fd, bool v6, SessionSetup setup) {
  auto socket = adopt_tcp(*setup.io, std::move(fd), v6);
  return make<TcpStream>(nullptr, {}, std::move(setup), std::move(socket));
}

std::shared_ptr<ApiSession> make_tls_session(Fd fd, bool v6, std::shared_ptr<net::ssl::context> tls, std::vector<std::string> operators,
                                             SessionSetup setup) {
  auto socket = adopt_tcp(*setup.io, std::move(fd), v6);
  auto& context = *tls;
  return make<TlsStream>(std::move(tls), std::move(operators), std::move(setup), std::move(socket), context);
}

}  // namespace fairlead::admin
