// What the kernel says of this process, under the names every Prometheus client library uses.
#pragma once

#include <cstdint>
#include <optional>

namespace fairlead::admin {

/// Absent: the kernel did not say.
struct ProcessStats {
  std::optional<double> cpu_s;
  std::optional<std::uint64_t> resident_bytes;
  std::optional<std::uint64_t> virtual_bytes;
  std::optional<std::uint64_t> open_fds;
  std::optional<std::uint64_t> max_fds;
  std::optional<double> started_at_s;  ///< Since 1970.
};

/// Reads /proc. Takes microseconds, and with very many descriptors some milliseconds: for the admin thread.
[[nodiscard]] ProcessStats read_process_stats();

}  // namespace fairlead::admin
