// fairlead: pure
// ClusterMessage <-> bytes, as they go over the CPG group.
//
//   offset 0   'F' 'L'             the first twelve bytes mean the same in every version, for ever
//          2   codec version       a higher one may lay its body out differently
//          3   kind
//          4   hash of the cluster's name, little-endian
//          8   length of the body, little-endian
//         12   body: fields, each  tag (1 byte)  length (2 bytes, little-endian)  payload
//
// A number's payload is little-endian without its high zero bytes, a structure's is fields again, a list repeats its tag. What stands under
// which tag: membership/message_fields.h.
//
// Invariants:
//   I1  decode() of any bytes ends without a crash, within one pass over them, and takes memory in proportion to them only.
//   I2  decode(encode(m)) == m for every m within the limits (`reason` and `version`, words for people, are cut to their limit).
//   I3  A field this release does not know is skipped, one it misses keeps the default of base/cluster_message.h. A message of another
//       kind, version or cluster has an outcome of its own: the caller counts it and does nothing (R1).
// Threading: a value without state that changes; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/cluster_message.h"
#include "base/result.h"

namespace fairlead::membership {

inline constexpr std::uint8_t kCodecVersion = 1;
inline constexpr std::size_t kMessageBytesMax = std::size_t{64} * 1024;
inline constexpr std::size_t kMessageHeaderBytes = 12;

enum class DecodeOutcome : std::uint8_t {
  kMessage,         ///< `message` is there.
  kForeign,         ///< Of a cluster with another name.
  kUnknownVersion,  ///< Of a codec this release does not speak.
  kUnknownKind,     ///< A newer release's message.
  kMalformed,       ///< No bytes of ours, or damaged ones.
};
[[nodiscard]] std::string_view to_string(DecodeOutcome outcome);

struct Decoded {
  DecodeOutcome outcome = DecodeOutcome::kMalformed;
  std::optional<ClusterMessage> message;
  std::uint32_t unknown_fields = 0;  ///< Skipped.
};

/// "beat", for logs and metrics.
[[nodiscard]] std::string_view kind_name(const ClusterMessage& message);

class MessageCodec {
 public:
  explicit MessageCodec(std::string_view cluster_name);

  /// Replaces what is in `out`, whose memory is used again. Errors: kLimitExceeded (a name or list is too long; nothing may be sent).
  [[nodiscard]] Status encode(const ClusterMessage& message, std::vector<std::byte>& out) const;
  [[nodiscard]] Decoded decode(std::span<const std::byte> bytes) const;

 private:
  std::uint32_t cluster_;
};

}  // namespace fairlead::membership
