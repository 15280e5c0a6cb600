// What the daemon may do, once it runs: five capabilities, in every thread, and nothing that would bring back the others.
//
// Capabilities belong to threads and are inherited by those they start, so this comes before the first thread. Programs the daemon starts
// get none (hooks), or those that are lent for the moment of their start (the guard).
#pragma once

#include <cstdint>
#include <linux/capability.h>
#include <optional>
#include <string>
#include <sys/types.h>

#include "base/result.h"

namespace fairlead::daemon {

/// Capabilities by the kernel's numbers, one bit each.
using CapabilitySet = std::uint64_t;
inline constexpr CapabilitySet capability_bit(int capability) { return CapabilitySet{1} << capability; }

/// Addresses and interfaces' settings; ARP, NDP and resets of connections whose VIP has gone; ports below 1024; real time; locked memory
/// and rings beyond RLIMIT_MEMLOCK. packaging/fairleadd.service grants the same.
inline constexpr CapabilitySet kDaemonCapabilities = capability_bit(CAP_NET_ADMIN) | capability_bit(CAP_NET_RAW) |
                                                     capability_bit(CAP_NET_BIND_SERVICE) | capability_bit(CAP_SYS_NICE) |
                                                     capability_bit(CAP_IPC_LOCK);
/// The guard deletes addresses, in real time and in locked memory.
inline constexpr CapabilitySet kGuardCapabilities =
    capability_bit(CAP_NET_ADMIN) | capability_bit(CAP_SYS_NICE) | capability_bit(CAP_IPC_LOCK);

struct User {
  uid_t uid = 0;
  gid_t gid = 0;
  std::string name;  ///< Empty: of no name; it then has no further groups.
};

/// Errors: kNotFound.
[[nodiscard]] Result<User> find_user(const std::string& name);
/// Whom root becomes that was told no user: who owns `state_dir`. Nothing when that is root or nobody yet, or this process is not root.
[[nodiscard]] std::optional<User> owner_to_become(const std::string& state_dir);

/// Becomes `user` (nothing: stays who it is), keeps what it has of kDaemonCapabilities and gives up all else for good: other sets, the way
/// root gets them by exec, set-user-id programs (no_new_privs). No -1000 of the OOM score stays with the daemon; the guard may still take
/// it. One thread only. Errors: kPermission (another user's, and this is not root), what the kernel refuses.
[[nodiscard]] Status drop_privileges(const std::optional<User>& user);

/// This process's oom_score_adj; nothing: it cannot be read, as in a container without /proc.
[[nodiscard]] std::optional<int> own_oom_score();
/// Takes back what a program that was just started has got of the daemon's protection from the OOM killer (`own`): a hook that eats the
/// memory is to go before everything else does. A score that protects nobody stays.
void reset_oom_score(pid_t program, std::optional<int> own = own_oom_score());

/// While it lives, programs that this thread starts get `capabilities`, as far as the daemon has them.
class LentCapabilities {
 public:
  explicit LentCapabilities(CapabilitySet capabilities);
  ~LentCapabilities();
  LentCapabilities(const LentCapabilities&) = delete;
  LentCapabilities& operator=(const LentCapabilities&) = delete;
};

}  // namespace fairlead::daemon
