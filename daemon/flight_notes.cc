// fairlead: pure
#include "daemon/flight_notes.h"

#include "base/overloaded.h"

namespace fairlead::daemon {
namespace {

std::string node_name(NodeId node) { return node == kNoNode ? "nobody" : std::to_string(to_number(node)); }

std::string describe(const VipState& vip) {
  std::string out = vip.name + ":";
  if (vip.able) out += " able";
  if (vip.serves) out += " serves";
  if (!vip.gateway_ok) out += " no_gateway";
  if (vip.holding) out += " holding";
  if (vip.released) out += " released";
  out += " epoch " + std::to_string(vip.epoch) + " owner " + node_name(vip.owner);
  if (!vip.reason.empty()) out += " (" + vip.reason + ")";
  return out;
}

void append(std::string& out, const std::string& part) {
  if (!out.empty()) out += ", ";
  out += part;
}

std::string describe(const Override& wish) {
  const std::string on = wish.on ? " on" : " off";
  switch (wish.kind) {
    case OverrideKind::kVipDisabled: return wish.name + " disabled" + on;
    case OverrideKind::kNodeStandby: return wish.name + " standby" + on;
    case OverrideKind::kFrozen: return "frozen" + on;
  }
  return "unknown";
}

}  // namespace

std::string_view step_name(vip::HolderActionKind kind) {
  switch (kind) {
    case vip::HolderActionKind::kProbe: return "probe";
    case vip::HolderActionKind::kAdd: return "add";
    case vip::HolderActionKind::kRefresh: return "refresh";
    case vip::HolderActionKind::kRemove: return "remove";
    case vip::HolderActionKind::kAnnounce: return "announce";
    case vip::HolderActionKind::kReset: return "reset";
    case vip::HolderActionKind::kSayReleased: return "say_released";
    case vip::HolderActionKind::kBeatNow: return "beat_now";
  }
  return "unknown";
}

bool is_worth_a_note(vip::HolderActionKind kind) {
  return kind == vip::HolderActionKind::kProbe || kind == vip::HolderActionKind::kAdd || kind == vip::HolderActionKind::kRemove ||
         kind == vip::HolderActionKind::kReset;
}

std::optional<std::string> note_of(const ClusterMessage& message) {
  std::string out;
  std::visit(Overloaded{
                 [&](const NodeState& m) {
                   for (const VipState& vip : m.vips) append(out, describe(vip));
                   if (m.settled) append(out, "settled");
                   if (m.tie_armed) append(out, "tie_armed");
                 },
                 [&](const GuardHello&) { out = "guard"; },
                 [](const Beat&) {},
                 [](const BeatAck&) {},
                 [](const NodeDigest&) {},
                 [](const LeaseUpdate&) {},  // One for each lease: dnsdhcp says what matters of them.
                 [](const LeaseDigest&) {},
                 [&](const Assign& m) {
                   for (const Assignment& a : m.table)
                     append(out, a.vip + " to " + node_name(a.owner) + " epoch " + std::to_string(a.epoch));
                   if (out.empty()) out = "nothing";
                 },
                 [&](const Released& m) {
                   out = m.vip + " by " + node_name(m.holder) + " epoch " + std::to_string(m.epoch) + (m.clear ? " clear" : " not_clear");
                 },
                 [&](const Exclude& m) { out = node_name(m.process.node) + "/" + std::to_string(m.process.pid); },
                 [&](const SetOverride& m) { out = describe(m.wish); },
                 [&](const MoveVip& m) { out = m.vip + " to " + (m.to == kNoNode ? std::string("any other") : node_name(m.to)); },
             },
             message);
  const bool often = std::holds_alternative<Beat>(message) || std::holds_alternative<BeatAck>(message) || !concerns_vips(message);
  if (often) return std::nullopt;
  return out;
}

}  // namespace fairlead::daemon
