// fairlead: pure
// "Did you mean": the known word nearest to an unknown one.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fairlead::config {

/// Insertions, deletions, replacements and swaps of neighbours that lead from `a` to `b`.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

/// The known word that `word` is most likely a slip of; '-' for '_' and upper case count as no slip. nullopt: none is near.
[[nodiscard]] std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& known);

/// "did you mean 'a'?", else "known: a, b, c" (cut when long).
[[nodiscard]] std::string suggest(std::string_view word, const std::vector<std::string>& known);

}  // namespace fairlead::config
