// Any bytes as a journal, an order to the guard or its word: no crash, and reading inverts writing.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/assert.h"
#include "vip/guard_message.h"
#include "vip/leftovers.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fairlead::vip;
  const auto bytes = std::as_bytes(std::span(data, size));
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto journal = parse_journal(text)) FL_ASSERT(*parse_journal(render_journal(*journal)) == *journal);
  if (const auto order = parse_guard_order(bytes)) FL_ASSERT(parse_guard_order(build_guard_order(*order)) == order);
  if (const auto word = parse_guard_word(bytes)) FL_ASSERT(parse_guard_word(build_guard_word(*word)) == word);
  return 0;
}
