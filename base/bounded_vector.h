// fairlead: pure
// A vector with room for N trivially copyable values and no allocation. Going beyond N is a programmer error.
#pragma once

#include <array>
#include <cstddef>
#include <type_traits>

#include "base/assert.h"

namespace fairlead {

template <class T, std::size_t N>
class BoundedVector {  // NOLINT(cppcoreguidelines-pro-type-member-init): what is beyond size_ is never read
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  void push_back(const T& value) {
    FL_ASSERT(size_ < N);
    items_[size_++] = value;
  }
  void clear() { size_ = 0; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] const T& operator[](std::size_t i) const {
    FL_DASSERT(i < size_);
    return items_[i];
  }
  [[nodiscard]] const T* begin() const { return items_.data(); }
  [[nodiscard]] const T* end() const { return items_.data() + size_; }

 private:
  std::size_t size_ = 0;
  std::array<T, N> items_;
};

}  // namespace fairlead
