// DNS and DHCP on this gateway: joins dnsmasq (dnsdhcp/) with the VIPs of its networks and with the other gateways.
//
//   a network's VIPs are all here --hold()--> LeaseBook --fenced, books equal--> sweep? --adopt()--> open() --everybody heard--> gate open
//   a VIP is to go, as planned    --gate closed--> close() --fence, word--> may_release() --> the takeover goes on
//   a VIP went otherwise          --let_go(), gate closed
//   another configuration         --> jobs: render, `dnsmasq --test`, files --> nothing, SIGHUP, or: gates closed as above, restart
//
// Invariants:
//   D1  The gate of a network is open only while all its VIPs are here and its book says so (LeaseBook, I7). Somebody else's change of it
//       is undone when the kernel tells of it, within a second at the latest; dnsmasq is not started before it stands.
//   D2  Nothing here keeps a takeover waiting for longer than kBarrierMax.
//   D3  A configuration that dnsmasq refuses changes nothing: the one before stays, files and process. One that it reads and does not start
//       with is taken back (FilesOnTrial).
//   D4  What the book holds is on disk within kSaveAfter of a change, or a message says why not.
//   D5  While VIPs come, one after the other, dnsmasq stands still, for kStandstillMax at most. At each address that comes it looks at all
//       of them and tries to bind those it misses, UDP first: one that comes between its two attempts it would serve by TCP alone.
//   D6  A network without DHCP stays kAway: its dnsmasq may know no leases at all, and ends when it is told of one.
//   D7  A pool that was not handed over is open only after every address was asked for: where that fails it stays closed, is tried again
//       and makes this node unfit.
// Threading: control. Nothing here waits: files, nft and children are the jobs thread's. Ownership: loop and host outlive it.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "admin/node_port.h"
#include "base/cluster_message.h"
#include "base/qb_loop.h"
#include "base/result.h"
#include "base/seldom_said.h"
#include "base/system_clock.h"
#include "config/settings.h"
#include "dnsdhcp/apply_plan.h"
#include "dnsdhcp/dhcp_gate.h"
#include "dnsdhcp/dnsmasq_keeper.h"
#include "dnsdhcp/files_on_trial.h"
#include "dnsdhcp/lease_book.h"
#include "dnsdhcp/lease_steps.h"
#include "dnsdhcp/pool_sweep.h"
#include "dnsdhcp/refused_feeds.h"
#include "dnsdhcp/script_socket.h"
#include "vip/neighbour_port.h"

namespace fairlead::daemon {

inline constexpr Duration kSaveAfter = std::chrono::seconds(1);
inline constexpr Duration kStandstillMax = std::chrono::milliseconds(30);
inline constexpr Duration kListensAfter = std::chrono::milliseconds(300);  ///< Of a VIP's arrival; then it is looked whether dnsmasq does.
inline constexpr std::size_t kFeedsMax = 20'000;                           ///< Waiting for a dnsmasq that starts.

/// What it needs of the rest of the daemon. Every function returns at once.
struct DhcpHost {
  /// Runs it on a thread that may wait. False: too many wait there.
  std::function<bool(std::function<void()>)> post_job;
  /// Runs it on the control thread; may be called on any.
  std::function<void(std::function<void()>)> on_control;
  /// To all gateways, this one included. False: not now.
  std::function<bool(const ClusterMessage&)> tell;
  /// The placement under which this node holds `vip`.
  std::function<Epoch(const std::string& vip)> epoch_of;
  /// The VIP's interface; nothing: there is none now.
  std::function<std::optional<vip::LinkState>(const std::string& vip)> link_of;
  std::function<WallTime()> time_of_day;
};

/// Takes away what an earlier life's gate may have left. Runs nft: jobs thread.
[[nodiscard]] Status remove_dhcp_gate();

class DhcpRunner final : private vip::NeighbourListener {
 public:
  struct Options {
    config::Snapshot snapshot;  ///< With dnsdhcp.
    NodeId self = kNoNode;
    std::string program = "/usr/sbin/dnsmasq";
    std::string script;   ///< fairlead-dhcp-event.
    std::string sockets;  ///< Folder of the two sockets: their paths have to be short.
  };
  DhcpRunner(QbLoop& loop, Options options, DhcpHost host);
  ~DhcpRunner() override;
  DhcpRunner(const DhcpRunner&) = delete;
  DhcpRunner& operator=(const DhcpRunner&) = delete;

  /// Errors: those of the sockets. dnsmasq itself is started later, and tried again.
  [[nodiscard]] Status start();
  /// `next` has dnsdhcp.
  void configure(const config::Snapshot& next);
  /// Ends dnsmasq and takes the gate away; `done` when dnsmasq has ended.
  void stop(std::function<void()> done);

  /// Before an address is added (D5).
  void address_coming();
  /// After the fact.
  void vip_changed(const std::string& vip, bool here);
  /// R18: `vip` is about to be given up as planned; `done` when the others know all its leases, or after kBarrierMax.
  void before_release(const std::string& vip, std::function<void()> done);
  /// The nodes whose daemons are in the group.
  void view_changed(const std::vector<NodeId>& members);
  void delivered(NodeId from, const ClusterMessage& message);
  /// Somebody, perhaps this daemon, changed an nftables table.
  void tables_changed();

  /// Why this node could not serve if it had the networks' VIPs; empty: it could. Looks at what was amiss, once a second.
  [[nodiscard]] std::string why_unfit();
  [[nodiscard]] const dnsdhcp::LeaseBook& book() const { return book_; }
  [[nodiscard]] const config::Snapshot& settings() const { return options_.snapshot; }
  /// Fills `dhcp`; `vips` is filled already.
  void describe(admin::NodeReport& report);
  [[nodiscard]] admin::LateLeases leases(admin::LeaseFilter filter, std::size_t limit) const;
  using ReleaseDone = std::function<void(Result<std::string>)>;
  /// Without `force` its machine is looked for first, for 0.6 s; `done` may come later. Errors: kNotFound (no such lease), kRefused
  /// (another gateway holds its network; its machine is there: yields to force), those of dnsmasq's bus.
  void release_lease(const IpAddress& address, bool force, const ReleaseDone& done);

 private:
  using Step = dnsdhcp::LeaseStep;
  struct Network {
    explicit Network(const std::string& name) : steps(name) {}
    dnsdhcp::LeaseSteps steps;
    config::DhcpNetwork settings;
    std::string device;
    std::set<std::string> vips;  ///< Their names.
    std::set<std::string> here;
    std::unique_ptr<dnsdhcp::PoolSweep> sweep;
    std::unique_ptr<vip::NeighbourPort> port;                               ///< While it sweeps.
    std::vector<std::pair<std::string, std::function<void()>>> released{};  ///< Who waits for kClosed, by VIP.
    std::string sweep_problem{};             ///< Why its pool could not be searched, when that was tried last; empty: it could.
    Instant sweep_look{};                    ///< When that may be looked at again, without the VIPs.
    std::string deaf{};                      ///< Of the sweep: why answers may have been lost.
    std::string unasked{};                   ///< Likewise: why a question could not be sent.
    std::optional<Instant> unswept_since{};  ///< Of that.
    std::uint64_t adopted = 0;
    [[nodiscard]] bool is_here() const { return !vips.empty() && here == vips; }
  };

  void load();
  struct LeaseCounts {
    std::uint64_t held = 0;
    std::uint64_t released = 0;
    std::uint64_t in_pool = 0;
  };
  void set_networks();
  void apply();
  void put(dnsdhcp::Rendered files);
  void applied(Result<dnsdhcp::ApplyPlan> plan, dnsdhcp::Rendered rendered);
  void refuse(const Error& error);
  void look_at_port();
  void act(dnsdhcp::DnsmasqAction action);
  void restart_when_closed();
  [[nodiscard]] dnsdhcp::DnsmasqKeeper::Callbacks keeper_callbacks();
  [[nodiscard]] dnsdhcp::ScriptSocket::Callbacks script_callbacks();
  void dnsmasq_ready(Duration took);

  void on_neighbour(const vip::NeighbourEvent& event) override;
  void turn();
  void turn(const std::string& name, Network& network, dnsdhcp::BookActions& out);
  [[nodiscard]] bool serves(const Network& network) const;  ///< DHCP; see D6.
  void begin(const std::string& name, Network& network, dnsdhcp::BookActions& out);
  [[nodiscard]] dnsdhcp::StepFacts facts_of(const Network& network) const;
  void closed(const std::string& name, Network& network);
  void gone(const std::string& name, Network& network);
  [[nodiscard]] bool needs_sweep(const Network& network) const;
  [[nodiscard]] Result<std::unique_ptr<vip::NeighbourPort>> open_port(const Network& network, const config::DhcpPool& range);
  void begin_sweep(const std::string& name, Network& network);
  void sweep_failed(const std::string& name, Network& network, const std::string& why);
  void say_unswept(const std::string& name, Network& network, const std::string& why);
  static void swept_after_all(Network& network);
  void look_at_sweeps();
  void sweep_turn(const std::string& name, Network& network, dnsdhcp::BookActions& out);
  void end_sweep(Network& network);
  void answer_released(Network& network);
  /// Whether somebody has the address of a lease.
  struct Question {
    dnsdhcp::Lease lease;
    ReleaseDone done;
    dnsdhcp::PoolSweep sweep;
    std::unique_ptr<vip::NeighbourPort> port;
    std::string failure{};  ///< Why it could not be asked.
    QbLoop::TimerId timer = 0;
  };
  void ask(Question& question);
  void end_lease(const dnsdhcp::Lease& lease, const ReleaseDone& done);
  void end_questions();
  using Door = std::pair<std::string, IpAddress::Family>;  ///< Of the gate: a device, and whose DHCP.
  [[nodiscard]] static Door door_of(const Network& network);
  struct Gate {
    std::string text;          ///< In force, by nft's last answer; empty: nobody knows what is.
    std::set<Door> guarded{};  ///< What it stands before.
    std::set<Door> open{};     ///< Where it lets requests in.
    std::string listed{};      ///< As nft showed it then; empty: not yet.
    bool operator==(const Gate&) const = default;
  };
  [[nodiscard]] bool gate_is_open(const Network& network) const;
  [[nodiscard]] bool gate_is_closed(const Network& network) const;
  [[nodiscard]] bool gate_guards_all() const;
  void set_gate();
  void gate_set(const Status& done, const Gate& next);
  void gate_failed(const std::string& why);
  void look_at_gate();
  void carry(dnsdhcp::BookActions&& actions);
  void feed(dnsdhcp::BookAction&& action);
  void put_in(dnsdhcp::BookAction&& action);
  void feed_now(dnsdhcp::BookAction&& action);
  [[nodiscard]] bool may_feed() const;
  [[nodiscard]] bool knows_all() const;
  void fed(const IpAddress& address, bool deletion, const Status& done);
  void say_unfed(const IpAddress& address, const char* what, const Error& why);
  void feed_refused();
  [[nodiscard]] bool has_refused(const Network& network) const;  ///< Which may be put to dnsmasq again now.
  void flush_feeds();
  void tell(const ClusterMessage& message);
  void tell_unsent();
  void dnsmasq_ended();
  void ended();
  void go_on();
  void check_listening();
  void save(bool now_or_never = false);
  void arm();
  void ask_counters();
  void recount();
  [[nodiscard]] admin::DhcpNetworkStatus describe(const Network& network) const;

  QbLoop& loop_;
  Options options_;
  DhcpHost host_;
  SystemClock clock_;
  dnsdhcp::LeaseBook book_;
  std::map<std::string, Network> networks_;
  std::vector<std::unique_ptr<Question>> questions_;  ///< kQuestionsMax.
  std::unique_ptr<dnsdhcp::DnsmasqKeeper> keeper_;
  std::unique_ptr<dnsdhcp::ScriptSocket> script_;
  std::optional<dnsdhcp::Rendered> running_;  ///< What dnsmasq's files are.
  dnsdhcp::FilesOnTrial trial_;
  bool applying_ = false;
  bool apply_again_ = false;
  bool restart_due_ = false;  ///< Once every gate is closed in order.
  bool stopping_ = false;
  std::function<void()> stopped_;
  std::deque<dnsdhcp::BookAction> feeds_;  ///< For a dnsmasq that is not ready.
  dnsdhcp::RefusedFeeds refused_;          ///< What a running one did not take.
  SeldomSaid refused_said_;
  std::deque<ClusterMessage> unsent_;  ///< In their order; a new view makes the books equal without them.
  // The gate.
  Gate gate_;
  bool gate_busy_ = false;
  bool gate_doubtful_ = false;  ///< It is set even where its text is the same.
  Instant gate_retry_{};
  std::optional<Instant> gate_failing_;
  Instant gate_looked_{};
  QbLoop::TimerId gate_look_ = 0;
  SeldomSaid gate_removed_;
  SeldomSaid gate_changed_;
  std::uint64_t saved_ = 0;  ///< The book's revision on disk, or on its way.
  bool saving_ = false;
  Instant save_at_ = Instant::max();
  QbLoop::TimerId timer_ = 0;
  pid_t standing_ = -1;  ///< The dnsmasq that was stopped (D5).
  QbLoop::TimerId standstill_ = 0;
  QbLoop::TimerId listens_ = 0;
  std::string problem_;        ///< For operators: why dnsmasq does not serve; empty: it does.
  std::string files_problem_;  ///< Why its files are not those of the configuration; empty: they are.
  std::string port_problem_;   ///< Who has port 53; empty: nobody.
  std::string last_end_;       ///< Of dnsmasq, with who has its port.
  Instant apply_at_ = Instant::max();
  Instant port_look_at_{};
  std::string gate_problem_;
  std::string save_problem_;
  std::uint64_t restarts_ = 0;
  // What operators see, and nothing decides by.
  admin::DnsmasqState state_seen_ = admin::DnsmasqState::kStopped;
  Instant state_since_{};
  std::optional<admin::DnsmasqCounters> counters_;
  Instant counters_due_{};
  std::map<std::string, LeaseCounts> counts_;
  Instant counted_at_{};
  std::uint64_t conflicts_ = 0;
  std::uint64_t damaged_ = 0;
  std::uint64_t sent_ = 0;      ///< Records.
  std::uint64_t received_ = 0;  ///< Likewise.
  std::optional<Instant> equal_since_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  ///< For what comes back from other threads.
};

}  // namespace fairlead::daemon
