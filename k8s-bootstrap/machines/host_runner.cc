#include "k8s-bootstrap/machines/host_runner.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "base/atomic_file.h"
#include "base/fd.h"
#include "k8s-bootstrap/machines/qmp_client.h"

namespace fairlead::bootstrap {
namespace {

namespace fs = std::filesystem;

constexpr Duration kLookAgain = std::chrono::milliseconds(500);
constexpr int kRemoveTries = 10;  ///< More than a VM has files that go by themselves.

Error at_step(const HostStep& step, const Error& error) {
  const std::string who = step.machine.empty() ? step.what : fmt::format("{}: {}", step.machine, step.what);
  return Error{error.code, fmt::format("{}: {}", who, error.context), error.sys_errno};
}

/// A file of its own while it lives.
class TemporaryFile {
 public:
  static Result<TemporaryFile> write(const std::string& bytes) {
    std::string path = (fs::temp_directory_path() / "fairlead.XXXXXX").string();
    const Fd fd(::mkstemp(path.data()));
    if (!fd.valid()) return errno_error("a temporary file");
    TemporaryFile out(path);
    if (::write(fd.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) return errno_error(path);
    return out;
  }
  ~TemporaryFile() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  TemporaryFile(TemporaryFile&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TemporaryFile& operator=(TemporaryFile&&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  explicit TemporaryFile(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

Status make_folders(const std::string& path, unsigned mode) {
  for (std::size_t slash = path.find('/', 1); true; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    if (::mkdir(part.c_str(), mode) == 0) {
      if (::chmod(part.c_str(), mode) != 0) return errno_error(part);  // Whatever the umask is.
    } else if (errno != EEXIST) {
      return errno_error(part);
    }
    if (slash == std::string::npos) return {};
  }
}

}  // namespace

bool is_on_path(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::string rest = path == nullptr ? "/usr/sbin:/usr/bin:/sbin:/bin" : path;
  while (!rest.empty()) {
    const std::size_t colon = rest.find(':');
    if (::access((rest.substr(0, colon) + "/" + program).c_str(), X_OK) == 0) return true;
    rest = colon == std::string::npos ? std::string() : rest.substr(colon + 1);
  }
  return false;
}

Status HostRunner::open() {
  for (const NeededProgram& needed : driver_.programs()) {
    if (is_on_path(needed.program)) continue;
    return Error{Errc::kNotFound,
                 fmt::format("vms.driver {}: {} is not on this machine. Install it (Debian: {}), or run this on the VM host",
                             driver_.name(), needed.program, needed.package)};
  }
  if (!is_on_path("xorriso") && !is_on_path("genisoimage"))
    return Error{Errc::kNotFound, "neither xorriso nor genisoimage is on this machine: one of them makes the VMs' seeds (Debian: xorriso)"};
  auto answers = ask(driver_.ask_host());
  if (!answers) return answers.error();
  return driver_.learn_host(*answers);
}

Result<HostAnswer> HostRunner::ask(const HostQuestion& question) {
  HostAnswer out;
  switch (question.kind) {
    case HostQuestion::Kind::kRead: {
      auto text = read_small_file(question.path);
      if (!text) return text.error();
      out.there = text->has_value();
      out.output = text->value_or("");
      return out;
    }
    case HostQuestion::Kind::kExists: {
      struct stat found {};
      if (::stat(question.path.c_str(), &found) == 0) {
        out.there = true;
      } else if (errno != ENOENT) {
        return errno_error(question.path);
      }
      return out;
    }
    case HostQuestion::Kind::kQmp: {
      auto answer = ask_qmp(question.path, question.argv, question.timeout);
      if (!answer) return answer.error();
      out.there = answer->has_value();
      out.output = answer->value_or("");
      return out;
    }
    case HostQuestion::Kind::kRun: break;
  }
  ProgramCall call;
  call.argv = question.argv;
  call.environment = {"LC_ALL=C"};
  call.timeout = question.timeout;
  std::optional<TemporaryFile> file;
  if (!question.file.empty()) {
    auto written = TemporaryFile::write(question.file);
    if (!written) return written.error();
    file.emplace(std::move(*written));
    for (std::string& word : call.argv) {
      if (const auto at = word.find("{file}"); at != std::string::npos) word.replace(at, 6, file->path());
    }
  }
  auto ran = world_.run(call);
  if (!ran && file && (ran.error().code == Errc::kTimeout || ran.error().code == Errc::kNotFound)) {
    out.there = ran.error().code == Errc::kTimeout;  // A probe that hangs is an answer.
    out.exit_code = -1;
    return out;
  }
  if (!ran) return ran.error();
  out.there = true;
  out.exit_code = ran->exit_code;
  out.output = std::move(ran->output);
  out.errors = std::move(ran->errors);
  return out;
}

Result<std::vector<HostAnswer>> HostRunner::ask(const std::vector<HostQuestion>& questions) {
  std::vector<HostAnswer> out;
  for (const HostQuestion& question : questions) {
    auto answer = ask(question);
    if (!answer) return answer.error();
    out.push_back(std::move(*answer));
  }
  return out;
}

Result<VmFound> HostRunner::look_at(const Vm& vm) {
  auto answers = ask(driver_.ask(vm));
  if (!answers) return Error{answers.error().code, vm.machine + ": " + answers.error().context, answers.error().sys_errno};
  auto found = driver_.read(vm, *answers);
  if (!found) return Error{found.error().code, vm.machine + ": " + found.error().context, found.error().sys_errno};
  return found;
}

Result<HostFacts> HostRunner::look(const VmSite& site) {
  HostFacts out;
  for (const Vm& vm : site.vms) {
    auto found = look_at(vm);
    if (!found) return found.error();
    out.vms[vm.machine] = std::move(*found);
  }
  for (const VmNetwork& network : site.networks) {
    auto answers = ask(driver_.ask_network(network));
    if (!answers) return answers.error();
    auto found = driver_.read_network(network, *answers);
    if (!found)
      return Error{found.error().code, fmt::format("network {}: {}", network.name, found.error().context), found.error().sys_errno};
    out.networks[network.name] = std::move(*found);
  }
  out.image = !site.vms.empty() && ::access(site.vms.front().image.c_str(), R_OK) == 0;
  return out;
}

Status HostRunner::carry_out(const VmSite& site, const HostPlan& plan) {
  for (const HostStep& step : plan.steps) {
    if (world_.stop && world_.stop()) return Error{Errc::kUnavailable, "stopped; what is done stays, and the next call goes on from there"};
    if (world_.on_step) world_.on_step(step);
    if (auto done = carry_out(site, step); !done) return at_step(step, done.error());
  }
  return {};
}

Status HostRunner::carry_out(const VmSite& site, const HostStep& step) {
  std::error_code wrong;
  switch (step.kind) {
    case HostStep::Kind::kRun:
    case HostStep::Kind::kSeed: return run(step);
    case HostStep::Kind::kWrite: return write_file_atomically(step.path, step.text, 0600);
    case HostStep::Kind::kMakeFolder: return make_folders(step.path, step.mode);
    case HostStep::Kind::kRename:
      if (::rename(step.path.c_str(), step.text.c_str()) != 0) return errno_error(step.path);
      return {};
    case HostStep::Kind::kRemove:
      // A qemu that ends takes its sockets away meanwhile: what has gone by itself is looked at again.
      for (int tries = 0; tries < kRemoveTries; ++tries) {
        fs::remove_all(step.path, wrong);
        if (wrong.value() != ENOENT) break;
      }
      if (wrong) return errno_error(step.path, wrong.value());
      return {};
    case HostStep::Kind::kQmp: {
      auto answer = ask_qmp(step.path, step.argv, std::chrono::seconds(30));
      if (!answer) return answer.error();
      if (!*answer) return Error{Errc::kUnavailable, fmt::format("no qemu is at {}", step.path)};
      return {};
    }
    case HostStep::Kind::kAwait: return await_off(site, step);
  }
  FL_ASSERT(false);
}

Status HostRunner::run(const HostStep& step) {
  ProgramCall call;
  call.argv = step.argv;
  if (step.kind == HostStep::Kind::kSeed && !is_on_path("xorriso")) {
    call.argv.erase(call.argv.begin(), call.argv.begin() + 3);  // "xorriso -as mkisofs"
    call.argv.insert(call.argv.begin(), "genisoimage");
  }
  call.environment = {"LC_ALL=C"};
  call.input = step.text;
  call.timeout = step.timeout;
  auto ran = world_.run(call);
  if (!ran) return ran.error();
  if (ran->exit_code == 0) return {};
  std::string said = ran->errors.empty() ? ran->output : ran->errors;
  while (said.ends_with('\n')) said.pop_back();
  return Error{Errc::kUnavailable, fmt::format("{} ended with {}: {}", call.argv.front(), ran->exit_code, said)};
}

Status HostRunner::await_off(const VmSite& site, const HostStep& step) {
  const Vm* vm = site.find(step.machine);
  FL_ASSERT(vm != nullptr);
  const Instant end = world_.clock.now() + step.timeout;
  while (true) {
    auto found = look_at(*vm);
    if (found && (found->state == VmState::kStopped || found->state == VmState::kAbsent)) return {};
    const bool late = world_.clock.now() >= end;
    if (!found && late) return found.error();  // Before: it may have ended while it was asked.
    if (late)
      return Error{Errc::kTimeout,
                   fmt::format("it is still {}; fairlead machine stop --force {} pulls the plug", to_string(found->state), step.machine)};
    if (!world_.pause(kLookAgain)) return Error{Errc::kTimeout, "not waited for any longer"};
  }
}

}  // namespace fairlead::bootstrap
