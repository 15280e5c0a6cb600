// A site's storage with its facts, and what is planned from them, for tests of plans; texts of a plan to look into.
#pragma once

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "k8s-bootstrap/plan/plan_bring_up.h"
#include "k8s-bootstrap/storage/plan_storage.h"
#include "tests/support/storage_site.h"

namespace fairlead::bootstrap::test {

inline std::vector<std::string> ids(const Plan& plan) {
  std::vector<std::string> out;
  for (const Step& step : plan.steps) out.push_back(step.id);
  return out;
}
inline std::string text_of(const Step& step) {
  std::string out;
  for (const Operation& operation : step.operations) {
    if (const auto* run = std::get_if<RunScript>(&operation)) out += run->script;
  }
  return out;
}
inline std::string obstacles_of(const Plan& plan) {
  std::string out;
  for (const Obstacle& obstacle : plan.obstacles) {
    for (const std::string& machine : obstacle.machines) out += machine + " ";
    out += obstacle.reason + " (" + obstacle.remedy + ")\n";
  }
  return out;
}
inline std::string warnings_of(const Plan& plan) {
  std::string out;
  for (const std::string& warning : plan.warnings) out += warning + "\n";
  return out;
}

struct World {
  Site site;
  Facts facts;

  explicit World(int storage = 3, bool pool = false)
      : site(storage_site(storage)), facts(pool ? pool_facts(site) : fresh_storage_facts(site)) {}
  Plan only_storage() const {
    const Rendered texts = lab_texts(site);
    PlanBuilder plan({site, facts, texts});
    plan_storage(plan);
    Plan out = plan.take();
    EXPECT_THAT(check_plan(out, site, facts), ::testing::IsEmpty());
    return out;
  }
  Plan expand() const {
    const Rendered texts = lab_texts(site);
    return plan_storage_expand({site, facts, texts});
  }
  Plan replace(const std::string& machine, const std::string& with = {}) const {
    const Rendered texts = lab_texts(site);
    return plan_storage_replace({site, facts, texts}, machine, with);
  }
  StorageFacts& storage(const std::string& name) { return *facts.machines[name].storage; }
  BrickFact& brick(const std::string& name) { return storage(name).bricks["brick-1"]; }
  Machine& machine(const std::string& name) {
    return *std::find_if(site.machines.begin(), site.machines.end(), [&](const Machine& m) { return m.name == name; });
  }
  VolumeFacts& pods() { return facts.pool->volumes["pods"]; }
  void online(const std::string& host, bool value) {
    for (GlusterProcess& process : *pods().processes) {
      if (process.host == host + ".kube.demo") process.online = value;
    }
  }
};

}  // namespace fairlead::bootstrap::test
