#include "daemon/trace_file.h"

#include <cerrno>
#include <unistd.h>
#include <utility>

#include "base/log.h"
#include "base/result.h"

namespace fairlead::daemon {
namespace {

/// 0, or errno.
int write_all(int fd, const std::string& text) {
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t written = ::write(fd, text.data() + done, text.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    done += static_cast<std::size_t>(written);
  }
  return 0;
}

}  // namespace

TraceFile::TraceFile(Fd file, PostJob post_job) : disk_(std::make_shared<Disk>(std::move(file))), post_job_(std::move(post_job)) {}

/// Behind what is being written: jobs are done in order.
TraceFile::~TraceFile() {
  disk_->busy = false;
  flush();
}

void TraceFile::add(const std::string& line) {
  if (ended_) return;
  added_ += line.size();
  if (added_ > kTraceBytesMax) {
    flush();
    return end("it has 1 GiB");
  }
  waiting_ += line;
  if (waiting_.size() > kTraceFlushAt) flush();
  if (waiting_.size() > kTraceWaitingMax) end("the disk is too slow");
}

void TraceFile::flush() {
  if (const int error = disk_->error; error != 0 && !ended_) end(errno_error("write", error).message());
  if (waiting_.empty() || disk_->busy.exchange(true)) return;
  const auto text = std::make_shared<const std::string>(std::exchange(waiting_, {}));
  const bool posted = post_job_([disk = disk_, text] {
    if (disk->error == 0) disk->error = write_all(disk->file.get(), *text);
    disk->busy = false;
  });
  if (posted) return;
  disk_->busy = false;
  end("too many jobs are waiting");
}

void TraceFile::end(const std::string& reason) {
  ended_ = true;
  waiting_.clear();
  FL_LOG(TRACE_ENDED, "reason", reason);
}

}  // namespace fairlead::daemon
