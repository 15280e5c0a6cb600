// fairlead: pure
#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "k8s-bootstrap/facts/parse_facts.h"
#include "k8s-bootstrap/plan/package_scripts.h"
#include "k8s-bootstrap/plan/plan_phases.h"
#include "k8s-bootstrap/render/sha256.h"
#include "k8s-bootstrap/storage/storage_layout.h"

namespace fairlead::bootstrap {
namespace {

using namespace std::chrono_literals;

bool is_node(const Machine& m) { return m.has(Role::kControlPlane) || m.has(Role::kWorker) || m.has(Role::kEtcd); }

/// It runs already what preparation installs; another version is `upgrade`'s.
bool runs(const PlanBuilder& plan, const Machine& m) {
  if (!is_node(m)) return false;
  const MachineState state = plan.view.of(m).state;
  return state == MachineState::kMember || state == MachineState::kSick || state == MachineState::kNodeMissing ||
         state == MachineState::kUnclear;
}

constexpr const char* kNoSum =
    "write it as `sha256` beside its version (its publisher prints it), take one of `fairlead bootstrap versions`, or choose another "
    "`source`";

struct Preparing {
  PlanBuilder& plan;
  const Machine& machine;
  const MachineFacts& facts;
  const MachineTexts& texts;

  void add(Step step) const {
    for (const std::string& id : plan.all_of(machine)) step.needs.push_back(id);
    plan.add(std::move(step));
  }
  [[nodiscard]] Step step(std::string_view verb, std::string title, std::string because) const {
    return plan.step(&machine, verb, Phase::kPrepare, std::move(title), std::move(because));
  }
};

bool is_of_runtime(const RenderedFile& f) {
  return f.path == "/etc/containerd/config.toml" || f.path == "/etc/systemd/system/containerd.service" ||
         f.path == "/etc/docker/daemon.json" || f.path.starts_with("/etc/systemd/system/cri-docker.");
}

bool is_apt(const RenderedFile& f) { return f.path.starts_with("/etc/apt/"); }

bool is_there(const MachineFacts& facts, const std::string& path) {
  const auto found = facts.files.find(path);
  return found != facts.files.end() && found->second.present;
}

/// Files that `which` chooses, and what makes them take effect. Between the two a marker lies on the machine: who was interrupted there
/// finds files that are right and were never applied.
void plan_files(const Preparing& p, const std::string& verb, bool (*which)(const RenderedFile&)) {
  const std::string marker = files_marker_path(verb);
  const bool pending = is_there(p.facts, marker);
  std::vector<std::string> why;
  if (pending) why.emplace_back("an earlier run wrote files and did not apply them");
  std::vector<std::string> applied;
  Step step = p.step(verb, "", "");
  step.operations.emplace_back(file(marker, "Files were written and are still to be applied.\n", 0600));
  // A runtime of another version may not know the new one's format: on a machine that runs pods, `upgrade` changes both together.
  const bool keep = runs(p.plan, p.machine) && runtime_change(p.plan.in, p.machine, p.facts);
  for (const RenderedFile& rendered : p.texts.files) {
    if (!which(rendered) || (keep && is_of_runtime(rendered))) continue;
    const bool there = is_there(p.facts, rendered.path);
    const bool same = there && p.facts.files.at(rendered.path).sha256 == sha256(rendered.text);
    const bool right = same && p.facts.files.at(rendered.path).mode == rendered.mode;
    if (right && !pending) continue;
    if (!right) why.push_back(rendered.path + (!there ? " is missing" : same ? " has another mode" : " differs"));
    if (!right) step.operations.emplace_back(file(rendered.path, rendered.text, rendered.mode));
    const bool again = std::find(applied.begin(), applied.end(), rendered.applies) != applied.end();
    if (!rendered.applies.empty() && !again) applied.push_back(rendered.applies);
  }
  if (why.empty()) return;
  const std::size_t count = step.operations.size() - 1;
  step.title = count == 0 ? "applies files" : fmt::format("writes {} file{}", count, count == 1 ? "" : "s");
  step.because = fmt::format("{}", fmt::join(why, "; "));
  std::string text;
  for (const std::string& one : applied) text += one + "\n";
  step.operations.emplace_back(script(text + "rm -f " + marker + "\n"));
  p.add(std::move(step));
}

void plan_copies(const Preparing& p) {
  std::vector<std::string> why;
  Step step = p.step("extra-files", "gets the site's own files", "");
  for (const CopyFile& copied : p.texts.copies) {
    const bool there = is_there(p.facts, copied.path);
    if (there && p.facts.files.at(copied.path).sha256 == copied.sha256 && p.facts.files.at(copied.path).mode == copied.mode) continue;
    why.push_back(copied.path + (there ? " differs" : " is missing"));
    step.operations.emplace_back(copied);
  }
  if (why.empty()) return;
  step.because = comma(why);
  p.add(std::move(step));
}

void plan_apt_keys(const Preparing& p) {
  Step step = p.step("apt-keys", "fetches the keys of package sources", "");
  std::vector<std::string> why;
  for (const AptKeyring& key : p.plan.in.site.mirrors.bundle.empty() ? apt_keyrings(p.plan.in.site, p.texts) : std::vector<AptKeyring>{}) {
    if (is_there(p.facts, key.path)) continue;
    why.push_back(key.path + " is missing");
    step.operations.emplace_back(
        script(fmt::format(R"sh(command -v curl >/dev/null && command -v gpg >/dev/null || {{
  apt-get update -q
  export DEBIAN_FRONTEND=noninteractive
  {}
}}
{})sh",
                           apt_install("--no-install-recommends ca-certificates curl gpg"), fetch_keyring_script(key))));
  }
  if (why.empty()) return;
  step.because = fmt::format("{}", fmt::join(why, "; "));
  step.usual = 3s;
  p.add(std::move(step));
}

bool is_held(const std::string& package) {
  return package == "kubeadm" || package == "kubelet" || package == "kubectl" || package == "containerd" || package == "containerd.io";
}

void plan_packages(const Preparing& p) {
  const Site& site = p.plan.in.site;
  const bool keep = runs(p.plan, p.machine);
  std::vector<std::string> why;
  std::vector<std::string> missing;
  std::vector<std::string> install;
  std::vector<std::string> hold;
  for (const auto& [name, version] : wanted_packages(site, p.machine)) {
    const auto found = p.facts.packages.find(name);
    const bool there = found != p.facts.packages.end();
    const bool right = there && (version.empty() || is_version(found->second, version));
    if (there && !right && keep) {
      p.plan.warn(fmt::format("{} runs {} {}, the site says {}: fairlead bootstrap upgrade changes it", p.machine.name, name, found->second,
                              version));
    } else if (!right) {
      if (there) why.push_back(name + " is " + found->second);
      if (!there) missing.push_back(name);
      install.push_back(version.empty() ? name : apt_version(name, version, version_separator(name, p.facts.os_id)));
    }
    const bool held = std::find(p.facts.held.begin(), p.facts.held.end(), name) != p.facts.held.end();
    if (is_held(name) && (!held || !right)) hold.push_back(name);
    if (is_held(name) && !held && right) why.push_back(name + " is not held back");
  }
  if (!missing.empty()) why.insert(why.begin(), "missing: " + comma(missing));
  if (why.empty()) return;
  Step step = p.step("packages", "installs packages", fmt::format("{}", fmt::join(why, "; ")));
  step.usual = 40s;
  std::string text = "export DEBIAN_FRONTEND=noninteractive\n";
  if (!install.empty()) {
    step.operations = package_operations(p.plan.in);
    for (std::string& word : install) word = sh_quote(word);
    text += package_script(site, fmt::format("--no-install-recommends --allow-change-held-packages {}", fmt::join(install, " ")));
  }
  if (!hold.empty()) text += fmt::format("apt-mark hold {}\n", fmt::join(hold, " "));
  step.operations.emplace_back(script(text, 15min));
  p.add(std::move(step));
}

/// Fetched or copied, its digest compared before anything of it is used. Empty: no digest is known.
std::vector<Operation> archive_operations(const PlanInput& in, const RuntimeArchive& archive) {
  const std::string& digest = in.texts.runtime_sha256;
  if (digest.empty()) return {};
  const std::string path = in_work(archive.file());
  std::vector<Operation> out;
  std::string text;
  if (const std::string& bundle = in.site.mirrors.bundle; !bundle.empty()) {
    CopyFile from = copy_file(bundle + "/" + archive.file(), path);
    from.sha256 = digest;
    out.emplace_back(from);
  } else {
    text += fmt::format("mkdir -p {}\ncurl -fsSL --retry 3 -o {} {}\n", kWorkPath, path, archive.url);
  }
  text += fmt::format("echo '{}  {}' | sha256sum -c --quiet - || {{ rm -f {}; echo 'the archive is not the pinned one' >&2; exit 1; }}\n",
                      digest, path, path);
  text += fmt::format("{}rm -f {}\n", archive.install, path);
  out.emplace_back(script(text, 10min));
  return out;
}

void plan_runtime(const Preparing& p) {
  const auto archive = runtime_archive(p.plan.in.site.versions);
  if (!archive) return;
  const auto found = p.facts.programs.find(archive->program);
  if (found != p.facts.programs.end() && is_version(found->second, archive->version)) return;
  if (found != p.facts.programs.end() && runs(p.plan, p.machine))
    return p.plan.warn(fmt::format("{} runs {} {}, the site says {}: fairlead bootstrap upgrade changes it", p.machine.name,
                                   archive->program, found->second, archive->version));
  Step step = p.step(archive->program, fmt::format("installs {} {}", archive->program, archive->version),
                     found == p.facts.programs.end() ? archive->program + " is missing" : archive->program + " is " + found->second);
  step.operations = archive_operations(p.plan.in, *archive);
  if (step.operations.empty())
    return p.plan.obstacle({p.machine.name}, fmt::format("no SHA-256 is known of {} {}", archive->program, archive->version), kNoSum);
  step.usual = 15s;
  p.add(std::move(step));
}

void plan_kernel(const Preparing& p) {
  std::vector<std::string> why;
  std::vector<std::string> unloaded;
  std::string text;
  for (const auto& [module, loaded] : p.facts.modules) {
    if (loaded) continue;
    unloaded.push_back(module);
    text += "modprobe " + module + "\n";
  }
  if (!unloaded.empty()) why.push_back("modules not loaded: " + comma(unloaded));
  static const std::map<std::string, std::string> kSysctls{
      {"net.ipv4.ip_forward", "1"}, {"net.bridge.bridge-nf-call-iptables", "1"}, {"net.bridge.bridge-nf-call-ip6tables", "1"}};
  bool set = false;
  for (const auto& [name, wanted] : kSysctls) {
    const auto found = p.facts.sysctls.find(name);
    if (found != p.facts.sysctls.end() && found->second == wanted) continue;
    why.push_back(fmt::format("{} is {}", name, found == p.facts.sysctls.end() || found->second.empty() ? "not set" : found->second));
    set = true;
  }
  if (set) text += "sysctl -q --system\n";
  if (p.facts.swap == Known::kYes) {
    why.emplace_back("swap is on");
    text += "swapoff -a\nsed -i.before-fairlead -E 's/^([^#].*[[:space:]]swap[[:space:]])/#\\1/' /etc/fstab\n";
    text += "systemctl mask swap.target\n";
  }
  if (why.empty()) return;
  Step step = p.step("kernel", "sets modules, sysctls and swap", fmt::format("{}", fmt::join(why, "; ")));
  step.operations.emplace_back(script(text));
  p.add(std::move(step));
}

/// The runtime and kubelet's unit, once the files that they read are there.
void plan_services(const Preparing& p) {
  std::vector<std::string> why;
  std::string text = "systemctl daemon-reload\n";
  const std::string runtime = p.plan.in.site.versions.containerd ? "containerd" : "cri-docker";
  const auto is = [&](const std::string& unit, std::string_view word) {
    const auto found = p.facts.units.find(unit);
    return found != p.facts.units.end() && (" " + found->second + " ").find(" " + std::string(word) + " ") != std::string::npos;
  };
  for (const std::string& unit : {runtime, std::string("kubelet")}) {
    const auto found = p.facts.units.find(unit);
    if (found == p.facts.units.end() || found->second != kUnitUnread) continue;
    return p.plan.obstacle({p.machine.name}, fmt::format("whether {} runs is not known: systemctl there did not answer", unit),
                           "run it again; if it stays so: systemctl status on the machine");
  }
  if (!is(runtime, "active") || !is(runtime, "enabled")) {
    why.push_back(runtime + " does not run or is not enabled");
    text += fmt::format("systemctl enable {0}\nsystemctl restart {0}\n", runtime);
  }
  if (!is("kubelet", "enabled")) {
    why.emplace_back("kubelet is not enabled");
    text += "systemctl enable kubelet\n";
  }
  if (why.empty()) return;
  Step step = p.step("services", "starts the runtime", fmt::format("{}", fmt::join(why, "; ")));
  step.operations.emplace_back(script(text));
  step.usual = 3s;
  p.add(std::move(step));
}

void plan_images(const Preparing& p) {
  if (!lacks_images(p.plan.in, p.facts)) return;
  Step step = p.step("images", "imports container images", "the bundle's were not imported here");
  step.usual = 60s;
  step.operations = image_operations(p.plan.in);
  p.add(std::move(step));
}

}  // namespace

std::map<std::string, std::string> wanted_packages(const Site& site, const Machine& m) {
  std::map<std::string, std::string> out;
  const std::string& kubernetes = site.versions.kubernetes;
  if (is_node(m)) {
    out = {{"kubeadm", kubernetes}, {"kubelet", kubernetes}, {"chrony", ""}, {"curl", ""}, {"gpg", ""}};
    if (!m.has(Role::kEtcd) || m.has(Role::kControlPlane)) out["kubectl"] = kubernetes;
    // Beside a static pod of etcd there is etcdctl; here there is none.
    if (m.has(Role::kControlPlane) && site.kubernetes.etcd == EtcdPlace::kExternal) out["etcd-client"] = "";
    if (site.versions.containerd) {
      const Containerd& runtime = *site.versions.containerd;
      if (runtime.source == RuntimeSource::kUpstream) out["runc"] = "";
      if (runtime.source == RuntimeSource::kDebian) out["containerd"] = runtime.version;
      if (runtime.source == RuntimeSource::kDockerRepository) out["containerd.io"] = runtime.version;
    } else {
      out["docker-ce"] = "";
    }
  }
  if (m.has(Role::kBastion)) out["kubectl"] = kubernetes;
  if (m.has(Role::kWitness)) out["corosync-qnetd"] = "";
  if (has_storage(site, m) && m.has(Role::kStorage)) {
    for (const char* name : {"glusterfs-server", "xfsprogs", "attr"}) out[name] = "";
    const bool disks = std::any_of(m.bricks.begin(), m.bricks.end(), is_on_disk);
    for (const char* name : {"lvm2", "thin-provisioning-tools"}) {
      if (disks) out[name] = "";
    }
  }
  if (!mounts_of(site, m).empty()) out["glusterfs-client"] = "";
  if (m.has(Role::kGateway)) {
    for (const char* name : {"corosync", "chrony", "curl", "dnsmasq-base", "iputils-ping", "nftables"}) out[name] = "";
    if (!site.with(Role::kWitness).empty()) out["corosync-qdevice"] = "";
    if (site.gateways && site.gateways->router && site.gateways->router->sync) out["conntrackd"] = "";
  }
  return out;
}

std::optional<RuntimeChange> runtime_change(const PlanInput& in, const Machine& m, const MachineFacts& facts) {
  const Versions& versions = in.site.versions;
  RuntimeChange out;
  std::vector<Operation> install;
  if (const auto archive = runtime_archive(versions)) {
    const auto found = facts.programs.find(archive->program);
    if (found == facts.programs.end() || is_version(found->second, archive->version)) return std::nullopt;
    out.because = fmt::format("{} is {}", archive->program, found->second);
    out.version = archive->version;
    install = archive_operations(in, *archive);
    if (install.empty()) return out;
  } else {
    const std::string name = versions.containerd->source == RuntimeSource::kDebian ? "containerd" : "containerd.io";
    const auto found = facts.packages.find(name);
    out.version = versions.containerd->version;
    if (found == facts.packages.end() || is_version(found->second, out.version)) return std::nullopt;
    out.because = fmt::format("{} is {}", name, found->second);
    install = package_operations(in);
    const std::string word = sh_quote(apt_version(name, out.version, version_separator(name, facts.os_id)));
    install.emplace_back(script("export DEBIAN_FRONTEND=noninteractive\n" +
                                    package_script(in.site, "--no-install-recommends --allow-change-held-packages " + word) +
                                    fmt::format("apt-mark hold {}\n", name),
                                15min));
  }
  const auto texts = in.texts.machines.find(m.name);
  for (const RenderedFile& rendered : texts == in.texts.machines.end() ? std::vector<RenderedFile>{} : texts->second.files) {
    if (m.prepare && is_of_runtime(rendered)) out.operations.emplace_back(file(rendered.path, rendered.text, rendered.mode));
  }
  // One script with its restart: what is recorded as done runs.
  auto& last = std::get<RunScript>(install.back());
  last.script += fmt::format("systemctl daemon-reload\nsystemctl restart {}\n", versions.containerd ? "containerd" : "cri-docker");
  out.operations.insert(out.operations.end(), install.begin(), install.end());
  return out;
}

bool is_version(const std::string& installed, const std::string& wanted) {
  const std::string_view bare = installed.starts_with("v") ? std::string_view(installed).substr(1) : installed;
  return bare == wanted ||
         (bare.starts_with(wanted) && (bare[wanted.size()] == '-' || bare[wanted.size()] == '~' || bare[wanted.size()] == '+'));
}

void plan_prepare(PlanBuilder& plan) {
  check_bundle(plan);
  for (const Machine& machine : plan.in.site.machines) {
    const MachineFacts* facts = plan.in.facts.find(machine.name);
    if (facts == nullptr) continue;
    const auto texts = plan.in.texts.machines.find(machine.name);
    static const MachineTexts kNone;
    const Preparing p{plan, machine, *facts, texts == plan.in.texts.machines.end() ? kNone : texts->second};
    if (!machine.prepare) continue;
    plan_apt_keys(p);
    plan_files(p, "sources", is_apt);
    plan_packages(p);
    if (is_node(machine)) plan_runtime(p);
    plan_files(p, "files", [](const RenderedFile& f) { return !is_apt(f); });  // Services that read them are there now.
    plan_copies(p);
    if (!is_node(machine)) continue;
    plan_kernel(p);
    plan_services(p);
    plan_images(p);
  }
}

}  // namespace fairlead::bootstrap
