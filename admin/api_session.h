// One connection to the API: HTTP/1.1 with keep-alive over a unix socket, TCP or TLS.
//
//   waiting --first byte--> reading --request--> answering --response--> waiting (keep-alive), closing, or a WebSocket
//
// Every state has a deadline, so a slow client costs a descriptor for a bounded time and never the thread.
// Threading: `admin` only. Ownership: a session keeps itself alive through its pending operations; the server holds it weakly.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "admin/api_dispatcher.h"
#include "base/fd.h"
#include "base/time.h"

// Not included: only api_*.cc and tls_*.cc may see Asio.
namespace boost::asio {
class io_context;
namespace ssl {
class context;
}
}  // namespace boost::asio

namespace fairlead::admin {

struct ApiLimits {
  std::size_t unix_connections = 64;
  std::size_t unix_reserved = 16;  ///< Of these, kept for operators: readers cannot lock them out.
  std::size_t tcp_connections = 64;
  std::size_t tcp_reserved = 16;  ///< Likewise, with TLS: over plain TCP there are no operators.
  std::uint32_t header_bytes = 16 * 1024;
  std::size_t body_bytes = 64 * 1024;
  std::size_t watchers = 32;                    ///< Of the connections of one way in: those that are WebSockets. A quarter is operators'.
  Duration request = std::chrono::seconds(10);  ///< For a request to arrive, and for a response to be taken.
  Duration idle = std::chrono::seconds(60);     ///< Between requests.
  Duration command = std::chrono::seconds(60);  ///< For NodePort to answer.
};

class WatchHub;

class ApiSession {
 public:
  virtual ~ApiSession() = default;
  virtual void start() = 0;
  /// Closes at once; pending operations end with an error.
  virtual void close() = 0;
  /// Who it is has to be shown anew: closes, but gives an answer that is under way first.
  virtual void retire() { close(); }
  /// Since when it waits for its client: for a request, the rest of one, or that an answer is taken. nullopt: it does not.
  [[nodiscard]] virtual std::optional<Instant> waits_since() const { return std::nullopt; }
};

/// Calls what it holds, once: when it is told to, at the latest with its own end. An exception that takes a session away costs no place.
class EndCall {
 public:
  explicit EndCall(std::function<void()> call) : call_(std::move(call)) {}
  EndCall(EndCall&& from) noexcept : call_(std::exchange(from.call_, nullptr)) {}
  EndCall& operator=(EndCall&&) = delete;
  EndCall(const EndCall&) = delete;
  EndCall& operator=(const EndCall&) = delete;
  ~EndCall() { (*this)(); }
  void operator()() {
    if (call_) std::exchange(call_, nullptr)();
  }
  /// It has not been called.
  explicit operator bool() const { return call_ != nullptr; }

 private:
  std::function<void()> call_;
};

struct SessionSetup {
  std::shared_ptr<boost::asio::io_context> io;
  ApiDispatcher* dispatcher = nullptr;  ///< Outlives the session: the server ends its sessions first. Likewise counters.
  ApiCounters* counters = nullptr;
  RefusalLog* refusals = nullptr;                       ///< Likewise.
  const std::vector<std::string>* operators = nullptr;  ///< Likewise: who may change things over TLS, as it is now.
  ApiLimits limits;
  Caller caller;
  bool has_operators = true;          ///< They may come this way: places are kept for them.
  EndCall on_end;                     ///< On the admin thread.
  std::function<void()> on_known;     ///< The client has shown who it is, by a handshake or with plain HTTP by a request. May be empty.
  WatchHub* hub = nullptr;            ///< Outlives the session.
  std::uint64_t* watchers = nullptr;  ///< Count of those on this way in.
  /// The session went on as another one (a WebSocket); on_end is that one's now.
  std::function<void(std::weak_ptr<ApiSession>)> on_upgrade;
};

/// `fd`: a connected unix or TCP socket. With `tls` the caller's name and role follow from the client certificate; nullptr: none.
[[nodiscard]] std::shared_ptr<ApiSession> make_session(Fd fd, std::shared_ptr<boost::asio::ssl::context> tls, SessionSetup setup);

}  // namespace fairlead::admin
