// Any bytes: problems with places or a snapshot, never a crash or a hang. What is accepted prints and reads back equal.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/assert.h"
#include "config/diff.h"
#include "config/limits.h"
#include "config/load.h"
#include "config/print.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fairlead::config;
  Environment environment;
  environment.host_name = "gate-1";
  environment.local_addresses.emplace();
  environment.descriptors_max = 1024;
  environment.ephemeral_ports = 1000;
  const LoadResult result = load_text(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz", environment);
  FL_ASSERT(result.snapshot.has_value() != has_errors(result.problems));
  FL_ASSERT(result.problems.size() <= kProblemsMax + 1);
  for (const Problem& problem : result.problems) {
    FL_ASSERT(problem.line >= 1 && problem.column >= 1 && !problem.message.empty());
    FL_ASSERT(format(problem).find('\n') == std::string::npos);
  }
  if (!result.snapshot) return 0;
  for (const bool with_defaults : {false, true}) {
    const LoadResult again = load_text(print(*result.snapshot, with_defaults), "printed", environment);
    FL_ASSERT(again.snapshot.has_value());
    FL_ASSERT(*again.snapshot == *result.snapshot);
    FL_ASSERT(hash(*again.snapshot) == hash(*result.snapshot));
  }
  FL_ASSERT(diff(*result.snapshot, *result.snapshot).empty());
  const Snapshot empty;
  const auto changes = diff(empty, *result.snapshot);
  FL_ASSERT(fairlead::config::apply(empty, changes) == *result.snapshot);
  for (const Change& change : changes) FL_ASSERT(!describe(change).empty());
  return 0;
}
