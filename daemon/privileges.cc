#include "daemon/privileges.h"

#include <array>
#include <cstdlib>
#include <fcntl.h>
#include <grp.h>
#include <linux/securebits.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/fd.h"

namespace fairlead::daemon {
namespace {

constexpr int kCapabilitiesMax = 64;
constexpr int kOomNever = -1000;  ///< The kernel ends everything else first.
constexpr int kOomDaemon = -500;  ///< Late, but before the machine: a leak is to cost its own process.
constexpr std::size_t kNssBytes = 16384;
constexpr const char* kOomScore = "/proc/self/oom_score_adj";

struct OwnSets {
  CapabilitySet permitted = 0;
  CapabilitySet effective = 0;
};

Result<OwnSets> own_capabilities() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, 2> data{};
  if (::syscall(SYS_capget, &header, data.data()) != 0) return errno_error("read this process's capabilities");
  return OwnSets{(CapabilitySet{data[1].permitted} << 32) | data[0].permitted,
                 (CapabilitySet{data[1].effective} << 32) | data[0].effective};
}

/// `inheritable`: what can be lent; also takes back what is lent and not among it.
Status set_capabilities(CapabilitySet kept, CapabilitySet inheritable) {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, 2> data{};
  for (std::size_t half = 0; half < data.size(); ++half) {
    data[half].permitted = data[half].effective = static_cast<__u32>(kept >> (32 * half));
    data[half].inheritable = static_cast<__u32>(inheritable >> (32 * half));
  }
  if (::syscall(SYS_capset, &header, data.data()) != 0) return errno_error("give up capabilities");
  return {};
}

void set_oom_score(int score) {
  const Fd fd(::open(kOomScore, O_WRONLY | O_CLOEXEC));
  const std::string text = std::to_string(score);
  // Refused: the guard asks for its own once more, and says so.
  if (fd.valid()) (void)!::write(fd.get(), text.data(), text.size());
}

/// Becomes `user`, with its groups and with the capabilities it had.
Status become(const User& user) {
  const std::string what = "become user " + (user.name.empty() ? std::to_string(user.uid) : user.name);
  if (::geteuid() != 0) return Error{Errc::kPermission, what + ": only root can; start it as that user"};
  const int groups = user.name.empty() ? ::setgroups(0, nullptr) : ::initgroups(user.name.c_str(), user.gid);
  if (groups != 0 || ::setresgid(user.gid, user.gid, user.gid) != 0) return errno_error(what + ": its groups");
  if (::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return errno_error(what + ": keep capabilities");
  if (::setresuid(user.uid, user.uid, user.uid) != 0) return errno_error(what);
  // /proc/self is root's until the next exec otherwise, and no core is written. All this process knows by now it may read as that user.
  (void)::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  return {};
}

}  // namespace

std::optional<int> own_oom_score() {
  const auto text = read_small_file(kOomScore);
  if (!text || !*text) return std::nullopt;
  return std::atoi((*text)->c_str());
}

Result<User> find_user(const std::string& name) {
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, kNssBytes> buffer{};
  const int failed = ::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr) {
    if (failed != 0) return errno_error("user " + name, failed);
    return Error{Errc::kNotFound, "user " + name + ": there is none of that name"};
  }
  return User{entry.pw_uid, entry.pw_gid, name};
}

std::optional<User> owner_to_become(const std::string& state_dir) {
  struct stat info {};
  if (::geteuid() != 0 || ::stat(state_dir.c_str(), &info) != 0 || info.st_uid == 0) return std::nullopt;
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, kNssBytes> buffer{};
  (void)::getpwuid_r(info.st_uid, &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr) return User{info.st_uid, info.st_gid, ""};
  return User{entry.pw_uid, entry.pw_gid, entry.pw_name};
}

Status drop_privileges(const std::optional<User>& user) {
  const auto had = own_capabilities();
  if (!had) return had.error();
  const auto score = own_oom_score();
  // Who may go down to -1000 may do so ever after, its children too; going up again without CAP_SYS_RESOURCE leaves that as it is.
  if (score && (had->effective & capability_bit(CAP_SYS_RESOURCE)) != 0) set_oom_score(kOomNever);
  if ((had->effective & capability_bit(CAP_SETPCAP)) != 0) {
    // Without these two steps who is root still gets everything by the next exec; who is not has nothing to gain by it (no_new_privs).
    for (int capability = 0; capability < kCapabilitiesMax; ++capability) {
      const bool bounded = ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1;
      if (!bounded || (kDaemonCapabilities & capability_bit(capability)) != 0) continue;
      if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) return errno_error("give up capability " + std::to_string(capability));
    }
    const int bits = ::prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
    if (bits < 0 || ::prctl(PR_SET_SECUREBITS, bits | SECBIT_NOROOT | SECBIT_NOROOT_LOCKED, 0, 0, 0) != 0)
      return errno_error("give up what root gets by exec");
  }
  const bool other = user && (user->uid != ::geteuid() || user->gid != ::getegid());
  if (other) {
    if (auto status = become(*user); !status) return status;
  }
  if (auto status = set_capabilities(had->permitted & kDaemonCapabilities, 0); !status) return status;
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno_error("set no_new_privs");
  if (score) set_oom_score(*score == kOomNever ? kOomDaemon : *score);
  return {};
}

// Refused: it has ended, or shows nothing of itself to us; then it keeps what it has.
void reset_oom_score(pid_t program, std::optional<int> own) {
  if (!own || *own >= 0) return;
  const Fd fd(::open(("/proc/" + std::to_string(program) + "/oom_score_adj").c_str(), O_WRONLY | O_CLOEXEC));
  if (fd.valid()) (void)!::write(fd.get(), "0", 1);
}

// Refused: it is none of ours. The guard says what it could not do without it.
LentCapabilities::LentCapabilities(CapabilitySet capabilities) {
  const auto own = own_capabilities();
  if (!own) return;
  const CapabilitySet lent = own->permitted & capabilities;
  if (!set_capabilities(own->permitted, lent)) return;
  for (int capability = 0; capability < kCapabilitiesMax; ++capability) {
    if ((lent & capability_bit(capability)) != 0) (void)::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0);
  }
}

LentCapabilities::~LentCapabilities() {
  if (const auto own = own_capabilities(); own) (void)set_capabilities(own->permitted, 0);
}

}  // namespace fairlead::daemon
