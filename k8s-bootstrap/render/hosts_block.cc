// fairlead: pure
#include "k8s-bootstrap/render/hosts_block.h"

#include <fmt/format.h>

#include "k8s-bootstrap/storage/storage_layout.h"

namespace fairlead::bootstrap {
namespace {

struct Place {
  std::size_t begin = std::string_view::npos;  ///< Of the begin mark's line; npos: there is no block.
  std::size_t end = 0;                         ///< Behind the end mark's line.
};

/// The last begin mark before the first end mark, so that a mark left over alone takes no other line with it.
Place find_block(std::string_view text) {
  Place place;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t line_end = text.find('\n', at);
    const std::size_t next = line_end == std::string_view::npos ? text.size() : line_end + 1;
    const std::string_view line = text.substr(at, (line_end == std::string_view::npos ? text.size() : line_end) - at);
    if (line == kHostsBegin) place.begin = at;
    if (line == kHostsEnd && place.begin != std::string_view::npos) {
      place.end = next;
      return place;
    }
    at = next;
  }
  return {};
}

std::string line_of(const Site& site, const Machine& machine, const IpAddress& address) {
  return fmt::format("{} {} {}\n", address.to_string(), site.fqdn(machine), machine.name);
}

bool needs(const Site& site, const Machine& machine, const Machine& other) {
  if (&machine == &other) return true;
  if (machine.has(Role::kBastion) || !site.gateways) return true;
  return other.has(Role::kStorage) && (machine.has(Role::kStorage) || machine.has(Role::kWorker) || !mounts_of(site, machine).empty());
}

}  // namespace

std::string hosts_block(const Site& site, const Machine& machine) {
  std::string out = fmt::format("{}\n", kHostsBegin);
  for (const Machine& other : site.machines) {
    if (needs(site, machine, other)) out += line_of(site, other, other.address());
  }
  return out + fmt::format("{}\n", kHostsEnd);
}

std::string block_in_hosts(std::string_view existing) {
  const Place place = find_block(existing);
  return place.begin == std::string_view::npos ? std::string() : std::string(existing.substr(place.begin, place.end - place.begin));
}

std::string merge_hosts(std::string_view existing, std::string_view block) {
  const Place place = find_block(existing);
  if (place.begin != std::string_view::npos)
    return std::string(existing.substr(0, place.begin)) + std::string(block) + std::string(existing.substr(place.end));
  std::string out(existing);
  if (!out.empty() && out.back() != '\n') out += '\n';
  return out + std::string(block);
}

std::string merge_hosts_script(std::string_view block, std::string_view hosts) {
  // awk says where the block stands. cp keeps owner and mode. A file that is a mount cannot be replaced, only written.
  static constexpr std::string_view kWork = R"sh(touch "$hosts"
range=$(awk -v begin="$begin" -v end="$end" '
  $0 == begin { first = NR }
  $0 == end && first { print first, NR; exit }' "$hosts")
cp -p "$hosts" "$hosts.fairlead"
if [ -n "$range" ]; then
  { head -n $(( ${range% *} - 1 )) "$hosts"; cat "$block"; tail -n +$(( ${range#* } + 1 )) "$hosts"; } > "$hosts.fairlead"
else
  { cat "$hosts"; if [ -n "$(tail -c 1 "$hosts")" ]; then echo; fi; cat "$block"; } > "$hosts.fairlead"
fi
sync "$hosts.fairlead"
mv -f "$hosts.fairlead" "$hosts" 2>/dev/null || { cat "$hosts.fairlead" > "$hosts"; rm -f "$hosts.fairlead"; }
)sh";
  return fmt::format("set -eu\nhosts='{}'\nblock='{}'\nbegin='{}'\nend='{}'\n{}", hosts, block, kHostsBegin, kHostsEnd, kWork);
}

std::string hosts_block_fact(std::string_view hosts) {
  static constexpr std::string_view kWork = R"sh('
  $0 == begin { lines = ""; inside = 1 }
  inside { lines = lines $0 "\n" }
  $0 == end && inside { printf "%s", lines; exit }' )sh";
  return fmt::format("awk -v begin='{}' -v end='{}' {}'{}'", kHostsBegin, kHostsEnd, kWork, hosts);
}

}  // namespace fairlead::bootstrap
