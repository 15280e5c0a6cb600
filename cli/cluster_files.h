// The files of a node of a cluster: what is there, what shall be, and the way from one to the other. First everything is planned, then
// everything is written beside its place, then put there: a refusal and a full disk leave the node as it was.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include "base/result.h"
#include "cli/invocation.h"

namespace fairlead::cli {

enum class FileChange : std::uint8_t { kUnchanged, kCreate, kReplace, kMode };

struct PlannedFile {
  std::string path;
  FileChange change = FileChange::kUnchanged;
  std::string text;     ///< What shall be in it. Of the key: never shown.
  std::string before;   ///< What is in it; empty for the key.
  std::string backup;   ///< Not empty: what is there is kept under this name.
  std::string refusal;  ///< Not empty: written only with --force, and why.
  mode_t mode = 0644;
};

/// Somebody else's file is replaced with --force only. Errors: kNotFound (no folder: Corosync is not installed), those of reading.
[[nodiscard]] Result<PlannedFile> plan_corosync_conf(const ClusterPaths& paths, const std::string& text);
/// `key` absent: the one that is there stays, and one is made where there is none. Another key, or no key at all, is replaced with --force
/// only. Errors: kNotFound, those of reading and of getrandom(2).
[[nodiscard]] Result<PlannedFile> plan_authkey(const ClusterPaths& paths, const std::optional<std::string>& key);
/// Written where there is no file; what is there stays. Errors: those of reading.
[[nodiscard]] Result<PlannedFile> plan_config(const ClusterPaths& paths, const std::string& text);

/// A file that is there is replaced with --force only, and kept. Errors: those of reading.
[[nodiscard]] Result<PlannedFile> plan_first_config(const std::string& path, const std::string& text);

/// All of them or none: each is written beside its place before the first one is put there. Errors: those of writing; everything is then as
/// it was, folders that were made included, and the error says so, or what could not be undone.
[[nodiscard]] Status apply_files(const std::vector<PlannedFile>& files);

/// Whether files can be written in these places: their folders can be made and written to, and there is room. Nothing of it stays.
/// Errors: those of writing.
[[nodiscard]] Status try_writing(const std::vector<std::string>& paths);

/// Errors: kNotFound, kInvalidArgument (too short or too long for one), those of reading.
[[nodiscard]] Result<std::string> read_authkey(const ClusterPaths& paths);

}  // namespace fairlead::cli
