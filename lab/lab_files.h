// fairlead: pure
// Texts of the files in a lab's nodes.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lab/lab_plan.h"

namespace fairlead::lab {

/// fairlead.yaml of one gateway; all are the same but for `node`.
[[nodiscard]] std::string gateway_yaml(const LabPlan& plan, const LabNode& node);
inline constexpr std::string_view kTftpRoot = "/etc/lab/tftp";
/// Name and text of what a machine that boots from the network can get.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> boot_files();
/// What busybox udhcpc runs: address, default route and resolver become what it was told, and
/// /run/udhcpc.told has it.
[[nodiscard]] std::string udhcpc_script();
/// One nginx process that answers with its own name, over TLS, on the port of an API server.
[[nodiscard]] std::string nginx_conf(const LabNode& node);
/// /etc/hosts: every node by name, and the VIP as "api".
[[nodiscard]] std::string hosts_file(const LabPlan& plan);
/// "IP:192.168.1.11,IP:192.168.4.20,...": what a backend's certificate is for. A kubeadm cluster's servers have the VIP in theirs, too.
[[nodiscard]] std::string certificate_names(const LabNode& node);

}  // namespace fairlead::lab
