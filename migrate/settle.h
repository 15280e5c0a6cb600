// fairlead: pure
// What is wanted -> one sound configuration. Joins nodes and names, decides what needs more than one file (who prefers which node, which
// VIP requires which listener), and takes out what config/ would refuse, with a note at the line it came from.
#pragma once

#include <map>
#include <string>

#include "config/settings.h"
#include "migrate/ledger.h"
#include "migrate/wanted.h"

namespace fairlead::migrate {

struct Settled {
  config::Snapshot snapshot;
  std::map<std::string, std::string> remarks;  ///< As in yaml_writer.h.
};

[[nodiscard]] Settled settle(Wanted wanted, Ledger& ledger);

}  // namespace fairlead::migrate
