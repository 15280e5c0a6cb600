// fairlead: pure
#include "cli/bootstrap_status.h"

#include <algorithm>
#include <boost/json.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "admin/json_text.h"
#include "cli/text_table.h"

namespace fairlead::cli {
namespace {

using bootstrap::Facts;
using bootstrap::Known;
using bootstrap::Machine;
using bootstrap::MachineFacts;
using bootstrap::NodeFact;
using bootstrap::Plan;
using bootstrap::Site;

constexpr std::int64_t kSoonDays = 30;

std::string roles_of(const Machine& machine) {
  std::string out;
  for (const bootstrap::Role role : machine.roles) out += (out.empty() ? "" : ", ") + std::string(to_string(role));
  return out;
}

const NodeFact* node_of(const Facts& facts, const std::string& name) {
  if (!facts.cluster) return nullptr;
  for (const NodeFact& node : facts.cluster->nodes) {
    if (node.name == name) return &node;
  }
  return nullptr;
}

std::size_t steps_for(const Plan& plan, const std::string& machine) {
  return static_cast<std::size_t>(
      std::count_if(plan.steps.begin(), plan.steps.end(), [&](const auto& step) { return step.machine == machine; }));
}

Cell state_cell(const Machine& machine, const Facts& facts) {
  const MachineFacts* read = facts.find(machine.name);
  if (read == nullptr) return {"not read", Tone::kBad};
  if (const NodeFact* node = node_of(facts, machine.name)) {
    if (!node->ready) return {"not ready", Tone::kBad};
    if (node->unschedulable) return {"cordoned", Tone::kWarn};
    return {"ready " + node->kubelet_version, Tone::kGood};
  }
  if (machine.has(bootstrap::Role::kGateway)) {
    if (read->gateway_serves == Known::kYes) {
      return {read->vips_held.empty() ? "serves" : fmt::format("serves, holds {}", fmt::join(read->vips_held, ", ")), Tone::kGood};
    }
    return {read->gateway_serves == Known::kNo ? "no gateway yet" : "unknown", Tone::kWarn};
  }
  return {read->kubelet_conf == Known::kYes ? "has joined, no Node" : "read", Tone::kPlain};
}

Cell days_cell(std::int64_t days) { return {std::to_string(days), days < 0 ? Tone::kBad : days < kSoonDays ? Tone::kWarn : Tone::kPlain}; }

struct Certificate {
  std::string machine;
  const bootstrap::CertificateFact* fact;
};
std::vector<Certificate> certificates(const Facts& facts) {
  std::vector<Certificate> out;
  for (const auto& [name, machine] : facts.machines) {
    for (const auto& certificate : machine.certificates) out.push_back({name, &certificate});
  }
  std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.fact->days_left < b.fact->days_left; });
  return out;
}

}  // namespace

std::string bootstrap_status_text(const Site& site, const Facts& facts, const Plan& plan, bool color) {
  std::string out = fmt::format("Site {}: {} of {} machines read", site.name, facts.machines.size(), site.machines.size());
  if (facts.cluster) {
    const auto ready = std::count_if(facts.cluster->nodes.begin(), facts.cluster->nodes.end(), [](const NodeFact& n) { return n.ready; });
    const auto healthy = std::count_if(facts.cluster->etcd.begin(), facts.cluster->etcd.end(), [](const auto& m) { return m.healthy; });
    out += fmt::format("; Kubernetes {}, {} of {} nodes ready, {} of {} etcd members healthy\n", facts.cluster->kubernetes_version, ready,
                       facts.cluster->nodes.size(), healthy, facts.cluster->etcd.size());
  } else {
    out += "; no control plane answers\n";
  }
  TextTable table({"MACHINE", "ROLES", "STATE", "TO DO"});
  for (const Machine& machine : site.machines) {
    const std::size_t steps = steps_for(plan, machine.name);
    table.row({{machine.name, Tone::kStrong},
               {roles_of(machine)},
               state_cell(machine, facts),
               {steps == 0 ? "" : fmt::format("{} step{}", steps, steps == 1 ? "" : "s"), Tone::kWarn}});
  }
  out += table.text(color, "  ");
  for (const auto& [name, cause] : facts.unread) out += fmt::format("{}: {}\n", name, cause);
  for (const auto& [name, machine] : facts.machines) {
    for (const std::string& problem : machine.unsuitable) out += fmt::format("{}: {}\n", name, problem);
  }
  for (const auto& obstacle : plan.obstacles) {
    out += fmt::format("{}: {} ({})\n", fmt::join(obstacle.machines, ", "), obstacle.reason, obstacle.remedy);
  }
  for (const std::string& warning : plan.warnings) out += fmt::format("warning: {}\n", warning);
  out += plan.steps.empty() ? "Nothing to do.\n" : "fairlead bootstrap plan shows what apply would do.\n";
  return out;
}

boost::json::value bootstrap_status_json(const Site& site, const Facts& facts, const Plan& plan) {
  boost::json::array machines;
  for (const Machine& machine : site.machines) {
    boost::json::array roles;
    for (const bootstrap::Role role : machine.roles) roles.push_back(admin::json_string(to_string(role)));
    boost::json::object one{{"name", admin::json_string(machine.name)},
                            {"roles", std::move(roles)},
                            {"read", facts.find(machine.name) != nullptr},
                            {"state", admin::json_string(state_cell(machine, facts).text)},
                            {"steps", steps_for(plan, machine.name)}};
    if (const auto cause = facts.unread.find(machine.name); cause != facts.unread.end()) one["cause"] = admin::json_string(cause->second);
    machines.push_back(std::move(one));
  }
  boost::json::object out{{"site", admin::json_string(site.name)}, {"machines", std::move(machines)}, {"steps", plan.steps.size()}};
  if (facts.cluster) {
    boost::json::array etcd;
    for (const auto& member : facts.cluster->etcd) {
      etcd.push_back({{"id", admin::json_string(member.id)},
                      {"name", admin::json_string(member.name)},
                      {"healthy", member.healthy},
                      {"learner", member.learner}});
    }
    out["kubernetes"] = admin::json_string(facts.cluster->kubernetes_version);
    out["etcd"] = std::move(etcd);
  }
  boost::json::array obstacles;
  for (const auto& obstacle : plan.obstacles) {
    boost::json::array names;
    for (const std::string& name : obstacle.machines) names.push_back(admin::json_string(name));
    obstacles.push_back(
        {{"machines", std::move(names)}, {"reason", admin::json_string(obstacle.reason)}, {"remedy", admin::json_string(obstacle.remedy)}});
  }
  out["obstacles"] = std::move(obstacles);
  return out;
}

std::string bootstrap_certs_text(const Facts& facts, bool color) {
  TextTable table({"DAYS", "MACHINE", "CERTIFICATE", "SERIAL"});
  for (const Certificate& one : certificates(facts)) {
    table.row({days_cell(one.fact->days_left), {one.machine, Tone::kStrong}, {one.fact->path}, {one.fact->serial, Tone::kDim}});
  }
  std::string out = table.text(color, "");
  for (const auto& [name, cause] : facts.unread) out += fmt::format("{}: not read: {}\n", name, cause);
  return out;
}

boost::json::value bootstrap_certs_json(const Facts& facts) {
  boost::json::array out;
  for (const Certificate& one : certificates(facts)) {
    out.push_back({{"machine", admin::json_string(one.machine)},
                   {"path", admin::json_string(one.fact->path)},
                   {"days_left", one.fact->days_left},
                   {"serial", admin::json_string(one.fact->serial)}});
  }
  return out;
}

}  // namespace fairlead::cli
