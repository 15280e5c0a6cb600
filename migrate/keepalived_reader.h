// fairlead: pure
// keepalived.conf -> virtual IPs, who prefers them, and nodes as far as they are told. Each file is one node's, unless another one
// includes it; files of several nodes join by the addresses they have in common. Reference: keepalived.conf(5) of 2.2.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "config/problem.h"
#include "migrate/ledger.h"
#include "migrate/migrate.h"
#include "migrate/wanted.h"

namespace fairlead::migrate {

/// `inputs`: all files of keepalived.
[[nodiscard]] std::vector<config::Problem> read_keepalived(const std::vector<const Input*>& inputs, Ledger& ledger, Wanted& wanted);

}  // namespace fairlead::migrate
