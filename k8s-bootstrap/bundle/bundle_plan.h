// fairlead: pure
// An air-gap bundle of a site: a folder with all that preparation takes from the network, made on a machine that has one. `mirrors.bundle`
// names it then, and preparation reads it (bundle_scripts.h).
//
//   BP1  Everything is made in a work folder below. SHA256SUMS goes before the first file of an older bundle and comes after the last new
//        one: a folder without it is no bundle.
//   BP2  Nothing is taken without a check: packages by apt with pinned keys, images by their registry over TLS, archives by SHA-256.
//   BP3  What is installed on the machine it is made on does not count: apt has a root of its own, in which there is no package. Of
//        apt.conf the ways to the network (proxies) are kept.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "k8s-bootstrap/machines/host_step.h"
#include "k8s-bootstrap/plan/plan_input.h"
#include "k8s-bootstrap/site/site.h"

namespace fairlead::bootstrap {

struct BundlePlaces {
  std::string folder;               ///< Absolute: "/srv/demo.bundle".
  std::string release;              ///< Of the machines: "bookworm"; one for the whole site.
  std::vector<std::string> images;  ///< More of them.
};

/// `texts`: of the site, with manifests, runtime_sha256 and the package (its dependencies come into the bundle, and the gateways' need of
/// it is why). Errors: kInvalidConfig (a release that is not known, an archive without a SHA-256).
[[nodiscard]] Result<std::vector<HostStep>> plan_bundle(const Site& site, const Rendered& texts, const BundlePlaces& places);

/// What apt is asked for: "kubeadm=1.36.4-*", "chrony". Of all machines, each once, sorted.
[[nodiscard]] std::vector<std::string> bundle_packages(const Site& site, std::string_view os_id);
/// Images beside kubeadm's own: those of the manifests, and what `verify` runs. Each once, sorted, with their registry: what containerd
/// makes of "busybox:1.36" is "docker.io/library/busybox:1.36".
[[nodiscard]] std::vector<std::string> bundle_images(const std::map<std::string, std::string>& manifests);

}  // namespace fairlead::bootstrap
