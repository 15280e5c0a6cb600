// A small file that is either the old one or the new one, whatever happens: written beside, flushed, renamed over. Waits for the disk, so
// it belongs to the jobs thread or to a start.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <utility>

#include "base/result.h"

namespace fairlead {

inline constexpr std::size_t kSmallFileBytesMax = 1 << 20;

/// A file that lies whole beside its place, as PATH.new, and is not there yet. Dropped without put_in_place() nothing is left of it.
/// For several files that shall come together: write all, and only then put them in place.
class StagedFile {
 public:
  /// The file gets exactly this mode, before the first byte is in it. Whatever lies there as PATH.new is removed and never written to: it
  /// may be somebody else's, open, or a link. Errors: those of unlink(2), open(2), fchmod(2), write(2), fsync(2).
  [[nodiscard]] static Result<StagedFile> write(const std::string& path, std::string_view text, mode_t mode = 0600);
  ~StagedFile();
  StagedFile(StagedFile&& other) noexcept;
  StagedFile& operator=(StagedFile&&) = delete;

  /// Once. Errors: those of rename(2) and of flushing the folder.
  [[nodiscard]] Status put_in_place();
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  explicit StagedFile(std::string path) : path_(std::move(path)) {}
  [[nodiscard]] std::string beside() const { return path_ + ".new"; }
  std::string path_;
  bool lies_beside_ = false;
};

/// Both steps. Errors: those of both.
/// Nothing is left of a failed attempt.
[[nodiscard]] Status write_file_atomically(const std::string& path, std::string_view text, mode_t mode = 0600);
/// Nothing when there is no such file. Errors: kLimitExceeded (larger than `bytes_max`), those of open(2) and read(2).
[[nodiscard]] Result<std::optional<std::string>> read_small_file(const std::string& path, std::size_t bytes_max = kSmallFileBytesMax);

}  // namespace fairlead
