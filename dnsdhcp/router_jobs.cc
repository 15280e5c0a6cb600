#include "dnsdhcp/router_jobs.h"

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/fd.h"
#include "dnsdhcp/router_rules.h"

namespace fairlead::dnsdhcp {
namespace {

constexpr std::string_view kConfirmed = "confirmed.nft";
constexpr std::string_view kBefore = "before.nft";
constexpr std::string_view kTrial = "trial.nft";
constexpr std::string_view kRefused = "refused.nft";
constexpr std::string_view kSettings = "settings";

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

/// The first error of two.
Status both(Status first, Status second) { return first ? std::move(second) : std::move(first); }

}  // namespace

Status RouterJobs::make_folder() const {
  if (::mkdir(folder_.c_str(), 0750) != 0 && errno != EEXIST) return errno_error("make " + folder_);
  return {};
}

Status RouterJobs::remove(std::string_view name) const {
  if (::unlink(path(name).c_str()) != 0 && errno != ENOENT) return errno_error("remove " + path(name));
  return {};
}

Status RouterJobs::rename(std::string_view from, std::string_view to) const {
  if (::rename(path(from).c_str(), path(to).c_str()) != 0) return errno_error("rename " + path(from) + " to " + std::string(to));
  return {};
}

RouterJobs::Recalled RouterJobs::recall() const {
  Recalled out;
  const auto read = [&](std::string_view name) {
    auto text = read_small_file(path(name));
    if (text) return std::move(*text);
    out.problem = text.error().message();
    return std::optional<std::string>();
  };
  out.memory = {.confirmed = read(kConfirmed), .trial = read(kTrial), .refused = read(kRefused), .settings = read(kSettings).has_value()};
  return out;
}

Result<SysctlValues> RouterJobs::read_settings() const {
  std::vector<std::string> devices;
  for (const char* version : {"/net/ipv4/conf", "/net/ipv6/conf"}) {
    std::error_code failed;
    for (std::filesystem::directory_iterator at(proc_sys_ + version, failed), end; !failed && at != end; at.increment(failed))
      devices.push_back(at->path().filename().string());
  }
  SysctlValues out;
  for (const std::string& key : sysctl_keys(devices)) {
    auto text = read_small_file(proc_sys_ + "/" + key);
    if (!text) return text.error();
    if (*text) out[key] = trimmed(std::move(**text));
  }
  return out;
}

Status RouterJobs::write_settings(const std::vector<SysctlWrite>& writes) const {
  Status first;
  for (const SysctlWrite& write : writes) {
    const std::string file = proc_sys_ + "/" + write.key;
    const Fd fd(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd.valid() && errno == ENOENT) continue;  // Its device is gone.
    if (!fd.valid() || ::write(fd.get(), write.value.data(), write.value.size()) != static_cast<ssize_t>(write.value.size()))
      first = both(std::move(first), errno_error("set " + file + " to " + write.value));
  }
  return first;
}

Status RouterJobs::set_settings(RoutedVersions versions) const {
  const auto now = read_settings();
  if (!now) return now.error();
  const auto text = read_small_file(path(kSettings));
  if (!text) return text.error();
  const auto plan = plan_sysctls(versions, *now, parse_sysctl_journal(*text ? **text : std::string()).changes);
  if (plan.writes.empty()) return {};
  if (auto saved = write_file_atomically(path(kSettings), write_sysctl_journal(plan.journal)); !saved) return saved;
  return write_settings(plan.writes);
}

Status RouterJobs::restore_settings() const {
  const auto text = read_small_file(path(kSettings));
  if (!text) return text.error();
  if (!*text) return {};
  const auto now = read_settings();
  if (!now) return now.error();
  if (auto restored = write_settings(plan_restore(parse_sysctl_journal(**text).changes, *now)); !restored) return restored;
  return remove(kSettings);
}

/// Rules first, forwarding behind them. A failure leaves what was there before (`listing`).
Status RouterJobs::change(const std::string& rules, RoutedVersions versions, const std::string& listing) const {
  if (auto applied = nft_.apply(rules); !applied) return applied;
  auto set = set_settings(versions);
  if (!set) go_back(listing);
  return set;
}

/// After a failure that is told anyway; this one tells no more.
void RouterJobs::go_back(const std::string& listing) const {
  if (listing.empty()) (void)restore_settings();
  (void)nft_.apply(restoring_text(listing));
}

Status RouterJobs::put_in_force(const RouterJob& job, RoutedVersions versions) const {
  const auto before = list(/*counters=*/false);
  if (!before) return before.error();
  // On the disk first: with none of it left these rules could not be told from somebody else's after a restart.
  auto staged = StagedFile::write(path(kConfirmed), job.rules);
  if (!staged) return staged.error();
  if (auto changed = change(job.rules, versions, before->rules); !changed) return changed;
  if (auto kept = staged->put_in_place(); !kept) {
    go_back(before->rules);
    return kept;
  }
  return job.forgive ? remove(kRefused) : Status();
}

Status RouterJobs::try_rules(const RouterJob& job, RoutedVersions versions) const {
  const auto before = list(/*counters=*/false);
  if (!before) return before.error();
  if (auto saved = write_file_atomically(path(kBefore), restoring_text(before->rules)); !saved) return saved;
  if (auto saved = write_file_atomically(path(kTrial), job.rules); !saved) return both(saved, remove(kBefore));
  auto changed = change(job.rules, versions, before->rules);
  if (changed) return {};
  return both(std::move(changed), both(remove(kTrial), remove(kBefore)));
}

Status RouterJobs::keep() const {
  if (auto kept = rename(kTrial, kConfirmed); !kept) return kept;
  // The trial is over with the rename; what stays of these is known for old.
  (void)remove(kBefore);
  (void)remove(kRefused);
  return {};
}

Status RouterJobs::restore() const {
  const auto before = read_small_file(path(kBefore));
  if (!before) return before.error();
  const std::string text = *before ? **before : render_router_removal();
  if (text == render_router_removal()) {
    if (auto restored = restore_settings(); !restored) return restored;
  }
  if (auto applied = nft_.apply(text); !applied) return applied;
  if (auto renamed = rename(kTrial, kRefused); !renamed) return renamed;
  (void)remove(kBefore);
  return {};
}

Status RouterJobs::remove_all() const {
  auto done = restore_settings();
  if (auto removed = nft_.apply(render_router_removal()); !removed) return both(std::move(done), std::move(removed));
  if (!done) return done;
  for (const auto name : {kConfirmed, kBefore, kTrial, kRefused}) done = both(std::move(done), remove(name));
  if (done && ::rmdir(folder_.c_str()) != 0 && errno != ENOENT && errno != ENOTEMPTY) done = errno_error("remove " + folder_);
  return done;
}

Result<RouterListing> RouterJobs::run(const RouterJob& job, RoutedVersions versions) const {
  if (auto made = make_folder(); !made) return made.error();
  const Status done = [&] {
    switch (job.kind) {
      case RouterJobKind::kPutInForce: return put_in_force(job, versions);
      case RouterJobKind::kTry: return try_rules(job, versions);
      case RouterJobKind::kKeep: return keep();
      case RouterJobKind::kRestore: return restore();
      case RouterJobKind::kRemove: return remove_all();
    }
    return Status();
  }();
  if (!done) return done.error();
  return list(/*counters=*/false);
}

Result<RouterListing> RouterJobs::list(bool counters) const {
  auto listed = nft_.list_table("inet", kRouterTable, counters);
  if (!listed) return listed.error();
  return RouterListing{std::move(*listed)};
}

}  // namespace fairlead::dnsdhcp
