// What the guard's tests run as processes of their own, all from this one program:
//   vip_netns_tests --guard FD                          a real guard, with a voice that writes to the file named by FL_TEST_VOICE
//   vip_netns_tests --stand-in DEVICE ADDRESS LEASE_S   a daemon reduced to what matters here: it holds one VIP under a guard
// The stand-in says on standard output: "guard PID", "held", "known again", "lost REASON", "too often", "turns N" (each tenth);
// a byte on its standard input ends it in order.
#pragma once

#include <optional>

namespace fairlead::vip {

/// The exit code when the arguments name one of these; nothing for an ordinary run of tests.
std::optional<int> run_as_process(int argc, char** argv);

}  // namespace fairlead::vip
