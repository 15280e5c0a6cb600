// `fairlead lab`: gateways, backends and clients to try things out, in namespaces of this machine. Needs no daemon of the machine's.
#pragma once

#include <string>
#include <vector>

#include "cli/invocation.h"
#include "lab/lab_plan.h"

namespace fairlead::cli {

/// `attach`: returns only when a signal comes or the lab is gone, and takes a lab that it made along.
void lab_up(const lab::LabOptions& options, bool attach, const GlobalOptions& global, CliEnvironment& environment);
void lab_down(const std::string& name, CliEnvironment& environment);
void lab_status(const std::string& name, const GlobalOptions& global, CliEnvironment& environment);
/// The command's own exit code becomes the program's.
void lab_exec(const std::string& name, const std::string& node, const std::vector<std::string>& command, CliEnvironment& environment);

/// Why a gateway with this answer to /api/v1/status does not serve yet; empty when it does. Pure.
[[nodiscard]] std::string what_is_missing(const std::string& status_json, std::size_t nodes);

}  // namespace fairlead::cli
