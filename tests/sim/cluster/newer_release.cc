#include "tests/sim/cluster/newer_release.h"

#include <cstddef>
#include <vector>

#include "base/assert.h"
#include "membership/message_codec.h"

namespace fairlead::vip::sim {

ClusterMessage as_newer_release_says(const ClusterMessage& message) {
  static const membership::MessageCodec codec("sim");
  constexpr std::size_t kBodyLength = 8;  // Where the header says it, little-endian.
  constexpr unsigned char kField[] = {0xf0, 3, 0, 'n', 'e', 'w'};
  std::vector<std::byte> bytes;
  FL_ASSERT(codec.encode(message, bytes));
  for (const unsigned char byte : kField) bytes.push_back(std::byte{byte});
  const std::size_t body = bytes.size() - membership::kMessageHeaderBytes;
  for (std::size_t i = 0; i < 4; ++i) bytes[kBodyLength + i] = static_cast<std::byte>(body >> (8 * i));
  const membership::Decoded back = codec.decode(bytes);
  FL_ASSERT(back.message && back.unknown_fields == 1);
  return *back.message;
}

}  // namespace fairlead::vip::sim
