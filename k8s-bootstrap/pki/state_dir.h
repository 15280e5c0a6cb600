// The folder of a site on the operator's machine: CA keys, Corosync's key, SSH keys, known hosts, journal, backups.
//
//   SD1  The folder is the operator's own, mode 0700; opened otherwise it is refused, never repaired: somebody may have read it.
//   SD2  A secret is written whole and with mode 0600, or not at all.
//   SD3  A .gitignore of its own keeps the folder out of any git work tree it lies in.
//
// Blocks on the file system. Of one thread; several processes are kept apart by the lock on the machines, not here
// (`locks` only says which of those are left of runs that were killed).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace fairlead::bootstrap {

class StateDir {
 public:
  /// Makes the folder (its parent must be there) or opens it. Errors: kPermission (another's, or others may enter it), kConflict (it is no
  /// folder), those of mkdir(2) and stat(2). The text names the remedy.
  [[nodiscard]] static Result<StateDir> open(const std::string& path);

  [[nodiscard]] const std::string& path() const { return path_; }
  /// "PATH/NAME"; `name` is relative and without "..".
  [[nodiscard]] std::string path(std::string_view name) const;
  /// What the operator should know, one line each.
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

  /// Mode 0600, by rename. Folders in `name` are made (0700). Errors: those of writing.
  [[nodiscard]] Status write_secret(std::string_view name, std::string_view text) const;
  /// The same with mode 0644: a certificate, a public key.
  [[nodiscard]] Status write_public(std::string_view name, std::string_view text) const;
  /// nullopt: there is no such file. Errors: kPermission (of a secret that others may read, or of another user), those of reading.
  [[nodiscard]] Result<std::optional<std::string>> read_secret(std::string_view name) const;
  [[nodiscard]] Result<std::optional<std::string>> read_public(std::string_view name) const;
  /// The folder `name`, 0700. Errors: those of mkdir(2).
  [[nodiscard]] Status make_folder(std::string_view name) const;

 private:
  explicit StateDir(std::string path) : path_(std::move(path)) {}
  [[nodiscard]] Status write(std::string_view name, std::string_view text, unsigned mode) const;
  [[nodiscard]] Status keep_out_of_git();

  std::string path_;
  std::vector<std::string> warnings_;
};

/// Where `state_dir` of the site in `site_file` is: absolute as it stands, else below the file's folder.
[[nodiscard]] std::string state_dir_path(const std::string& site_file, const std::string& state_dir);

}  // namespace fairlead::bootstrap
