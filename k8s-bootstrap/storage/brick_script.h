// fairlead: pure
// The script that makes a brick's file system of a whole disk, and mounts it. It begins where it was interrupted, since each part looks
// whether its effect is there; and it looks at the disk once more before the first thing that it writes.
//
//   BS1  Before the first write the disk has the serial of the site (where that says one), at least its size, nothing made of it and no
//        data, unless `wipe` is said and the serial is the same.
//   BS2  mkfs.xfs runs without -f: it refuses a volume that has anything.
#pragma once

#include <string>

#include "k8s-bootstrap/site/site.h"

namespace fairlead::bootstrap {

inline constexpr std::uint64_t kBrickBytesMin = 1ULL << 30U;

/// `disk`: as it was found ("/dev/sdb"). `may_wipe`: it has data that goes.
[[nodiscard]] std::string brick_script(const Brick& brick, const BrickLayout& layout, const std::string& disk, bool may_wipe);

}  // namespace fairlead::bootstrap
