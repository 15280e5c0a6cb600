#include "dnsdhcp/lease_store.h"

#include <algorithm>
#include <cstdio>

#include "base/atomic_file.h"
#include "base/result.h"

namespace fairlead::dnsdhcp {
namespace {

constexpr std::size_t kAsideMax = 100;  ///< Lines.

std::string place_of(const Status& kept, std::string path) { return kept ? std::move(path) : "nowhere: " + kept.error().message(); }

}  // namespace

StoredLeases load_leases(const std::string& path, Instant now, std::int64_t wall_s) {
  StoredLeases out;
  const auto text = read_small_file(path, kLeaseFileBytesMax);
  if (!text) {
    const std::string aside = path + ".unreadable";
    const Status moved = std::rename(path.c_str(), aside.c_str()) == 0 ? Status{} : Status(errno_error("rename " + path));
    out.damage = {0, 0, text.error().message(), place_of(moved, aside)};
    return out;
  }
  if (!*text) return out;
  out.file = parse_lease_file(**text, now, wall_s);
  const auto& damaged = out.file->damaged;
  if (damaged.empty()) return out;
  std::string lines;
  for (std::size_t i = 0; i < std::min(damaged.size(), kAsideMax); ++i) lines += damaged[i].text + "\n";
  const std::string aside = path + ".damaged";
  out.damage = {damaged.size(), damaged.front().number, damaged.front().reason, place_of(write_file_atomically(aside, lines), aside)};
  return out;
}

}  // namespace fairlead::dnsdhcp
