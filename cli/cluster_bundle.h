// fairlead: pure
// What a joining node is given: the cluster's key and its two files, as JSON. Whoever has it can join the cluster.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace fairlead::cli {

/// Corosync takes keys of 128 to 4096 bytes.
inline constexpr std::size_t kAuthkeyBytes = 256;
inline constexpr std::size_t kAuthkeyBytesMin = 128;
inline constexpr std::size_t kAuthkeyBytesMax = 4096;

struct ClusterBundle {
  std::string authkey;        ///< Bytes.
  std::string corosync_conf;  ///< Text of the file.
  std::string fairlead_yaml;
  bool operator==(const ClusterBundle&) const = default;
};

[[nodiscard]] std::string encode_bundle(const ClusterBundle& bundle);
/// Errors: kInvalidArgument; they never quote the text.
[[nodiscard]] Result<ClusterBundle> decode_bundle(std::string_view text);

/// The text of fairlead.yaml with `node: NAME` at its top level: in place of another `node`, else below apiVersion. Comments stay.
[[nodiscard]] std::string with_node_name(std::string_view yaml, const std::string& name);

}  // namespace fairlead::cli
