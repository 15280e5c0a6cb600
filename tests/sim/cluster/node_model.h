// One gateway: a machine with clocks that can pause, a kernel with addresses that have lifetimes, a daemon that runs the production
// TakeoverCore, and a guard. What the shells of vip/ and daemon/ do around the core is modelled here; what the core decides is not.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/cluster/corosync_model.h"
#include "tests/sim/cluster/sim_world.h"
#include "vip/takeover_core.h"
#include "vip/takeover_input.h"

namespace fairlead::vip::sim {

class Site;

/// Hears what every core is told, and what it answers.
class Recorder {
 public:
  virtual ~Recorder() = default;
  virtual void begins(int node, const Settings& settings, Incarnation incarnation, const std::vector<Override>& kept, Instant now) = 0;
  virtual void told(int node, const TakeoverInput& input) = 0;
  virtual void answered(int node, const TakeoverAction& action) = 0;
};

enum class Pause : std::uint8_t { kNone, kClockRuns, kClockStops, kOnlyBootRuns };

class NodeModel {
 public:
  NodeModel(Site& site, int index, Settings settings, Timing timing);

  // ---- events ----
  void turn(std::uint32_t generation);
  void kernel_done(std::uint32_t index);
  void expire(int vip);
  void guard_acts(std::uint32_t pid);
  void start_daemon(std::uint32_t generation);
  void start_guard(std::uint32_t generation);
  void join(std::uint32_t who);
  void reconnect();
  void message_out(std::uint32_t index);

  // ---- inputs of the daemon, from the network ----
  void answered(int vip, int from);
  void claimed(int vip, int from);
  void probed(int vip);
  void tie_answered(std::uint32_t target);
  void wake(At at);
  void view_arrives(std::uint32_t view, At at);

  // ---- faults ----
  void kill_daemon();
  void kill_guard();
  void hang_daemon(bool guard_too);
  void wake_daemon();
  void pause(Pause kind);
  void resume();
  void power_off();
  void power_on();
  void corosync_died();
  void corosync_started();
  void delete_address(int vip);
  void set_carrier(bool up);
  void set_serves(bool serves);
  /// After a death nothing starts the daemon again until this is off.
  void hold_restart(bool on);
  void slow_kernel(At until) { slow_until_ = until; }
  void set_settings(Settings settings);
  /// An operator at this node. Nothing: nobody is there to ask.
  std::optional<Status> command(const TakeoverInput& what);

  // ---- what can be seen from outside ----
  [[nodiscard]] bool has_address(int vip) const { return addresses_[static_cast<std::size_t>(vip)].present; }
  [[nodiscard]] bool answers_arp() const { return powered_ && pause_ == Pause::kNone; }
  [[nodiscard]] bool proxy_runs() const { return powered_ && pause_ == Pause::kNone && daemon_alive_ && !daemon_hung_; }
  [[nodiscard]] bool serves() const { return serves_; }
  [[nodiscard]] bool carrier() const { return carrier_; }
  [[nodiscard]] bool daemon_alive() const { return powered_ && daemon_alive_; }
  [[nodiscard]] bool daemon_hung() const { return daemon_hung_; }
  [[nodiscard]] bool guard_alive() const { return guard_alive_; }
  [[nodiscard]] bool guard_watches() const { return powered_ && guard_alive_ && !guard_hung_ && pause_ == Pause::kNone; }
  [[nodiscard]] bool is_powered() const { return powered_; }
  [[nodiscard]] Pause paused() const { return pause_; }
  [[nodiscard]] const TakeoverCore* core() const { return daemon_alive_ ? core_.get() : nullptr; }
  [[nodiscard]] At woken_at() const { return woken_at_; }
  /// How late its busy host made the turn that followed.
  [[nodiscard]] At late_when_woken() const { return late_when_woken_; }
  /// How it stood still before it was woken.
  [[nodiscard]] Pause slept() const { return slept_; }
  /// Nobody here can delete an address but the kernel.
  [[nodiscard]] bool unattended() const { return !proxy_runs() && !guard_watches(); }
  /// The LAN hears it again; that other node does.
  void reappears() { reappeared_at_.fill(world().now); }
  void reappears_to(int other) { reappeared_at_[static_cast<std::size_t>(other)] = world().now; }
  [[nodiscard]] At reappeared_at(int other) const { return reappeared_at_[static_cast<std::size_t>(other)]; }
  /// When a daemon died that had stood still until then.
  [[nodiscard]] At hung_until_death() const { return hung_until_death_; }
  [[nodiscard]] At carrier_back_at() const { return carrier_back_at_; }
  [[nodiscard]] const Settings& settings() const { return settings_; }
  [[nodiscard]] std::uint32_t daemon_pid() const { return daemon_pid_; }

 private:
  struct Address {
    bool present = false;
    At expires = 0;
    bool expiry_set = false;
  };
  struct KernelOp {
    int vip;
    HolderActionKind kind;
    Incarnation incarnation;
  };
  struct Input {
    enum class Kind : std::uint8_t {
      kKernelDone,
      kResetDone,
      kGone,
      kAnswered,
      kClaimed,
      kProbed,
      kProbeFailed,
      kTie,
      kLocal,
      kLost,
      kVoteRead,
      kVoteTold
    } kind;
    At at;
    int vip = 0;
    int from = 0;
    HolderActionKind what{};
    bool ok = true;
    bool unsure = false;
    Instant asked{};
    Epoch epoch = 0;
  };
  struct Told {
    Epoch epoch;
    Incarnation incarnation;
  };
  struct Outgoing {
    std::uint32_t pid;
    ClusterMessage message;
  };

  [[nodiscard]] World& world() const;
  [[nodiscard]] CorosyncModel& corosync() const;
  [[nodiscard]] Instant clock() const;
  [[nodiscard]] Instant boot_clock() const;
  void input(Input input);
  void take_inputs();
  void take_ring();
  void read_vote();
  void carry_out();
  void act(const VipAction& action);
  void to_kernel(int vip, HolderActionKind kind, Incarnation incarnation);
  void set_address(int vip, bool present);
  Status tell(const TakeoverInput& input);
  void tell_local();
  Status run(const TakeoverInput& first, bool and_local = false);
  void note_pause();
  void plan_next_turn();
  void daemon_died();
  void guard_deletes();
  void hello(std::uint32_t view);
  void send_later(At delay, std::uint32_t pid, ClusterMessage message);
  [[nodiscard]] LocalVip local_facts() const;
  [[nodiscard]] static std::string name_of(int vip);
  [[nodiscard]] int index_of(const std::string& vip) const;

  Site& site_;
  int index_;
  Settings settings_;
  Timing timing_;
  // Machine.
  bool powered_ = true;
  Pause pause_ = Pause::kNone;
  At paused_at_ = 0;
  std::uint64_t pause_number_ = 0;  ///< Events made before it have their own clock's time left.
  At woken_at_ = -kNever;
  At turn_late_ = 0;  ///< The next one, by a busy host.
  At late_when_woken_ = 0;
  Pause slept_ = Pause::kNone;
  std::array<At, kNodesMax> reappeared_at_{-kNever, -kNever, -kNever, -kNever, -kNever};  ///< By node.
  At hung_until_death_ = -kNever;
  At carrier_back_at_ = -kNever;
  At mono_lag_ = 0;
  At boot_lag_ = 0;
  std::vector<Event> postponed_;
  // Kernel.
  std::array<Address, kVipsMax> addresses_{};
  std::vector<KernelOp> ops_;
  At kernel_free_ = 0;
  At slow_until_ = 0;
  std::uint32_t slow_probes_ = 0;
  std::uint32_t views_ = 0;
  std::array<Epoch, kVipsMax> wanted_{};  ///< Of the newest add.
  bool carrier_ = true;
  At carrier_counts_ = 0;
  bool serves_ = true;
  // Daemon.
  std::unique_ptr<TakeoverCore> core_;
  bool daemon_alive_ = false;
  bool daemon_hung_ = false;
  std::uint32_t daemon_pid_ = 0;
  std::uint32_t daemon_generation_ = 0;
  Incarnation incarnation_ = 0;
  bool restart_held_ = false;
  bool connected_ = false;    ///< Its handles live.
  bool in_group_ = false;     ///< Its first view came.
  Instant turned_{};          ///< By its boot clock.
  bool after_pause_ = false;  ///< This turn is the first one after more than 200 ms.
  std::uint32_t next_pid_ = 100;
  std::vector<Input> inputs_;
  At wake_at_ = kNever;
  std::uint32_t wake_generation_ = 0;
  std::vector<Override> kept_;
  TakeoverActions actions_;
  std::deque<Outgoing> outbox_;
  // Guard.
  bool guard_alive_ = false;
  bool guard_hung_ = false;
  std::uint32_t guard_pid_ = 0;
  std::uint32_t guard_generation_ = 0;
  std::map<int, Told> told_;
  std::uint32_t joined_guard_ = 0;  ///< The pid that is in the group.
  std::uint32_t leave_later_ = 0;
  std::uint32_t last_view_ = 0;  ///< Index of the newest view with the guard in it, and one.

  friend class Site;
};

}  // namespace fairlead::vip::sim
