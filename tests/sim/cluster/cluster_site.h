// The whole site: nodes, Corosync, the LAN with a client and routers, and the oracle that looks on. One schedule at a time.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "tests/sim/cluster/corosync_model.h"
#include "tests/sim/cluster/node_model.h"
#include "tests/sim/cluster/oracle.h"
#include "tests/sim/cluster/sim_world.h"

namespace fairlead::vip::sim {

struct SiteOptions {
  int nodes = 3;
  int vips = 1;
  bool fast = false;       ///< token 400, consensus 480; else 800, 960.
  bool tie_break = false;  ///< Two nodes.
  bool qdevice = false;    ///< Two nodes and corosync-qnetd.
  bool group = false;      ///< All VIPs in one.
  bool preempt = false;
  int unknown_at = -1;       ///< R15: this node's configuration has no v0.
  int odd_hash = -1;         ///< R15: this node's configuration differs.
  bool odd_address = false;  ///< And the address too.
  int newer = -1;            ///< This node runs a newer release.
  bool boot_staggered = false;
  bool trace = false;
  Recorder* recorder = nullptr;
};

/// What the adversary does when its time has come.
class Scenario {
 public:
  virtual ~Scenario() = default;
  virtual void fault(std::uint32_t index) = 0;
};

/// What the first VIP is where the configuration has it.
[[nodiscard]] VipSettings first_vip(const SiteOptions& options);

class Site {
 public:
  Site(std::uint64_t seed, SiteOptions options);

  void run_until(At until);
  void set_scenario(Scenario* scenario) { scenario_ = scenario; }

  /// From now on no node's file differs from the others'.
  void mend_files();

  [[nodiscard]] World& world() { return world_; }
  [[nodiscard]] CorosyncModel& corosync() { return corosync_; }
  [[nodiscard]] Oracle& oracle() { return oracle_; }
  [[nodiscard]] int nodes() const { return options_.nodes; }
  [[nodiscard]] int vips() const { return options_.vips; }
  [[nodiscard]] NodeModel& node(int index) { return *nodes_[static_cast<std::size_t>(index)]; }
  [[nodiscard]] const NodeModel& node(int index) const { return *nodes_[static_cast<std::size_t>(index)]; }
  [[nodiscard]] const SiteOptions& options() const { return options_; }
  [[nodiscard]] Timing timing() const { return timing_; }
  /// The only node that has the address; -1: none or several.
  [[nodiscard]] int holder(int vip) const;
  [[nodiscard]] At last_change(int vip) const { return last_change_[static_cast<std::size_t>(vip)]; }

  // ---- the LAN ----
  void probe(int from, int vip);
  void announce(int from, int vip);
  void probe_tie(int from);
  void address_changed(int node, int vip);
  void node_changed();
  void wires_changed();
  void resolve(int vip);
  void log(int node, const std::string& text) const;

 private:
  struct Frame {
    enum class Kind : std::uint8_t { kAnswer, kClaim, kProbe, kTie } kind;
    std::uint8_t from;
    std::uint32_t what;
  };
  [[nodiscard]] Settings settings_of(int node) const;
  void dispatch(const Event& event);
  void send_frame(int to, At delay, Frame frame);

  SiteOptions options_;
  World world_;
  Timing timing_;
  CorosyncModel corosync_;
  std::vector<std::unique_ptr<NodeModel>> nodes_;
  Oracle oracle_;
  Scenario* scenario_ = nullptr;
  std::vector<Frame> frames_;
  std::uint32_t answers_ = 0;
  std::array<At, kVipsMax> last_change_{};
};

}  // namespace fairlead::vip::sim
