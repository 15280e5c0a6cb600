// fairlead: pure
#include "daemon/site_answer.h"

#include <algorithm>
#include <utility>

namespace fairlead::daemon {

std::optional<lb::ResolveAnswer> site_answer(const std::map<std::string, std::vector<IpAddress>>& names,
                                             const lb::ResolveQuestion& question) {
  std::string name = question.host;
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  if (name.ends_with('.')) name.pop_back();
  const auto found = names.find(name);
  if (found == names.end()) return std::nullopt;
  lb::ResolveAnswer out{.outcome = lb::ResolveOutcome::kFound};
  for (const IpAddress& address : found->second) {
    if (!question.family || address.family() == *question.family) out.endpoints.push_back({address, question.port});
  }
  if (out.endpoints.empty()) return std::nullopt;
  return out;
}

}  // namespace fairlead::daemon
