// fairlead: pure
// The one script that reads a machine: POSIX sh (dash, busybox), nothing of ours is needed there, nothing is changed there. It prints what
// tools print, in sections; what that means is decided by facts/parse_facts.h.
//
//   "@NAME"   begins a section        "|TEXT"  a line of it, as the tool or the file gave it
//   The first line is "@begin VERSION SECONDS.NANOSECONDS UID", the last "@end SECONDS.NANOSECONDS": an answer without it was cut.
//
// Sections that take long (programs' versions, names, units) run side by side; each one's output is printed whole.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "k8s-bootstrap/site/site.h"

namespace fairlead::bootstrap {

inline constexpr int kProbeVersion = 1;

/// What is asked of one machine.
struct ProbeRequest {
  std::vector<std::string> files;     ///< Absolute paths.
  std::vector<std::string> modules;   ///< "br_netfilter"
  std::vector<std::string> sysctls;   ///< "net.ipv4.ip_forward"
  std::vector<std::string> names;     ///< Resolved there; addresses: the other way round.
  std::vector<std::string> packages;  ///< Of Debian's.
  std::vector<std::string> programs;  ///< See MachineFacts::programs.
  std::vector<std::string> units;
  std::uint16_t api_port = 6443;
  std::string etcd_folder = "/var/lib/etcd";  ///< A site may have moved it (etcd.local.dataDir).
  bool operator==(const ProbeRequest&) const = default;
};
/// Where the site's etcd has its data: facts of a machine are looked for there.
[[nodiscard]] std::string etcd_folder(const Site& site);
/// What every plan wants to know of a machine with these roles. Files that are rendered for it are the caller's to add.
[[nodiscard]] ProbeRequest probe_request(const Site& site, const Machine& machine);

/// Words that cannot stand in a line (control characters) are left out; their facts are then unknown.
[[nodiscard]] std::string probe_script(const ProbeRequest& request);

}  // namespace fairlead::bootstrap
