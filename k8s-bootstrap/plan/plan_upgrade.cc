// fairlead: pure
#include <algorithm>
#include <fmt/format.h>

#include "k8s-bootstrap/plan/etcd_snapshot.h"
#include "k8s-bootstrap/plan/package_scripts.h"
#include "k8s-bootstrap/plan/plan_day_two.h"
#include "k8s-bootstrap/plan/plan_phases.h"
#include "k8s-bootstrap/plan/plan_rule.h"

namespace fairlead::bootstrap {
namespace {

using namespace std::chrono_literals;

constexpr int kKubeletSkewMax = 3;  // Minors that a kubelet may be behind its API server.

std::string bare(const std::string& version) { return version.starts_with("v") ? version.substr(1) : version; }

struct Node {
  const Machine* machine = nullptr;
  const MachineFacts* facts = nullptr;
  const NodeFact* node = nullptr;
  bool control_plane = false;

  [[nodiscard]] bool package_is(const std::string& name, const std::string& version) const {
    const auto found = facts->packages.find(name);
    return found != facts->packages.end() && is_version(found->second, version);
  }
  /// Not ended, by the last record of it.
  [[nodiscard]] bool unfinished(const std::string& verb) const {
    const StepRecord* record = last_record(*facts, machine->name + verb);
    return record != nullptr && record->state != "done";
  }
};

class Upgrade {
 public:
  Upgrade(PlanBuilder& plan, const Machine& host) : plan_(plan), host_(host), target_(plan.in.site.versions.kubernetes) {}

  void run(const std::vector<Node>& nodes) {
    if (!before_all(nodes)) return;
    std::string last;
    for (const Node& node : nodes) {
      if (!node.control_plane) continue;
      const bool first = FL_PLAN_RULE(kOneControlPlane, last.empty());
      last = upgrade(node, first_pending(nodes), first ? before_ : std::vector{last});
    }
    std::vector<std::string> after = last.empty() ? before_ : std::vector{last};
    std::vector<std::string> ends;
    std::size_t workers = 0;
    for (const Node& node : nodes) workers += node.control_plane ? 0 : 1;
    // A third at once: pods that move need somewhere to go.
    const std::size_t width = std::max<std::size_t>(1, workers / 3);
    for (const Node& node : nodes) {
      if (node.control_plane) continue;
      std::vector<std::string> needs = after;
      if (ends.size() >= width) needs.push_back(ends[ends.size() - width]);
      const std::string end = upgrade(node, false, needs);
      if (!end.empty() && (needs.empty() || end != needs.back())) ends.push_back(end);
    }
  }

  void gateways() {
    if (!plan_.in.texts.fairlead) return;
    const FairleadPackage& package = *plan_.in.texts.fairlead;
    std::vector<const Machine*> order;
    for (const bool holding : {false, true}) {
      for (const Machine* gateway : plan_.in.site.with(Role::kGateway)) {
        const MachineFacts* facts = plan_.in.facts.find(gateway->name);
        if (facts == nullptr) {
          if (!holding) plan_.obstacle({gateway->name}, "not read", "make it reachable: gateways are upgraded one after the other");
          continue;
        }
        const auto version = facts->programs.find("fairleadd");
        const bool same = version != facts->programs.end() && version->second == package.version;
        if (same && !unfinished(*facts, *gateway)) continue;
        if (facts->vips_held.empty() != holding) order.push_back(gateway);
      }
    }
    for (const Machine* gateway : order) {
      Step step = plan_.step(gateway, "upgrade-fairlead", Phase::kUpgrade, "gets Fairlead " + package.version,
                             "another version runs, or its upgrade did not end");
      step.needs = before_;
      CopyFile from = copy_file(package.path, in_work("fairlead.deb"));
      from.sha256 = package.sha256;
      step.operations.emplace_back(from);
      for (Operation& operation : package_operations(plan_.in)) step.operations.push_back(std::move(operation));
      step.operations.emplace_back(
          // One script, one record: a gateway that has the new version and is on standby still is told from one that is done.
          script(fmt::format(R"sh(fairlead node standby --wait
export DEBIAN_FRONTEND=noninteractive
{1}rm -f {0}/fairlead.deb
tries=0
until fairlead status >/dev/null 2>&1; do
  tries=$((tries + 1))
  if [ $tries -gt 60 ]; then echo 'fairleadd does not answer after its upgrade' >&2; exit 1; fi
  sleep 1
done
# The package leaves the old daemon running when the new one would not start with this configuration.
pid=$(fairlead status --json | grep -o '"pid": *[0-9]*' | head -n 1 | tr -dc 0-9)
case $(readlink "/proc/$pid/exe") in
  *' (deleted)')
    echo 'the daemon of before is running still: the new one refused to start (apt-get said why); fairleadd --check-start tells again' >&2
    exit 1
    ;;
esac
fairlead node online
)sh",
                             kWorkPath, package_script(plan_.in.site, in_work("fairlead.deb"), false)),
                 15min));
      step.usual = 20s;
      before_ = {step.id};
      plan_.add(std::move(step));
    }
  }

 private:
  static bool unfinished(const MachineFacts& facts, const Machine& gateway) {
    const StepRecord* record = last_record(facts, gateway.name + "/upgrade-fairlead");
    return record != nullptr && record->state != "done";
  }

  bool api_behind(const Node& n) const { return n.control_plane && bare(n.facts->api_version) != target_; }
  bool kubelet_behind(const Node& n) const {
    return bare(n.node->kubelet_version) != target_ || !n.package_is("kubelet", target_) ||
           (n.control_plane && !n.package_is("kubectl", target_));
  }
  /// A machine that the operator prepares keeps the runtime that it has.
  std::optional<RuntimeChange> runtime_of(const Node& n) const {
    return n.machine->prepare ? runtime_change(plan_.in, *n.machine, *n.facts) : std::nullopt;
  }
  bool changes(const Node& n) const {
    if (runtime_of(n) || n.unfinished("/runtime")) return true;
    return api_behind(n) || kubelet_behind(n) || !n.package_is("kubeadm", target_) || n.unfinished("/upgrade") || n.unfinished("/kubelet");
  }
  /// D3: the last of cordon and uncordon that some machine has a record of is a cordon.
  bool drained_by_us(const Node& n) const {
    if (!n.node->unschedulable) return false;
    for (const auto& [name, facts] : plan_.in.facts.machines) {
      const StepRecord* last = nullptr;
      for (const StepRecord& record : facts.steps) {
        if (is_record_of(record, n.machine->name + "/cordon") || is_record_of(record, n.machine->name + "/uncordon")) last = &record;
      }
      if (last != nullptr && (is_record_of(*last, n.machine->name + "/cordon") || last->state != "done")) return true;
    }
    return false;
  }

  /// By the last record of ours some gateway was told to keep it out, or may not have been told the contrary.
  bool left_out_of_pool(const Node& n) const {
    for (const Machine* gateway : plan_.in.site.with(Role::kGateway)) {
      const MachineFacts* facts = plan_.in.facts.find(gateway->name);
      bool out = false;
      for (const StepRecord& record : facts == nullptr ? std::vector<StepRecord>{} : facts->steps) {
        if (is_record_of(record, fmt::format("{}/maint-{}", gateway->name, n.machine->name))) out = true;
        if (is_record_of(record, fmt::format("{}/ready-{}", gateway->name, n.machine->name))) out = record.state != "done";
      }
      if (!FL_PLAN_RULE(kPoolAgain, !out)) return true;
    }
    return false;
  }

  /// The first control plane is the one that `upgrade apply` is for: none is at the target yet.
  bool first_pending(const std::vector<Node>& nodes) const {
    return std::none_of(nodes.begin(), nodes.end(),
                        [&](const Node& n) { return n.control_plane && !api_behind(n) && !n.unfinished("/upgrade"); }) &&
           !plan_.has(applied_);
  }

  /// False: an obstacle.
  bool before_all(const std::vector<Node>& nodes) {
    if (std::none_of(nodes.begin(), nodes.end(), [&](const Node& n) { return api_behind(n); })) return true;
    const bool begun = std::any_of(nodes.begin(), nodes.end(), [&](const Node& n) { return n.control_plane && !api_behind(n); });
    const std::string name = fmt::format("etcd-before-{}.db", target_);
    plan_.warn(fmt::format(
        "the way back: etcd restored from {} (fairlead bootstrap etcd restore --from), with the packages of the earlier version",
        in_state(plan_.in.site, "backups/" + name)));
    if (begun) return true;
    const Machine* source = snapshot_source(plan_);
    if (source == nullptr) {
      plan_.obstacle({}, "etcd cannot be saved first: " + std::string(kNoSnapshotSource), "mend etcd first");
      return false;
    }
    Step step = plan_.step(source, "etcd-snapshot", Phase::kUpgrade, "etcd is saved to state_dir",
                           "the only way back from an upgrade of the control plane");
    step.needs = before_;
    add_snapshot(plan_.in.site, *source, in_state(plan_.in.site, "backups/" + name), step);
    before_ = {step.id};
    plan_.add(std::move(step));
    return true;
  }

  Step step(const Node& n, const std::string& verb, const std::string& title, const std::string& because) {
    Step out = plan_.step(n.machine, verb, Phase::kUpgrade, title, because);
    out.needs = chain_;
    out.concerns = {n.machine->name};
    return out;
  }
  void add(Step step) {
    chain_ = {step.id};
    plan_.add(std::move(step));
  }

  void pool(const Node& n, const char* state, const char* title) {
    if (!n.control_plane || plan_.in.site.with(Role::kControlPlane).size() < 2) return;
    const std::vector<std::string> before = chain_;
    std::vector<std::string> all;
    for (const Machine* gateway : plan_.in.site.with(Role::kGateway)) {
      if (plan_.in.facts.find(gateway->name) == nullptr) continue;
      Step out = plan_.step(gateway, fmt::format("{}-{}", state, n.machine->name), Phase::kUpgrade,
                            fmt::format(fmt::runtime(title), n.machine->name), "it is upgraded");
      out.needs = before;
      const SiteVip* endpoint = plan_.in.site.endpoint();
      const std::string address =
          fmt::format("{}:{}", url_host(n.machine->address()), endpoint == nullptr ? 6443 : endpoint->to_ports.front());
      RunScript tells =
          script(fmt::format("server=$(fairlead server list | awk '$2 == \"{}\" {{print $1; exit}}')\ntest -n \"$server\"\n"
                             "fairlead server {} \"$server\"\n",
                             address, state));
      tells.again = true;  // After a failure an operator may have put it back for the night.
      out.operations.emplace_back(std::move(tells));
      all.push_back(out.id);
      plan_.add(std::move(out));
    }
    if (!all.empty()) chain_ = all;
  }

  /// Through the API, by the host.
  Step by_host(const Node& n, const std::string& verb, const std::string& title, const std::string& because) {
    Step out = step(n, verb, title, because);
    out.machine = host_.name;
    out.concerns = {n.machine->name};
    if (n.machine != &host_) out.concerns.push_back(host_.name);
    return out;
  }

  void drain(const Node& n, bool cordoned_before) {
    // The record that a cordon is ours is there before the cordon, on the machine that takes it away again. D3: none for somebody else's.
    if (FL_PLAN_RULE(kForeignCordon, !cordoned_before)) {
      Step mark = by_host(n, "cordon", "is about to be cordoned", "it is upgraded");
      mark.operations.emplace_back(script("true\n"));
      add(std::move(mark));
    }
    Step out = by_host(n, "drain", "its pods move elsewhere", "it is upgraded");
    RunScript drains =
        script(kubectl(fmt::format("drain {} --ignore-daemonsets --delete-emptydir-data --timeout=10m\n", n.machine->name)), 15min);
    drains.again = true;  // Likewise.
    out.operations.emplace_back(std::move(drains));
    out.usual = 60s;
    add(std::move(out));
  }

  /// Before anything that starts a pod of the new version.
  void images(const Node& n) {
    if (!lacks_images(plan_.in, *n.facts)) return;
    Step out = step(n, "images", "imports container images", "the bundle's were not imported here");
    out.operations = image_operations(plan_.in);
    out.usual = 60s;
    add(std::move(out));
  }

  void kubeadm_package(const Node& n) {
    if (n.package_is("kubeadm", target_) || plan_.has(n.machine->name + "/kubeadm")) return;
    Step out = step(n, "kubeadm", "gets kubeadm " + target_, "kubeadm is " + installed(n, "kubeadm"));
    out.operations = package_operations(plan_.in);
    out.operations.emplace_back(script(install_kubernetes(plan_.in.site, {"kubeadm"}), 15min));
    out.usual = 20s;
    add(std::move(out));
  }

  /// kubeadm's own look at the cluster, with nothing drained yet: what it refuses is refused here.
  void kubeadm_plan(const Node& n) {
    kubeadm_package(n);
    Step out = step(n, "upgrade-plan", "kubeadm looks whether it can upgrade to " + target_, "the cluster is upgraded");
    const std::string with = upgrade_file(n, out);
    out.operations.emplace_back(script(fmt::format("kubeadm upgrade plan v{}{}\n", target_, with), 5min));
    out.usual = 5s;
    add(std::move(out));
  }

  /// kubeadm's arguments that name its configuration, which `step` writes.
  std::string upgrade_file(const Node& n, Step& step) const {
    const auto texts = plan_.in.texts.machines.find(n.machine->name);
    const bool configured = texts != plan_.in.texts.machines.end() && !texts->second.upgrade.empty() && minor_of(target_) > Minor{1, 30};
    const std::string config = in_work("upgrade.yaml");
    if (configured) step.operations.emplace_back(file(config, texts->second.upgrade, 0600));
    return configured ? " --config " + config : std::string();
  }

  void kubeadm(const Node& n, bool first) {
    kubeadm_package(n);
    if (!api_behind(n) && !n.unfinished("/upgrade") && !(kubelet_behind(n) && !n.control_plane)) return;
    Step out =
        step(n, "upgrade", first ? "upgrades the control plane to " + target_ : "kubeadm upgrade node",
             n.control_plane ? "its API server is " + bare(n.facts->api_version) : "its kubelet is " + bare(n.node->kubelet_version));
    const std::string with = upgrade_file(n, out);
    // `apply` asks on a terminal's behalf; its flag for yes does not go together with a file.
    out.operations.emplace_back(script(
        (first ? fmt::format("echo y | kubeadm upgrade apply v{0}{1}\n", target_, with) : fmt::format("kubeadm upgrade node{}\n", with)) +
            note_kubeadm_files(),
        20min));
    out.usual = 90s;
    if (first) applied_ = out.id;
    add(std::move(out));
  }

  /// Of the two versions of a runtime only the drained node sees the change; its files and its program change together.
  void runtime(const Node& n) {
    const auto change = runtime_of(n);
    if (!change && !n.unfinished("/runtime")) return;
    const std::string unit = plan_.in.site.versions.containerd ? "containerd" : "cri-docker";
    Step out = step(n, "runtime", fmt::format("gets {} {}", unit, change ? change->version : "started again"),
                    change ? change->because : "its change did not end, by its record");
    if (change) out.operations = change->operations;
    if (!change) out.operations.emplace_back(script(fmt::format("systemctl daemon-reload\nsystemctl restart {}\n", unit)));
    out.usual = 20s;
    add(std::move(out));
  }

  void kubelet(const Node& n) {
    if (!kubelet_behind(n) && !n.unfinished("/kubelet")) return;
    Step out = step(n, "kubelet", "gets kubelet " + target_, "kubelet is " + bare(n.node->kubelet_version));
    std::vector<std::string> packages{"kubelet"};
    if (n.control_plane) packages.emplace_back("kubectl");
    out.operations = package_operations(plan_.in);
    out.operations.emplace_back(
        script(install_kubernetes(plan_.in.site, packages) + "systemctl daemon-reload\nsystemctl restart kubelet\n", 15min));
    out.usual = 20s;
    add(std::move(out));
  }

  /// The id of its last step, or of what it would have needed.
  std::string upgrade(const Node& n, bool first, const std::vector<std::string>& needs) {
    const bool ours = drained_by_us(n);
    const bool work = changes(n);
    const bool out = left_out_of_pool(n);
    if (!work && !ours && !out) return needs.empty() ? std::string() : needs.back();
    chain_ = needs;
    const bool cordoned_before = n.node->unschedulable && !ours;
    if (work) {
      images(n);
      if (first && api_behind(n)) kubeadm_plan(n);
      pool(n, "maint", "takes {} out of the pool");
      drain(n, cordoned_before);
      runtime(n);
      kubeadm(n, first);
      kubelet(n);
    }
    Step ready = by_host(n, "upgraded", "is ready at " + target_, "it was upgraded");
    ready.operations.emplace_back(wait_for(
        "its kubelet is " + target_,
        kubectl(fmt::format("get node {} -o 'jsonpath={{.status.nodeInfo.kubeletVersion}}' | grep -qx v{}", n.machine->name, target_))));
    ready.operations.emplace_back(
        wait_for("it is Ready", kubectl(fmt::format("wait --for=condition=Ready node/{} --timeout=1s >/dev/null", n.machine->name))));
    if (n.control_plane)
      ready.operations.emplace_back(
          wait_for("its API server is ready",
                   kubectl(fmt::format("--server https://{}:6443 get --raw /readyz >/dev/null", url_host(n.machine->address())))));
    add(std::move(ready));
    pool(n, "ready", "puts {} back into the pool");
    if (cordoned_before) {
      plan_.warn(n.machine->name + " was cordoned before, and stays so");
      return chain_.back();
    }
    if (!work && !ours) return chain_.back();
    Step uncordon = by_host(n, "uncordon", "takes pods again",
                            work ? "it is drained for its upgrade" : "it was drained for its upgrade and is upgraded");
    uncordon.operations.emplace_back(script(kubectl(fmt::format("uncordon {}\n", n.machine->name))));
    add(std::move(uncordon));
    return chain_.back();
  }

  static std::string installed(const Node& n, const std::string& package) {
    const auto found = n.facts->packages.find(package);
    return found == n.facts->packages.end() ? "missing" : found->second;
  }

  PlanBuilder& plan_;
  const Machine& host_;
  const std::string target_;
  std::vector<std::string> before_;
  std::vector<std::string> chain_;
  std::string applied_;
};

/// D2. True: nothing is in the way.
bool check_versions(PlanBuilder& plan, const std::vector<Node>& nodes) {
  const std::string& target = plan.in.site.versions.kubernetes;
  const Minor to = minor_of(target);
  for (const Node& n : nodes) {
    const std::string version = n.control_plane ? bare(n.facts->api_version) : bare(n.node->kubelet_version);
    const Minor from = minor_of(version);
    if (from == Minor{}) {
      plan.obstacle({n.machine->name}, "its version could not be read", "fairlead bootstrap status shows what was");
    } else if (from > to) {
      plan.obstacle({n.machine->name}, fmt::format("it runs {}, and Kubernetes goes down to {} by no upgrade", version, target),
                    "versions.kubernetes: not below what runs");
    } else if (n.control_plane && (from.major != to.major || to.minor > from.minor + 1)) {
      plan.obstacle({n.machine->name}, fmt::format("it runs {}, and {} is more than one minor above", version, target),
                    fmt::format("versions.kubernetes: a {}.{} first", from.major, from.minor + 1));
    }
    const Minor kubelet = minor_of(bare(n.node->kubelet_version));
    if (kubelet != Minor{} && to.minor - kubelet.minor > kKubeletSkewMax)
      plan.obstacle({n.machine->name},
                    fmt::format("its kubelet is {}, more than {} minors behind {}", bare(n.node->kubelet_version), kKubeletSkewMax, target),
                    "upgrade in smaller steps");
  }
  return plan.so_far().obstacles.empty();
}

}  // namespace

std::string install_kubernetes(const Site& site, const std::vector<std::string>& packages) {
  std::string text = "export DEBIAN_FRONTEND=noninteractive\n";
  std::string names;
  std::string pinned;
  for (const std::string& package : packages) {
    names += " " + package;
    pinned += " " + sh_quote(apt_version(package, site.versions.kubernetes));
  }
  text += package_script(site, "--no-install-recommends --allow-change-held-packages" + pinned);
  return text + "apt-mark hold" + names + "\n";
}

Plan plan_upgrade(const PlanInput& input) {
  PlanBuilder plan(input);
  std::vector<Node> nodes;
  for (const bool control_plane : {true, false}) {
    for (const Machine& machine : input.site.machines) {
      const auto verdict = plan.view.machines.find(machine.name);
      if (verdict == plan.view.machines.end() || machine.has(Role::kControlPlane) != control_plane) continue;
      if (machine.has(Role::kEtcd) && !control_plane) continue;
      if (verdict->second.state != MachineState::kMember) {
        plan.obstacle({machine.name}, verdict->second.why, "mend it first: an upgrade begins with all machines read and in order");
        continue;
      }
      nodes.push_back({&machine, input.facts.find(machine.name), verdict->second.node, control_plane});
    }
  }
  if (plan.view.primary == nullptr || !input.facts.cluster) return plan.take();
  if (!count_votes(*input.facts.cluster).all_healthy && input.site.kubernetes.etcd == EtcdPlace::kStacked)
    plan.obstacle({}, "not every member of etcd is known to be healthy", "mend etcd first");
  // One that was not read would go on sending to the control plane that changes, and would not be told when it is back.
  for (const Machine* gateway : input.site.with(Role::kGateway)) {
    if (!FL_PLAN_RULE(kGatewaysRead, input.facts.find(gateway->name) != nullptr))
      plan.obstacle({gateway->name}, "not read: it cannot take a control plane out of the pool",
                    "make it reachable, or take it out of the site");
  }
  for (const Node& n : nodes) {
    const auto change = n.machine->prepare ? runtime_change(input, *n.machine, *n.facts) : std::nullopt;
    if (change && change->operations.empty())
      plan.obstacle({n.machine->name}, fmt::format("no SHA-256 is known of the runtime {}", change->version),
                    "write it as `sha256` beside its version, or leave the version as it was");
  }
  check_bundle(plan);
  if (!check_versions(plan, nodes)) return plan.take();
  Upgrade upgrade(plan, *plan.view.primary);
  upgrade.gateways();
  if (!plan.so_far().obstacles.empty()) {
    Plan stopped = plan.take();
    stopped.steps.clear();
    return stopped;
  }
  upgrade.run(nodes);
  if (plan.so_far().steps.empty()) plan_kubeconfigs(plan);  // kubeadm has renewed the certificates, too.
  return plan.take();
}

}  // namespace fairlead::bootstrap
