#include "dnsdhcp/config_files.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <memory>
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/fd.h"
#include "base/system_clock.h"

namespace fairlead::dnsdhcp {
namespace {

constexpr std::size_t kSaidMax = 4096;  ///< Of dnsmasq's words.
constexpr mode_t kFileMode = 0600;
constexpr mode_t kFolderMode = 0700;

Status make_folder(const std::string& path) {
  if (::mkdir(path.c_str(), kFolderMode) == 0 || errno == EEXIST) return {};
  return errno_error("make " + path);
}

/// Names in a folder, those with a dot in front too; empty when there is no such folder.
Result<std::vector<std::string>> names_in(const std::string& folder) {
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(folder.c_str()), &::closedir);
  if (!dir && errno == ENOENT) return std::vector<std::string>{};
  if (!dir) return errno_error("read " + folder);
  std::vector<std::string> out;
  errno = 0;
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") out.push_back(name);
  }
  if (errno != 0) return errno_error("read " + folder);
  std::sort(out.begin(), out.end());
  return out;
}

Status remove_file(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  return errno_error("remove " + path);
}

Status write_new(const std::string& path, std::string_view text) {
  if (auto gone = remove_file(path); !gone) return gone;  // Whatever lies there may be somebody else's, open, or a link.
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, kFileMode));
  if (!fd.valid()) return errno_error("create " + path);
  while (!text.empty()) {
    const auto n = ::write(fd.get(), text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("write " + path);
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

/// "hosts/mast.net" -> "hosts/.mast.net"
std::string hidden(const std::string& path) {
  const auto slash = path.rfind('/');
  const std::size_t name = slash == std::string::npos ? 0 : slash + 1;
  return path.substr(0, name) + "." + path.substr(name);
}

struct Ended {
  int exit_code = 0;
  std::string said;
};

/// Reads until the other end is closed, or the time is over.
bool read_all(int fd, Instant until, std::string& out) {
  const SystemClock clock;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - clock.now()).count();
    if (left <= 0) return false;
    pollfd waited{fd, POLLIN, 0};
    const int ready = ::poll(&waited, 1, static_cast<int>(left));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return false;
    std::array<char, 1024> block{};
    const ssize_t n = ::read(fd, block.data(), block.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return true;
    if (out.size() < kSaidMax) out.append(block.data(), static_cast<std::size_t>(n));
  }
}

/// Runs a program to its end, nothing on its input, both outputs together.
Result<Ended> run(const std::vector<std::string>& argv, Duration time) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return errno_error("pipe");
  const Fd in(ends[0]);
  Fd out(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out.get(), STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  sigset_t all;
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::vector<char*> words;
  words.reserve(argv.size() + 1);
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));  // NOLINT(cppcoreguidelines-pro-type-const-cast)
  words.push_back(nullptr);
  std::string locale = "LC_ALL=C";  // Its complaints are read.
  const std::array<char*, 2> environment{locale.data(), nullptr};
  pid_t child = 0;
  const int failed = ::posix_spawnp(&child, words.front(), &actions, &attributes, words.data(), environment.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return errno_error("start " + argv.front(), failed);
  out.reset();
  Ended ended;
  const SystemClock clock;
  const bool whole = read_all(in.get(), clock.now() + time, ended.said);
  if (!whole) ::kill(child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return errno_error("wait for " + argv.front());
  }
  if (!whole) return Error{Errc::kTimeout, argv.front() + " did not end in time"};
  ended.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return ended;
}

std::string line_at(const std::string& text, std::size_t line) {
  std::size_t begin = 0;
  for (std::size_t i = 0; i < line; ++i) {
    begin = text.find('\n', begin);
    if (begin == std::string::npos) return "";
    ++begin;
  }
  return text.substr(begin, text.find('\n', begin) - begin);
}

/// "dnsmasq refuses dnsdhcp.networks[0].options[1].value: bad dhcp-option at line 31 (dhcp-option=tag:net-mast,...)"
std::string complaint(const std::string& said, const std::string& conf, const std::vector<std::string>& keys) {
  const auto begin = std::min(said.find_first_not_of('\n'), said.size());  // It begins with an empty line.
  std::string words = said.substr(begin, said.find('\n', begin) - begin);
  if (words.starts_with("dnsmasq: ")) words.erase(0, 9);
  const auto number = line_of_complaint(words);
  if (!number || *number == 0 || *number > keys.size()) return "dnsmasq refuses its configuration: " + words;
  const auto of = words.rfind(" of ");
  words.erase(of == std::string::npos ? words.size() : of);
  const std::string& key = keys[*number - 1];
  return fmt::format("dnsmasq refuses {}: {} ({})", key.empty() ? "its configuration" : key, words, line_at(conf, *number - 1));
}

}  // namespace

std::optional<std::size_t> line_of_complaint(std::string_view said) {
  constexpr std::string_view kMark = " at line ";
  const auto at = said.find(kMark);
  if (at == std::string_view::npos) return std::nullopt;
  std::size_t out = 0;
  const char* begin = said.data() + at + kMark.size();
  const auto [end, failed] = std::from_chars(begin, said.data() + said.size(), out);
  if (failed != std::errc{} || end == begin) return std::nullopt;
  return out;
}

Status ConfigFiles::prepare() const {
  for (const std::string& folder :
       {directory_, fmt::format("{}/{}", directory_, kHostsFolder), fmt::format("{}/{}", directory_, kDhcpHostsFolder)}) {
    if (auto made = make_folder(folder); !made) return made;
    auto names = names_in(folder);
    if (!names) return names.error();
    for (const std::string& name : *names) {
      if (folder == directory_ && name != hidden(std::string(kConfFile))) continue;  // Others keep files here too.
      if (!name.starts_with('.')) continue;
      if (auto gone = remove_file(folder + "/" + name); !gone) return gone;
    }
  }
  return {};
}

Result<std::optional<Rendered>> ConfigFiles::read() const {
  auto conf = read_small_file(fmt::format("{}/{}", directory_, kConfFile));
  if (!conf) return conf.error();
  if (!*conf) return std::optional<Rendered>{};
  Rendered out;
  out.conf = std::move(**conf);
  for (const auto& [folder, texts] : {std::pair(kHostsFolder, &out.hosts), std::pair(kDhcpHostsFolder, &out.dhcp_hosts)}) {
    const std::string path = fmt::format("{}/{}", directory_, folder);
    auto names = names_in(path);
    if (!names) return names.error();
    for (const std::string& name : *names) {
      if (name.starts_with('.')) continue;
      auto text = read_small_file(path + "/" + name);
      if (!text) return text.error();
      if (*text) (*texts)[name] = std::move(**text);
    }
  }
  return std::optional(std::move(out));
}

Status ConfigFiles::test(const Rendered& rendered, const std::string& scratch, Duration time) const {
  std::string conf = rendered.conf;
  std::vector<std::string> keys = rendered.conf_keys;
  for (const auto& [host, text] : rendered.dhcp_hosts) {
    for (std::string_view rest = text; !rest.empty();) {
      const std::string_view line = rest.substr(0, rest.find('\n'));
      conf += "dhcp-host=" + std::string(line) + "\n";
      keys.push_back("dnsdhcp.hosts: " + host);
      rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    }
  }
  if (auto made = make_folder(scratch); !made) return made;
  const std::string file = fmt::format("{}/{}", scratch, kConfFile);
  if (auto written = write_new(file, conf); !written) return written;
  auto ended = run({dnsmasq_, "--test", "--conf-file=" + file}, time);
  (void)remove_file(file);
  if (!ended) return ended.error();
  if (ended->exit_code == 0) return {};
  return Error{Errc::kInvalidConfig, complaint(ended->said, conf, keys)};
}

Status ConfigFiles::write(const ApplyPlan& plan) const {
  const auto drop_hidden = [&] {
    for (const FileWrite& file : plan.writes) (void)remove_file(directory_ + "/" + hidden(file.path));
  };
  for (const FileWrite& file : plan.writes) {
    if (auto written = write_new(directory_ + "/" + hidden(file.path), file.text); !written) {
      drop_hidden();
      return written;
    }
  }
  for (const std::string& path : plan.removals) {
    if (auto gone = remove_file(directory_ + "/" + path); !gone) {
      drop_hidden();
      return gone;
    }
  }
  for (const FileWrite& file : plan.writes) {
    const std::string path = directory_ + "/" + file.path;
    if (::rename((directory_ + "/" + hidden(file.path)).c_str(), path.c_str()) == 0) continue;
    const Error failed = errno_error("rename to " + path);
    drop_hidden();
    return failed;
  }
  return {};
}

}  // namespace fairlead::dnsdhcp
