// Backups on the operator's machine, in state_dir/backups: what there is, which of it stays, and archives.
//
//   etcd-TIME.db, etcd-TIME.db.json        a snapshot and what is known of it; the second comes last: without it the first is not whole
//   backup-TIME.tar, backup-TIME.tar.enc   an archive: manifest.json first, then the files that it names
//
// An encrypted archive is what `openssl enc -aes-256-cbc -pbkdf2 -iter 600000 -md sha256 -salt` makes of the other one with the
// passphrase's file: it can be read without this program. That cipher does not notice changes by itself; the sums in the manifest, inside,
// do.
//
//   BF1  An archive is there whole, with mode 0600, or not at all.
//   BF2  What is unpacked is used only if every file of the manifest is there with its SHA-256, and nothing else is.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"

namespace fairlead::bootstrap {

/// Errors: those of open(2) and read(2); kNotFound.
[[nodiscard]] Result<std::string> sha256_of_file(const std::string& path);

/// argv of LocalWork::kKeepNewest: folder, how names begin, how they end, how many stay. The newest by name, which holds the time. What
/// lies beside one of them (NAME.json) goes with it.
[[nodiscard]] Status keep_newest(const std::vector<std::string>& argv);

/// Of a file NAME.json (etcd_snapshot.h).
struct SnapshotNote {
  std::string name;  ///< Of the snapshot: "etcd-20261127T164937Z.db"
  std::string at;
  std::string machine;
  std::string site;
  std::string kubernetes;
  std::string sha256;
  std::uint64_t hash = 0;
  std::int64_t revision = 0;
  std::int64_t keys = 0;
  std::int64_t bytes = 0;
};
/// Errors: kInvalidArgument, naming the file.
[[nodiscard]] Result<SnapshotNote> parse_snapshot_note(const std::string& name, std::string_view text);
/// Snapshots of a folder that are whole, the newest last. A folder that is not there has none.
[[nodiscard]] Result<std::vector<SnapshotNote>> list_snapshots(const std::string& folder);
/// Names in a folder that begin and end so, sorted. A folder that is not there has none.
[[nodiscard]] Result<std::vector<std::string>> list_names(const std::string& folder, std::string_view begin, std::string_view end);

/// Of manifest.json.
struct BackupManifest {
  std::string site;
  std::string kubernetes;
  std::string at;
  std::string etcd;                          ///< stacked | external
  std::map<std::string, std::string> files;  ///< Path in the archive -> SHA-256.
};
inline constexpr const char* kManifestName = "manifest.json";
[[nodiscard]] std::string manifest_text(const BackupManifest& manifest);
[[nodiscard]] Result<BackupManifest> parse_manifest(std::string_view text);

/// argv of LocalWork::kArchive: folder, archive, the manifest's site, kubernetes, at and etcd, and the file of the passphrase ("": it is
/// not encrypted). Writes the manifest of what is in the folder, packs it, removes the folder. Errors: tar's and openssl's, with their
/// words.
[[nodiscard]] Status pack_archive(const std::vector<std::string>& argv);
/// The manifest alone; an encrypted archive needs `passphrase`, a file. Errors: kInvalidArgument (no archive of ours, a wrong passphrase).
[[nodiscard]] Result<BackupManifest> read_manifest(const std::string& archive, const std::string& passphrase);
/// Into `folder`, which is made anew, 0700. Errors: also kConflict: a file is missing, too much, or not as the manifest says.
[[nodiscard]] Result<BackupManifest> unpack_archive(const std::string& archive, const std::string& passphrase, const std::string& folder);

}  // namespace fairlead::bootstrap
