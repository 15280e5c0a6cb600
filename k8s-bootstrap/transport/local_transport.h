// A machine that is this one, or a node of a lab on it, entered by the namespaces of a process. For labs, tests and `local` sites; the
// caller is root.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include "k8s-bootstrap/transport/shell_transport.h"

namespace fairlead::bootstrap {

class LocalTransport final : public ShellTransport {
 public:
  struct Place {
    std::optional<pid_t> inside;  ///< A process whose network, mounts, host name and processes are the machine's; absent: this machine.
    /// Of nsenter: those that differ. A node may have some of its own only.
    std::vector<std::string> namespaces = {"--net", "--mount", "--uts", "--pid"};
  };
  explicit LocalTransport(std::map<std::string, Place> places) : places_(std::move(places)) {}

 protected:
  [[nodiscard]] Result<RemoteResult> hold(const std::string& machine, const Session& session) override;

 private:
  std::map<std::string, Place> places_;
};

}  // namespace fairlead::bootstrap
