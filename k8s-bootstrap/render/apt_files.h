// fairlead: pure
// Where apt takes packages from, and which versions. Sources are deb822 files with a key of their own (Signed-By), never a key that apt
// trusts for everything. Pins hold the versions of the site with a priority above 1000; `apt-mark hold` is beside them for people who look.
//
// Not with an air-gap bundle: then packages come from there and no source is written.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "k8s-bootstrap/render/render.h"
#include "k8s-bootstrap/site/site.h"

namespace fairlead::bootstrap {

inline constexpr std::string_view kKubernetesKeyring = "/etc/apt/keyrings/kubernetes.asc";
inline constexpr std::string_view kDockerKeyring = "/etc/apt/keyrings/docker.asc";

/// "https://pkgs.k8s.io/core:/stable:/v1.36/deb/"; its key is Release.key there.
[[nodiscard]] std::string kubernetes_repository(const Site& site);
/// "https://download.docker.com/linux/debian"; its key is `gpg` there.
[[nodiscard]] std::string docker_repository(std::string_view os_id);
/// "bookworm" of ("debian", "12"); empty: a system that Fairlead does not know.
[[nodiscard]] std::string_view codename(std::string_view os_id, std::string_view os_version);

/// "debian" of "bookworm"; empty: not known.
[[nodiscard]] std::string_view os_of_codename(std::string_view name);
/// "bookworm, trixie, jammy, noble"
[[nodiscard]] std::string known_codenames();

/// Texts of deb822 files: the system's packages from the site's `mirrors.debian`, which is there; Kubernetes', Docker's.
[[nodiscard]] std::string system_sources(const Site& site, std::string_view os_id, std::string_view name);
[[nodiscard]] std::string kubernetes_sources(const Site& site, std::string_view keyring);
[[nodiscard]] std::string docker_sources(std::string_view os_id, std::string_view name, std::string_view keyring);
/// The keys that system_sources names: a file of the package that brings it.
struct SystemKeyring {
  std::string_view path;
  std::string_view package;
};
[[nodiscard]] SystemKeyring system_keyring(std::string_view os_id);
/// Docker with cri-dockerd, or containerd of Docker's repository.
[[nodiscard]] bool takes_docker_packages(const Site& site);

/// kubernetes.sources and the pins: part of machine_files.
[[nodiscard]] std::vector<RenderedFile> kubernetes_apt_files(const Site& site, const Machine& machine);
/// What needs the machine's system (facts: os_id, os_version): the mirror in place of the system's own sources, Docker's repository.
/// To be written before any package is installed.
[[nodiscard]] std::vector<RenderedFile> apt_files(const Site& site, const Machine& machine, std::string_view os_id,
                                                  std::string_view os_version);

}  // namespace fairlead::bootstrap
