// fairlead: pure
// Names of the checks of machines that `preflight.ignore` may hold (k8s-bootstrap/plan/plan_preflight.h): ours, and beside them kubeadm's,
// which it is handed (ignorePreflightErrors; it compares without case).
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace fairlead::bootstrap {

/// "port-N" stands for the port's number.
inline constexpr std::array<std::string_view, 20> kPreflightChecks = {
    "address",    "arch",         "cgroup-v2",       "clock",   "cpus",
    "disk",       "fairlead",     "host-name",       "kernel",  "mac",
    "machine-id", "memory",       "name-resolution", "os",      "own-preparation",
    "port-N",     "product-uuid", "runtime",         "systemd", "vip-in-use"};

[[nodiscard]] inline bool is_own_check(std::string_view name) {
  const bool port = name.starts_with("port-") && name.find_first_not_of("0123456789", 5) == std::string_view::npos;
  return port || std::find(kPreflightChecks.begin(), kPreflightChecks.end(), name) != kPreflightChecks.end();
}

/// Beginnings of kubeadm 1.36's names, of those that may be ignored. FileAvailable and DirAvailable are its guard against a second init.
[[nodiscard]] inline bool is_kubeadm_check(std::string_view name) {
  constexpr std::array<std::string_view, 19> kNames = {"controlplanenodesready",
                                                       "coredns",
                                                       "cri",
                                                       "createjob",
                                                       "externaletcdversion",
                                                       "fileexisting-",
                                                       "filecontent-",
                                                       "firewalld",
                                                       "hostname",
                                                       "httpproxy",
                                                       "imagepull",
                                                       "isprivilegeduser",
                                                       "kubeletversion",
                                                       "kubernetesversion",
                                                       "mem",
                                                       "numcpu",
                                                       "service-",
                                                       "staticpodmanifest",
                                                       "swap"};
  if (name == "systemverification" || name.starts_with("containerruntime") || name.starts_with("port-")) return true;
  return std::any_of(kNames.begin(), kNames.end(), [&](std::string_view known) { return name.starts_with(known); });
}

}  // namespace fairlead::bootstrap
