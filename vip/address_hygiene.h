// What the kernel must be told of an interface that carries VIPs (ha-rules R21), and what it was told before:
//
//   arp_ignore=1           answer ARP for an address on the interface that has it alone: a VIP does not show through another one
//   arp_announce=2         ask with an address of the interface's own network: no neighbour learns a VIP as the source of our questions
//   promote_secondaries=1  removing one IPv4 address of a subnet leaves the others
//
// Values above ours stay (arp_ignore=2 is stricter than 1). Files: for the jobs thread or a start, never for the control thread.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "vip/leftovers.h"

namespace fairlead::vip {

/// What is to be changed on `device` in the network namespace of the calling thread, as it is now: what restore_settings() puts back.
/// Journal it before apply_hygiene(). Errors: kNotFound (no such interface), kInvalidArgument (no name of one), kPermission.
[[nodiscard]] Result<std::vector<JournalSetting>> plan_hygiene(const std::string& device);
/// Sets ours where `before` has another. Errors: as plan_hygiene().
[[nodiscard]] Status apply_hygiene(const std::vector<JournalSetting>& before);
/// Puts the values back, newest first. One that is no longer ours was changed by somebody since, and stays. An interface that is gone is
/// no error. Errors: kPermission; the others are restored all the same.
[[nodiscard]] Status restore_settings(const std::vector<JournalSetting>& before);

}  // namespace fairlead::vip
