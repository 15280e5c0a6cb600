// Carries vip::TakeoverCore's actions out: Corosync, the kernel, the LAN, the guard. Decides nothing.
//
//   CorosyncClient --view, message, lost--+                   +--> CorosyncClient::send (alone: back to ourselves)
//   NetlinkAddressDriver --gone, link-----+--> TakeoverCore --+--> AddressDriver add, refresh, remove
//   ArpSocket, NdpSocket --answer, claim--+                   +--> NeighbourPort probe, announce
//   GuardLink --knows, lost---------------+                   +--> GuardLink hold, drop; TakeoverHost
//
// Invariants:
//   T1  TakeoverCore::turn() comes before anything that a turn of the loop brings (R7).
//   T2  An address is added only after the guard acknowledged that it knows of it (R10).
//   T3  Released is sent after the kernel's answer to the removal (R5). The guard forgets the VIP before that: who dies between the two has
//       nothing left to clear, and the others wait its promise out as for any node that went silently (R5b): later, and never two.
//   T4  What turn_with() is given from inside an action outlives its caller, so it captures by value; what captures by reference (commands,
//       configure()) goes to enter_now(), which is never called from inside one.
// Threading: control. Nothing here waits: netlink answers within the call (vip/address_driver.h), files are TakeoverHost's.
// Ownership: loop and host outlive it.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "admin/node_port.h"
#include "base/qb_loop.h"
#include "base/result.h"
#include "base/seldom_said.h"
#include "base/system_clock.h"
#include "config/settings.h"
#include "daemon/link_watch.h"
#include "daemon/node_digests.h"
#include "daemon/trace_file.h"
#include "membership/corosync_client.h"
#include "vip/address_driver.h"
#include "vip/gateway_track.h"
#include "vip/guard_link.h"
#include "vip/holder_history.h"
#include "vip/neighbour_port.h"
#include "vip/takeover_core.h"
#include "vip/takeover_input.h"

namespace fairlead::daemon {

/// What it needs of the rest of the daemon. Every function returns at once.
struct TakeoverHost {
  /// Accepts nothing on `vip` any more, resets the connections on it and the server legs sourced from it (R18), then calls `done` on the
  /// control thread.
  std::function<void(const IpAddress& vip, std::function<void()> done)> reset_connections;
  /// `vip` is not here any more, as planned or not: what is left on it is closed. When it comes back, its clients are welcome.
  std::function<void(const IpAddress& vip)> close_connections;
  /// Closes the connections that are on `vip` now, each at an idle moment; calls `done` on the control thread when all have ended.
  std::function<void(const IpAddress& vip, std::function<void()> done)> drain_connections;
  /// The rest of them stays.
  std::function<void(const IpAddress& vip)> stop_draining;
  /// Writes the operators' wishes to state_dir.
  std::function<void(std::vector<Override>)> keep_overrides;
  /// Starts a guard on a thread that may wait, then calls back on the control thread.
  std::function<void(std::function<void(Result<vip::GuardChild>)>)> spawn_guard;
  /// An interface that may carry VIPs of `active` was not there before: it is to keep them to itself (R21).
  std::function<void(const config::Snapshot& active)> prepare_interfaces;
  /// The address of a VIP is about to be added.
  std::function<void()> address_coming;
  /// A VIP's address came here, or went. After the fact, and after everything else that belongs to it.
  std::function<void(const config::Vip& vip, const std::string& device, bool here)> address_changed;
  /// For the history that people read; no lease counts on it.
  std::function<WallTime()> time_of_day;
  /// A message that is not about VIPs: whoever it concerns.
  std::function<void(NodeId from, const ClusterMessage& message)> group_message;
  /// The nodes whose daemons are in the group, after each change, this one included. Empty: this one is not.
  std::function<void(const std::vector<NodeId>& nodes)> members_changed;
};

/// What only the rest of the daemon knows about one VIP.
struct VipHealth {
  bool serves = true;  ///< Its required listeners accept and have a server up.
  std::string reason;  ///< Why not.
  bool operator==(const VipHealth&) const = default;
};

inline constexpr Duration kMoveTime = std::chrono::seconds(5);  ///< Then who asked for a move is told that it is not done.

class TakeoverRunner final : private membership::ClusterSink, private vip::NeighbourListener {
 public:
  struct Options {
    config::Snapshot snapshot;
    vip::Settings settings;  ///< Of `snapshot`.
    Incarnation incarnation = 0;
    std::vector<Override> kept;          ///< Of an earlier life.
    vip::GuardChild guard;               ///< Started before the first thread; may be missing.
    std::string missing_right;           ///< Why this process can hold nothing; empty: it can.
    std::unique_ptr<TraceFile> trace{};  ///< Of what the core is told and answers; nothing: none is kept.
  };
  TakeoverRunner(QbLoop& loop, Options options, TakeoverHost host);
  ~TakeoverRunner() override;

  /// Errors: kPermission (CAP_NET_ADMIN, CAP_NET_RAW), kUnsupported.
  [[nodiscard]] Status start();
  /// R18: gives everything up as planned; is_clear() tells when.
  void leave();
  [[nodiscard]] bool is_clear() const { return core_.is_clear(); }
  /// What was said was delivered to everybody: Released, last of all.
  [[nodiscard]] bool is_heard() const { return client_ == nullptr || client_->settled(); }
  void health(const std::string& vip, VipHealth health);
  /// R10: while a worker is stalled this node may hold nothing, and its guard gets no beat: for `guard.hang`, then it ends the daemon.
  void loops_turn(bool all);
  /// Another configuration of the same cluster and node (config::needs_restart() names no takeover key). The kernel's side of new
  /// interfaces is prepared (daemon/vip_start.h). Errors: as takeover_settings(); then nothing changed.
  [[nodiscard]] Status configure(const config::Snapshot& snapshot);

  using CommandDone = std::function<void(Result<admin::CommandResult>)>;
  /// Runs an operator's command (R16); `done` is called on this thread, for a move when the VIP is held or kMoveTime is over; with a drain
  /// that comes first.
  /// Errors: kUnsupported when it is none of high availability's.
  void execute(const admin::Command& command, CommandDone done);

  /// Fills `cluster` and `vips`.
  void describe(admin::NodeReport& report) const;
  /// To all daemons of the group, this one included, in the order of everything that is said. False: there is no group; nothing was sent.
  bool tell(const ClusterMessage& message);
  /// members_changed again, for who missed it.
  void say_members();
  /// VIPs whose address address_changed said is here.
  [[nodiscard]] std::vector<std::string> addresses_here() const;
  /// The placement by which `vip` is whose it is.
  [[nodiscard]] Epoch epoch_of(const std::string& vip) const { return core_.describe(vip).epoch; }
  /// Its interface; nothing: there is none now.
  [[nodiscard]] std::optional<vip::LinkState> link_of(const std::string& vip) const;
  /// Shows a finished report to the operators of the other nodes, as often as is due.
  void show(const admin::NodeReport& report);

 private:
  struct Vip {
    config::Vip settings;
    std::string wanted;   ///< The interface's name, or "auto".
    vip::LinkState link;  ///< index 0: none (now).
    std::string problem;  ///< Why there is none.
    VipHealth health;
    Instant carrier_since{};  ///< R17
    Instant carrier_lost{};
    bool had_carrier = false;
    vip::GatewayTrack gateway;    ///< Of track.gateway or route.gateway, whichever is there.
    std::optional<Epoch> adding;  ///< kAdd was asked for; the guard is being told.
    vip::LeasedAddress to_add;    ///< Of `adding`: what the guard is told.
    /// What the kernel was asked to add, until it has removed it: the interface may be another one by now.
    std::optional<vip::LeasedAddress> added;
    bool here = false;                ///< Its address, by the kernel's last answer.
    bool here_told = false;           ///< What address_changed was told.
    bool able_told = true;            ///< What the log was told.
    SeldomSaid unheard;               ///< Frames that could not be sent.
    bool configured = true;           ///< False: being released, then forgotten.
    bool place_due = false;           ///< Given up: `auto` chooses anew, before the next round can add it again.
    std::optional<config::Vip> next;  ///< What it is to be once it was given up as it is.
    vip::HolderHistory history;
    std::optional<Instant> taking;  ///< Taken in this turn: when it was assigned.
  };
  struct PendingMove {
    std::string vip;
    NodeId from = kNoNode;
    NodeId to = kNoNode;  ///< kNoNode: any other.
    Instant since{};
    CommandDone done;
    bool drained = false;  ///< Connections that were to close are to stay if it comes to nothing.
  };
  /// `vip move --drain`: what comes before the move, on the holder only.
  struct PendingDrain {
    std::string vip;
    NodeId to = kNoNode;
    Instant until{};
    bool over = false;  ///< Every connection that was open has ended.
    std::uint64_t number = 0;
    CommandDone done;
  };
  using PortKey = std::pair<std::uint32_t, IpAddress::Family>;
  struct Port {
    std::unique_ptr<vip::NeighbourPort> port;
    std::optional<MacAddress> mac;  ///< Of the interface, as it was told.
    std::set<IpAddress> watched;
  };

  void on_view(const ClusterView& view) override;
  void on_message(const ClusterProcess& from, const ClusterMessage& message) override;
  void on_lost(const std::string& reason) override;
  void on_absent(const std::string& reason) override { lost_ = reason; }
  void on_facts(const membership::CorosyncFacts& facts, Instant asked) override;
  void on_neighbour(const vip::NeighbourEvent& event) override;

  void tell_members();
  void enter(vip::TakeoverInput input);
  [[nodiscard]] Status enter_now(const vip::TakeoverInput& input);
  void turn_with(const std::function<void(vip::TakeoverActions&)>& input);
  void turn_now_with(const std::function<void(vip::TakeoverActions&)>& input);
  Status apply(const vip::TakeoverInput& input, vip::TakeoverActions& out);
  void carry(vip::TakeoverActions&& actions);
  void carry(const vip::VipAction& action);
  void send(const ClusterMessage& message);
  void kernel_done(const std::string& name, vip::HolderActionKind what, const Status& status);
  /// Nothing of ours is on the interface: what was open there has ended.
  void not_here(Vip& v);
  [[nodiscard]] Status say(const std::string& name, Vip& v, bool probe);
  void begin_add(const std::string& name, Vip& v, Epoch epoch);
  void finish_add(const std::string& name, Epoch epoch);
  void beat();
  void guard_turn();
  void watch_guard();
  void unwatch_guard();
  void kernel_events();
  void close_ports_of_gone_links();
  void tell_able(const std::string& name, Vip& v, const vip::LocalVip& local);
  void place(const std::string& name, Vip& v);
  void place_all();
  void take_up(const std::string& name, Vip& v);
  void take_up_all();
  [[nodiscard]] bool may_be_present(const std::string& vip) const;
  [[nodiscard]] Status watch_all(PortKey key, Port& port);
  void tell_local(const std::string& name, Vip& v);
  [[nodiscard]] static std::optional<IpAddress> gateway_of(const config::Vip& vip);
  void probe_tie();
  void watch_missing();
  void tell_links();
  [[nodiscard]] std::vector<membership::LinkState> links_to(NodeId node) const;
  void tell_qdevice(const membership::CorosyncFacts& facts);
  void ask_gateway(Vip& v);
  [[nodiscard]] bool is_router(const MacAddress& mac) const;
  [[nodiscard]] bool is_answer_of(const IpAddress& router, vip::NeighbourEventKind kind) const;
  void arm();
  void tell_changes();
  void tell_change(Vip& v);
  void tell_history();
  void describe_history(const vip::HolderHistory& history, admin::VipStatus& out) const;
  void note_lost_holders(const ClusterView& view);
  void note_taken(const vip::TakeoverNote& note);
  void watch_lease();
  [[nodiscard]] vip::LeasedAddress leased(const Vip& v) const;
  [[nodiscard]] vip::GuardHold hold_of(const std::string& name, const vip::LeasedAddress& what, Epoch epoch) const;
  [[nodiscard]] vip::NeighbourPort* port_of(const Vip& v);
  [[nodiscard]] Result<Port*> open_port(const vip::LinkState& link, IpAddress::Family family);
  [[nodiscard]] Result<vip::LinkState> choose_link(const Vip& v);
  void announce_all(PortKey key);
  [[nodiscard]] IpAddress own_address(std::uint32_t index, const IpAddress& target) const;
  [[nodiscard]] std::string name_of(NodeId node) const;
  [[nodiscard]] Result<NodeId> node_named(const std::string& name) const;
  void move(const admin::MoveVip& command, CommandDone done);
  void drain(const admin::MoveVip& command, NodeId to, CommandDone done);
  void tend_drains();
  void stop_draining(const std::string& vip);
  void force(const admin::ForceVip& command, const CommandDone& done);
  void wish(OverrideKind kind, const std::string& name, bool on, bool force, std::string summary, const CommandDone& done);
  [[nodiscard]] Status announce(const std::string& vip);
  [[nodiscard]] Status drill(const std::string& name, const std::string& vip);
  [[nodiscard]] bool is_held_by(const std::string& vip, NodeId node, Epoch epoch) const;
  void answer_moves();

  QbLoop& loop_;
  Options options_;
  TakeoverHost host_;
  SystemClock clock_;
  Duration boot_offset_;  ///< CLOCK_BOOTTIME - CLOCK_MONOTONIC at the start: earlier suspensions.
  Instant born_;
  vip::TakeoverCore core_;
  std::unique_ptr<membership::CorosyncClient> client_;  ///< Nothing: alone.
  std::unique_ptr<vip::AddressDriver> driver_;
  vip::GuardLink guard_;
  bool loops_turn_ = true;
  int guard_link_fd_ = -1;
  int guard_death_fd_ = -1;
  std::map<std::string, Vip> vips_;
  std::map<PortKey, Port> ports_;
  std::vector<vip::PresentAddress> own_addresses_;
  std::set<MacAddress> own_macs_;            ///< Of every interface here.
  std::set<std::uint32_t> prepared_;         ///< Indexes of interfaces that keep VIPs to themselves, or are told to (R21).
  std::map<IpAddress, MacAddress> routers_;  ///< Tie-break targets and gateways, as they answered last.
  std::deque<ClusterMessage> to_self_;       ///< Alone: what was sent, to be delivered.
  std::deque<std::function<void(vip::TakeoverActions&)>> answers_;  ///< Of the kernel, for the core, in order.
  bool carrying_ = false;
  bool holders_due_ = true;  ///< Somebody may hold something else than before.
  /// The least that was left of the lease while something was held here: in this stretch of time and the one before.
  std::optional<Duration> lease_low_;
  std::optional<Duration> lease_low_before_;
  unsigned beats_ = 0;
  std::uint64_t views_ = 0;
  Instant tell_from_ = Instant::max();  ///< Of VIP_INELIGIBLE and VIP_ELIGIBLE.
  QbLoop::TimerId timer_ = 0;
  QbLoop::TimerId events_timer_ = 0;  ///< The driver has events that its descriptor does not show.
  Instant timer_at_ = Instant::max();
  std::optional<membership::CorosyncFacts> facts_;
  bool third_vote_told_ = true;  ///< What the log was told.
  NodeDigests digests_;
  std::vector<NodeId> members_told_;
  RoundId round_told_;
  std::string lost_;  ///< Why Corosync was lost, or cannot be connected to.
  struct Absence {
    Instant since{};
    bool said = false;
  };
  std::map<NodeId, Absence> missing_;  ///< Configured nodes that are not in the ring.
  LinkWatch links_;
  std::vector<PendingMove> moves_;
  std::vector<PendingDrain> drains_;  ///< One of a VIP at most.
  std::uint64_t drains_begun_ = 0;
};

}  // namespace fairlead::daemon
