// fairlead: pure
// A Pacemaker configuration -> virtual IPs, groups, placement, names of nodes. IPaddr2 becomes a VIP, HAProxy becomes Fairlead itself,
// ocf:pacemaker:ping a tracked router; what else Pacemaker started stays with systemd. Reference: Pacemaker Explained, 2.1.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/problem.h"
#include "migrate/ledger.h"
#include "migrate/wanted.h"

namespace fairlead::migrate {

/// `crm configure show` or CIB XML: told apart by the first character.
[[nodiscard]] std::vector<config::Problem> read_pacemaker(const std::string& file, std::string_view text, Ledger& ledger, Wanted& wanted);

}  // namespace fairlead::migrate
