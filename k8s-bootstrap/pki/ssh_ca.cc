#include "k8s-bootstrap/pki/ssh_ca.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "base/atomic_file.h"

namespace fairlead::bootstrap {
namespace {

constexpr std::string_view kHostCa = "ssh/host_ca";
constexpr std::string_view kUserCa = "ssh/user_ca";

bool is_one_line(std::string_view text) {
  return !text.empty() && text.size() <= 16384 &&
         std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

std::string_view without_line_end(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

/// "ssh-ed25519 AAAA...": type and key without the comment.
std::string_view key_part(std::string_view line) {
  const auto first = line.find(' ');
  return first == std::string_view::npos ? line : line.substr(0, line.find(' ', first + 1));
}

Result<std::string> ensure_key(const StateDir& dir, std::string_view name, const std::string& comment, const RunTool& run) {
  const std::string open = fmt::format("{}.pub", name);
  const auto secret = dir.read_secret(name);
  if (!secret) return secret.error();
  auto half = dir.read_public(open);
  if (!half) return half.error();
  if (secret->has_value() != half->has_value())
    return Error{Errc::kConflict, fmt::format("{}: its other half is missing: put it back from your backup, or move this one away as well",
                                              dir.path(secret->has_value() ? std::string(name) : open))};
  if (!secret->has_value()) {
    if (const auto folder = dir.make_folder("ssh"); !folder) return folder.error();
    if (auto made = run({"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", dir.path(name)}); !made) return made.error();
    half = dir.read_public(open);
    if (!half) return half.error();
    if (!half->has_value()) return Error{Errc::kUnavailable, fmt::format("ssh-keygen left no {}", dir.path(open))};
  } else {
    const auto derived = run({"ssh-keygen", "-y", "-P", "", "-f", dir.path(name)});
    if (!derived) return derived.error();
    if (key_part(without_line_end(*derived)) != key_part(without_line_end(**half)))
      return Error{Errc::kConflict,
                   fmt::format("{} is not the public half of {}: put the pair back that belongs together", dir.path(open), name)};
  }
  return std::string(without_line_end(**half));
}

/// A folder of its own, removed with what is in it.
class WorkFolder {
 public:
  static Result<WorkFolder> make(const StateDir& dir) {
    if (const auto folder = dir.make_folder("ssh"); !folder) return folder.error();
    std::string path = dir.path("ssh/sign-XXXXXX");
    if (::mkdtemp(path.data()) == nullptr) return errno_error("make a folder in " + dir.path("ssh"));
    return WorkFolder(std::move(path));
  }
  ~WorkFolder() {
    if (path_.empty()) return;
    for (const char* name : {"/key.pub", "/key-cert.pub"}) ::unlink((path_ + name).c_str());
    ::rmdir(path_.c_str());
  }
  WorkFolder(WorkFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  WorkFolder& operator=(WorkFolder&&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  explicit WorkFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

Status check_wanted(const SshCertificate& wanted) {
  const auto bad = [](std::string_view what) { return Error{Errc::kInvalidArgument, fmt::format("SSH certificate: {}", what)}; };
  if (!is_one_line(wanted.public_key) || wanted.public_key.find(' ') == std::string::npos) return bad("no public key in one line");
  if (!is_one_line(wanted.identity)) return bad("no identity in one line");
  if (wanted.principals.empty()) return bad("no principal");
  for (const std::string& principal : wanted.principals) {
    if (!is_one_line(principal) || principal.find_first_of(", *?") != std::string::npos)
      return bad(fmt::format("'{}' is no principal", principal));
  }
  if (wanted.validity < std::chrono::minutes(1)) return bad("a validity below one minute");
  return {};
}

Result<std::string> sign(const StateDir& dir, std::string_view ca, bool host, const SshCertificate& wanted, const RunTool& run) {
  if (const auto fine = check_wanted(wanted); !fine) return fine.error();
  const auto key = dir.read_secret(ca);
  if (!key) return key.error();
  if (!*key) return Error{Errc::kNotFound, fmt::format("{} is not here: make the SSH CA first", dir.path(ca))};
  const auto folder = WorkFolder::make(dir);
  if (!folder) return folder.error();
  const std::string file = folder->path() + "/key.pub";
  if (const auto written = write_file_atomically(file, wanted.public_key + "\n"); !written) return written.error();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(wanted.validity).count();
  std::vector<std::string> argv{"ssh-keygen", "-q", "-s", dir.path(ca), "-I", wanted.identity};
  if (host) argv.emplace_back("-h");
  // From five minutes ago: clocks differ before chrony runs.
  argv.insert(argv.end(), {"-n", fmt::format("{}", fmt::join(wanted.principals, ",")), "-V", fmt::format("-5m:+{}s", seconds), file});
  if (const auto done = run(argv); !done) return done.error();
  const auto made = read_small_file(folder->path() + "/key-cert.pub");
  if (!made) return made.error();
  if (!*made) return Error{Errc::kUnavailable, "ssh-keygen left no certificate"};
  return std::string(without_line_end(**made));
}

}  // namespace

Result<SshAuthority> make_ssh_ca(const StateDir& dir, std::string_view site_name, const RunTool& run) {
  auto host = ensure_key(dir, kHostCa, fmt::format("{} host CA", site_name), run);
  if (!host) return host.error();
  auto user = ensure_key(dir, kUserCa, fmt::format("{} user CA", site_name), run);
  if (!user) return user.error();
  return SshAuthority{std::move(*host), std::move(*user)};
}

Result<std::string> sign_host_key(const StateDir& dir, const SshCertificate& wanted, const RunTool& run) {
  return sign(dir, kHostCa, true, wanted, run);
}
Result<std::string> sign_user_key(const StateDir& dir, const SshCertificate& wanted, const RunTool& run) {
  return sign(dir, kUserCa, false, wanted, run);
}

std::vector<std::string> host_principals(const Site& site, const Machine& machine) {
  std::vector<std::string> out{machine.name, site.fqdn(machine)};
  const auto add = [&](const std::string& name) {
    if (std::find(out.begin(), out.end(), name) == out.end()) out.push_back(name);
  };
  for (const auto& [network, address] : machine.addresses) add(address.to_string());
  if (machine.ssh_address) add(machine.ssh_address->to_string());
  return out;
}

}  // namespace fairlead::bootstrap
