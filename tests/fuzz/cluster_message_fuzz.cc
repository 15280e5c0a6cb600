// Any bytes from the group: no crash; what is read is written and read again the same; nothing unknown is taken for a message.
// Each input is tried as it is, and with a header that fits it, since hardly any change of a message leaves its length right.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/assert.h"
#include "membership/message_codec.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using namespace fairlead::membership;

void check(std::span<const std::byte> given) {
  static const MessageCodec codec("kube-gateways");
  static const MessageCodec other("other");
  const Decoded once = codec.decode(given);
  FL_ASSERT(once.message.has_value() == (once.outcome == DecodeOutcome::kMessage));
  if (!once.message) return;
  std::vector<std::byte> written;
  FL_ASSERT(codec.encode(*once.message, written).has_value());
  const Decoded twice = codec.decode(written);
  FL_ASSERT(twice.message == once.message && twice.unknown_fields == 0);
  FL_ASSERT(other.decode(given).outcome == DecodeOutcome::kForeign);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto given = std::as_bytes(std::span(data, size));
  check(given);
  if (size < kMessageHeaderBytes) return 0;
  std::vector<std::byte> header;
  FL_ASSERT(MessageCodec("kube-gateways").encode(fairlead::Beat{}, header).has_value());
  std::vector<std::byte> repaired(given.begin(), given.end());
  for (const std::size_t i : {0, 1, 2, 4, 5, 6, 7}) repaired[i] = header[i];
  for (std::size_t i = 0; i < 4; ++i) repaired[8 + i] = static_cast<std::byte>((size - kMessageHeaderBytes) >> (8 * i) & 0xFF);
  check(repaired);
  return 0;
}
