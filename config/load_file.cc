#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/result.h"
#include "config/limits.h"
#include "config/load.h"

namespace fairlead::config {

Result<std::string> read_text_file(const std::string& path) {
  // O_NONBLOCK: opening a FIFO must not hang; it is refused below.
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) return errno_error("cannot open the file");
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return errno_error("cannot open the file");
  if (S_ISDIR(info.st_mode)) return errno_error("cannot read the file", EISDIR);
  if (!S_ISREG(info.st_mode)) return Error{Errc::kInvalidArgument, "not a regular file"};
  std::string text;
  std::array<char, 64 * 1024> chunk{};
  while (text.size() <= kFileBytesMax) {
    const ssize_t got = ::read(fd.get(), chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error("cannot read the file");
    if (got == 0) break;
    text.append(chunk.data(), static_cast<std::size_t>(got));
  }
  return text;
}

namespace {

std::string hint_of(Errc code) {
  switch (code) {
    case Errc::kNotFound: return "check the path; examples/minimal.yaml is one to start from";
    case Errc::kPermission: return "check owner and mode of the file and its directories";
    default: return "";
  }
}

}  // namespace

LoadResult load_file(const std::string& path, const Environment& environment) {
  const auto text = read_text_file(path);
  if (!text) return {std::nullopt, {{path, 1, 1, Severity::kError, text.error().message(), hint_of(text.error().code)}}};
  return load_text(*text, path, environment);
}

}  // namespace fairlead::config
