// fairlead: pure
#include "k8s-bootstrap/site/versions.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>

namespace fairlead::bootstrap {
namespace {

#define FL_KUBERNETES(minor, patch, released, end, min, advised, pause, etcd, coredns) \
  KubernetesVersion{minor, patch, released, end, min, advised, pause, etcd, coredns},
#define FL_CONTAINERD(major, minor, released, end)
#define FL_CONTAINERD_ARCHIVE(major, minor, patch, sha256)
constexpr std::array kKubernetes{
#include "k8s-bootstrap/site/versions.def"
};
#undef FL_KUBERNETES
#undef FL_CONTAINERD

#define FL_KUBERNETES(minor, patch, released, end, min, advised, pause, etcd, coredns)
#define FL_CONTAINERD(major, minor, released, end) ContainerdVersion{major, minor, released, end},
constexpr std::array kContainerd{
#include "k8s-bootstrap/site/versions.def"
};
#undef FL_CONTAINERD
#undef FL_CONTAINERD_ARCHIVE

struct Archive {
  Version version;
  std::string_view sha256;
};
#define FL_CONTAINERD(major, minor, released, end)
#define FL_CONTAINERD_ARCHIVE(major, minor, patch, sha256) Archive{{major, minor, patch}, sha256},
constexpr std::array kArchives{
#include "k8s-bootstrap/site/versions.def"
};
#undef FL_KUBERNETES
#undef FL_CONTAINERD
#undef FL_CONTAINERD_ARCHIVE

std::string_view mark(std::string_view end_of_life, std::string_view today) {
  return !today.empty() && end_of_life < today ? "  past its end of life" : "";
}

}  // namespace

std::string Version::to_string() const { return fmt::format("{}.{}.{}", major, minor, patch); }

std::optional<Version> parse_version(std::string_view text) {
  std::array<std::uint32_t, 3> parts{};
  std::size_t count = 0;
  const char* at = text.data();
  const char* const end = at + text.size();
  for (; count < parts.size(); ++count) {
    const auto [next, ec] = std::from_chars(at, end, parts[count]);
    if (ec != std::errc{} || next - at > 4) return std::nullopt;
    at = next;
    if (at == end) return count == 0 ? std::nullopt : std::optional(Version{parts[0], parts[1], parts[2]});
    if (*at != '.') return std::nullopt;
    ++at;
  }
  return std::nullopt;
}

std::span<const KubernetesVersion> known_kubernetes() { return kKubernetes; }
std::span<const ContainerdVersion> known_containerd() { return kContainerd; }

const KubernetesVersion* find_kubernetes(const Version& version) {
  const auto* found =
      std::find_if(kKubernetes.begin(), kKubernetes.end(), [&](const KubernetesVersion& k) { return k.minor == version.minor; });
  return version.major != 1 || found == kKubernetes.end() ? nullptr : &*found;
}

const ContainerdVersion* find_containerd(const Version& version) {
  const auto* found = std::find_if(kContainerd.begin(), kContainerd.end(),
                                   [&](const ContainerdVersion& c) { return c.major == version.major && c.minor == version.minor; });
  return found == kContainerd.end() ? nullptr : &*found;
}

std::string_view containerd_sha256(const Version& version) {
  const auto* found = std::find_if(kArchives.begin(), kArchives.end(), [&](const Archive& a) { return a.version == version; });
  return found == kArchives.end() ? std::string_view() : found->sha256;
}

std::string containerd_with_sums(const Version& line) {
  std::string out;
  for (const Archive& archive : kArchives) {
    if (archive.version.major == line.major && archive.version.minor == line.minor)
      out += (out.empty() ? "" : ", ") + archive.version.to_string();
  }
  return out;
}

std::string versions_text(std::string_view today) {
  std::string out = fmt::format("{:<11} {:<8} {:<11} {:<11} {}\n", "Kubernetes", "patch", "released", "until", "containerd");
  for (const KubernetesVersion& k : kKubernetes) {
    out += fmt::format("{:<11} {:<8} {:<11} {:<11} {} or newer{}\n", fmt::format("1.{}", k.minor),
                       fmt::format("1.{}.{}", k.minor, k.newest_patch), k.released, k.end_of_life, k.containerd_min,
                       mark(k.end_of_life, today));
  }
  out += fmt::format("\n{:<11} {:<11} {:<11} {}\n", "containerd", "released", "until", "source: upstream needs no sha256 for");
  for (const ContainerdVersion& c : kContainerd) {
    const std::string sums = containerd_with_sums({c.major, c.minor, 0});
    out += fmt::format("{:<11} {:<11} {:<11} {}{}\n", fmt::format("{}.{}", c.major, c.minor), c.released, c.end_of_life,
                       sums.empty() ? "-" : sums, mark(c.end_of_life, today));
  }
  out += fmt::format("\nFrom 1.{} on kubelet runs on cgroup v2 only. ECDSA-P384 keys begin with 1.{}.\n", kCgroupV2Minor, kP384Minor);
  return out;
}

}  // namespace fairlead::bootstrap
