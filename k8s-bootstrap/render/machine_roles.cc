// fairlead: pure
#include "k8s-bootstrap/render/machine_roles.h"

#include <algorithm>
#include <array>

namespace fairlead::bootstrap {
namespace {

/// `domain` itself, or something below it.
bool is_below(std::string_view prefix, std::string_view domain) {
  return prefix == domain ||
         (prefix.size() > domain.size() && prefix.ends_with(domain) && prefix[prefix.size() - domain.size() - 1] == '.');
}

}  // namespace

bool kubelet_may_set(std::string_view label) {
  static constexpr std::array<std::string_view, 11> kAllowed{"kubernetes.io/hostname",
                                                             "kubernetes.io/arch",
                                                             "kubernetes.io/os",
                                                             "beta.kubernetes.io/instance-type",
                                                             "beta.kubernetes.io/os",
                                                             "beta.kubernetes.io/arch",
                                                             "failure-domain.beta.kubernetes.io/zone",
                                                             "failure-domain.beta.kubernetes.io/region",
                                                             "node.kubernetes.io/instance-type",
                                                             "topology.kubernetes.io/zone",
                                                             "topology.kubernetes.io/region"};
  const std::size_t slash = label.find('/');
  if (slash == std::string_view::npos) return true;
  const std::string_view prefix = label.substr(0, slash);
  if (!is_below(prefix, "kubernetes.io") && !is_below(prefix, "k8s.io")) return true;
  if (is_below(prefix, "kubelet.kubernetes.io") || is_below(prefix, "node.kubernetes.io")) return true;
  return std::find(kAllowed.begin(), kAllowed.end(), label) != kAllowed.end();
}

}  // namespace fairlead::bootstrap
