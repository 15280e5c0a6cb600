// The keeper of a node: process 1 of the node's process namespace, owner of its network, mount and host-name namespaces. It does nothing
// but exist and reap. When it dies, the kernel ends every process of the node and removes its network: that is how a node is switched off.
//
//   up --fork--> keeper of the switch (process 1 of the lab)         dies with `up` until it is released
//                  +-- keeper of gate-1 (process 1 of gate-1) -- corosync, fairleadd, its guard
//                  +-- keeper of mast-1 ...
//
// Everything of a lab is inside the switch's process namespace, so ending that one process ends the lab, whatever state it is in.
#pragma once

#include <optional>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "lab/lab_state.h"

namespace fairlead::lab {

struct KeeperSetup {
  std::string host_name;
  std::string folder;  ///< Of the host; the node sees it as /run/lab. Empty: the node shares the host's files (the switch).
  bool router = false;
};

/// A keeper that ends again unless it is released.
struct NewKeeper {
  ProcessId process;
  Fd go;
};

/// `lab`: the keeper of the switch, in whose process namespace the new node is made; nothing: this is the switch.
/// Errors: kPermission (not root, or no right to make namespaces), those of unshare(2) and mount(2) with what was being done.
[[nodiscard]] Result<NewKeeper> start_keeper(const KeeperSetup& setup, const std::optional<ProcessId>& lab);
/// From here on it lives until somebody ends it.
[[nodiscard]] Status release_keeper(NewKeeper& keeper);

}  // namespace fairlead::lab
