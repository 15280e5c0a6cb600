// Machines, their kubeadm, etcd and API as a model: steps of a plan change them wholly, in the middle, or with their effect and no record.
// It knows the truth that facts tell only in part, so it also judges: what must never happen is a violation.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "k8s-bootstrap/plan/plan_backup.h"
#include "k8s-bootstrap/plan/plan_bring_up.h"
#include "tests/support/bootstrap_site.h"

namespace fairlead::bootstrap::test {

enum class How : std::uint8_t {
  kWhole,
  kUnrecorded,  ///< Everything happened, and the record says interrupted.
  kMiddle       ///< The first `part` of parts happened.
};

class BootstrapModel {
 public:
  BootstrapModel(Site site, Rendered texts);

  [[nodiscard]] Facts read() const;
  [[nodiscard]] Plan plan() const { return plan_from(read()); }
  [[nodiscard]] Plan plan_from(const Facts& facts) const;
  /// In how many parts a step can be interrupted.
  [[nodiscard]] static unsigned parts_of(const Step& step);
  void carry_out(const Step& step, How how = How::kWhole, unsigned part = 0);
  void carry_out(const Plan& plan);
  /// Reads, plans, checks and carries out until nothing is left. False: not within `rounds`.
  bool converge(int rounds = 12);
  /// What all runs must end in alike: files, nodes, members.
  [[nodiscard]] std::string state() const;

  const Site site;
  const Rendered texts;
  std::set<std::string> unreachable;  ///< From the operator.
  std::set<std::string> down;         ///< Neither API nor etcd runs there.
  std::set<std::string> blips;        ///< Their API does not answer just now; etcd does.
  bool etcd_unread = false;           ///< The API answers, and etcdctl does not.
  std::set<std::string> given_up;     ///< By name, by the operator: these may lose what they hold.
  std::map<std::string, MachineFacts> machines;
  std::vector<EtcdMember> members;
  std::map<std::string, NodeFact> nodes;
  std::vector<std::string> violations;
  int inits = 0;
  std::optional<ClusterBackup> backup;  ///< What is planned is a restore from it; its data has a Node of every machine.

 private:
  [[nodiscard]] bool quorate() const;
  [[nodiscard]] bool api_on(const std::string& machine) const;
  [[nodiscard]] bool cluster_answers() const;
  [[nodiscard]] const Machine& at(const std::string& name) const;
  void record(const Step& step, const std::string& state);
  void violate(const std::string& what) { violations.push_back(what); }
  void effect(const Step& step, unsigned part);
  void at_once(const Step& step, MachineFacts& m);
  void install(MachineFacts& m, const Step& step);
  void init(const std::string& name, unsigned part);
  void put_back(const std::string& name);
  void join(const std::string& name, unsigned part);
  void reset(const std::string& name, unsigned part);
  void remove_member(const std::string& name);
  void label(const std::string& name, const Step& step);
  void settings(MachineFacts& m, unsigned part);

  std::set<std::string> finished_;            ///< Their init or join ended, and a record says so.
  std::map<std::string, std::string> state_;  ///< state_dir: path -> digest.
  std::map<std::string, Known> addons_;
  bool kubeadm_config_ = false;
  bool certs_secret_ = false;
  int made_ = 0;  ///< Numbers CAs and members.
};

}  // namespace fairlead::bootstrap::test
