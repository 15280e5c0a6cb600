// What operators may do to VIPs, nodes and the cluster (R16): from the API's commands to TakeoverCore, and what came of it.
#include <algorithm>
#include <csignal>
#include <unistd.h>

#include "base/overloaded.h"
#include "base/units.h"
#include "daemon/takeover_runner.h"
#include "vip/netlink_address_driver.h"

namespace fairlead::daemon {
namespace {

constexpr Duration kDrillDelay = std::chrono::milliseconds(50);

admin::CommandResult said(std::string summary) { return {.summary = std::move(summary), .details = {}, .needs_restart = {}}; }

}  // namespace

Result<NodeId> TakeoverRunner::node_named(const std::string& name) const {
  for (const vip::NodeName& n : options_.settings.nodes) {
    if (n.name == name) return n.id;
  }
  return Error{Errc::kNotFound, "no node " + name + "; `fairlead node list` shows them"};
}

void TakeoverRunner::execute(const admin::Command& command, CommandDone done) {
  std::visit(
      Overloaded{
          [&](const admin::MoveVip& c) { move(c, std::move(done)); },
          [&](const admin::SetVipEnabled& c) {
            wish(OverrideKind::kVipDisabled, c.vip, !c.enabled, /*force=*/false,
                 "VIP " + c.vip + (c.enabled ? " is enabled" : " is disabled: no node holds it until `fairlead vip enable " + c.vip + "`"),
                 done);
          },
          [&](const admin::AnnounceVip& c) {
            const Status status = announce(c.vip);
            done(status ? Result<admin::CommandResult>(said("announced " + c.vip)) : status.error());
          },
          [&](const admin::ForceVip& c) { force(c, done); },
          [&](const admin::SetNodeStandby& c) {
            wish(OverrideKind::kNodeStandby, c.node, c.standby, c.force,
                 "node " + c.node + (c.standby ? " is in standby: its VIPs move away" : " is online: it may hold VIPs"), done);
          },
          [&](const admin::RunDrill& c) {
            const Status status = drill(c.name, c.vip);
            done(status ? Result<admin::CommandResult>(said("drill " + c.name + " has begun")) : status.error());
          },
          [&](const admin::SetClusterFrozen& c) {
            wish(OverrideKind::kFrozen, "", c.frozen, /*force=*/false,
                 c.frozen ? "the cluster is frozen: VIPs move only when their holder is lost" : "the cluster is not frozen", done);
          },
          [&](const auto&) {
            done(Error{Errc::kUnsupported, "not a command of high availability"});
          },
      },
      command);
}

void TakeoverRunner::wish(OverrideKind kind, const std::string& name, bool on, bool force, std::string summary, const CommandDone& done) {
  const Status status = enter_now(vip::WishInput{kind, name, on, force});
  done(status ? Result<admin::CommandResult>(said(std::move(summary))) : status.error());
}

void TakeoverRunner::move(const admin::MoveVip& command, CommandDone done) {
  NodeId to = kNoNode;
  if (!command.to.empty()) {
    const auto node = node_named(command.to);
    if (!node) return done(node.error());
    to = *node;
  }
  const auto before = core_.describe(command.vip);
  if (to != kNoNode && before.owner == to && is_held_by(command.vip, to, before.epoch))
    return done(said("VIP " + command.vip + " is on " + command.to + " already"));
  if (command.drain > Duration::zero()) return drain(command, to, std::move(done));
  const Instant now = clock_.now();
  const Status status = enter_now(vip::MoveInput{command.vip, to});
  if (!status) return done(status.error());
  moves_.push_back({.vip = command.vip, .from = before.owner, .to = to, .since = now, .done = std::move(done)});
  answer_moves();
}

/// Connections that are open close at idle moments, and new ones are served here until the VIP goes: nobody is refused while it drains.
/// Rationale: only the holder has connections to drain. Asked elsewhere it would need a message that older releases do not know, for a
/// command whose caller can as well ask the holder.
void TakeoverRunner::drain(const admin::MoveVip& command, NodeId to, CommandDone done) {
  const std::string verb = "vip move " + command.vip;
  if (const auto view = core_.describe(command.vip); vips_.contains(command.vip) && !view.held_here) {
    return done(
        Error{Errc::kRefused, verb + ": the holder drains, and this node is not it; " +
                                  (view.holder != kNoNode ? "ask there: " + name_of(view.holder) + " holds it" : "no node holds it now") +
                                  ". Without --drain any node can be asked"});
  }
  if (const Status possible = core_.may_move(command.vip, to); !possible) return done(possible.error());  // Better now than after T.
  const auto other = std::find_if(drains_.begin(), drains_.end(), [&](const PendingDrain& d) { return d.vip == command.vip; });
  if (other != drains_.end()) {
    const Duration left = std::chrono::ceil<std::chrono::seconds>(std::max(other->until - clock_.now(), Duration::zero()));
    return done(Error{Errc::kRefused,
                      verb + ": it drains already and moves within " + format_duration(left) + "; without --drain it moves at once"});
  }
  const std::uint64_t number = ++drains_begun_;
  drains_.push_back(
      {.vip = command.vip, .to = to, .until = clock_.now() + command.drain, .over = false, .number = number, .done = std::move(done)});
  host_.drain_connections(vips_.at(command.vip).settings.address.address, [this, number] {
    for (PendingDrain& d : drains_) d.over = d.over || d.number == number;
    tend_drains();
  });
}

/// A drain that is over leads to the move; when the VIP was given to another node meanwhile, that is the move.
void TakeoverRunner::tend_drains() {
  const Instant now = clock_.now();
  const auto is_ours = [&](const PendingDrain& d) { return core_.describe(d.vip).owner == options_.settings.self; };
  const auto due = [&](const PendingDrain& d) { return d.over || now >= d.until || !is_ours(d); };
  for (auto next = std::find_if(drains_.begin(), drains_.end(), due); next != drains_.end();
       next = std::find_if(drains_.begin(), drains_.end(), due)) {
    PendingDrain drain = std::move(*next);
    drains_.erase(next);  // Before anything is called.
    Status status;
    if (is_ours(drain)) status = enter_now(vip::MoveInput{drain.vip, drain.to});
    if (!status) {
      stop_draining(drain.vip);
      drain.done(Error{status.error().code, status.error().context + " (after its drain; the connections that are left stay)"});
      continue;
    }
    moves_.push_back(
        {.vip = drain.vip, .from = options_.settings.self, .to = drain.to, .since = now, .done = std::move(drain.done), .drained = true});
    answer_moves();
  }
}

void TakeoverRunner::stop_draining(const std::string& vip) {
  if (const auto found = vips_.find(vip); found != vips_.end()) host_.stop_draining(found->second.settings.address.address);
}

/// As its owner says: of this node the kernel's answer, of another the newest state it sent.
bool TakeoverRunner::is_held_by(const std::string& vip, NodeId node, Epoch epoch) const {
  if (node == options_.settings.self) return core_.describe(vip).held_here;
  const auto* member = core_.in_view() ? core_.exchange().member(node) : nullptr;
  if (member == nullptr) return false;
  const auto& vips = member->state.vips;
  return std::any_of(vips.begin(), vips.end(), [&](const VipState& v) { return v.name == vip && v.holding && v.epoch >= epoch; });
}

void TakeoverRunner::answer_moves() {
  if (moves_.empty()) return;
  const Instant now = clock_.now();
  std::vector<std::pair<CommandDone, Result<admin::CommandResult>>> answers;
  std::erase_if(moves_, [&](PendingMove& m) {
    const auto view = core_.describe(m.vip);
    const bool there = m.to == kNoNode ? view.owner != m.from && view.owner != kNoNode : view.owner == m.to;
    if (there && is_held_by(m.vip, view.owner, view.epoch)) {
      const std::string from = m.from == kNoNode ? "nowhere" : name_of(m.from);
      answers.emplace_back(std::move(m.done), said("VIP " + m.vip + " moved from " + from + " to " + name_of(view.owner) + " in " +
                                                   std::to_string(to_ms(now - m.since)) + " ms"));
      return true;
    }
    if (now < m.since + kMoveTime) return false;
    if (m.drained) stop_draining(m.vip);
    answers.emplace_back(std::move(m.done), Error{Errc::kTimeout, "vip move " + m.vip + ": not done within 5 s; `fairlead vip explain " +
                                                                      m.vip + "` and `fairlead events` say why"});
    return true;
  });
  for (auto& [done, answer] : answers) done(std::move(answer));
}

void TakeoverRunner::force(const admin::ForceVip& command, const CommandDone& done) {
  std::vector<NodeId> fenced;
  for (const std::string& name : command.fenced) {
    const auto node = node_named(name);
    if (!node) return done(node.error());
    fenced.push_back(*node);
  }
  const Status status = enter_now(vip::ForceInput{command.vip, fenced});
  if (!status) return done(status.error());
  done(said("VIP " + command.vip + " is being taken here without a majority; `fairlead vip list` shows when it is held"));
}

Status TakeoverRunner::announce(const std::string& vip) {
  const auto found = vips_.find(vip);
  if (found == vips_.end()) return Error{Errc::kNotFound, "no VIP " + vip + "; `fairlead vip list` shows them"};
  if (const auto view = core_.describe(vip); !view.held_here) {
    return Error{Errc::kRefused, "vip announce " + vip + ": it is not held here" +
                                     (view.holder == kNoNode ? ", nor anywhere" : "; ask " + name_of(view.holder) + ", which holds it")};
  }
  vip::NeighbourPort* port = port_of(found->second);
  if (port == nullptr) return Error{Errc::kUnavailable, "vip announce " + vip + ": its interface is not there"};
  return port->announce(found->second.settings.address.address);
}

/// Done to this very process: the answer goes out before. `vip` empty: whatever is held here.
Status TakeoverRunner::drill(const std::string& name, const std::string& vip) {
  if (!vip.empty() && !vips_.contains(vip)) return Error{Errc::kNotFound, "no VIP " + vip + "; `fairlead vip list` shows them"};
  std::vector<const Vip*> held;
  std::string holders;
  for (const auto& [each, v] : vips_) {
    if (!vip.empty() && each != vip) continue;
    const auto view = core_.describe(each);
    if (view.held_here) held.push_back(&v);
    if (!view.held_here && view.holder != kNoNode) holders += (holders.empty() ? "" : ", ") + each + " is on " + name_of(view.holder);
  }
  if (held.empty()) {
    return Error{Errc::kRefused, "drill " + name + ": this node does not hold " + (vip.empty() ? "a VIP" : "VIP " + vip) +
                                     (holders.empty() ? "" : " (" + holders + "; ask there)")};
  }
  const auto signal_self = [this](int signal) {
    loop_.after(kDrillDelay, [signal] { ::kill(::getpid(), signal); });
    return Status{};
  };
  if (name == "kill-process") return signal_self(SIGKILL);
  if (name == "hang-process") return signal_self(SIGSTOP);
  if (name != "delete-vip")
    return Error{Errc::kUnsupported, "drill " + name + " is not done by a daemon to itself; `fairlead drill list` says how it is run"};
  auto stranger = vip::NetlinkAddressDriver::open();  // Another socket: our own driver would know that it did it.
  if (!stranger) return stranger.error();
  for (const Vip* v : held) {
    if (auto status = (*stranger)->remove(v->added.value_or(leased(*v))); !status) return status;
  }
  return {};
}

}  // namespace fairlead::daemon
