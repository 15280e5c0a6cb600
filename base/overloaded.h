// fairlead: pure
// The visitor helper for std::visit.
#pragma once

namespace fairlead {

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;  // clang 14 needs the guide.

}  // namespace fairlead
