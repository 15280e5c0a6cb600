// fairlead: pure
// Why a connection ended, in HAProxy's two letters: who ended it, and in which phase (its configuration manual, section 8.5 of version
// 2.6). docs/reference/termination.md explains them to operators and says where we differ.
//
//   first:  - nobody, in order   C client   S server   P the proxy's rules   R resources of this machine   D server went down
//           K operator or shutdown   c, s: timeout of the client's, the server's side
//   second: R no header yet   Q no place at a server   C connecting   D data   - in order
#pragma once

#include <array>
#include <string_view>

#include "lb/relay_core.h"

namespace fairlead::lb {

using TerminationLetters = std::array<char, 2>;

[[nodiscard]] constexpr TerminationLetters letters_of(EndCause cause) {
  switch (cause) {
    case EndCause::kNone:
    case EndCause::kFinished: return {'-', '-'};
    case EndCause::kClientAborted: return {'C', 'D'};
    case EndCause::kServerAborted: return {'S', 'D'};
    case EndCause::kClientLeftEarly: return {'C', 'C'};
    case EndCause::kConnectRefused:
    case EndCause::kNoServer: return {'S', 'C'};
    case EndCause::kConnectTimeout: return {'s', 'C'};
    case EndCause::kConnectLocal: return {'R', 'C'};
    case EndCause::kServersFull: return {'S', 'Q'};
    case EndCause::kClientIdle: return {'c', 'D'};
    case EndCause::kServerIdle: return {'s', 'D'};
    case EndCause::kServerDown: return {'D', 'D'};
    case EndCause::kKilled:
    case EndCause::kVipReleased:
    case EndCause::kShutdown: return {'K', 'D'};
    case EndCause::kMaxAge:
    case EndCause::kVipDrained:
    case EndCause::kRebalanced: return {'P', 'D'};
    case EndCause::kVipLost:
    case EndCause::kStalled: return {'R', 'D'};
    case EndCause::kProxyHeader:
    case EndCause::kRefused: return {'P', 'R'};
  }
  return {'I', '-'};  // A value that is no EndCause: HAProxy's letter for an error of its own.
}

/// Under which name a connection counts as shed because no server could take it; empty for every other end.
[[nodiscard]] constexpr std::string_view shed_name_of(EndCause cause) {
  if (cause == EndCause::kNoServer) return "no_server";
  return cause == EndCause::kServersFull ? "servers_full" : "";
}

/// How a connection ended that was on an address which left this node (R18); empty for every other end.
[[nodiscard]] constexpr std::string_view vip_end_name_of(EndCause cause) {
  if (cause == EndCause::kVipReleased) return "reset";
  if (cause == EndCause::kVipDrained) return "drained";
  return cause == EndCause::kVipLost ? "lost" : "";
}

[[nodiscard]] constexpr std::string_view text_of(const TerminationLetters& letters) { return {letters.data(), letters.size()}; }

}  // namespace fairlead::lb
