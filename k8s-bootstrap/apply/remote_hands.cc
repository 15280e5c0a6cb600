#include "k8s-bootstrap/apply/remote_hands.h"

#include <fmt/format.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/run_program.h"
#include "k8s-bootstrap/apply/backup_files.h"
#include "k8s-bootstrap/pki/cluster_ca.h"
#include "k8s-bootstrap/pki/run_keygen.h"
#include "k8s-bootstrap/pki/ssh_ca.h"
#include "k8s-bootstrap/transport/shell_session.h"

namespace fairlead::bootstrap {
namespace {

constexpr Duration kAskTimeout = std::chrono::seconds(30);
constexpr Duration kHookTimeout = std::chrono::minutes(10);

/// Writes standard input, file after file, to its place unless that holds just this: beside it, synced, renamed. A disk that is full leaves
/// the old file. Where it ends before its end, the file is named on standard output.
std::string write_script(const std::vector<WriteFile>& files) {
  std::string out = R"SH(set -eu
umask 077
new=
path=
trap '[ $? = 0 ] || echo "$path"; [ -z "$new" ] || rm -f "$new"' EXIT
put() {
  path=$1
  mkdir -p "$(dirname "$path")"
  new=$path.fairlead-new
  if [ "$3" = 0 ]; then : >"$new"; else dd bs="$3" count=1 iflag=fullblock of="$new" status=none; fi
  [ "$(wc -c <"$new")" -eq "$3" ] || { echo 'not all of it arrived' >&2; exit 1; }
  if [ -f "$path" ] && [ ! -L "$path" ] && cmp -s "$new" "$path"; then
    chmod "$2" "$path"
    rm -f "$new"
  else
    chmod "$2" "$new"
    sync "$new"
    mv -f "$new" "$path"
  fi
}
)SH";
  for (const WriteFile& file : files) out += fmt::format("put {} {:04o} {}\n", shell_quote(file.path), file.mode, file.text.size());
  return out;
}

Status ended_well(const Result<RemoteResult>& result, const std::string& what) {
  if (!result) return result.error();
  if (result->exit_code == 0) return {};
  const bool full = result->errors.find("No space left on device") != std::string::npos;
  return Error{full ? Errc::kLimitExceeded : Errc::kUnavailable,
               fmt::format("{}: {}", what, full ? "its disk is full; df -h there shows which" : result->errors)};
}

}  // namespace

Status RemoteHands::still_ours() const {
  if (!parts_.may_go_on || parts_.may_go_on()) return {};
  return Error{Errc::kConflict, "the site's lock was taken by somebody else: nothing more is begun"};
}

Status RemoteHands::write(const std::string& machine, const WriteFile& file) { return write_all(machine, {file}); }

Status RemoteHands::write_all(const std::string& machine, const std::vector<WriteFile>& files) {
  if (auto ours = still_ours(); !ours) return ours;
  if (files.empty()) return {};
  RemoteCommand command;
  command.script = write_script(files);
  for (const WriteFile& file : files) {
    command.input += file.text;
    command.secret = command.secret || file.secret;
  }
  const auto result = parts_.transport.run(machine, command);
  std::string path = result ? result->output.substr(0, result->output.find('\n')) : std::string();
  if (path.empty()) path = files.front().path;
  return ended_well(result, fmt::format("{} of {}", path, machine));
}

Status RemoteHands::copy(const std::string& machine, const CopyFile& file) {
  if (auto ours = still_ours(); !ours) return ours;
  if (auto put = parts_.transport.put(machine, file.from, file.path, file.mode); !put) return put;
  if (file.sha256.empty()) return {};
  RemoteCommand command;
  command.script = fmt::format("echo '{}  '{} | sha256sum -c --status -\n", file.sha256, shell_quote(file.path));
  auto checked = parts_.transport.run(machine, command);
  if (!checked) return checked.error();
  if (checked->exit_code == 0) return {};
  return Error{Errc::kConflict,
               fmt::format("{} of {}: it is not the file that was expected (SHA-256 {})", file.path, machine, file.sha256)};
}

Status RemoteHands::fetch(const std::string& machine, const FetchFile& file) {
  if (auto ours = still_ours(); !ours) return ours;
  const std::size_t slash = file.to.rfind('/');
  const std::string below = file.to.substr(0, slash == std::string::npos ? 0 : slash);
  if (below.size() > parts_.state.path().size() && below.starts_with(parts_.state.path() + "/")) {
    if (auto made = parts_.state.make_folder(below.substr(parts_.state.path().size() + 1)); !made) return made;
  }
  if (auto fetched = parts_.transport.fetch(machine, file.path, file.to); !fetched || file.sha256.empty()) return fetched;
  const auto digest = sha256_of_file(file.to);
  if (!digest) return digest.error();
  if (*digest == file.sha256) return {};
  static_cast<void>(::unlink(file.to.c_str()));
  return Error{Errc::kConflict, fmt::format("{} of {}: what arrived is not what was there (SHA-256 {}, not {}): run it again", file.path,
                                            machine, *digest, file.sha256)};
}

Result<RemoteResult> RemoteHands::run(const std::string& machine, const StepKey& key, const RunScript& script) {
  if (auto ours = still_ours(); !ours) return ours.error();
  StepCall call;
  call.run = key.run;
  // What it gave an earlier process is gone with that one.
  call.step = script.gives.empty() ? key.step : key.step + "@" + parts_.attempt;
  call.operation = static_cast<unsigned>(key.operation);
  call.script = script;
  call.digest = key.digest;
  call.anew = true;
  auto outcome = runner_.run(machine, call);
  if (!outcome) return outcome.error();
  if (script.secret) {
    if (auto forgotten = runner_.forget_output(machine, call); !forgotten) return forgotten.error();
  }
  if (outcome->state == StepState::kInterrupted) {
    return Error{Errc::kUnavailable,
                 "the script was interrupted (did the machine restart?); apply reads the machine and goes on from there"};
  }
  if (outcome->timed_out)
    return Error{Errc::kTimeout, fmt::format("the script was ended after {} s", static_cast<long>(to_seconds(script.timeout)))};
  return RemoteResult{outcome->exit_code, outcome->output, outcome->errors};
}

Result<RemoteResult> RemoteHands::ask(const std::string& machine, const std::string& script) {
  RemoteCommand command;
  command.script = script;
  command.timeout = kAskTimeout;
  return parts_.transport.run(machine, command);
}

Status RemoteHands::run_hook(const std::string& machine, const std::vector<std::string>& argv) const {
  ProgramCall call;
  call.argv = argv;
  call.timeout = kHookTimeout;
  call.environment = {"FAIRLEAD_SITE=" + parts_.site.name, "FAIRLEAD_STATE_DIR=" + parts_.state.path()};
  if (const Machine* about = parts_.site.find(machine)) {
    std::string roles;
    for (const Role role : about->roles) roles += fmt::format("{}{}", roles.empty() ? "" : ",", to_string(role));
    call.environment.insert(call.environment.end(), {"FAIRLEAD_MACHINE=" + about->name, "FAIRLEAD_ADDRESS=" + about->address().to_string(),
                                                     "FAIRLEAD_ROLES=" + roles});
  } else {
    call.environment.insert(call.environment.end(), {"FAIRLEAD_MACHINE", "FAIRLEAD_ADDRESS", "FAIRLEAD_ROLES"});  // None of an outer run.
  }
  auto ran = run_program(call);
  if (!ran) return Error{ran.error().code, fmt::format("hook {}: {}", argv.front(), ran.error().context), ran.error().sys_errno};
  if (ran->exit_code == 0) return {};
  return Error{Errc::kUnavailable, fmt::format("hook {} ended with {}: {}", argv.front(), ran->exit_code, ran->errors)};
}

Status RemoteHands::sign_host(const std::string& machine, const std::string& public_key, const std::string& certificate) const {
  const Machine* about = parts_.site.find(machine);
  const std::string below = parts_.state.path() + "/";
  if (about == nullptr || !certificate.starts_with(below))
    return Error{Errc::kInvalidArgument, fmt::format("no host key of '{}' is signed to {}", machine, certificate)};
  auto key = read_small_file(public_key);
  if (!key) return key.error();
  if (!*key) return Error{Errc::kNotFound, fmt::format("{}: there is no such file", public_key)};
  SshCertificate wanted;
  wanted.public_key = **key;
  while (wanted.public_key.ends_with('\n')) wanted.public_key.pop_back();
  wanted.identity = parts_.site.fqdn(*about);
  wanted.principals = host_principals(parts_.site, *about);
  wanted.validity = parts_.site.pki.ca_validity;  // A host's ends with its authority: nothing renews it before.
  auto signed_key = sign_host_key(parts_.state, wanted, run_keygen);
  if (!signed_key) return signed_key.error();
  return parts_.state.write_public(certificate.substr(below.size()), *signed_key + "\n");
}

Status RemoteHands::local(const Step& step, const LocalWork& work) {
  if (auto ours = still_ours(); !ours) return ours;
  switch (work.kind) {
    case LocalWork::Kind::kMakeClusterCa: {
      auto made = make_cluster_ca(parts_.state, parts_.site.pki, parts_.clock.wall());
      if (!made) return made.error();
      return {};
    }
    case LocalWork::Kind::kMakeSshCa: {
      auto made = make_ssh_ca(parts_.state, parts_.site.name, run_keygen);
      if (!made) return made.error();
      return {};
    }
    case LocalWork::Kind::kSignHostKey:
      if (work.argv.size() != 2) return Error{Errc::kInvalidArgument, "a host key to be signed has no files"};
      return sign_host(step.machine, work.argv[0], work.argv[1]);
    case LocalWork::Kind::kHook: return run_hook(step.machine, work.argv);
    case LocalWork::Kind::kKeepNewest: return keep_newest(work.argv);
    case LocalWork::Kind::kArchive: return pack_archive(work.argv);
  }
  return Error{Errc::kUnsupported, "this work is not in this version"};
}

}  // namespace fairlead::bootstrap
