// fairlead: pure
#include "admin/api_document.h"

#include <algorithm>
#include <boost/json.hpp>
#include <sstream>

#include "admin/api_problem.h"
#include "admin/api_routes.h"
#include "admin/json_text.h"

namespace fairlead::admin {
namespace {

namespace json = boost::json;

std::vector<std::string> words(std::string_view line) {
  std::istringstream in{std::string(line)};
  std::vector<std::string> out;
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

std::vector<std::string> path_parameters(std::string_view pattern) {
  std::vector<std::string> out;
  for (auto open = pattern.find('{'); open != std::string_view::npos; open = pattern.find('{', open + 1)) {
    out.emplace_back(pattern.substr(open + 1, pattern.find('}', open) - open - 1));
  }
  return out;
}

json::object parameter(const std::string& name, std::string_view where) {
  json::object out;
  out["name"] = json_string(name);
  out["in"] = json_string(where);
  out["required"] = where == "path";
  json::object schema;
  schema["type"] = "string";
  out["schema"] = std::move(schema);
  return out;
}

std::string_view type_of(std::string_view key) {
  if (key == "weight" || key == "max_connections") return "integer";
  if (key == "backup" || key == "dry_run" || key == "all" || key == "force" || key == "yes" || key == "passed") return "boolean";
  if (key == "outage_ms" || key == "bound_ms") return "number";
  if (key == "fenced") return "array";  // Of strings.
  return "string";
}

json::object body_schema(std::string_view keys) {
  json::object properties;
  json::array required;
  for (auto key : words(keys)) {
    if (key.ends_with('*')) {
      key.pop_back();
      required.emplace_back(json_string(key));
    }
    json::object property;
    property["type"] = json_string(type_of(key));
    if (type_of(key) == "array") property["items"] = json::object{{"type", "string"}};
    properties[json_string(key)] = std::move(property);
  }
  json::object schema;
  schema["type"] = "object";
  schema["properties"] = std::move(properties);
  if (!required.empty()) schema["required"] = std::move(required);
  schema["additionalProperties"] = false;
  return schema;
}

json::object content(std::string_view type, json::object schema) {
  json::object media;
  media["schema"] = std::move(schema);
  json::object out;
  out[json_string(type)] = std::move(media);
  return out;
}

json::object problem_schema() {
  const auto member = [](std::string_view type, std::string_view what) {
    return json::object{{"type", json_string(type)}, {"description", json_string(what)}};
  };
  json::object problems = member("array", "of an invalid configuration: one a line");
  problems["items"] = json::object{{"type", "string"}};
  json::object schema;
  schema["type"] = "object";
  schema["properties"] = json::object{{"type", member("string", "urn:fairlead:problem:CODE")},
                                      {"title", member("string", "the code in words")},
                                      {"status", member("integer", "the HTTP status")},
                                      {"detail", member("string", "what was wrong, and what to do")},
                                      {"code", member("string", "one word, for programs")},
                                      {"force", member("boolean", "true: the same call with \"force\": true is carried out; else absent")},
                                      {"problems", std::move(problems)}};
  schema["required"] = json::array{"type", "title", "status", "detail", "code"};
  return schema;
}

json::object operation(const ApiRoute& route) {
  json::object out;
  out["summary"] = json_string(route.summary);
  out["x-role"] = route.role == ApiRole::kOperate ? "operate" : "read";
  json::array parameters;
  for (const auto& name : path_parameters(route.pattern)) parameters.emplace_back(parameter(name, "path"));
  for (const auto& name : words(route.query)) parameters.emplace_back(parameter(name, "query"));
  if (!parameters.empty()) out["parameters"] = std::move(parameters);
  if (!route.body.empty()) {
    json::object body;
    body["required"] = route.body.find('*') != std::string_view::npos;
    body["content"] = content("application/json", body_schema(route.body));
    out["requestBody"] = std::move(body);
  }
  json::object responses;
  json::object done;
  done["description"] = "done";
  json::object failed;
  failed["description"] = "a problem document (RFC 9457)";
  failed["content"] = content(kProblemType, json::object{{"$ref", "#/components/schemas/Problem"}});
  if (route.call == ApiCall::kWatch) {
    responses["101"] = json::object{{"description", "a WebSocket (RFC 6455); its frames: docs/reference/api.md"}};
    json::object upgrade;
    upgrade["description"] = "the request asked for no WebSocket";
    upgrade["content"] = failed["content"];
    responses["426"] = std::move(upgrade);
  } else {
    responses["200"] = std::move(done);
  }
  responses["default"] = std::move(failed);
  out["responses"] = std::move(responses);
  return out;
}

std::string lower(std::string_view value) {
  std::string out(value);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

}  // namespace

std::string openapi_json(const std::string& version) {
  json::object paths;
  for (const auto& route : api_routes()) {
    auto& path = paths[json_string(route.pattern)];
    if (!path.is_object()) path = json::object{};
    path.get_object()[json_string(lower(route.method))] = operation(route);
  }
  json::object info;
  info["title"] = "Fairlead";
  info["version"] = json_string(version);
  json::object out;
  out["openapi"] = "3.1.0";
  out["info"] = std::move(info);
  out["paths"] = std::move(paths);
  out["components"] = json::object{{"schemas", json::object{{"Problem", problem_schema()}}}};
  return json_text(out, JsonStyle::kPretty);
}

std::string api_reference() {
  std::ostringstream out;
  out << R"(# HTTP interface

Made from the route table (`admin/api_routes.cc`); a test compares this page with it. The same as OpenAPI: `/openapi.json`.

Reached over the unix socket (`admin.socket`, default `/run/fairlead/fairlead.sock`) and over `admin.listen`
(default `127.0.0.1:9440`):

```sh on gate-1
curl -sS --unix-socket /run/fairlead/fairlead.sock http://localhost/api/v1/status
curl -sS 'http://127.0.0.1:9440/readyz?verbose'
```

Who may do what:

| way in | read | operate |
|---|---|---|
| unix socket | everybody | root, the daemon's own user, members of group `fairlead` (the kernel says who is asking) |
| `admin.listen` without TLS (loopback only) | everybody | nobody |
| `admin.listen` with TLS | every certificate signed by `admin.tls.client_ca` | those whose common name stands in `admin.operators` |

## Calls

| method | path | role | what it does | query | body |
|---|---|---|---|---|---|
)";
  for (const auto& route : api_routes()) {
    const auto code = [](std::string_view list) {
      std::string cells;
      for (const auto& word : words(list)) cells += (cells.empty() ? "`" : " `") + word + "`";
      return cells;
    };
    out << "| " << route.method << " | `" << route.pattern << "` | " << (route.role == ApiRole::kOperate ? "operate" : "read") << " | "
        << route.summary << " | " << code(route.query) << " | " << code(route.body) << " |\n";
  }
  out << R"(
`*` marks a required key. Every GET also answers HEAD. A changing call answers
`{"summary": "...", "details": [...], "needs_restart": [...]}` and leaves the event
`COMMAND_DONE` with who asked for what and what came of it. A body is `Content-Type: application/json`.

## Watching

`/api/v1/watch` is a WebSocket (RFC 6455) on every way in. Each text frame is one JSON object:

| `type` | when | what |
|---|---|---|
| `hello` | first | `node`, `version`, `caller` (`name`, `role`: `viewer` or `operator`), `interval_ms`, `after` |
| `status` | at once, every `interval`, within 250 ms of a change that is no counter or time | `status`: as `/api/v1/status` |
| `event` | for each new event, in order | `event`: one of `/api/v1/events` |
| `lost` | the ring of events was faster than this client | `events`: how many it missed |

`after=SEQUENCE` begins with the event behind that one, `after=0` with the oldest kept, a number above the newest (of the daemon's
earlier life) as well; without it events come from now on. One frame is under way at a time: who reads slowly gets fewer statuses,
each the newest, and finds what it missed of the events in the ring. A frame not taken within 10 s ends the connection; a ping after
30 s of silence finds a dead peer.
Nothing is expected of the client: messages up to 4 KiB are ignored, 10 a second.

| closed with | because |
|---|---|
| 1001 | the daemon stops |
| 1002 | what came is no frame |
| 1008 | too many messages |
| 1009 | a message above 4 KiB |

## Browsers

Over plain HTTP and the unix socket the API answers only when `Host` is `localhost`, an address or a name without a dot, else 421: a
page whose name a stranger pointed here must not act as its visitor. `/livez`, `/readyz` and `/metrics` take any. A changing call or a
WebSocket whose `Origin` is not the `Host` it was sent to is 403. The dashboard at `/` comes with a strict Content-Security-Policy and
an `ETag`.

## Errors

`application/problem+json` (RFC 9457) with `type`, `title`, `status`, `detail` and `code`. An invalid configuration also has
`problems`, one a line. `"force": true` stands in it when the same call with `"force": true` would be carried out: it was refused only
because it would do harm. A refusal without it stays one whatever is said.

| code | status |
|---|---|
)";
  for (const Errc code : {Errc::kInvalidArgument, Errc::kPermission, Errc::kNotFound, Errc::kConflict, Errc::kRefused, Errc::kInvalidConfig,
                          Errc::kLimitExceeded, Errc::kUnsupported, Errc::kUnavailable, Errc::kTimeout}) {
    out << "| `" << to_string(code) << "` | " << http_status_of(code) << " |\n";
  }
  out << R"(
Also: 400 (no `Host`, or several), 405 with `Allow`, 413 (body above 64 KiB), 415 (not JSON), 421 (`Host` is a foreign name), 426 (not a
WebSocket), 431 (header above 16 KiB), 503 (too many watchers).

## Limits

64 connections over TCP and 64 over the socket; 32 of each may be watchers. A quarter of both is kept for operators: over the socket,
and over TLS once the certificate says who comes. A connection that finds no place is closed without an answer. Over TCP who has not
yet said who it is (no finished handshake; with plain HTTP no request) makes room for it: the oldest such connection of the address
that has most of them.
10 s for a request to arrive and for an answer to be taken, 60 s between requests, 60 s for a command to finish (it goes on; only the
answer is given up).
)";
  return out.str();
}

}  // namespace fairlead::admin
