// fairlead: pure
#include "k8s-bootstrap/plan/package_scripts.h"

#include <fmt/format.h>

#include "k8s-bootstrap/plan/plan_builder.h"

namespace fairlead::bootstrap {
namespace {

using namespace std::chrono_literals;

// As the publishers print them in their installation guides.
constexpr std::string_view kKubernetesKey = "DE15B14486CD377B9E876E1A234654DA9A296436";
constexpr std::string_view kDockerKey = "9DC858229FC7DD38854AE2D88D81803C0EBFCD88";

}  // namespace

std::vector<Operation> package_operations(const Site& site) {
  if (site.mirrors.bundle.empty()) return {};
  return {copy_file(site.mirrors.bundle + "/packages.tar", in_work("packages.tar"))};
}

std::string package_script(const Site& site, std::string_view words, bool update) {
  if (site.mirrors.bundle.empty()) return (update ? "apt-get update -q\n" : "") + apt_install(words) + "\n";
  // The folder is root's alone, so apt reads it as root.
  return fmt::format(R"sh(rm -rf {0}/packages
mkdir -p {0}/packages/lists/partial
tar -xf {0}/packages.tar -C {0}/packages
echo 'deb [trusted=yes] file:{0}/packages ./' >{0}/packages/bundle.list
bundle='-oDir::Etc::sourcelist={0}/packages/bundle.list -oDir::Etc::sourceparts=-'
bundle="$bundle -oDir::State::lists={0}/packages/lists -oAPT::Sandbox::User=root"
apt-get update -q $bundle
{1}
rm -rf {0}/packages {0}/packages.tar
)sh",
                     kWorkPath, apt_install(fmt::format("$bundle {}", words)));
}

std::vector<Operation> image_operations(const Site& site) {
  if (site.mirrors.bundle.empty()) return {};
  const std::string_view import = site.versions.containerd ? "ctr -n k8s.io images import" : "docker load -q -i";
  return {copy_file(site.mirrors.bundle + "/images.tar", in_work("images.tar")),
          script(fmt::format("rm -rf {0}/images\nmkdir -p {0}/images\ntar -xf {0}/images.tar -C {0}/images\n"
                             "for archive in {0}/images/*.tar; do {1} \"$archive\"; done\nrm -rf {0}/images {0}/images.tar\n",
                             kWorkPath, import),
                 15min)};
}

std::string_view version_separator(std::string_view package, std::string_view os_id) {
  return package == "containerd" && os_id == "debian" ? "~" : "-";
}

std::string RuntimeArchive::file() const { return fmt::format("{}-{}.tar.gz", program, version); }

std::optional<RuntimeArchive> runtime_archive(const Versions& versions) {
  if (versions.containerd && versions.containerd->source == RuntimeSource::kUpstream) {
    const std::string& version = versions.containerd->version;
    const std::string name = fmt::format("containerd-{}", version);
    return RuntimeArchive{
        "containerd", version,
        fmt::format("https://github.com/containerd/containerd/releases/download/v{}/{}-linux-amd64.tar.gz", version, name),
        // Its unit is a rendered file, which comes after it and starts it.
        fmt::format(
            "tar -xzf {0}/{1}.tar.gz -C /usr/local\nif systemctl is-active --quiet containerd; then systemctl restart containerd; fi\n",
            kWorkPath, name)};
  }
  if (!versions.cri_dockerd) return std::nullopt;
  const std::string& version = versions.cri_dockerd->version;
  return RuntimeArchive{"cri-dockerd", version,
                        fmt::format("https://github.com/Mirantis/cri-dockerd/releases/download/v{0}/cri-dockerd-{0}.amd64.tgz", version),
                        fmt::format("tar -xzf {}/cri-dockerd-{}.tar.gz -C /usr/bin --strip-components=1 cri-dockerd/cri-dockerd\n"
                                    "if systemctl is-active --quiet cri-docker; then systemctl restart cri-docker; fi\n",
                                    kWorkPath, version)};
}

AptKeyring kubernetes_keyring(const Site& site, std::string path) {
  const Minor minor = minor_of(site.versions.kubernetes);
  const std::string base = site.mirrors.kubernetes.empty() ? "https://pkgs.k8s.io" : site.mirrors.kubernetes;
  return {std::move(path), fmt::format("{}/core:/stable:/v{}.{}/deb/Release.key", base, minor.major, minor.minor),
          std::string(kKubernetesKey)};
}

AptKeyring docker_keyring(std::string path) {
  return {std::move(path), "https://download.docker.com/linux/debian/gpg", std::string(kDockerKey)};
}

std::string fetch_keyring_script(const AptKeyring& key) {
  return fmt::format(R"sh(mkdir -p "$(dirname {0})"
curl -fsSL --retry 3 -o {0}.new {1}
# One key and no other: apt would trust every key of the file.
found=$(gpg --show-keys --with-colons {0}.new | awk -F: '$1 == "pub" {{main = 1}} $1 == "fpr" && main {{print $10; main = 0}}')
if [ "$found" != {2} ]; then
  rm -f {0}.new
  echo "the key at {1} has the fingerprint $found, not {2}: it is not used" >&2
  exit 1
fi
chmod 0644 {0}.new
mv {0}.new {0}
)sh",
                     sh_quote(key.path), sh_quote(key.url), key.fingerprint);
}

}  // namespace fairlead::bootstrap
