#include "admin/api_routes.h"

#include <algorithm>
#include <boost/json.hpp>
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <sstream>

#include "admin/api_document.h"
#include "admin/api_problem.h"
#include "admin/command_codec.h"
#include "base/refusal.h"

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
  EXPECT_EQ(outcome("GET", "/"), "/");
  EXPECT_EQ(outcome("HEAD", "/app.js"), "/{file}");
  EXPECT_EQ(outcome("GET", "/nothing.js"), "unknown");
  EXPECT_EQ(outcome("POST", "/nothing"), "unknown");
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

/// A value that fits a property's schema, and is within its range where the schema does not say one.
boost::json::value example(ApiCall call, const std::string& key, const boost::json::value& schema) {
  const auto& type = schema.at("type").as_string();
  if (type == "array") return boost::json::array{example(call, key, schema.at("items"))};
  if (type == "integer" || type == "number") return 7;
  if (type == "boolean") return true;
  if (key == "state") return "drain";
  if (key == "address") return call == ApiCall::kReleaseLease ? "192.0.2.1" : "192.0.2.1:80";
  if (key == "drain") return "10m";
  return "name";
}

/// The keys that the codec looks for, by its own complaint about one that nobody knows.
std::set<std::string> known_keys(ApiCall call, const std::map<std::string, std::string>& parameters) {
  const auto refused = decode_command(call, parameters, R"({"no_such_key": 1})");
  if (refused) return {"everything"};
  std::string text = refused.error().context;
  const std::string mark = "(known here: ";
  const auto begin = text.find(mark);
  if (begin == std::string::npos) return {text};
  text = text.substr(begin + mark.size());
  std::istringstream words(text);
  std::set<std::string> out;
  for (std::string word; words >> word;) {
    while (word.ends_with(',') || word.ends_with(')')) word.pop_back();
    if (word != "none") out.insert(word);
  }
  return out;
}

TEST(ApiRoutes, OpenApiBodiesAreThoseThatTheCodecTakes) {
  const auto document = boost::json::parse(openapi_json("0.1.0"));
  for (const auto& route : api_routes()) {
    if (route.role != ApiRole::kOperate) continue;
    SCOPED_TRACE(route.pattern);
    std::map<std::string, std::string> parameters;
    std::string method(route.method);
    std::transform(method.begin(), method.end(), method.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const auto& operation = document.at("paths").at(std::string(route.pattern)).at(method).as_object();
    if (const auto* listed = operation.if_contains("parameters")) {
      for (const auto& each : listed->as_array()) parameters[std::string(each.at("name").as_string())] = "name";
    }
    std::set<std::string> documented;
    boost::json::object required;
    if (const auto* body = operation.if_contains("requestBody")) {
      const auto& schema = body->at("content").at("application/json").at("schema");
      const auto& properties = schema.at("properties").as_object();
      if (const auto* names = schema.as_object().if_contains("required")) {
        for (const auto& name : names->as_array())
          required[name.as_string()] = example(route.call, name.as_string().c_str(), properties.at(name.as_string()));
      }
      for (const auto& [key, property] : properties) {
        documented.insert(std::string(key));
        boost::json::object with_it = required;
        with_it[key] = example(route.call, key, property);
        const auto command = decode_command(route.call, parameters, boost::json::serialize(with_it));
        EXPECT_TRUE(command) << key << ": " << command.error().message();
      }
      for (const auto& [key, value] : required) {
        boost::json::object without = required;
        without.erase(key);
        EXPECT_FALSE(decode_command(route.call, parameters, boost::json::serialize(without))) << key << " is said to be required";
      }
    }
    EXPECT_EQ(known_keys(route.call, parameters), documented);
  }
}

TEST(ApiProblem, EveryCodeComesBackFromItsDocument) {
  for (const Errc code : {Errc::kInvalidConfig, Errc::kInvalidArgument, Errc::kNotFound, Errc::kConflict, Errc::kLimitExceeded,
                          Errc::kUnavailable, Errc::kTimeout, Errc::kPermission, Errc::kUnsupported, Errc::kRefused}) {
    const auto back = decode_problem(http_status_of(code), encode_problem(Error{code, "pool masters: no such pool"}));
    EXPECT_EQ(back.code, code);
    EXPECT_EQ(back.context, "pool masters: no such pool");
  }
}

TEST(ApiProblem, SaysWhetherForceWouldHelp) {
  const auto document = [](const Error& error) { return boost::json::parse(encode_problem(error)).as_object(); };
  const auto yields = document(refused_without_force("it is the last server"));
  EXPECT_EQ(yields.at("force"), true);
  EXPECT_EQ(yields.at("code"), "refused");
  EXPECT_EQ(yields.at("status").to_number<int>(), 409);
  EXPECT_EQ(yields.at("detail"), "it is the last server; --force (API: \"force\": true) does it all the same");
  EXPECT_FALSE(document(Error{Errc::kRefused, "this node is not in a quorate part of the cluster"}).contains("force"));
  EXPECT_FALSE(document(Error{Errc::kNotFound, "no node --force"}).contains("force"));

  const auto openapi = boost::json::parse(openapi_json("0.1.0"));
  const auto& schema = openapi.at_pointer("/components/schemas/Problem/properties").as_object();
  for (const auto& [key, value] : yields) EXPECT_TRUE(schema.contains(key)) << key << " is not documented";
  EXPECT_EQ(openapi.at_pointer("/paths/~1api~1v1~1status/get/responses/default/content/application~1problem+json/schema/$ref"),
            "#/components/schemas/Problem");
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
