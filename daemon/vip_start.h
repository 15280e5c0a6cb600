// What holding addresses needs before the daemon's first thread: the guard, a network without leftovers, interfaces that keep VIPs to
// themselves. Files and netlink, all of it allowed to wait: nothing runs yet.
#pragma once

#include <string>
#include <vector>

#include "base/cluster_message.h"
#include "base/result.h"
#include "config/settings.h"
#include "vip/guard_link.h"

namespace fairlead::daemon {

struct VipStart {
  vip::GuardChild guard;             ///< Not valid: it could not be started; the daemon tries again.
  std::vector<Override> wishes;      ///< Of an earlier life.
  std::vector<std::string> removed;  ///< Addresses an earlier life left.
  std::vector<Error> problems;       ///< What did not work; none keeps the daemon from serving.
  Fd trace;                          ///< `--trace-takeover`, open for appending; not valid: none.
};

/// Nothing is done with neither VIPs nor a cluster in the configuration.
[[nodiscard]] VipStart start_vips(const config::Snapshot& snapshot);

/// Before a running daemon takes up `next`: interfaces that get a VIP now keep it to themselves, and the journal knows of old and new
/// VIPs. Also, with `next` the active one, when an interface has come. Waits for files: jobs thread. Problems by return.
[[nodiscard]] std::vector<Error> prepare_vips(const config::Snapshot& active, const config::Snapshot& next);

/// `--release-vips`, and the end of a life: removes what is left and puts the interfaces' settings back. Problems by return.
[[nodiscard]] std::vector<Error> release_vips(const std::string& state_dir, std::vector<std::string>& removed);

/// Writes the operators' wishes. Waits for the disk: jobs thread.
[[nodiscard]] Status save_wishes(const std::string& state_dir, const std::vector<Override>& wishes);

}  // namespace fairlead::daemon
