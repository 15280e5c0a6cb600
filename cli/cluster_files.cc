#include "cli/cluster_files.h"

#include <cerrno>
#include <cstring>
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
constexpr std::size_t kTrialBytes = 64U << 10U;  ///< More than a large fairlead.yaml.

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

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

/// Folders that were made on the way; they go again unless they are kept.
class MadeFolders {
 public:
  MadeFolders() = default;
  MadeFolders(const MadeFolders&) = delete;
  MadeFolders& operator=(const MadeFolders&) = delete;
  ~MadeFolders() {
    for (const std::string& folder : made_) ::rmdir(folder.c_str());  // Stays when somebody else put something there.
  }
  Status make(const std::string& folder) {
    if (::mkdir(folder.c_str(), 0755) == 0) {
      made_.push_back(folder);
      // The umask takes bits away, and the daemon, another user, has to get in.
      return ::chmod(folder.c_str(), 0755) == 0 ? Status() : Status(errno_error("set the mode of " + folder));
    }
    return errno == EEXIST ? Status() : Status(errno_error("make " + folder));
  }
  void keep() { made_.clear(); }

 private:
  std::vector<std::string> made_;
};

/// The file, and before it the copy of what it replaces.
Status stage(const PlannedFile& file, MadeFolders& folders, std::vector<StagedFile>& staged) {
  if (file.change != FileChange::kCreate && file.change != FileChange::kReplace) return {};
  if (auto made = folders.make(folder_of(file.path)); !made) return made;
  if (!file.backup.empty()) {
    const auto before = read_small_file(file.path);
    if (!before) return before.error();
    auto kept = StagedFile::write(file.backup, before->value_or(""), file.mode);
    if (!kept) return kept.error();
    staged.push_back(std::move(*kept));
  }
  auto written = StagedFile::write(file.path, file.text, file.mode);
  if (!written) return written.error();
  staged.push_back(std::move(*written));
  return {};
}

/// What was put in place so far, and what had been there: under a second name, which takes no room, until all is done.
class Undo {
 public:
  Status put_in_place(StagedFile& file) {
    Step step{.path = file.path(), .old = file.path() + ".fairlead-old", .mode = {}};
    ::unlink(step.old.c_str());
    if (::link(step.path.c_str(), step.old.c_str()) != 0) {
      if (errno != ENOENT) return errno_error("keep " + step.path + " for the meantime");
      step.old.clear();
    }
    steps_.push_back(step);
    return file.put_in_place();
  }
  Status change_mode(const std::string& path, mode_t mode) {
    struct stat found {};
    if (::stat(path.c_str(), &found) != 0 || ::chmod(path.c_str(), mode) != 0) return errno_error("set the mode of " + path);
    steps_.push_back({.path = path, .old = {}, .mode = found.st_mode & 07777U});
    return {};
  }
  /// What it is done for, and whether all is as it was.
  [[nodiscard]] Error back_out(const Error& why) const {
    std::string failures;
    for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
      if (back(*step) != 0) failures += fmt::format(". {} could not be made what it was: {}", step->path, std::strerror(errno));
    }
    return Error{why.code, why.message() + (failures.empty() ? ". Everything is as it was" : failures)};
  }
  void forget() {
    for (const Step& step : steps_) {
      if (!step.old.empty()) ::unlink(step.old.c_str());
    }
  }

 private:
  struct Step {
    std::string path;
    std::string old;             ///< Empty: nothing was there.
    std::optional<mode_t> mode;  ///< Only that was changed.
  };
  static int back(const Step& step) {
    if (step.mode) return ::chmod(step.path.c_str(), *step.mode);
    if (step.old.empty()) return ::unlink(step.path.c_str()) == 0 || errno == ENOENT ? 0 : -1;
    // Where both names are one file (it was not replaced yet) rename(2) says that all is well and leaves both.
    if (::rename(step.old.c_str(), step.path.c_str()) != 0) return -1;
    return ::unlink(step.old.c_str()) == 0 || errno == ENOENT ? 0 : -1;
  }
  std::vector<Step> steps_;
};

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

Result<PlannedFile> plan_first_config(const std::string& path, const std::string& text) {
  PlannedFile out;
  out.path = path;
  out.mode = kTextMode;
  out.text = text;
  const auto before = read_small_file(path);
  if (!before) return explained(before.error());
  if (!*before) {
    out.change = FileChange::kCreate;
    return out;
  }
  if (**before == text) return out;
  out.change = FileChange::kReplace;
  out.refusal = path + " is there already";
  auto backup = backup_name(path);
  if (!backup) return backup.error();
  out.backup = *backup;
  return out;
}

Status apply_files(const std::vector<PlannedFile>& files) {
  MadeFolders folders;
  std::vector<StagedFile> staged;
  Undo undo;
  for (const PlannedFile& file : files) {
    if (auto done = stage(file, folders, staged); !done) return undo.back_out(explained(done.error()));
  }
  for (const PlannedFile& file : files) {
    if (file.change != FileChange::kMode) continue;
    if (auto done = undo.change_mode(file.path, file.mode); !done) return undo.back_out(explained(done.error()));
  }
  for (StagedFile& file : staged) {
    if (auto done = undo.put_in_place(file); !done) return undo.back_out(explained(done.error()));
  }
  undo.forget();
  folders.keep();
  return {};
}

Status try_writing(const std::vector<std::string>& paths) {
  MadeFolders folders;
  std::vector<StagedFile> staged;  // Held until all are there: one disk has to have room for all of them.
  for (const std::string& path : paths) {
    if (auto made = folders.make(folder_of(path)); !made) return explained(made.error());
    auto file = StagedFile::write(path, std::string(kTrialBytes, '\0'));
    if (!file) return explained(file.error());
    staged.push_back(std::move(*file));
  }
  return {};
}

Result<std::string> read_authkey(const ClusterPaths& paths) {
  auto bytes = read_small_file(authkey_path(paths));
  if (!bytes) return explained(bytes.error());
  if (!*bytes) return Error{Errc::kNotFound, authkey_path(paths) + " is not there"};
  if (!plausible_key(**bytes)) return Error{Errc::kInvalidArgument, authkey_path(paths) + " is no key that Corosync takes"};
  return std::move(**bytes);
}

}  // namespace fairlead::cli
