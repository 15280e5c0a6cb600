// fairlead: pure
#include "admin/api_problem.h"

#include <array>
#include <boost/json.hpp>

#include "admin/json_fields.h"
#include "admin/json_text.h"
#include "base/refusal.h"

namespace fairlead::admin {
namespace {

struct ProblemKind {
  Errc code;
  unsigned status;
  std::string_view title;
};
constexpr std::array kKinds{
    ProblemKind{Errc::kInvalidConfig, 422, "The configuration is not valid"},
    ProblemKind{Errc::kInvalidArgument, 400, "The request is not valid"},
    ProblemKind{Errc::kNotFound, 404, "Not found"},
    ProblemKind{Errc::kConflict, 409, "In conflict with the present state"},
    ProblemKind{Errc::kLimitExceeded, 429, "A limit is reached"},
    ProblemKind{Errc::kUnavailable, 503, "Not available now"},
    ProblemKind{Errc::kTimeout, 504, "Not answered in time"},
    ProblemKind{Errc::kPermission, 403, "Not allowed"},
    ProblemKind{Errc::kUnsupported, 501, "Not supported"},
    ProblemKind{Errc::kRefused, 409, "Refused"},
};

const ProblemKind& kind_of(Errc code) {
  for (const auto& kind : kKinds) {
    if (kind.code == code) return kind;
  }
  return kKinds[5];
}

}  // namespace

unsigned http_status_of(Errc code) { return kind_of(code).status; }

std::string encode_problem(const Error& error, unsigned status) {
  const auto& kind = kind_of(error.code);
  const std::string detail = error.message();
  boost::json::object out{{"type", json_string("urn:fairlead:problem:" + std::string(to_string(error.code)))},
                          {"title", json_string(kind.title)},
                          {"status", status == 0 ? kind.status : status},
                          {"detail", json_string(detail)},
                          {"code", json_string(to_string(error.code))}};
  if (yields_to_force(error)) out["force"] = true;
  if (detail.find('\n') != std::string::npos) {
    boost::json::array problems;
    for (std::string_view rest = detail; !rest.empty();) {
      const auto end = rest.find('\n');
      if (const auto line = rest.substr(0, end); !line.empty()) problems.emplace_back(json_string(line));
      rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    }
    out["problems"] = std::move(problems);
  }
  return json_text(out);
}

Error decode_problem(unsigned status, std::string_view document) {
  static constexpr std::size_t kShownMax = 200;
  if (const auto parsed = parse_json(document); parsed && parsed->is_object()) {
    std::optional<Error> error;
    JsonFields fields(*parsed, "", error);
    std::string code;
    std::string detail;
    fields.get("code", code);
    fields.get("detail", detail);
    for (const auto& kind : kKinds) {
      if (!error && to_string(kind.code) == code) return Error{kind.code, detail};
    }
  }
  return Error{Errc::kUnavailable, "HTTP status " + std::to_string(status) + ": " + std::string(document.substr(0, kShownMax))};
}

}  // namespace fairlead::admin
