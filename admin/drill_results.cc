// fairlead: pure
#include "admin/drill_results.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>

#include "admin/drill_cases.h"
#include "admin/json_fields.h"
#include "admin/json_text.h"

namespace fairlead::admin {
namespace {

namespace json = boost::json;

/// Above this a nanosecond clock ends: the year 2262.
constexpr std::int64_t kAtMaxMs = 9'000'000'000'000;

bool is_time(double ms) { return std::isfinite(ms) && ms >= 0 && ms <= kDrillTimeMaxMs; }

void read_result(JsonFields& f, DrillResult& out) {
  std::int64_t at_ms = -1;
  f.get("name", out.name);
  f.get("vip", out.vip);
  f.get("at_ms", at_ms);
  f.get("passed", out.passed);
  f.get("outage_ms", out.outage_ms);
  if (double bound = -1; f.has_value("bound_ms")) {
    f.get("bound_ms", bound);
    out.bound_ms = bound;
  }
  f.get("problem", out.problem);
  for (const std::string_view key : {"name", "at_ms", "passed", "outage_ms"}) {
    if (!f.has(key)) f.fail(key, "is missing");
  }
  if (at_ms < 0 || at_ms > kAtMaxMs) f.fail("at_ms", "no time since 1970");
  out.at = WallTime(std::chrono::milliseconds(std::clamp<std::int64_t>(at_ms, 0, kAtMaxMs)));
  f.refuse_unknown();
}

}  // namespace

Status check_drill_result(const DrillResult& result) {
  if (find_drill(result.name) == nullptr) return Error{Errc::kNotFound, "no drill '" + result.name + "'; `fairlead drill list` shows them"};
  if (!is_time(result.outage_ms)) return Error{Errc::kInvalidArgument, "outage_ms: not 0 ms to a day"};
  if (result.bound_ms && !is_time(*result.bound_ms)) return Error{Errc::kInvalidArgument, "bound_ms: not 0 ms to a day"};
  if (result.problem.size() > kDrillProblemBytesMax)
    return Error{Errc::kInvalidArgument, "problem: longer than " + std::to_string(kDrillProblemBytesMax) + " bytes"};
  if (result.vip.size() > 63) return Error{Errc::kInvalidArgument, "vip: longer than a name can be"};
  return {};
}

std::string render_drill_results(const std::vector<DrillResult>& results) {
  json::array drills;
  for (const DrillResult& r : results) {
    json::object drill{{"name", json_string(r.name)},
                       {"vip", json_string(r.vip)},
                       {"at_ms", std::chrono::duration_cast<std::chrono::milliseconds>(r.at.time_since_epoch()).count()},
                       {"passed", r.passed},
                       {"outage_ms", r.outage_ms},
                       {"problem", json_string(r.problem)}};
    if (r.bound_ms) drill["bound_ms"] = *r.bound_ms;
    drills.emplace_back(std::move(drill));
  }
  return json_text(json::object{{"drills", std::move(drills)}}, JsonStyle::kPretty) + "\n";
}

Result<std::vector<DrillResult>> parse_drill_results(std::string_view text) {
  const auto document = parse_json(text);
  if (!document) return document.error();
  std::optional<Error> error;
  std::vector<DrillResult> out;
  JsonFields fields(*document, "", error);
  if (!fields.has("drills")) fields.fail("drills", "is missing");
  fields.list("drills", out, read_result);
  fields.refuse_unknown();
  if (error) return *error;
  for (const DrillResult& result : out) {
    if (auto checked = check_drill_result(result); !checked) return checked.error();
    const auto same = [&](const DrillResult& other) { return other.name == result.name; };
    if (std::count_if(out.begin(), out.end(), same) > 1)
      return Error{Errc::kInvalidArgument, "drill '" + result.name + "' stands there twice"};
  }
  return out;
}

}  // namespace fairlead::admin
