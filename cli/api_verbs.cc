#include "cli/api_verbs.h"

#include <algorithm>
#include <boost/json.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ostream>
#include <utility>
#include <vector>

#include "admin/api_problem.h"
#include "admin/api_routes.h"
#include "admin/command_codec.h"
#include "admin/json_fields.h"
#include "admin/json_text.h"
#include "admin/status_codec.h"
#include "base/log_format.h"
#include "base/units.h"
#include "cli/progress.h"
#include "cli/status_text.h"
#include "cli/text_table.h"
#include "cli/watch_verb.h"
#include "cli/when.h"
#include "cli/yaml_text.h"

namespace fairlead::cli {
namespace {

constexpr Duration kFollowInterval = std::chrono::milliseconds(500);
constexpr Duration kDrainInterval = std::chrono::milliseconds(250);
constexpr std::size_t kEventsPerCall = 1000;

/// In the events' own form, which sorts like text. Cut to whole milliseconds, as theirs are.
std::string since_text(const std::string& since, const Clock& clock) {
  if (since.empty()) return {};
  const auto at = parse_when(since, clock.wall());
  if (!at) fail(kExitUsage, "--since " + at.error().message());
  return format_log_time(*at);
}

}  // namespace

ServerPlace parse_place(const std::string& text) {
  const auto slash = text.find('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == text.size())
    fail(kExitUsage, "'" + text + "' names no server: write POOL/NAME, for example masters/mast-1");
  return {text.substr(0, slash), text.substr(slash + 1)};
}

void ApiVerbs::status(bool watch) {
  if (watch) return watch_status(calls_);
  const std::string document = calls_.fetch("/api/v1/status");
  if (!calls_.print_document(document)) environment_.out << status_text(decoded(admin::decode_status(document)), environment_.color);
}

void ApiVerbs::list_listeners() {
  if (calls_.options().format != OutputFormat::kText) return (void)calls_.print_document(calls_.fetch("/api/v1/listeners"));
  environment_.out << listeners_text(calls_.report().listeners, environment_.color);
}

void ApiVerbs::show_listener(const std::string& name) {
  if (calls_.options().format != OutputFormat::kText)
    return (void)calls_.print_document(calls_.fetch("/api/v1/listeners"), "listeners", "name", name);
  environment_.out << listener_text(find_named(calls_.report().listeners, name, "listener"), environment_.color);
}

void ApiVerbs::set_listener(const std::string& name, bool enabled) {
  if (!enabled) calls_.confirm("Stop accepting connections on listener " + name + "?");
  calls_.execute(admin::SetListenerEnabled{name, enabled});
  tell_scope();
}

void ApiVerbs::list_pools() {
  if (calls_.options().format != OutputFormat::kText) return (void)calls_.print_document(calls_.fetch("/api/v1/pools"));
  environment_.out << pools_text(calls_.report().pools, environment_.color);
}

void ApiVerbs::show_pool(const std::string& name) {
  if (calls_.options().format != OutputFormat::kText)
    return (void)calls_.print_document(calls_.fetch("/api/v1/pools"), "pools", "name", name);
  environment_.out << pool_text(find_named(calls_.report().pools, name, "pool"), environment_.color);
}

void ApiVerbs::list_servers() {
  if (calls_.options().format != OutputFormat::kText) return (void)calls_.print_document(calls_.fetch("/api/v1/servers"));
  environment_.out << servers_text(calls_.report().pools, environment_.color);
}

void ApiVerbs::show_server(const std::string& place) {
  const auto [pool_name, server_name] = parse_place(place);
  const auto now = calls_.report();
  const auto& pool = find_named(now.pools, pool_name, "pool");
  const auto& server = find_named(pool.servers, server_name, "server in pool " + pool_name);
  if (calls_.options().format != OutputFormat::kText) {
    admin::NodeReport only;
    only.pools.emplace_back();
    only.pools.back().name = pool.name;
    only.pools.back().balance = pool.balance;
    only.pools.back().servers = {server};
    return (void)calls_.print_document(admin::encode_servers(only), "servers", "name", server_name);
  }
  environment_.out << server_text(pool_name, server, environment_.color);
}

void ApiVerbs::set_server_state(const std::string& place, admin::AdminState state, WaitOptions wait) {
  const auto [pool, server] = parse_place(place);
  if (state == admin::AdminState::kMaint) calls_.confirm("Take " + place + " out of service and close its connections?");
  calls_.execute(admin::SetServerState{pool, server, state, calls_.options().force});
  tell_scope();
  if (wait.wait) wait_until_empty(place, wait.timeout);
}

void ApiVerbs::wait_until_empty(const std::string& place, Duration timeout) {
  const auto [pool, server] = parse_place(place);
  const Instant begun = environment_.clock.now();
  std::optional<std::uint64_t> shown;
  Progress progress(environment_, "until " + place + " has no connections", timeout);
  for (;;) {
    const auto report = calls_.report();
    const auto left = find_named(find_named(report.pools, pool, "pool").servers, server, "server in pool " + pool).connections.current;
    const Duration waited = environment_.clock.now() - begun;
    if (left == 0) {
      progress.say(place + ": no connections left after " + age_text(to_seconds(waited)));
      return;
    }
    const std::string now_left = fmt::format("{} {} left", left, left == 1 ? "connection" : "connections");
    if (shown != left && !environment_.progress) progress.say(place + ": " + now_left);
    progress.detail(now_left);
    shown = left;
    if (waited >= timeout || !environment_.pause(kDrainInterval)) {
      fail(kExitFailed, fmt::format("{}: {} connections are left after {}. Wait on with a longer --timeout, or close them: fairlead "
                                    "connections kill --pool {} --server {}",
                                    place, left, format_duration(timeout), pool, server));
    }
  }
}

void ApiVerbs::set_server_weight(const std::string& place, std::uint32_t weight) {
  const auto [pool, server] = parse_place(place);
  calls_.execute(admin::SetServerWeight{pool, server, weight, calls_.options().force});
  tell_scope();
}

void ApiVerbs::add_server(const std::string& place, admin::AddServer server) {
  const auto parsed = parse_place(place);
  server.pool = parsed.pool;
  server.server = parsed.server;
  calls_.execute(std::move(server));
  tell_scope();
}

void ApiVerbs::remove_server(const std::string& place) {
  const auto [pool, server] = parse_place(place);
  calls_.confirm("Remove " + place + "? Its connections drain.");
  calls_.execute(admin::RemoveServer{pool, server, calls_.options().force});
  tell_scope();
}

void ApiVerbs::list_connections(const admin::ConnectionFilter& filter, std::size_t limit) {
  std::string target = "/api/v1/connections?limit=" + std::to_string(limit);
  const auto add = [&](const char* key, const std::string& value) {
    if (!value.empty()) target += std::string("&") + key + "=" + admin::percent_encode(value);
  };
  add("pool", filter.pool);
  add("server", filter.server);
  add("client", filter.client);
  add("listener", filter.listener);
  add("id", filter.id);
  const std::string document = calls_.fetch(target);
  const auto list = decoded(admin::decode_connections(document));
  if (!calls_.print_document(document)) {
    environment_.out << connections_text(list.connections, environment_.color);
    if (list.connections.size() >= limit) environment_.err << "the list is cut at " << limit << ": narrow it down or raise --limit\n";
  }
  if (!list.silent_workers.empty()) {
    fail(kExitFailed, fmt::format("the list is not complete: worker {} did not answer. Try again; `fairlead events` shows WORKER_STALLED",
                                  fmt::join(list.silent_workers, ", ")));
  }
}

void ApiVerbs::kill_connections(admin::ConnectionFilter filter, bool all) {
  if (admin::is_empty(filter) != all) {
    fail(kExitUsage, all ? "--all beside a filter: give one of them"
                         : "which connections? Give --pool, --server, --client, --listener or --id, or --all");
  }
  calls_.confirm("Close the connections that match: " + admin::describe(filter) + "?");
  calls_.execute(admin::KillConnections{std::move(filter)});
}

void ApiVerbs::reload(bool dry_run) { calls_.execute(admin::Reload{dry_run}); }

void ApiVerbs::print_event(const admin::EventInfo& event) {
  if (calls_.options().format == OutputFormat::kText) {
    environment_.out << event_text(event, environment_.color) << "\n";
    return;
  }
  // One document per event, so that --follow can be piped.
  const auto page = decoded(admin::parse_json(admin::encode_events({{event}, {}}, 0)));
  const auto& one = page.at("events").at(0);
  environment_.out << (calls_.options().format == OutputFormat::kJson ? admin::json_text(one) + "\n" : "---\n" + yaml_text(one));
}

bool ApiVerbs::read_events(EventPlace& place, const std::string& from) {
  const auto page = decoded(admin::decode_events(
      calls_.fetch("/api/v1/events?after=" + std::to_string(place.after) + "&limit=" + std::to_string(kEventsPerCall))));
  if (place.begun && page.stream.life != place.life) {
    environment_.err << "the daemon was started anew; its events from the start:" << std::endl;
    place = {.after = 0, .life = page.stream.life, .begun = true};
    return true;
  }
  if (place.begun && !page.events.empty() && page.events.front().sequence > place.after + 1) {
    environment_.err << fmt::format("{} events are lost: the daemon keeps the newest only, and more came between two looks",
                                    page.events.front().sequence - place.after - 1)
                     << std::endl;
  }
  place.life = page.stream.life;
  place.begun = true;
  for (const auto& event : page.events) {
    // A sequence that does not grow would be asked for again for ever.
    if (event.sequence <= place.after)
      fail(kExitFailed, "the daemon sends events out of order. Are fairlead and fairleadd of one version?");
    place.after = event.sequence;
    if (event.time >= from) print_event(event);
  }
  return page.events.size() == kEventsPerCall;
}

void ApiVerbs::events(bool follow, const std::string& since) {
  const std::string from = since_text(since, environment_.clock);
  EventPlace place;
  bool lost = false;
  for (;;) {
    try {
      while (read_events(place, from)) {}
      lost = false;
    } catch (const VerbFailure& failure) {
      if (!follow || !place.begun || failure.exit_code != kExitUnreachable) throw;
      if (!std::exchange(lost, true)) environment_.err << "no answer, waiting for one: " << failure.message << std::endl;
    }
    environment_.out << std::flush;
    if (!follow || !environment_.pause(kFollowInterval)) return;
  }
}

/// What was just done, the other nodes know nothing of: there each has its own servers' states.
void ApiVerbs::tell_scope() {
  if (calls_.options().format != OutputFormat::kText) return;
  admin::NodeReport report;
  try {
    report = calls_.report();
  } catch (const VerbFailure&) { return; }  // What was asked for is done; a daemon that ended since has no say in that.
  if (!report.cluster) return;
  std::vector<std::string> others;
  for (const auto& node : report.cluster->nodes) {
    if (node.name != report.node) others.push_back(node.name);
  }
  if (others.empty()) return;
  environment_.out << fmt::format("on {} only: {} {}\n", report.node, fmt::join(others, ", "),
                                  others.size() == 1 ? "has a state of its own" : "have states of their own");
}

}  // namespace fairlead::cli
