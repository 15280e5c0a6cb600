#include "cli/dhcp_verbs.h"

#include <algorithm>
#include <fmt/format.h>
#include <ostream>

#include "admin/api_routes.h"
#include "admin/node_port.h"
#include "base/mac_address.h"
#include "cli/watch_verb.h"

namespace fairlead::cli {
namespace {

constexpr Duration kAnswerWithin = std::chrono::seconds(2);
constexpr std::uint16_t kDnsPort = 53;

IpAddress address_of(const std::string& text, const char* what) {
  const auto address = parse_ip_address(text);
  if (!address) fail(kExitUsage, std::string(what) + ": " + address.error().context);
  return *address;
}

std::string leases_target(const LeasesRequest& request) {
  if (!request.mac.empty()) {
    if (const auto mac = parse_mac_address(request.mac); !mac) fail(kExitUsage, "--mac: " + mac.error().context);
  }
  if (!request.address.empty()) (void)address_of(request.address, "--address");
  std::string target = "/api/v1/dhcp/leases?limit=" + std::to_string(request.limit);
  const auto add = [&](const char* key, const std::string& value) {
    if (!value.empty()) target += std::string("&") + key + "=" + admin::percent_encode(value);
  };
  add("network", request.network);
  add("mac", request.mac);
  add("name", request.name);
  add("address", request.address);
  if (request.released) add("released", "true");
  return target;
}

/// The time that is left goes down all the time; that there is none any more is news.
std::string settled_leases(const std::string& document) {
  auto leases = decoded(admin::decode_leases(document));
  for (auto& lease : leases) lease.seconds_left = lease.seconds_left > 0 ? 1 : 0;
  return admin::encode_leases(leases, 0);
}

Endpoint server_of(const std::string& text) {
  if (const auto address = parse_ip_address(text)) return {*address, kDnsPort};
  const auto endpoint = parse_endpoint(text);
  if (!endpoint || endpoint->port == 0)
    fail(kExitUsage, "--at: '" + text + "' is neither an address nor ADDRESS:PORT; `dns resolve` takes no names of servers");
  return *endpoint;
}

DnsType type_of(const ResolveRequest& request, bool is_address) {
  std::string type = request.type;
  std::transform(type.begin(), type.end(), type.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  if (type.empty()) return is_address ? DnsType::kPtr : DnsType::kA;
  if (is_address && type != "PTR") fail(kExitUsage, "'" + request.name + "' is an address: its name is asked for with --type PTR");
  return type == "PTR" ? DnsType::kPtr : type == "AAAA" ? DnsType::kAaaa : DnsType::kA;
}

/// What is asked. A name without a dot is one of the site; one with a dot at the end is whole.
DnsQuestion question_of(const ResolveRequest& request, const std::string& domain) {
  const auto address = parse_ip_address(request.name);
  DnsQuestion out{.name = request.name, .type = type_of(request, bool{address})};
  if (address) {
    out.name = reverse_name(*address);
  } else if (out.name.size() > 1 && out.name.ends_with('.')) {
    out.name.pop_back();
  } else if (out.type != DnsType::kPtr && out.name.find('.') == std::string::npos && !domain.empty()) {
    out.name += "." + domain;
  }
  if (const auto query = build_query(out, 0); !query) fail(kExitUsage, query.error().message());
  return out;
}

void judge(const DnsQuestion& question, const std::vector<ServerAnswer>& answers) {
  const auto with = [&](auto is) { return std::count_if(answers.begin(), answers.end(), [&](const auto& a) { return is(a.answer); }); };
  const auto all = static_cast<std::ptrdiff_t>(answers.size());
  const auto found = with([](const DnsAnswer& a) { return a.result == DnsResult::kAnswer; });
  const auto none = with([](const DnsAnswer& a) { return a.result == DnsResult::kNoName || a.result == DnsResult::kNoData; });
  if (found == all) {
    const bool same =
        std::all_of(answers.begin(), answers.end(), [&](const auto& a) { return a.answer.records == answers.front().answer.records; });
    if (!same) fail(kExitFailed, "the servers do not agree about " + question.name);
    return;
  }
  if (none == all) fail(kExitFailed, fmt::format("no server knows a record {} of {}", to_string(question.type), question.name));
  if (found + none < all) fail(kExitFailed, fmt::format("{} of {} servers did not answer", all - found - none, all));
  fail(kExitFailed, fmt::format("{} of {} servers know no record {} of {}", none, all, to_string(question.type), question.name));
}

}  // namespace

void DhcpVerbs::list_leases(const LeasesRequest& request) {
  const std::string target = leases_target(request);
  if (request.watch) {
    const bool color = environment_.color;
    return watch(calls_,
                 {.target = target,
                  .text = [color](const std::string& document) { return leases_text(decoded(admin::decode_leases(document)), color); },
                  .settled = settled_leases});
  }
  const std::string document = calls_.fetch(target);
  if (calls_.print_document(document)) return;
  const auto leases = decoded(admin::decode_leases(document));
  environment_.out << leases_text(leases, environment_.color);
  if (leases.size() >= request.limit) environment_.err << "the list is cut at " << request.limit << ": narrow it down or raise --limit\n";
}

void DhcpVerbs::list_reservations(const std::string& network) {
  const std::string document =
      calls_.fetch("/api/v1/dhcp/reservations" + (network.empty() ? std::string() : "?network=" + admin::percent_encode(network)));
  if (calls_.print_document(document)) return;
  environment_.out << reservations_text(decoded(admin::decode_reservations(document)), environment_.color);
}

void DhcpVerbs::release(const std::string& address) {
  const IpAddress parsed = address_of(address, "ADDRESS");
  calls_.confirm("End the lease of " + parsed.to_string() + "? Its client is not told; the address may be given to another machine.");
  calls_.execute(admin::ReleaseLease{parsed, calls_.options().force});
}

void DhcpVerbs::dns_status() {
  if (calls_.print_document(calls_.fetch("/api/v1/dns"))) return;
  const auto report = calls_.report();
  if (!report.dhcp) fail(kExitFailed, "the daemon has just left its dnsdhcp off; ask again");
  environment_.out << dns_text(*report.dhcp, environment_.color);
}

void DhcpVerbs::resolve(const ResolveRequest& request) {
  std::vector<ServerAnswer> answers;
  std::vector<Endpoint> servers;
  std::string domain;
  for (const std::string& text : request.at) {
    servers.push_back(server_of(text));
    answers.push_back({{.network = {}, .address = text, .holder = {}}, {}});
  }
  if (request.at.empty()) {
    const auto site = decoded(admin::decode_dns(calls_.fetch("/api/v1/dns")));
    domain = site.domain;
    for (const admin::DnsServer& server : site.servers) {
      servers.push_back({decoded(parse_ip_address(server.address)), kDnsPort});
      answers.push_back({server, {}});
    }
    if (servers.empty()) fail(kExitFailed, "no network of the configuration has a `dns` address; ask a server with --at ADDRESS");
  }
  const DnsQuestion question = question_of(request, domain);
  const auto said = environment_.ask_dns(servers, question, kAnswerWithin);
  for (std::size_t i = 0; i < answers.size(); ++i) answers[i].answer = said.at(i);
  if (!calls_.print_document(answers_json(question, answers))) environment_.out << answers_text(question, answers, environment_.color);
  judge(question, answers);
}

}  // namespace fairlead::cli
