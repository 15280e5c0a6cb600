// fairlead: pure
// haproxy.cfg -> what is wanted. Carries the TCP subset; sections in `mode http` are left out, their stats page points to admin.listen.
// What a file leaves to HAProxy's defaults is written where HAProxy's differs and shows: balance, and how often and how long checks fail.
// Reference: HAProxy's configuration manual, version 2.6 to 3.0.
#pragma once

#include <string_view>

#include "migrate/ledger.h"
#include "migrate/wanted.h"

namespace fairlead::migrate {

void read_haproxy(std::string_view file, std::string_view text, Ledger& ledger, Wanted& wanted);

}  // namespace fairlead::migrate
