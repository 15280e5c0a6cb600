// Carries a plan out: several machines at once, a journal line before and after each step, and what happens told to a Watcher.
//
//   E1  A step's begin is in the journal, on the disk, before its first operation.
//   E2  What a Watcher, the journal or an error gets is masked (secret_box.h); output of a secret script is never told.
//   E3  After a failure or a stop no step begins; scripts that run on machines are not ended: they go on there, and the next run finds
//       them.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "k8s-bootstrap/apply/hands.h"
#include "k8s-bootstrap/apply/journal_file.h"
#include "k8s-bootstrap/apply/secret_box.h"
#include "k8s-bootstrap/plan/plan.h"

namespace fairlead::bootstrap {

/// Told from the thread of the step; calls never overlap.
class Watcher {
 public:
  virtual ~Watcher() = default;
  virtual void begins(const Step& step) = 0;
  virtual void says(const Step& step, std::string_view line) = 0;                      ///< Waiting for what, which file: one line, masked.
  virtual void ends(const Step& step, Duration took, const std::string& failure) = 0;  ///< `failure` empty: done.
};

struct RunOptions {
  unsigned parallel = 8;
  std::function<bool()> stop;  ///< A signal came: looked at between steps and while waiting. Null: never. Any thread asks.
};
struct RunSummary {
  std::size_t done = 0;
  std::size_t failed = 0;
  std::size_t not_begun = 0;
  bool stopped = false;
  Duration took{};
  std::string first_failure;  ///< "mast-2/join: cause (remedy)"
};

/// Errors: the journal cannot be written (nothing more was begun then). A step that fails is no error of this function but in the summary.
[[nodiscard]] Result<RunSummary> run_plan(const Plan& plan, const std::string& run, Hands& hands, JournalFile& journal, SecretBox& secrets,
                                          Watcher& watcher, const Clock& clock, const RunOptions& options);

}  // namespace fairlead::bootstrap
