#include "k8s-bootstrap/transport/ssh_transport.h"

#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/units.h"

namespace fairlead::bootstrap {
namespace {

constexpr std::string_view kFolder = "fairlead-ssh-";
constexpr std::string_view kReady = "fairlead:ready";
constexpr int kSshFailed = 255;
constexpr unsigned kConnectTries = 6;
constexpr Duration kConnectPause = std::chrono::milliseconds(150);
constexpr Duration kLoginTime = std::chrono::seconds(20);  ///< For keys, PAM and a slow login script, after the connection is made.

/// Its words are looked at; nobody is there to be asked.
std::vector<std::string> ssh_environment() { return {"LC_ALL=C", "LANGUAGE", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE=never", "DISPLAY"}; }

std::string temporary_folder() {
  const char* named = std::getenv("TMPDIR");
  // A control socket's path, with the 17 bytes that ssh adds while it makes it, has to fit into 108.
  if (named != nullptr && *named == '/' && std::string_view(named).size() < 40) return named;
  return "/tmp";
}

/// Folders of processes that were killed. Only our own, only of processes that are gone.
void sweep(const std::string& below) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(below, ignored)) {
    const std::string file = entry.path().filename();
    std::string_view name = file;
    struct stat about {};
    if (!name.starts_with(kFolder) || ::lstat(entry.path().c_str(), &about) != 0 || about.st_uid != ::getuid() || !S_ISDIR(about.st_mode))
      continue;
    name.remove_prefix(kFolder.size());
    pid_t pid = 0;
    const auto [end, problem] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (problem != std::errc() || pid <= 0 || end == name.data() + name.size() || *end != '-') continue;
    if (::kill(pid, 0) == 0 || errno != ESRCH) continue;
    std::filesystem::remove_all(entry.path(), ignored);
  }
}

Result<std::string> make_folder() {
  const std::string below = temporary_folder();
  sweep(below);
  std::string path = fmt::format("{}/{}{}-XXXXXX", below, kFolder, ::getpid());
  if (::mkdtemp(path.data()) == nullptr) return errno_error("make a folder for ssh's sockets below " + below);
  return path;
}

Status prepare_known_hosts(const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));  // As it is, or empty; several may begin at once.
  return file.valid() ? Status() : Status(errno_error("known hosts " + path));
}

/// "~" is the shell's; a path in a file has to mean the same.
std::string expanded(const std::string& path) {
  const char* home = std::getenv("HOME");
  return path.starts_with("~/") && home != nullptr ? home + path.substr(1) : path;
}

}  // namespace

Result<std::unique_ptr<SshTransport>> SshTransport::make(const Site& site, const Options& options) {
  auto hosts = ssh_hosts(site);
  if (!hosts) return hosts.error();
  if (auto done = prepare_known_hosts(options.known_hosts); !done) return done.error();
  Site own = site;
  own.ssh.key = expanded(site.ssh.key);
  if (!own.ssh.key.empty() && ::access(own.ssh.key.c_str(), R_OK) != 0) {
    const bool missing = errno == ENOENT;
    return errno_error(fmt::format("ssh.key: {}{}", own.ssh.key,
                                   missing ? " (is it another one? a new one: ssh-keygen -t ed25519 -f " + own.ssh.key + ")" : ""));
  }
  auto folder = make_folder();
  if (!folder) return folder.error();
  SshSettings settings{.known_hosts = options.known_hosts,
                       .authority = {},
                       .certificate = expanded(options.certificate),
                       .certified = {},
                       .sockets = *folder};
  std::unique_ptr<SshTransport> out(new SshTransport(own, settings));
  if (!options.host_authority.empty() && !options.certified.empty()) {
    out->settings_.authority = *folder + "/authority";
    out->settings_.certified = options.certified;
    const std::string line = fmt::format("@cert-authority {} {}\n", fmt::join(options.certified, ","), options.host_authority);
    if (auto done = write_file_atomically(out->settings_.authority, line); !done) return done.error();
  }
  auto text = ssh_config(own, *hosts, out->settings_);
  if (!text) return text.error();
  out->config_ = *folder + "/config";
  if (auto done = write_file_atomically(out->config_, *text); !done) return done.error();
  for (SshHost& host : *hosts) {
    auto line = std::make_unique<Line>();
    line->host = std::move(host);
    out->lines_.emplace(line->host.name, std::move(line));
  }
  return out;
}

SshTransport::~SshTransport() {
  for (auto& [name, line] : lines_)  // All at once; then they are waited for.
    if (line->master) line->master->close_input();
  lines_.clear();
  std::error_code ignored;
  std::filesystem::remove_all(settings_.sockets, ignored);
}

void SshTransport::disconnect(const std::string& machine) {
  const auto found = lines_.find(machine);
  if (found == lines_.end()) return;
  const std::lock_guard lock(found->second->mutex);
  found->second->master.reset();
}

Status SshTransport::open(const std::string& name) {
  const auto found = lines_.find(name);
  if (found == lines_.end()) return Error{Errc::kNotFound, fmt::format("the site has no machine {}", name)};
  Line& line = *found->second;
  for (const std::string& jump : line.host.jumps) {
    Line& hop = *lines_.at(jump);
    const std::lock_guard lock(hop.mutex);
    if (auto done = open_master(hop); !done)
      return Error{done.error().code, fmt::format("{} is reached over {}, and that is not: {}", name, jump, done.error().context),
                   done.error().sys_errno};
  }
  const std::lock_guard lock(line.mutex);
  return open_master(line);
}

/// Called with the line's mutex held.
Status SshTransport::open_master(Line& line) {
  if (line.master && line.master->running()) return {};
  line.master.reset();
  ProgramCall call;
  call.argv = ssh_master_argv(config_, line.host.name);
  call.environment = ssh_environment();
  call.timeout = site_.ssh.connect_timeout * static_cast<int>(line.host.jumps.size() + 1) + kLoginTime;
  for (unsigned tries = 1;; ++tries) {
    auto master = HeldProgram::start(call, kReady);
    if (master) {
      line.master.emplace(std::move(*master));
      return {};
    }
    const Error& error = master.error();
    if (error.code == Errc::kNotFound) return Error{Errc::kNotFound, "ssh is not there: apt install openssh-client"};
    if (error.code == Errc::kTimeout)
      return Error{Errc::kUnavailable,
                   fmt::format("{} ({}): the login was not done in {}", line.host.name, line.host.host, format_duration(call.timeout))};
    if (error.code != Errc::kUnavailable) return error;
    if (tries == kConnectTries || !ssh_may_try_again(error.context))
      return ssh_connect_error(line.host, site_.ssh, settings_, error.context);
    std::this_thread::sleep_for(kConnectPause * tries);
  }
}

Result<RemoteResult> SshTransport::hold(const std::string& machine, const Session& session) {
  for (bool second = false;; second = true) {
    if (auto done = open(machine); !done) return done.error();
    const SshHost& host = lines_.at(machine)->host;
    SessionOutput output;
    std::string kept;
    ProgramCall call = call_for(session, output, kept);
    call.argv = ssh_session_argv(config_, machine, session_command(session.command, host.user != "root"));
    call.environment = ssh_environment();
    if (session.input_fd >= 0 && ::lseek(session.input_fd, 0, SEEK_SET) < 0) return errno_error("read it from its beginning");
    auto result = run_program(call);
    if (!result && result.error().code == Errc::kTimeout)
      return Error{Errc::kTimeout, fmt::format("{}: not done in {}; what runs there may go on", machine, format_duration(call.timeout))};
    if (!result) return Error{result.error().code, machine + ": " + result.error().context, result.error().sys_errno};
    SessionErrors errors = read_session_errors(result->errors);
    if (errors.exit_code) return RemoteResult{*errors.exit_code, std::move(kept), std::move(errors.errors)};
    const bool nothing_ran =
        errors.came_cut || (!errors.begun && result->exit_code == kSshFailed && ssh_connection_was_gone(errors.before));
    if (nothing_ran && !second) {  // ST1
      disconnect(machine);
      continue;
    }
    if (nothing_ran) return Error{Errc::kUnavailable, fmt::format("{}: the connection was cut; nothing ran there", machine)};
    if (!errors.begun && result->exit_code != kSshFailed) return session_refused_error(host, errors.before + std::string(output.noise()));
    return Error{Errc::kUnavailable,
                 fmt::format("{}: the connection was cut while a script ran there: it may have had its effect", machine), ECONNRESET};
  }
}

}  // namespace fairlead::bootstrap
