// fairlead: pure
// haproxy.cfg -> what is wanted. Carries the TCP subset; sections in `mode http` are left out, their stats page points to admin.listen.
// What a file leaves to HAProxy's defaults is written where HAProxy's differs and shows: balance, and how often and how long checks fail.
// Reference: HAProxy's configuration manual, version 2.6 to 3.0.
#pragma once

#include <vector>

#include "migrate/ledger.h"
#include "migrate/migrate.h"
#include "migrate/wanted.h"

namespace fairlead::migrate {

/// All files together are one configuration, as with `haproxy -f FILE -f FILE`.
void read_haproxy(const std::vector<const Input*>& inputs, Ledger& ledger, Wanted& wanted);

}  // namespace fairlead::migrate
