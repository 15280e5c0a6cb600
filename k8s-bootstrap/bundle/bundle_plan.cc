// fairlead: pure
// apt.conf(5), apt-ftparchive(1), skopeo-copy(1), containers-transports(5); `kubeadm config images list`.
#include "k8s-bootstrap/bundle/bundle_plan.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>

#include "k8s-bootstrap/plan/package_scripts.h"
#include "k8s-bootstrap/plan/plan_builder.h"
#include "k8s-bootstrap/plan/plan_phases.h"
#include "k8s-bootstrap/render/apt_files.h"
#include "k8s-bootstrap/render/container_runtime.h"
#include "k8s-bootstrap/render/machine_roles.h"
#include "k8s-bootstrap/site/versions.h"

namespace fairlead::bootstrap {
namespace {

using namespace std::chrono_literals;

/// As containerd and Docker complete a name without a registry.
std::string with_registry(const std::string& image) {
  const auto slash = image.find('/');
  if (slash == std::string::npos) return "docker.io/library/" + image;
  const std::string first = image.substr(0, slash);
  const bool registry = first.find_first_of(".:") != std::string::npos || first == "localhost";
  return registry ? image : "docker.io/" + image;
}

/// Values of keys `image`, of YAML in blocks or in one line and of JSON. What programs in a container fetch by themselves is not seen.
void add_images(const std::string& manifest, std::set<std::string>& out) {
  constexpr std::string_view kKey = "image";
  constexpr std::string_view kBefore = " \t\n{,\"'-";
  for (auto at = manifest.find(kKey); at != std::string::npos; at = manifest.find(kKey, at + 1)) {
    if (at != 0 && kBefore.find(manifest[at - 1]) == std::string_view::npos) continue;
    auto colon = at + kKey.size();
    while (colon < manifest.size() && (manifest[colon] == '"' || manifest[colon] == '\'')) ++colon;
    if (colon >= manifest.size() || manifest[colon] != ':') continue;
    const auto begin = manifest.find_first_not_of(" \t\"'", colon + 1);
    if (begin == std::string::npos) return;
    const auto end = std::min(manifest.find_first_of(" \t\r\n\"',}#", begin), manifest.size());
    if (end > begin) out.insert(with_registry(manifest.substr(begin, end - begin)));
  }
}

class BundlePlan {
 public:
  BundlePlan(const Site& site, const Rendered& texts, const BundlePlaces& places, std::string os_id)
      : site_(site), texts_(texts), places_(places), os_id_(std::move(os_id)), work_(places.folder + "/.work") {}

  void begin() {
    path_step(HostStep::Kind::kRemove, "clears what an earlier run left", work_);
    for (const char* folder : {"/sources", "/keys", "/state/lists/partial", "/cache/archives/partial", "/repository", "/images", "/out"})
      path_step(HostStep::Kind::kMakeFolder, "makes its work folder", work_ + folder);
  }

  void packages() {
    write("/status", "");  // Of dpkg: nothing is installed, so all that a machine could lack is fetched.
    write("/sources/system.sources", system_sources(site_, os_id_, places_.release));
    const AptKeyring kubernetes = kubernetes_keyring(site_, work_ + "/keys/kubernetes.asc");
    run("fetches the key of Kubernetes' packages", fetch_keyring_script(kubernetes), 2min);
    write("/sources/kubernetes.sources", kubernetes_sources(site_, kubernetes.path));
    if (takes_docker_packages(site_)) {
      const AptKeyring docker = docker_keyring(work_ + "/keys/docker.asc");
      run("fetches the key of Docker's packages", fetch_keyring_script(docker), 2min);
      write("/sources/docker.sources", docker_sources(os_id_, places_.release, docker.path));
    }
    std::string words;
    for (const std::string& word : bundle_packages(site_, os_id_)) words += " " + sh_quote(word);
    if (texts_.fairlead) words += " " + sh_quote(texts_.fairlead->path);
    const std::string apt = "apt-get" + apt_root() + " -q -y";
    run("reads the package sources", apt + " update\n", 10min);
    run("fetches packages", fmt::format("{} install --download-only --no-install-recommends{}\n", apt, words), 60min);
    run("makes a repository of them",
        fmt::format("cd {0}/repository\nmv {0}/cache/archives/*.deb .\napt-ftparchive packages . >Packages\n"
                    "tar -cf {0}/out/packages.tar .\nls *.deb | sort >{0}/out/packages.txt\n",
                    sh_quote(work_)),
        10min);
  }

  void images() {
    std::string more;
    for (const std::string& image : bundle_images(texts_.manifests)) more += image + "\n";
    for (const std::string& image : places_.images) more += with_registry(image) + "\n";
    write("/more-images", more);
    write("/kubeadm.yaml", kubeadm_document());
    // kubeadm itself knows its images; it is in the repository already.
    run("asks kubeadm for its images",
        fmt::format("cd {0}\nrm -rf kubeadm\ndpkg-deb -x repository/kubeadm_*.deb kubeadm\n"
                    "kubeadm/usr/bin/kubeadm config images list --config kubeadm.yaml >kubeadm-images\n"
                    "sort -u kubeadm-images more-images >out/images.txt\n",
                    sh_quote(work_)),
        2min);
    run("fetches container images",
        fmt::format("cd {0}/images\nnumber=0\nwhile read -r image; do\n  number=$((number + 1))\n  echo \"image $image\"\n"
                    "  skopeo copy --quiet --retry-times 3 --override-os linux --override-arch amd64 \"docker://$image\" "
                    "\"docker-archive:$number.tar:$image\" </dev/null ||\n    {{ echo \"image $image was not fetched\" >&2; exit 1; }}\n"
                    "done <{0}/out/images.txt\ntar -cf {0}/out/images.tar .\n",
                    sh_quote(work_)),
        120min);
  }

  /// An archive of Docker's format keeps no digest, so a pod that names one would look for it in the registry.
  [[nodiscard]] Status no_digests() const {
    for (const auto& [addon, text] : texts_.manifests) {
      for (const std::string& image : bundle_images({{addon, text}})) {
        if (image.find('@') == std::string::npos) continue;
        return Error{Errc::kInvalidConfig,
                     fmt::format("addon {}: the image {} is pinned by a digest, which a bundle cannot keep: name it by its tag in "
                                 "the manifest, or serve it from a registry of the site's (mirrors.images)",
                                 addon, image)};
      }
    }
    return {};
  }

  [[nodiscard]] Status archive() {
    const auto archive = runtime_archive(site_.versions);
    if (!archive) return {};
    if (texts_.runtime_sha256.empty())
      return Error{Errc::kInvalidConfig, fmt::format("no SHA-256 is known of {} {}: write it as `sha256` beside its version",
                                                     archive->program, archive->version)};
    const std::string file = work_ + "/out/" + archive->file();
    run("fetches " + archive->program,
        fmt::format("curl -fsSL --retry 3 -o {0} {1}\necho '{2}  '{0} | sha256sum -c --quiet -\n", sh_quote(file), sh_quote(archive->url),
                    texts_.runtime_sha256),
        30min);
    return {};
  }

  void end() {
    run("gives the files their names",
        fmt::format("cd {0}/out\nsha256sum * >../SHA256SUMS\nrm -f {1}/SHA256SUMS\nmv -f * {1}/\nmv ../SHA256SUMS {1}/\n", sh_quote(work_),
                    sh_quote(places_.folder)),
        10min);
    path_step(HostStep::Kind::kRemove, "removes its work folder", work_);
  }

  [[nodiscard]] std::vector<HostStep> take() { return std::move(steps_); }

 private:
  [[nodiscard]] std::string apt_root() const {
    std::string out;
    const auto add = [&](std::string_view key, const std::string& value) { out += fmt::format(" -o{}={}", key, sh_quote(value)); };
    add("Dir::Etc::sourcelist", "/dev/null");
    add("Dir::Etc::sourceparts", work_ + "/sources");
    add("Dir::Etc::preferences", "/dev/null");
    add("Dir::Etc::preferencesparts", "/dev/null");
    add("Dir::State", work_ + "/state");
    add("Dir::State::status", work_ + "/status");
    add("Dir::Cache", work_ + "/cache");
    add("APT::Architecture", "amd64");
    add("APT::Architectures", "amd64");
    add("APT::Sandbox::User", "root");
    add("Acquire::Languages", "none");
    add("Acquire::Retries", "3");
    add("APT::Update::Error-Mode", "any");  // Without it an archive that does not answer is passed over.
    return out;
  }
  [[nodiscard]] std::string kubeadm_document() const {
    const std::string repository = image_repository(site_);
    std::string out =
        fmt::format("apiVersion: kubeadm.k8s.io/{}\nkind: ClusterConfiguration\nkubernetesVersion: v{}\nimageRepository: {}\n",
                    minor_number(site_.versions.kubernetes) < kV1Beta4Minor ? "v1beta3" : "v1beta4", site_.versions.kubernetes, repository);
    if (repository != "registry.k8s.io") out += fmt::format("dns:\n  imageRepository: {}/coredns\n", repository);
    return out;
  }
  void write(const std::string& name, std::string text) {
    HostStep step;
    step.kind = HostStep::Kind::kWrite;
    step.what = "writes what apt and kubeadm shall go by";
    step.path = work_ + name;
    step.text = std::move(text);
    step.mode = 0644;
    steps_.push_back(std::move(step));
  }
  void path_step(HostStep::Kind kind, std::string what, std::string path) {
    HostStep step;
    step.kind = kind;
    step.what = std::move(what);
    step.path = std::move(path);
    step.mode = 0755;
    steps_.push_back(std::move(step));
  }
  void run(std::string what, const std::string& text, Duration timeout) {
    HostStep step;
    step.what = std::move(what);
    step.argv = {"sh", "-euc", text};
    step.timeout = timeout;
    steps_.push_back(std::move(step));
  }

  const Site& site_;
  const Rendered& texts_;
  const BundlePlaces& places_;
  std::string os_id_;
  std::string work_;
  std::vector<HostStep> steps_;
};

}  // namespace

std::vector<std::string> bundle_packages(const Site& site, std::string_view os_id) {
  std::set<std::string> out;
  for (const Machine& machine : site.machines) {
    for (const auto& [name, version] : wanted_packages(site, machine)) {
      const bool upgraded = name == "kubeadm" || name == "kubelet" || name == "kubectl";  // Also where preparation is somebody else's.
      if (!machine.prepare && !upgraded) continue;
      out.insert(version.empty() ? name : apt_version(name, version, version_separator(name, os_id)));
    }
  }
  return {out.begin(), out.end()};
}

std::vector<std::string> bundle_images(const std::map<std::string, std::string>& manifests) {
  std::set<std::string> out{with_registry(std::string(kBusybox))};
  for (const auto& [name, text] : manifests) add_images(text, out);
  return {out.begin(), out.end()};
}

Result<std::vector<HostStep>> plan_bundle(const Site& site, const Rendered& texts, const BundlePlaces& places) {
  const std::string_view os_id = os_of_codename(places.release);
  if (os_id.empty())
    return Error{Errc::kInvalidConfig, fmt::format("'{}' is no release that Fairlead knows: {}", places.release, known_codenames())};
  BundlePlan plan(site, texts, places, std::string(os_id));
  if (site.mirrors.debian.empty())
    return Error{Errc::kInvalidConfig,
                 fmt::format("mirrors.debian is not in the site: the archive that packages of {} are fetched from, as "
                             "/etc/apt of such a machine names it",
                             places.release)};
  if (places.folder.find_first_of(" \t\n") != std::string::npos)
    return Error{Errc::kInvalidConfig, fmt::format("'{}': apt takes no folder with white space in its name", places.folder)};
  if (auto fine = plan.no_digests(); !fine) return fine.error();
  plan.begin();
  plan.packages();
  const bool nodes = std::any_of(site.machines.begin(), site.machines.end(), [](const Machine& m) { return runs_kubelet(m); });
  if (nodes) plan.images();
  if (auto done = plan.archive(); !done) return done.error();
  plan.end();
  return plan.take();
}

}  // namespace fairlead::bootstrap
