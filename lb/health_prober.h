// Carries out health checks: one probe per request, on its own thread `health` (Boost.Asio, OpenSSL).
//
// It decides nothing: when to probe and what a result means is HealthTracker's business on the control thread.
//
//   start(ProbeRequest) --queue--> connect --> TLS handshake --> GET, status line and header --> ResultSink(ProbeResult)
//                                     |             |                     |                          |
//                                     +-------------+----- one deadline --+          read the rest, close_notify, close
//
// Invariants:
//   I1  Every accepted request gets exactly one result, unless the prober is destroyed first.
//   I2  A result comes within `timeout` of the probe's beginning; the wait for a free place (concurrent_max) does not count.
//   I3  After a finished handshake the connection ends with close_notify and nothing is left unread if the server closes in time, so a
//       good check leaves no error in a server's log.
//   I4  Memory per probe is bounded, whatever the server sends: kAnswerHeaderBytesMax of header, the body is dropped as it comes.
// Threading: start() and forget() from any thread, never blocking; the sink runs on the health thread and must not block.
// Limits: `pending_max` requests, beyond which start() refuses; `concurrent_max` sockets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/ip_address.h"
#include "base/result.h"
#include "base/time.h"
#include "config/settings.h"
#include "lb/health_values.h"

namespace fairlead::lb {

inline constexpr std::size_t kAnswerHeaderBytesMax = 16U << 10;
/// How much of a body is read before we close anyway: enough for /readyz?verbose.
inline constexpr std::size_t kAnswerBodyBytesMax = 256U << 10;
/// How long the polite end of a connection may take. The verdict is out by then.
inline constexpr Duration kProbeLingerMax = std::chrono::milliseconds(500);
/// A TLS session is reused at most this long after the full handshake it came from. Rationale: a resumed handshake does not look at the
/// certificate, and an expired one must be noticed.
inline constexpr Duration kTlsSessionAgeMax = std::chrono::seconds(60);

struct ProbeRequest {
  ServerId server = 0;
  std::uint64_t token = 0;
  Endpoint endpoint;                             ///< Where to connect; `health->port` replaces its port unless 0.
  std::string host;                              ///< As configured (name or address): default of the Host header and of the name to verify.
  std::shared_ptr<const config::Health> health;  ///< Type none is a programmer's error.
};

class HealthProber {
 public:
  using ResultSink = std::function<void(ProbeResult)>;
  struct Options {
    std::size_t concurrent_max = 128;
    std::size_t pending_max = 8192;
  };

  explicit HealthProber(ResultSink sink);  ///< Throws where make() has an error: for tests.
  HealthProber(ResultSink sink, Options options);
  /// Errors: kLimitExceeded (no descriptor or thread left).
  [[nodiscard]] static Result<std::unique_ptr<HealthProber>> make(ResultSink sink);
  ~HealthProber();  ///< Ends the thread; probes under way give no result.
  HealthProber(const HealthProber&) = delete;
  HealthProber& operator=(const HealthProber&) = delete;

  /// False: `pending_max` requests are under way already; nothing will come of this one.
  [[nodiscard]] bool start(ProbeRequest request);
  /// The server is gone: drops its TLS session.
  void forget(ServerId server);

  struct Counters {
    std::uint64_t probes = 0;  ///< Finished.
    std::uint64_t handshakes_full = 0;
    std::uint64_t handshakes_resumed = 0;
    std::uint64_t open = 0;  ///< Sockets now.
  };
  [[nodiscard]] Counters counters() const;  ///< Any thread.

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fairlead::lb
