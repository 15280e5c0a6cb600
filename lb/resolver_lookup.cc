#include "lb/resolver_lookup.h"

#include <algorithm>
#include <arpa/nameser.h>
#include <array>
#include <cstring>
#include <memory>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <tuple>
#include <vector>

#include "base/result.h"
#include "base/sockaddr.h"

namespace fairlead::lb {
namespace {

ResolveAnswer answer_of_gai(int code, const std::string& host) {
  const std::string text = host + ": " + (code == EAI_SYSTEM ? errno_error("").message() : ::gai_strerror(code));
  const bool authoritative = code == EAI_NONAME || code == EAI_NODATA || code == EAI_ADDRFAMILY;
  return {.outcome = authoritative ? ResolveOutcome::kNotFound : ResolveOutcome::kFailed, .error = text};
}

ResolveAnswer lookup_host(const ResolveQuestion& question) {
  addrinfo hints{};
  hints.ai_family = !question.family ? AF_UNSPEC : *question.family == IpAddress::Family::kV4 ? AF_INET : AF_INET6;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int code = ::getaddrinfo(question.host.c_str(), nullptr, &hints, &found);
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, ::freeaddrinfo);
  if (code != 0) return answer_of_gai(code, question.host);
  ResolveAnswer out{.outcome = ResolveOutcome::kFound};
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    if (at->ai_family != AF_INET && at->ai_family != AF_INET6) continue;
    const Endpoint endpoint{to_endpoint(at->ai_addr).address, question.port};
    if (std::find(out.endpoints.begin(), out.endpoints.end(), endpoint) == out.endpoints.end()) out.endpoints.push_back(endpoint);
  }
  if (out.endpoints.empty()) return {.outcome = ResolveOutcome::kNotFound, .error = question.host + ": no address"};
  return out;
}

struct SrvRecord {
  unsigned priority = 0;
  unsigned weight = 0;
  std::uint16_t port = 0;
  std::string target;
};

/// The records of an answer; a record that does not hold together is left out.
std::vector<SrvRecord> parse_srv(const unsigned char* bytes, int size) {
  std::vector<SrvRecord> out;
  ns_msg message;
  if (ns_initparse(bytes, size, &message) != 0) return out;
  const int count = ns_msg_count(message, ns_s_an);
  for (int i = 0; i < count; ++i) {
    ns_rr record;
    if (ns_parserr(&message, ns_s_an, i, &record) != 0) break;
    if (ns_rr_type(record) != ns_t_srv || ns_rr_rdlen(record) < 7) continue;
    const unsigned char* data = ns_rr_rdata(record);
    std::array<char, NS_MAXDNAME> target{};
    if (ns_name_uncompress(ns_msg_base(message), ns_msg_end(message), data + 6, target.data(), target.size()) < 0) continue;
    const std::string name = target.data();
    if (name.empty() || name == ".") continue;  // RFC 2782: the service is decidedly not available here.
    out.push_back(
        {.priority = ns_get16(data), .weight = ns_get16(data + 2), .port = static_cast<std::uint16_t>(ns_get16(data + 4)), .target = name});
  }
  return out;
}

ResolveAnswer lookup_srv(const ResolveQuestion& question) {
  struct __res_state state {};
  if (::res_ninit(&state) != 0) return {.error = question.host + ": resolv.conf cannot be used"};
  if (question.name_server) {
    const SocketAddress address = to_sockaddr(*question.name_server);
    std::memcpy(&state.nsaddr_list[0], address.get(), sizeof state.nsaddr_list[0]);
    state.nscount = 1;
    state.retry = 1;
    state.retrans = 1;
  }
  std::array<unsigned char, 8192> bytes{};
  const int size = ::res_nquery(&state, question.host.c_str(), ns_c_in, ns_t_srv, bytes.data(), static_cast<int>(bytes.size()));
  const int reason = state.res_h_errno;
  ::res_nclose(&state);
  if (size < 0) {
    const bool authoritative = reason == HOST_NOT_FOUND || reason == NO_DATA;
    return {.outcome = authoritative ? ResolveOutcome::kNotFound : ResolveOutcome::kFailed,
            .error = question.host + ": SRV: " + ::hstrerror(reason)};
  }
  std::vector<SrvRecord> records = parse_srv(bytes.data(), std::min(size, static_cast<int>(bytes.size())));
  if (records.empty()) return {.outcome = ResolveOutcome::kNotFound, .error = question.host + ": no SRV record"};
  // Heaviest first instead of RFC 2782's lot: every gateway shall choose alike.
  std::sort(records.begin(), records.end(), [](const SrvRecord& a, const SrvRecord& b) {
    return std::tuple(a.priority, b.weight, a.target, a.port) < std::tuple(b.priority, a.weight, b.target, b.port);
  });
  ResolveAnswer out{.outcome = ResolveOutcome::kFailed};
  bool all_gone = true;
  for (const SrvRecord& record : records) {
    if (record.priority != records.front().priority && !out.endpoints.empty()) break;
    ResolveAnswer one = lookup_host({.host = record.target, .port = record.port, .family = question.family, .name_server = {}});
    out.endpoints.insert(out.endpoints.end(), one.endpoints.begin(), one.endpoints.end());
    all_gone = all_gone && one.outcome == ResolveOutcome::kNotFound;
    if (!one.error.empty()) out.error = question.host + ": " + one.error;
  }
  if (!out.endpoints.empty()) return {.outcome = ResolveOutcome::kFound, .endpoints = std::move(out.endpoints)};
  out.outcome = all_gone ? ResolveOutcome::kNotFound : ResolveOutcome::kFailed;
  return out;
}

}  // namespace

ResolveAnswer lookup(const ResolveQuestion& question) {
  if (const auto address = parse_ip_address(question.host))
    return {.outcome = ResolveOutcome::kFound, .endpoints = {{*address, question.port}}};
  return is_srv_name(question.host) ? lookup_srv(question) : lookup_host(question);
}

}  // namespace fairlead::lb
