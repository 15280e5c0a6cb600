// fairlead: pure
#include "config/load.h"
#include "config/parse.h"
#include "config/validate.h"

namespace fairlead::config {

LoadResult load_text(std::string_view text, std::string file, const Environment& environment) {
  ParseResult parsed = parse(text, std::move(file));
  if (!parsed.document) return {std::nullopt, std::move(parsed.problems)};
  ValidateResult validated = validate(*parsed.document, environment);
  std::vector<Problem> problems = std::move(parsed.problems);
  problems.insert(problems.end(), std::make_move_iterator(validated.problems.begin()), std::make_move_iterator(validated.problems.end()));
  sort_and_bound(problems);
  return {std::move(validated.snapshot), std::move(problems), std::move(validated.files), std::move(validated.rest)};
}

}  // namespace fairlead::config
