// fairlead: pure
// Host keys signed by the site's own SSH CA, which machines also take users' certificates of (pki.ssh_ca).
#include <fmt/format.h>

#include "k8s-bootstrap/plan/plan_phases.h"
#include "k8s-bootstrap/render/sha256.h"

namespace fairlead::bootstrap {
namespace {

constexpr std::string_view kHostKey = "/etc/ssh/ssh_host_ed25519_key.pub";

std::string sshd_settings() {
  return fmt::format("# Written by fairlead bootstrap.\nHostCertificate {}\nTrustedUserCAKeys {}\n", kHostCertificate, kUserCa);
}

std::string missing(const MachineFacts& facts) {
  for (const std::string_view path : {kHostCertificate, kUserCa, kSshdSettings}) {
    const auto found = facts.files.find(std::string(path));
    if (found == facts.files.end() || !found->second.present) return fmt::format("{} is missing", path);
  }
  const bool same = facts.files.at(std::string(kSshdSettings)).sha256 == sha256(sshd_settings());
  return same ? std::string() : fmt::format("{} differs", kSshdSettings);
}

}  // namespace

void plan_ssh(PlanBuilder& plan) {
  const Site& site = plan.in.site;
  if (!site.pki.ssh_ca) return;
  for (const Machine& machine : site.machines) {
    const MachineFacts* facts = plan.in.facts.find(machine.name);
    const std::string why = facts == nullptr ? std::string() : missing(*facts);
    if (why.empty()) continue;
    if (!plan.has("operator/ssh-ca")) {
      Step make = plan.step(nullptr, "ssh-ca", Phase::kPki, "makes the site's SSH CA, or looks whether it is whole",
                            "host keys are to be signed by it");
      LocalWork work;
      work.kind = LocalWork::Kind::kMakeSshCa;
      make.operations.emplace_back(work);
      plan.add(std::move(make));
    }
    Step step = plan.step(&machine, "ssh-ca", Phase::kPki, "gets a certificate of its host key", why);
    step.needs = {"operator/ssh-ca"};
    FetchFile key;
    key.path = kHostKey;
    key.to = in_state(site, "ssh/hosts/" + machine.name + ".pub");
    LocalWork sign;
    sign.kind = LocalWork::Kind::kSignHostKey;
    sign.argv = {key.to, in_state(site, "ssh/hosts/" + machine.name + "-cert.pub")};
    step.operations.emplace_back(key);
    step.operations.emplace_back(sign);
    step.operations.emplace_back(copy_file(sign.argv.back(), std::string(kHostCertificate)));
    step.operations.emplace_back(copy_file(in_state(site, "ssh/user_ca.pub"), std::string(kUserCa)));
    // Read by sshd only once it is whole; a sshd that would not start with it goes on without.
    const std::string fresh = in_work("sshd.conf");
    step.operations.emplace_back(file(fresh, sshd_settings()));
    step.operations.emplace_back(
        script(fmt::format("mkdir -p /etc/ssh/sshd_config.d\nmv {0} {1}\nif ! sshd -t; then rm -f {1}; exit 1; fi\n"
                           "systemctl reload ssh\n",
                           fresh, kSshdSettings)));
    plan.add(std::move(step));
  }
}

}  // namespace fairlead::bootstrap
