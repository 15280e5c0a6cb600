// By which connection somebody works on this machine.
#pragma once

#include <string>

namespace fairlead::cli {

/// SSH_CONNECTION of this process, else of the nearest of those that started it (sudo takes it out of the environment). Empty: none is
/// found, as on a console.
[[nodiscard]] std::string ssh_session();

}  // namespace fairlead::cli
