#include "cli/cluster_files.h"

#include <cerrno>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/atomic_file.h"
#include "cli/cluster_bundle.h"
#include "membership/corosync_conf.h"

namespace fairlead::cli {
namespace {

constexpr mode_t kKeyMode = 0400;
constexpr mode_t kTextMode = 0644;
constexpr int kBackupsMax = 100;

Error explained(Error error) {
  if (error.code == Errc::kPermission) error.context += " (run it as root)";
  return error;
}

Status need_folder(const ClusterPaths& paths) {
  if (::access(paths.corosync.c_str(), F_OK) == 0) return {};
  return Error{Errc::kNotFound, paths.corosync + " is not there: install Corosync first (apt install corosync)"};
}

/// A name beside `path` that is free.
Result<std::string> backup_name(const std::string& path) {
  for (int i = 1; i <= kBackupsMax; ++i) {
    std::string name = path + ".before-fairlead" + (i == 1 ? "" : "." + std::to_string(i));
    if (::access(name.c_str(), F_OK) != 0) return name;
  }
  return Error{Errc::kLimitExceeded, fmt::format("{}: {} copies of earlier files lie beside it; remove some", path, kBackupsMax)};
}

Result<std::string> random_key() {
  std::string out(kAuthkeyBytes, '\0');
  if (::getrandom(out.data(), out.size(), 0) != static_cast<ssize_t>(out.size())) return errno_error("getrandom");
  return out;
}

bool plausible_key(const std::string& bytes) { return bytes.size() >= kAuthkeyBytesMin && bytes.size() <= kAuthkeyBytesMax; }

std::string authkey_path(const ClusterPaths& paths) { return paths.corosync + "/authkey"; }

}  // namespace

Result<PlannedFile> plan_corosync_conf(const ClusterPaths& paths, const std::string& text) {
  if (auto there = need_folder(paths); !there) return there.error();
  PlannedFile out;
  out.path = paths.corosync + "/corosync.conf";
  out.text = text;
  out.mode = kTextMode;
  const auto before = read_small_file(out.path);
  if (!before) return explained(before.error());
  if (!*before) {
    out.change = FileChange::kCreate;
    return out;
  }
  out.before = **before;
  if (out.before == text) return out;
  out.change = FileChange::kReplace;
  const auto origin = membership::origin_of_conf(out.before);
  if (origin == membership::ConfOrigin::kOurs) return out;
  if (origin == membership::ConfOrigin::kForeign) {
    out.refusal = out.path + " was not written by fairlead: another cluster may live here";
  }
  auto backup = backup_name(out.path);
  if (!backup) return backup.error();
  out.backup = *backup;
  return out;
}

Result<PlannedFile> plan_authkey(const ClusterPaths& paths, const std::optional<std::string>& key) {
  if (auto there = need_folder(paths); !there) return there.error();
  PlannedFile out;
  out.path = authkey_path(paths);
  out.mode = kKeyMode;
  const auto before = read_small_file(out.path);
  if (!before) return explained(before.error());
  if (*before && (key ? **before == *key : plausible_key(**before))) {
    struct stat found {};
    if (::stat(out.path.c_str(), &found) != 0) return errno_error("look at " + out.path);
    if ((found.st_mode & 07777U) != kKeyMode) out.change = FileChange::kMode;
    return out;
  }
  if (*before) {
    out.refusal = out.path + (key ? " is the key of another cluster" : " is no key that Corosync takes");
    auto backup = backup_name(out.path);
    if (!backup) return backup.error();
    out.backup = *backup;
  }
  out.change = *before ? FileChange::kReplace : FileChange::kCreate;
  auto wanted = key ? Result<std::string>(*key) : random_key();
  if (!wanted) return wanted.error();
  out.text = std::move(*wanted);
  return out;
}

Result<PlannedFile> plan_config(const ClusterPaths& paths, const std::string& text) {
  PlannedFile out;
  out.path = paths.config;
  out.mode = kTextMode;
  out.text = text;
  const auto before = read_small_file(out.path);
  if (!before) return explained(before.error());
  if (!*before) out.change = FileChange::kCreate;
  return out;
}

Status apply_file(const PlannedFile& file) {
  if (file.change == FileChange::kUnchanged) return {};
  if (file.change == FileChange::kMode) {
    if (::chmod(file.path.c_str(), file.mode) == 0) return {};
    return explained(errno_error("set the mode of " + file.path));
  }
  if (!file.backup.empty()) {
    const auto before = read_small_file(file.path);
    if (!before) return explained(before.error());
    if (auto kept = write_file_atomically(file.backup, before->value_or(""), file.mode); !kept) return explained(kept.error());
  }
  const auto slash = file.path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : file.path.substr(0, slash + 1);
  if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) return explained(errno_error("make " + folder));
  auto written = write_file_atomically(file.path, file.text, file.mode);
  return written ? written : Status(explained(written.error()));
}

Result<std::string> read_authkey(const ClusterPaths& paths) {
  auto bytes = read_small_file(authkey_path(paths));
  if (!bytes) return explained(bytes.error());
  if (!*bytes) return Error{Errc::kNotFound, authkey_path(paths) + " is not there"};
  if (!plausible_key(**bytes)) return Error{Errc::kInvalidArgument, authkey_path(paths) + " is no key that Corosync takes"};
  return std::move(**bytes);
}

}  // namespace fairlead::cli
