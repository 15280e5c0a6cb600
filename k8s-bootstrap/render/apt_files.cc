// fairlead: pure
#include "k8s-bootstrap/render/apt_files.h"

#include <array>

#include <fmt/format.h>

#include "k8s-bootstrap/render/container_runtime.h"
#include "k8s-bootstrap/render/machine_roles.h"

namespace fairlead::bootstrap {
namespace {

constexpr std::string_view kWritten = "# Written by fairlead bootstrap.\n";

std::string without_slash(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url;
}

std::string stanza(std::string_view uri, std::string_view suites, std::string_view components, std::string_view key) {
  std::string out = fmt::format("Types: deb\nURIs: {}\nSuites: {}\n", uri, suites);
  if (!components.empty()) out += fmt::format("Components: {}\n", components);
  return out + fmt::format("Signed-By: {}\n", key);
}

std::string pin(std::string_view packages, std::string_view version) {
  return fmt::format("Package: {}\nPin: version {}\nPin-Priority: 1001\n", packages, version);
}

/// containerd's package and how its versions begin: "containerd.io 2.3.4-1~debian.12~bookworm", "containerd 1.6.20~ds1-1+b1".
std::string runtime_pin(const Site& site) {
  if (!site.versions.containerd || site.versions.containerd->source == RuntimeSource::kUpstream) return {};
  const Containerd& containerd = *site.versions.containerd;
  return containerd.source == RuntimeSource::kDockerRepository ? pin("containerd.io", containerd.version + "-*")
                                                               : pin("containerd", containerd.version + "*");
}

struct Release {
  std::string_view id;
  std::string_view version;
  std::string_view name;
};
constexpr std::array<Release, 4> kReleases{
    {{"debian", "12", "bookworm"}, {"debian", "13", "trixie"}, {"ubuntu", "22.04", "jammy"}, {"ubuntu", "24.04", "noble"}}};

}  // namespace

std::string system_sources(const Site& site, std::string_view os_id, std::string_view name) {
  std::string text(kWritten);
  const std::string mirror = without_slash(site.mirrors.debian);
  if (os_id == "ubuntu")
    return text + stanza(mirror, fmt::format("{0} {0}-updates {0}-security", name), "main restricted universe", system_keyring(os_id).path);
  const std::string_view key = system_keyring(os_id).path;
  text += stanza(mirror, fmt::format("{0} {0}-updates", name), "main", key) + "\n";
  return text + stanza(mirror + "-security", fmt::format("{}-security", name), "main", key);
}

SystemKeyring system_keyring(std::string_view os_id) {
  if (os_id == "ubuntu") return {"/usr/share/keyrings/ubuntu-archive-keyring.gpg", "ubuntu-keyring"};
  return {"/usr/share/keyrings/debian-archive-keyring.gpg", "debian-archive-keyring"};
}

std::string kubernetes_sources(const Site& site, std::string_view keyring) {
  return std::string(kWritten) + stanza(kubernetes_repository(site), "/", "", keyring);
}

std::string docker_sources(std::string_view os_id, std::string_view name, std::string_view keyring) {
  return std::string(kWritten) + stanza(docker_repository(os_id), name, "stable", keyring);
}

bool takes_docker_packages(const Site& site) {
  return site.versions.cri_dockerd || (site.versions.containerd && site.versions.containerd->source == RuntimeSource::kDockerRepository);
}

std::string kubernetes_repository(const Site& site) {
  const std::string base = site.mirrors.kubernetes.empty() ? "https://pkgs.k8s.io" : without_slash(site.mirrors.kubernetes);
  return fmt::format("{}/core:/stable:/v{}.{}/deb/", base, major_number(site.versions.kubernetes), minor_number(site.versions.kubernetes));
}

std::string docker_repository(std::string_view os_id) { return fmt::format("https://download.docker.com/linux/{}", os_id); }

std::string_view codename(std::string_view os_id, std::string_view os_version) {
  for (const Release& release : kReleases) {
    if (release.id == os_id && release.version == os_version) return release.name;
  }
  return {};
}

std::string_view os_of_codename(std::string_view name) {
  for (const Release& release : kReleases) {
    if (release.name == name) return release.id;
  }
  return {};
}

std::string known_codenames() {
  std::string out;
  for (const Release& release : kReleases) out += (out.empty() ? "" : ", ") + std::string(release.name);
  return out;
}

std::vector<RenderedFile> kubernetes_apt_files(const Site& site, const Machine& machine) {
  const bool runs = runs_kubelet(machine);
  if (!runs && !machine.has(Role::kBastion)) return {};
  std::vector<RenderedFile> out;
  if (site.mirrors.bundle.empty()) {
    out.push_back(
        {"/etc/apt/sources.list.d/kubernetes.sources", kubernetes_sources(site, kKubernetesKeyring), 0644, "apt-get -q update\n"});
  }
  std::string pins = std::string(kWritten) + pin(runs ? "kubeadm kubelet kubectl" : "kubectl", site.versions.kubernetes + "-*");
  if (const std::string runtime = runtime_pin(site); runs && !runtime.empty()) pins += "\n" + runtime;
  out.push_back({"/etc/apt/preferences.d/fairlead-kubernetes", pins, 0644, ""});
  return out;
}

std::vector<RenderedFile> apt_files(const Site& site, const Machine& machine, std::string_view os_id, std::string_view os_version) {
  const std::string_view name = codename(os_id, os_version);
  if (name.empty() || !site.mirrors.bundle.empty()) return {};
  std::vector<RenderedFile> out;
  if (!site.mirrors.debian.empty()) {
    // The system's own file of sources, which the mirror's takes the place of.
    out.push_back({fmt::format("/etc/apt/sources.list.d/{}.sources", os_id == "ubuntu" ? "ubuntu" : "debian"),
                   system_sources(site, os_id, name), 0644, "apt-get -q update\n"});
    out.push_back({"/etc/apt/sources.list", std::string(kWritten) + "# The sources are in sources.list.d.\n", 0644, ""});
  }
  if (takes_docker_packages(site) && runs_kubelet(machine)) {
    out.push_back({"/etc/apt/sources.list.d/docker.sources", docker_sources(os_id, name, kDockerKeyring), 0644, "apt-get -q update\n"});
  }
  return out;
}

}  // namespace fairlead::bootstrap
