// fairlead: pure
#include "admin/dhcp_codec.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "admin/json_parts.h"
#include "admin/json_text.h"

namespace fairlead::admin {
namespace json = boost::json;
namespace {

constexpr std::array<std::string_view, 5> kDnsmasqStates{"stopped", "starting", "ready", "restarting", "failed"};
constexpr std::array<std::string_view, 3> kSweepStates{"none", "running", "done"};
constexpr std::array<std::string_view, 2> kLeaseStates{"held", "released"};

/// A word of a list under `key`; absent: as it was.
template <class State, std::size_t N>
void read_state(JsonFields& f, std::string_view key, const std::array<std::string_view, N>& words, State& out) {
  std::string word(words[static_cast<std::size_t>(out)]);
  f.get(key, word);
  const auto found = std::find(words.begin(), words.end(), word);
  if (found == words.end()) return f.fail(key, "'" + word + "' is no state that is known here");
  out = static_cast<State>(found - words.begin());
}

/// An address under `key`; absent: as it was.
void read_address(JsonFields& f, std::string_view key, IpAddress& out) {
  std::string text = out.to_string();
  f.get(key, text);
  const auto address = parse_ip_address(text);
  if (!address) return f.fail(key, address.error().context);
  out = *address;
}

json::value name_or_null(const std::optional<std::string>& name) { return name ? json::value(json_string(*name)) : json::value(nullptr); }

json::object dnsmasq_json(const DnsmasqStatus& d) {
  return {{"state", json_string(to_string(d.state))},
          {"pid", d.pid},
          {"version", json_string(d.version)},
          {"since_s", rounded(d.since_s)},
          {"restarts", d.restarts},
          {"problem", json_string(d.problem)}};
}

void read_dnsmasq(JsonFields& f, DnsmasqStatus& d) {
  read_state(f, "state", kDnsmasqStates, d.state);
  f.get("pid", d.pid);
  f.get("version", d.version);
  f.get("since_s", d.since_s);
  f.get("restarts", d.restarts);
  f.get("problem", d.problem);
}

json::object network_json(const DhcpNetworkStatus& n) {
  return {{"name", json_string(n.name)},
          {"cidr", json_string(n.cidr)},
          {"interface", json_string(n.interface)},
          {"device", json_string(n.device)},
          {"router", json_string(n.router)},
          {"dns", json_string(n.dns)},
          {"pool", texts(n.pool)},
          {"serving", n.serving},
          {"held_here", n.held_here},
          {"holder", name_or_null(n.holder)},
          {"pool_size", n.pool_size},
          {"pool_leased", n.pool_leased},
          {"leases_held", n.leases_held},
          {"leases_released", n.leases_released},
          {"reservations", n.reservations},
          {"sweep", json_string(to_string(n.sweep))},
          {"adopted", n.adopted},
          {"problem", json_string(n.problem)}};
}

void read_network(JsonFields& f, DhcpNetworkStatus& n) {
  f.get("name", n.name);
  f.get("cidr", n.cidr);
  f.get("interface", n.interface);
  f.get("device", n.device);
  f.get("router", n.router);
  f.get("dns", n.dns);
  f.get("pool", n.pool);
  f.get("serving", n.serving);
  f.get("held_here", n.held_here);
  f.get("holder", n.holder);
  f.get("pool_size", n.pool_size);
  f.get("pool_leased", n.pool_leased);
  f.get("leases_held", n.leases_held);
  f.get("leases_released", n.leases_released);
  f.get("reservations", n.reservations);
  read_state(f, "sweep", kSweepStates, n.sweep);
  f.get("adopted", n.adopted);
  f.get("problem", n.problem);
}

json::object book_json(const LeaseBookStatus& b) {
  return {{"held", b.held},
          {"released", b.released},
          {"conflicts", b.conflicts},
          {"damaged_lines", b.damaged_lines},
          {"sent", b.sent},
          {"received", b.received},
          {"synchronised_s", b.synchronised_s ? json::value(rounded(*b.synchronised_s)) : json::value(nullptr)},
          {"problem", json_string(b.problem)}};
}

void read_book(JsonFields& f, LeaseBookStatus& b) {
  f.get("held", b.held);
  f.get("released", b.released);
  f.get("conflicts", b.conflicts);
  f.get("damaged_lines", b.damaged_lines);
  f.get("sent", b.sent);
  f.get("received", b.received);
  if (f.has_value("synchronised_s")) f.get("synchronised_s", b.synchronised_s.emplace());
  f.get("problem", b.problem);
}

json::object queries_json(const DnsmasqCounters& c) {
  return {
      {"forwarded", c.forwarded}, {"local", c.local}, {"authoritative", c.authoritative}, {"stale", c.stale}, {"unanswered", c.unanswered}};
}

json::object cache_json(const DhcpStatus& d) {
  json::object out{{"size", or_null(d.cache_size)}};
  out["insertions"] = d.counters ? json::value(d.counters->cache_insertions) : json::value(nullptr);
  out["evictions"] = d.counters ? json::value(d.counters->cache_evictions) : json::value(nullptr);
  return out;
}

json::object messages_json(const DhcpMessages& messages) {
  json::object out;
  for (const auto& [kind, count] : by_kind(messages)) out[json_string(kind)] = count;
  return out;
}

void read_messages(JsonFields& f, DhcpMessages& m) {
  f.get("discover", m.discover);
  f.get("offer", m.offer);
  f.get("request", m.request);
  f.get("ack", m.ack);
  f.get("nak", m.nak);
  f.get("decline", m.decline);
  f.get("release", m.release);
  f.get("inform", m.inform);
  f.get("bootp", m.bootp);
  f.get("pxe", m.pxe);
}

void read_counters(JsonFields& f, DhcpStatus& d) {
  f.object("queries", [&](JsonFields& q) {
    DnsmasqCounters& c = d.counters.emplace();
    q.get("forwarded", c.forwarded);
    q.get("local", c.local);
    q.get("authoritative", c.authoritative);
    q.get("stale", c.stale);
    q.get("unanswered", c.unanswered);
  });
  f.object("cache", [&](JsonFields& c) {
    if (c.has_value("size")) c.get("size", d.cache_size.emplace());
    if (!d.counters) return;
    c.get("insertions", d.counters->cache_insertions);
    c.get("evictions", d.counters->cache_evictions);
  });
  if (d.counters) f.object("messages", [&](JsonFields& m) { read_messages(m, d.counters->messages); });
}

/// Those of DNS, which stand in both documents.
void add_dns(json::object& out, const DhcpStatus& d) {
  out["domain"] = json_string(d.domain);
  out["upstream"] = texts(d.upstream);
  out["dnsmasq"] = dnsmasq_json(d.dnsmasq);
  out["queries"] = d.counters ? json::value(queries_json(*d.counters)) : json::value(nullptr);
  out["cache"] = cache_json(d);
}

json::object lease_json(const LeaseInfo& l) {
  return {{"network", json_string(l.network)},
          {"address", json_string(l.address.to_string())},
          {"mac", json_string(l.mac)},
          {"client_id", json_string(l.client_id)},
          {"name", json_string(l.name)},
          {"seconds_left", l.seconds_left},
          {"state", json_string(to_string(l.state))},
          {"holder", json_string(l.holder)},
          {"epoch", l.epoch},
          {"sequence", l.sequence},
          {"reserved", l.reserved}};
}

void read_lease(JsonFields& f, LeaseInfo& l) {
  f.get("network", l.network);
  read_address(f, "address", l.address);
  f.get("mac", l.mac);
  f.get("client_id", l.client_id);
  f.get("name", l.name);
  f.get("seconds_left", l.seconds_left);
  read_state(f, "state", kLeaseStates, l.state);
  f.get("holder", l.holder);
  f.get("epoch", l.epoch);
  f.get("sequence", l.sequence);
  f.get("reserved", l.reserved);
}

json::object reservation_json(const Reservation& r) {
  return {{"name", json_string(r.name)},
          {"network", json_string(r.network)},
          {"mac", json_string(r.mac)},
          {"address", json_string(r.address.to_string())},
          {"aliases", texts(r.aliases)}};
}

void read_reservation(JsonFields& f, Reservation& r) {
  f.get("name", r.name);
  f.get("network", r.network);
  f.get("mac", r.mac);
  read_address(f, "address", r.address);
  f.get("aliases", r.aliases);
}

bool same_name(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

std::string_view to_string(DnsmasqState state) { return kDnsmasqStates[static_cast<std::size_t>(state)]; }
std::string_view to_string(SweepState state) { return kSweepStates[static_cast<std::size_t>(state)]; }
std::string_view to_string(LeaseRecordState state) { return kLeaseStates[static_cast<std::size_t>(state)]; }

std::vector<std::pair<std::string_view, std::uint64_t>> by_kind(const DhcpMessages& m) {
  return {{"discover", m.discover}, {"offer", m.offer},     {"request", m.request}, {"ack", m.ack},     {"nak", m.nak},
          {"decline", m.decline},   {"release", m.release}, {"inform", m.inform},   {"bootp", m.bootp}, {"pxe", m.pxe}};
}

json::value dhcp_json(const std::optional<DhcpStatus>& dhcp) {
  if (!dhcp) return nullptr;
  json::object out{{"group", json_string(dhcp->group)}};
  add_dns(out, *dhcp);
  out["networks"] = each(dhcp->networks, network_json);
  out["leases"] = book_json(dhcp->leases);
  out["messages"] = dhcp->counters ? json::value(messages_json(dhcp->counters->messages)) : json::value(nullptr);
  return out;
}

void read_dhcp(JsonFields& f, DhcpStatus& d) {
  f.get("group", d.group);
  f.get("domain", d.domain);
  f.get("upstream", d.upstream);
  f.object("dnsmasq", [&](JsonFields& m) { read_dnsmasq(m, d.dnsmasq); });
  f.list("networks", d.networks, read_network);
  f.object("leases", [&](JsonFields& b) { read_book(b, d.leases); });
  read_counters(f, d);
}

std::string encode_dns(const DhcpStatus& dhcp) {
  json::object out;
  add_dns(out, dhcp);
  json::array servers;
  for (const DhcpNetworkStatus& n : dhcp.networks) {
    if (n.dns.empty()) continue;
    servers.push_back(json::object{
        {"network", json_string(n.name)}, {"address", json_string(n.dns)}, {"holder", name_or_null(n.holder)}, {"held_here", n.held_here}});
  }
  out["servers"] = std::move(servers);
  return json_text(out);
}

std::string encode_leases(const std::vector<LeaseInfo>& leases, std::size_t limit) {
  return json_text(json::object{{"leases", each(leases, lease_json)}, {"limit", limit}});
}

std::string encode_reservations(const std::vector<Reservation>& reservations) {
  return json_text(json::object{{"reservations", each(reservations, reservation_json)}});
}

Result<DnsStatus> decode_dns(std::string_view document) {
  return read_document<DnsStatus>(document, [](JsonFields& f, DnsStatus& out) {
    f.get("domain", out.domain);
    f.list("servers", out.servers, [](JsonFields& s, DnsServer& server) {
      s.get("network", server.network);
      s.get("address", server.address);
      s.get("holder", server.holder);
    });
  });
}

Result<std::vector<LeaseInfo>> decode_leases(std::string_view document) {
  return read_document<std::vector<LeaseInfo>>(document, [](JsonFields& f, auto& out) { f.list("leases", out, read_lease); });
}

Result<std::vector<Reservation>> decode_reservations(std::string_view document) {
  return read_document<std::vector<Reservation>>(document, [](JsonFields& f, auto& out) { f.list("reservations", out, read_reservation); });
}

bool matches(const LeaseFilter& filter, const LeaseInfo& lease) {
  if (!filter.released && lease.state == LeaseRecordState::kReleased) return false;
  if (!filter.network.empty() && filter.network != lease.network) return false;
  if (filter.mac && filter.mac->to_string() != lease.mac) return false;
  if (filter.address && *filter.address != lease.address) return false;
  return filter.name.empty() || same_name(filter.name, lease.name);
}

std::vector<Reservation> reservations_of(const config::DnsDhcp& dnsdhcp, std::string_view network) {
  std::vector<Reservation> out;
  for (const config::DhcpHost& host : dnsdhcp.hosts) {
    if (!network.empty() && host.network != network) continue;
    out.push_back({.name = host.name, .network = host.network, .mac = host.mac, .address = host.address, .aliases = host.aliases});
  }
  return out;
}

}  // namespace fairlead::admin
