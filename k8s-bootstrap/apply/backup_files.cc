#include "k8s-bootstrap/apply/backup_files.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/fd.h"
#include "base/run_program.h"
#include "k8s-bootstrap/facts/fact_words.h"
#include "k8s-bootstrap/render/sha256.h"

namespace fairlead::bootstrap {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr Duration kPackTimeout = std::chrono::hours(1);
constexpr std::size_t kFilesMax = 1000;
constexpr const char* kCipher = "openssl enc -aes-256-cbc -pbkdf2 -iter 600000 -md sha256 -salt";

Error broken(const std::string& what, const std::string& why) { return Error{Errc::kInvalidArgument, fmt::format("{}: {}", what, why)}; }

std::string text_at(const json::object& object, std::string_view key) {
  const json::value* found = object.if_contains(key);
  return found != nullptr && found->is_string() ? printable(std::string_view(found->get_string())) : std::string();
}
std::int64_t number_at(const json::object& object, std::string_view key) {
  const json::value* found = object.if_contains(key);
  if (found != nullptr && found->is_uint64()) return static_cast<std::int64_t>(found->get_uint64());
  return found != nullptr && found->is_int64() ? found->get_int64() : 0;
}

Result<json::object> object_of(const std::string& what, std::string_view text) {
  boost::system::error_code failed;
  const json::value value = json::parse(json::string_view(text.data(), text.size()), failed);
  if (failed || !value.is_object()) return broken(what, "is no JSON object");
  return value.get_object();
}

/// By /bin/sh, whose positional parameters are words of ours.
Result<std::string> by_shell(const std::string& text, const std::vector<std::string>& words) {
  ProgramCall call;
  call.argv = {"/bin/sh", "-c", "set -eu\numask 077\n" + text, "sh"};
  call.argv.insert(call.argv.end(), words.begin(), words.end());
  call.environment = {"LC_ALL=C"};
  call.timeout = kPackTimeout;
  auto ran = run_program(call);
  if (!ran) return ran.error();
  if (ran->exit_code != 0) return Error{Errc::kUnavailable, printable(ran->errors)};
  return std::move(ran->output);
}

bool is_encrypted(const std::string& archive) { return archive.ends_with(".enc"); }

/// A command that writes the archive $1 as tar wants it to standard output; $2: the passphrase's file.
std::string reader_of(const std::string& archive) {
  return is_encrypted(archive) ? fmt::format("{} -d -in \"$1\" -pass \"file:$2\"", kCipher) : std::string("cat \"$1\"");
}

Status may_read(const std::string& archive, const std::string& passphrase) {
  if (::access(archive.c_str(), R_OK) != 0) return errno_error("open " + archive);
  if (!is_encrypted(archive)) return {};
  if (passphrase.empty()) return Error{Errc::kInvalidArgument, archive + " is encrypted: --passphrase-file FILE"};
  if (::access(passphrase.c_str(), R_OK) != 0) return errno_error("open " + passphrase);
  return {};
}

Error unreadable(const std::string& archive, const Error& error) {
  return broken(archive, fmt::format("is no archive of `bootstrap backup`{} ({})",
                                     is_encrypted(archive) ? ", or the passphrase is another one" : "", error.context));
}

/// Plain files of the folder and below, as paths in it.
Result<std::vector<std::string>> files_below(const std::string& folder) {
  std::vector<std::string> out;
  std::error_code failed;
  for (fs::recursive_directory_iterator entry(folder, failed), end; !failed && entry != end; entry.increment(failed)) {
    if (entry->is_directory(failed) && !entry->is_symlink(failed)) continue;
    if (!entry->is_regular_file(failed) || entry->is_symlink(failed)) return broken(entry->path().string(), "is no plain file");
    out.push_back(entry->path().lexically_relative(folder).string());
    if (out.size() > kFilesMax) return broken(folder, "has too many files");
  }
  if (failed) return broken(folder, failed.message());
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

Result<std::string> sha256_of_file(const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return errno_error("open " + path);
  Sha256 digest;
  std::array<char, 65536> buffer{};
  while (true) {
    const ssize_t count = ::read(file.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno_error("read " + path);
    if (count == 0) return digest.text();
    digest.add({buffer.data(), static_cast<std::size_t>(count)});
  }
}

Result<std::vector<std::string>> list_names(const std::string& folder, std::string_view begin, std::string_view end) {
  std::vector<std::string> out;
  std::error_code failed;
  if (!fs::exists(folder, failed)) return out;
  for (fs::directory_iterator entry(folder, failed), last; !failed && entry != last; entry.increment(failed)) {
    const std::string name = entry->path().filename().string();
    if (name.size() >= begin.size() + end.size() && name.starts_with(begin) && name.ends_with(end)) out.push_back(name);
  }
  if (failed) return broken(folder, failed.message());
  std::sort(out.begin(), out.end());
  return out;
}

Status keep_newest(const std::vector<std::string>& argv) {
  std::size_t keep = 0;
  if (argv.size() != 4 || std::from_chars(argv[3].data(), argv[3].data() + argv[3].size(), keep).ec != std::errc{} || keep == 0)
    return Error{Errc::kInvalidArgument, "which backups are to be kept is not said"};
  auto names = list_names(argv[0], argv[1], argv[2]);
  if (!names) return names.error();
  for (std::size_t i = 0; i + keep < names->size(); ++i) {
    const std::string path = argv[0] + "/" + (*names)[i];
    // What is known of it goes first: one without is not whole, and nobody relies on it.
    if (::unlink((path + ".json").c_str()) != 0 && errno != ENOENT) return errno_error("remove " + path + ".json");
    if (::unlink(path.c_str()) != 0) return errno_error("remove " + path);
  }
  return {};
}

Result<SnapshotNote> parse_snapshot_note(const std::string& name, std::string_view text) {
  auto object = object_of(name, text);
  if (!object) return object.error();
  SnapshotNote out;
  out.name = name.ends_with(".json") ? name.substr(0, name.size() - 5) : name;
  out.at = text_at(*object, "at");
  out.machine = text_at(*object, "machine");
  out.site = text_at(*object, "site");
  out.kubernetes = text_at(*object, "kubernetes");
  out.sha256 = text_at(*object, "sha256");
  const json::value* status = object->if_contains("status");
  if (!is_sha256(out.sha256) || status == nullptr || !status->is_object()) return broken(name, "is no note of a snapshot");
  out.hash = static_cast<std::uint64_t>(number_at(status->get_object(), "hash"));
  out.revision = number_at(status->get_object(), "revision");
  out.keys = number_at(status->get_object(), "totalKey");
  out.bytes = number_at(status->get_object(), "totalSize");
  return out;
}

Result<std::vector<SnapshotNote>> list_snapshots(const std::string& folder) {
  auto names = list_names(folder, "etcd-", ".db.json");
  if (!names) return names.error();
  std::vector<SnapshotNote> out;
  for (const std::string& name : *names) {
    auto text = read_small_file(folder + "/" + name);
    if (!text) return text.error();
    auto note = parse_snapshot_note(name, text->value_or(""));
    if (!note) return note.error();
    out.push_back(std::move(*note));
  }
  std::sort(out.begin(), out.end(), [](const SnapshotNote& a, const SnapshotNote& b) { return a.at < b.at; });
  return out;
}

std::string manifest_text(const BackupManifest& manifest) {
  json::object files;
  for (const auto& [path, sum] : manifest.files) files[path] = sum;
  return json::serialize(json::object{{"format", "fairlead backup 1"},
                                      {"site", manifest.site},
                                      {"kubernetes", manifest.kubernetes},
                                      {"at", manifest.at},
                                      {"etcd", manifest.etcd},
                                      {"files", std::move(files)}}) +
         "\n";
}

Result<BackupManifest> parse_manifest(std::string_view text) {
  auto object = object_of(kManifestName, text);
  if (!object) return object.error();
  if (text_at(*object, "format") != "fairlead backup 1") return broken(kManifestName, "is of no format that this release reads");
  BackupManifest out;
  out.site = text_at(*object, "site");
  out.kubernetes = text_at(*object, "kubernetes");
  out.at = text_at(*object, "at");
  out.etcd = text_at(*object, "etcd");
  const json::value* files = object->if_contains("files");
  if (files == nullptr || !files->is_object()) return broken(kManifestName, "names no files");
  for (const auto& file : files->get_object()) {
    const std::string path(file.key());
    const bool plain = !path.empty() && path.front() != '/' && ("/" + path + "/").find("/../") == std::string::npos;
    if (!plain || !file.value().is_string() || !is_sha256(std::string_view(file.value().get_string())))
      return broken(kManifestName, "names a file that none can be");
    out.files[path] = std::string(file.value().get_string());
  }
  return out;
}

Status pack_archive(const std::vector<std::string>& argv) {
  if (argv.size() != 7) return Error{Errc::kInvalidArgument, "what is to be packed is not said"};
  const std::string& folder = argv[0];
  const std::string& archive = argv[1];
  const std::string& passphrase = argv[6];
  BackupManifest manifest{.site = argv[2], .kubernetes = argv[3], .at = argv[4], .etcd = argv[5], .files = {}};
  static_cast<void>(::unlink((folder + "/" + kManifestName).c_str()));
  auto names = files_below(folder);
  if (!names) return names.error();
  for (const std::string& name : *names) {
    auto digest = sha256_of_file(folder + "/" + name);
    if (!digest) return digest.error();
    manifest.files[name] = std::move(*digest);
  }
  if (auto written = write_file_atomically(folder + "/" + kManifestName, manifest_text(manifest), 0600); !written) return written;
  // $1: folder, $2: archive, $3: the passphrase's file, then the files, the manifest first.
  std::string text = "folder=$1\narchive=$2\npass=$3\nshift 3\ntrap 'rm -f \"$archive.plain\" \"$archive.new\"' EXIT\n";
  text += "tar --owner=0 --group=0 --numeric-owner -C \"$folder\" -cf \"$archive.plain\" -- \"$@\"\n";
  text += passphrase.empty() ? "mv \"$archive.plain\" \"$archive.new\"\n"
                             : fmt::format("{} -in \"$archive.plain\" -out \"$archive.new\" -pass \"file:$pass\"\n", kCipher);
  text += "chmod 0600 \"$archive.new\"\nsync \"$archive.new\"\nmv \"$archive.new\" \"$archive\"\n";
  std::vector<std::string> words{folder, archive, passphrase, kManifestName};
  words.insert(words.end(), names->begin(), names->end());
  if (auto packed = by_shell(text, words); !packed)
    return Error{packed.error().code, fmt::format("{}: {}", archive, packed.error().context)};
  std::error_code failed;
  fs::remove_all(folder, failed);
  if (failed) return broken(folder, failed.message());
  return {};
}

Result<BackupManifest> read_manifest(const std::string& archive, const std::string& passphrase) {
  if (auto may = may_read(archive, passphrase); !may) return may.error();
  auto text = by_shell(reader_of(archive) + fmt::format(" | tar -xOf - --occurrence=1 {}\n", kManifestName), {archive, passphrase});
  if (!text) return unreadable(archive, text.error());
  auto manifest = parse_manifest(*text);
  if (!manifest) return unreadable(archive, manifest.error());
  return manifest;
}

Result<BackupManifest> unpack_archive(const std::string& archive, const std::string& passphrase, const std::string& folder) {
  if (auto may = may_read(archive, passphrase); !may) return may.error();
  std::error_code failed;
  fs::remove_all(folder, failed);
  if (failed) return broken(folder, failed.message());
  if (::mkdir(folder.c_str(), 0700) != 0) return errno_error("make " + folder);
  auto done =
      by_shell(reader_of(archive) + " | tar --no-same-owner --no-same-permissions -xf - -C \"$3\"\n", {archive, passphrase, folder});
  if (!done) return unreadable(archive, done.error());
  auto text = read_small_file(folder + "/" + kManifestName);
  if (!text) return text.error();
  auto manifest = parse_manifest(text->value_or(""));
  if (!manifest) return unreadable(archive, manifest.error());
  auto names = files_below(folder);
  if (!names) return names.error();
  std::erase(*names, kManifestName);
  for (const std::string& name : *names) {
    if (!manifest->files.contains(name))
      return Error{Errc::kConflict, fmt::format("{}: {} is in it and not in its manifest", archive, name)};
  }
  for (const auto& [name, sum] : manifest->files) {
    if (std::find(names->begin(), names->end(), name) == names->end())
      return Error{Errc::kConflict, fmt::format("{}: {} is missing in it", archive, name)};
    auto digest = sha256_of_file(folder + "/" + name);
    if (!digest) return digest.error();
    if (*digest != sum) return Error{Errc::kConflict, fmt::format("{}: {} is not as it was when it was saved", archive, name)};
  }
  return manifest;
}

}  // namespace fairlead::bootstrap
