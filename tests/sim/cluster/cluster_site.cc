#include "tests/sim/cluster/cluster_site.h"

#include <cstdio>

namespace fairlead::vip::sim {
namespace {

VipSettings vip_settings(const SiteOptions& options, int vip) {
  VipSettings v;
  v.name = "v" + std::to_string(vip);
  v.address = parse_ip_prefix("10.0.0." + std::to_string(20 + vip) + "/24").value();
  v.group = options.group ? "together" : v.name;
  if (vip == 0) v.prefer = {NodeId{1}, NodeId{2}};
  v.preempt = options.preempt && vip == 0;
  v.preempt_delay = 4s;
  v.config_hash = 77;
  return v;
}

}  // namespace

VipSettings first_vip(const SiteOptions& options) { return vip_settings(options, 0); }

Site::Site(std::uint64_t seed, SiteOptions options) : options_(options) {
  world_.chance = Prng(mix64(seed * 2 + 1));
  world_.trace = options.trace;
  CorosyncTimes times;
  if (options.fast) times = {400 * kMs, 480 * kMs, 66 * kMs};
  timing_ = {Duration(times.token), Duration(times.consensus)};
  corosync_.begin(world_, options.nodes, times, options.qdevice);
  corosync_.arrived = [this](int n, At at) { node(n).wake(at); };
  corosync_.view_arrives = [this](int n, std::uint32_t view, At at) { node(n).view_arrives(view, at); };
  for (int n = 0; n < options.nodes; ++n) nodes_.push_back(std::make_unique<NodeModel>(*this, n, settings_of(n), timing_));
  oracle_.begin(*this);
  corosync_.form_first();
  for (int n = 0; n < options.nodes; ++n) {
    world_.push(options.boot_staggered ? world_.between(0, 4 * kSecond) : world_.between(0, 300 * kMs), EventKind::kStartDaemon, n, 0, 0);
  }
}

Settings Site::settings_of(int node) const {
  Settings s;
  s.self = NodeId{static_cast<std::uint32_t>(node + 1)};
  for (int other = 0; other < options_.nodes; ++other)
    s.nodes.push_back({NodeId{static_cast<std::uint32_t>(other + 1)}, "n" + std::to_string(other + 1)});
  for (int vip = 0; vip < options_.vips; ++vip) s.vips.push_back(vip_settings(options_, vip));
  if (node == options_.unknown_at) s.vips.erase(s.vips.begin());
  if (node == options_.odd_hash) s.vips.front().config_hash = 78;
  if (node == options_.odd_hash && options_.odd_address) s.vips.front().address = parse_ip_prefix("10.0.0.99/24").value();
  s.has_tie_break = options_.tie_break && options_.nodes == 2;
  if (s.has_tie_break) s.tie_targets = {"router"};
  s.qdevice_votes = options_.qdevice ? 1 : 0;
  s.cluster_hash = 5;
  s.version = "0.2.0";
  return s;
}

void Site::mend_files() {
  options_.odd_hash = options_.unknown_at = -1;
  for (int n = 0; n < options_.nodes; ++n) node(n).set_settings(settings_of(n));
}

void Site::run_until(At until) {
  while (!world_.queue.empty() && world_.queue.next().at <= until) {
    const Event event = world_.queue.pop();
    world_.now = event.at;
    dispatch(event);
    if (!oracle_.violations().empty() && !world_.trace) return;
  }
  world_.now = until;
}

void Site::dispatch(const Event& event) {
  NodeModel& n = node(event.node);
  switch (event.kind) {
    case EventKind::kForm: return corosync_.on_form(event.node, event.generation);
    case EventKind::kMergeCheck: return corosync_.on_merge_check();
    case EventKind::kQnetd: return corosync_.on_qnetd(event.arg == 1);
    case EventKind::kFault:
      if (scenario_ != nullptr) scenario_->fault(event.arg);
      return;
    case EventKind::kClient: return resolve(static_cast<int>(event.arg));
    case EventKind::kCheck: return oracle_.look_everywhere();
    default: break;
  }
  if (n.pause_ != Pause::kNone) {  // Nothing happens on a machine that stands still.
    n.postponed_.push_back(event);
    return;
  }
  switch (event.kind) {
    case EventKind::kDaemon: return n.turn(event.generation);
    case EventKind::kMessage: return n.message_out(event.arg);
    case EventKind::kKernelDone: return n.kernel_done(event.arg);
    case EventKind::kExpire: return n.expire(static_cast<int>(event.arg));
    case EventKind::kGuard: return n.guard_acts(event.generation);
    case EventKind::kStartDaemon: return n.start_daemon(event.generation);
    case EventKind::kStartGuard: return n.start_guard(event.generation);
    case EventKind::kJoin: return n.join(event.arg);
    case EventKind::kReconnect: return n.reconnect();
    case EventKind::kArp: {
      const Frame frame = frames_[event.arg];
      if (frame.kind == Frame::Kind::kTie) return n.tie_answered(frame.what);
      if (frame.kind == Frame::Kind::kAnswer) return n.answered(static_cast<int>(frame.what), frame.from);
      if (frame.kind == Frame::Kind::kProbe) return n.probed(static_cast<int>(frame.what));
      return n.claimed(static_cast<int>(frame.what), frame.from);
    }
    default: return;
  }
}

int Site::holder(int vip) const {
  int found = -1;
  for (int n = 0; n < options_.nodes; ++n) {
    if (!node(n).has_address(vip)) continue;
    if (found >= 0) return -1;
    found = n;
  }
  return found;
}

// ---- the LAN ----

void Site::send_frame(int to, At delay, Frame frame) {
  frames_.push_back(frame);
  world_.push(delay, EventKind::kArp, to, static_cast<std::uint32_t>(frames_.size() - 1));
}

void Site::probe(int from, int vip) {
  const auto f = static_cast<std::size_t>(from);
  if (!node(from).carrier()) return;
  for (int n = 0; n < options_.nodes; ++n) {
    const auto t = static_cast<std::size_t>(n);
    if (n == from || !node(n).carrier() || !world_.wires.lan[f][t]) continue;
    if (node(n).proxy_runs())
      send_frame(n, world_.between(80 * kUs, 900 * kUs),
                 {Frame::Kind::kProbe, static_cast<std::uint8_t>(from), static_cast<std::uint32_t>(vip)});
    if (!node(n).has_address(vip) || !node(n).answers_arp() || !world_.wires.lan[t][f]) continue;
    const Frame answer{Frame::Kind::kAnswer, static_cast<std::uint8_t>(n), static_cast<std::uint32_t>(vip)};
    send_frame(from, world_.between(80 * kUs, 900 * kUs), answer);
    if (++answers_ % 16 == 0) send_frame(from, 5 * kMs, answer);  // Two bridges, or a proxy that repeats it.
  }
}

void Site::announce(int from, int vip) {
  const auto f = static_cast<std::size_t>(from);
  if (!node(from).carrier() || !node(from).has_address(vip)) return;
  for (int n = 0; n < options_.nodes; ++n) {
    if (n == from || !world_.wires.lan[f][static_cast<std::size_t>(n)] || !node(n).carrier() || !node(n).proxy_runs()) continue;
    send_frame(n, world_.between(80 * kUs, 900 * kUs),
               {Frame::Kind::kClaim, static_cast<std::uint8_t>(from), static_cast<std::uint32_t>(vip)});
  }
  oracle_.announced(from, vip);
}

void Site::probe_tie(int from) {
  if (!node(from).carrier()) return;
  for (std::uint32_t t = 0; t < node(from).settings().tie_count(); ++t) {
    if (world_.wires.target[static_cast<std::size_t>(from)][t])
      send_frame(from, world_.between(100 * kUs, 2 * kMs), {Frame::Kind::kTie, static_cast<std::uint8_t>(from), t});
  }
}

void Site::address_changed(int, int vip) {
  last_change_[static_cast<std::size_t>(vip)] = world_.now;
  oracle_.look(vip);
}

void Site::node_changed() { oracle_.look_everywhere(); }

void Site::wires_changed() {
  corosync_.wires_changed();
  oracle_.look_everywhere();
}

/// The client's neighbour entry was not confirmed: it asks, and takes the first who answers.
void Site::resolve(int vip) {
  if (oracle_.is_served(vip) || world_.now - oracle_.unserved_since(vip) < 4 * kSecond) return;
  for (int n = 0; n < options_.nodes; ++n) {
    if (!node(n).has_address(vip) || !node(n).answers_arp() || !node(n).carrier()) continue;
    if (!world_.wires.client_both(n)) continue;
    oracle_.announced(n, vip);
    break;
  }
  if (!oracle_.is_served(vip)) world_.push(5 * kSecond, EventKind::kClient, 0, static_cast<std::uint32_t>(vip));
}

void Site::log(int node, const std::string& text) const {
  if (!world_.trace) return;
  std::fprintf(stderr, "%10.3f %s %s\n", static_cast<double>(world_.now) / kMs, node < 0 ? "-" : std::to_string(node + 1).c_str(),
               text.c_str());
}

}  // namespace fairlead::vip::sim
