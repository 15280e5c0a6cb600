#include "daemon/dhcp_runner.h"

#include <algorithm>
#include <csignal>
#include <utility>

#include "base/atomic_file.h"
#include "base/log.h"
#include "base/units.h"
#include "config/derived_vips.h"
#include "dnsdhcp/dnsmasq_conf.h"
#include "dnsdhcp/lease_file.h"
#include "dnsdhcp/udp_queue.h"

namespace fairlead::daemon {
namespace {

constexpr Duration kUnsentRetry = std::chrono::milliseconds(20);
constexpr Duration kSaveRetry = std::chrono::seconds(10);

/// Requests that came in before the gate was closed wait in dnsmasq's socket (proc(5), /proc/net/udp: rx_queue).
bool dhcp_queue_is_empty(IpAddress::Family family) {
  const bool v4 = family == IpAddress::Family::kV4;
  const auto text = read_small_file(v4 ? "/proc/net/udp" : "/proc/net/udp6");
  if (!text || !*text) return false;
  return dnsdhcp::udp_queue_of(**text, v4 ? dnsdhcp::kDhcpServerPort : dnsdhcp::kDhcp6ServerPort) == 0;
}

std::vector<dnsdhcp::BookNetwork> book_networks(const config::Snapshot& snapshot) {
  std::vector<dnsdhcp::BookNetwork> out;
  for (const config::DhcpNetwork& network : snapshot.dnsdhcp->networks) out.push_back({network.name, network.cidr});
  return out;
}

}  // namespace

DhcpRunner::DhcpRunner(QbLoop& loop, Options options, DhcpHost host)
    : loop_(loop), options_(std::move(options)), host_(std::move(host)), book_(options_.self) {
  set_networks();
}

DhcpRunner::~DhcpRunner() {
  *alive_ = false;
  loop_.cancel(timer_);
  loop_.cancel(listens_);
  loop_.cancel(gate_look_);
  end_questions();
  go_on();
  for (auto& [name, network] : networks_) end_sweep(network);
}

/// It ended by itself: what it gave last may be untold.
void DhcpRunner::dnsmasq_ended() {
  restart_due_ = false;  // The next one has the files as they are.
  book_.dnsmasq_ended();
  for (auto& [name, network] : networks_) {
    end_sweep(network);
    if (network.steps.step() == Step::kOpen) FL_LOG(DHCP_GATE_CLOSED, "network", name, "reason", "dnsmasq ended");
    network.steps.dnsmasq_ended(/*leaving=*/!network.released.empty(), clock_.now());
    answer_released(network);
  }
  turn();
}

/// Networks that stay keep what they are in the middle of.
void DhcpRunner::set_networks() {
  std::map<std::string, Network> next;
  for (const config::DhcpNetwork& settings : options_.snapshot.dnsdhcp->networks) {
    const std::string device = config::network_device(options_.snapshot, settings);
    std::set<std::string> vips;
    if (settings.router) vips.insert(config::router_vip_name(settings));
    if (settings.dns && settings.dns != settings.router) vips.insert(config::dns_vip_name(settings));
    auto before = networks_.extract(settings.name);
    Network network(settings.name);
    if (!before.empty() && before.mapped().device == device) {
      network = std::move(before.mapped());
      std::erase_if(network.here, [&](const std::string& vip) { return !vips.contains(vip); });
    } else if (!before.empty()) {
      end_sweep(before.mapped());
      book_.let_go(settings.name);
      answer_released(before.mapped());
    }
    network.settings = settings;
    network.device = device;
    network.vips = std::move(vips);
    next.emplace(settings.name, std::move(network));
  }
  for (auto& [name, network] : networks_) {
    end_sweep(network);
    book_.let_go(name);
    answer_released(network);
  }
  networks_ = std::move(next);
  book_.configure(book_networks(options_.snapshot));
}

void DhcpRunner::address_coming() {
  if (!keeper_ || keeper_->pid() <= 0) return;
  if (standing_ != -1 || ::kill(keeper_->pid(), SIGSTOP) != 0) return;
  standing_ = keeper_->pid();
  standstill_ = loop_.after(kStandstillMax, [this] { go_on(); });
}

void DhcpRunner::go_on() {
  loop_.cancel(standstill_);
  const pid_t pid = std::exchange(standing_, -1);
  // Another one by that number would be a child of ours as well, and does not mind.
  if (pid != -1 && keeper_ && keeper_->pid() == pid) (void)::kill(pid, SIGCONT);
}

/// D5 holds for what this daemon does; somebody else's address may come at any time.
void DhcpRunner::check_listening() {
  if (!keeper_ || !keeper_->bus().is_ready() || restart_due_) return;
  const auto udp = read_small_file("/proc/net/udp");
  if (!udp || !*udp) return;
  for (const auto& [name, network] : networks_) {
    const auto address = config::resolver_of(network.settings);
    if (!network.is_here() || !address || !address->is_v4() || dnsdhcp::udp_is_bound(**udp, *address, dnsdhcp::kDnsPort)) continue;
    FL_LOG(DNSMASQ_NOT_LISTENING, "address", address->to_string());
    return act(dnsdhcp::DnsmasqAction::kRestart);
  }
}

void DhcpRunner::vip_changed(const std::string& vip, bool here) {
  dnsdhcp::BookActions out;
  for (auto& [name, network] : networks_) {
    if (!network.vips.contains(vip)) continue;
    const bool was_here = network.is_here();
    if (here) {
      network.here.insert(vip);
    } else {
      network.here.erase(vip);
    }
    if (network.is_here() && !was_here) {
      begin(name, network, out);
    } else if (!here && network.steps.step() != Step::kAway) {
      // It went before its turn: nobody waits for that any more, and what would be done then would be done to its next life.
      std::erase_if(network.released, [&](const auto& waiting) { return waiting.first == vip; });
      gone(name, network);
    }
  }
  if (std::all_of(networks_.begin(), networks_.end(), [](const auto& n) { return n.second.is_here(); })) go_on();
  if (here) {
    loop_.cancel(listens_);
    listens_ = loop_.after(kListensAfter, [this] { check_listening(); });
  }
  carry(std::move(out));
  turn();
}

bool DhcpRunner::serves(const Network& network) const { return dnsdhcp::serves_dhcp(*options_.snapshot.dnsdhcp, network.settings); }

void DhcpRunner::begin(const std::string& name, Network& network, dnsdhcp::BookActions& out) {
  if (!serves(network)) {                                          // Names only: no lease, no gate, nothing to wait for.
    if (network.steps.step() != Step::kAway) gone(name, network);  // It served before a reload.
    return;
  }
  Epoch epoch = 0;
  for (const std::string& each : network.vips) epoch = std::max(epoch, host_.epoch_of(each));
  gate_doubtful_ = true;  // Whoever flushed all tables a moment ago has the gate set again.
  network.steps.begin(epoch, clock_.now(), book_, out);
}

/// A VIP went, or the network is served no more.
void DhcpRunner::gone(const std::string& name, Network& network) {
  if (network.steps.step() == Step::kOpen) FL_LOG(DHCP_GATE_CLOSED, "network", name, "reason", "its virtual IP is gone");
  end_sweep(network);
  network.steps.gone(clock_.now(), book_);
  answer_released(network);
}

void DhcpRunner::before_release(const std::string& vip, std::function<void()> done) {
  if (stopping_) return done();
  for (auto& [name, network] : networks_) {
    if (!network.vips.contains(vip)) continue;
    if (!network.steps.close(clock_.now())) break;
    end_sweep(network);
    network.released.emplace_back(vip, std::move(done));
    return turn();
  }
  done();
}

void DhcpRunner::view_changed(const std::vector<NodeId>& members) {
  // Records come with the books; what was said of a gate has to be heard, unless nobody hears us (LeaseBook says it again then).
  std::erase_if(unsent_, [&](const ClusterMessage& message) {
    const auto* update = std::get_if<LeaseUpdate>(&message);
    return members.empty() || update == nullptr || update->gates.empty();
  });
  dnsdhcp::BookActions out;
  book_.view_changed(members, clock_.now(), out);
  carry(std::move(out));
  turn();
}

void DhcpRunner::delivered(NodeId from, const ClusterMessage& message) {
  dnsdhcp::BookActions out;
  if (const auto* update = std::get_if<LeaseUpdate>(&message)) {
    if (from != options_.self) received_ += update->records.size();
    book_.delivered(from, *update, clock_.now(), out);
  }
  if (const auto* digest = std::get_if<LeaseDigest>(&message)) book_.delivered(from, *digest, clock_.now(), out);
  carry(std::move(out));
  turn();
}

// ---- the networks' steps ----

void DhcpRunner::turn() {
  dnsdhcp::BookActions out;
  tell_unsent();
  flush_feeds();
  feed_refused();
  book_.tick(clock_.now(), out);
  carry(std::exchange(out, {}));
  if (clock_.now() >= apply_at_) apply();
  for (auto& [name, network] : networks_) {
    turn(name, network, out);
    carry(std::exchange(out, {}));
  }
  set_gate();
  restart_when_closed();
  save();
  arm();
}

dnsdhcp::StepFacts DhcpRunner::facts_of(const Network& network) const {
  dnsdhcp::StepFacts facts;
  facts.now = clock_.now();
  facts.here = network.is_here();
  facts.ready = keeper_ && keeper_->bus().is_ready();
  facts.restart_due = restart_due_;
  facts.sweeps = needs_sweep(network);
  facts.gate_open = gate_is_open(network);
  facts.gate_closed = gate_is_closed(network);
  facts.refused = has_refused(network);
  return facts;
}

void DhcpRunner::turn(const std::string& name, Network& network, dnsdhcp::BookActions& out) {
  using dnsdhcp::StepWish;
  if (network.steps.step() == Step::kSweeping) return sweep_turn(name, network, out);
  dnsdhcp::StepFacts facts = facts_of(network);
  if (network.steps.step() == Step::kClosingGate && facts.gate_closed)
    facts.queue_empty = dhcp_queue_is_empty(network.settings.cidr.address.family());
  switch (network.steps.turn(facts, book_, out)) {
    case StepWish::kNothing: return;
    case StepWish::kBegin: return begin(name, network, out);
    case StepWish::kSweep: return begin_sweep(name, network);
    case StepWish::kOpened:
      FL_LOG(DHCP_GATE_OPENED, "network", name, "after_ms", to_ms(network.steps.opened_after()), "swept", network.steps.swept());
      return;
    case StepWish::kStopped: return closed(name, network);
  }
}

void DhcpRunner::answer_released(Network& network) {
  for (auto& [vip, done] : std::exchange(network.released, {})) done();
}

void DhcpRunner::closed(const std::string& name, Network& network) {
  if (network.steps.was_open()) {
    std::string why = network.steps.pausing() ? "for leases that dnsmasq has to learn" : restart_due_ ? "dnsmasq is restarted" : "planned";
    if (!network.steps.told()) why += ", and a lease may be missing: its pool is asked before it opens";
    FL_LOG(DHCP_GATE_CLOSED, "network", name, "reason", why);
  }
  answer_released(network);
}

// ---- the disk ----

void DhcpRunner::save(bool now_or_never) {
  const Instant now = clock_.now();
  if (book_.revision() == saved_ || saving_) return;
  if (save_at_ == Instant::max()) save_at_ = now + kSaveAfter;
  if (now < save_at_ && !now_or_never) return;
  save_at_ = Instant::max();
  const auto wall = std::chrono::duration_cast<std::chrono::seconds>(host_.time_of_day().time_since_epoch()).count();
  const std::uint64_t revision = book_.revision();
  const std::string path = options_.snapshot.state_dir + "/dhcp/leases";
  saving_ = host_.post_job(
      [this, alive = alive_, host = host_, records = book_.records(), epoch = book_.newest_epoch(), now, wall, path, revision] {
        const Status saved = write_file_atomically(path, dnsdhcp::render_lease_file(records, epoch, now, wall));
        host.on_control([this, alive, revision, saved, path] {
          if (!*alive) return;
          saving_ = false;
          if (saved) {
            saved_ = revision;
            save_problem_.clear();
          } else {  // Once until it works again; it is tried at each change.
            save_at_ = clock_.now() + kSaveRetry;
            if (save_problem_.empty()) FL_LOG(LEASE_FILE_NOT_SAVED, "file", path, "error", saved.error().message(), "count", 1);
            save_problem_ = saved.error().message();
          }
          turn();
        });
      });
}

void DhcpRunner::arm() {
  loop_.cancel(timer_);
  const Instant now = clock_.now();
  Instant next = std::max(book_.next_tick(), now + std::chrono::milliseconds(1));
  // What is overdue waits for something else, which brings a turn of its own.
  const auto at = [&](Instant when) {
    if (when > now) next = std::min(next, when);
  };
  for (const auto& [name, network] : networks_) {
    if (network.sweep) next = std::min(next, std::max(network.sweep->next_tick(), now));
    next = std::min(next, network.steps.next_due(facts_of(network)));
  }
  if (!unsent_.empty() || (!feeds_.empty() && keeper_ && keeper_->bus().is_ready())) at(now + kUnsentRetry);
  if (book_.revision() != saved_ && !saving_) at(save_at_);
  if (!gate_busy_) at(gate_retry_);
  if (may_feed()) at(refused_.next_due());
  if (!applying_) at(apply_at_);
  if (next != Instant::max()) timer_ = loop_.at(next, [this] { turn(); });
}

}  // namespace fairlead::daemon
