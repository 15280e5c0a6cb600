// How the guard tells the other nodes. membership/ implements it with a CPG membership of the guard's own; tests with a file.
#pragma once

#include "base/cluster_message.h"
#include "base/result.h"

namespace fairlead::vip {

/// Used by the guard's only thread, which may wait a little: nothing else depends on it by then.
class ReleaseVoice {
 public:
  virtual ~ReleaseVoice() = default;
  /// Readable when dispatch() has something to do; -1: nothing now. Asked anew before each wait.
  [[nodiscard]] virtual int fd() const = 0;
  /// Reads what came (a member of the group that does not read makes Corosync grow) and reconnects when it has to.
  virtual void dispatch() = 0;
  /// Errors: any; the guard tries again until its patience ends.
  [[nodiscard]] virtual Status say(const Released& released) = 0;
};

}  // namespace fairlead::vip
