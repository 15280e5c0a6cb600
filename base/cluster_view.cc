// fairlead: pure
#include "base/cluster_view.h"

#include <array>
#include <charconv>

namespace fairlead {

std::string RingId::to_string() const {
  std::array<char, 32> text{};
  char* at = std::to_chars(text.data(), text.data() + text.size(), to_number(representative), 16).ptr;
  *at++ = '.';
  at = std::to_chars(at, text.data() + text.size(), sequence, 16).ptr;
  return {text.data(), at};
}

}  // namespace fairlead
