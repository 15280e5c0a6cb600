// Carries out what vip/leftovers.h decides: at start, and for `fairleadd --release-vips`. Files and netlink: before the first thread, or on
// the jobs thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "vip/leftovers.h"

namespace fairlead::vip {

/// STATE_DIR/vips.journal
[[nodiscard]] std::string journal_path(const std::string& state_dir);
/// Of this boot; empty when the kernel does not say (then a journal counts for nothing).
[[nodiscard]] std::string read_boot_id();
[[nodiscard]] Status save_journal(const std::string& state_dir, const Journal& journal);
/// An empty one when there is none, or none that can be read; `why` says which.
[[nodiscard]] Journal load_journal(const std::string& state_dir, std::string& why);

struct SweepReport {
  std::vector<PresentAddress> removed;
  std::vector<Error> problems;  ///< Each with what it concerned; the rest was done all the same.
};
/// Removes the addresses, routes and rules that an earlier life left, restores the settings it changed, and empties the journal.
[[nodiscard]] SweepReport sweep_leftovers(AddressDriver& driver, const std::string& state_dir);

}  // namespace fairlead::vip
