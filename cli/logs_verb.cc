#include "cli/logs_verb.h"

#include <array>
#include <filesystem>
#include <ostream>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/status_codec.h"

namespace fairlead::cli {
namespace {

constexpr const char* kUnit = "fairleadd";
constexpr const char* kRemedy = "`log.target: file` with a `log.path`, or systemd's journal, can be read by this verb";

bool exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

LogReader journal(bool follow, std::size_t lines, const std::vector<std::string>& what) {
  LogReader out{.command = {"journalctl", "--no-hostname", "-n", std::to_string(lines)}, .file = ""};
  out.command.insert(out.command.end(), what.begin(), what.end());
  out.command.emplace_back(follow ? "--follow" : "--no-pager");
  return out;
}

Result<LogReader> file(const std::string& path, bool follow, std::size_t lines) {
  if (::access(path.c_str(), R_OK) != 0) return errno_error("the log goes to " + path + ", which cannot be read");
  LogReader out{.command = {"tail", "-n", std::to_string(lines)}, .file = ""};
  if (follow) out.command.emplace_back("-F");  // By name: a rotation is followed, too.
  out.command.emplace_back("--");
  out.command.push_back(path);
  out.file = path;
  return out;
}

/// Of a file that every program of the machine writes to: our lines.
Result<LogReader> shared_file(const std::string& path, bool follow, std::size_t lines) {
  if (::access(path.c_str(), R_OK) != 0) return errno_error("the log goes to " + path + ", which cannot be read");
  static constexpr const char* kShow = R"(grep -aF -- "$1" "$2" | tail -n "$3")";
  static constexpr const char* kFollow = R"(grep -aF -- "$1" "$2" | tail -n "$3"; tail -n 0 -F -- "$2" | grep --line-buffered -aF -- "$1")";
  return LogReader{.command = {"sh", "-c", follow ? kFollow : kShow, "sh", std::string(kUnit) + "[", path, std::to_string(lines)},
                   .file = ""};
}

/// What the daemon's standard error is connected to.
Result<LogReader> standard_error(const LogPlace& place, bool follow, std::size_t lines, const std::string& root) {
  const std::string said = "the daemon logs to its standard error";
  if (place.daemon == 0) return Error{Errc::kNotFound, said + ", which whoever starts it keeps or not; none runs now. " + kRemedy};
  const std::string link = root + "/proc/" + std::to_string(place.daemon) + "/fd/2";
  std::error_code failed;
  const std::string at = std::filesystem::read_symlink(link, failed).string();
  if (failed) return Error{Errc::kPermission, said + "; where that goes " + link + " tells to root alone"};
  struct stat what {};
  if (::stat(link.c_str(), &what) == 0 && S_ISREG(what.st_mode)) return file(at, follow, lines);
  return Error{Errc::kNotFound, said + " (" + at + "), which cannot be read from here. " + kRemedy};
}

Result<LogReader> syslog(bool follow, std::size_t lines, const std::string& root) {
  if (exists(root + "/run/systemd/journal/socket")) return journal(follow, lines, {"-t", kUnit});
  for (const char* path : {"/var/log/syslog", "/var/log/messages"}) {
    if (exists(root + path)) return shared_file(root + path, follow, lines);
  }
  return Error{Errc::kNotFound,
               "the daemon logs to syslog, and neither journald nor /var/log/syslog is here: look where the rules of your syslog "
               "daemon send facility daemon (its lines begin with fairleadd)"};
}

}  // namespace

Result<LogReader> log_reader(const LogPlace& place, bool follow, std::size_t lines, const std::string& root) {
  if (place.target == "file") return file(place.path, follow, lines);
  if (place.target == "journal") return journal(follow, lines, {"-u", kUnit});
  if (place.target == "syslog") return syslog(follow, lines, root);
  if (place.target == "stderr") return standard_error(place, follow, lines, root);
  return Error{Errc::kNotFound, "no daemon answers, and no valid configuration says where its log is. Name it with --config"};
}

LogPlace find_log(const std::string& config, DaemonCalls& calls) {
  calls.expect_a_hung_daemon();
  try {
    const auto report = calls.report();
    return {.target = report.log_target, .path = report.log_path, .daemon = report.pid};
  } catch (const VerbFailure& failure) {
    if (failure.exit_code != kExitUnreachable || !calls.options().connect.server.empty()) throw;
    calls.environment().err << failure.message << "\nreading where the configuration says that the log is\n";
  }
  return log_of(look_at_local_node(config, calls.options(), calls.environment()));
}

LogPlace log_of(const LocalNode& node) {
  if (!node.config) return {};
  const auto& log = node.config->log;
  switch (log.target) {
    case config::LogTarget::kFile: return {.target = "file", .path = log.path};
    case config::LogTarget::kSyslog: return {.target = "syslog", .path = ""};
    case config::LogTarget::kJournal: return {.target = "journal", .path = ""};
    case config::LogTarget::kStderr: return {.target = "stderr", .path = ""};
    case config::LogTarget::kAuto: break;
  }
  // As a service its standard error is the journal's.
  return {.target = exists("/run/systemd/journal/socket") ? "journal" : "stderr", .path = ""};
}

void show_logs(const LogsRequest& request, DaemonCalls& calls) {
  if (!calls.options().connect.server.empty())
    fail(kExitUsage, "logs are read on the machine of the daemon: run `fairlead logs` there (over --server: fairlead events)");
  const auto reader = log_reader(find_log(request.config, calls), request.follow, request.lines);
  if (!reader) fail(kExitFailed, reader.error().message());
  CliEnvironment& environment = calls.environment();
  environment.out << std::flush;
  const Error failed = environment.replace_process(reader->command);
  fail(kExitFailed, failed.message());
}

}  // namespace fairlead::cli
