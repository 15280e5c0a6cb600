// What the adversary can do to a site: faults, and how each is undone.
#pragma once

#include "tests/sim/cluster/adversary.h"

namespace fairlead::vip::sim {

class Strikes {
 public:
  Strikes(Site& site, Coverage& coverage);
  void strike(Fault fault, int node, std::uint32_t detail);
  void undo(Fault fault, int node, std::uint32_t detail);
  void repair_everything();
  void clear_wishes(OverrideKind kind);
  /// Cuts a node's ring from the others, with its LAN and its clients if asked.
  void separate(int node, bool apart, bool lan, bool client);
  /// It hears nobody (`deaf`), or nobody hears it: on the ring, and on the LAN if asked. What takes both ways (routers, qnetd) fails then.
  void cut_one_way(int node, bool deaf, bool lan);
  bool wish(int from, OverrideKind kind, const std::string& name, bool on);
  [[nodiscard]] std::uint32_t minority_of(std::uint32_t detail) const;
  [[nodiscard]] int count() const { return count_; }
  /// Fault::kOneWay: half of them.
  [[nodiscard]] static bool is_lan_cut(std::uint32_t detail) { return (detail & 2U) != 0; }
  void left(int node) { left_[static_cast<std::size_t>(node)] = true; }

 private:
  void cover(Fault fault, int node);
  void split(std::uint32_t minority, bool apart, bool lan, bool client);

  Site& site_;
  Coverage& coverage_;
  int count_ = 0;
  std::array<bool, kNodesMax> left_{};
};

}  // namespace fairlead::vip::sim
