// fairlead: pure
#include "cli/dhcp_text.h"

#include <algorithm>
#include <boost/json.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <tuple>

#include "admin/json_parts.h"
#include "admin/json_text.h"
#include "cli/text_table.h"

namespace fairlead::cli {
namespace {

using admin::DnsmasqState;

constexpr std::uint64_t kNearlyFullPercent = 90;  ///< As FairleadDhcpPoolNearlyFull.

Cell holder_cell(const std::optional<std::string>& holder) { return holder ? Cell{*holder} : Cell{"nowhere", Tone::kBad}; }

/// "93 of 100 (93 %)"
Cell pool_cell(const admin::DhcpNetworkStatus& n) {
  if (n.pool_size == 0) return {"-", Tone::kDim};
  const std::uint64_t percent = n.pool_leased * 100 / n.pool_size;
  return {fmt::format("{} of {} ({} %)", n.pool_leased, n.pool_size, percent), percent > kNearlyFullPercent ? Tone::kWarn : Tone::kPlain};
}

Cell serving_cell(const admin::DhcpNetworkStatus& n) {
  if (n.serving) return {"here", Tone::kGood};
  if (n.held_here) return {n.sweep == admin::SweepState::kRunning ? "soon (sweep)" : "not yet", Tone::kWarn};
  return {"-", Tone::kDim};
}

std::string dnsmasq_line(const admin::DnsmasqStatus& d, bool color) {
  const Tone tone = d.state == DnsmasqState::kReady ? Tone::kGood : d.state == DnsmasqState::kFailed ? Tone::kBad : Tone::kWarn;
  std::string out = fmt::format("dnsmasq   {} for {}", paint(admin::to_string(d.state), tone, color), age_text(d.since_s));
  if (!d.version.empty()) out += ", version " + d.version;
  if (d.pid != 0) out += fmt::format(", pid {}", d.pid);
  if (d.restarts != 0) out += fmt::format(", {} restart{}", d.restarts, d.restarts == 1 ? "" : "s");
  out += "\n";
  if (!d.problem.empty()) out += "          " + paint(d.problem, Tone::kBad, color) + "\n";
  return out;
}

std::string book_line(const admin::LeaseBookStatus& b, bool color) {
  std::string out =
      fmt::format("leases    {} held, {} released; {} told to other nodes, {} by them", b.held, b.released, b.sent, b.received);
  if (b.synchronised_s) out += ", the same as theirs " + age_text(*b.synchronised_s) + " ago";
  if (b.conflicts != 0) out += ", " + paint(fmt::format("{} conflicts", b.conflicts), Tone::kWarn, color);
  if (b.damaged_lines != 0) out += ", " + paint(fmt::format("{} damaged lines set aside", b.damaged_lines), Tone::kWarn, color);
  out += "\n";
  if (!b.problem.empty()) out += "          " + paint(b.problem, Tone::kBad, color) + "\n";
  return out;
}

Cell lease_state(const admin::LeaseInfo& l) {
  const bool held = l.state == admin::LeaseRecordState::kHeld;
  return {std::string(admin::to_string(l.state)), held ? Tone::kGood : Tone::kDim};
}

Cell text_or_dash(const std::string& text) { return text.empty() ? Cell{"-", Tone::kDim} : Cell{text}; }

Cell answer_cell(const DnsAnswer& answer) {
  switch (answer.result) {
    case DnsResult::kAnswer: return {fmt::format("{}", fmt::join(answer.records, ", ")), Tone::kGood};
    case DnsResult::kNoData: return {"no record of this type", Tone::kWarn};
    case DnsResult::kNoName: return {"no such name", Tone::kWarn};
    default: return {answer.detail, Tone::kBad};
  }
}

}  // namespace

std::string dhcp_text(const admin::DhcpStatus& d, bool color) {
  std::string out = dnsmasq_line(d.dnsmasq, color) + book_line(d.leases, color);
  if (d.networks.empty()) return out + "no networks\n";
  TextTable table({"NETWORK", "CIDR", "DEVICE", "HOLDER", "SERVED", ">LEASES", "POOL IN USE", ">RESERVED", "NOTE"});
  for (const auto& n : d.networks) {
    std::string note = n.problem;
    if (n.adopted != 0) note += fmt::format("{}{} found in use", note.empty() ? "" : ", ", n.adopted);
    table.row({{n.name},
               {n.cidr},
               text_or_dash(n.device),
               holder_cell(n.holder),
               serving_cell(n),
               {std::to_string(n.leases_held)},
               pool_cell(n),
               {std::to_string(n.reservations)},
               {note, n.problem.empty() ? Tone::kPlain : Tone::kBad}});
  }
  return out + table.text(color);
}

std::string dns_text(const admin::DhcpStatus& d, bool color) {
  std::string out = dnsmasq_line(d.dnsmasq, color);
  out += fmt::format("domain    {}\n", d.domain.empty() ? "-" : d.domain);
  out += fmt::format("upstream  {}\n",
                     d.upstream.empty() ? "none: names outside the site are not resolved" : fmt::format("{}", fmt::join(d.upstream, ", ")));
  if (d.counters) {
    const auto& c = *d.counters;
    out += fmt::format("queries   {} answered here, {} forwarded, {} of them without an answer\n", c.local + c.authoritative + c.stale,
                       c.forwarded, c.unanswered);
    out += fmt::format("cache     {} put in, {} thrown out early", c.cache_insertions, c.cache_evictions);
    out += d.cache_size ? fmt::format(", room for {}\n", *d.cache_size) : "\n";
  }
  TextTable table({"NETWORK", "DNS", "HOLDER", "HERE"});
  for (const auto& n : d.networks) {
    if (n.dns.empty()) continue;
    table.row({{n.name}, {n.dns}, holder_cell(n.holder), n.held_here ? Cell{"yes", Tone::kGood} : Cell{"no", Tone::kDim}});
  }
  return out + (table.empty() ? "no network has a dns address\n" : table.text(color));
}

std::string leases_text(std::vector<admin::LeaseInfo> leases, bool color) {
  if (leases.empty()) return "no leases\n";
  std::sort(leases.begin(), leases.end(),
            [](const auto& a, const auto& b) { return std::tie(a.network, a.address) < std::tie(b.network, b.address); });
  TextTable table({"ADDRESS", "MAC", "NAME", "NETWORK", "STATE", ">LEFT", "GIVEN BY", "NOTE"});
  for (const auto& l : leases) {
    const bool held = l.state == admin::LeaseRecordState::kHeld;
    table.row({{l.address.to_string()},
               text_or_dash(l.mac),
               text_or_dash(l.name),
               {l.network},
               lease_state(l),
               held ? Cell{age_text(l.seconds_left)} : Cell{"-", Tone::kDim},
               text_or_dash(l.holder),
               {l.reserved ? "reserved" : ""}});
  }
  return table.text(color);
}

std::string reservations_text(const std::vector<admin::Reservation>& reservations, bool color) {
  if (reservations.empty()) return "no reservations\n";
  TextTable table({"NAME", "ADDRESS", "MAC", "NETWORK", "ALIASES"});
  for (const auto& r : reservations)
    table.row({{r.name}, {r.address.to_string()}, {r.mac}, {r.network}, text_or_dash(fmt::format("{}", fmt::join(r.aliases, ", ")))});
  return table.text(color);
}

std::string answers_text(const DnsQuestion& question, const std::vector<ServerAnswer>& answers, bool color) {
  std::string out = fmt::format("{} {}\n", paint(question.name, Tone::kStrong, color), to_string(question.type));
  TextTable table({"NETWORK", "SERVER", "HOLDER", "ANSWER", ">MS"});
  for (const auto& [server, answer] : answers) {
    const bool answered = answer.result != DnsResult::kTimeout && answer.result != DnsResult::kUnreachable;
    table.row({text_or_dash(server.network),
               {server.address},
               server.network.empty() ? Cell{"-", Tone::kDim} : holder_cell(server.holder),
               answer_cell(answer),
               {answered ? fmt::format("{:.1f}", answer.took_ms) : "-"}});
  }
  return out + table.text(color);
}

std::string answers_json(const DnsQuestion& question, const std::vector<ServerAnswer>& answers) {
  namespace json = boost::json;
  json::array list;
  for (const auto& [server, answer] : answers) {
    list.push_back(json::object{{"network", admin::json_string(server.network)},
                                {"server", admin::json_string(server.address)},
                                {"holder", server.holder ? json::value(admin::json_string(*server.holder)) : json::value(nullptr)},
                                {"result", admin::json_string(to_string(answer.result))},
                                {"detail", admin::json_string(answer.detail)},
                                {"records", admin::texts(answer.records)},
                                {"ms", admin::rounded(answer.took_ms)}});
  }
  return admin::json_text(json::object{
      {"name", admin::json_string(question.name)}, {"type", admin::json_string(to_string(question.type))}, {"answers", std::move(list)}});
}

}  // namespace fairlead::cli
