// fairlead: pure
#include "admin/web_assets.h"

#include <algorithm>

namespace fairlead::admin {

const WebAsset* find_web_asset(std::string_view path) {
  const auto all = web_assets();
  const auto found = std::find_if(all.begin(), all.end(), [&](const WebAsset& asset) { return asset.path == path; });
  return found == all.end() ? nullptr : &*found;
}

bool etag_matches(std::string_view if_none_match, std::string_view etag) {
  while (!if_none_match.empty()) {
    const auto comma = if_none_match.find(',');
    std::string_view tag = if_none_match.substr(0, comma);
    if_none_match.remove_prefix(comma == std::string_view::npos ? if_none_match.size() : comma + 1);
    const auto first = tag.find_first_not_of(" \t");
    if (first == std::string_view::npos) continue;
    tag = tag.substr(first, tag.find_last_not_of(" \t") - first + 1);
    if (tag.starts_with("W/")) tag.remove_prefix(2);  // The comparison is the weak one.
    if (tag == "*" || tag == etag) return true;
  }
  return false;
}

}  // namespace fairlead::admin
