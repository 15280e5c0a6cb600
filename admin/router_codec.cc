// fairlead: pure
#include "admin/router_codec.h"

#include <boost/json.hpp>

#include "admin/json_fields.h"
#include "admin/json_text.h"

namespace fairlead::admin {

namespace json = boost::json;

std::string encode_router(const RouterReport& report) {
  return json_text(json::object{{"state", json_string(report.state)},
                                {"summary", json_string(report.summary)},
                                {"trial_left_s", report.trial_left_s},
                                {"in_force", json_string(report.in_force)},
                                {"of_file", json_string(report.of_file)},
                                {"sync", json_string(report.sync)},
                                {"sync_statistics", json_string(report.sync_statistics)}});
}

Result<RouterReport> decode_router(std::string_view document) {
  const auto parsed = parse_json(document);
  if (!parsed) return parsed.error();
  RouterReport out;
  std::optional<Error> error;
  JsonFields fields(*parsed, "", error);
  fields.get("state", out.state);
  fields.get("summary", out.summary);
  fields.get("trial_left_s", out.trial_left_s);
  fields.get("in_force", out.in_force);
  fields.get("of_file", out.of_file);
  fields.get("sync", out.sync);
  fields.get("sync_statistics", out.sync_statistics);
  if (error) return *error;
  return out;
}

}  // namespace fairlead::admin
