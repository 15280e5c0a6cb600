// fairlead: pure
#include "k8s-bootstrap/render/api_endpoint.h"

namespace fairlead::bootstrap {

Endpoint api_endpoint(const Site& site) {
  if (const SiteVip* vip = site.endpoint()) return {vip->address, vip->listen.empty() ? kDefaultApiPort : vip->listen.front()};
  const std::vector<const Machine*> planes = site.with(Role::kControlPlane);
  return {planes.empty() ? IpAddress() : planes.front()->address(), kDefaultApiPort};
}

}  // namespace fairlead::bootstrap
