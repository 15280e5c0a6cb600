#include "tests/sim/cluster/corosync_model.h"

#include <algorithm>

namespace fairlead::vip::sim {
namespace {

constexpr At kGrid = kMs;

NodeId id_of(int node) { return NodeId{static_cast<std::uint32_t>(node + 1)}; }
int index_of(NodeId id) { return static_cast<int>(to_number(id)) - 1; }

}  // namespace

void CorosyncModel::begin(World& world, int nodes, CorosyncTimes times, bool qdevice) {
  world_ = &world;
  times_ = times;
  qdevice_ = qdevice;
  nodes_.assign(static_cast<std::size_t>(nodes), Node{});
  rings_.clear();
  packets_.clear();
  free_.clear();
  views_.clear();
  sequence_ = 4;
  if (!qdevice_) return;
  keeps_active_ = !world.one_in(4);
  world.push(0, EventKind::kQnetd, 0, 1);
}

void CorosyncModel::form_first() {
  std::vector<int> all;
  for (int i = 0; i < static_cast<int>(nodes_.size()); ++i) all.push_back(i);
  form(all);
}

// ---- clients ----

void CorosyncModel::join(int node, std::uint32_t pid) {
  at(node).processes.push_back(pid);
  process_changed(node);
}

void CorosyncModel::leave(int node, std::uint32_t pid, bool) {
  std::erase(at(node).processes, pid);
  process_changed(node);
}

void CorosyncModel::process_changed(int node) {
  const int index = at(node).ring;
  if (!is_up(node) || index < 0 || !is_turning(node)) return;  // The next ring knows.
  Ring& ring = ring_of(node);
  if (!ring.synced) return;  // Its first view knows.
  if (ring.processes == processes_of(ring.members)) return;
  ring.processes = processes_of(ring.members);
  append_view(index, false);
}

std::vector<ClusterProcess> CorosyncModel::processes_of(const std::vector<int>& members) const {
  std::vector<ClusterProcess> out;
  for (const int m : members) {
    for (const std::uint32_t pid : at(m).processes) out.push_back({id_of(m), pid});
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::uint32_t CorosyncModel::keep(ClusterProcess from, ClusterMessage&& message) {
  if (free_.empty()) {
    packets_.push_back({from, std::move(message), 0});
    return static_cast<std::uint32_t>(packets_.size() - 1);
  }
  const std::uint32_t index = free_.back();
  free_.pop_back();
  packets_[index] = {from, std::move(message), 0};
  return index;
}

std::uint32_t CorosyncModel::keep(const ClusterView& view) {
  views_.push_back(view);
  return static_cast<std::uint32_t>(views_.size() - 1);
}

void CorosyncModel::multicast(int node, std::uint32_t pid, ClusterMessage message) {
  Node& n = at(node);
  if (!n.alive || n.ring < 0) return;
  const std::uint32_t index = keep({id_of(node), pid}, std::move(message));
  if (n.frozen || !is_turning(node) || !ring_of(node).synced) {
    n.unsent.push_back(index);
    return;
  }
  append(ring_of(node), n.ring, false, index);
}

At CorosyncModel::delay() { return world_->between(150 * kUs, 1200 * kUs); }

void CorosyncModel::append(Ring& ring, int ring_index, bool is_view, std::uint32_t index) {
  const Item item{0, is_view, index, ring_index, ++ring.position};
  for (const int m : ring.members) {
    if (!is_view) ++packets_[index].uses;
    put(m, item, delay());
  }
}

void CorosyncModel::put(int node, Item item, At delay) {
  Node& n = at(node);
  delay += world_->busy(world_->hiccup / 5, world_->hiccup);
  item.at = std::max(n.last_at, (world_->now + delay) / kGrid * kGrid + kGrid);  // A loop takes what is there at once.
  n.last_at = item.at;
  n.inbox.push_back(item);
  if (item.is_view) view_arrives(node, item.index, item.at);
  if (n.inbox.size() == 1) arrived(node, item.at);
}

bool CorosyncModel::has_item(int node, At now) const {
  const Node& n = at(node);
  return n.alive && !n.frozen && !n.inbox.empty() && n.inbox.front().at <= now;
}

At CorosyncModel::next_at(int node) const {
  const Node& n = at(node);
  return !n.alive || n.frozen || n.inbox.empty() ? kNever : n.inbox.front().at;
}

CorosyncModel::Item CorosyncModel::take(int node) {
  Node& n = at(node);
  const Item item = n.inbox.front();
  n.inbox.pop_front();
  if (item.ring == n.ring) n.done = item.position;
  return item;
}

void CorosyncModel::done_with(const Item& item) {
  if (item.is_view) return;
  if (--packets_[item.index].uses == 0) free_.push_back(item.index);
}

// ---- rings ----

void CorosyncModel::append_view(int ring_index, bool half_way) {
  Ring& ring = rings_[static_cast<std::size_t>(ring_index)];
  ClusterView view{.ring = ring.id, .nodes = {}, .processes = ring.processes, .quorate = ring.quorate};
  for (const int m : ring.members) view.nodes.push_back(id_of(m));
  const std::uint32_t whole = keep(view);
  const bool some_late = half_way && view.quorate && world_->one_in(4);
  view.quorate = false;
  const std::uint32_t half = some_late ? keep(view) : 0;
  const Item item{0, true, whole, ring_index, ++ring.position};
  ++ring.position;
  for (const int m : ring.members) {
    if (some_late && world_->one_in(2)) {  // The quorum callback comes after the first messages of the ring.
      Item first = item;
      first.index = half;
      put(m, first, world_->between(100 * kUs, 8 * kMs));
      Item second = item;
      second.position = item.position + 1;
      put(m, second, world_->between(100 * kUs, 19 * kMs));
    } else {
      put(m, item, world_->between(100 * kUs, 8 * kMs));
    }
  }
}

void CorosyncModel::forget_after(int node, std::uint32_t position) {
  Node& n = at(node);
  while (!n.inbox.empty() && n.inbox.back().ring == n.ring && n.inbox.back().position > position) {
    done_with(n.inbox.back());
    n.inbox.pop_back();
  }
}

/// Each side of a ring that breaks keeps what all of it will deliver; the rest is lost to it.
void CorosyncModel::lose(const Ring& ring) {
  std::vector<bool> seen(nodes_.size(), false);
  for (const int first : ring.members) {
    if (seen[static_cast<std::size_t>(first)]) continue;
    std::vector<int> side;
    for (const int m : ring.members) {
      if (!seen[static_cast<std::size_t>(m)] && together(first, m)) side.push_back(m);
    }
    if (side.empty()) side.push_back(first);
    std::uint32_t least = 0;
    for (const int m : side) {
      seen[static_cast<std::size_t>(m)] = true;
      least = std::max(least, at(m).done);
      for (const Item& item : at(m).inbox) {
        if (item.ring != at(m).ring || item.is_view) continue;
        const int from = index_of(packets_[item.index].from.node);
        if (std::find(side.begin(), side.end(), from) != side.end()) least = std::max(least, item.position);
      }
    }
    const auto under_way = ring.position > least ? ring.position - least : 0;
    const std::uint32_t keep_until = world_->one_in(2) ? ring.position : least + (under_way == 0 ? 0 : world_->chance.below(under_way + 1));
    for (const int m : side) forget_after(m, keep_until);
  }
}

void CorosyncModel::gather(int node, At form_in) {
  Node& n = at(node);
  n.gathering = true;
  n.form_at = world_->now + form_in;
  world_->push(form_in, EventKind::kForm, node, 0, ++n.form_generation);
}

void CorosyncModel::stop(int ring_index, bool lose_what_is_under_way) {
  Ring& ring = rings_[static_cast<std::size_t>(ring_index)];
  if (!ring.turning) return;
  ring.turning = false;
  ring.stopped = world_->now;
  if (lose_what_is_under_way) lose(ring);
}

bool CorosyncModel::misses_somebody(int node) const {
  if (at(node).ring < 0) return false;
  const Ring& ring = rings_[static_cast<std::size_t>(at(node).ring)];
  return std::any_of(ring.members.begin(), ring.members.end(),
                     [&](int m) { return m != node && at(m).ring == at(node).ring && !together(node, m); });
}

void CorosyncModel::wires_changed() {
  for (int r = 0; r < static_cast<int>(rings_.size()); ++r) {
    Ring& ring = rings_[static_cast<std::size_t>(r)];
    if (!ring.turning) continue;
    bool whole = true;
    bool one_way = false;
    for (const int a : ring.members) {
      for (const int b : ring.members) {
        if (a >= b || (together(a, b) && at(a).ring == r && at(b).ring == r)) continue;
        whole = false;
        const auto i = static_cast<std::size_t>(a);
        const auto j = static_cast<std::size_t>(b);
        one_way = one_way || (is_up(a) && is_up(b) && world_->wires.ring[i][j] != world_->wires.ring[j][i]);
      }
    }
    if (whole) continue;
    const bool only_frozen = std::all_of(ring.members.begin(), ring.members.end(), [&](int a) {
      return std::all_of(ring.members.begin(), ring.members.end(), [&](int b) {
        return a == b || at(a).frozen || at(b).frozen || (together(a, b) && at(a).ring == r && at(b).ring == r);
      });
    });
    stop(r, !only_frozen);
    At wait = times_.token + times_.consensus + world_->between(-times_.hold / 2, 50 * kMs);
    if (one_way) wait += world_->between(0, (times_.token + times_.consensus) * 4 / 10);
    for (const int m : ring.members) {
      if (is_up(m) && at(m).ring == r) gather(m, wait + world_->between(0, 200 * kUs));
    }
  }
  world_->push(world_->between(20 * kMs, 220 * kMs), EventKind::kMergeCheck);
}

/// Those who hear each other and are not in one ring join messages.
void CorosyncModel::on_merge_check() {
  const int n = static_cast<int>(nodes_.size());
  for (int a = 0; a < n; ++a) {
    for (int b = a + 1; b < n; ++b) {
      if (!together(a, b)) continue;
      if (is_turning(a) && is_turning(b) && at(a).ring == at(b).ring) continue;
      if (at(a).gathering && at(b).gathering) continue;
      for (const int x : {a, b}) {
        std::vector<int> ring = at(x).ring < 0 ? std::vector<int>{x} : ring_of(x).members;
        if (at(x).ring >= 0) stop(at(x).ring, false);
        const bool missing = std::any_of(ring.begin(), ring.end(), [&](int m) { return is_up(m) && misses_somebody(m); });
        const At wait = missing ? times_.consensus + world_->between(0, 100 * kMs) : world_->between(20 * kMs, 150 * kMs);
        for (const int m : ring) {
          if (is_up(m) && at(m).ring == at(x).ring) gather(m, wait + world_->between(0, 200 * kUs));
        }
      }
      return world_->push(world_->between(20 * kMs, 220 * kMs), EventKind::kMergeCheck);
    }
  }
}

void CorosyncModel::on_form(int node, std::uint32_t generation) {
  Node& n = at(node);
  if (!is_up(node) || !n.gathering || generation != n.form_generation) return;
  std::vector<int> group{node};
  for (int other = 0; other < static_cast<int>(nodes_.size()); ++other) {
    if (other == node) continue;
    if (std::all_of(group.begin(), group.end(), [&](int m) { return together(m, other); })) group.push_back(other);
  }
  std::sort(group.begin(), group.end());
  form(group);
}

void CorosyncModel::form(const std::vector<int>& members) {
  std::vector<int> left;
  for (const int m : members) {
    if (at(m).ring >= 0) {
      const int old = at(m).ring;
      if (rings_[static_cast<std::size_t>(old)].turning) {
        left = rings_[static_cast<std::size_t>(old)].members;
        stop(old, false);
        for (const int other : left) {  // Whoever is not taken along gathers on its own.
          if (std::find(members.begin(), members.end(), other) == members.end() && is_up(other)) gather(other, times_.consensus);
        }
      }
    }
    sequence_ = std::max(sequence_, at(m).sequence);
  }
  sequence_ += 4;
  const int index = static_cast<int>(rings_.size());
  rings_.push_back({.id = {id_of(members.front()), sequence_}, .members = members, .processes = processes_of(members), .turning = true});
  Ring& ring = rings_.back();
  ring.quorate = nodes_.size() == 2 || members.size() * 2 > nodes_.size();
  ring.formed = world_->now;
  ring.synced = !qdevice_;
  for (const int m : members) {
    Node& n = at(m);
    n.ring = index;
    n.gathering = false;
    n.done = 0;
    n.sequence = sequence_;
  }
  if (qdevice_)
    world_->push(world_->between(2 * kMs, 30 * kMs), EventKind::kQnetd);
  else
    show(index);
  world_->push(world_->between(20 * kMs, 220 * kMs), EventKind::kMergeCheck);
}

/// Its first view, and what was sent meanwhile.
void CorosyncModel::show(int ring_index) {
  append_view(ring_index, true);
  Ring& ring = rings_[static_cast<std::size_t>(ring_index)];
  for (const int m : ring.members) {
    for (const std::uint32_t packet : std::exchange(at(m).unsent, {})) append(ring, ring_index, false, packet);
  }
}

// ---- the quorum device ----

/// Of two nodes. kWait: neither yes nor no; what it said last holds on.
CorosyncModel::Verdict CorosyncModel::qnetd_says(int node) {
  if (!reaches_qnetd(node)) return is_missed(node) ? Verdict::kNo : Verdict::kWait;
  if (ring_of(node).members.size() > 1) return Verdict::kYes;
  const int other = 1 - node;
  if (!reaches_qnetd(other)) return is_missed(other) ? Verdict::kYes : Verdict::kWait;
  const bool apart = at(other).ring >= 0 && is_turning(other) && at(other).ring != at(node).ring;
  if (!apart) return Verdict::kWait;  // It has not said yet where it is.
  const auto is_active = [this](int n) { return keeps_active_ && at(n).third_vote && ring_of(n).synced && ring_of(n).members.size() == 1; };
  const bool mine = is_active(node) || (!is_active(other) && node < other);
  if (!mine) return Verdict::kNo;
  return at(other).third_vote ? Verdict::kWait : Verdict::kYes;  // The other one first.
}

/// Ends the ring's waiting, or changes its mind.
void CorosyncModel::vote(int ring_index, bool counted) {
  Ring& ring = rings_[static_cast<std::size_t>(ring_index)];
  for (const int m : ring.members) at(m).third_vote = counted && !is_missed(m);
  const bool quorate = counted || ring.members.size() > 1;
  const bool same = ring.quorate == quorate;
  ring.quorate = quorate;
  if (!ring.synced) {
    ring.synced = true;
    ring.processes = processes_of(ring.members);
    show(ring_index);
  } else if (!same) {
    append_view(ring_index, false);
  }
}

void CorosyncModel::on_qnetd(bool again) {
  constexpr At kSyncTimeout = 3 * kSecond;
  if (again) world_->push(world_->between(30 * kMs, 70 * kMs), EventKind::kQnetd, 0, 1);
  for (int node = 0; node < 2; ++node) {
    Node& n = at(node);
    if (reaches_qnetd(node)) {
      n.qnetd_lost = n.qnetd_missed = kNever;
    } else if (n.qnetd_lost == kNever) {
      n.qnetd_lost = world_->now;
      n.qnetd_missed = world_->now + world_->between(800 * kMs, 1250 * kMs);
    }
  }
  for (int node = 1; node >= 0; --node) {
    const int index = at(node).ring;
    if (!is_up(node) || index < 0 || !is_turning(node)) continue;
    const Ring& ring = ring_of(node);
    Verdict verdict = qnetd_says(node);
    if (ring.members.size() > 1 && verdict != Verdict::kYes) verdict = qnetd_says(1 - node);  // One that reaches it is enough.
    if (verdict == Verdict::kWait && !ring.synced && world_->now >= ring.formed + kSyncTimeout) verdict = Verdict::kNo;
    if (verdict != Verdict::kWait) vote(index, verdict == Verdict::kYes);
  }
}

bool CorosyncModel::is_whole() const {
  for (int i = 0; i < static_cast<int>(nodes_.size()); ++i) {
    if (!is_up(i) || !is_turning(i) || at(i).ring != at(0).ring || !rings_[static_cast<std::size_t>(at(i).ring)].synced) return false;
  }
  return true;
}

// ---- faults ----

void CorosyncModel::kill(int node, bool cleanly) {
  Node& n = at(node);
  if (!n.alive) return;
  n.alive = n.frozen = false;
  n.gathering = false;
  for (const Item& item : n.inbox) done_with(item);
  n.inbox.clear();
  for (const std::uint32_t packet : n.unsent) free_.push_back(packet);
  n.unsent.clear();
  n.processes.clear();
  n.last_at = world_->now;
  const int old = std::exchange(n.ring, -1);
  if (old < 0) return;
  Ring& ring = rings_[static_cast<std::size_t>(old)];
  std::erase(ring.members, node);
  const bool turned = ring.turning;
  if (!turned) return;
  stop(old, true);
  const At wait =
      cleanly ? world_->between(12 * kMs, 53 * kMs) : times_.token + times_.consensus + world_->between(-times_.hold / 2, 50 * kMs);
  for (const int m : ring.members) {
    if (is_up(m)) gather(m, wait + world_->between(0, 200 * kUs));
  }
}

void CorosyncModel::start(int node) {
  Node& n = at(node);
  if (n.alive) return;
  n.alive = true;
  n.third_vote = false;
  n.last_at = world_->now;
  n.done = 0;
  gather(node, times_.consensus + world_->between(0, 100 * kMs));
  world_->push(world_->between(20 * kMs, 220 * kMs), EventKind::kMergeCheck);
}

void CorosyncModel::freeze(int node) {
  if (!is_up(node)) return;
  at(node).frozen = true;
  ++at(node).form_generation;  // Nothing forms here meanwhile.
  wires_changed();
}

void CorosyncModel::thaw(int node) {
  Node& n = at(node);
  if (!n.alive || !n.frozen) return;
  n.frozen = false;
  n.last_at = std::max(n.last_at, world_->now);
  if (!n.inbox.empty()) arrived(node, std::max(n.inbox.front().at, world_->now));
  if (n.ring < 0) return gather(node, times_.consensus);
  Ring& ring = ring_of(node);
  const bool all_still_in =
      std::all_of(ring.members.begin(), ring.members.end(), [&](int m) { return at(m).ring == n.ring && together(node, m); });
  if (all_still_in && !ring.turning && world_->now - ring.stopped < times_.token) {  // The token goes round again.
    ring.turning = true;
    for (const int m : ring.members) {
      at(m).gathering = false;
      ++at(m).form_generation;
      if (!ring.synced) continue;
      for (const std::uint32_t packet : std::exchange(at(m).unsent, {})) append(ring, n.ring, false, packet);
    }
    process_changed(node);  // Who came and went meanwhile.
    return;
  }
  if (std::none_of(ring.members.begin(), ring.members.end(), [&](int m) { return m != node && at(m).ring == n.ring; })) {
    std::uint32_t most = n.done;
    for (const Item& item : n.inbox) most = std::max(most, item.position);
    if (most > n.done) forget_after(node, n.done + world_->chance.below(most - n.done + 1));  // What its buffers had.
  }
  stop(n.ring, false);
  if (all_still_in || world_->one_in(2)) {
    gather(node, world_->between(300 * kMs, kSecond));  // It hears nothing meanwhile, and is never told that it had lost quorum.
  } else {
    form({node});
  }
  world_->push(world_->between(300 * kMs, kSecond), EventKind::kMergeCheck);
}

}  // namespace fairlead::vip::sim
