// `fairlead bootstrap etcd snapshot|restore`, `backup`, `restore` and `logs`: what is saved in state_dir/backups, put back from there, and
// what the machines recorded.
#include <boost/json.hpp>
#include <filesystem>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ostream>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/utc_text.h"
#include "cli/bootstrap_run.h"
#include "cli/text_table.h"
#include "k8s-bootstrap/apply/backup_files.h"
#include "k8s-bootstrap/apply/progress_text.h"
#include "k8s-bootstrap/apply/step_record.h"
#include "k8s-bootstrap/apply/step_runner.h"
#include "k8s-bootstrap/plan/plan_backup.h"
#include "k8s-bootstrap/plan/plan_etcd_restore.h"

namespace fairlead::cli {
namespace {

namespace fs = std::filesystem;
using bootstrap::Plan;
using bootstrap::PlanInput;
using bootstrap::SiteSession;

constexpr std::size_t kSiteBytesMax = std::size_t{1} << 20U;
constexpr unsigned kLogLines = 40;  ///< Of each stream of a script.

/// "20261127T164937Z"
std::string stamp(const CliEnvironment& environment) {
  std::string text = utc_text(environment.clock.wall()).substr(0, 19);
  std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
  return text + "Z";
}

std::string note_text(const bootstrap::SnapshotNote& note) {
  return fmt::format("{} keys, revision {}, hash {:x}, {}, SHA-256 {}, of {} at {}", note.keys, note.revision, note.hash,
                     bytes_text(static_cast<std::uint64_t>(note.bytes)), note.sha256, note.machine, note.at);
}

boost::json::object note_json(const std::string& file, const bootstrap::SnapshotNote& note) {
  return {{"file", file},          {"at", note.at},     {"machine", note.machine},   {"site", note.site}, {"kubernetes", note.kubernetes},
          {"sha256", note.sha256}, {"hash", note.hash}, {"revision", note.revision}, {"keys", note.keys}, {"bytes", note.bytes}};
}

void list_snapshots_of(const SiteSession& session, const GlobalOptions& global, CliEnvironment& environment) {
  const std::string folder = session.state().path("backups");
  const auto notes = bootstrap_must(bootstrap::list_snapshots(folder));
  if (global.format != OutputFormat::kText) {
    boost::json::array all;
    for (const auto& note : notes) all.emplace_back(note_json(folder + "/" + note.name, note));
    environment.out << boost::json::serialize(all) << "\n";
    return;
  }
  if (notes.empty()) environment.out << folder << " has no snapshot: fairlead bootstrap etcd snapshot\n";
  for (const auto& note : notes) environment.out << fmt::format("{}/{}: {}\n", folder, note.name, note_text(note));
}

void say_file(const std::string& text, const boost::json::object& json, const GlobalOptions& global, CliEnvironment& environment) {
  environment.out << (global.format == OutputFormat::kText ? text : boost::json::serialize(json) + "\n");
}

/// --from, else the newest that is there.
std::string snapshot_path(const BootstrapRequest& request, const SiteSession& session) {
  if (!request.from.empty()) return request.from;
  const std::string folder = session.state().path("backups");
  const auto notes = bootstrap_must(bootstrap::list_snapshots(folder));
  if (notes.empty()) throw VerbFailure{kExitFailed, fmt::format("{} has no snapshot: name one with --from FILE", folder)};
  return folder + "/" + notes.back().name;
}

/// Against what was noted when it was taken.
void check_note(const std::string& path, const std::string& sha256, const SiteSession& session, CliEnvironment& environment) {
  const auto text = bootstrap_must(read_small_file(path + ".json"));
  if (!text) {
    environment.err << fmt::format("warning: {}.json is not there: nothing is known of this snapshot, etcd alone judges it\n", path);
    return;
  }
  const auto note = bootstrap_must(bootstrap::parse_snapshot_note(path + ".json", *text));
  if (note.sha256 != sha256)
    throw VerbFailure{kExitRefused,
                      fmt::format("{}: it is not as it was when it was taken (SHA-256 {}, not {})", path, sha256, note.sha256)};
  if (note.site != session.site().name)
    throw VerbFailure{kExitRefused, fmt::format("{}: it is of the site {}, not of {}", path, note.site, session.site().name)};
  environment.err << fmt::format("{}: {}\n", path, note_text(note));
}

std::string absolute(const std::string& path) {
  std::error_code failed;
  const auto out = fs::absolute(path, failed);
  return failed ? path : out.string();
}

/// A file with something in it.
void check_passphrase(const std::string& path) {
  if (path.empty()) return;
  const auto text = bootstrap_must(read_small_file(path));
  if (!text) throw VerbFailure{kExitFailed, fmt::format("{}: there is no such file", path)};
  if (text->substr(0, text->find('\n')).empty())
    throw VerbFailure{kExitRefused, fmt::format("{}: its first line is the passphrase, and is empty", path)};
}

void list_backups(const SiteSession& session, const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment) {
  const std::string folder = session.state().path("backups");
  boost::json::array all;
  std::string text;
  for (const char* ending : {".tar", ".tar.enc"}) {
    for (const std::string& name : bootstrap_must(bootstrap::list_names(folder, "backup-", ending))) {
      const std::string path = folder + "/" + name;
      std::error_code failed;
      const auto size = fs::file_size(path, failed);
      boost::json::object one{{"file", path}, {"bytes", failed ? 0 : size}};
      std::string about = "encrypted: --passphrase-file FILE shows what it holds";
      if (name.ends_with(".tar") || !request.passphrase_file.empty()) {
        const auto manifest = bootstrap::read_manifest(path, request.passphrase_file);
        about = manifest ? fmt::format("site {}, Kubernetes {}, {} etcd, {} files, of {}", manifest->site, manifest->kubernetes,
                                       manifest->etcd, manifest->files.size(), manifest->at)
                         : manifest.error().message();
        if (manifest) {
          one["site"] = manifest->site;
          one["kubernetes"] = manifest->kubernetes;
          one["at"] = manifest->at;
          one["files"] = manifest->files.size();
        }
      }
      text += fmt::format("{} ({}): {}\n", path, bytes_text(failed ? 0 : size), about);
      all.emplace_back(std::move(one));
    }
  }
  if (text.empty()) text = folder + " has no archive: fairlead bootstrap backup\n";
  environment.out << (global.format == OutputFormat::kText ? text : boost::json::serialize(all) + "\n");
}

/// What comes from here, before the machines' files: the site's own, and the CA of an external etcd, whose key no machine has.
void begin_archive(const SiteSession& session, const BootstrapRequest& request) {
  const std::string folder = "backups/.backup";
  std::error_code failed;
  fs::remove_all(session.state().path(folder), failed);
  if (failed) throw VerbFailure{kExitFailed, fmt::format("{}: {}", session.state().path(folder), failed.message())};
  const auto text = bootstrap_must(read_small_file(request.site, kSiteBytesMax));
  if (auto written = session.state().write_secret(folder + "/site.yaml", text.value_or("")); !written) bootstrap_fail(written.error());
  if (session.site().kubernetes.etcd == bootstrap::EtcdPlace::kStacked) return;
  for (const char* name : {"etcd/ca.crt", "etcd/ca.key"}) {
    const auto file = bootstrap_must(read_small_file(session.state().path(std::string("pki/") + name)));
    if (!file) throw VerbFailure{kExitFailed, fmt::format("{} is not there", session.state().path(std::string("pki/") + name))};
    if (auto written = session.state().write_secret(fmt::format("{}/{}", folder, bootstrap::backup_pki_file(name)), *file); !written)
      bootstrap_fail(written.error());
  }
}

/// An unpacked archive holds keys in the clear: it goes with the verb, however that ends.
struct Unpacked {
  std::string folder;
  ~Unpacked() {
    std::error_code ignored;
    fs::remove_all(folder, ignored);
  }
};

void print_journal(const SiteSession& session, const BootstrapRequest& request, CliEnvironment& environment) {
  const auto text = bootstrap_must(session.state().read_secret("journal.jsonl"));
  if (!text && request.machine.empty()) throw VerbFailure{kExitFailed, "nothing was applied from here yet"};
  const bootstrap::Journal journal = bootstrap::parse_journal(text.value_or(""));
  for (const auto& line : journal.lines) {
    if (!request.run.empty() && line.run != request.run) continue;
    if (!request.machine.empty() && !line.step.starts_with(request.machine + "/")) continue;
    environment.out << fmt::format("{}  {}  {:<8} {:<28} {}{}{}\n", line.at, line.run, to_string(line.event), line.step,
                                   line.took > Duration{} ? bootstrap::short_time(line.took) : "", line.why.empty() ? "" : "  ", line.why);
  }
  if (journal.damaged > 0) environment.err << fmt::format("{} lines of the journal could not be read\n", journal.damaged);
}

/// A script that was interrupted before its values were taken over may have left them.
std::string without_values(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto end = text.find('\n');
    std::string line(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    for (const std::string_view name : bootstrap::kPlaceholders) {
      const std::string begin = fmt::format("  {}=", name);
      if (line.starts_with(begin)) line = begin + "********";
    }
    out += line + "\n";
  }
  return out;
}

}  // namespace

void bootstrap_etcd_snapshot(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment) {
  const auto session = bootstrap_open_site(request, environment);
  if (request.list) return list_snapshots_of(*session, global, environment);
  const bootstrap::SnapshotWish wish{
      .name = fmt::format("etcd-{}.db", stamp(environment)), .machine = request.machine, .keep = request.keep};
  const auto planner = [&](const PlanInput& input, unsigned) { return bootstrap::plan_etcd_snapshot(input, wish); };
  bootstrap_carry_out(session, request, global, environment, {planner, false, true, {}});
  if (request.dry_run) return;
  const std::string path = session->state().path("backups/" + wish.name);
  const auto text = bootstrap_must(read_small_file(path + ".json"));
  const auto note = bootstrap_must(bootstrap::parse_snapshot_note(wish.name, text.value_or("")));
  auto json = note_json(path, note);
  json["event"] = "snapshot";
  say_file(fmt::format("{}: {}\n", path, note_text(note)), json, global, environment);
}

void bootstrap_etcd_restore(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment) {
  const auto session = bootstrap_open_site(request, environment);
  if (!request.discard.empty() && request.discard != session->site().name)
    throw VerbFailure{kExitUsage, fmt::format("--discard {}: the site is called {}", request.discard, session->site().name)};
  bootstrap::EtcdRestoreWish wish;
  wish.snapshot = snapshot_path(request, *session);
  wish.sha256 = bootstrap_must(bootstrap::sha256_of_file(wish.snapshot));
  wish.lost.insert(request.lost.begin(), request.lost.end());
  wish.discard = !request.discard.empty();
  check_note(wish.snapshot, wish.sha256, *session, environment);
  const auto planner = [&](const PlanInput& input, unsigned) { return bootstrap::plan_etcd_restore(input, wish); };
  bootstrap_carry_out(session, request, global, environment, {planner, false, false, {}});
  if (!request.dry_run && global.format == OutputFormat::kText)
    environment.out
        << "etcd serves what the snapshot had. fairlead bootstrap apply brings in what is missing; fairlead bootstrap verify looks.\n";
}

void bootstrap_backup(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment) {
  const auto session = bootstrap_open_site(request, environment);
  if (request.list) return list_backups(*session, request, global, environment);
  check_passphrase(request.passphrase_file);
  bootstrap::BackupWish wish;
  wish.folder = session->state().path("backups/.backup");
  const bool encrypted = !request.passphrase_file.empty();
  wish.archive = session->state().path(fmt::format("backups/backup-{}.tar{}", stamp(environment), encrypted ? ".enc" : ""));
  wish.at = utc_text(environment.clock.wall());
  wish.passphrase = encrypted ? absolute(request.passphrase_file) : std::string();
  wish.keep = request.keep;
  const auto planner = [&](const PlanInput& input, unsigned) { return bootstrap::plan_backup(input, wish); };
  bootstrap_carry_out(session, request, global, environment, {planner, false, true, [&] { begin_archive(*session, request); }});
  if (request.dry_run) return;
  const auto manifest = bootstrap_must(bootstrap::read_manifest(wish.archive, wish.passphrase));
  say_file(fmt::format("{}: {} files, {}\n", wish.archive, manifest.files.size(),
                       encrypted ? "encrypted" : "not encrypted: it holds every Secret and the keys of the CAs"),
           {{"event", "backup"}, {"file", wish.archive}, {"files", manifest.files.size()}, {"encrypted", encrypted}}, global, environment);
}

void bootstrap_restore(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment) {
  const auto session = bootstrap_open_site(request, environment);
  const Unpacked unpacked{session->state().path("restore")};
  const auto manifest = bootstrap_must(bootstrap::unpack_archive(request.from, request.passphrase_file, unpacked.folder));
  if (manifest.site != session->site().name)
    throw VerbFailure{kExitRefused, fmt::format("{}: it is of the site {}, not of {}", request.from, manifest.site, session->site().name)};
  const bootstrap::ClusterBackup backup{.folder = unpacked.folder, .files = manifest.files, .kubernetes = manifest.kubernetes};
  const auto planner = [&](const PlanInput& input, unsigned) { return bootstrap::plan_restore(input, backup); };
  bootstrap_carry_out(session, request, global, environment, {planner, false, false, {}});
}

void bootstrap_logs(const BootstrapRequest& request, CliEnvironment& environment) {
  const auto session = bootstrap_open_site(request, environment);
  if (!request.machine.empty() && session->site().find(request.machine) == nullptr)
    throw VerbFailure{kExitUsage, fmt::format("the site has no machine {}", request.machine)};
  if (!request.run.empty() && !bootstrap::is_run_id(request.run))
    throw VerbFailure{kExitUsage, fmt::format("'{}' is no id of a run: the journal has them", request.run)};
  print_journal(*session, request, environment);
  if (request.machine.empty()) return;
  auto* transport = bootstrap_must(session->transport());
  const auto answer = bootstrap_must(transport->run(
      request.machine,
      {.script = bootstrap::records_script(request.run, kLogLines), .input = {}, .timeout = std::chrono::minutes(1), .secret = true}));
  if (answer.exit_code != 0) throw VerbFailure{kExitFailed, fmt::format("{}: {}", request.machine, answer.errors)};
  environment.out << fmt::format("\non {}:\n", request.machine);
  environment.out << (answer.output.empty() ? "nothing is recorded there\n" : session->secrets().mask(without_values(answer.output)));
}

}  // namespace fairlead::cli
