// What every verb works with: options of the command line, the way to the daemon, the terminal. Tests hand in their own.
#pragma once

#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "admin/api_client.h"
#include "base/ip_address.h"
#include "base/result.h"
#include "base/time.h"
#include "cli/dns_query.h"
#include "cli/ssh_session.h"
#include "cli/text_screen.h"
#include "config/host_environment.h"
#include "membership/pause_meter.h"

namespace fairlead::cli {

using admin::ApiFactory;
using admin::ApiPort;
using admin::ConnectOptions;

// Contract: exit codes of both programs.
inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitInvalidConfig = 3;
inline constexpr int kExitUnreachable = 4;
inline constexpr int kExitRefused = 5;

enum class OutputFormat : std::uint8_t { kText, kJson, kYaml };

/// Where a node of a cluster has its files.
struct ClusterPaths {
  std::string corosync = "/etc/corosync";
  std::string config = "/etc/fairlead/fairlead.yaml";
};

/// Replaces this process by a program found along PATH; returns only what went wrong.
[[nodiscard]] Error replace_process(const std::vector<std::string>& command);

/// The router of the IPv4 default route; absent: there is none.
[[nodiscard]] std::optional<IpAddress> default_router();

struct ProgramEnd {
  int exit_code = 0;
  std::string output;  ///< Standard output and error.
};
/// Runs a program found along PATH to its end. Errors: kNotFound, those of fork(2).
[[nodiscard]] Result<ProgramEnd> run_program(const std::vector<std::string>& command);

/// Whether systemd is this machine's init.
[[nodiscard]] bool systemd_runs();

/// The world around one run of the program. Streams, clock and functions outlive it.
struct CliEnvironment {
  std::ostream& out;
  std::ostream& err;
  const Clock& clock;
  bool color = false;
  bool interactive = false;                ///< Somebody sits at the terminal and can be asked.
  bool redraw = false;                     ///< Standard output is a terminal: --watch redraws it.
  bool progress = false;                   ///< Standard error is a terminal: waiting verbs show what they wait for.
  std::function<std::string()> read_line;  ///< A line from standard input.
  std::function<bool(Duration)> pause;     ///< Waits; false: stop waiting for good.
  std::function<ScreenSize()> screen = [] { return ScreenSize{}; };
  ApiFactory api = admin::make_api_client;
  ClusterPaths cluster_paths{};
  std::string program{};  ///< Its own path; empty: ask the kernel.
  std::function<Error(const std::vector<std::string>&)> replace_process = cli::replace_process;
  std::function<Result<ProgramEnd>(const std::vector<std::string>&)> run_program = cli::run_program;
  std::function<bool()> systemd_runs = cli::systemd_runs;
  std::function<std::optional<IpAddress>()> default_router = cli::default_router;
  std::function<std::string()> ssh_session = cli::ssh_session;
  std::function<config::Environment()> host = config::host_environment;
  std::function<std::vector<DnsAnswer>(const std::vector<Endpoint>&, const DnsQuestion&, Duration)> ask_dns = cli::ask_dns;
  std::function<membership::PauseMeasurement(Duration, const std::function<bool()>&)> measure_pauses = membership::measure_pauses;
};

/// Ends a verb: thrown inside cli/, caught in run_cli().
struct VerbFailure {
  int exit_code = kExitFailed;
  std::string message;
};

/// Options that every verb understands.
struct GlobalOptions {
  ConnectOptions connect;
  OutputFormat format = OutputFormat::kText;
  bool yes = false;
  bool force = false;
};

}  // namespace fairlead::cli
