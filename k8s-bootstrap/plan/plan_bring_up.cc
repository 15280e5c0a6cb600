// fairlead: pure
#include "k8s-bootstrap/plan/plan_bring_up.h"

#include "k8s-bootstrap/plan/plan_phases.h"
#include "k8s-bootstrap/plan/plan_preflight.h"
#include "k8s-bootstrap/plan/plan_rule.h"
#include "k8s-bootstrap/storage/plan_storage.h"

namespace fairlead::bootstrap {
namespace {

constexpr Duration kAfterChange = std::chrono::minutes(5);
constexpr Duration kAsked = std::chrono::seconds(15);  ///< Who asks how it is, is told how it is.

/// What a step that still runs will leave is not known: nothing is planned meanwhile.
bool plan_running(PlanBuilder& plan) {
  bool runs = false;
  for (const auto& [name, facts] : plan.in.facts.machines) {
    for (const StepRecord& record : facts.steps) {
      if (record.state != "running") continue;
      plan.obstacle({name}, record.step + " of an earlier run is still at work",
                    "wait until it has ended (fairlead bootstrap status), then apply again");
      runs = true;
    }
  }
  return runs;
}

}  // namespace

Plan plan_bring_up(const PlanInput& input) {
  PlanBuilder plan(input);
  warn_certificates(plan);
  warn_changed(plan);
  if (plan_running(plan) || !plan_preflight(plan)) return plan.take();
  if (plan_repairs(plan)) return plan.take();
  plan_prepare(plan);
  plan_ssh(plan);
  plan_pki(plan);
  plan_gateways(plan);
  plan_pool_again(plan);
  plan_witness(plan);
  plan_storage(plan);
  plan_etcd(plan);
  plan_settle(plan);
  plan_init(plan);
  if (input.backup != nullptr && !FL_PLAN_RULE(kRestoreJoinsLater, false)) {  // BR2
    if (!plan.so_far().steps.empty()) plan.warn("the other machines join when the first control plane was read again");
    return plan.take();
  }
  plan_control_planes(plan);
  plan_workers(plan);
  plan_cleanup(plan);
  plan_nodes(plan);
  plan_addons(plan);
  plan_storage_manifests(plan);
  plan_kubeconfigs(plan);
  if (!plan.so_far().steps.empty() && plan.so_far().obstacles.empty()) plan_verify(plan, kAfterChange);
  return plan.take();
}

Plan plan_verification(const PlanInput& input) {
  PlanBuilder plan(input);
  warn_certificates(plan);
  if (cluster_machine(plan) == nullptr) plan.obstacle({}, "no control plane answers", "fairlead bootstrap plan says what is missing");
  plan_verify(plan, kAsked);
  return plan.take();
}

}  // namespace fairlead::bootstrap
