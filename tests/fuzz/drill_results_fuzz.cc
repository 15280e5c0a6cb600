// Any bytes as state_dir's drills.json: no crash, and what is understood is written as it was read.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "admin/drill_results.h"
#include "base/assert.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fairlead;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto results = admin::parse_drill_results(text);
  if (!results) return 0;
  const std::string written = admin::render_drill_results(*results);
  const auto again = admin::parse_drill_results(written);
  FL_ASSERT(again.has_value());
  FL_ASSERT(admin::render_drill_results(*again) == written);
  return 0;
}
