// Any bytes as a file of haproxy: refused, or a fairlead.yaml that loads and an account of every line. Never a crash or a hang.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/assert.h"
#include "config/load.h"
#include "migrate/migrate.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fairlead;
  // Beside it what it may clash with.
  const std::string listener = "listen kube-api\n bind 192.168.4.20:6443\n bind 127.0.0.1:9440\n server mast-1 192.168.1.11:6443 check\n";
  const std::string nodes = "nodelist {\n node {\n name: gate-1\n nodeid: 1\n ring0_addr: 192.168.4.130\n }\n}\n";
  const std::string text(reinterpret_cast<const char*>(data), size);
  for (const bool alone : {true, false}) {
    std::vector<migrate::Input> inputs{{migrate::Kind::kHaproxy, "fuzz", text}};
    if (!alone) inputs.push_back({migrate::Kind::kHaproxy, "haproxy.cfg", listener});
    if (!alone) inputs.push_back({migrate::Kind::kCorosync, "corosync.conf", nodes});
    const migrate::Migration made = migrate::migrate(inputs);
    FL_ASSERT(made.yaml.has_value() || !made.problems.empty());
    FL_ASSERT(!made.yaml || !config::has_errors(made.problems));
    for (const migrate::Note& note : made.notes) {
      FL_ASSERT(note.line >= 1 && !note.reason.empty());
      FL_ASSERT(migrate::format(note).find('\n') == std::string::npos);
    }
  }
  return 0;
}
