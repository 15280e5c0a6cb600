// fairlead: pure
// corosync-qnetd gives the third vote; its certificates are made by Corosync's own tools, and travel over the operator's machine.
#include <algorithm>
#include <fmt/format.h>

#include "k8s-bootstrap/facts/parse_facts.h"
#include "k8s-bootstrap/plan/plan_phases.h"

namespace fairlead::bootstrap {
namespace {

constexpr std::string_view kQdeviceStore = "/etc/corosync/qdevice/net/nssdb/";
constexpr std::string_view kQnetdCa = "/etc/corosync/qnetd/nssdb/qnetd-cacert.crt";

FetchFile fetch(std::string path, std::string to, bool secret = false) {
  FetchFile out;
  out.path = std::move(path);
  out.to = std::move(to);
  out.secret = secret;
  return out;
}

Known runs(const MachineFacts& facts) {
  const auto unit = facts.units.find("corosync-qdevice");
  if (unit != facts.units.end() && unit->second == kUnitUnread) return Known::kUnknown;
  return known(unit != facts.units.end() && unit->second.starts_with("active"));
}

/// Its store was made, and by the record of the step that fills it, filled.
bool has_certificate(const MachineFacts& facts, const std::string& name) {
  const auto store = facts.files.find(std::string(kQdeviceCertificates));
  const StepRecord* import = last_record(facts, name + "/qdevice-import");
  return store != facts.files.end() && store->second.present && (import == nullptr || import->state == "done");
}

/// Only those that do not run: another one may have its quorum by this vote alone. When each has its certificate; and their votes are
/// looked for when all run, since qnetd may wait for each of them.
void start_qdevices(PlanBuilder& plan, const std::vector<const Machine*>& wanting) {
  std::vector<std::string> imported;
  std::vector<std::string> started;
  for (const Step& step : plan.so_far().steps)
    if (step.id.ends_with("/qdevice-import")) imported.push_back(step.id);
  for (const Machine* gateway : wanting) {
    Step start = plan.step(gateway, "qdevice", Phase::kGateways, "runs corosync-qdevice", "its vote is not counted yet");
    start.needs = plan.all_of(*gateway);
    start.needs.insert(start.needs.end(), imported.begin(), imported.end());
    start.operations.emplace_back(script("systemctl enable corosync-qdevice\nsystemctl restart corosync-qdevice\n"));
    started.push_back(start.id);
    plan.add(std::move(start));
  }
  for (const Machine* gateway : wanting) {
    Step votes = plan.step(gateway, "witness-votes", Phase::kGateways, "has the witness's vote", "corosync-qdevice was started");
    votes.needs = started;
    // A device that has no vote stands there as well: "0  0  Qdevice (votes 1)".
    votes.operations.emplace_back(
        wait_for("the witness's vote is there", "corosync-quorumtool -s | grep -Eq '^ *0 +[1-9][0-9]* +Qdevice'", std::chrono::minutes(1)));
    plan.add(std::move(votes));
  }
}

}  // namespace

void plan_witness(PlanBuilder& plan) {
  const Site& site = plan.in.site;
  const auto witnesses = site.with(Role::kWitness);
  const auto gateways = site.with(Role::kGateway);
  if (witnesses.empty() || gateways.empty() || !plan.in.texts.missing_devices.empty()) return;  // plan_gateways has said why.
  const Machine& witness = *witnesses.front();
  std::vector<const Machine*> wanting;
  std::vector<std::string> unread;
  for (const Machine* gateway : gateways) {
    const MachineFacts* facts = plan.in.facts.find(gateway->name);
    const Known has = facts == nullptr ? Known::kUnknown : runs(*facts);
    if (has == Known::kUnknown) unread.push_back(gateway->name);
    if (has == Known::kNo) wanting.push_back(gateway);
  }
  if (wanting.empty()) return;
  std::vector<const Machine*> lacking;
  for (const Machine* gateway : wanting)
    if (!has_certificate(*plan.in.facts.find(gateway->name), gateway->name)) lacking.push_back(gateway);
  if (lacking.empty()) return start_qdevices(plan, wanting);
  if (plan.in.facts.find(witness.name) == nullptr) unread.push_back(witness.name);
  // The vote counts from the moment its first node has it: all or none.
  if (!unread.empty())
    return plan.obstacle(unread, "the witness is not set up before it and all gateways were read", "make them reachable");
  const std::string state = in_state(site, "qnetd/");
  // Each of the cluster's certificates is good beside the others: who has one keeps it.
  const Machine& first = *lacking.front();
  const auto step = [&](const Machine& machine, std::string_view verb, std::string title, std::vector<std::string> needs) {
    Step out = plan.step(&machine, verb, Phase::kGateways, std::move(title), "corosync-qdevice does not run on " + comma(names(wanting)));
    out.needs = plan.all_of(machine);
    out.needs.insert(out.needs.end(), needs.begin(), needs.end());
    return out;
  };
  Step begin = step(witness, "qnetd", "runs corosync-qnetd", {});
  begin.operations.emplace_back(
      script(fmt::format("test -e {} || corosync-qnetd-certutil -i\nsystemctl enable --now corosync-qnetd\n", kQnetdCa)));
  begin.operations.emplace_back(fetch(std::string(kQnetdCa), state + "cacert.crt"));
  plan.add(std::move(begin));

  Step request = step(first, "qdevice-request", "asks for the cluster's certificate", {witness.name + "/qnetd"});
  request.operations.emplace_back(copy_file(state + "cacert.crt", in_work("qnetd-cacert.crt")));
  request.operations.emplace_back(
      script(fmt::format("rm -rf {2}\ncorosync-qdevice-net-certutil -i -c {0}\ncorosync-qdevice-net-certutil -r -n {1}\n",
                         in_work("qnetd-cacert.crt"), sh_quote(site.name), kQdeviceStore)));
  request.operations.emplace_back(fetch(std::string(kQdeviceStore) + "qdevice-net-node.crq", state + "node.crq"));
  plan.add(std::move(request));

  Step sign = step(witness, "qdevice-sign", "signs it", {first.name + "/qdevice-request"});
  const std::string signed_path = fmt::format("/etc/corosync/qnetd/nssdb/cluster-{}.crt", site.name);
  sign.operations.emplace_back(copy_file(state + "node.crq", in_work("node.crq")));
  sign.operations.emplace_back(script(fmt::format("corosync-qnetd-certutil -s -c {} -n {}\n", in_work("node.crq"), sh_quote(site.name))));
  sign.operations.emplace_back(fetch(signed_path, state + "cluster.crt"));
  plan.add(std::move(sign));

  Step import = step(first, "qdevice-import", "takes the certificate", {witness.name + "/qdevice-sign"});
  import.operations.emplace_back(copy_file(state + "cluster.crt", in_work("cluster.crt")));
  import.operations.emplace_back(script(fmt::format("corosync-qdevice-net-certutil -M -c {}\n", in_work("cluster.crt"))));
  import.operations.emplace_back(fetch(std::string(kQdeviceStore) + "qdevice-net-node.p12", state + "node.p12", true));
  plan.add(std::move(import));

  for (const Machine* gateway : lacking) {
    if (gateway == &first) continue;
    Step other = step(*gateway, "qdevice-import", "takes the certificate", {first.name + "/qdevice-import"});
    other.operations.emplace_back(copy_file(state + "cacert.crt", in_work("qnetd-cacert.crt")));
    other.operations.emplace_back(copy_secret(state + "node.p12", in_work("node.p12")));
    other.operations.emplace_back(
        script(fmt::format("rm -rf {2}\ncorosync-qdevice-net-certutil -i -c {0}\ncorosync-qdevice-net-certutil -m -c {1}\nrm -f {1}\n",
                           in_work("qnetd-cacert.crt"), in_work("node.p12"), kQdeviceStore)));
    plan.add(std::move(other));
  }
  start_qdevices(plan, wanting);
}

}  // namespace fairlead::bootstrap
