// fairlead: pure
// `${env:NAME}` in the values of a site: secrets stay out of the file.
//
// Every scalar value (not a key) may hold one or more; "$${env:" stands for the text "${env:" itself. The value of a variable is a value,
// never YAML: one with blanks, quotes or line ends is text, whatever it looks like; a plain word or number reads as if it stood in the
// file, unless the file quotes it. Inside { } and [ ] YAML wants it in quotes: "${env:NAME}".
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/document.h"
#include "config/problem.h"

namespace fairlead::bootstrap {

/// Value of an environment variable; nullopt: it is not set. A parameter, so that loading stays a function of its arguments.
using EnvironmentLookup = std::function<std::optional<std::string>(std::string_view name)>;

struct Substitution {
  config::Document document;             ///< With values in place of names.
  std::vector<std::string> secrets;      ///< Values that were put in, longest first, each once; empty ones are no secrets.
  std::vector<config::Position> places;  ///< Of the scalars that hold one.
  std::vector<config::Problem> problems;
};
[[nodiscard]] Substitution substitute_environment(const config::Document& document, const EnvironmentLookup& environment);

/// `text` with "***" for every secret. A secret of fewer than 4 characters is left: it would tear words apart and hides nothing.
[[nodiscard]] std::string hide_secrets(std::string text, const std::vector<std::string>& secrets);

}  // namespace fairlead::bootstrap
