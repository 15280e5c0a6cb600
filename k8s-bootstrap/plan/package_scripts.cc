// fairlead: pure
#include "k8s-bootstrap/plan/package_scripts.h"

#include <algorithm>
#include <fmt/format.h>

#include "k8s-bootstrap/render/machine_roles.h"
#include "k8s-bootstrap/render/sha256.h"

namespace fairlead::bootstrap {
namespace {

using namespace std::chrono_literals;

// As the publishers print them in their installation guides.
constexpr std::string_view kKubernetesKey = "DE15B14486CD377B9E876E1A234654DA9A296436";
constexpr std::string_view kDockerKey = "9DC858229FC7DD38854AE2D88D81803C0EBFCD88";

/// Empty: the bundle does not have it, or is not whole (check_bundle).
std::string sum_of(const PlanInput& in, const std::string& file) {
  if (!in.texts.bundle) return {};
  const auto found = in.texts.bundle->sums.find(file);
  return found == in.texts.bundle->sums.end() ? std::string() : found->second;
}

CopyFile bundle_file(const PlanInput& in, const std::string& name) {
  CopyFile out = copy_file(in.site.mirrors.bundle + "/" + name, in_work(name));
  out.sha256 = sum_of(in, name);
  return out;
}

}  // namespace

void check_bundle(PlanBuilder& plan) {
  const Site& site = plan.in.site;
  if (site.mirrors.bundle.empty()) return;
  std::vector<std::string> machines;
  bool nodes = false;
  for (const Machine& machine : site.machines) {
    machines.push_back(machine.name);
    nodes = nodes || runs_kubelet(machine);
  }
  if (!plan.in.texts.bundle)
    return plan.obstacle(machines, site.mirrors.bundle + " is no whole bundle: it has no SHA256SUMS or no packages.txt",
                         "fairlead bootstrap bundle makes it, where there is a network");
  const std::string wanted = fmt::format("kubeadm_{}-", site.versions.kubernetes);
  const auto is_wanted = [&](const std::string& package) { return package.starts_with(wanted); };
  const std::vector<std::string>& packages = plan.in.texts.bundle->packages;
  if (nodes && std::none_of(packages.begin(), packages.end(), is_wanted))
    plan.obstacle(machines, fmt::format("the bundle has no kubeadm {}: it is of another version", site.versions.kubernetes),
                  "fairlead bootstrap bundle makes it anew, where there is a network");
}

std::vector<Operation> package_operations(const PlanInput& in) {
  if (in.site.mirrors.bundle.empty()) return {};
  return {bundle_file(in, "packages.tar")};
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

std::string imported_images_path() { return in_work("images.sha256"); }

bool lacks_images(const PlanInput& in, const MachineFacts& facts) {
  if (in.site.mirrors.bundle.empty() || !in.texts.bundle) return false;
  const auto note = facts.files.find(imported_images_path());
  return note == facts.files.end() || !note->second.present || note->second.sha256 != sha256(sum_of(in, "images.tar") + "\n");
}

std::vector<Operation> image_operations(const PlanInput& in) {
  if (in.site.mirrors.bundle.empty()) return {};
  const std::string_view import = in.site.versions.containerd ? "ctr -n k8s.io images import" : "docker load -q -i";
  return {bundle_file(in, "images.tar"),
          script(fmt::format("rm -rf {0}/images\nmkdir -p {0}/images\ntar -xf {0}/images.tar -C {0}/images\n"
                             "for archive in {0}/images/*.tar; do {1} \"$archive\"; done\nrm -rf {0}/images {0}/images.tar\n"
                             "echo {2} >{3}\n",
                             kWorkPath, import, sum_of(in, "images.tar"), imported_images_path()),
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
