// What the four fuzz programs of imports have in common.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/assert.h"
#include "config/load.h"
#include "migrate/migrate.h"

namespace fairlead::migrate {

/// Any bytes as a file of `kind`: refused, or a fairlead.yaml that loads and an account of every line. Never a crash or a hang.
inline void import_fuzz(Kind kind, const std::uint8_t* data, std::size_t size) {
  // Beside it what it may clash with.
  const std::string listener = "listen kube-api\n bind 192.168.4.20:6443\n bind 127.0.0.1:9440\n server mast-1 192.168.1.11:6443 check\n";
  const std::string nodes = "nodelist {\n node {\n name: gate-1\n nodeid: 1\n ring0_addr: 192.168.4.130\n }\n}\n";
  const std::string text(reinterpret_cast<const char*>(data), size);
  for (const bool alone : {true, false}) {
    std::vector<Input> inputs{{kind, "fuzz", text}};
    if (!alone) inputs.push_back({Kind::kHaproxy, "haproxy.cfg", listener});
    if (!alone) inputs.push_back({Kind::kCorosync, "corosync.conf", nodes});
    const Migration made = migrate(inputs);
    FL_ASSERT(made.yaml.has_value() || !made.problems.empty());
    FL_ASSERT(!made.yaml || !config::has_errors(made.problems));
    for (const Note& note : made.notes) {
      FL_ASSERT(note.line >= 1 && !note.reason.empty());
      FL_ASSERT(format(note).find('\n') == std::string::npos);
    }
  }
}

}  // namespace fairlead::migrate
