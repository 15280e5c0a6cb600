// fairlead: pure
#include "migrate/wanted.h"

#include <algorithm>

#include "config/limits.h"
#include "migrate/words.h"

namespace fairlead::migrate {

std::size_t Wanted::node(const std::string& name, const std::optional<IpAddress>& link, Ledger::Line at) {
  std::string called = name;
  if (link && called.empty()) {
    const auto known = host_names.find(*link);
    if (known != host_names.end()) called = known->second;
  }
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (link && std::find(nodes[i].links.begin(), nodes[i].links.end(), *link) != nodes[i].links.end()) {
      if (nodes[i].name.empty()) nodes[i].name = called;
      return i;
    }
  }
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (called.empty() || nodes[i].name != called) continue;
    if (link && nodes[i].links.empty()) nodes[i].links.push_back(*link);
    return i;
  }
  if (nodes.size() >= 4 * config::kNodesMax) return nodes.size() - 1;  // Nonsense: settle() says that there are too many.
  NodeWish wish;
  wish.name = called;
  if (link) wish.links.push_back(*link);
  wish.at = at;
  nodes.push_back(std::move(wish));
  return nodes.size() - 1;
}

std::string Wanted::free_pool_name(const std::string& name) const {
  UniqueNames names;
  for (const PoolWish& pool : pools) (void)names.take(pool.settings.name);
  return names.take(name);
}

}  // namespace fairlead::migrate
