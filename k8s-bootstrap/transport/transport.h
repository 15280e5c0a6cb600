// How a machine is reached. One implementation runs OpenSSH (ssh_transport.h), one runs on this machine or in a namespace of a lab
// (local_transport.h). Calls block and may be made from several threads at once, for different machines.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace fairlead::bootstrap {

struct RemoteCommand {
  std::string script;  ///< For sh as root (sudo -n where the user is another one). It goes by standard input, never as an argument.
  std::string input;   ///< The script's own standard input.
  Duration timeout = std::chrono::minutes(1);
  bool secret = false;  ///< Script, input and output appear in no log.
};
struct RemoteResult {
  int exit_code = 0;
  std::string output;  ///< Standard output.
  std::string errors;  ///< Standard error.
};

class Transport {
 public:
  virtual ~Transport() = default;
  /// Runs it to its end. Exit codes of the script are results. Errors name the machine, the cause and the remedy:
  /// kUnavailable (no route, refused, name unknown; with sys_errno ECONNRESET: cut while it ran, it may have had its effect), kPermission
  /// (key, sudo), kTimeout, kConflict (the host key is another one than before).
  [[nodiscard]] virtual Result<RemoteResult> run(const std::string& machine, const RemoteCommand& command) = 0;
  /// Puts a file of this machine there: beside, synced, renamed, with `mode`. Errors: also kLimitExceeded (disk full).
  [[nodiscard]] virtual Status put(const std::string& machine, const std::string& from, const std::string& to, unsigned mode) = 0;
  /// Fetches a file into `to` (0600, beside and renamed).
  [[nodiscard]] virtual Status fetch(const std::string& machine, const std::string& from, const std::string& to) = 0;
};

}  // namespace fairlead::bootstrap
