#include "k8s-bootstrap/apply/own_locks.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "k8s-bootstrap/facts/fact_words.h"

namespace fairlead::bootstrap {
namespace {

/// Runs that were killed one after the other within a minute.
constexpr std::size_t kKept = 16;
constexpr std::size_t kTokenMax = 64;

/// Letters and digits: it goes into a script's list of words.
bool is_token(std::string_view text) {
  const auto good = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  return !text.empty() && text.size() <= kTokenMax && std::all_of(text.begin(), text.end(), good);
}

std::vector<std::string> tokens(std::string_view text, std::string_view boot_id) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const auto end = text.find('\n');
    Words words(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const std::string_view boot = words.next();
    const std::string_view token = words.next();
    if (boot == boot_id && is_token(token)) out.emplace_back(token);  // OL2
  }
  if (out.size() >= kKept) out.erase(out.begin(), out.end() - (kKept - 1));
  return out;
}

}  // namespace

Result<OwnLocks> OwnLocks::open(const std::string& path, const std::string& boot_id, const std::string& token) {
  const auto failed = [&path] { return errno_error(fmt::format("{}", path)); };
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.valid()) return failed();
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return failed();
    return OwnLocks(Fd(), {});
  }
  auto text = read_small_file(path);
  if (!text) return text.error();
  std::vector<std::string> former = tokens(text->value_or(""), boot_id);
  std::string lines;
  for (const std::string& one : former) lines += fmt::format("{} {}\n", boot_id, one);
  lines += fmt::format("{} {}\n", boot_id, token);
  // In its place, not renamed over: the lock is on this file. A kill in between loses tokens, and with them a minute.
  if (::ftruncate(fd.get(), 0) != 0 || ::pwrite(fd.get(), lines.data(), lines.size(), 0) != static_cast<ssize_t>(lines.size()) ||
      ::fdatasync(fd.get()) != 0)
    return failed();
  return OwnLocks(std::move(fd), std::move(former));
}

}  // namespace fairlead::bootstrap
