// fairlead: pure
// The weighted order in which round robin visits servers, computed once per route table.
//
// Each server's k-th visit has a window of positions [floor(k*L/w), ceil((k+1)*L/w)), L being the length and w its visits; taking the
// open window that ends first puts every visit inside its window (Baruah et al., "Proportionate progress", 1996: on one processor
// earliest-deadline-first does). Hence:
//   I1  After any number of positions a server has had its exact share of them, give or take less than one visit.
//   I2  A server of weight 0 never appears; any other one at least once.
//   I3  The same weights give the same rotation: two workers or two nodes agree.
// Equal weights give 0, 1, 2, ...; ties go to the lower index.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace fairlead::lb {

/// Weights are divided by their common divisor; a longer rotation is scaled to about this length (at most one visit more per server).
inline constexpr std::size_t kRotationLengthMax = 4096;
/// Indices of servers are 16 bits wide everywhere.
inline constexpr std::size_t kServersPerPoolMax = 65'535;

/// Indices into `weights`, at most kServersPerPoolMax of them. Empty when all weights are 0. O(L log n).
[[nodiscard]] std::vector<std::uint16_t> build_rotation(std::span<const std::uint32_t> weights);

}  // namespace fairlead::lb
