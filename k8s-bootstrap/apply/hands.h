// What the executor needs from the world, one call per kind of operation. remote_hands.h has the machines behind it; tests have fakes.
// Calls block and come from several threads at once, for different machines. Texts are filled in already; secrets go by standard input.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "k8s-bootstrap/plan/plan.h"
#include "k8s-bootstrap/transport/transport.h"

namespace fairlead::bootstrap {

/// By which a machine knows a script again: the run, the step, and which of its operations.
struct StepKey {
  std::string run;
  std::string step;
  std::size_t operation = 0;
  std::string digest{};  ///< Of script and input before their placeholders were filled: what is done was done with this text.
};

class Hands {
 public:
  virtual ~Hands() = default;
  [[nodiscard]] virtual Status write(const std::string& machine, const WriteFile& file) = 0;
  /// One after the other, each whole or not at all; the first that fails ends it and is named.
  [[nodiscard]] virtual Status write_all(const std::string& machine, const std::vector<WriteFile>& files) {
    for (const WriteFile& file : files)
      if (auto written = write(machine, file); !written) return written;
    return {};
  }
  [[nodiscard]] virtual Status copy(const std::string& machine, const CopyFile& file) = 0;
  [[nodiscard]] virtual Status fetch(const std::string& machine, const FetchFile& file) = 0;
  /// A script with an effect: it survives a cut connection, and one that this run has done already is not run again, unless it `gives`
  /// something, is to be done `again`, or had another text. The result is that of its end.
  [[nodiscard]] virtual Result<RemoteResult> run(const std::string& machine, const StepKey& key, const RunScript& script) = 0;
  /// A script without an effect, asked now.
  [[nodiscard]] virtual Result<RemoteResult> ask(const std::string& machine, const std::string& script) = 0;
  [[nodiscard]] virtual Status local(const Step& step, const LocalWork& work) = 0;
};

}  // namespace fairlead::bootstrap
