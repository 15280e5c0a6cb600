// fairlead: pure
// What the scripts of storage/storage_probe.h printed -> facts. The text comes from another machine: what is missing or odd in it leaves
// its fact unknown, and a line in `unread` says so.
//
//   PS1  An answer without its last line is none: it was cut, and what is missing in it would look absent.
//   PS2  A disk has no data only if blkid found no signature (exit code 2), no partition is on it, nothing is made of it, and its first MiB
//        is zero; each of these was told.
//   PS3  A list of Gluster's that could not be read is absent, never empty.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "k8s-bootstrap/storage/storage_facts.h"
#include "k8s-bootstrap/storage/storage_probe.h"

namespace fairlead::bootstrap {

struct StorageAnswer {
  StorageFacts facts;
  std::vector<std::string> unread;
};
/// Errors: kUnavailable (PS1).
[[nodiscard]] Result<StorageAnswer> parse_storage(std::string_view text, const StorageQuestions& questions);
/// Errors: kUnavailable (PS1). What one command could not tell is absent in its volume, and stands in `unread`.
[[nodiscard]] Result<PoolFacts> parse_pool(std::string_view text, std::string_view from, const std::vector<std::string>& volumes);

}  // namespace fairlead::bootstrap
