#include "admin/api_routes.h"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include "admin/api_document.h"
#include "admin/api_problem.h"

namespace fairlead::admin {
namespace {

TEST(ApiRoutes, TargetsAreTakenApartAndDecoded) {
  const auto target = parse_api_target("/api/v1/servers/a%20b/c?x=1&y&z=%26#part");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->segments, (std::vector<std::string>{"api", "v1", "servers", "a b", "c"}));
  EXPECT_EQ(target->query, (std::map<std::string, std::string>{{"x", "1"}, {"y", ""}, {"z", "&"}}));
}

TEST(ApiRoutes, TheAbsoluteFormIsUnderstood) {
  const auto target = parse_api_target("http://localhost:9440/livez?a=b://c");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->segments, std::vector<std::string>{"livez"});
}

TEST(ApiRoutes, BadTargetsAreErrors) {
  for (const char* text : {"", "*", "livez", "/a%", "/a%2", "/a%zz", "/a%00b", "/x?%f=1", "?"})
    EXPECT_FALSE(parse_api_target(text)) << text;
}

TEST(ApiRoutes, PercentEncodingComesBack) {
  std::string all;
  for (int i = 1; i < 256; ++i) all += static_cast<char>(i);
  const auto target = parse_api_target("/" + percent_encode(all));
  ASSERT_TRUE(target);
  EXPECT_EQ(target->segments.at(0), all);
}

std::string outcome(std::string_view method, std::string_view path) {
  const auto answer = find_route(method, *parse_api_target(path));
  if (const auto* match = std::get_if<RouteMatch>(&answer)) return std::string(match->route->pattern);
  if (const auto* other = std::get_if<RouteMethodNotAllowed>(&answer)) return "allow " + other->allow;
  return "unknown";
}

TEST(ApiRoutes, FindsWhatThereIsAndSaysWhichMethodsAPathHas) {
  EXPECT_EQ(outcome("GET", "/livez"), "/livez");
  EXPECT_EQ(outcome("HEAD", "/metrics"), "/metrics");
  EXPECT_EQ(outcome("POST", "/livez"), "allow GET, HEAD");
  EXPECT_EQ(outcome("GET", "/api/v1/reload"), "allow POST");
  EXPECT_EQ(outcome("HEAD", "/api/v1/reload"), "allow POST");
  EXPECT_EQ(outcome("DELETE", "/api/v1/servers/a/b"), "/api/v1/servers/{pool}/{server}");
  EXPECT_EQ(outcome("DELETE", "/api/v1/servers//b"), "unknown");
  EXPECT_EQ(outcome("GET", "/api/v1/servers/a"), "unknown");
  EXPECT_EQ(outcome("GET", "/api/v1/status/"), "unknown");
  EXPECT_EQ(outcome("GET", "/"), "unknown");
}

TEST(ApiRoutes, OpenApiHasEveryRoute) {
  const auto document = boost::json::parse(openapi_json("0.1.0"));
  for (const auto& route : api_routes()) {
    const auto& path = document.at("paths").at(boost::json::string_view(route.pattern.data(), route.pattern.size())).as_object();
    std::string method(route.method);
    for (char& c : method) c = static_cast<char>(std::tolower(c));
    EXPECT_TRUE(path.contains(method)) << route.pattern;
  }
  EXPECT_EQ(document.at("openapi"), "3.1.0");
}

TEST(ApiProblem, EveryCodeComesBackFromItsDocument) {
  for (const Errc code : {Errc::kInvalidConfig, Errc::kInvalidArgument, Errc::kNotFound, Errc::kConflict, Errc::kLimitExceeded,
                          Errc::kUnavailable, Errc::kTimeout, Errc::kPermission, Errc::kUnsupported, Errc::kRefused}) {
    const auto back = decode_problem(http_status_of(code), encode_problem(Error{code, "pool masters: no such pool"}));
    EXPECT_EQ(back.code, code);
    EXPECT_EQ(back.context, "pool masters: no such pool");
  }
}

TEST(ApiProblem, SeveralLinesBecomeAList) {
  const auto document = boost::json::parse(encode_problem(Error{Errc::kInvalidConfig, "f.yaml:1:2: error: a\nf.yaml:3:4: error: b\n"}));
  EXPECT_EQ(document.at("status").to_number<int>(), 422);
  EXPECT_EQ(document.at("problems").as_array().size(), 2U);
  EXPECT_EQ(document.at("problems").at(1), "f.yaml:3:4: error: b");
}

TEST(ApiProblem, SomebodyElsesAnswerIsQuoted) {
  const auto error = decode_problem(502, "<html>Bad Gateway</html>");
  EXPECT_EQ(error.code, Errc::kUnavailable);
  EXPECT_NE(error.context.find("502"), std::string::npos);
  EXPECT_NE(error.context.find("Bad Gateway"), std::string::npos);
}

}  // namespace
}  // namespace fairlead::admin
