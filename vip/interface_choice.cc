// fairlead: pure
#include "vip/interface_choice.h"

#include <algorithm>

#include "vip/address_driver.h"

namespace fairlead::vip {
namespace {

Result<LinkState> named(const std::string& wanted, const std::vector<LinkState>& links) {
  const auto at = std::find_if(links.begin(), links.end(), [&](const LinkState& link) { return link.name == wanted; });
  if (at != links.end()) return *at;
  std::string there;
  for (const LinkState& link : links) {
    if (!link.loopback) there += (there.empty() ? "" : ", ") + link.name;
  }
  return Error{Errc::kNotFound, "interface " + wanted + " is not there (there are: " + (there.empty() ? "none" : there) + ")"};
}

const LinkState* by_index(std::uint32_t index, const std::vector<LinkState>& links) {
  const auto at = std::find_if(links.begin(), links.end(), [&](const LinkState& link) { return link.index == index; });
  return at == links.end() ? nullptr : &*at;
}

}  // namespace

Result<LinkState> choose_interface(const std::string& wanted, const IpPrefix& vip, const std::vector<LinkState>& links,
                                   const std::vector<PresentAddress>& addresses) {
  if (wanted != "auto") return named(wanted, links);
  std::vector<const LinkState*> best;
  int longest = -1;
  for (const PresentAddress& present : addresses) {
    if (present.protocol == kFairleadProtocol || present.address.address == vip.address) continue;
    // A host address is in a network with itself alone; it says nothing about the LAN.
    if (present.address.length == present.address.address.bits() || !present.address.contains(vip.address)) continue;
    const LinkState* link = by_index(present.index, links);
    if (link == nullptr || link->loopback || present.address.length < longest) continue;
    if (present.address.length > longest) best.clear();
    longest = present.address.length;
    if (std::find(best.begin(), best.end(), link) == best.end()) best.push_back(link);
  }
  if (best.size() == 1) return *best.front();
  const std::string what = "interface of " + vip.address.to_string() + ": ";
  if (best.empty()) return Error{Errc::kNotFound, what + "none has an address in that network (name it in vips[].interface)"};
  std::string names;
  for (const LinkState* link : best) names += (names.empty() ? "" : ", ") + link->name;
  return Error{Errc::kConflict, what + names + " are all in that network (name one in vips[].interface)"};
}

}  // namespace fairlead::vip
