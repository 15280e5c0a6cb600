// One DNS question to several servers at once, each over UDP (RFC 1035). The C library writes the query and takes the answer apart; sockets
// and times are ours, so that a server that is silent costs so long and no longer, and each is timed by itself.
//
// Blocks, at most for `timeout`. No retry but one: what is lost once on a LAN is asked again at half the time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip_address.h"
#include "base/result.h"
#include "base/time.h"

namespace fairlead::cli {

enum class DnsType : std::uint8_t { kA, kAaaa, kPtr };

struct DnsQuestion {
  std::string name;  ///< PTR: as "11.1.168.192.in-addr.arpa".
  DnsType type = DnsType::kA;
};

enum class DnsResult : std::uint8_t {
  kAnswer,
  kNoData,       ///< The name is there, without such a record.
  kNoName,       ///< NXDOMAIN
  kFailed,       ///< SERVFAIL, REFUSED and the like: `detail`.
  kTimeout,      ///< Nothing came in time.
  kUnreachable,  ///< The kernel could not send, or an ICMP error came: `detail`.
  kMalformed,    ///< What came is no answer to the question.
};

struct DnsAnswer {
  DnsResult result = DnsResult::kTimeout;
  std::vector<std::string> records;  ///< Addresses or names, sorted.
  std::string detail;                ///< In words; empty for the first three.
  double took_ms = 0;                ///< Since the question went; of what never came: how long was waited.
};

[[nodiscard]] std::string_view to_string(DnsType type);
/// "answer", "nodata", "nxdomain", "failed", "timeout", "unreachable", "malformed"
[[nodiscard]] std::string_view to_string(DnsResult result);

/// "192.168.1.11" -> "11.1.168.192.in-addr.arpa"; likewise ip6.arpa.
[[nodiscard]] std::string reverse_name(const IpAddress& address);

/// The query as bytes. Errors: kInvalidArgument (a name that cannot be one).
[[nodiscard]] Result<std::vector<unsigned char>> build_query(const DnsQuestion& question, std::uint16_t id);
/// What `bytes` say to the query. nullopt: they are another's answer, go on waiting.
[[nodiscard]] std::optional<DnsAnswer> parse_answer(const std::vector<unsigned char>& bytes, const DnsQuestion& question, std::uint16_t id);

/// One answer a server, in their order. Errors are in the answers.
[[nodiscard]] std::vector<DnsAnswer> ask_dns(const std::vector<Endpoint>& servers, const DnsQuestion& question, Duration timeout);

}  // namespace fairlead::cli
