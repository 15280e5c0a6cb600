// fairlead: pure
// Names that a machine must resolve without asking anybody, as a block of /etc/hosts between two marks. The rest of the file is other
// people's: of it nothing is read and nothing changed.
//
// How the block's state is a fact: what is rendered is the block itself, marks included, written to kHostsBlockPath; its `applies` puts it
// into /etc/hosts in place of the block there. The fact of the file kHostsBlockPath is read from what stands between the marks of
// /etc/hosts (hosts_block_fact), not from the file: so a block that somebody edited, or that a boot took away, is seen. Both have the same
// SHA-256 when all is well, therefore a plain hash of the file is a weaker answer, not a wrong one.
#pragma once

#include <string>
#include <string_view>

#include "k8s-bootstrap/site/site.h"

namespace fairlead::bootstrap {

inline constexpr std::string_view kHostsPath = "/etc/hosts";
inline constexpr std::string_view kHostsBlockPath = "/var/lib/fairlead/bootstrap/hosts.block";
inline constexpr std::string_view kHostsBegin = "# BEGIN fairlead bootstrap (written anew when the site changes)";
inline constexpr std::string_view kHostsEnd = "# END fairlead bootstrap";

/// The block of `machine`, marks included: its own name; storage machines where they are mounted; every machine on a bastion, and on each
/// machine of a site without gateways, whose DNS knows them elsewhere.
[[nodiscard]] std::string hosts_block(const Site& site, const Machine& machine);

/// `existing` with `block` in place of the block it has, or behind it. A begin mark without an end is a line like any other.
[[nodiscard]] std::string merge_hosts(std::string_view existing, std::string_view block);
/// The block that stands in `existing`, marks included; empty: none.
[[nodiscard]] std::string block_in_hosts(std::string_view existing);

/// merge_hosts as a script: the file `block` into the file `hosts`, which is replaced as a whole (written in place if it is a mount).
[[nodiscard]] std::string merge_hosts_script(std::string_view block, std::string_view hosts);
/// block_in_hosts as a command that prints it.
[[nodiscard]] std::string hosts_block_fact(std::string_view hosts);

}  // namespace fairlead::bootstrap
