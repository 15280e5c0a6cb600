#include "base/atomic_file.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/fd.h"

namespace fairlead {
namespace {

Status write_all(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const auto n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("write " + path);
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return ::fsync(fd) == 0 ? Status{} : Status(errno_error("flush " + path));
}

// The rename itself is on the disk once the folder is.
Status flush_folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() || ::fsync(fd.get()) != 0) return errno_error("flush " + folder);
  return {};
}

}  // namespace

Result<StagedFile> StagedFile::write(const std::string& path, std::string_view text, mode_t mode) {
  StagedFile out(path);
  const std::string beside = out.beside();
  if (::unlink(beside.c_str()) != 0 && errno != ENOENT) return errno_error("remove " + beside);
  const Fd fd(::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.valid()) return errno_error("create " + beside);
  out.lies_beside_ = true;
  if (::fchmod(fd.get(), mode) != 0) return errno_error("set the mode of " + beside);  // umask takes bits away.
  if (auto written = write_all(fd.get(), text, beside); !written) return written.error();
  return out;
}

StagedFile::StagedFile(StagedFile&& other) noexcept
    : path_(std::move(other.path_)), lies_beside_(std::exchange(other.lies_beside_, false)) {}

StagedFile::~StagedFile() {
  if (lies_beside_) ::unlink(beside().c_str());
}

Status StagedFile::put_in_place() {
  FL_ASSERT(lies_beside_);
  if (::rename(beside().c_str(), path_.c_str()) != 0) return errno_error("rename " + beside() + " to " + path_);
  lies_beside_ = false;
  return flush_folder_of(path_);
}

Status write_file_atomically(const std::string& path, std::string_view text, mode_t mode) {
  auto staged = StagedFile::write(path, text, mode);
  return staged ? staged->put_in_place() : Status(staged.error());
}

Result<std::optional<std::string>> read_small_file(const std::string& path, std::size_t bytes_max) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid() && errno == ENOENT) return std::optional<std::string>();
  if (!fd.valid()) return errno_error("open " + path);
  std::string out;
  std::array<char, 4096> buffer{};
  while (true) {
    const auto n = ::read(fd.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("read " + path);
    if (n == 0) return std::optional(std::move(out));
    out.append(buffer.data(), static_cast<std::size_t>(n));
    if (out.size() > bytes_max)
      return Error{Errc::kLimitExceeded, "read " + path + ": larger than " + std::to_string(bytes_max >> 10) + " KiB"};
  }
}

}  // namespace fairlead
