// The project's error type and result type.
//
// `Result<T>` has the names of std::expected (C++23), which neither g++ 12 nor clang 14 offers in C++20 mode.
// `code` says what the caller can do, `context` what was being done (outermost first), `sys_errno` only what the kernel said.
#pragma once

#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/assert.h"

namespace fairlead {

/// Stable: the API shows these by name (see `to_string`).
enum class Errc : unsigned char {
  kInvalidConfig,
  kInvalidArgument,
  kNotFound,
  kConflict,
  kLimitExceeded,
  kUnavailable,
  kTimeout,
  kPermission,
  kUnsupported,
  kRefused,  ///< Allowed, but it would do harm; said with force it is done.
};

[[nodiscard]] std::string_view to_string(Errc code);

struct Error {
  Errc code;
  std::string context;  ///< "listener kube-api: bind 192.168.4.20:6443"
  int sys_errno = 0;

  /// "context: strerror (ENAME)" in one line.
  [[nodiscard]] std::string message() const;
};

/// An Error made from `errno` as it stands now; the code follows from the number.
[[nodiscard]] Error errno_error(std::string context);
[[nodiscard]] Error errno_error(std::string context, int sys_errno);

template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  [[nodiscard]] T& value() & {
    FL_ASSERT(has_value());
    return *std::get_if<0>(&state_);
  }
  [[nodiscard]] const T& value() const& {
    FL_ASSERT(has_value());
    return *std::get_if<0>(&state_);
  }
  [[nodiscard]] T&& value() && {
    FL_ASSERT(has_value());
    return std::move(*std::get_if<0>(&state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  [[nodiscard]] const Error& error() const {
    FL_ASSERT(!has_value());
    return *std::get_if<1>(&state_);
  }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool has_value() const { return !error_.has_value(); }
  explicit operator bool() const { return has_value(); }
  [[nodiscard]] const Error& error() const {
    FL_ASSERT(error_.has_value());
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace fairlead
