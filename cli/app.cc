#include "cli/app.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ostream>

#include "admin/json_text.h"
#include "base/units.h"
#include "cli/api_verbs.h"
#include "cli/completion.h"
#include "cli/config_verbs.h"
#include "config/nearest.h"
#include "generated/version.h"

namespace fairlead::cli {
namespace {

/// Verbs of the contract that later versions bring: they answer, but neither help nor completion names them.
constexpr std::array kLaterVerbs{"init",   "vip",       "node",  "logs",    "blackbox", "cluster", "drill", "dns",   "dhcp",
                                 "router", "bootstrap", "image", "machine", "storage",  "import",  "lab",   "bench", "support"};

/// The tree of verbs with the variables their options fill. `action` is what the chosen verb does.
class CommandTree {
 public:
  explicit CommandTree(CliEnvironment& environment) : environment_(environment), verbs_(options_, environment) {
    app_.require_subcommand(0, 1);
    app_.fallthrough();
    app_.get_formatter()->label("SUBCOMMAND", "VERB");
    app_.footer(
        "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 invalid configuration, 4 daemon not reachable, 5 refused. NO_COLOR is honoured.");
    add_globals();
    add_status_verbs();
    add_config_verbs();
    add_listener_and_pool_verbs();
    add_server_verbs();
    add_connection_verbs();
    add_process_verbs();
    add_later_verbs();
  }

  [[nodiscard]] CLI::App& app() { return app_; }

  void run(std::vector<std::string> arguments) {
    std::reverse(arguments.begin(), arguments.end());
    app_.parse(arguments);
    if (json_ || output_ == "json") options_.format = OutputFormat::kJson;
    if (!json_ && output_ == "yaml") options_.format = OutputFormat::kYaml;
    if (!action_) throw CLI::CallForHelp();
    action_();
  }

 private:
  using Action = std::function<void()>;

  CLI::App* verb(CLI::App* parent, const std::string& name, const std::string& description, Action action) {
    CLI::App* out = parent->add_subcommand(name, description);
    out->group("Verbs");
    out->callback([this, action = std::move(action)] { action_ = action; });
    return out;
  }
  CLI::App* group(const std::string& name, const std::string& description) {
    CLI::App* out = app_.add_subcommand(name, description);
    out->group("Verbs");
    out->require_subcommand(1);
    return out;
  }

  void add_globals() {
    app_.add_option("--socket", options_.connect.socket,
                    "Unix socket of the daemon (default /run/fairlead/fairlead.sock, or $FAIRLEAD_SOCKET)")
        ->envname("FAIRLEAD_SOCKET")
        ->type_name("PATH");
    app_.add_option("--server", options_.connect.server, "Ask over HTTP instead: http://127.0.0.1:9440 or https://HOST:PORT")
        ->type_name("URL");
    app_.add_option("--ca", options_.connect.ca, "Authority that signed the server's certificate (default: the system's)")
        ->type_name("FILE");
    app_.add_option("--cert", options_.connect.cert, "Client certificate for https")->type_name("FILE");
    app_.add_option("--key", options_.connect.key, "Its key")->type_name("FILE");
    app_.add_option("-o,--output", output_, "Output: text, json or yaml")
        ->check(CLI::IsMember({"text", "json", "yaml"}).description(""))
        ->type_name("FORMAT");
    app_.add_flag("--json", json_, "Same as -o json");
    app_.add_flag("-y,--yes", options_.yes, "Ask nothing (scripts are never asked)");
    app_.add_flag("--force", options_.force, "Also take the last server of a pool out of service");
  }

  void add_status_verbs() {
    auto* status = verb(&app_, "status", "The node at a glance: readiness, listeners, pools, servers", [this] { verbs_.status(watch_); });
    status->add_flag("-w,--watch", watch_, "Show it again every second");
    auto* events = verb(&app_, "events", "What happened, from the daemon's memory", [this] { verbs_.events(follow_, since_); });
    events->add_flag("-f,--follow", follow_, "Go on with what happens next");
    events->add_option("--since", since_, "From then on: 10m, 2h, or a UTC time (2024-01-31T12:00:00Z)")->type_name("WHEN");
  }

  void add_config_verbs() {
    auto* check = verb(&app_, "check", "Every problem of a configuration file, with line, column and hint",
                       [this] { check_file(path_, options_, environment_); });
    check->add_option("FILE", path_, "The file")->required();
    verb(&app_, "schema", "JSON Schema of the configuration file, for editors", [this] { print_schema(environment_); });
    auto* explain = verb(&app_, "explain", "What a key of the configuration file means", [this] { explain_key(path_, environment_); });
    explain->add_option("KEY.PATH", path_, "For example pools.health.interval")->required();

    auto* config = group("config", "The daemon's active configuration");
    auto* show = verb(config, "show", "Print it as YAML", [this] { show_config(defaults_, verbs_, environment_); });
    show->add_flag("--defaults", defaults_, "With every default spelled out");
    auto* diff = verb(config, "diff", "What a reload would change", [this] {
      if (nodes_) throw VerbFailure{kExitFailed, "'config diff --nodes' is not in this version"};
      diff_config(path_, verbs_, environment_);
    });
    diff->add_option("FILE", path_, "Another file than the daemon's own");
    diff->add_flag("--nodes", nodes_)->group("");
  }

  void add_listener_and_pool_verbs() {
    auto* listener = group("listener", "Addresses that accept connections");
    verb(listener, "list", "All listeners", [this] { verbs_.list_listeners(); });
    named(verb(listener, "show", "One listener with its counters", [this] { verbs_.show_listener(name_); }));
    named(verb(listener, "disable", "Stop accepting; open connections go on", [this] { verbs_.set_listener(name_, false); }));
    named(verb(listener, "enable", "Accept connections again", [this] { verbs_.set_listener(name_, true); }));

    auto* pool = group("pool", "Servers that stand in for each other");
    verb(pool, "list", "All pools", [this] { verbs_.list_pools(); });
    named(verb(pool, "show", "One pool with its servers", [this] { verbs_.show_pool(name_); }));
  }

  void add_server_verbs() {
    using admin::AdminState;
    auto* server = group("server", "Servers behind the listeners");
    verb(server, "list", "Servers of all pools", [this] { verbs_.list_servers(); });
    placed(verb(server, "show", "One server", [this] { verbs_.show_server(name_); }));
    auto* drain = placed(verb(server, "drain", "No new connections; open ones go on", [this] {
      verbs_.set_server_state(name_, AdminState::kDrain, {wait_, duration(timeout_, "--timeout")});
    }));
    drain->add_flag("--wait", wait_, "Until its connections are gone");
    drain->add_option("--timeout", timeout_, "Wait at most so long (default 5m)")->type_name("DURATION");
    placed(verb(server, "maint", "Out of service; open connections are closed",
                [this] { verbs_.set_server_state(name_, AdminState::kMaint, {}); }));
    placed(verb(server, "ready", "Back in service", [this] { verbs_.set_server_state(name_, AdminState::kReady, {}); }));
    auto* weight =
        placed(verb(server, "weight", "Set the weight until the next start", [this] { verbs_.set_server_weight(name_, weight_); }));
    weight->add_option("WEIGHT", weight_, "0 to 1000")->required()->check(CLI::Range(0, 1000).description(""));
    auto* add = placed(
        verb(server, "add", "Add a server at run time; survives a reload, not a restart", [this] { verbs_.add_server(name_, added_); }));
    add->add_option("ADDRESS", added_.address, "HOST:PORT")->required();
    add->add_option("--weight", added_.weight, "0 to 1000 (default 100)")->check(CLI::Range(0, 1000).description(""))->type_name("N");
    add->add_option("--max-connections", added_.max_connections, "Limit of its connections (default 0: none)")->type_name("N");
    add->add_flag("--backup", added_.backup, "Used only when no other server is up");
    placed(verb(server, "remove", "Remove a server; its connections drain", [this] { verbs_.remove_server(name_); }));
  }

  void add_connection_verbs() {
    auto* connections = group("connections", "Open connections");
    auto* list = filtered(verb(connections, "list", "Open connections that match", [this] { verbs_.list_connections(filter(), limit_); }));
    list->add_option("--limit", limit_, "At most so many (default 1000)")->check(CLI::Range(1, 10000).description(""))->type_name("N");
    auto* kill =
        filtered(verb(connections, "kill", "Close the connections that match", [this] { verbs_.kill_connections(filter(), all_); }));
    kill->add_flag("--all", all_, "Every connection");
  }

  void add_process_verbs() {
    auto* reload =
        verb(&app_, "reload", "Read the configuration file again; an invalid one changes nothing", [this] { verbs_.reload(dry_run_); });
    reload->add_flag("--dry-run", dry_run_, "Only show what would change");
    verb(&app_, "version", "Version of this program", [this] {
      if (options_.format == OutputFormat::kText) {
        environment_.out << "fairlead " << kVersion << "\n";
      } else {
        environment_.out << (options_.format == OutputFormat::kJson ? "{\"version\": \"" : "version: \"") << kVersion
                         << (options_.format == OutputFormat::kJson ? "\"}\n" : "\"\n");
      }
    });
    auto* completion =
        verb(&app_, "completion", "Completion script for a shell", [this] { environment_.out << completion_script(app_, shell_); });
    completion->add_option("SHELL", shell_, "bash, zsh or fish")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}).description(""));
  }

  void add_later_verbs() {
    for (const char* name : kLaterVerbs) {
      auto* later = verb(&app_, name, "", [name] { throw VerbFailure{kExitFailed, "'" + std::string(name) + "' is not in this version"}; });
      later->group("");
      later->set_help_flag();
      later->fallthrough(false);
      later->prefix_command();
      later->fallthrough(false);  // What follows belongs to the later verb: `fairlead vip list` is no wrong usage.
    }
  }

  CLI::App* named(CLI::App* at) {
    at->add_option("NAME", name_, "Its name")->required();
    return at;
  }
  CLI::App* placed(CLI::App* at) {
    at->add_option("POOL/NAME", name_, "Pool and server, for example masters/mast-1")->required();
    return at;
  }
  CLI::App* filtered(CLI::App* at) {
    at->add_option("--pool", filter_.pool, "Of this pool")->type_name("POOL");
    at->add_option("--server", filter_.server, "To this server, NAME or POOL/NAME")->type_name("SERVER");
    at->add_option("--client", filter_.client, "From this address")->type_name("ADDRESS");
    at->add_option("--listener", filter_.listener, "Through this listener")->type_name("LISTENER");
    at->add_option("--id", filter_.id, "This one")->type_name("ID");
    return at;
  }
  [[nodiscard]] admin::ConnectionFilter filter() const {
    auto out = filter_;
    if (out.server.find('/') != std::string::npos) {
      const auto place = parse_place(out.server);
      if (!out.pool.empty() && out.pool != place.pool)
        throw VerbFailure{kExitUsage, "--pool " + out.pool + " and --server " + out.server + " name two pools"};
      out.pool = place.pool;
      out.server = place.server;
    }
    return out;
  }
  static Duration duration(const std::string& text, const char* option) {
    const auto parsed = parse_duration(text);
    if (!parsed) throw VerbFailure{kExitUsage, std::string(option) + ": " + parsed.error().message()};
    return *parsed;
  }

  CliEnvironment& environment_;
  GlobalOptions options_;
  ApiVerbs verbs_;
  CLI::App app_{"Operates fairleadd, the L4 proxy for API gateways.", "fairlead"};
  Action action_;
  admin::AddServer added_;
  admin::ConnectionFilter filter_;
  std::string name_;
  std::string output_ = "text";
  std::string path_;
  std::string shell_;
  std::string since_;
  std::string timeout_ = "5m";
  std::uint32_t weight_ = 0;
  std::size_t limit_ = 1000;
  bool all_ = false;
  bool defaults_ = false;
  bool dry_run_ = false;
  bool follow_ = false;
  bool json_ = false;
  bool nodes_ = false;
  bool wait_ = false;
  bool watch_ = false;
};

/// What is wrong with the verb: "no verb 'sever' (did you mean 'server'?)". Empty: the verb is fine, something else is not.
std::string verb_problem(const CLI::App& app) {
  const CLI::App* at = &app;
  std::string path;
  while (!at->get_subcommands().empty()) {
    at = at->get_subcommands().front();
    path = "'" + at->get_name() + "' ";
  }
  std::vector<std::string> known;
  for (const CLI::App* verb : at->get_subcommands([](const CLI::App*) { return true; })) {
    if (!verb->get_group().empty()) known.push_back(verb->get_name());
  }
  if (known.empty()) return {};
  for (const std::string& word : app.remaining(true)) {
    if (!word.starts_with('-'))
      return fmt::format("{}{} verb '{}' ({})", path, path.empty() ? "no" : "has no", word, config::suggest(word, known));
  }
  return at == &app ? std::string() : fmt::format("{}wants a verb: {}", path, fmt::join(known, ", "));
}

}  // namespace

int run_cli(const std::vector<std::string>& arguments, CliEnvironment& environment) {
  CommandTree tree(environment);
  try {
    tree.run(arguments);
    environment.out.flush();
    if (!environment.out) {
      environment.err << "fairlead: cannot write the output\n";
      return kExitFailed;
    }
    return kExitDone;
  } catch (const VerbFailure& failure) {
    environment.out.flush();
    environment.err << "fairlead: " << failure.message << "\n";
    return failure.exit_code;
  } catch (const CLI::Success&) {
    // The help of the verb that was named, with the options of every verb in the program's own.
    const CLI::App* at = &tree.app();
    while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
    environment.out << at->help(at == &tree.app() ? "" : "fairlead");
    return kExitDone;
  } catch (const CLI::ParseError& error) {
    const std::string verb = verb_problem(tree.app());
    environment.err << "fairlead: " << (verb.empty() ? error.what() : verb) << "\nTry: fairlead --help, or fairlead VERB --help\n";
    return kExitUsage;
  } catch (const std::exception& error) {
    environment.err << "fairlead: " << error.what() << "\n";
    return kExitFailed;
  }
}

std::string cli_reference_page() {
  struct NoClock final : Clock {
    [[nodiscard]] Instant now() const override { return {}; }
    [[nodiscard]] WallTime wall() const override { return {}; }
  } clock;
  std::ostream nowhere(nullptr);
  CliEnvironment environment{.out = nowhere, .err = nowhere, .clock = clock, .read_line = {}, .pause = {}};
  CommandTree tree(environment);
  return cli_reference(tree.app());
}

}  // namespace fairlead::cli
