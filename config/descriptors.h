// fairlead: pure
// How many connections fit into a process's descriptors. The daemon keeps to it, and checks of a file warn by it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "config/settings.h"

namespace fairlead::config {

inline constexpr std::uint64_t kDescriptorsWanted = 1U << 20;  ///< fs.nr_open's default: half a million connections.

/// Pipes for bulk directions, of the whole process: two descriptors each, at most a sixteenth of what there is.
[[nodiscard]] std::size_t pipes_for(std::uint64_t descriptors, Splice splice);

/// Descriptors that are not connections': pipes; on each worker three and one for each bound address; checks under way; and a part for
/// control, admin, logs and what is being accepted.
[[nodiscard]] std::uint64_t descriptor_reserve(std::uint64_t descriptors, std::size_t pipes, const Snapshot& snapshot, std::size_t workers);

/// Connections that fit beside them: two descriptors each; 1 at least.
[[nodiscard]] std::uint32_t connections_for(std::uint64_t descriptors, std::size_t pipes, const Snapshot& snapshot, std::size_t workers);

}  // namespace fairlead::config
