// fairleadd: reads its configuration, then serves until it is told to stop.
// Exit: 0 done, 1 failed, 2 wrong usage, 3 invalid configuration, 5 refused.
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <getopt.h>
#include <string>
#include <unistd.h>

#include "base/daemon_options.h"
#include "base/qb_log.h"
#include "base/qb_loop.h"
#include "config/host_environment.h"
#include "config/load.h"
#include "daemon/guard_main.h"
#include "daemon/instance_lock.h"
#include "daemon/machine.h"
#include "daemon/orchestrator.h"
#include "daemon/vip_start.h"
#include "generated/version.h"

namespace fairlead::daemon {
namespace {

enum ExitCode : int { kDone = 0, kFailed = 1, kUsage = 2, kInvalidConfig = 3, kRefused = 5 };

void print_help() {
  std::printf("Usage: fairleadd --config FILE [--check]\n\n%s\n\n", kDaemonSummary);
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
  bool release_vips = false;
  std::string trace_takeover;
};

/// -1: go on; else the exit code.
int parse_arguments(int argc, char** argv, Arguments& out) {
  static constexpr option kOptions[] = {{"config", required_argument, nullptr, 'c'},
                                        {"check", no_argument, nullptr, 'k'},
                                        {"release-vips", no_argument, nullptr, 'r'},
                                        {"version", no_argument, nullptr, 'v'},
                                        {"help", no_argument, nullptr, 'h'},
                                        {"guard", required_argument, nullptr, 'G'},
                                        {"guard-of", required_argument, nullptr, 'g'},
                                        {"trace-takeover", required_argument, nullptr, 't'},
                                        {nullptr, 0, nullptr, 0}};
  for (int c = 0; (c = ::getopt_long(argc, argv, "c:h", kOptions, nullptr)) != -1;) {
    switch (c) {
      case 'c': out.config = ::optarg; break;
      case 'k': out.check = true; break;
      case 'r': out.release_vips = true; break;
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
  return -1;
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
  if (auto status = LogThread::check(log_options_of(snapshot.log)); !status) {
    std::fprintf(stderr, "fairleadd: log: %s\n", status.error().message().c_str());
    return kFailed;
  }
  const auto alone = take_instance_lock(snapshot);  // Until the end: also what is left of VIPs is removed under it.
  if (!alone) {
    std::fprintf(stderr, "fairleadd: %s\n", alone.error().message().c_str());
    return kFailed;
  }
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
  VipStart vips = start_vips(snapshot);  // Before the first thread: the guard is a child of a process that has none.
  vips.trace = std::move(trace);
  LogThread log(log_options_of(snapshot.log));
  set_log_sink(&log);
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
  return code;
}

/// `--release-vips`: what systemd runs after the daemon's end, and an operator after the worst.
int release(const config::Snapshot& snapshot) {
  const auto alone = take_instance_lock(snapshot);
  if (!alone) {
    std::fprintf(stderr, "fairleadd: --release-vips: %s\n", alone.error().message().c_str());
    return kRefused;
  }
  std::vector<std::string> removed;
  const std::vector<Error> problems = release_vips(snapshot.state_dir, removed);
  for (const std::string& address : removed) std::printf("removed %s\n", address.c_str());
  for (const Error& problem : problems) std::fprintf(stderr, "fairleadd: %s\n", problem.message().c_str());
  return problems.empty() ? kDone : kFailed;
}

int main(int argc, char** argv) {
  QbLoop::block_signals({SIGTERM, SIGINT, SIGHUP, SIGUSR1});
  std::signal(SIGPIPE, SIG_IGN);
  Arguments arguments;
  if (const int code = parse_arguments(argc, argv, arguments); code >= 0) return code;
  if (arguments.guard_fd >= 0) return guard_main(arguments.guard_of, arguments.guard_fd);
  const std::uint64_t descriptors = raise_descriptor_limit();         // First: what fits is checked against what there will be.
  const bool only_looks = arguments.check || arguments.release_vips;  // Loads no module of the kernel.
  auto loaded = only_looks ? config::load_file(arguments.config, config::host_environment()) : load_here(arguments.config).result;
  for (const config::Problem& problem : loaded.problems) {
    if (arguments.check || problem.severity == config::Severity::kError) std::fprintf(stderr, "%s\n", config::format(problem).c_str());
  }
  if (!loaded.snapshot) return kInvalidConfig;
  if (arguments.check) return kDone;
  if (arguments.release_vips) return release(*loaded.snapshot);
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
