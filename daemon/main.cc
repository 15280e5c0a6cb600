// fairleadd: reads its configuration, then serves until it is told to stop.
// Exit: 0 done, 1 failed, 2 wrong usage, 3 invalid configuration, 5 refused.
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <getopt.h>
#include <string>
#include <unistd.h>

#include "base/daemon_options.h"
#include "base/flight_files.h"
#include "base/flight_recorder.h"
#include "base/qb_log.h"
#include "base/qb_loop.h"
#include "config/host_environment.h"
#include "config/load.h"
#include "daemon/file_check.h"
#include "daemon/guard_main.h"
#include "daemon/instance_lock.h"
#include "daemon/machine.h"
#include "daemon/orchestrator.h"
#include "daemon/privileges.h"
#include "daemon/takeover_settings.h"
#include "daemon/vip_start.h"
#include "generated/version.h"

namespace fairlead::daemon {
namespace {

enum ExitCode : int { kDone = 0, kFailed = 1, kUsage = 2, kInvalidConfig = 3, kRefused = 5 };

void print_help() {
  std::printf("Usage: fairleadd --config FILE [--check | --check-start | --release-vips]\n\n%s\n\n", kDaemonSummary);
  for (const DaemonOption& one : kDaemonOptions) {
    const std::string named = std::string(one.name) + (*one.value == '\0' ? "" : " ") + one.value;
    std::printf("  %-21s %s\n", named.c_str(), one.text);
  }
  std::printf("\nSignals: %s\nExit: %s\n", kDaemonSignals, kDaemonExits);
}

struct Arguments {
  int guard_fd = -1;  ///< This process is a guard (daemon/guard_main.h).
  std::string guard_of;
  std::string config = "/etc/fairlead/fairlead.yaml";
  bool check = false;
  CheckFor check_for = CheckFor::kUse;
  bool release_vips = false;
  std::string trace_takeover;
  std::string user;  ///< Whom root becomes; empty: who owns state_dir.
};

/// -1: go on; else the exit code.
int parse_arguments(int argc, char** argv, Arguments& out) {
  static constexpr option kOptions[] = {{"config", required_argument, nullptr, 'c'},
                                        {"check", no_argument, nullptr, 'k'},
                                        {"check-start", no_argument, nullptr, 's'},
                                        {"release-vips", no_argument, nullptr, 'r'},
                                        {"version", no_argument, nullptr, 'v'},
                                        {"help", no_argument, nullptr, 'h'},
                                        {"guard", required_argument, nullptr, 'G'},
                                        {"guard-of", required_argument, nullptr, 'g'},
                                        {"user", required_argument, nullptr, 'u'},
                                        {"trace-takeover", required_argument, nullptr, 't'},
                                        {nullptr, 0, nullptr, 0}};
  for (int c = 0; (c = ::getopt_long(argc, argv, "c:h", kOptions, nullptr)) != -1;) {
    switch (c) {
      case 'c': out.config = ::optarg; break;
      case 'k': out.check = true; break;
      case 's':
        out.check = true;
        out.check_for = CheckFor::kStart;
        break;
      case 'r': out.release_vips = true; break;
      case 'u': out.user = ::optarg; break;
      case 't': out.trace_takeover = ::optarg; break;
      case 'G': out.guard_fd = std::atoi(::optarg); break;
      case 'g': out.guard_of = ::optarg; break;
      case 'v': std::printf("fairleadd %s\n", kVersion); return kDone;
      case 'h': print_help(); return kDone;
      default: std::fputs("Try: fairleadd --help\n", stderr); return kUsage;
    }
  }
  if (::optind < argc) {
    std::fprintf(stderr, "fairleadd: unexpected argument '%s'. Try: fairleadd --help\n", argv[::optind]);
    return kUsage;
  }
  if (out.check && out.release_vips) {
    std::fputs("fairleadd: --check changes nothing and --release-vips does: name one of them. Try: fairleadd --help\n", stderr);
    return kUsage;
  }
  return -1;
}

/// Of the instance: beside the socket that only one daemon has.
std::string flight_ring(const config::Snapshot& snapshot) {
  return snapshot.admin.socket.empty() ? std::string() : snapshot.admin.socket + std::string(kFlightRingSuffix);
}

/// What libraries throw at the start of a thread or a loop; everything later is answered where it happens.
int run(const std::string& file, config::Snapshot snapshot, EngineDecision engine, VipStart vips, LogThread& log) {
  try {
    Orchestrator node(file, std::move(snapshot), std::move(engine), std::move(vips), log);
    const Status started = node.start();
    if (started) return node.run();
    FL_LOG(DAEMON_FAILED, "error", started.error().message());
  } catch (const std::exception& failed) { FL_LOG(DAEMON_FAILED, "error", std::string("a resource is missing: ") + failed.what()); }
  return kFailed;
}

int serve(const Arguments& arguments, config::Snapshot snapshot, const std::vector<config::Problem>& warnings) {
  const bool has_vips = !snapshot.vips.empty() || snapshot.cluster;
  const auto alone = take_instance_lock(snapshot, has_vips);  // Until the end: also what is left of VIPs is removed under it.
  if (!alone) {
    std::fprintf(stderr, "fairleadd: %s\n", alone.error().message().c_str());
    return kFailed;
  }
  const Fd network = has_vips ? keep_sweeps_away() : Fd();
  Fd trace;
  if (!arguments.trace_takeover.empty()) {
    if (snapshot.vips.empty() && !snapshot.cluster) {
      std::fprintf(stderr, "fairleadd: --trace-takeover: the configuration has neither VIPs nor a cluster, there is nothing to trace\n");
      return kUsage;
    }
    trace.reset(::open(arguments.trace_takeover.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (!trace.valid()) {
      std::fprintf(stderr, "fairleadd: --trace-takeover: %s\n", errno_error(arguments.trace_takeover).message().c_str());
      return kFailed;
    }
  }
  const std::string state_dir = snapshot.vips.empty() && !snapshot.cluster ? "" : snapshot.state_dir;
  // Before the guard is started: the memory it would not share is not there yet.
  const std::string ring = flight_ring(snapshot);
  const Status kept = keep_last_flight(ring, snapshot.state_dir);
  const auto bad_end = take_untold_flight(snapshot.state_dir);
  const auto recorder = std::make_shared<FlightRecorder>(FlightRecorderOptions{.ring = ring, .state_dir = snapshot.state_dir});
  VipStart vips = start_vips(takeover_snapshot(snapshot));  // Before the first thread: the guard is a child of a process that has none.
  vips.trace = std::move(trace);
  LogThreadSettings log_settings;
  log_settings.recorder = recorder;
  LogThread log(log_options_of(snapshot.log), std::move(log_settings));
  set_log_sink(&log);
  recorder->dump_when_it_crashes();
  if (bad_end) FL_LOG(DAEMON_ENDED_BADLY, "recorder", *bad_end);
  if (!kept) FL_LOG(RECORDER_NOT_KEPT, "error", kept.error().message());
  int code = kFailed;
  auto engine = choose_engine(snapshot.proxy.engine);
  if (!engine) {
    FL_LOG(DAEMON_FAILED, "error", engine.error().message());
  } else {
    FL_LOG(ENGINE_CHOSEN, "engine", engine->uring ? "io_uring" : "epoll", "reason", engine->reason);
    for (const config::Problem& w : warnings)
      FL_LOG(CONFIG_WARNING, "file", w.file, "line", w.line, "column", w.column, "message", w.message, "hint", w.hint);
    code = run(arguments.config, std::move(snapshot), std::move(*engine), std::move(vips), log);
  }
  if (!state_dir.empty()) {
    std::vector<std::string> removed;  // Nothing, after an end in order; the interfaces' settings go back.
    for (const Error& problem : release_vips(state_dir, removed)) FL_LOG(VIP_START_PROBLEM, "error", problem.message());
  }
  set_log_sink(nullptr);
  log.stop(std::chrono::seconds(1));
  recorder->retire();
  return code;
}

/// What the file says on this machine. Problems are printed, warnings only where they were asked for.
config::LoadResult load(const Arguments& arguments) {
  const bool only_looks = arguments.check || arguments.release_vips;  // Loads no module of the kernel.
  auto loaded = only_looks ? config::load_file(arguments.config, config::host_environment()) : load_here(arguments.config).result;
  for (const config::Problem& problem : loaded.problems) {
    if (arguments.check || problem.severity == config::Severity::kError) std::fprintf(stderr, "%s\n", config::format(problem).c_str());
  }
  return loaded;
}

/// Who `--user` names. -1: go on; else the exit code.
int become_named(const Arguments& arguments) {
  if (arguments.user.empty()) return -1;
  const auto user = find_user(arguments.user);
  const Status dropped = user ? drop_privileges(*user) : Status(user.error());
  if (dropped) return -1;
  std::fprintf(stderr, "fairleadd: --user: %s\n", dropped.error().message().c_str());
  return user ? kFailed : kUsage;
}

/// No `--user`: root becomes who owns state_dir, so that what it writes there stays the daemon's own, and gives up all that lets root read
/// what it may not. Then the file is read once more: it and what it names must be readable from now on, or a reload would be the first to
/// find out. -1: go on; else the exit code.
int become_owner(const Arguments& arguments, config::LoadResult& loaded) {
  if (!arguments.user.empty()) return -1;
  const config::Snapshot& known = loaded.snapshot ? *loaded.snapshot : loaded.rest;
  const auto owner = owner_to_become(known.state_dir);
  if (const Status dropped = drop_privileges(owner); !dropped) {
    std::fprintf(stderr, "fairleadd: %s\n", dropped.error().message().c_str());
    return kFailed;
  }
  if (arguments.release_vips) return -1;  // What was read as root will do.
  loaded = load(arguments);
  if (loaded.snapshot) return -1;
  if (owner) {
    const std::string who = owner->name.empty() ? std::to_string(owner->uid) : owner->name;
    std::fprintf(stderr, "fairleadd: read as user %s, who owns state_dir (--user NAME names another)\n", who.c_str());
  } else {
    std::fprintf(stderr,
                 "fairleadd: read without the right to read what belongs to others (CAP_DAC_OVERRIDE), which the daemon gives up\n");
  }
  return kInvalidConfig;
}

/// `--check`, `--check-start`: the file is valid; can what it names be used?
int check_files(const Arguments& arguments, const config::LoadResult& loaded) {
  const auto problems = check_named_files(arguments.config, *loaded.snapshot, loaded.files, arguments.user, arguments.check_for);
  for (const config::Problem& problem : problems) std::fprintf(stderr, "%s\n", config::format(problem).c_str());
  return config::has_errors(problems) ? kInvalidConfig : kDone;
}

/// `--release-vips`: what systemd runs after the daemon's end, and an operator after the worst. A file that is not valid does not keep
/// addresses here: they are found by what the kernel says of them.
int release(const config::LoadResult& loaded) {
  const config::Snapshot& snapshot = loaded.snapshot ? *loaded.snapshot : loaded.rest;
  if (!loaded.snapshot) {
    std::fprintf(stderr, "fairleadd: --release-vips: the configuration is not valid; going by state_dir %s and admin.socket %s\n",
                 snapshot.state_dir.c_str(), snapshot.admin.socket.c_str());
  }
  const auto alone = take_instance_lock(snapshot, /*with_state_dir=*/true);
  if (!alone) {
    std::fprintf(stderr, "fairleadd: --release-vips: %s\n", alone.error().message().c_str());
    return kRefused;
  }
  const auto network = be_alone_to_sweep();
  if (!network) {
    std::fprintf(stderr, "fairleadd: --release-vips: %s\n", network.error().message().c_str());
    return kRefused;
  }
  std::vector<std::string> removed;
  const std::vector<Error> problems = release_vips(snapshot.state_dir, removed);
  if (const auto kept = keep_last_flight(flight_ring(snapshot), snapshot.state_dir); !kept)
    std::fprintf(stderr, "fairleadd: flight recorder: %s\n", kept.error().message().c_str());
  for (const std::string& address : removed) std::printf("removed %s\n", address.c_str());
  for (const Error& problem : problems) std::fprintf(stderr, "fairleadd: %s\n", problem.message().c_str());
  if (!problems.empty()) return kFailed;
  return loaded.snapshot ? kDone : kInvalidConfig;
}

int main(int argc, char** argv) {
  QbLoop::block_signals({SIGTERM, SIGINT, SIGHUP, SIGUSR1});
  std::signal(SIGPIPE, SIG_IGN);
  Arguments arguments;
  if (const int code = parse_arguments(argc, argv, arguments); code >= 0) return code;
  if (arguments.guard_fd >= 0) return guard_main(arguments.guard_of, arguments.guard_fd);
  const std::uint64_t descriptors = raise_descriptor_limit();  // First: what fits is checked against what there will be.
  if (const int code = become_named(arguments); code >= 0) return code;
  auto loaded = load(arguments);
  if (!loaded.snapshot && !arguments.release_vips) return kInvalidConfig;
  if (arguments.check && loaded.snapshot) return check_files(arguments, loaded);
  if (const int code = become_owner(arguments, loaded); code >= 0) return code;
  if (arguments.release_vips) return release(loaded);
  if (loaded.snapshot->node.empty()) {
    char name[256] = "";
    if (::gethostname(name, sizeof name - 1) == 0) loaded.snapshot->node = name;
  }
  if (descriptors < kDescriptorsMin) {
    std::fprintf(stderr, "fairleadd: the descriptor limit is %llu: at least %llu are needed (raise LimitNOFILE, or ulimit -n)\n",
                 static_cast<unsigned long long>(descriptors), static_cast<unsigned long long>(kDescriptorsMin));
    return kFailed;
  }
  return serve(arguments, std::move(*loaded.snapshot), loaded.problems);
}

}  // namespace
}  // namespace fairlead::daemon

int main(int argc, char** argv) { return fairlead::daemon::main(argc, argv); }
