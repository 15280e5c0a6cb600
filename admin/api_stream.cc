#include "admin/api_stream.h"

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/rate_policy.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <boost/beast/websocket/teardown.hpp>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <variant>

namespace fairlead::admin {

namespace net = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;

namespace {

// One protocol for unix sockets and both kinds of TCP: none of their differences is wanted here.
using Protocol = net::generic::stream_protocol;
using PlainStream = beast::basic_stream<Protocol, ApiStream::executor_type, beast::simple_rate_policy>;
using TlsStream = beast::ssl_stream<PlainStream>;
using Socket = PlainStream::socket_type;

Socket adopt(net::io_context& io, Fd fd) {
  if (!fd.valid()) return Socket(io);
  int domain = AF_UNIX;
  socklen_t size = sizeof domain;
  (void)::getsockopt(fd.get(), SOL_SOCKET, SO_DOMAIN, &domain, &size);
  if (domain != AF_UNIX) {
    const int on = 1;
    (void)::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // Only latency depends on it.
  }
  Socket socket(io);
  socket.assign(Protocol(domain, domain == AF_UNIX ? 0 : IPPROTO_TCP), fd.get());
  (void)fd.release();
  return socket;
}

}  // namespace

struct ApiStream::Core {
  Core(net::io_context& io, Fd fd) : stream(std::in_place_type<PlainStream>, adopt(io, std::move(fd))) {}
  Core(net::io_context& io, Fd fd, std::shared_ptr<net::ssl::context> with)
      : tls(std::move(with)), stream(std::in_place_type<TlsStream>, adopt(io, std::move(fd)), *tls) {}

  PlainStream& lowest() {
    if (auto* with_tls = std::get_if<TlsStream>(&stream)) return with_tls->next_layer();
    return std::get<PlainStream>(stream);
  }

  std::shared_ptr<net::ssl::context> tls;  // Outlives stream.
  std::variant<PlainStream, TlsStream> stream;
  Tap tap;
};

ApiStream::ApiStream(net::io_context& io, Fd fd, std::shared_ptr<net::ssl::context> tls)
    : core_(tls ? std::make_shared<Core>(io, std::move(fd), std::move(tls)) : std::make_shared<Core>(io, std::move(fd))) {}
ApiStream::~ApiStream() = default;
ApiStream::ApiStream(ApiStream&&) noexcept = default;
ApiStream& ApiStream::operator=(ApiStream&&) noexcept = default;

ApiStream::executor_type ApiStream::get_executor() const { return core_->lowest().get_executor(); }
bool ApiStream::is_tls() const { return core_->tls != nullptr; }

ssl_st* ApiStream::tls_handle() const {
  auto* with_tls = std::get_if<TlsStream>(&core_->stream);
  return with_tls == nullptr ? nullptr : with_tls->native_handle();
}

void ApiStream::expires_after(Duration time) { core_->lowest().expires_after(time); }
void ApiStream::expires_never() { core_->lowest().expires_never(); }
void ApiStream::limit_reads(std::size_t bytes_per_second) { core_->lowest().rate_policy().read_limit(bytes_per_second); }
void ApiStream::tap_reads(Tap tap) { core_->tap = std::move(tap); }
void ApiStream::close() { core_->lowest().close(); }

void ApiStream::shut_down_sending() {
  error_code ignored;
  core_->lowest().socket().shutdown(net::socket_base::shutdown_send, ignored);
}

void ApiStream::start_read(ReadBuffers buffers, IoDone done) {
  const auto read = [&](auto& stream) {
    stream.async_read_some(buffers, [core = core_, buffers, done = std::move(done)](error_code failed, std::size_t bytes) mutable {
      if (core->tap) {
        std::size_t left = bytes;
        for (const net::mutable_buffer& buffer : buffers) {
          const std::size_t here = std::min(left, buffer.size());
          if (here > 0) core->tap({static_cast<const std::byte*>(buffer.data()), here});
          left -= here;
        }
      }
      done(failed, bytes);
    });
  };
  std::visit(read, core_->stream);
}

void ApiStream::start_write(WriteBuffers buffers, IoDone done) {
  const auto write = [&](auto& stream) {
    stream.async_write_some(buffers,
                            [core = core_, done = std::move(done)](error_code failed, std::size_t bytes) mutable { done(failed, bytes); });
  };
  std::visit(write, core_->stream);
}

void ApiStream::async_connect(const Protocol::endpoint& to, IoDone done) {
  core_->lowest().async_connect(to, [core = core_, done = std::move(done)](error_code failed) mutable { done(failed); });
}

void ApiStream::async_handshake(beast::role_type role, IoDone done) {
  const auto type = role == beast::role_type::server ? net::ssl::stream_base::server : net::ssl::stream_base::client;
  std::get<TlsStream>(core_->stream).async_handshake(type, [core = core_, done = std::move(done)](error_code failed) mutable {
    done(failed);
  });
}

void ApiStream::async_shutdown(IoDone done) {
  std::get<TlsStream>(core_->stream).async_shutdown([core = core_, done = std::move(done)](error_code failed) mutable { done(failed); });
}

void ApiStream::start_teardown(beast::role_type role, IoDone done) {
  const auto tear_down = [&](auto& stream) {
    using beast::websocket::async_teardown;
    async_teardown(role, stream, [core = core_, done = std::move(done)](error_code failed) mutable { done(failed); });
  };
  std::visit(tear_down, core_->stream);
}

}  // namespace fairlead::admin
