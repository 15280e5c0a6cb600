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
  bool wish(int from, OverrideKind kind, const std::string& name, bool on);
  [[nodiscard]] std::uint32_t minority_of(std::uint32_t detail) const;
  [[nodiscard]] int count() const { return count_; }
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
