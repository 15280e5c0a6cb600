// The program as a user meets it: arguments in, text and exit code out. The API behind it is a real dispatcher on a fake node.
#pragma once

#include <gtest/gtest.h>
#include <sstream>

#include "admin/api_dispatcher.h"
#include "cli/app.h"
#include "tests/contract/admin/fake_node_port.h"

namespace fairlead::cli {

/// 2024-01-31T12:00:00Z; pauses move it.
class FakeClock final : public Clock {
 public:
  [[nodiscard]] Instant now() const override { return Instant(at); }
  [[nodiscard]] WallTime wall() const override { return WallTime(std::chrono::seconds(1706702400)) + at; }
  Duration at = std::chrono::hours(1);
};

class DispatcherPort final : public ApiPort {
 public:
  DispatcherPort(admin::ApiDispatcher& dispatcher, admin::ApiRole role, const bool& reachable)
      : dispatcher_(dispatcher), role_(role), reachable_(reachable) {}
  Result<admin::ApiReply> call(const std::string& method, const std::string& target, const std::string& body) override {
    if (!reachable_)
      return Error{Errc::kUnavailable, "cannot reach the daemon on /run/x.sock: No such file or directory. Is fairleadd running here?"};
    admin::ApiRequest request;
    request.method = method;
    request.target = target;
    request.body = body;
    request.content_type = "application/json";
    request.caller = {"uid 1000 (jo)", role_};
    admin::ApiReply reply;
    dispatcher_.handle(request, [&](admin::ApiResponse response) {
      reply = {response.status, response.late_body ? response.late_body() : response.body};
    });
    return reply;
  }

 private:
  admin::ApiDispatcher& dispatcher_;
  admin::ApiRole role_;
  const bool& reachable_;  ///< The fixture's: a daemon may come and go.
};

class CliTest : public ::testing::Test {
 protected:
  int run(const std::vector<std::string>& arguments) {
    out.str("");
    err.str("");
    CliEnvironment environment{
        .out = out, .err = err, .clock = clock, .read_line = [this] { return typed; }, .pause = [this](Duration d) { return pause(d); }};
    environment.color = color;
    environment.interactive = interactive;
    environment.program = program;
    if (!corosync.empty()) environment.cluster_paths.corosync = corosync;
    environment.ssh_session = [this] { return ssh_session; };
    environment.replace_process = [this](const std::vector<std::string>& command) {
      became = command;
      return Error{Errc::kUnavailable, "not in a test"};
    };
    environment.ask_dns = [this](const std::vector<Endpoint>& servers, const DnsQuestion& question, Duration) {
      asked_servers = servers;
      asked_question = question;
      return dns_said.size() == servers.size() ? dns_said : std::vector<DnsAnswer>(servers.size());
    };
    environment.api = [this](const ConnectOptions& options) {
      connected = options;
      return std::make_unique<DispatcherPort>(dispatcher, role, reachable);
    };
    return run_cli(arguments, environment);
  }
  bool pause(Duration d) {
    clock.at += d;
    if (on_pause) on_pause();
    return --pauses >= 0;
  }
  [[nodiscard]] bool printed(const std::string& text) const { return out.str().find(text) != std::string::npos; }
  [[nodiscard]] bool complained(const std::string& text) const { return err.str().find(text) != std::string::npos; }
  void set_connections(std::uint64_t count) {
    auto report = testing::sample_report();
    report.pools[0].servers[1].connections.current = count;
    node.set_report(report);
  }

  testing::FakeNodePort node;
  admin::ApiCounters counters;
  FakeClock clock;
  admin::RefusalLog refusals{clock, counters};
  admin::ApiDispatcher dispatcher{node, counters, refusals};
  std::ostringstream out;
  std::ostringstream err;
  ConnectOptions connected;
  std::function<void()> on_pause;
  std::string typed;
  std::string ssh_session;
  int pauses = 1000;
  admin::ApiRole role = admin::ApiRole::kOperate;
  bool reachable = true;
  bool color = false;
  bool interactive = false;
  std::string program = "/nonexistent/bin/fairlead";
  std::string corosync;  ///< Its folder; empty: the machine's.
  std::vector<Endpoint> asked_servers;
  DnsQuestion asked_question;
  std::vector<DnsAnswer> dns_said;  ///< By the servers; another number of them: none answers.
  std::vector<std::string> became;  ///< What a verb wanted this process to be replaced by.
};

}  // namespace fairlead::cli
