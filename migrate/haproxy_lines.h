// fairlead: pure
// haproxy.cfg cut into lines and words as HAProxy cuts it: blanks, `#`, backslashes, "weak" and 'strong' quotes, variables within the
// weak ones. HAProxy joins no lines.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "migrate/ledger.h"

namespace fairlead::migrate {

struct HaproxyLine {
  std::vector<std::string> words;  ///< Never empty.
  Ledger::Line at = 0;
  bool usable = true;  ///< Else its words are not what HAProxy would see, and the ledger knows why.

  /// Word `i`, or "" beyond the end.
  [[nodiscard]] std::string_view word(std::size_t i) const { return i < words.size() ? std::string_view(words[i]) : std::string_view(); }
};

/// Every line that says something, each entered into `ledger`.
[[nodiscard]] std::vector<HaproxyLine> read_haproxy_lines(std::string_view file, std::string_view text, Ledger& ledger);

}  // namespace fairlead::migrate
