#include "k8s-bootstrap/pki/state_dir.h"

#include <cerrno>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/atomic_file.h"

namespace fairlead::bootstrap {
namespace {

constexpr std::string_view kIgnoreAll = "# Keys of a site: nothing in here belongs into a repository.\n*\n";

Status check_owner(const std::string& path, const struct stat& info) {
  if (info.st_uid == ::geteuid()) return {};
  return Error{Errc::kPermission,
               fmt::format("{} belongs to user {}, not to you ({}): take a state_dir of your own", path, info.st_uid, ::geteuid())};
}

bool has_line(std::string_view text, std::string_view line) {
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    if (text.substr(0, end) == line) return true;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return false;
}

/// ".git" in the folder or above it.
bool in_work_tree(const std::string& path) {
  char* resolved = ::realpath(path.c_str(), nullptr);
  if (resolved == nullptr) return false;
  std::string folder = resolved;
  ::free(resolved);  // NOLINT(cppcoreguidelines-no-malloc): realpath's.
  while (!folder.empty()) {
    struct stat info {};
    if (::stat((folder + "/.git").c_str(), &info) == 0) return true;
    folder.resize(folder.find_last_of('/') == std::string::npos ? 0 : folder.find_last_of('/'));
  }
  return false;
}

}  // namespace

Result<StateDir> StateDir::open(const std::string& path) {
  bool made = true;
  if (::mkdir(path.c_str(), 0700) != 0) {
    if (errno != EEXIST) return errno_error(fmt::format("make the state_dir {}", path));
    made = false;
  }
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return errno_error(fmt::format("state_dir {}", path));
  if (!S_ISDIR(info.st_mode))
    return Error{Errc::kConflict, fmt::format("state_dir {} is there and is no folder: move it away, or name another", path)};
  if (const auto own = check_owner(path, info); !own) return own.error();
  if (made && ::chmod(path.c_str(), 0700) != 0) return errno_error(fmt::format("chmod of {}", path));  // Whatever the umask took away.
  if (!made && (info.st_mode & 077U) != 0)
    return Error{
        Errc::kPermission,
        fmt::format("state_dir {} may be entered by others (mode {:04o}): if nobody has, chmod 700 {}; if somebody may have, make new keys",
                    path, info.st_mode & 07777U, path)};
  StateDir dir(path);
  if (const auto kept = dir.keep_out_of_git(); !kept) return kept.error();
  return dir;
}

Status StateDir::keep_out_of_git() {
  const auto text = read_public(".gitignore");
  if (!text) return text.error();
  if (!*text) return write_public(".gitignore", kIgnoreAll);
  if (!has_line(**text, "*") && in_work_tree(path_))
    warnings_.push_back(fmt::format(
        "{} lies in a git work tree, and its .gitignore does not hold the line '*': see that no key gets into the repository", path_));
  return {};
}

std::string StateDir::path(std::string_view name) const {
  FL_ASSERT(!name.empty() && name.front() != '/' && name.find("..") == std::string_view::npos);
  return fmt::format("{}/{}", path_, name);
}

Status StateDir::make_folder(std::string_view name) const {
  for (std::size_t at = name.find('/');; at = name.find('/', at + 1)) {
    const std::string folder = path(name.substr(0, at));
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return errno_error("make " + folder);
    if (at == std::string_view::npos) break;
  }
  return {};
}

Status StateDir::write(std::string_view name, std::string_view text, unsigned mode) const {
  if (const auto slash = name.rfind('/'); slash != std::string_view::npos) {
    if (auto made = make_folder(name.substr(0, slash)); !made) return made;
  }
  return write_file_atomically(path(name), text, mode);
}
Status StateDir::write_secret(std::string_view name, std::string_view text) const { return write(name, text, 0600); }
Status StateDir::write_public(std::string_view name, std::string_view text) const { return write(name, text, 0644); }

Result<std::optional<std::string>> StateDir::read_secret(std::string_view name) const {
  const std::string file = path(name);
  struct stat info {};
  if (::stat(file.c_str(), &info) != 0) {
    if (errno == ENOENT) return std::optional<std::string>();
    return errno_error(file);
  }
  if (!S_ISREG(info.st_mode)) return Error{Errc::kConflict, fmt::format("{} is no file", file)};
  if (const auto own = check_owner(file, info); !own) return own.error();
  if ((info.st_mode & 077U) != 0)
    return Error{Errc::kPermission,
                 fmt::format("{} may be read by others (mode {:04o}): if nobody has, chmod 600 {}; if somebody may have, make a new key",
                             file, info.st_mode & 07777U, file)};
  return read_small_file(file);
}

Result<std::optional<std::string>> StateDir::read_public(std::string_view name) const { return read_small_file(path(name)); }

std::string state_dir_path(const std::string& site_file, const std::string& state_dir) {
  if (state_dir.starts_with('/')) return state_dir;
  const auto slash = site_file.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : site_file.substr(0, slash);
  std::string_view below = state_dir;
  while (below.starts_with("./")) below.remove_prefix(2);
  return fmt::format("{}{}{}", folder, folder.ends_with('/') ? "" : "/", below);
}

}  // namespace fairlead::bootstrap
