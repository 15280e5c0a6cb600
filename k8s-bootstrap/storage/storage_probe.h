// fairlead: pure
// The scripts that ask a machine about its bricks and mounts and about Gluster, and one machine about the pool; POSIX sh, nothing is
// changed. In the form of facts/probe.h: "@NAME" begins a section, "|TEXT" is a line of it, the last line is "@end". What the answers mean
// is decided by storage/parse_storage.h.
#pragma once

#include <string>
#include <vector>

#include "k8s-bootstrap/site/site.h"

namespace fairlead::bootstrap {

struct BrickQuestion {
  std::string name;
  std::string mount;
  std::string device;  ///< As the site names it; empty: found by `serial`.
  std::string serial;
  std::string group;                     ///< Empty: a file system of the operator's, no disk is looked at.
  std::vector<std::string> directories;  ///< Volumes: names of directories below the mount.
  bool operator==(const BrickQuestion&) const = default;
};
struct MountQuestion {
  std::string path;
  std::vector<std::string> directories;  ///< Names below it.
  bool operator==(const MountQuestion&) const = default;
};
struct StorageQuestions {
  bool gluster = false;  ///< Ask glusterd.
  std::vector<BrickQuestion> bricks;
  std::vector<MountQuestion> mounts;
  [[nodiscard]] bool empty() const { return !gluster && bricks.empty() && mounts.empty(); }
  bool operator==(const StorageQuestions&) const = default;
};
/// What the site makes one want to know of this machine.
[[nodiscard]] StorageQuestions storage_questions(const Site& site, const Machine& machine);
[[nodiscard]] std::string storage_probe_script(const StorageQuestions& questions);

/// State of volumes that takes a look at the whole pool, and its lock: asked of one machine at a time.
[[nodiscard]] std::string pool_probe_script(const std::vector<std::string>& volumes);

}  // namespace fairlead::bootstrap
