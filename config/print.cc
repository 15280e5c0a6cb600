// fairlead: pure
#include "config/print.h"

#include <cstdint>
#include <fmt/format.h>

#include "base/ip_address.h"
#include "config/schema.h"

namespace fairlead::config {

std::string print(const Snapshot& snapshot, bool with_defaults) {
  schema::Root root;
  root.api_version = schema::kApiVersion;
  root.snapshot = snapshot;
  return render_yaml(schema::write_section(schema::gateway(), &root, with_defaults));
}

std::string hash(const Snapshot& snapshot) {
  // Printed without defaults, so that a version that adds a key agrees with one that does not know it yet.
  Snapshot common = snapshot;
  common.node.clear();
  std::uint64_t state = 0xcbf29ce484222325ULL;  // FNV-1a, then mixed: stable across machines and versions.
  for (const char c : print(common)) state = (state ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return fmt::format("{:016x}", mix64(state));
}

}  // namespace fairlead::config
