// Brings a connection into a named state, so that a case can ask the same of each of them.
#pragma once

#include <array>
#include <string>

#include "tests/contract/lb/relay_rig.h"

namespace fairlead::lb {

enum class State : std::uint8_t {
  kConnecting,     ///< The relay has not heard yet that the server answered.
  kIdle,           ///< Open, nothing was sent.
  kQueued,         ///< The drain does not read; some blocks wait for it in the relay.
  kBackPressured,  ///< Likewise, and the source is not read any more.
  kBulkAsked,      ///< The relay waits for kBulkReady, with bytes queued.
  kBulkReady,      ///< It has it, and the queue is not empty yet.
  kBulkRunning,    ///< Bytes move through a pipe.
};
inline constexpr std::array kEveryState = {State::kConnecting, State::kIdle,      State::kQueued,     State::kBackPressured,
                                           State::kBulkAsked,  State::kBulkReady, State::kBulkRunning};

[[nodiscard]] std::string to_string(State state);
/// What the states below need.
[[nodiscard]] RigOptions small_sockets();

/// A new connection in that state, loaded in the direction from `side`. Its ends go on as they are: a drain that does not read stays so.
/// While asked or connecting the rig holds the event; release() lets it in.
Link& reach(RelayRig& rig, State state, Side side);

/// Runs `act` on a new connection in every state, loaded in both directions by turns, and expects nothing to be left after each.
void in_every_state(RelayRig& rig, const std::function<void(Link&, Side source)>& act);

/// Both ends read, and what the rig holds is let go.
void let_flow(RelayRig& rig, Link& link);
/// What `from` has to send arrives, and its end of file after it.
void expect_fin_passed(RelayRig& rig, Link& link, Side from);
/// `at` sees a reset, not an end of file, and nothing wrong before it.
void expect_reset(RelayRig& rig, Link& link, Side at);
/// 20,000 bytes go either way.
void expect_relays(RelayRig& rig, Link& link);
/// Both ends finish in order, and all has arrived.
void expect_finishes(RelayRig& rig, Link& link);

}  // namespace fairlead::lb
