#include "tests/support/bootstrap_model.h"

#include <sstream>

#include "k8s-bootstrap/plan/plan_etcd_restore.h"

namespace fairlead::bootstrap::test {
namespace {

constexpr unsigned kAll = 1000;

std::string owner(const Step& step) { return step.id.substr(0, step.id.find('/')); }
std::string verb(const Step& step) { return step.id.substr(step.id.find('/') + 1); }

FileFact present(const std::string& digest, std::uint32_t mode = 0644) { return {true, digest, mode}; }

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> out;
  for (std::string word; in >> word;) {
    word.erase(std::remove(word.begin(), word.end(), '\''), word.end());
    out.push_back(word);
  }
  return out;
}

std::string scripts_of(const Step& step) {
  std::string out;
  for (const Operation& operation : step.operations) {
    if (const auto* run = std::get_if<RunScript>(&operation)) out += run->script;
  }
  return out;
}

bool has_traces(const MachineFacts& m) {
  return m.kubelet_conf == Known::kYes || m.admin_conf == Known::kYes || m.etcd_data == Known::kYes || !m.manifests.empty();
}

const std::vector<std::string> kStaticPods{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"};

}  // namespace

BootstrapModel::BootstrapModel(Site s, Rendered t) : site(std::move(s)), texts(std::move(t)) {
  for (const Machine& m : site.machines) machines[m.name] = fresh_facts(site, m);
  for (const Addon& addon : site.kubernetes.addons) addons_[addon.name] = Known::kNo;
}

const Machine& BootstrapModel::at(const std::string& name) const {
  const Machine* found = site.find(name);
  FL_ASSERT(found != nullptr);
  return *found;
}

bool BootstrapModel::quorate() const {
  std::size_t voters = 0;
  std::size_t healthy = 0;
  for (const EtcdMember& member : members) {
    if (member.learner) continue;
    ++voters;
    if (member.healthy && !down.contains(member.name)) ++healthy;
  }
  return voters > 0 && healthy * 2 > voters;
}

bool BootstrapModel::api_on(const std::string& machine) const {
  const MachineFacts& m = machines.at(machine);
  const bool member = std::any_of(members.begin(), members.end(), [&](const EtcdMember& e) { return e.name == machine && !e.learner; });
  return member && m.kubelet_conf == Known::kYes && m.manifests.size() == kStaticPods.size() && quorate() && !down.contains(machine) &&
         !blips.contains(machine);
}

bool BootstrapModel::cluster_answers() const {
  return std::any_of(machines.begin(), machines.end(), [&](const auto& m) { return api_on(m.first); });
}

Facts BootstrapModel::read() const {
  Facts out;
  for (const auto& [name, facts] : machines) {
    if (unreachable.contains(name)) {
      out.unread[name] = "no route to host; is it switched on?";
      continue;
    }
    MachineFacts& m = out.machines[name] = facts;
    if (!at(name).has(Role::kControlPlane)) continue;
    m.api_here = known(api_on(name));
    if (!api_on(name) || out.cluster) continue;
    ClusterFacts cluster;
    cluster.from = name;
    cluster.kubernetes_version = site.versions.kubernetes;
    for (const auto& [node_name, node] : nodes) cluster.nodes.push_back(node);
    if (!etcd_unread) cluster.etcd = members;
    for (EtcdMember& member : cluster.etcd) member.healthy = member.healthy && !down.contains(member.name);
    cluster.kubeadm_config = known(kubeadm_config_);
    cluster.certs_secret = known(certs_secret_);
    cluster.addons = addons_;
    out.cluster = cluster;
  }
  return out;
}

Plan BootstrapModel::plan_from(const Facts& facts) const {
  const PlanInput input{site, facts, texts};
  return backup ? plan_restore(input, *backup) : plan_bring_up(input);
}

unsigned BootstrapModel::parts_of(const Step& step) {
  const std::string what = verb(step);
  if (what == "init") return 7;
  if (what == "join") return step.phase == Phase::kControlPlanes ? 6 : 3;
  if (what == "reset") return 4;
  return 2;
}

void BootstrapModel::record(const Step& step, const std::string& state) {
  if (step.machine.empty()) return;
  machines.at(step.machine).steps.push_back({"run-1", step.id, state, state == "done" ? 0 : 1});
  const std::string what = verb(step);
  if (state == "done" && (what == "init" || what == "join" || what == "settle")) finished_.insert(owner(step));
}

void BootstrapModel::carry_out(const Step& step, How how, unsigned part) {
  const bool was_quorate = quorate();
  const auto members_before = members.size();
  for (const std::string& machine : step.concerns) {
    if (unreachable.contains(machine)) violate(step.id + " concerns " + machine + ", which nobody had read");
  }
  effect(step, how == How::kMiddle ? part : kAll);
  if (how == How::kWhole) record(step, "done");
  if (how == How::kUnrecorded || (how == How::kMiddle && part > 0)) record(step, "interrupted");
  const bool only_init_undone = verb(step) == "reset" && members_before == 1;
  if (was_quorate && !quorate() && !only_init_undone) violate(step.id + " lost etcd's quorum");
}

void BootstrapModel::carry_out(const Plan& plan) {
  for (const Step& step : plan.steps) carry_out(step);
}

bool BootstrapModel::converge(int rounds) {
  for (int round = 0; round < rounds; ++round) {
    const Facts facts = read();
    const Plan next = plan_from(facts);
    for (const std::string& wrong : check_plan(next, site, facts)) violate(wrong);
    if (next.steps.empty()) return next.obstacles.empty();
    carry_out(next);
  }
  return false;
}

std::string BootstrapModel::state() const {
  std::string out;
  for (const auto& [name, m] : machines) {
    out += name + ":";
    for (const auto& [path, file] : m.files) {
      if (path.find("/addons/") != std::string::npos) continue;  // On whichever machine its kubectl ran.
      const bool made = path.find("/pki/") != std::string::npos || path == kGatewayCa;
      if (file.present) out += " " + path + (made ? "" : "=" + file.sha256.substr(0, 8));
    }
    if (m.files.contains(std::string(kGatewayCa))) {
      bool right = false;
      for (const auto& [other, facts] : machines) {
        const auto ca = facts.files.find(std::string(kClusterCa));
        right = right || (ca != facts.files.end() && ca->second.sha256 == m.files.at(std::string(kGatewayCa)).sha256);
      }
      out += right ? " ca-right" : " ca-wrong";
    }
    out += has_traces(m) ? " node" : "";
    for (const auto& [package, version] : m.packages) out += " " + package + version;
    out += "\n";
  }
  for (const auto& [name, node] : nodes) {
    out += "node " + name;
    for (const auto& [key, value] : node.labels) out += " " + key + "=" + value;
    out += "\n";
  }
  std::set<std::string> voters;
  for (const EtcdMember& member : members) voters.insert(member.name + (member.learner ? " learner" : ""));
  for (const std::string& member : voters) out += "member " + member + "\n";
  for (const auto& [addon, ready] : addons_) out += ready == Known::kYes ? "addon " + addon + "\n" : "";
  out += certs_secret_ ? "secret left\n" : "";
  return out;
}

void BootstrapModel::install(MachineFacts& m, const Step& step) {
  std::istringstream in(scripts_of(step));
  for (std::string line; std::getline(in, line);) {
    const bool installs = line.starts_with("apt-get install");
    if (!installs && !line.starts_with("apt-mark hold")) continue;
    const auto words = words_of(line);
    for (std::size_t i = 2; i < words.size(); ++i) {
      if (words[i].starts_with("-")) continue;
      if (!installs) {
        m.held.push_back(words[i]);
        continue;
      }
      const auto equal = words[i].find('=');
      const std::string version = equal == std::string::npos ? "1.0" : words[i].substr(equal + 1);
      if (words[i] == "corosync") m.corosync_conf = Known::kYes;  // Debian's example.
      m.packages[words[i].substr(0, equal)] = version.ends_with("-*") ? version.substr(0, version.size() - 1) + "1.1" : version;
    }
  }
}

void BootstrapModel::settings(MachineFacts& m, unsigned part) {
  const auto ca = state_.find("pki/ca.crt");
  if (ca == state_.end()) return violate("a gateway gets a CA that nobody has fetched");
  m.files[std::string(kGatewayCa)] = present(ca->second);
  if (part == kAll) m.files[std::string(kGatewayConfig)] = present(sha256(texts.gateway_yaml));
}

void BootstrapModel::init(const std::string& name, unsigned part) {
  MachineFacts& m = machines.at(name);
  if (part > 0 && !members.empty()) violate("a second init, on " + name);
  if (part > 0 && has_traces(m)) violate("init on " + name + ", which is not empty");
  if (part > 0 && backup && m.files[std::string(kClusterCa)].sha256 != backup->files.at("pki/ca.crt"))
    violate("init on " + name + " with other keys than the archive's");
  if (part > 0 && backup) m.etcd_data = Known::kYes;  // One script with kubeadm, before it.
  if (part >= 2) m.kubelet_conf = Known::kYes;
  if (part >= 3) m.admin_conf = Known::kYes;
  if (part >= 4) m.manifests = kStaticPods;
  if (part >= 4) down.erase(name);  // What was stopped is started.
  if (part >= 5) {
    m.etcd_data = Known::kYes;
    members = {{"m" + std::to_string(++made_), name, "", false, true}};
    nodes[name] = {name, false, false, "v" + site.versions.kubernetes, {}, {}, {}, {}};
    ++inits;
  }
  if (part >= 5 && backup) put_back(name);
  if (part >= 6) kubeadm_config_ = true;
  if (part == kAll) nodes[name].labels["node-role.kubernetes.io/control-plane"] = "";
}

/// What the archive's data has is there at once, and nobody has noticed yet that its nodes are gone.
void BootstrapModel::put_back(const std::string& name) {
  kubeadm_config_ = true;
  machines.at(name).files[std::string(kRestoredMark)] =
      present(sha256(restored_mark_text({site.find(name)}, backup->files.at(kBackupSnapshot))));
  for (const Machine& m : site.machines) {
    const bool control_plane = m.has(Role::kControlPlane);
    if (!control_plane && !m.has(Role::kWorker)) continue;
    NodeFact& node = nodes[m.name] = {m.name, true, false, "v" + site.versions.kubernetes, m.labels, {}, {}, {}};
    if (control_plane) node.labels["node-role.kubernetes.io/control-plane"] = "";
  }
}

void BootstrapModel::join(const std::string& name, unsigned part) {
  MachineFacts& m = machines.at(name);
  if (part == 0) return;
  if (has_traces(m)) violate("join on " + name + ", which is not empty");
  if (!cluster_answers()) return violate(name + " joins, and no API answers");
  if (nodes.contains(name) && nodes[name].ready) violate(name + " joins, and its Node is ready still");
  if (!at(name).has(Role::kControlPlane)) {
    m.kubelet_conf = Known::kYes;
    if (part >= 2) nodes[name] = {name, false, false, "v" + site.versions.kubernetes, {}, {}, {}, {}};
    return;
  }
  if (!certs_secret_) violate(name + " joins without a Secret to take certificates from");
  m.admin_conf = Known::kYes;
  for (const char* file :
       {"ca.crt", "ca.key", "front-proxy-ca.crt", "front-proxy-ca.key", "etcd/ca.crt", "etcd/ca.key", "sa.pub", "sa.key"}) {
    for (const auto& [other, facts] : machines) {
      const auto found = facts.files.find(std::string("/etc/kubernetes/pki/") + file);
      if (other != name && found != facts.files.end() && found->second.present) m.files[found->first] = found->second;
    }
  }
  if (part >= 2) m.kubelet_conf = Known::kYes;
  if (part >= 3) nodes[name] = {name, false, false, "v" + site.versions.kubernetes, {}, {}, {}, {}};
  if (part >= 4) {
    // As kubeadm does: a learner first, which has no vote before it is promoted.
    const bool listed = std::any_of(members.begin(), members.end(), [&](const EtcdMember& e) { return e.name == name; });
    if (listed) violate(name + " joins, and an etcd member of an earlier attempt is left");
    members.push_back({"m" + std::to_string(++made_), name, "", true, true});
    down.erase(name);
    m.etcd_data = Known::kYes;
    m.manifests = {"etcd"};
  }
  if (part >= 5) members.back().learner = false;
  if (part >= 5) m.manifests = kStaticPods;
  if (part == kAll) nodes[name].labels["node-role.kubernetes.io/control-plane"] = "";
}

void BootstrapModel::remove_member(const std::string& name) {
  const auto found = std::find_if(members.begin(), members.end(), [&](const EtcdMember& e) { return e.name == name; });
  if (found == members.end()) return;
  if (finished_.contains(name) && !given_up.contains(name)) violate("the etcd member of " + name + ", which has joined, is removed");
  members.erase(found);
}

void BootstrapModel::reset(const std::string& name, unsigned part) {
  MachineFacts& m = machines.at(name);
  if (part == 0) return;
  if (finished_.contains(name) && !given_up.contains(name)) violate(name + " is reset, and it had joined");
  const bool last = members.size() == 1 && members.front().name == name;
  const bool others = std::any_of(nodes.begin(), nodes.end(),
                                  [&](const auto& node) { return node.first != name && (!backup || has_traces(machines.at(node.first))); });
  if (last && others) violate(name + " is reset, the only member of etcd, and others have joined");
  if (cluster_answers() && !last) {
    members.erase(std::remove_if(members.begin(), members.end(), [&](const EtcdMember& e) { return e.name == name; }), members.end());
  }
  m.manifests.clear();
  if (part >= 2) m.etcd_data = Known::kNo;
  if (part >= 2) m.files.erase(std::string(kRestoredMark));
  if (last && part >= 2) {
    members.clear();
    nodes.clear();
    kubeadm_config_ = certs_secret_ = false;
  }
  if (part >= 3) m.admin_conf = Known::kNo;
  if (part < kAll) return;
  m.kubelet_conf = Known::kNo;
  finished_.erase(name);
  for (auto& [path, file] : m.files) {
    if (path.starts_with("/etc/kubernetes/pki/")) file = {};
  }
}

void BootstrapModel::label(const std::string& name, const Step& step) {
  std::istringstream in(scripts_of(step));
  for (std::string line; std::getline(in, line);) {
    const auto words = words_of(line);
    const auto node = std::find(words.begin(), words.end(), "node");
    if (node == words.end() || words.end() - node < 3) continue;
    const std::string what = *(node + 2);
    if (std::find(words.begin(), words.end(), "label") != words.end()) {
      nodes.at(name).labels[what.substr(0, what.find('='))] = what.substr(what.find('=') + 1);
    } else {
      nodes.at(name).taints.push_back(what);
    }
  }
}

void BootstrapModel::effect(const Step& step, unsigned part) {
  const std::string what = verb(step);
  const std::string name = owner(step);
  if (step.machine.empty()) return;
  MachineFacts& m = machines.at(step.machine);
  if (what == "init") return init(name, part);
  if (what == "join") return join(name, part);
  if (what == "reset") return reset(name, part);
  if (part == 0) return;
  if (what == "sources" || what == "files") {
    for (const Operation& operation : step.operations) {
      if (const auto* write = std::get_if<WriteFile>(&operation)) m.files[write->path] = present(sha256(write->text), write->mode);
    }
    if (part == kAll) m.files[files_marker_path(what)] = {};
    return;
  }
  if (what == "settings") return settings(m, part);
  if (what == "ca") {
    const std::string digest = backup ? backup->files.at("pki/ca.crt") : "ca" + std::to_string(++made_);
    for (const char* file : {"ca.crt", "ca.key"}) m.files[std::string("/etc/kubernetes/pki/") + file] = present(digest);
    if (part < kAll) return;
    for (const char* file : {"front-proxy-ca.crt", "front-proxy-ca.key", "etcd/ca.crt", "etcd/ca.key", "sa.pub", "sa.key"})
      m.files[std::string("/etc/kubernetes/pki/") + file] = present(digest);
    return;
  }
  if (part == kAll) at_once(step, m);
}

/// What happens wholly, or not at all.
void BootstrapModel::at_once(const Step& step, MachineFacts& m) {
  const std::string what = verb(step);
  const std::string name = owner(step);
  if (what == "apt-keys") {
    for (const AptKeyring& key : apt_keyrings(site, texts.machines.at(name))) m.files[key.path] = present("key");
  } else if (what == "packages") {
    install(m, step);
  } else if (what == "containerd") {
    m.programs["containerd"] = "v" + site.versions.containerd->version;
  } else if (what == "kernel") {
    for (auto& [module, loaded] : m.modules) loaded = true;
    for (const char* key : {"net.ipv4.ip_forward", "net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables"})
      m.sysctls[key] = "1";
    m.swap = Known::kNo;
  } else if (what == "services") {
    m.units["containerd"] = "active enabled";
    m.units["kubelet"] = "activating enabled";
  } else if (what == "ssh-ca") {
    for (const std::string_view path : {kHostCertificate, kUserCa}) m.files[std::string(path)] = present("ssh");
    for (const Operation& operation : step.operations) {
      if (const auto* write = std::get_if<WriteFile>(&operation)) m.files[std::string(kSshdSettings)] = present(sha256(write->text));
    }
  } else if (what == "ca-fetch") {
    state_["pki/ca.crt"] = m.files.at(std::string(kClusterCa)).sha256;
  } else if (what == "setup") {
    for (const auto& [other, facts] : machines) {
      if (facts.files.contains(std::string(kGatewayKey))) violate("a second cluster of gateways, begun on " + name);
    }
    m.gateway_serves = Known::kYes;
    m.files[std::string(kGatewayKey)] = present("key", 0400);
  } else if (what == "join-gateways") {
    if (m.files.contains(std::string(kGatewayKey))) violate(name + " joins the gateways twice");
    m.gateway_serves = Known::kYes;
    m.files[std::string(kGatewayKey)] = present("key", 0400);
  } else if (what == "start-gateway") {
    m.gateway_serves = Known::kYes;
  } else if (what == "join-secrets") {
    const auto* run = std::get_if<RunScript>(&step.operations.front());
    if (!cluster_answers()) violate(step.id + " while no API answers");
    if (run != nullptr && run->gives.front() == "certificate-key") certs_secret_ = true;
  } else if (what == "join-secrets-gone") {
    certs_secret_ = false;
  } else if (what == "remove-member") {
    remove_member(name);
  } else if (what == "forget") {
    nodes.erase(name);
  } else if (what == "settle") {
    if (nodes.contains(name) && at(name).has(Role::kControlPlane)) nodes[name].labels["node-role.kubernetes.io/control-plane"] = "";
  } else if (what == "labels") {
    label(name, step);
  } else if (what == "kubeconfig") {
    if (at(name).has(Role::kBastion)) m.files[bastion_kubeconfig_path()] = present("kubeconfig");
  } else if (what == "qdevice") {
    m.units["corosync-qdevice"] = "active enabled";
  } else if (what.starts_with("forget-addon-")) {
    m.files.erase(applied_manifest_path(what.substr(std::string_view("forget-addon-").size())));
  } else if (name == "addons") {
    m.files[applied_manifest_path(what)] = present(sha256(texts.manifests.at(what)));
    addons_[what] = Known::kYes;
    for (auto& [node_name, node] : nodes) node.ready = true;
  }
}

}  // namespace fairlead::bootstrap::test
