// fairlead: pure
#include "k8s-bootstrap/render/check_rendered.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "config/load.h"
#include "config/nearest.h"
#include "k8s-bootstrap/render/kubeadm_schema.h"
#include "k8s-bootstrap/render/machine_roles.h"
#include "k8s-bootstrap/render/render.h"
#include "k8s-bootstrap/render/yaml_tree.h"

namespace fairlead::bootstrap {
namespace {

class RenderCheck {
 public:
  explicit RenderCheck(const Site& site) : site_(site) {}

  std::vector<RenderProblem> run() {
    kinds();
    const std::vector<const Machine*> planes = site_.with(Role::kControlPlane);
    if (!planes.empty()) {
      documents("kubeadm init of " + planes.front()->name, init_config(site_, *planes.front()));
      documents("kubeadm upgrade", upgrade_config(site_, *planes.front()));
      documents("kubeadm reset", reset_config(site_, *planes.front()));
    }
    for (const Machine& machine : site_.machines) {
      if (is_kubernetes_node(machine) && &machine != (planes.empty() ? nullptr : planes.front()))
        documents("kubeadm join of " + machine.name, join_config(site_, machine));
      if (machine.has(Role::kEtcd)) documents("etcd of " + machine.name, etcd_config(site_, machine, false));
      if (machine.kubelet != nullptr) kubelet(machine);
    }
    gateways();
    return std::move(problems_);
  }

 private:
  void add(const std::string& where, const std::string& text, bool error) {
    // Lines differ between machines that have more or fewer keys; the rest says whether it is the same problem.
    const std::size_t line = text.find(", line ");
    const std::size_t colon = line == std::string::npos ? line : text.find(':', line);
    const std::string same = colon == std::string::npos ? text : text.substr(0, line) + text.substr(colon);
    if (seen_.insert(same).second) problems_.push_back({where, text, error});
  }

  void documents(const std::string& where, const std::string& text) {
    if (text.empty()) return;
    for (const std::string& problem : check_kubeadm_config(text)) add(where, problem, true);
  }

  void kinds() {
    std::vector<std::string> known;
    for (const kube::DocumentType& type : kube::document_types()) {
      if (std::find(known.begin(), known.end(), type.kind) == known.end()) known.emplace_back(type.kind);
    }
    for (const auto& [kind, keys] : site_.kubernetes.kubeadm) {
      if (std::find(known.begin(), known.end(), kind) != known.end()) continue;
      add("kubernetes.kubeadm", fmt::format("kubeadm has no kind {}; {}", config::quoted(kind), config::suggest(kind, known)), true);
    }
  }

  void kubelet(const Machine& machine) {
    const auto document = merge(
        std::move(MapBuilder().add_text("apiVersion", "kubelet.config.k8s.io/v1beta1").add_text("kind", "KubeletConfiguration")).build(),
        machine.kubelet);
    documents("kubelet of " + machine.name, write_yaml(*document));
  }

  void gateways() {
    if (!site_.gateways) return;
    const auto loaded = config::load_text(gateway_yaml(site_), "fairlead.yaml", {});
    for (const config::Problem& problem : loaded.problems)
      add("fairlead.yaml", config::format(problem), problem.severity == config::Severity::kError);
  }

  const Site& site_;
  std::vector<RenderProblem> problems_;
  std::set<std::string> seen_;
};

}  // namespace

std::vector<RenderProblem> check_rendered(const Site& site) { return RenderCheck(site).run(); }

}  // namespace fairlead::bootstrap
