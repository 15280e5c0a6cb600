// What a TakeoverCore was told, and what it answered: a line of JSON each. The core decides by nothing else, so the lines can be played
// again, here or on another machine, and have to give the same answers: `takeover_replay FILE` (tests/netns/takeover_replay.cc).
//
//   {"trace":1,"settings":{...},"incarnation":5,"kept":[...],"now":12}     one life of a daemon begins
//   {"in":"turn","with":{"now":13,"boot":13}}                               an input by its name (vip/takeover_input.h); times in ns
//   {"in":"delivered","with":{"from":{...},"message":"464c01..."}}     messages as bytes of membership/message_codec.h (cluster "trace")
//   {"out":"add","vip":"api","epoch":7}                                     what the input before it led to, in order
//
// Threading: any one.
#pragma once

#include <cstddef>
#include <istream>
#include <string>
#include <vector>

#include "base/result.h"
#include "vip/takeover_input.h"

namespace fairlead::daemon {

/// Each ends with a newline; the first one begins with one, for a life before it may have been cut off in the middle of a line.
[[nodiscard]] std::string trace_begin(const vip::Settings& settings, Incarnation incarnation, const std::vector<Override>& kept,
                                      Instant now);
[[nodiscard]] std::string trace_input(const vip::TakeoverInput& input);
[[nodiscard]] std::string trace_action(const vip::TakeoverAction& action);

struct TraceReplay {
  std::size_t lives = 0;
  std::size_t inputs = 0;
  std::size_t actions = 0;  ///< Compared.
};
/// Plays it again. A life may have been cut off anywhere: the daemon was killed, the disk was full. Errors: kInvalidArgument (no trace, or
/// another answer than the recorded one; the line is named).
[[nodiscard]] Result<TraceReplay> replay_trace(std::istream& trace);

}  // namespace fairlead::daemon
