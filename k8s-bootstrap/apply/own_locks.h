// Which locks on machines are left of runs from this state_dir that were killed: state_dir/locks, lines "BOOT_ID TOKEN". The next run takes
// them over at once; without this file it would wait until they are stale (apply/lock_record.h, L1).
//
//   OL1  A run holds flock(2) on the file as long as it lives, so who gets it knows that every run in the file is over.
//   OL2  A token of another boot of this machine is not taken over: the file may be a copy, on another machine, of one whose run lives.
//   OL3  A token stands in the file, on the disk, before it stands on any machine.
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace fairlead::bootstrap {

class OwnLocks {
 public:
  /// `boot_id`: of this machine, now. Errors: those of open(2), read(2), write(2).
  [[nodiscard]] static Result<OwnLocks> open(const std::string& path, const std::string& boot_id, const std::string& token);
  /// Tokens of runs that are over. Empty also when another run from this state_dir is alive.
  [[nodiscard]] const std::vector<std::string>& former() const { return former_; }

 private:
  OwnLocks(Fd fd, std::vector<std::string> former) : fd_(std::move(fd)), former_(std::move(former)) {}
  Fd fd_;  ///< Locked while this lives, unless another has it.
  std::vector<std::string> former_;
};

}  // namespace fairlead::bootstrap
