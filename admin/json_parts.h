// fairlead: pure
// What several codecs make JSON of in the same way.
#pragma once

#include <boost/json.hpp>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "admin/json_text.h"

namespace fairlead::admin {

/// To three digits after the point: microseconds of what is in milliseconds.
[[nodiscard]] inline double rounded(double value) { return std::round(value * 1000.0) / 1000.0; }

[[nodiscard]] inline boost::json::array texts(const std::vector<std::string>& values) {
  boost::json::array out;
  for (const auto& value : values) out.emplace_back(json_string(value));
  return out;
}

template <class T, class F>
[[nodiscard]] boost::json::array each(const std::vector<T>& values, F make) {
  boost::json::array out;
  out.reserve(values.size());
  for (const auto& value : values) out.emplace_back(make(value));
  return out;
}

template <class T>
[[nodiscard]] boost::json::value or_null(const std::optional<T>& value) {
  return value ? boost::json::value(*value) : boost::json::value(nullptr);
}

}  // namespace fairlead::admin
