// fairlead: pure
// Versions: known, maintained, and fitting each other.
#include "k8s-bootstrap/site/site_checks.h"
#include "k8s-bootstrap/site/versions.h"

namespace fairlead::bootstrap {
namespace {

constexpr std::string_view kList = "`fairlead bootstrap versions` lists what this release knows";

void check_kubernetes(SiteChecks& checks, const Version& version, const KubernetesVersion* known) {
  static const std::string path = "versions.kubernetes";
  if (known == nullptr) {
    const auto all = known_kubernetes();
    checks.error(path,
                 fmt::format("Kubernetes {} is not known to this release, which has 1.{} to 1.{}", version.to_string(), all.front().minor,
                             all.back().minor),
                 std::string(kList));
    return;
  }
  if (!checks.today.empty() && known->end_of_life < checks.today)
    checks.warning(path, fmt::format("Kubernetes 1.{} is past its end of life, {}: nobody repairs it", known->minor, known->end_of_life),
                   std::string(kList));
}

void check_containerd(SiteChecks& checks, const Containerd& containerd, const KubernetesVersion* kubernetes) {
  static const std::string path = "versions.containerd.version";
  if (!checks.sound(path)) return;
  const auto version = parse_version(containerd.version);
  if (!version) return;
  if (containerd.source != RuntimeSource::kUpstream && !containerd.sha256.empty())
    checks.warning("versions.containerd.sha256", "sha256 has no effect: packages are checked by their repository's key", "remove it");
  const auto least = kubernetes != nullptr ? parse_version(kubernetes->containerd_min) : std::nullopt;
  if (least && *version < *least)
    return checks.error(path, fmt::format("Kubernetes 1.{} does not work with containerd {}", kubernetes->minor, version->to_string()),
                        fmt::format("{} or newer", kubernetes->containerd_min));
  const ContainerdVersion* known = find_containerd(*version);
  if (known == nullptr)
    return checks.warning(path, fmt::format("containerd {} is not known to this release", version->to_string()), std::string(kList));
  if (!checks.today.empty() && known->end_of_life < checks.today)
    checks.warning(path, fmt::format("containerd {}.{} is past its end of life, {}", known->major, known->minor, known->end_of_life),
                   std::string(kList));
  const auto advised = kubernetes != nullptr ? parse_version(kubernetes->containerd_advised) : std::nullopt;
  if (advised && *version < *advised)
    checks.warning(
        path,
        fmt::format("containerd's own table lists {} or newer for Kubernetes 1.{}", kubernetes->containerd_advised, kubernetes->minor),
        "the next minor version of Kubernetes may not work with it");
}

}  // namespace

void check_site_versions(SiteChecks& checks) {
  const Versions& versions = checks.site.versions;
  const auto version = checks.sound("versions.kubernetes") ? parse_version(versions.kubernetes) : std::nullopt;
  const KubernetesVersion* known = version ? find_kubernetes(*version) : nullptr;
  if (version) check_kubernetes(checks, *version, known);
  if (versions.containerd && versions.cri_dockerd)
    checks.error("versions.cri_dockerd", "containerd and cri_dockerd", "keep one: a node has one runtime");
  if (!versions.containerd && !versions.cri_dockerd && checks.sound("versions.containerd") && checks.sound("versions.cri_dockerd") &&
      checks.sound("versions"))
    checks.error("versions", "no container runtime", "add containerd, as in containerd: {version: 2.3.4}");
  if (versions.containerd) check_containerd(checks, *versions.containerd, known);
  if (known == nullptr || !checks.sound("pki.algorithm")) return;
  const std::string& algorithm = checks.site.pki.algorithm;
  if (algorithm == "ECDSA-P384" && known->minor < kP384Minor)
    checks.error("pki.algorithm", fmt::format("ECDSA-P384 is not known to Kubernetes 1.{}", known->minor),
                 fmt::format("1.{} or newer, or ECDSA-P256", kP384Minor));
  if (known->minor < kV1Beta4Minor && checks.site.pki.ca == CaSource::kKubeadm && algorithm != "RSA-2048")
    checks.error("pki.algorithm", fmt::format("kubeadm 1.{} makes keys of RSA-2048 only", known->minor),
                 fmt::format("write RSA-2048, or take 1.{} or newer", kV1Beta4Minor));
}

}  // namespace fairlead::bootstrap
