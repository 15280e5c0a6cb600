// Corosync as it was measured (docs/internals/corosync-measured.md), as far as its clients can tell: rings that stop, gather and form
// again, messages in one agreed order, views that come to each node at a time of its own, two halves that differ in what was under way.
//
//   - A ring turns while all its members run and hear each other. It stops at once when that ends, and forms again
//     T + C - hold .. T + C + 50 ms later without those who are missing; after C when somebody joins meanwhile (earlier or later than
//     that); within 20 .. 150 ms when nobody is missing. A one-way cut takes up to 1.4 times as long.
//   - What was under way when a ring stops is delivered to all of one side or to none of it. What is sent while it stands still is
//     taken, and delivered in the next ring.
//   - A process that dies is gone from the group in 2 .. 7 ms, in the agreed order, while the ring turns.
//   - With a quorum device a ring delivers nothing, its view included, until corosync-qnetd has decided, 3 s at most. qnetd gives its vote
//     to one half (of two nodes apart the one that was quorate alone, or that of the lower id), after the other has heard that it goes
//     without. It waits for those it has not missed yet.
//   - A node that was frozen finds itself in the others' new ring; every second time it was never told that it had lost quorum.
#pragma once

#include <deque>
#include <functional>
#include <vector>

#include "base/cluster_message.h"
#include "tests/sim/cluster/sim_world.h"

namespace fairlead::vip::sim {

struct CorosyncTimes {
  At token = 800 * kMs;
  At consensus = 960 * kMs;
  At hold = 142 * kMs;
};

class CorosyncModel {
 public:
  /// What a node's clients get next, in this order.
  struct Item {
    At at;
    bool is_view;
    std::uint32_t index;  ///< Of a packet or a view.
    int ring;
    std::uint32_t position;  ///< In the ring's order.
  };
  struct Packet {
    ClusterProcess from;
    ClusterMessage message;
    std::uint32_t uses = 0;
  };

  /// Called when a node has something to deliver at a time.
  std::function<void(int node, At at)> arrived;
  /// Called when a view is on its way to a node: its guard has a handle of its own.
  std::function<void(int node, std::uint32_t view, At at)> view_arrives;

  void begin(World& world, int nodes, CorosyncTimes times, bool qdevice);
  /// All nodes in one ring.
  void form_first();

  // ---- clients ----
  void join(int node, std::uint32_t pid);
  void leave(int node, std::uint32_t pid, bool died);
  void multicast(int node, std::uint32_t pid, ClusterMessage message);
  [[nodiscard]] bool has_item(int node, At now) const;
  [[nodiscard]] Item take(int node);
  [[nodiscard]] At next_at(int node) const;
  [[nodiscard]] const Packet& packet(std::uint32_t index) const { return packets_[index]; }
  [[nodiscard]] const ClusterView& view(std::uint32_t index) const { return views_[index]; }
  void done_with(const Item& item);

  // ---- faults ----
  void kill(int node, bool cleanly);
  void start(int node);
  void freeze(int node);
  void thaw(int node);
  void wires_changed();
  void on_form(int node, std::uint32_t generation);
  void on_merge_check();
  void on_qnetd(bool again);

  [[nodiscard]] bool is_up(int node) const { return at(node).alive && !at(node).frozen; }
  [[nodiscard]] bool is_alive(int node) const { return at(node).alive; }
  [[nodiscard]] bool is_turning(int node) const { return at(node).ring >= 0 && rings_[static_cast<std::size_t>(at(node).ring)].turning; }
  /// The device's vote is counted for it, by the last word it had.
  [[nodiscard]] bool has_third_vote(int node) const { return at(node).third_vote; }
  /// In one turning ring.
  [[nodiscard]] bool is_whole() const;

 private:
  struct Ring {
    RingId id;
    std::vector<int> members;
    std::vector<ClusterProcess> processes;
    bool turning = false;
    bool synced = true;  ///< False: qnetd is waited for.
    bool quorate = false;
    At stopped = 0;
    At formed = 0;
    std::uint32_t position = 0;
  };
  struct Node {
    bool alive = true;
    bool frozen = false;
    int ring = -1;
    bool gathering = false;
    bool third_vote = false;
    At qnetd_lost = kNever;    ///< Since when it and qnetd do not hear each other.
    At qnetd_missed = kNever;  ///< When both notice.
    std::uint32_t form_generation = 0;
    At form_at = 0;
    At last_at = 0;
    std::uint32_t done = 0;  ///< Position delivered in its ring.
    std::uint64_t sequence = 0;
    std::deque<Item> inbox;
    std::vector<std::uint32_t> processes;
    std::vector<std::uint32_t> unsent;  ///< Packets taken while the ring stood still.
  };
  [[nodiscard]] const Node& at(int node) const { return nodes_[static_cast<std::size_t>(node)]; }
  [[nodiscard]] Node& at(int node) { return nodes_[static_cast<std::size_t>(node)]; }
  [[nodiscard]] Ring& ring_of(int node) { return rings_[static_cast<std::size_t>(at(node).ring)]; }
  [[nodiscard]] bool together(int a, int b) const { return a == b || (is_up(a) && is_up(b) && world_->wires.ring_both(a, b)); }
  void append(Ring& ring, int ring_index, bool is_view, std::uint32_t index);
  void put(int node, Item item, At delay);
  void append_view(int ring_index, bool half_way);
  void show(int ring_index);
  std::uint32_t keep(const ClusterView& view);
  std::uint32_t keep(ClusterProcess from, ClusterMessage&& message);
  void stop(int ring_index, bool lose_what_is_under_way);
  void gather(int node, At form_in);
  void forget_after(int node, std::uint32_t position);
  void lose(const Ring& ring);
  void form(const std::vector<int>& members);
  [[nodiscard]] bool misses_somebody(int node) const;
  [[nodiscard]] std::vector<ClusterProcess> processes_of(const std::vector<int>& members) const;
  void process_changed(int node);
  enum class Verdict : std::uint8_t { kWait, kYes, kNo };
  [[nodiscard]] bool is_missed(int node) const { return world_->now >= at(node).qnetd_missed; }
  [[nodiscard]] bool reaches_qnetd(int node) const { return is_up(node) && world_->wires.qnetd[static_cast<std::size_t>(node)]; }
  [[nodiscard]] Verdict qnetd_says(int node);
  void vote(int ring_index, bool counted);
  At delay();

  World* world_ = nullptr;
  CorosyncTimes times_;
  bool keeps_active_ = true;  ///< qnetd: keep_active_partition_tie_breaker; its older releases have none.
  bool qdevice_ = false;      ///< Else both of two nodes are quorate alone.
  std::vector<Node> nodes_;
  std::vector<Ring> rings_;
  std::vector<Packet> packets_;
  std::vector<std::uint32_t> free_;
  std::vector<ClusterView> views_;
  std::uint64_t sequence_ = 4;
};

}  // namespace fairlead::vip::sim
