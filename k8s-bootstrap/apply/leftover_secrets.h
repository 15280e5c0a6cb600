// fairlead: pure
// Secrets that a run which was killed, or a machine that booted in its middle, leaves behind: the scripts and the input of steps that never
// ended, what secret scripts said, files that a step works with. Whoever gets or gives back a machine's lock clears them, under that lock.
//
//   LO1  Of a script that may still run nothing is touched, nor are the files that steps work with while one does.
//   LO2  That a step ran, and how it ended, stays known: `step`, `boot_id`, `pid` and `rc` of its record (SR2).
#pragma once

#include <string>

namespace fairlead::bootstrap {

/// Defines the shell function `sweep`, which clears them; it fails when something cannot be removed. It reads $folder, that of the lock,
/// and $boot, the boot id; and changes the variables of look() (apply/step_record.h).
[[nodiscard]] std::string sweep_function();

}  // namespace fairlead::bootstrap
