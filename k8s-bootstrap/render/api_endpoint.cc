// fairlead: pure
#include "k8s-bootstrap/render/api_endpoint.h"

namespace fairlead::bootstrap {

std::string api_endpoint(const Site& site) {
  if (const SiteVip* vip = site.endpoint())
    return Endpoint{vip->address, vip->listen.empty() ? kDefaultApiPort : vip->listen.front()}.to_string();
  if (!site.gateways && site.kubernetes.endpoint.find(':') != std::string::npos) return site.kubernetes.endpoint;
  const std::vector<const Machine*> planes = site.with(Role::kControlPlane);
  return Endpoint{planes.empty() ? IpAddress() : planes.front()->address(), kDefaultApiPort}.to_string();
}

}  // namespace fairlead::bootstrap
