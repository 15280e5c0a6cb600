#include "cli/app.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ostream>

#include "admin/json_text.h"
#include "base/units.h"
#include "cli/api_verbs.h"
#include "cli/blackbox_verb.h"
#include "cli/cli_reference.h"
#include "cli/completion.h"
#include "cli/config_verbs.h"
#include "cli/dhcp_verbs.h"
#include "cli/drill_verbs.h"
#include "cli/ha_verbs.h"
#include "cli/import_verbs.h"
#include "cli/local_commands.h"
#include "cli/logs_verb.h"
#include "cli/router_verbs.h"
#include "cli/shell_help.h"
#include "cli/support_bundle.h"
#include "config/nearest.h"
#include "generated/version.h"

namespace fairlead::cli {
namespace {

/// The tree of verbs with the variables their options fill. `action` is what the chosen verb does.
class CommandTree {
 public:
  explicit CommandTree(CliEnvironment& environment)
      : environment_(environment),
        calls_(options_, environment),
        verbs_(calls_),
        ha_verbs_(calls_),
        drill_verbs_(calls_),
        dhcp_verbs_(calls_),
        router_verbs_(calls_),
        tree_(app_),
        local_(tree_, options_, environment) {
    app_.require_subcommand(0, 1);
    app_.fallthrough();
    app_.get_formatter()->label("SUBCOMMAND", "VERB");
    app_.footer(
        "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 invalid configuration, 4 daemon not reachable, 5 refused. NO_COLOR is honoured.");
    add_globals();
    local_.add_init();
    add_status_verbs();
    add_config_verbs();
    add_import_verb();
    add_listener_and_pool_verbs();
    add_server_verbs();
    add_connection_verbs();
    add_vip_verbs();
    add_node_verbs();
    add_router_verbs();
    add_drill_verbs();
    local_.add_bench();
    add_process_verbs();
    add_diagnosis_verbs();
    local_.add_lab();
    local_.add_bootstrap();
    local_.add_image();
    local_.add_machine();
    local_.add_storage();
    add_cluster_verbs(local_.add_cluster());
    add_dhcp_verbs();
    add_dns_verbs();
  }

  [[nodiscard]] CLI::App& app() { return app_; }

  void run(std::vector<std::string> arguments) {
    leave_lab_command_alone(arguments);
    std::reverse(arguments.begin(), arguments.end());
    app_.parse(arguments);
    if (json_ || output_ == "json") options_.format = OutputFormat::kJson;
    if (!json_ && output_ == "yaml") options_.format = OutputFormat::kYaml;
    if (color_ != "auto") environment_.color = color_ == "always";
    if (!tree_.chosen()) throw CLI::CallForHelp();
    tree_.chosen()();
  }

 private:
  CLI::App* verb(CLI::App* parent, const std::string& name, const std::string& description, VerbTree::Action action) {
    return tree_.verb(parent, name, description, std::move(action));
  }
  CLI::App* group(const std::string& name, const std::string& description) { return tree_.group(name, description); }

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
    app_.add_option("--color", color_, "When to use colour: auto (on a terminal, unless NO_COLOR is set), always or never")
        ->check(CLI::IsMember({"auto", "always", "never"}).description(""))
        ->type_name("MODE");
    app_.add_flag("-y,--yes", options_.yes, "Ask nothing (scripts are never asked)");
    app_.add_flag(
        "--force", options_.force,
        "Also take the last server of a pool, or the last node, out of service; end the lease of a machine that is there; replace a "
        "file that fairlead did not write");
  }

  void add_status_verbs() {
    auto* status = verb(nullptr, "status", "The node at a glance: readiness, listeners, pools, servers", [this] { verbs_.status(watch_); });
    status->add_flag("-w,--watch", watch_, "Show it again every second");
    auto* events = verb(nullptr, "events", "What happened, from the daemon's memory", [this] { verbs_.events(follow_, since_); });
    events->add_flag("-f,--follow", follow_, "Go on with what happens next, over restarts of the daemon, too");
    events->add_option("--since", since_, "From then on: 10m, 2h, or a time (2024-01-31T12:00:00Z, also with +01:00)")->type_name("WHEN");
  }

  void add_config_verbs() {
    auto* check = verb(nullptr, "check", "Every problem of a configuration or site file, with line, column and hint",
                       [this] { check_file(path_, options_, environment_); });
    check->add_option("FILE", path_, "The file")->required();
    auto* schema = verb(nullptr, "schema", "JSON Schema of the configuration or site file, for editors",
                        [this] { print_schema(kind_, environment_); });
    schema->add_option("--kind", kind_, "Of which file: gateway (the default) or site")
        ->check(CLI::IsMember({"gateway", "site"}).description(""))
        ->type_name("KIND");
    auto* explain = verb(nullptr, "explain", "What a key of the configuration or site file, or an event, means",
                         [this] { explain_key(path_, site_, options_, environment_); });
    explain->add_option("KEY.PATH", path_, "For example pools.health.interval; or an event, for example SERVER_DOWN")->required();
    explain->add_flag("--site", site_, "A key of the site file, for example machines.roles");

    auto* config = group("config", "The daemon's active configuration");
    auto* show = verb(config, "show", "Print it as YAML", [this] { show_config(defaults_, options_, calls_, environment_); });
    show->add_flag("--defaults", defaults_, "With every default spelled out");
    auto* diff = verb(config, "diff", "What a reload would change", [this] {
      if (nodes_) return diff_nodes(path_, options_, calls_, environment_);
      diff_config(path_, options_, calls_, environment_);
    });
    diff->add_option("FILE", path_, "Another file than the daemon's own; - reads standard input, as of `config show` of another node");
    diff->add_flag("--nodes", nodes_,
                   "Instead: which nodes of the cluster have another configuration; exit 1 when one differs about cluster and VIPs");
  }

  void add_import_verb() {
    auto* import =
        verb(nullptr, "import", "Make a fairlead.yaml of another program's configuration; lists each line it could not carry over",
             [this] { import_files(import_, options_, environment_); });
    import->add_option("KIND", import_.kind, "What the files are: haproxy, keepalived, corosync or pacemaker")
        ->required()
        ->check(CLI::IsMember({"haproxy", "keepalived", "corosync", "pacemaker"}).description(""));
    import->add_option("FILE", import_.files, "One or more; - reads standard input. All files of a call make one fairlead.yaml")
        ->required();
    const auto more = [&](const char* option, std::vector<std::string>& files, const char* description) {
      import->add_option(option, files, description)->type_name("FILE")->allow_extra_args(false);
    };
    more("--haproxy", import_.haproxy, "This haproxy.cfg, too");
    more("--keepalived", import_.keepalived, "This keepalived.conf, too: one of each node, and what they include");
    more("--corosync", import_.corosync, "This corosync.conf, too: names, ids and addresses of the nodes");
    more("--pacemaker", import_.pacemaker, "The output of `crm configure show` or `cibadmin --query`, too");
  }

  void add_listener_and_pool_verbs() {
    auto* listener = group("listener", "Addresses that accept connections");
    verb(listener, "list", "All listeners", [this] { verbs_.list_listeners(); });
    named(verb(listener, "show", "One listener with its counters", [this] { verbs_.show_listener(name_); }), "LISTENER");
    named(verb(listener, "disable", "Stop accepting; open connections go on", [this] { verbs_.set_listener(name_, false); }), "LISTENER");
    named(verb(listener, "enable", "Accept connections again", [this] { verbs_.set_listener(name_, true); }), "LISTENER");

    auto* pool = group("pool", "Servers that stand in for each other");
    verb(pool, "list", "All pools", [this] { verbs_.list_pools(); });
    named(verb(pool, "show", "One pool with its servers", [this] { verbs_.show_pool(name_); }), "POOL");
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
        verb(server, "add", "Add a server at run time; survives a reload, not a restart", [this] { verbs_.add_server(name_, added_); }),
        "POOL/NEW");
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

  void add_vip_verbs() {
    auto* vip = group("vip", "Virtual IPs: who holds them");
    verb(vip, "list", "All virtual IPs with their holders", [this] { ha_verbs_.list_vips(); });
    named(verb(vip, "explain", "Who holds it, and why no other node does", [this] { ha_verbs_.explain_vip(name_); }), "VIP");
    auto* move =
        named(verb(vip, "move", "Move it once; returns when it is held there", [this] { ha_verbs_.move_vip(name_, to_, drain_); }), "VIP");
    move->add_flag("--wait", wait_)->group("");  // It always does; for scripts that say so.
    move->add_option("--to", to_, "To this node (default: any other that can)")->type_name("NODE");
    move->add_option(
            "--drain", drain_,
            "First let open connections close at idle moments, for so long at most (1h at most); the rest is reset. Ask the holder")
        ->type_name("DURATION");
    named(verb(vip, "disable", "No node holds it, until it is enabled; survives restarts", [this] { ha_verbs_.set_vip(name_, false); }),
          "VIP");
    named(verb(vip, "enable", "A node may hold it again", [this] { ha_verbs_.set_vip(name_, true); }), "VIP");
    named(verb(vip, "announce", "Say by ARP or NDP once more who has it", [this] { ha_verbs_.announce_vip(name_); }), "VIP");
    auto* force = named(
        verb(vip, "force", "Take it here although the majority of nodes is lost", [this] { ha_verbs_.force_vip(name_, fenced_); }), "VIP");
    force->add_option("--i-have-fenced", fenced_, "Every node that cannot be seen: you have switched them off")
        ->required()
        ->type_name("NODE");
  }

  void add_node_verbs() {
    auto* node = group("node", "The cluster's nodes");
    verb(node, "list", "All nodes with the VIPs they hold", [this] { ha_verbs_.list_nodes(); });
    auto* standby = verb(node, "standby", "Hold no VIP, until it is online again; survives restarts",
                         [this] { ha_verbs_.set_standby(name_, true, wait_, duration(timeout_, "--timeout")); });
    standby->add_option("NODE", name_, "The node (default: the one that is asked)");
    standby->add_flag("--wait", wait_, "Until it holds no VIP");
    standby->add_option("--timeout", timeout_, "Wait at most so long (default 5m)")->type_name("DURATION");
    auto* online = verb(node, "online", "May hold VIPs again", [this] { ha_verbs_.set_standby(name_, false, false, {}); });
    online->add_option("NODE", name_, "The node (default: the one that is asked)");
  }

  void add_router_verbs() {
    auto* router = group("router", "Routing and NAT between the networks: nftables rules");
    verb(router, "show", "The rules in force, and those of the configuration where they differ", [this] { router_verbs_.show(); });
    auto* apply =
        verb(router, "apply",
             "Put the rules of the configuration file in force: on trial for 60 s, the ones from before come back unless they are "
             "confirmed; with --yes for good",
             [this] { router_verbs_.apply(confirm_); });
    apply->add_flag("--confirm", confirm_, "Keep what is on trial; over a new connection, which shows that there still can be one");
  }

  void add_drill_verbs() {
    auto* drill = group("drill", "Failovers on purpose, measured from outside");
    verb(drill, "list", "All drills: what happens, what is promised, where they are run", [this] { drill_verbs_.list(); });
    auto* run = verb(drill, "run", "Run one on the cluster of the daemon that is asked, and measure it from this machine",
                     [this] { drill_verbs_.run(name_, vip_, to_); });
    run->add_option("CASE", name_, "One of `fairlead drill list`")->required();
    run->add_option("--vip", vip_, "This VIP (default: the first that is held by the node that is asked)")->type_name("VIP");
    run->add_option("--to", to_, "planned: move it to this node")->type_name("NODE");
    auto* report = verb(drill, "report", "A report of `make drill` as a table",
                        [this] { drill_verbs_.report(path_.empty() ? "build/drill/report.json" : path_); });
    report->add_option("FILE", path_, "report.json (default build/drill/report.json)");
    auto* probe = verb(drill, "probe", "Only measure: try the address every few ms until Ctrl-C, then print what was seen as JSON", [this] {
      probe_.interval = duration(interval_, "--interval");
      probe_.slow = duration(slow_, "--slow");
      probe_.lasts = duration(lasts_, "--for");
      drill_verbs_.probe(probe_);
    });
    probe->add_option("ADDRESS:PORT", probe_.target, "What to try")->required();
    probe->add_option("--interval", interval_, "Between two tries (default 5ms)")->type_name("DURATION");
    probe->add_option("--slow", slow_, "A later answer counts as none (default 500ms)")->type_name("DURATION");
    probe->add_option("--for", lasts_, "Stop after so long (default: at Ctrl-C)")->type_name("DURATION");
    probe->add_option("--out", probe_.out, "Write it there")->type_name("FILE");
    probe->add_flag("--no-arp", probe_.no_arp, "Do not ask by ARP or NDP who has the address");
  }

  void add_process_verbs() {
    auto* reload =
        verb(nullptr, "reload", "Read the configuration file again; an invalid one changes nothing", [this] { verbs_.reload(dry_run_); });
    reload->add_flag("--dry-run", dry_run_, "Only show what would change");
    verb(nullptr, "version", "Version of this program", [this] {
      if (options_.format == OutputFormat::kText) {
        environment_.out << "fairlead " << kVersion << "\n";
      } else {
        environment_.out << (options_.format == OutputFormat::kJson ? "{\"version\": \"" : "version: \"") << kVersion
                         << (options_.format == OutputFormat::kJson ? "\"}\n" : "\"\n");
      }
    });
    auto* completion =
        verb(nullptr, "completion", "Completion script for a shell", [this] { environment_.out << completion_script(shell_); });
    completion->add_option("SHELL", shell_, "bash, zsh or fish")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}).description(""));
  }

  void add_diagnosis_verbs() {
    const auto config = [this](CLI::App* at, std::string& file) {
      at->add_option("--config", file, "The node's file, for when no daemon answers (default " + environment_.cluster_paths.config + ")")
          ->type_name("FILE");
    };
    auto* logs = verb(nullptr, "logs", "The daemon's log: from the journal, its file, or where else it can be read",
                      [this] { show_logs(logs_, calls_); });
    logs->add_flag("-f,--follow", logs_.follow, "Go on with what is logged next");
    logs->add_option("-n,--lines", logs_.lines, "The newest so many (default 200)")->type_name("N");
    config(logs, logs_.config);
    auto* blackbox = verb(nullptr, "blackbox", "The flight recorder: the last minutes of everything, also of a daemon that died here",
                          [this] { show_blackbox(blackbox_, calls_); });
    blackbox->add_option("FILE", blackbox_.file, "Read this file instead, for example one of STATE_DIR/blackbox")->type_name("FILE");
    blackbox->add_option("--last", blackbox_.last, "The newest so many entries; or a duration (10m), before the newest one (default 500)")
        ->type_name("N");
    blackbox->add_option("--out", blackbox_.out, "Also write it there as a file, which qb-blackbox reads as well")->type_name("FILE");
    config(blackbox, blackbox_.config);
    auto* support = group("support", "Help from others");
    auto* bundle = verb(support, "bundle", "One archive with what a maintainer needs, without secrets; works without a daemon",
                        [this] { make_support_bundle(bundle_, calls_); });
    bundle->add_option("--out", bundle_.out, "Where to (default fairlead-support-NODE-TIME.tar.gz in this folder)")->type_name("FILE");
    config(bundle, bundle_.config);
  }

  /// Those of the group that ask the daemon.
  void add_cluster_verbs(CLI::App* cluster) {
    verb(cluster, "status", "Quorum, ring, timing and nodes", [this] { ha_verbs_.cluster_status(); });
    verb(cluster, "freeze", "No VIP moves by itself but on the loss of its holder; `vip move` still does",
         [this] { ha_verbs_.set_frozen(true); });
    verb(cluster, "unfreeze", "VIPs move as configured again", [this] { ha_verbs_.set_frozen(false); });
  }

  void add_dhcp_verbs() {
    auto* dhcp = group("dhcp", "Addresses given to machines");
    auto* leases = verb(dhcp, "leases", "Who has which address, for how long, and which node gave it", [this] {
      leases_.limit = limit_;
      leases_.watch = watch_;
      dhcp_verbs_.list_leases(leases_);
    });
    leases->add_option("--network", leases_.network, "Of this network")->type_name("NETWORK");
    leases->add_option("--mac", leases_.mac, "Of the machine with this MAC address")->type_name("MAC");
    leases->add_option("--name", leases_.name, "Of the machine with this name, without domain")->type_name("NAME");
    leases->add_option("--address", leases_.address, "Of this address")->type_name("ADDRESS");
    leases->add_flag("--released", leases_.released, "Also those given back or expired, as long as they are remembered");
    leases->add_option("--limit", limit_, "At most so many, the newest (default 1000)")
        ->check(CLI::Range(1, 10000).description(""))
        ->type_name("N");
    leases->add_flag("-w,--watch", watch_, "Show them again every second");
    auto* reservations = verb(dhcp, "reservations", "Machines with an address of their own, as configured",
                              [this] { dhcp_verbs_.list_reservations(leases_.network); });
    reservations->add_option("--network", leases_.network, "Of this network")->type_name("NETWORK");
    auto* release =
        verb(dhcp, "release", "End the lease of an address on every node; its client is not told", [this] { dhcp_verbs_.release(name_); });
    release->add_option("ADDRESS", name_, "The address")->required();
  }

  void add_dns_verbs() {
    auto* dns = group("dns", "Names of the machines");
    verb(dns, "status", "dnsmasq, the addresses that answer, queries and cache", [this] { dhcp_verbs_.dns_status(); });
    auto* resolve = verb(dns, "resolve", "Ask every DNS address of the site for a name; exit 1 unless all give the same answer",
                         [this] { dhcp_verbs_.resolve(resolve_); });
    resolve->add_option("NAME", resolve_.name, "A name, without dots one of the site's domain; or an address")->required();
    resolve->add_option("--type", resolve_.type, "A, AAAA or PTR (default A; of an address PTR)")
        ->check(CLI::IsMember({"A", "AAAA", "PTR"}, CLI::ignore_case).description(""))
        ->type_name("TYPE");
    resolve->add_option("--at", resolve_.at, "Ask this server instead, without the daemon; once for each")
        ->type_name("ADDRESS[:PORT]")
        ->allow_extra_args(false)
        ->take_all();
  }

  CLI::App* named(CLI::App* at, const char* what) {
    at->add_option(what, name_, "Its name")->required();
    return at;
  }
  CLI::App* placed(CLI::App* at, const char* what = "POOL/NAME") {
    at->add_option(what, name_, "Pool and server, for example masters/mast-1")->required();
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
  DaemonCalls calls_;
  ApiVerbs verbs_;
  HaVerbs ha_verbs_;
  DrillVerbs drill_verbs_;
  DhcpVerbs dhcp_verbs_;
  LeasesRequest leases_;
  ResolveRequest resolve_;
  RouterVerbs router_verbs_;
  ImportRequest import_;
  CLI::App app_{"Operates fairleadd, the L4 proxy for API gateways.", "fairlead"};
  VerbTree tree_;
  LocalCommands local_;
  admin::AddServer added_;
  BlackboxRequest blackbox_;
  BundleRequest bundle_;
  LogsRequest logs_;
  admin::ConnectionFilter filter_;
  std::string color_ = "auto";
  std::string drain_;
  std::string name_;
  std::string output_ = "text";
  std::string kind_ = "gateway";
  std::string path_;
  std::string shell_;
  std::string since_;
  std::string to_;
  std::string vip_;
  ProbeRequest probe_;
  std::string interval_ = "5ms";
  std::string slow_ = "500ms";
  std::string lasts_ = "0";
  std::vector<std::string> fenced_;
  std::string timeout_ = "5m";
  std::uint32_t weight_ = 0;
  std::size_t limit_ = 1000;
  bool all_ = false;
  bool confirm_ = false;
  bool defaults_ = false;
  bool dry_run_ = false;
  bool follow_ = false;
  bool json_ = false;
  bool nodes_ = false;
  bool site_ = false;
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

/// What is typed at programs that are new to somebody: `--version`, `help`, `help VERB`.
std::vector<std::string> in_own_words(std::vector<std::string> given) {
  if (given.empty()) return given;
  if (given.front() == "--version") given.front() = "version";
  if (given.front() != "help") return given;
  given.erase(given.begin());
  given.emplace_back("--help");
  return given;
}

}  // namespace

int run_cli(const std::vector<std::string>& given, CliEnvironment& environment) {
  CommandTree tree(environment);
  const auto arguments = in_own_words(given);
  try {
    if (!arguments.empty() && arguments.front() == kCompleteVerb) return answer_completion(model_of(tree.app()), arguments, environment);
    if (!arguments.empty() && arguments.front() == kManualVerb) {
      write_manual(model_of(tree.app()), arguments, environment);
      return kExitDone;
    }
    tree.run(arguments);
    environment.out.flush();
    if (!environment.out) {
      environment.err << "fairlead: cannot write the output\n";
      return kExitFailed;
    }
    return kExitDone;
  } catch (const VerbFailure& failure) {
    environment.out.flush();
    if (!failure.message.empty()) environment.err << "fairlead: " << failure.message << "\n";
    return failure.exit_code;
  } catch (const CLI::Success&) {
    // The help of the verb that was named, with the options of every verb in the program's own.
    const CLI::App* at = &tree.app();
    std::string before;  // "fairlead drill": CLI11 adds the last word itself.
    while (!at->get_subcommands().empty()) {
      before += (before.empty() ? "" : " ") + (at == &tree.app() ? "fairlead" : at->get_name());
      at = at->get_subcommands().front();
    }
    environment.out << at->help(before);
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
  return cli_reference(model_of(tree.app()));
}

}  // namespace fairlead::cli
