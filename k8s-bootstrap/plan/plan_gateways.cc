// fairlead: pure
// CA pairs, and the gateways that check API servers against them: before there is an API server, so that `init` finds its endpoint served.
#include <algorithm>
#include <fmt/format.h>

#include "k8s-bootstrap/plan/package_scripts.h"
#include "k8s-bootstrap/plan/plan_backup.h"
#include "k8s-bootstrap/plan/plan_phases.h"
#include "k8s-bootstrap/plan/plan_rule.h"
#include "k8s-bootstrap/render/gateway_devices.h"
#include "k8s-bootstrap/render/sha256.h"

namespace fairlead::bootstrap {
namespace {

using namespace std::chrono_literals;

bool has_file(const MachineFacts& facts, const std::string& path) {
  const auto found = facts.files.find(path);
  return found != facts.files.end() && found->second.present;
}

/// It lacks the file, or has another one than the archive that is restored.
bool lacks_pki_file(const PlanBuilder& plan, const MachineFacts& facts, const std::string& name) {
  const std::string path = "/etc/kubernetes/pki/" + name;
  if (!has_file(facts, path)) return true;
  if (plan.in.backup == nullptr) return false;
  return !FL_PLAN_RULE(kRestoreKeys, facts.files.at(path).sha256 == plan.in.backup->files.at(backup_pki_file(name)));
}

/// Debian's package of Corosync brings a corosync.conf, too; the key is only there in a cluster.
Known in_cluster(const MachineFacts& facts) {
  if (facts.corosync_conf != Known::kYes) return facts.corosync_conf;
  return known(has_file(facts, std::string(kGatewayKey)));
}

/// The first gateway that serves; else the first that was read.
const Machine* leading_gateway(const PlanBuilder& plan) {
  const Machine* first = nullptr;
  for (const Machine* gateway : plan.in.site.with(Role::kGateway)) {
    const MachineFacts* facts = plan.in.facts.find(gateway->name);
    if (facts == nullptr) continue;
    if (in_cluster(*facts) == Known::kYes && facts->gateway_serves == Known::kYes) return gateway;
    if (first == nullptr) first = gateway;
  }
  return first;
}

struct GatewayNeed {
  bool config = false;   ///< fairlead.yaml differs.
  bool ca = false;       ///< The CA is missing.
  bool cluster = false;  ///< It is no node of the gateways' cluster yet.
  bool start = false;    ///< It is one, and the daemon does not answer.
  [[nodiscard]] bool any() const { return config || ca || cluster || start; }
};

/// The CA that the gateway has is none, or that of an earlier attempt.
bool lacks_ca(const PlanBuilder& plan, const MachineFacts& facts) {
  const std::string path(kGatewayCa);
  const Machine* first = first_control_plane(plan);
  if (!has_file(facts, path) || (first != nullptr && plan.has(first->name + "/ca"))) return true;
  const MachineFacts* source = first == nullptr ? nullptr : plan.in.facts.find(first->name);
  const std::string known(kClusterCa);
  return source != nullptr && has_file(*source, known) && source->files.at(known).sha256 != facts.files.at(path).sha256;
}

GatewayNeed need_of(const PlanBuilder& plan, const MachineFacts& facts) {
  GatewayNeed out;
  const auto yaml = facts.files.find(std::string(kGatewayConfig));
  out.config = yaml == facts.files.end() || !yaml->second.present || yaml->second.sha256 != sha256(plan.in.texts.gateway_yaml);
  out.ca = lacks_ca(plan, facts);
  out.cluster = in_cluster(facts) == Known::kNo;
  out.start = in_cluster(facts) == Known::kYes && facts.gateway_serves == Known::kNo;
  return out;
}

std::string reasons(const GatewayNeed& need) {
  std::vector<std::string> out;
  if (need.cluster) out.emplace_back("it is in no cluster of gateways");
  if (need.ca) out.emplace_back(fmt::format("{} is missing or another one", kGatewayCa));
  if (need.config) out.emplace_back(fmt::format("{} differs or is missing", kGatewayConfig));
  if (need.start) out.emplace_back("fairleadd does not answer");
  return comma(out);
}

void plan_package(PlanBuilder& plan, const Machine& gateway, const MachineFacts& facts) {
  if (facts.programs.contains("fairleadd") || !plan.in.texts.fairlead) return;
  const FairleadPackage& package = *plan.in.texts.fairlead;
  Step step = plan.step(&gateway, "fairlead", Phase::kGateways, "installs Fairlead " + package.version, "fairleadd is missing");
  step.needs = plan.all_of(gateway);
  CopyFile from = copy_file(package.path, in_work("fairlead.deb"));
  from.sha256 = package.sha256;
  step.operations.emplace_back(from);
  for (Operation& operation : package_operations(plan.in)) step.operations.push_back(std::move(operation));
  step.operations.emplace_back(script(fmt::format("export DEBIAN_FRONTEND=noninteractive\n{1}rm -f {0}/fairlead.deb\n", kWorkPath,
                                                  package_script(plan.in.site, in_work("fairlead.deb"), false)),
                                      10min));
  step.usual = 10s;
  plan.add(std::move(step));
}

/// fairlead.yaml is one text for all gateways: a device that is missing keeps it from every one.
bool lacks_devices(PlanBuilder& plan) {
  for (const auto& [gateway, network] : plan.in.texts.missing_devices) {
    const bool read = plan.in.facts.find(gateway) != nullptr;
    plan.obstacle({gateway},
                  fmt::format("its device in network {} is not known: {}", network,
                              read ? "no card has its address there" : "it was not read, and the site does not name it"),
                  fmt::format("{}, or name the device: `interfaces: {{{}: DEVICE}}` of the machine",
                              read ? "give it the address" : "make it reachable", network));
  }
  return !plan.in.texts.missing_devices.empty();
}

/// Its files; on a gateway that serves, the running daemon takes them over.
void plan_settings(PlanBuilder& plan, const Machine& gateway, const GatewayNeed& need) {
  if (!need.config && !need.ca) return;
  Step step = plan.step(&gateway, "settings", Phase::kGateways, "gets fairlead.yaml and the cluster's CA", reasons(need));
  step.needs = plan.all_of(gateway);
  for (const std::string& id : plan.all_of(Phase::kPki)) step.needs.push_back(id);
  // One after the other: a configuration that the first does not take over never comes to the second.
  for (const Machine* other : plan.in.site.with(Role::kGateway)) step.needs.push_back(other->name + "/settings");
  step.operations.emplace_back(script("mkdir -p /etc/fairlead\n"));
  const ClusterBackup* backup = plan.in.backup;
  const std::string leases = backup_gateway_file(gateway.name, "leases");
  if (need.cluster && backup != nullptr && backup->files.contains(leases)) {
    CopyFile copied = copy_file(backup->folder + "/" + leases, std::string(kGatewayLeases), 0600);
    copied.sha256 = backup->files.at(leases);
    step.operations.emplace_back(copied);
    step.operations.emplace_back(script("if id -u fairlead >/dev/null 2>&1; then chown -R fairlead: /var/lib/fairlead/dhcp; fi\n"));
  }
  if (need.ca) step.operations.emplace_back(copy_file(in_state(plan.in.site, "pki/ca.crt"), std::string(kGatewayCa)));
  // The configuration is checked beside its place and comes last: where it stands, it has been taken over.
  const std::string fresh = std::string(kGatewayConfig) + ".new";
  step.operations.emplace_back(file(fresh, plan.in.texts.gateway_yaml));
  std::string text = fmt::format("fairlead check {}\n", fresh);
  if (need.cluster) {
    text += fmt::format("mv {} {}\n", fresh, kGatewayConfig);
  } else {
    text += fmt::format("cp -p {0} {0}.before || true\nmv {1} {0}\n", kGatewayConfig, fresh);
    text += "take_over() { fairlead cluster setup && corosync-cfgtool -R && fairlead reload; }\n";
    text += fmt::format("take_over || {{ mv {0}.before {0}; take_over || true; exit 1; }}\n", kGatewayConfig);
  }
  step.operations.emplace_back(script(text));
  plan.add(std::move(step));
}

/// Somebody else's address would be taken over by force of ARP: asked while none of ours holds it.
std::string vip_check(const Site& site) {
  std::string out =
      "if ! command -v ping >/dev/null; then echo 'ping is missing (package iputils-ping): nobody can be asked who has a VIP' >&2; exit 1; "
      "fi\n";
  const auto ask = [&](const IpAddress& address, const std::string& what) {
    out += fmt::format("ask {} {}\n", address.to_string(), sh_quote(what));
  };
  // Side by side: a site has a dozen, and each that is free costs a second.
  out +=
      "answers=$(mktemp -d)\ntrap 'rm -rf \"$answers\"' EXIT\n"
      "ask() { (if ping -c 1 -W 1 \"$1\" >/dev/null 2>&1; then echo \"$2, $1, answers already: another machine has it\" "
      ">\"$answers/$1\"; fi) & }\n";
  for (const SiteVip& vip : site.gateways->vips) ask(vip.address, "VIP " + vip.name);
  for (const Network* network : served_networks(site)) {
    if (network->router) ask(*network->router, "the router of network " + network->name);
    if (network->dns && network->dns != network->router) ask(*network->dns, "the DNS server of network " + network->name);
  }
  if (site.gateways->router && site.gateways->router->snat) ask(*site.gateways->router->snat, "gateways.router.snat");
  return out + "wait\nif [ -n \"$(ls \"$answers\")\" ]; then cat \"$answers\"/* >&2; exit 1; fi\n";
}

void plan_setup(PlanBuilder& plan, const Machine& first) {
  Step step = plan.step(&first, "setup", Phase::kGateways, "begins the cluster of gateways", "it is in no cluster of gateways");
  step.needs = plan.all_of(first);
  step.concerns = names(plan.in.site.with(Role::kGateway));
  step.operations.emplace_back(script(vip_check(plan.in.site) + "fairlead cluster setup\n"));
  step.usual = 3s;
  plan.add(std::move(step));
}

void plan_join(PlanBuilder& plan, const Machine& first, const Machine& gateway) {
  Step invite = plan.step(&first, "invite-" + gateway.name, Phase::kGateways, "invites " + gateway.name,
                          gateway.name + " is in no cluster of gateways");
  invite.needs = plan.all_of(Phase::kGateways);
  invite.concerns = {first.name, gateway.name};
  RunScript waits = script(fmt::format(R"sh(umask 077
out=/run/fairlead-invite
rm -f $out $out.err
setsid fairlead cluster setup --invite --ttl 10m --json </dev/null >$out 2>$out.err &
tries=0
until token=$(sed -n 's/.*"token": *"\([^"]*\)".*/\1/p' $out | grep .); do
  tries=$((tries + 1))
  if [ $tries -gt 100 ] || ! kill -0 $! 2>/dev/null; then cat $out.err >&2; exit 1; fi
  sleep 0.1
done
rm -f $out
echo "gateway-token=$token"
)sh"));
  waits.secret = true;
  waits.gives = {"gateway-token"};
  invite.operations.emplace_back(waits);
  const std::string id = invite.id;
  plan.add(std::move(invite));
  Step join = plan.step(&gateway, "join-gateways", Phase::kGateways, "joins the cluster of gateways", "it is in no cluster of gateways");
  join.needs = plan.all_of(gateway);
  join.needs.push_back(id);
  join.concerns = {first.name, gateway.name};
  RunScript takes = script("fairlead cluster join -\n");
  takes.input = "${gateway-token}\n";
  takes.secret = true;
  join.operations.emplace_back(takes);
  join.usual = 3s;
  plan.add(std::move(join));
}

WaitFor nobody_behind(const Site& site, const SiteVip& endpoint) {
  std::string servers;
  for (const Machine* machine : site.with(Role::kControlPlane))
    servers += fmt::format("{}{}:{}", servers.empty() ? "" : " ", url_host(machine->address()), endpoint.to_ports.front());
  return wait_for("no API server answers behind it (one that does is of another cluster: fairlead server list)",
                  fmt::format("list=$(fairlead server list) || exit 1\n"
                              "echo \"$list\" | awk -v ours={} 'index(\" \" ours \" \", \" \" $2 \" \") && $3 == \"up\" {{exit 1}}'\n",
                              sh_quote(servers)),
                  30s);
}

/// What `init` relies on: a client of the endpoint gets a connection, and nobody behind it yet.
void plan_gate(PlanBuilder& plan, const Machine& gateway) {
  const SiteVip* endpoint = plan.in.site.endpoint();
  Step step = plan.step(&gateway, "gate", Phase::kGateways, "serves", "steps before this one changed it");
  step.needs = plan.all_of(Phase::kGateways);
  step.operations.emplace_back(wait_for("fairleadd answers", "fairlead status >/dev/null", 1min));
  if (endpoint != nullptr) {
    step.operations.emplace_back(wait_for(fmt::format("VIP {} is held", endpoint->name),
                                          fmt::format("fairlead vip list | grep '^{} ' | grep -vqw nowhere", endpoint->name), 1min));
    step.operations.emplace_back(
        wait_for(fmt::format("{}:{} accepts connections", endpoint->address.to_string(), endpoint->listen.front()),
                 fmt::format("timeout 2 bash -c 'exec 3<>/dev/tcp/{}/{}'", endpoint->address.to_string(), endpoint->listen.front()), 1min));
    // Before there is a cluster, nobody answers behind its endpoint: one that does is a cluster that nobody knows of.
    if (plan.view.primary == nullptr && !plan.in.facts.cluster) step.operations.emplace_back(nobody_behind(plan.in.site, *endpoint));
  }
  step.usual = 2s;
  plan.add(std::move(step));
}

}  // namespace

const Machine* first_control_plane(const PlanBuilder& plan) {
  if (plan.view.primary != nullptr) return plan.view.primary;
  const auto machines = plan.in.site.with(Role::kControlPlane);
  return machines.empty() ? nullptr : machines.front();
}

void plan_pki(PlanBuilder& plan) {
  const Machine* first = first_control_plane(plan);
  const MachineFacts* facts = first == nullptr ? nullptr : plan.in.facts.find(first->name);
  if (facts == nullptr || (!plan.view.is(*first, MachineState::kBlank) && !plan.view.is(*first, MachineState::kMember))) return;
  std::vector<std::string> missing;
  for (const std::string& name : cluster_ca_files(plan.in.site)) {
    if (lacks_pki_file(plan, *facts, name)) missing.push_back(name);
  }
  const Site& site = plan.in.site;
  const bool all_read = std::none_of(plan.view.deciders.begin(), plan.view.deciders.end(),
                                     [&](const Machine* m) { return plan.view.is(*m, MachineState::kUnread); });
  if (!missing.empty() && all_read && plan.view.is(*first, MachineState::kBlank)) {
    Step step = plan.step(first, "ca", Phase::kPki, "makes the pairs of the CAs", comma(missing) + " of /etc/kubernetes/pki missing");
    step.needs = plan.all_of(*first);
    step.concerns = names(plan.view.deciders);
    if (plan.in.backup != nullptr) {
      step.title = "gets the pairs of the CAs of the archive";
      step.because = comma(missing) + " of /etc/kubernetes/pki missing or others";
      step.operations.emplace_back(script("mkdir -p -m 0755 /etc/kubernetes/pki/etcd\n"));
      for (const std::string& name : missing) step.operations.emplace_back(copy_of_backup(*plan.in.backup, name));
    } else if (site.pki.ca == CaSource::kSite) {
      LocalWork make;
      make.kind = LocalWork::Kind::kMakeClusterCa;
      step.operations.emplace_back(make);
      step.operations.emplace_back(script("mkdir -p -m 0755 /etc/kubernetes/pki/etcd\n"));
      for (const std::string& name : missing) {
        const std::string from = in_state(site, "pki/" + name);
        const bool secret = name.ends_with(".key");
        step.operations.emplace_back(secret ? copy_secret(from, "/etc/kubernetes/pki/" + name)
                                            : copy_file(from, "/etc/kubernetes/pki/" + name));
      }
    } else {
      const auto texts = plan.in.texts.machines.find(first->name);
      std::string text = texts == plan.in.texts.machines.end() ? std::string() : texts->second.init;
      const std::string config = in_work("ca.yaml");
      need_key(plan, *first, Phase::kPki, text, step);
      step.operations.emplace_back(secret_file(config, text));
      std::string run;
      for (const char* phase : {"ca", "front-proxy-ca", "etcd-ca", "sa"}) {
        if (std::string_view(phase) == "etcd-ca" && site.kubernetes.etcd == EtcdPlace::kExternal) continue;
        run += fmt::format("kubeadm init phase certs {}{}\n", phase, std::string_view(phase) == "sa" ? "" : " --config " + config);
      }
      step.operations.emplace_back(script(fmt::format("trap 'rm -f {}' EXIT\n{}", config, run)));
    }
    step.usual = 2s;
    plan.add(std::move(step));
  }
  const bool gateways_lack = std::any_of(site.machines.begin(), site.machines.end(), [&](const Machine& m) {
    const MachineFacts* f = plan.in.facts.find(m.name);
    return m.has(Role::kGateway) && f != nullptr && lacks_ca(plan, *f);
  });
  if (missing.empty() && !gateways_lack) return;
  if (!missing.empty() && !plan.has(first->name + "/ca")) return;
  Step fetch = plan.step(first, "ca-fetch", Phase::kPki, "its CA's certificate comes to state_dir",
                         gateways_lack ? "gateways check API servers by it" : "it is new");
  fetch.needs = plan.all_of(*first);
  FetchFile from;
  from.path = kClusterCa;
  from.to = in_state(site, "pki/ca.crt");
  fetch.operations.emplace_back(from);
  plan.add(std::move(fetch));
}

void plan_gateways(PlanBuilder& plan) {
  const Site& site = plan.in.site;
  const auto gateways = site.with(Role::kGateway);
  if (!site.gateways || gateways.empty() || lacks_devices(plan)) return;
  const Machine* first = leading_gateway(plan);
  std::vector<const Machine*> changed;
  bool any_cluster = false;
  std::vector<std::string> unread;
  for (const Machine* gateway : gateways) {
    const MachineFacts* facts = plan.in.facts.find(gateway->name);
    if (facts == nullptr || in_cluster(*facts) == Known::kUnknown) unread.push_back(gateway->name);
    any_cluster = any_cluster || (facts != nullptr && in_cluster(*facts) == Known::kYes);
  }
  for (const Machine* gateway : gateways) {
    const MachineFacts* facts = plan.in.facts.find(gateway->name);
    if (facts == nullptr) continue;
    const GatewayNeed need = need_of(plan, *facts);
    plan_package(plan, *gateway, *facts);
    if (!need.any()) continue;
    const bool ca_comes = !need.ca || plan.has(first_control_plane(plan)->name + "/ca-fetch");
    if (!ca_comes) {
      plan.obstacle({gateway->name}, "the cluster's CA is not there yet, and none is made before every control plane was read",
                    "mend what keeps them from being read; gateways check API servers by it");
      continue;
    }
    if (!any_cluster && !unread.empty()) {
      plan.obstacle(unread, "whether they are gateways already is not known, and a second cluster of gateways would hold the same VIPs",
                    "make them reachable, or take them out of the site");
      return;
    }
    plan_settings(plan, *gateway, need);
    if (need.cluster && gateway == first) plan_setup(plan, *gateway);
    if (need.cluster && gateway != first) plan_join(plan, *first, *gateway);
    if (need.start) {
      Step step = plan.step(gateway, "start-gateway", Phase::kGateways, "starts Corosync and fairleadd", "fairleadd does not answer");
      step.needs = plan.all_of(*gateway);
      step.operations.emplace_back(script("systemctl enable --now corosync fairleadd\n"));
      plan.add(std::move(step));
    }
    changed.push_back(gateway);
  }
  for (const Machine* gateway : changed) plan_gate(plan, *gateway);
}

}  // namespace fairlead::bootstrap
