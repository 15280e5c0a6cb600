// fairlead: pure
// The vocabulary of health: what a check found, why a connect failed, what an operator wants, and what follows for a server.
// Values only; they travel between the threads `worker-N`, `control` and `health`.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.h"
#include "lb/route_table.h"

namespace fairlead::lb {

/// What health knows of a server. `unknown` takes no traffic: nothing is assumed up.
enum class Verdict : std::uint8_t { kUnknown, kUp, kDown };

/// What the operator wants. `drain`: no new connections, checks go on. `maint`: no checks either.
enum class AdminState : std::uint8_t { kReady, kDrain, kMaint };

/// How one check ended, in one word (`word_of`). The word is stable: the API and the metrics show it.
enum class ProbeOutcome : std::uint8_t {
  kOk,
  kRefused,      ///< RST to our SYN: nobody listens.
  kReset,        ///< RST later.
  kUnreachable,  ///< No route, or a router or the host's neighbour table said so.
  kTimeout,      ///< The one deadline over connect, handshake and answer passed.
  kClosed,       ///< The server closed before it answered.
  kTls,          ///< Handshake or certificate.
  kProtocol,     ///< The answer is not HTTP, or larger than we read.
  kStatus,       ///< HTTP, but not a status of `expect`.
  kLocal,        ///< Our own fault (descriptors, source address, a CA file): says nothing about the server.
  kUnresolved,   ///< The server's name has no address. Never made by the prober.
};
[[nodiscard]] std::string_view word_of(ProbeOutcome outcome);
inline constexpr std::size_t kProbeOutcomes = static_cast<std::size_t>(ProbeOutcome::kUnresolved) + 1;

/// The server's kernel or the network failed, not only its program: connections to it are dead too.
[[nodiscard]] constexpr bool is_hard(ProbeOutcome outcome) {
  return outcome == ProbeOutcome::kRefused || outcome == ProbeOutcome::kReset || outcome == ProbeOutcome::kUnreachable ||
         outcome == ProbeOutcome::kTimeout;
}

/// Why a worker could not connect to a server.
enum class ConnectCause : std::uint8_t { kRefused, kReset, kUnreachable, kTimeout, kLocal };
[[nodiscard]] std::string_view word_of(ConnectCause cause);
static_assert(static_cast<std::size_t>(ConnectCause::kLocal) + 1 == kConnectCauses);
/// Sorts the errno of a failed connect(2). What is not known to come from the server's side counts as local: an error nobody
/// foresaw must not eject servers.
[[nodiscard]] ConnectCause connect_cause_of(int sys_errno);

[[nodiscard]] std::string_view word_of(Verdict verdict);
[[nodiscard]] std::string_view word_of(AdminState state);

/// What a server's checks came to, since it is in its pool.
struct HealthCounts {
  std::array<std::uint64_t, kProbeOutcomes> checks{};  ///< Finished ones, by ProbeOutcome.
  std::uint64_t ups = 0;                               ///< Changes of the verdict to up; likewise below.
  std::uint64_t downs = 0;
  Duration down{};  ///< Spent down, the present time down not included.
};

/// The answer to one started probe.
struct ProbeResult {
  ServerId server = 0;
  std::uint64_t token = 0;  ///< Of the request; a stale token is ignored.
  ProbeOutcome outcome = ProbeOutcome::kLocal;
  std::string detail{};  ///< "200", "certificate has expired: ...", "connect took longer than 1s"
  Duration duration{};
};

}  // namespace fairlead::lb
