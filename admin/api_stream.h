// The byte stream the API is served and called over: a unix socket or TCP, with TLS or without, behind one type. Whoever reads and writes
// HTTP or WebSocket over it (Beast) is compiled once and not once per kind of stream.
//
// Meets Asio's and Beast's AsyncStream, and what a WebSocket asks of its next layer. An operation takes a handler, no other completion
// token; the handler is called on the loop's thread.
// Threading: that of its loop. Ownership: an operation under way keeps alive what it needs of the stream.
#pragma once

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/beast/core/role.hpp>
#include <boost/system/error_code.hpp>
#include <functional>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

#include "base/fd.h"
#include "base/time.h"

namespace boost::asio::ssl {
class context;
}
struct ssl_st;

namespace fairlead::admin {

/// A handler of whatever type, called once at most.
class IoDone {
 public:
  template <class Handler>
  explicit IoDone(Handler handler) : kept_(std::make_unique<Of<Handler>>(std::move(handler))) {}
  void operator()(boost::system::error_code failed, std::size_t bytes = 0) {
    const auto kept = std::move(kept_);
    kept->call(failed, bytes);
  }

 private:
  struct Kept {
    virtual ~Kept() = default;
    virtual void call(boost::system::error_code failed, std::size_t bytes) = 0;
  };
  template <class Handler>
  struct Of final : Kept {
    explicit Of(Handler&& from) : handler(std::move(from)) {}
    void call(boost::system::error_code failed, std::size_t bytes) override {
      if constexpr (std::is_invocable_v<Handler&, boost::system::error_code, std::size_t>)
        handler(failed, bytes);
      else
        handler(failed);
    }
    Handler handler;
  };
  std::unique_ptr<Kept> kept_;
};

/// The first buffers of a sequence: an operation that moves some bytes need not take all.
template <class Buffer>
class IoBuffers {
 public:
  using value_type = Buffer;
  using const_iterator = const Buffer*;
  template <class Sequence>
  explicit IoBuffers(const Sequence& sequence) {
    const auto end = boost::asio::buffer_sequence_end(sequence);
    for (auto at = boost::asio::buffer_sequence_begin(sequence); at != end && size_ < buffers_.size(); ++at) {
      if (const Buffer buffer(*at); buffer.size() > 0) buffers_[size_++] = buffer;
    }
  }
  [[nodiscard]] const_iterator begin() const { return buffers_.data(); }
  [[nodiscard]] const_iterator end() const { return buffers_.data() + size_; }

 private:
  std::array<Buffer, 8> buffers_;
  std::size_t size_ = 0;
};
using ReadBuffers = IoBuffers<boost::asio::mutable_buffer>;
using WriteBuffers = IoBuffers<boost::asio::const_buffer>;

class ApiStream {
 public:
  using executor_type = boost::asio::io_context::executor_type;
  /// What has been read; called before the operation's handler.
  using Tap = std::function<void(std::span<const std::byte> bytes)>;

  /// `fd`: a connected stream socket; none: async_connect() makes one. `tls` nullptr: none. Throws what Asio and OpenSSL throw where they
  /// have no descriptor or memory left.
  ApiStream(boost::asio::io_context& io, Fd fd, std::shared_ptr<boost::asio::ssl::context> tls);
  ~ApiStream();
  ApiStream(ApiStream&&) noexcept;
  ApiStream& operator=(ApiStream&&) noexcept;
  ApiStream(const ApiStream&) = delete;
  ApiStream& operator=(const ApiStream&) = delete;

  [[nodiscard]] executor_type get_executor() const;
  [[nodiscard]] bool is_tls() const;
  /// nullptr without TLS.
  [[nodiscard]] ssl_st* tls_handle() const;

  /// Operations under way, and those begun later, end with beast::error::timeout then.
  void expires_after(Duration time);
  void expires_never();
  void limit_reads(std::size_t bytes_per_second);
  /// Empty: none.
  void tap_reads(Tap tap);
  /// What is under way ends with an error.
  void close();
  /// Says that nothing more comes; without TLS. A peer that is gone already is told nothing.
  void shut_down_sending();

  template <class Buffers, class Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler) {
    start_read(ReadBuffers(buffers), IoDone(std::decay_t<Handler>(std::forward<Handler>(handler))));
  }
  template <class Buffers, class Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler) {
    start_write(WriteBuffers(buffers), IoDone(std::decay_t<Handler>(std::forward<Handler>(handler))));
  }
  void async_connect(const boost::asio::generic::stream_protocol::endpoint& to, IoDone done);
  /// With TLS only, both: the handshake in that role, and the farewell.
  void async_handshake(boost::beast::role_type role, IoDone done);
  void async_shutdown(IoDone done);
  void start_teardown(boost::beast::role_type role, IoDone done);

 private:
  void start_read(ReadBuffers buffers, IoDone done);
  void start_write(WriteBuffers buffers, IoDone done);

  struct Core;
  std::shared_ptr<Core> core_;  ///< Shared with operations under way. Null once moved from.
};

// Beast finds these by their argument.
template <class Handler>
void async_teardown(boost::beast::role_type role, ApiStream& stream, Handler&& handler) {
  stream.start_teardown(role, IoDone(std::decay_t<Handler>(std::forward<Handler>(handler))));
}
inline void beast_close_socket(ApiStream& stream) { stream.close(); }

}  // namespace fairlead::admin
