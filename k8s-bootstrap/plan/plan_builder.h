// fairlead: pure
// Puts a plan together, one phase after the other. Keeps G1: a step may need only what was added before it, so there is no cycle; what it
// would need and what facts say is there already is dropped from `needs`, and so is what another need needs itself.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "k8s-bootstrap/plan/machine_state.h"
#include "k8s-bootstrap/plan/plan_input.h"

namespace fairlead::bootstrap {

class PlanBuilder {
 public:
  explicit PlanBuilder(const PlanInput& input) : in(input), view(view_of(input.site, input.facts)) {}

  /// A step of `machine` (nullptr: the operator's), with the id MACHINE/VERB.
  [[nodiscard]] Step step(const Machine* machine, std::string_view verb, Phase phase, std::string title, std::string because) const;
  void add(Step step);
  /// One of the same reason and remedy gets the machines, too.
  void obstacle(const std::vector<std::string>& machines, const std::string& reason, const std::string& remedy,
                const std::string& check = {});
  void warn(std::string text);
  [[nodiscard]] bool has(const std::string& id) const { return places_.contains(id); }
  /// Ids of the steps of a phase so far, to be needed by one that comes after all of them.
  [[nodiscard]] std::vector<std::string> all_of(Phase phase) const;
  /// Ids of the steps of a machine so far.
  [[nodiscard]] std::vector<std::string> all_of(const Machine& machine) const;
  [[nodiscard]] const Plan& so_far() const { return plan_; }
  [[nodiscard]] Plan take() { return std::move(plan_); }

  const PlanInput in;
  const ClusterView view;

 private:
  Plan plan_;
  std::map<std::string, std::size_t> places_;  ///< Id -> index in the plan's steps.
};

// ---- operations ----
[[nodiscard]] RunScript script(std::string text, Duration timeout = std::chrono::minutes(5));
[[nodiscard]] WaitFor wait_for(std::string what, std::string text, Duration timeout = std::chrono::minutes(5));
[[nodiscard]] WriteFile file(std::string path, std::string text, std::uint32_t mode = 0644);
[[nodiscard]] WriteFile secret_file(std::string path, std::string text);
[[nodiscard]] CopyFile copy_file(std::string from, std::string path, std::uint32_t mode = 0644);
/// Private keys: 0600 on both sides.
[[nodiscard]] CopyFile copy_secret(std::string from, std::string path);

// ---- words ----
[[nodiscard]] std::string in_work(std::string_view name);                ///< Below kWorkPath.
[[nodiscard]] std::string in_state(const Site& site, std::string_view);  ///< Below state_dir.
[[nodiscard]] std::string kubectl(std::string_view arguments);           ///< As admin, through the endpoint.
[[nodiscard]] std::string url_host(const IpAddress& address);            ///< "[::1]"
[[nodiscard]] std::string comma(const std::vector<std::string>& words);  ///< "a, b, c"
[[nodiscard]] std::vector<std::string> names(const std::vector<const Machine*>& machines);
/// `apt-get install` as everywhere here: waits for whoever has dpkg's lock (unattended-upgrades on a fresh machine), and keeps a changed
/// configuration file without a question, which nobody would answer.
[[nodiscard]] std::string apt_install(std::string_view arguments);
/// "containerd=1.6.20~*" on Debian, "kubelet=1.36.4-*": the version with whatever build the archive has (apt-get(8)).
[[nodiscard]] std::string apt_version(std::string_view package, std::string_view version, std::string_view separator = "-");
/// A word for /bin/sh: in single quotes unless it needs none.
[[nodiscard]] std::string sh_quote(const std::string& word);
/// A shell function `etcdctl_here`: the program, or else the one inside etcd's static pod.
[[nodiscard]] std::string etcdctl_function(const Site& site);
/// Likewise on a machine that runs etcd, asking its own member only: `snapshot save` takes no more.
[[nodiscard]] std::string etcdctl_function_of(const Machine& member);
/// Of what kubeadm issues.
[[nodiscard]] std::int64_t validity_days(const Site& site);
/// "1.36" of "1.36.4"; {0, 0}: not a version.
struct Minor {
  int major = 0;
  int minor = 0;
  friend auto operator<=>(const Minor&, const Minor&) = default;
};
[[nodiscard]] Minor minor_of(std::string_view version);

}  // namespace fairlead::bootstrap
