// fairlead: pure
#include "admin/watch_plan.h"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>

#include "admin/dhcp_codec.h"
#include "admin/json_text.h"
#include "admin/status_codec.h"
#include "base/assert.h"
#include "base/units.h"

namespace fairlead::admin {
namespace {

namespace json = boost::json;

/// FNV-1a over values with their lengths, so that ("ab", "c") and ("a", "bc") differ.
class Digest {
 public:
  void add(std::string_view text) {
    add(text.size());
    for (const char c : text) byte(static_cast<unsigned char>(c));
  }
  void add(const std::string& text) { add(std::string_view(text)); }
  void add(bool value) { byte(value ? 1U : 0U); }
  void add(std::uint64_t value) {
    for (unsigned shift = 0; shift < 64; shift += 8) byte((value >> shift) & 255U);
  }
  void add(const std::vector<std::string>& texts) {
    add(std::uint64_t{texts.size()});
    for (const auto& text : texts) add(text);
  }
  [[nodiscard]] std::uint64_t value() const { return value_; }

 private:
  void byte(std::uint64_t b) {
    value_ ^= b;
    value_ *= 1099511628211ULL;
  }
  std::uint64_t value_ = 14695981039346656037ULL;
};

/// What a node shows of itself but its counters: those change all the time and wait for the interval.
void add_node_digest(Digest& digest, const NodeDigest& d) {
  digest.add(d.engine);
  digest.add(d.ready);
  digest.add(d.reason);
  digest.add(d.config_hash);
  digest.add(std::uint64_t{d.listeners.size()});
  for (const auto& listener : d.listeners) {
    digest.add(listener.name);
    digest.add(listener.accepting);
  }
  for (const auto& pool : d.pools) {
    digest.add(pool.name);
    digest.add(std::uint64_t{pool.servers});
    digest.add(std::uint64_t{pool.up});
    digest.add(pool.down);
  }
}

void add_cluster(Digest& digest, const ClusterStatus& c) {
  digest.add(c.quorate);
  digest.add(c.ring);
  digest.add(std::uint64_t{c.votes});
  digest.add(c.tie_break);
  digest.add(c.qdevice);
  digest.add(c.frozen);
  digest.add(c.problem);
  for (const auto& node : c.nodes) {
    digest.add(node.name);
    digest.add(node.online);
    digest.add(node.standby);
    digest.add(node.version);
    digest.add(node.config_match);
    for (const auto& link : node.links) digest.add(link.up);
    digest.add(std::uint64_t{node.links.size()});
    digest.add(node.digest.has_value());
    if (node.digest) add_node_digest(digest, *node.digest);
  }
}

void add_vip(Digest& digest, const VipStatus& v) {
  digest.add(v.name);
  digest.add(v.address);
  digest.add(v.state);
  digest.add(v.holder.value_or(""));
  digest.add(v.holder.has_value());
  digest.add(v.held_here);
  digest.add(v.waits_for);
  digest.add(v.epoch);
  digest.add(v.enabled);
  digest.add(v.flapping);
  digest.add(v.drains_for_ms != 0);
  for (const auto& e : v.eligible) {
    digest.add(e.node);
    digest.add(e.ok);
    digest.add(e.reason);
  }
}

void add_server(Digest& digest, const ServerStatus& s) {
  digest.add(s.name);
  digest.add(s.address);
  digest.add(s.endpoint);
  digest.add(to_string(s.state));
  digest.add(std::uint64_t{s.weight});
  digest.add(s.backup);
  digest.add(s.added_at_run_time);
  digest.add(s.check.result);
  digest.add(s.check.detail);
}

/// Leases come and go like connections: they wait for the interval.
void add_dhcp(Digest& digest, const DhcpStatus& d) {
  digest.add(d.domain);
  digest.add(d.upstream);
  digest.add(to_string(d.dnsmasq.state));
  digest.add(d.dnsmasq.version);
  digest.add(d.dnsmasq.restarts);
  digest.add(d.dnsmasq.problem);
  digest.add(d.leases.problem);
  digest.add(std::uint64_t{d.networks.size()});
  for (const auto& network : d.networks) {
    digest.add(network.name);
    digest.add(network.cidr);
    digest.add(network.device);
    digest.add(network.router);
    digest.add(network.dns);
    digest.add(network.pool);
    digest.add(network.serving);
    digest.add(network.held_here);
    digest.add(network.holder.value_or(""));
    digest.add(network.holder.has_value());
    digest.add(to_string(network.sweep));
    digest.add(network.problem);
  }
}

}  // namespace

Result<WatchRequest> parse_watch_request(const ApiTarget& target) {
  WatchRequest out;
  if (const auto found = target.query.find("interval"); found != target.query.end()) {
    const auto interval = parse_duration(found->second);
    if (!interval) return Error{interval.error().code, "query interval: " + interval.error().context};
    if (*interval < kWatchIntervalMin || *interval > kWatchIntervalMax) {
      return Error{Errc::kInvalidArgument, "query interval: '" + found->second + "' is not within " + format_duration(kWatchIntervalMin) +
                                               " and " + format_duration(kWatchIntervalMax)};
    }
    out.interval = *interval;
  }
  if (const auto found = target.query.find("after"); found != target.query.end()) {
    const std::string& text = found->second;
    std::uint64_t value = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failed != std::errc() || end != text.data() + text.size())
      return Error{Errc::kInvalidArgument, "query after: '" + text + "' is not the sequence number of an event"};
    out.after = value;
  }
  return out;
}

std::uint64_t watch_digest(const NodeReport& r) {
  Digest digest;
  digest.add(r.node);
  digest.add(r.version);
  digest.add(r.ready);
  for (const auto& reason : r.ready_reasons) {
    digest.add(reason.what);
    digest.add(reason.ok);
  }
  digest.add(r.cluster.has_value());
  if (r.cluster) add_cluster(digest, *r.cluster);
  for (const auto& vip : r.vips) add_vip(digest, vip);
  for (const auto& listener : r.listeners) {
    digest.add(listener.name);
    digest.add(listener.bind);
    digest.add(listener.pool);
    digest.add(listener.accepting);
    digest.add(listener.problem);
  }
  for (const auto& pool : r.pools) {
    digest.add(pool.name);
    for (const auto& server : pool.servers) add_server(digest, server);
  }
  digest.add(r.config_hash);
  digest.add(r.config_reloads);
  digest.add(r.config_last_reload_ok);
  digest.add(r.dhcp.has_value());
  if (r.dhcp) add_dhcp(digest, *r.dhcp);
  return digest.value();
}

WatchPlan::WatchPlan(const WatchRequest& request, std::uint64_t oldest, std::uint64_t newest)
    : interval_(request.interval), after_(request.after.value_or(newest)) {
  const bool earlier_life = after_ > newest;
  if (after_ == 0 || earlier_life) after_ = oldest == 0 ? 0 : oldest - 1;
}

bool WatchPlan::status_due(const WatchNews& news, Instant now) const {
  if (!status_at_) return true;
  if (now + kWatchTick / 2 >= *status_at_ + interval_) return true;
  return news.digest != digest_ && now >= *status_at_ + kChangeGap;
}

WatchPlan::Send WatchPlan::next(const WatchNews& news, Instant now) {
  if (!greeted_) {
    greeted_ = true;
    return Send::kHello;
  }
  if (status_due(news, now) && !(event_turn_ && news.next_event)) {
    status_at_ = now;
    digest_ = news.digest;
    event_turn_ = true;
    return Send::kStatus;
  }
  if (!news.next_event) return Send::kNothing;
  FL_DASSERT(*news.next_event > after_);
  event_turn_ = false;
  if (*news.next_event > after_ + 1) {
    lost_ = *news.next_event - after_ - 1;
    after_ = *news.next_event - 1;
    return Send::kLost;
  }
  after_ = *news.next_event;
  return Send::kEvent;
}

bool FrameBudget::take(Instant now) {
  left_ = std::min(kFrameBurst, left_ + to_seconds(now - at_) * kFramesPerSecond);
  at_ = now;
  if (left_ < 1) return false;
  left_ -= 1;
  return true;
}

std::string encode_hello(const WatchHello& hello, const WatchPlan& plan) {
  const json::object caller{{"name", json_string(hello.caller)}, {"role", hello.role == ApiRole::kOperate ? "operator" : "viewer"}};
  return json_text(json::object{{"type", "hello"},
                                {"node", json_string(hello.node)},
                                {"version", json_string(hello.version)},
                                {"life", json_string(hello.life)},
                                {"caller", caller},
                                {"interval_ms", to_ms(plan.interval())},
                                {"after", plan.after()}});
}

std::string encode_status_frame(const NodeReport& report) { return R"({"type":"status","status":)" + encode_status(report) + "}"; }
std::string encode_event_frame(const EventInfo& event) { return R"({"type":"event","event":)" + encode_event(event) + "}"; }
std::string encode_lost(std::uint64_t events) { return json_text(json::object{{"type", "lost"}, {"events", events}}); }

}  // namespace fairlead::admin
