// The executor's hands on real machines: files over the transport, scripts by the step runner, the operator's own work by this process.
#pragma once

#include <functional>
#include <string>

#include "k8s-bootstrap/apply/hands.h"
#include "k8s-bootstrap/apply/step_runner.h"
#include "k8s-bootstrap/pki/state_dir.h"
#include "k8s-bootstrap/site/site.h"

namespace fairlead::bootstrap {

class RemoteHands final : public Hands {
 public:
  struct Parts {
    const Site& site;
    Transport& transport;
    const StateDir& state;
    const Clock& clock;
    std::string attempt;              ///< Of this process: scripts that give something are told apart by it.
    std::function<bool()> may_go_on;  ///< False: the lock was lost; nothing is begun any more. Null: always.
  };
  explicit RemoteHands(Parts parts) : parts_(std::move(parts)), runner_(parts_.transport) {}

  [[nodiscard]] Status write(const std::string& machine, const WriteFile& file) override;
  [[nodiscard]] Status write_all(const std::string& machine, const std::vector<WriteFile>& files) override;
  [[nodiscard]] Status copy(const std::string& machine, const CopyFile& file) override;
  [[nodiscard]] Status fetch(const std::string& machine, const FetchFile& file) override;
  [[nodiscard]] Result<RemoteResult> run(const std::string& machine, const StepKey& key, const RunScript& script) override;
  [[nodiscard]] Result<RemoteResult> ask(const std::string& machine, const std::string& script) override;
  [[nodiscard]] Status local(const Step& step, const LocalWork& work) override;

 private:
  [[nodiscard]] Status still_ours() const;
  [[nodiscard]] Status run_hook(const std::string& machine, const std::vector<std::string>& argv) const;
  [[nodiscard]] Status sign_host(const std::string& machine, const std::string& public_key, const std::string& certificate) const;

  Parts parts_;
  StepRunner runner_;
};

}  // namespace fairlead::bootstrap
