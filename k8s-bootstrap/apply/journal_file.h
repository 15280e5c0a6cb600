// The journal's file in state_dir: lines appended and flushed to the disk before what they announce is done. A file that cannot be written
// is an error of the run: a run that cannot be resumed is not begun.
#pragma once

#include <mutex>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "k8s-bootstrap/apply/journal_lines.h"

namespace fairlead::bootstrap {

class JournalFile {
 public:
  /// Opens or makes it (0600), and reads what is there. Errors: those of open(2) and read(2).
  [[nodiscard]] static Result<JournalFile> open(const std::string& path);
  JournalFile(JournalFile&& other) noexcept;
  JournalFile& operator=(JournalFile&&) = delete;

  [[nodiscard]] const Journal& before() const { return before_; }  ///< As it was when it was opened.
  /// Threads: any. Errors: those of write(2) and fdatasync(2), the path named.
  [[nodiscard]] Status append(const JournalLine& line);

 private:
  JournalFile(std::string path, Fd fd, Journal before) : path_(std::move(path)), fd_(std::move(fd)), before_(std::move(before)) {}

  std::string path_;
  Fd fd_;  ///< mutex_
  Journal before_;
  std::mutex mutex_;
};

}  // namespace fairlead::bootstrap
