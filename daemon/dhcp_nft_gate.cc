// DhcpRunner's gate: set by nft, and set again when somebody takes it away. What is not known to be closed counts as open, and what is not
// known to be open as closed.
#include <utility>

#include "base/log.h"
#include "daemon/dhcp_runner.h"
#include "daemon/privileges.h"
#include "dnsdhcp/dhcp_gate.h"
#include "dnsdhcp/nft_tool.h"

namespace fairlead::daemon {
namespace {

constexpr Duration kGateRetry = std::chrono::seconds(1);
constexpr Duration kGateLook = std::chrono::seconds(1);
constexpr CapabilitySet kNftCapabilities = capability_bit(CAP_NET_ADMIN);
constexpr std::string_view kFamily = "inet";
constexpr std::string_view kTable = "fairlead_dhcp";
static_assert(dnsdhcp::kGateTable == "inet fairlead_dhcp");

}  // namespace

Status remove_dhcp_gate() {
  const LentCapabilities lent(kNftCapabilities);
  return dnsdhcp::NftTool().apply(dnsdhcp::render_no_dhcp_gate());
}

/// Of two networks on one device each has its own: their IP versions differ (checked with the configuration).
DhcpRunner::Door DhcpRunner::door_of(const Network& network) { return {network.device, network.settings.cidr.address.family()}; }

bool DhcpRunner::gate_is_open(const Network& network) const { return !gate_.text.empty() && gate_.open.contains(door_of(network)); }

/// One that is being set may be open by now.
bool DhcpRunner::gate_is_closed(const Network& network) const {
  return !gate_busy_ && gate_.guarded.contains(door_of(network)) && !gate_.open.contains(door_of(network));
}

/// What a dnsmasq that starts may be asked by.
bool DhcpRunner::gate_guards_all() const {
  for (const auto& [name, network] : networks_) {
    if (serves(network) && !gate_.guarded.contains(door_of(network))) return false;
  }
  return true;
}

void DhcpRunner::gate_failed(const std::string& why) {
  const Instant now = clock_.now();
  gate_retry_ = now + kGateRetry;
  if (!gate_failing_) gate_failing_ = now;
  if (std::exchange(gate_problem_, why) != why) FL_LOG(DHCP_GATE_PROBLEM, "network", "all", "error", why);
}

/// One text at a time; what is wanted meanwhile comes after it.
void DhcpRunner::set_gate() {
  if (stopping_ || gate_busy_ || clock_.now() < gate_retry_) return;
  dnsdhcp::DhcpGate gate;
  Gate next;
  for (const auto& [name, network] : networks_) {
    dnsdhcp::GateSide& side = network.settings.cidr.address.is_v4() ? gate.v4 : gate.v6;
    side.guarded.push_back(network.device);
    next.guarded.insert(door_of(network));
    if (!network.steps.wants_gate(book_)) continue;
    if (network.steps.step() == Step::kOpening && !knows_all() && !gate_.open.contains(door_of(network))) continue;
    side.open.push_back(network.device);
    next.open.insert(door_of(network));
  }
  dnsdhcp::guard_names(gate, options_.snapshot);
  auto text = dnsdhcp::render_dhcp_gate(gate);
  if (!text) return gate_failed(text.error().message());
  if (*text == gate_.text && !gate_doubtful_) return;
  next.text = std::move(*text);
  gate_busy_ = host_.post_job([this, alive = alive_, host = host_, next] {
    const LentCapabilities lent(kNftCapabilities);
    const dnsdhcp::NftTool nft;
    const Status done = nft.apply(next.text);
    host.on_control([this, alive, done, next] {
      if (*alive) gate_set(done, next);
    });
    if (!done) return;
    host.on_control([this, alive, listed = nft.list_table(kFamily, kTable, /*counters=*/false), text = next.text] {
      if (*alive && listed && gate_.text == text) gate_.listed = *listed;
    });
  });
  if (!gate_busy_) return gate_failed("too many jobs are waiting");
  gate_doubtful_ = false;
}

void DhcpRunner::gate_set(const Status& done, const Gate& next) {
  gate_busy_ = false;
  if (done) {
    gate_ = next;
    gate_problem_.clear();
    gate_failing_.reset();
  } else {
    // nft changes all or nothing, unless nobody knows how it ended.
    if (done.error().code == Errc::kTimeout) gate_ = {};
    gate_doubtful_ = true;
    gate_failed(done.error().message());
  }
  turn();
}

/// Also after what this daemon does itself: then all is as it was left.
void DhcpRunner::tables_changed() {
  if (stopping_ || gate_look_ != 0 || gate_.text.empty()) return;
  gate_look_ = loop_.at(std::max(clock_.now(), gate_looked_ + kGateLook), [this] {
    gate_look_ = 0;
    look_at_gate();
  });
}

void DhcpRunner::look_at_gate() {
  gate_looked_ = clock_.now();
  if (gate_busy_) return tables_changed();
  const bool posted = host_.post_job([this, alive = alive_, host = host_, was = gate_] {
    const LentCapabilities lent(kNftCapabilities);
    const auto listed = dnsdhcp::NftTool().list_table(kFamily, kTable, /*counters=*/false);
    host.on_control([this, alive, listed, was] {
      if (!*alive || stopping_) return;
      // It was changed by this daemon meanwhile: once more.
      if (gate_busy_ || gate_.text != was.text || gate_.listed != was.listed) return tables_changed();
      if (listed && !listed->empty() && *listed == was.listed) return;
      gate_doubtful_ = true;
      if (!listed) return gate_failed("it cannot be looked at: " + listed.error().message());
      // Whoever does it again and again is told of once a minute.
      if ((listed->empty() ? gate_removed_ : gate_changed_).again(clock_.now())) {
        FL_LOG(DHCP_GATE_PROBLEM, "network", "all", "error",
               std::string(listed->empty() ? "somebody removed" : "somebody changed") + " the table " + std::string(dnsdhcp::kGateTable) +
                   "; it is put there again");
      }
      turn();
    });
  });
  if (!posted) tables_changed();
}

}  // namespace fairlead::daemon
