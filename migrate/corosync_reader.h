// fairlead: pure
// corosync.conf -> cluster: its name, timing, nodes with their links, qdevice. What `fairlead cluster render` writes by itself is not a
// setting of fairlead.yaml. Reference: corosync.conf(5) of 3.1.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "config/problem.h"
#include "migrate/ledger.h"
#include "migrate/wanted.h"

namespace fairlead::migrate {

[[nodiscard]] std::optional<config::Problem> read_corosync(const std::string& file, std::string_view text, Ledger& ledger, Wanted& wanted);

/// Words of corosync.conf that are known; for the test that each is decided about.
[[nodiscard]] std::vector<std::string_view> corosync_words_known();

}  // namespace fairlead::migrate
