// fairlead: pure
// The lease book on disk: text, one line a lease.
//
//   fairlead-leases 2 written=1764207600 epoch=7 lines=1 fd909e58
//   192.168.1.100 mast 52:54:00:00:01:64 43200 held 7.12 2 6.40 0 01:52:54:00:00:01:64 laptop 7b81ccbb
//
//   address, network, MAC, seconds left when it was written, held|released, epoch.sequence, the node that gave it, freed epoch.sequence,
//   IAID ("T" before it: temporary), client id, name, CRC-32 of all before the blank. "*": none. Whatever is no plain character is %XX.
//   Version 1 has no checksums and no `lines`; it is read, too.
//
// A machine that was off does not know for how long. The one thing it has is the wall clock, which may be wrong, and it is used to age
// only: a lease's seconds left are lessened by the time that the clock says has passed since `written`, and by nothing when it says that
// less than no time has. So a clock that is behind makes leases last longer than they do, which costs addresses; one that is ahead ends
// them early, and the sweep before the first opening of the gate finds those that are in use. No other decision reads the wall clock, and a
// running gateway's own end of a lease, when it is later, replaces an aged one (LeaseBook, I2).
//
// A damaged line costs that line: the others are kept, and the damaged ones are returned to be set aside and told; so is that lines are
// missing at the end.
// Threading: a value without state; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/cluster_message.h"
#include "base/time.h"
#include "dnsdhcp/dhcp_lease.h"

namespace fairlead::dnsdhcp {

inline constexpr std::size_t kLeaseFileBytesMax = std::size_t{16} << 20;  ///< kRecordsMax lines of the longest kind.
inline constexpr std::size_t kLeaseLinesMax = 20'000;

struct DamagedLine {
  std::size_t number = 0;  ///< From 1.
  std::string text;
  std::string reason;
  bool operator==(const DamagedLine&) const = default;
};

struct LeaseFile {
  std::vector<Lease> leases;
  Epoch epoch = 0;
  std::vector<DamagedLine> damaged;
  std::size_t over = 0;  ///< Leases that ended meanwhile, by the wall clock.
};

/// `wall_s`: seconds since 1970 as the clock has it.
[[nodiscard]] std::string render_lease_file(const std::vector<Lease>& leases, Epoch epoch, Instant now, std::int64_t wall_s);
/// Any bytes; never fails. Without a good first line nothing is aged.
[[nodiscard]] LeaseFile parse_lease_file(std::string_view text, Instant now, std::int64_t wall_s);

}  // namespace fairlead::dnsdhcp
