// The lease file of a daemon that starts: read, and what of it cannot be used set aside, as the next save replaces the file.
// Threading: waits for the disk; belongs to a start, or to the jobs thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/time.h"
#include "dnsdhcp/lease_file.h"

namespace fairlead::dnsdhcp {

/// For LEASE_FILE_DAMAGED.
struct LeaseDamage {
  std::size_t lines = 0;  ///< 0: the file as a whole could not be read.
  std::size_t first = 0;  ///< From 1.
  std::string reason;     ///< Of the first.
  std::string aside;      ///< Where it is now; "nowhere: ..." with the reason.
};

struct StoredLeases {
  std::optional<LeaseFile> file;  ///< Absent: there was none, or none that could be read.
  std::optional<LeaseDamage> damage;
};

/// Damaged lines go to PATH.damaged, a file that cannot be read is moved to PATH.unreadable; what lay there is replaced.
/// `now`, `wall_s`: as of parse_lease_file.
[[nodiscard]] StoredLeases load_leases(const std::string& path, Instant now, std::int64_t wall_s);

}  // namespace fairlead::dnsdhcp
