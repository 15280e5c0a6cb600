// Any bytes as a frame from the LAN: no crash, nothing read beyond the end, and reading inverts writing.
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/assert.h"
#include "vip/arp_frame.h"
#include "vip/ndp_frame.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fairlead::vip;
  const auto all = std::as_bytes(std::span(data, size));
  if (const auto packet = parse_arp_frame(all)) FL_ASSERT(parse_arp_frame(build_arp_frame(*packet)) == packet);
  if (const auto packet = parse_ndp_frame(all)) {
    const NdpFrame built = build_ndp_frame(*packet);
    FL_ASSERT(parse_ndp_frame(std::span(built.begin(), built.size())) == packet);
  }
  return 0;
}
