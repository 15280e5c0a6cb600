// fairlead: pure
// What was read of Gluster and of disks: by one machine about itself (StorageFacts), and of the pool by one of its machines (PoolFacts).
// A part that could not be read is absent (std::nullopt, Known::kUnknown), which never means that there is nothing.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "k8s-bootstrap/facts/known.h"

namespace fairlead::bootstrap {

struct GlusterPeer {
  std::string uuid;
  std::vector<std::string> names;  ///< The first is the one it was probed by.
  bool connected = false;
  int state = 0;           ///< 3: in the cluster.
  std::string state_text;  ///< "Peer in Cluster", "Peer Rejected"
  bool operator==(const GlusterPeer&) const = default;
};
inline constexpr int kPeerInCluster = 3;

struct GlusterBrick {
  std::string name;  ///< "stor-1.kube.demo:/srv/bricks/brick-1/pods"
  std::string host_uuid;
  bool arbiter = false;
  bool operator==(const GlusterBrick&) const = default;
};
struct GlusterVolumeInfo {
  enum class Status : std::uint8_t { kCreated, kStarted, kStopped };
  std::string name;
  std::string id;
  Status status = Status::kCreated;
  std::uint32_t replica = 0;
  std::uint32_t arbiter = 0;
  std::vector<GlusterBrick> bricks;
  std::map<std::string, std::string> options;  ///< Those that were set.
  bool operator==(const GlusterVolumeInfo&) const = default;
};

/// A process of a volume: a brick, or a daemon of a machine ("Self-heal Daemon").
struct GlusterProcess {
  std::string host;
  std::string path;  ///< A daemon's: the machine.
  bool online = false;
  std::uint64_t size_bytes = 0;  ///< Of the brick's file system; 0: not told.
  std::uint64_t free_bytes = 0;
  bool operator==(const GlusterProcess&) const = default;
};
struct GlusterHeal {
  std::string brick;
  bool connected = false;
  std::optional<std::uint64_t> pending;  ///< Entries to be healed; absent: the brick did not say.
  std::optional<std::uint64_t> split_brain;
  bool operator==(const GlusterHeal&) const = default;
};
struct GlusterQuota {
  std::string path;  ///< Within the volume: "/shared"
  std::uint64_t limit_bytes = 0;
  std::optional<std::uint64_t> used_bytes;  ///< Absent: not told yet.
  bool operator==(const GlusterQuota&) const = default;
};
struct GlusterQuotas {
  bool enabled = false;
  std::vector<GlusterQuota> limits;
  bool operator==(const GlusterQuotas&) const = default;
};
struct GlusterRebalance {
  std::string status;  ///< "in progress", "completed", "failed", "not started"
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  std::uint64_t failures = 0;
  std::uint64_t skipped = 0;
  bool operator==(const GlusterRebalance&) const = default;
};

/// What is on a disk or a file system of a brick.
struct BrickFact {
  // ---- the file system, where it is to be ----
  Known mounted = Known::kUnknown;
  std::string source;  ///< "/dev/mapper/fl--brick--1-brick"
  std::string filesystem;
  std::uint64_t size_bytes = 0;
  // ---- its disk; not looked at for a file system of the operator's ----
  Known disk_there = Known::kUnknown;
  std::string disk;  ///< "/dev/sdb", however the site names it.
  std::string disk_serial;
  std::uint64_t disk_bytes = 0;
  Known disk_in_use = Known::kUnknown;       ///< Mounted, swapped on, or something is made of it.
  Known disk_has_data = Known::kUnknown;     ///< A signature, partitions, or bytes at its beginning.
  std::string disk_data;                     ///< "ext4", "gpt partition table", ...
  std::string disk_group;                    ///< The LVM volume group that it belongs to.
  Known volume_there = Known::kUnknown;      ///< The logical volume of the brick, in the group of its name.
  Known filesystem_there = Known::kUnknown;  ///< On that.
  std::optional<double> pool_data_percent;
  std::optional<double> pool_metadata_percent;
  // ---- directories of volumes below the mount ----
  /// Volume -> its id as the directory bears it (without dashes), "" for none. Absent: there is no such directory, or it was not read.
  std::map<std::string, std::string> directories;
  std::set<std::string> served;  ///< Of those: a brick's process was at work there (it bears the root's gfid).
  std::set<std::string> filled;  ///< Of those: something is in it besides what Gluster makes.
  Known directories_known = Known::kUnknown;
  bool operator==(const BrickFact&) const = default;
};
struct MountFact {
  Known mounted = Known::kUnknown;
  std::string source;  ///< "stor-1.kube.demo:/pods"
  std::string filesystem;
  Known answers = Known::kUnknown;   ///< A look at it came back within some seconds.
  std::vector<std::string> missing;  ///< Directories that were asked for and are not in it.
  bool operator==(const MountFact&) const = default;
};

struct StorageFacts {
  Known installed = Known::kUnknown;
  std::string version;                  ///< "10.3"
  Known running = Known::kUnknown;      ///< glusterd answers its own command.
  std::string silence;                  ///< What the command said instead.
  std::string uuid;                     ///< Empty: none was made yet, or it was not read.
  std::string op_version;               ///< "100000": what all of its pool understand; likewise.
  Known has_peers = Known::kUnknown;    ///< By the files of glusterd, whether it runs or not.
  Known has_volumes = Known::kUnknown;  ///< Likewise.
  std::optional<std::vector<GlusterPeer>> peers;
  std::optional<std::vector<GlusterVolumeInfo>> volumes;
  std::map<std::string, BrickFact> bricks;  ///< By name.
  std::map<std::string, MountFact> mounts;  ///< By path.
  bool operator==(const StorageFacts&) const = default;
};

/// What was asked once for the whole pool.
struct VolumeFacts {
  std::optional<std::vector<GlusterProcess>> processes;
  std::optional<std::vector<GlusterHeal>> heal;
  std::optional<GlusterQuotas> quotas;
  std::optional<GlusterRebalance> rebalance;
  bool operator==(const VolumeFacts&) const = default;
};
struct PoolFacts {
  std::string from;  ///< The machine that was asked.
  std::map<std::string, VolumeFacts> volumes;
  std::vector<std::string> unread;  ///< What could not be read, one line each.
  bool operator==(const PoolFacts&) const = default;
};

}  // namespace fairlead::bootstrap
