// fairlead: pure
// What an operator does so that the nodes and corosync-qnetd trust each other (corosync-qdevice-net-certutil(8)). It takes keys to other
// machines, so it is told and not done.
#pragma once

#include <string>

#include "config/settings.h"

namespace fairlead::cli {

/// `node`: this one. `has_certificate`: its certificate store is there already. Empty: the cluster has no qdevice.
[[nodiscard]] std::string qdevice_steps(const config::Cluster& cluster, const std::string& node, bool has_certificate);

/// Relative to /etc/corosync: there once a node has its store, and once it has a certificate in it.
inline constexpr const char* kQdeviceStore = "qdevice/net/nssdb";

}  // namespace fairlead::cli
