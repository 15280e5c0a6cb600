#include "k8s-bootstrap/apply/journal_file.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace fairlead::bootstrap {
namespace {

/// Years of runs; what is beyond is not the journal of this program.
constexpr std::size_t kJournalBytesMax = std::size_t{64} << 20U;

Status write_all(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(fmt::format("journal {}", path));
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  if (::fdatasync(fd) != 0) return errno_error(fmt::format("journal {}", path));
  return {};
}

Result<std::string> read_all(int fd, const std::string& path) {
  std::string text;
  std::array<char, 65536> buffer{};
  for (;;) {
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(fmt::format("journal {}", path));
    if (n == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(n));
    if (text.size() > kJournalBytesMax) {
      return Error{Errc::kLimitExceeded,
                   fmt::format("journal {}: larger than {} MiB; move it away, apply works without it", path, kJournalBytesMax >> 20U)};
    }
  }
}

}  // namespace

JournalFile::JournalFile(JournalFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::move(other.fd_)), before_(std::move(other.before_)) {}

Result<JournalFile> JournalFile::open(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.valid()) return errno_error(fmt::format("journal {}", path));
  auto text = read_all(fd.get(), path);
  if (!text) return text.error();
  // A torn last line would swallow the next one.
  if (!text->empty() && text->back() != '\n') {
    if (auto ended = write_all(fd.get(), "\n", path); !ended) return ended.error();
  }
  return JournalFile(path, std::move(fd), parse_journal(*text));
}

Status JournalFile::append(const JournalLine& line) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return write_all(fd_.get(), journal_line(line), path_);
}

}  // namespace fairlead::bootstrap
