#include "k8s-bootstrap/pki/corosync_key.h"

#include <cerrno>
#include <fmt/format.h>
#include <sys/random.h>

namespace fairlead::bootstrap {
namespace {

constexpr std::size_t kKeyBytes = 256;
constexpr std::size_t kKeyBytesMin = 128;  ///< Corosync's own bounds.
constexpr std::size_t kKeyBytesMax = 4096;

}  // namespace

Result<std::string> ensure_corosync_key(const StateDir& dir) {
  auto there = dir.read_secret(kCorosyncKeyFile);
  if (!there) return there.error();
  if (*there) {
    if ((*there)->size() < kKeyBytesMin || (*there)->size() > kKeyBytesMax)
      return Error{Errc::kConflict,
                   fmt::format("{} has {} bytes, which is no key that Corosync takes: put it back from your backup, or move it away",
                               dir.path(kCorosyncKeyFile), (*there)->size())};
    return std::move(**there);
  }
  std::string key(kKeyBytes, '\0');
  if (::getrandom(key.data(), key.size(), 0) != static_cast<ssize_t>(key.size())) return errno_error("getrandom");  // 256 bytes come whole.
  if (const auto written = dir.write_secret(kCorosyncKeyFile, key); !written) return written.error();
  return key;
}

}  // namespace fairlead::bootstrap
