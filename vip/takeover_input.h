// fairlead: pure
// The inputs of a TakeoverCore as values: what its shell queues, and what daemon/takeover_trace.h writes down and plays again. One struct
// per input; its fields are the arguments of the TakeoverCore method of that name, which says what they mean.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "vip/takeover_core.h"

namespace fairlead::vip {

struct TurnInput {
  Instant now{};
  Instant boot{};
};
struct TickInput {};
struct TimingInput {
  Timing timing;
};
struct ViewInput {
  ClusterView view;
  ClusterProcess self;
};
struct LostInput {};
struct DeliveredInput {
  ClusterProcess from;
  ClusterMessage message;
};
struct LocalInput {
  std::string vip;
  LocalVip facts;
};
struct TieAnsweredInput {
  std::uint32_t target = 0;
};
struct ThirdVoteInput {
  bool counted = false;
  Instant asked{};
};
struct KernelDoneInput {
  std::string vip;
  HolderActionKind what{};
  KernelAnswer answer;
};
struct ResetDoneInput {
  std::string vip;
  Epoch epoch = 0;
};
struct KernelGoneInput {
  std::string vip;
};
struct AnsweredInput {
  std::string vip;
  std::string mac;
  bool gateway = false;
};
struct ClaimedInput {
  std::string vip;
  std::string mac;
};
struct ProbedInput {
  std::string vip;
};
struct ProbeFailedInput {
  std::string vip;
};
struct ConfigureInput {
  Settings settings;
};
struct LeaveInput {};
struct MoveInput {
  std::string vip;
  NodeId to = kNoNode;
};
struct WishInput {
  OverrideKind kind{};
  std::string name;
  bool on = false;
  bool force = false;
};
struct ForceInput {
  std::string vip;
  std::vector<NodeId> fenced;
};

using TakeoverInput = std::variant<TurnInput, TickInput, TimingInput, ViewInput, LostInput, DeliveredInput, LocalInput, TieAnsweredInput,
                                   ThirdVoteInput, KernelDoneInput, ResetDoneInput, KernelGoneInput, AnsweredInput, ClaimedInput,
                                   ProbedInput, ProbeFailedInput, ConfigureInput, LeaveInput, MoveInput, WishInput, ForceInput>;

/// Calls the method of that name. Errors: an operator's input (move, wish, force) may be refused; the others are always taken.
[[nodiscard]] Status apply(TakeoverCore& core, const TakeoverInput& input, TakeoverActions& out);

}  // namespace fairlead::vip
