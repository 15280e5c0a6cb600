// Verbs that ask the daemon. Each prints its result and returns, or throws VerbFailure.
#pragma once

#include <string>

#include "admin/node_port.h"
#include "cli/daemon_calls.h"

namespace fairlead::cli {

class ApiVerbs {
 public:
  explicit ApiVerbs(DaemonCalls& calls) : calls_(calls), environment_(calls.environment()) {}

  void status(bool watch);
  void list_listeners();
  void show_listener(const std::string& name);
  void set_listener(const std::string& name, bool enabled);
  void list_pools();
  void show_pool(const std::string& name);
  void list_servers();
  void show_server(const std::string& place);
  struct WaitOptions {
    bool wait = false;
    Duration timeout{};
  };
  void set_server_state(const std::string& place, admin::AdminState state, WaitOptions wait);
  void set_server_weight(const std::string& place, std::uint32_t weight);
  void add_server(const std::string& place, admin::AddServer server);
  void remove_server(const std::string& place);
  void list_connections(const admin::ConnectionFilter& filter, std::size_t limit);
  void kill_connections(admin::ConnectionFilter filter, bool all);
  void reload(bool dry_run);
  void events(bool follow, const std::string& since);

 private:
  /// Where a reader of events is.
  struct EventPlace {
    std::uint64_t after = 0;
    std::string life;
    bool begun = false;  ///< It has read before.
  };
  void wait_until_empty(const std::string& place, Duration timeout);
  void tell_scope();
  void print_event(const admin::EventInfo& event);
  /// Prints the next ones. True: there are more at once.
  bool read_events(EventPlace& place, const std::string& from);

  DaemonCalls& calls_;
  CliEnvironment& environment_;
};

struct ServerPlace {
  std::string pool;
  std::string server;
};
/// "masters/mast-1". Throws VerbFailure (wrong usage).
[[nodiscard]] ServerPlace parse_place(const std::string& text);

}  // namespace fairlead::cli
