// What the transports share: a transport that can give a shell its standard input and hand back what it says can run scripts and move
// files. A file goes by `cat`, beside its place, is counted, synced and renamed; nothing but a shell and coreutils is needed there.
#pragma once

#include <functional>
#include <string>

#include "base/run_program.h"
#include "k8s-bootstrap/transport/shell_session.h"
#include "k8s-bootstrap/transport/transport.h"

namespace fairlead::bootstrap {

class ShellTransport : public Transport {
 public:
  [[nodiscard]] Result<RemoteResult> run(const std::string& machine, const RemoteCommand& command) final;
  [[nodiscard]] Status put(const std::string& machine, const std::string& from, const std::string& to, unsigned mode) final;
  [[nodiscard]] Status fetch(const std::string& machine, const std::string& from, const std::string& to) final;

 protected:
  struct Session {
    const RemoteCommand& command;
    int input_fd = -1;                                ///< What follows the command's own input.
    std::function<bool(std::string_view)> on_output;  ///< In place of keeping it.
  };
  /// Errors: those of Transport::run. A script's exit code is a result.
  [[nodiscard]] virtual Result<RemoteResult> hold(const std::string& machine, const Session& session) = 0;

  /// The call's input and sink from the session's; argv is the caller's.
  [[nodiscard]] static ProgramCall call_for(const Session& session, SessionOutput& output, std::string& kept);
};

}  // namespace fairlead::bootstrap
