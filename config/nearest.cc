// fairlead: pure
#include "config/nearest.h"

#include <algorithm>
#include <cstddef>

namespace fairlead::config {
namespace {

constexpr std::size_t kWordLengthMax = 64;  ///< Longer ones are compared by their beginning: the cost is quadratic.
constexpr std::size_t kListedMax = 16;

std::string normalised(std::string_view word) {
  std::string out(word.substr(0, kWordLengthMax));
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '-') c = '_';
  }
  return out;
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0U : 1U)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& known) {
  const std::string wanted = normalised(word);
  std::optional<std::string> best;
  std::size_t best_distance = 0;
  for (const std::string& candidate : known) {
    const std::string plain = normalised(candidate);
    std::size_t distance = edit_distance(wanted, plain);
    // camelCase and words run together: "maxConnections" against "max_connections".
    std::string joined = plain;
    std::erase(joined, '_');
    std::string wanted_joined = wanted;
    std::erase(wanted_joined, '_');
    if (joined == wanted_joined) distance = 0;
    if (wanted_joined.size() >= 4 && joined.find(wanted_joined) != std::string::npos)
      distance = std::min<std::size_t>(distance, 1);  // "warn", "leastconn"
    if (distance > std::max<std::size_t>(1, std::max(wanted.size(), plain.size()) / 3)) continue;
    if (!best || distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::string suggest(std::string_view word, const std::vector<std::string>& known) {
  if (const auto near = nearest(word, known)) return "did you mean '" + *near + "'?";
  if (known.empty()) return "there is none yet";
  std::string out = "known: ";
  for (std::size_t i = 0; i < known.size() && i < kListedMax; ++i) out += (i == 0 ? "" : ", ") + known[i];
  return known.size() > kListedMax ? out + ", ..." : out;
}

}  // namespace fairlead::config
