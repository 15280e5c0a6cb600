// fairlead: pure
// What is done through the API once machines are nodes: settling, labels, addons, kubeconfigs, verification.
#include <algorithm>
#include <fmt/format.h>

#include "k8s-bootstrap/plan/plan_phases.h"
#include "k8s-bootstrap/render/sha256.h"
#include "k8s-bootstrap/site/versions.h"

namespace fairlead::bootstrap {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kControlPlaneLabel = "node-role.kubernetes.io/control-plane";
constexpr std::int64_t kCertificateDaysWarn = 30;

/// "key:Effect" where there is no value, however it was written.
std::string taint_text(std::string text) {
  const auto at = text.find("=:");
  return at == std::string::npos ? text : text.erase(at, 1);
}
std::string taint_text(const Taint& taint) {
  return taint.value.empty() ? taint.key + ":" + taint.effect : taint.key + "=" + taint.value + ":" + taint.effect;
}

struct NodeChange {
  std::vector<std::string> why;
  std::vector<std::string> labels;
  std::vector<std::string> taints;
};

void find_taints(const Machine& machine, const NodeFact& node, bool unmarked, NodeChange& out) {
  const std::string own = fmt::format("{}:NoSchedule", kControlPlaneLabel);
  std::vector<std::string> there;
  for (const std::string& taint : node.taints) there.push_back(taint_text(taint));
  const auto has = [&](const std::string& taint) { return std::find(there.begin(), there.end(), taint) != there.end(); };
  std::vector<std::string> wanted;
  if (machine.taints) {
    for (const Taint& taint : *machine.taints) wanted.push_back(taint_text(taint));
  } else if (unmarked) {
    wanted.push_back(own);
  }
  for (const std::string& taint : wanted) {
    if (has(taint)) continue;
    out.why.push_back("it lacks the taint " + taint);
    out.taints.push_back(taint);
  }
  const bool keeps_own = !machine.taints || std::find(wanted.begin(), wanted.end(), own) != wanted.end();
  if (machine.has(Role::kControlPlane) && !keeps_own && has(own)) {
    out.why.push_back("it has the taint " + own);
    out.taints.push_back(own + "-");
  }
}

NodeChange change_of(const Machine& machine, const NodeFact* node) {
  NodeChange out;
  const bool unmarked = node != nullptr && machine.has(Role::kControlPlane) && !node->labels.contains(std::string(kControlPlaneLabel));
  if (unmarked) {
    out.why.emplace_back("it is not marked as a control plane");
    out.labels.push_back(std::string(kControlPlaneLabel) + "=");
  }
  for (const auto& [key, value] : machine.labels) {
    if (node != nullptr && node->labels.contains(key) && node->labels.at(key) == value) continue;
    out.why.push_back(fmt::format("it lacks the label {}={}", key, value));
    out.labels.push_back(fmt::format("{}={}", key, value));
  }
  if (node != nullptr) find_taints(machine, *node, unmarked, out);
  return out;
}

std::string ready_script(const std::string& ready) {
  const auto first = ready.find('/');
  const auto second = ready.find('/', first == std::string::npos ? first : first + 1);
  if (second == std::string::npos) return kubectl(fmt::format("get {} >/dev/null", sh_quote(ready)));
  return kubectl(fmt::format("-n {} rollout status {} --timeout=1s >/dev/null", sh_quote(ready.substr(first + 1, second - first - 1)),
                             sh_quote(ready.substr(0, first) + "/" + ready.substr(second + 1))));
}

/// Which text was applied last is recorded on the control plane that did it, another one each time perhaps.
struct AddonRecords {
  bool same = false;                   ///< There is one of this text.
  std::vector<const Machine*> others;  ///< They have one of another text: older, or not known to be.
};
AddonRecords addon_records(const PlanBuilder& plan, const std::string& addon, const std::string& text) {
  const std::string path = applied_manifest_path(addon);
  const std::string digest = sha256(text);
  AddonRecords out;
  for (const Machine* machine : plan.in.site.with(Role::kControlPlane)) {
    const MachineFacts* facts = plan.in.facts.find(machine->name);
    if (facts == nullptr) continue;
    const auto found = facts->files.find(path);
    if (found == facts->files.end() || !found->second.present) continue;
    if (found->second.sha256 == digest) {
      out.same = true;
    } else {
      out.others.push_back(machine);
    }
  }
  return out;
}

/// What is recorded of an addon goes before another text is applied: it would be taken for the last one if that text came back.
Step forget_addon(PlanBuilder& plan, const Machine* machine, const Addon& addon, const std::vector<std::string>& needs) {
  Step step = plan.step(machine, "forget-addon-" + addon.name, Phase::kAddons, "forgets an earlier text of addon " + addon.name,
                        "another one is applied");
  step.needs = needs;
  step.operations.emplace_back(script(fmt::format("rm -f {}\n", sh_quote(applied_manifest_path(addon.name)))));
  return step;
}

/// A pod on each of two nodes, one behind a Service; the other one finds it by name. The namespace goes in the end, whatever happens.
std::string service_check(const std::vector<std::string>& nodes) {
  return fmt::format(R"sh(k="kubectl --kubeconfig {0} -n fairlead-verify"
trap '$k delete namespace fairlead-verify --ignore-not-found --wait=false >/dev/null' EXIT
$k delete namespace fairlead-verify --ignore-not-found >/dev/null
$k create namespace fairlead-verify >/dev/null
pod() {{
  $k run "$1" --image={3} --restart=Never --labels=app="$1" --overrides="{{\"spec\": {{\"nodeName\": \"$2\"}}}}" \
    --command -- sh -c "$3" >/dev/null
}}
pod server {1} 'mkdir /www && echo here >/www/index.html && exec httpd -f -p 8080 -h /www'
pod client {2} 'exec sleep 600'
$k expose pod server --port 80 --target-port 8080 >/dev/null
$k wait --for=condition=Ready pod/server pod/client --timeout=180s >/dev/null
$k exec client -- nslookup kubernetes.default.svc.cluster.local >/dev/null ||
  {{ echo 'a pod does not resolve kubernetes.default' >&2; exit 1; }}
$k exec client -- wget -q -T 10 -O - http://server/ | grep -q here ||
  {{ echo 'a pod of {2} does not reach a Service with its pod on {1}' >&2; exit 1; }}
)sh",
                     kAdminConf, nodes.front(), nodes.back(), kBusybox);
}

/// What a `verify` that was killed left in maintenance; a server that is none any more is left alone.
std::string pool_again() {
  return fmt::format(R"sh(if [ -s {0} ]; then
  server=$(cat {0})
  if fairlead server list | grep -qF "$server "; then fairlead server ready "$server"; fi
  rm -f {0}
fi
)sh",
                     kVerifyMaint);
}

/// The one in state_dir is some control plane's admin.conf: each has its own, and renewing or joining anew makes another one.
bool kubeconfig_is_current(const PlanBuilder& plan) {
  const auto& known = plan.in.texts.kubeconfig_sha256;
  if (!known) return true;
  for (const Machine* machine : plan.in.site.with(Role::kControlPlane)) {
    const MachineFacts* facts = plan.in.facts.find(machine->name);
    if (facts == nullptr) continue;
    const auto found = facts->files.find(std::string(kAdminConf));
    if (found != facts->files.end() && found->second.present && found->second.sha256 == *known) return true;
  }
  return false;
}

/// Who renews it, if anybody; of a certificate that ends soon.
std::string renewal_of(const std::string& path) {
  if (path.ends_with("ca.crt")) return "no verb renews a CA, and everything it signed ends with it: make another one in good time";
  if (path.starts_with("/etc/fairlead/")) return "it is the gateway's own: put another one there";
  if (path.starts_with("/var/lib/kubelet/") || path.ends_with("/kubelet.conf"))
    return "the kubelet renews it by itself; its log says why it did not";
  return "fairlead bootstrap renew-certs";
}

}  // namespace

void plan_settle(PlanBuilder& plan) {
  for (const Machine& machine : plan.in.site.machines) {
    const auto found = plan.view.machines.find(machine.name);
    if (found == plan.view.machines.end() || found->second.state != MachineState::kMember || !found->second.unsettled) continue;
    const MachineFacts& facts = *plan.in.facts.find(machine.name);
    const bool init = last_record(facts, machine.name + "/init") != nullptr;
    const std::string made = machine.name + (init ? "/init" : "/join");
    Step step = plan.step(&machine, "settle", init ? Phase::kInit : Phase::kControlPlanes, "finishes what was interrupted",
                          made + " did not end by its record, and everything is there");
    step.needs = plan.all_of(machine);
    step.concerns = {machine.name};
    std::string text = fmt::format("kubectl --kubeconfig /etc/kubernetes/kubelet.conf get node {} >/dev/null\n", machine.name);
    if (init) {
      // kubeadm's last phases; each leaves alone what is there.
      const auto texts = plan.in.texts.machines.find(machine.name);
      const std::string config = in_work("kubeadm.yaml");
      const std::string init_text = texts == plan.in.texts.machines.end() ? std::string() : texts->second.init;
      need_key(plan, machine, Phase::kInit, init_text, step);
      step.operations.emplace_back(secret_file(config, init_text));
      text = fmt::format(
          "trap 'rm -f {0}' EXIT\nfor phase in 'upload-config all' mark-control-plane bootstrap-token 'addon all'; do\n"
          "  kubeadm init phase $phase --config {0}\ndone\n",
          config);
    }
    step.operations.emplace_back(script(text + note_kubeadm_files()));
    plan.add(std::move(step));
  }
}

void plan_nodes(PlanBuilder& plan) {
  const Machine* host = cluster_machine(plan);
  if (host == nullptr) return;
  for (const Machine& machine : plan.in.site.machines) {
    const auto found = plan.view.machines.find(machine.name);
    if (found == plan.view.machines.end()) continue;
    const bool member = found->second.state == MachineState::kMember && found->second.node != nullptr;
    const bool joins = plan.has(machine.name + "/join") || plan.has(machine.name + "/init");
    if (!member && !joins) continue;
    const NodeChange change = change_of(machine, joins ? nullptr : found->second.node);
    if (change.why.empty()) continue;
    Step step = plan.step(&machine, "labels", Phase::kWorkers, "gets labels and taints", comma(change.why));
    step.machine = host->name;
    step.needs = {machine.name + "/join", machine.name + "/init", machine.name + "/settle"};
    std::string text;
    for (const std::string& label : change.labels)
      text += kubectl(fmt::format("label --overwrite node {} {}\n", machine.name, sh_quote(label)));
    for (const std::string& taint : change.taints) {
      const bool goes = taint.ends_with("-");
      text += kubectl(fmt::format("taint {}node {} {}\n", goes ? "" : "--overwrite ", machine.name, sh_quote(taint)));
    }
    step.operations.emplace_back(script(text));
    plan.add(std::move(step));
  }
}

void plan_kubeconfigs(PlanBuilder& plan) {
  const Machine* host = cluster_machine(plan);
  if (host == nullptr) return;
  const Site& site = plan.in.site;
  const std::string source = in_state(site, "kubeconfig");
  const std::string fetched = host->name + "/kubeconfig";
  const auto fetch_it = [&](const std::string& because) {
    if (plan.has(fetched)) return;
    Step fetch = plan.step(host, "kubeconfig", Phase::kAddons, "its admin.conf comes to state_dir", because);
    fetch.needs = {host->name + "/init", host->name + "/settle"};
    FetchFile file;
    file.path = kAdminConf;
    file.to = source;
    file.secret = true;
    fetch.operations.emplace_back(file);
    plan.add(std::move(fetch));
  };
  if (!plan.has(host->name + "/init") && !kubeconfig_is_current(plan))
    fetch_it(plan.in.texts.kubeconfig_sha256->empty() ? "there is none" : "that one is no control plane's any more");
  for (const Machine* machine : site.with(Role::kBastion)) {
    const MachineFacts* facts = plan.in.facts.find(machine->name);
    if (facts == nullptr) continue;
    const auto found = facts->files.find(bastion_kubeconfig_path());
    const bool there = found != facts->files.end() && found->second.present;
    const auto& known = plan.in.texts.kubeconfig_sha256;
    const bool same = there && (!known || (*known == found->second.sha256 && !plan.has(fetched)));
    if (same) continue;
    if (!known || known->empty()) fetch_it("a bastion has none yet");
    Step step = plan.step(machine, "kubeconfig", Phase::kAddons, "gets a kubeconfig",
                          bastion_kubeconfig_path() + (there ? " is an earlier one" : " is missing"));
    step.needs = plan.all_of(*machine);
    step.needs.push_back(fetched);
    const std::string user = machine->ssh_user.empty() ? site.ssh.user : machine->ssh_user;
    step.operations.emplace_back(script(fmt::format("mkdir -p {}\n", kWorkPath)));
    step.operations.emplace_back(copy_secret(source, bastion_kubeconfig_path() + ".new"));
    step.operations.emplace_back(script(fmt::format(R"sh(home=$(getent passwd {0} | cut -d: -f6)
group=$(id -gn {0})
install -d -m 0700 -o {0} -g "$group" "$home/.kube"
install -m 0600 -o {0} -g "$group" {1}.new "$home/.kube/config"
mv {1}.new {1}
)sh",
                                                    sh_quote(user), bastion_kubeconfig_path())));
    plan.add(std::move(step));
  }
}

void plan_addons(PlanBuilder& plan) {
  const Machine* host = cluster_machine(plan);
  if (host == nullptr) return;
  std::vector<std::string> before;
  for (const Phase phase : {Phase::kInit, Phase::kControlPlanes, Phase::kWorkers}) {
    for (const std::string& id : plan.all_of(phase)) before.push_back(id);
  }
  for (const Addon& addon : plan.in.site.kubernetes.addons) {
    const auto text = plan.in.texts.manifests.find(addon.name);
    if (text == plan.in.texts.manifests.end()) {
      plan.obstacle({}, fmt::format("the manifest of addon {}, {}, could not be read", addon.name, addon.manifest),
                    "put it there, beside the site's file");
      return;  // Those after it rely on it.
    }
    const AddonRecords records = addon_records(plan, addon.name, text->second);
    const bool applied = records.same && records.others.empty();
    const auto ready =
        plan.in.facts.cluster ? plan.in.facts.cluster->addons.find(addon.name) : std::map<std::string, Known>::const_iterator{};
    const bool known = plan.in.facts.cluster && ready != plan.in.facts.cluster->addons.end();
    const bool unready = !addon.ready.empty() && known && ready->second == Known::kNo;
    if (applied && !unready) continue;
    Step step = plan.step(host, "", Phase::kAddons, "applies addon " + addon.name,
                          applied ? addon.ready + " is not ready" : "this manifest was not applied yet");
    step.id = "addons/" + addon.name;
    step.needs = before;
    for (const Machine* machine : records.others) {
      plan.add(forget_addon(plan, machine, addon, before));
      step.needs.push_back(plan.so_far().steps.back().id);
    }
    const std::string path = applied_manifest_path(addon.name);
    step.operations.emplace_back(script("mkdir -p " + in_work("addons") + "\n"));
    step.operations.emplace_back(file(path + ".new", text->second));
    step.operations.emplace_back(
        script(kubectl(fmt::format("apply --server-side --force-conflicts --field-manager=fairlead -f {}.new\n", path))));
    if (!addon.ready.empty()) step.operations.emplace_back(wait_for(addon.ready + " is ready", ready_script(addon.ready), 10min));
    step.operations.emplace_back(script(fmt::format("mv {0}.new {0}\n", path)));
    step.usual = 30s;
    before.push_back(step.id);
    plan.add(std::move(step));
  }
}

void plan_pool_again(PlanBuilder& plan) {
  for (const Machine* gateway : plan.in.site.with(Role::kGateway)) {
    const MachineFacts* facts = plan.in.facts.find(gateway->name);
    if (facts == nullptr) continue;
    const auto left = facts->files.find(std::string(kVerifyMaint));
    if (left == facts->files.end() || !left->second.present) continue;
    Step step = plan.step(gateway, "pool-again", Phase::kGateways, "sends to all control planes again",
                          "a verify was interrupted while one was in maintenance");
    step.needs = plan.all_of(*gateway);
    step.operations.emplace_back(script(pool_again()));
    plan.add(std::move(step));
  }
}

void plan_verify(PlanBuilder& plan, Duration patience) {
  const Machine* host = cluster_machine(plan);
  if (host == nullptr) return;
  const Site& site = plan.in.site;
  std::vector<std::string> all;
  for (const Step& step : plan.so_far().steps) all.push_back(step.id);
  std::vector<std::string> workers;
  for (const Machine* machine : site.with(Role::kWorker)) workers.push_back(machine->name);
  std::string last;
  const auto add = [&](const Machine* machine, const std::string& id, std::string title, Operation operation) {
    Step step = plan.step(machine, "", Phase::kVerify, std::move(title), "looked at after every change");
    step.id = id;
    step.needs = all;
    if (!last.empty()) step.needs.push_back(last);
    step.operations.push_back(std::move(operation));
    step.usual = 5s;
    last = id;
    plan.add(std::move(step));
  };
  if (!site.kubernetes.addons.empty())
    add(host, "verify/nodes", "every node is Ready",
        wait_for("every node is Ready", kubectl("wait --for=condition=Ready nodes --all --timeout=1s >/dev/null"), patience));
  if (!workers.empty() && !site.kubernetes.addons.empty())
    add(host, "verify/services", "DNS in a pod, a Service across nodes", script(service_check(workers), 6min));
  const SiteVip* endpoint = site.endpoint();
  const auto control_planes = site.with(Role::kControlPlane);
  const auto gateways = site.with(Role::kGateway);
  if (endpoint == nullptr || control_planes.size() < 2) return;
  for (const Machine* gateway : gateways) {
    if (plan.in.facts.find(gateway->name) == nullptr) continue;
    const std::string address = fmt::format("{}:{}", url_host(control_planes.back()->address()), endpoint->to_ports.front());
    add(gateway, "verify/endpoint-" + gateway->name, fmt::format("the API answers while {} is in maintenance", control_planes.back()->name),
        script(fmt::format(R"sh({5}row=$(fairlead server list | awk '$2 == "{0}" {{print; exit}}')
server=${{row%% *}}
test -n "$server"
# Who holds the VIP decides where a client's connection goes; the others see that it is held. What an operator took out stays out.
if ip -o addr show | grep -qF ' {4}/' && ! printf '%s\n' "$row" | grep -qwE 'maint|drain'; then
  printf '%s\n' "$server" >{6}
  trap 'fairlead server ready "$server" && rm -f {6}' EXIT
  trap 'exit 143' HUP INT TERM
  fairlead server maint "$server"
fi
curl -fsk --max-time 5 https://{1}:{2}/readyz >/dev/null || {{
  echo 'the API does not answer at {1}:{2} while {3} is in maintenance; fairlead server list says who is up' >&2
  exit 1
}}
)sh",
                           address, url_host(endpoint->address), endpoint->listen.front(), control_planes.back()->name,
                           endpoint->address.to_string(), pool_again(), kVerifyMaint)));
  }
}

void warn_changed(PlanBuilder& plan) {
  for (const auto& [name, facts] : plan.in.facts.machines) {
    for (const std::string& path : facts.changed)
      plan.warn(
          fmt::format("{}: {} is not as kubeadm wrote it: changed by hand? The next upgrade writes it anew (lasting changes: "
                      "kubernetes.kubeadm, or the machine's kubelet)",
                      name, path));
  }
}

std::string note_kubeadm_files() {
  return fmt::format(
      "for f in /etc/kubernetes/manifests/*.yaml /var/lib/kubelet/config.yaml /var/lib/kubelet/kubeadm-flags.env; do\n"
      "  if [ -f \"$f\" ]; then sha256sum \"$f\"; fi\ndone >{0}.new\nmv {0}.new {0}\n",
      kKubeadmSums);
}

/// Certificates that end soon are told by every plan.
void warn_certificates(PlanBuilder& plan) {
  // Where a whole life is short, 30 days would be always.
  const auto warn_below = std::min(kCertificateDaysWarn, validity_days(plan.in.site) / 4);
  for (const auto& [name, facts] : plan.in.facts.machines) {
    for (const CertificateFact& certificate : facts.certificates) {
      if (certificate.days_left < warn_below)
        plan.warn(fmt::format("{}: {} ends in {} days: {}", name, certificate.path, certificate.days_left, renewal_of(certificate.path)));
    }
  }
}

}  // namespace fairlead::bootstrap
