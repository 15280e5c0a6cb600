// fairlead: pure
// The table, part 1: the root, listeners, and the process's own sections.
#include "config/schema_types.h"

namespace fairlead::config::schema {
namespace {

class PoolDefaultsType final : public TypeOf<Pool> {
 public:
  PoolDefaultsType() {
    info_.shape = TypeInfo::Shape::kSection;
    info_.name = "section";
    info_.section = &pool_defaults_section();
  }
  bool read_value(Reader& reader, const DocNode& node, Pool& into) const override {
    read_section(reader, pool_defaults_section(), node, &into);
    reader.pool_defaults = into;
    return true;
  }
  [[nodiscard]] std::optional<DocNode> write_value(const Pool&, bool) const override { return std::nullopt; }
};

const Section& defaults_section() {
  static const Section section =
      make_section<Defaults>("defaults", "Settings merged under sections of the same kind.",
                             {field("pool", &Defaults::pool, std::make_shared<PoolDefaultsType>(),
                                    "Settings every pool begins with; a pool's own keys win. A list replaces the list given here.")});
  return section;
}

const Section& admin_tls_section() {
  static const Section section =
      make_section<AdminTls>("admin.tls", "TLS of admin.listen; needed anywhere but on loopback.",
                             {
                                 field("cert", &AdminTls::cert, path("/etc/fairlead/admin.crt"),
                                       "Server certificate chain, PEM. Read anew by a reload, likewise the others."),
                                 field("key", &AdminTls::key, path("/etc/fairlead/admin.key"), "Its private key, PEM."),
                                 field("client_ca", &AdminTls::client_ca, path("/etc/fairlead/clients-ca.crt"),
                                       "CA that client certificates must come from, PEM."),
                             });
  return section;
}

/// A field of the snapshot, seen from the root.
template <class M, class T>
Field snapshot_field(std::string key, M Snapshot::*member, const std::shared_ptr<T>& type, std::string doc, FieldFlags flags = {}) {
  Field out = field(std::move(key), member, type, std::move(doc), flags);
  out.member = [member](void* from) -> void* { return &(static_cast<Root*>(from)->snapshot.*member); };
  return out;
}
Section build_gateway() {
  static constexpr FieldFlags kRestart{.restart = true};
  Section root = make_section<Root>(
      "", "One file for a node; the same file may be used on all nodes.",
      {
          field("apiVersion", &Root::api_version, constant(std::string(kApiVersion), "this program reads fairlead/v1"),
                "Version of this format.", {.required = true}),
          field("kind", &Root::kind, constant(std::string(kKind), "this program reads kind: Gateway"), "What the file describes."),
          snapshot_field("node", &Snapshot::node, optional_name(), "Name of this node. Empty: the host name.", kRestart),
          snapshot_field(
              "cluster", &Snapshot::cluster, optional(section<Cluster>(cluster_section())),
              "Nodes that share the VIPs. Absent: standalone, without Corosync; this node holds every VIP. Adding or removing the whole "
              "section needs a restart."),
          snapshot_field("guard", &Snapshot::guard, section<Guard>(guard_section()),
                         "The process that removes addresses when the daemon is dead or hung.", kRestart),
          snapshot_field("vips", &Snapshot::vips, list(section<Vip>(vip_section()), kVipsMax, "VIPs"),
                         "Addresses that move between nodes. The first one of a daemon without cluster and VIPs needs a restart."),
          snapshot_field("listeners", &Snapshot::listeners, list(section<Listener>(listener_section()), kListenersMax, "listeners"),
                         "Addresses and ports where clients connect."),
          field("defaults", &Root::defaults, section<Defaults>(defaults_section()), "Settings merged under every pool.",
                {.input_only = true}),
          snapshot_field("pools", &Snapshot::pools,
                         list(section<Pool>(pool_section()), kPoolsMax, "pools", [](const Reader& reader) { return reader.pool_defaults; }),
                         "Groups of servers and how they are used."),
          snapshot_field("proxy", &Snapshot::proxy, section<Proxy>(proxy_section()), "The data plane as a whole."),
          snapshot_field("admin", &Snapshot::admin, section<Admin>(admin_section()), "How operators and Prometheus reach the daemon."),
          snapshot_field("log", &Snapshot::log, section<Log>(log_section()), "What is logged, and where to."),
          snapshot_field("shutdown_grace", &Snapshot::shutdown_grace, duration({.max = 24h, .zero = "end connections at once"}),
                         "How long open connections may go on after SIGTERM."),
          snapshot_field("state_dir", &Snapshot::state_dir,
                         text({.rule = TextRule::kAbsolutePath, .may_be_empty = false, .example = "/var/lib/fairlead"}),
                         "Where the daemon keeps its own files.", kRestart),
          snapshot_field("dnsdhcp", &Snapshot::dnsdhcp, optional(section<DnsDhcp>(dnsdhcp_section())),
                         "DNS, DHCP and netboot by dnsmasq. Absent: none."),
          snapshot_field("router", &Snapshot::router, optional(section<Router>(router_section())),
                         "Routing and NAT for the networks behind the gateways. Absent: none."),
      });
  return root;
}

}  // namespace

const Section& gateway() {
  static const Section root = build_gateway();
  return root;
}

const Section& listener_section() {
  static const Section section = make_section<Listener>(
      "listeners[]", "A listener accepts connections and hands them to one pool. It is bound on every node, VIP present or not.",
      {
          field("name", &Listener::name, name(), "Unique among the listeners.", {.required = true}),
          field("bind", &Listener::bind, list(endpoint(), kBindsPerListenerMax, "addresses with ports"),
                "Where to listen. 0.0.0.0 and [::] mean every address of that family; an IPv6 socket takes no IPv4.", {.required = true}),
          field("pool", &Listener::pool, name(), "The pool that gets the connections.", {.required = true}),
          field("max_connections", &Listener::max_connections, number<std::uint32_t>(0, kConnectionsMax, "no limit"),
                "Open connections at most; one more is accepted and reset, and counted."),
          field("max_connection_rate", &Listener::max_connection_rate, number<std::uint32_t>(0, kListenerRateMax, "no limit"),
                "New connections per second at most."),
          field("per_source_connections", &Listener::per_source_connections, number<std::uint32_t>(0, kConnectionsMax, "no limit"),
                "Open connections of one client address at most."),
          field("per_source_rate", &Listener::per_source_rate, number<std::uint32_t>(0, kSourceRateMax, "no limit"),
                "New connections per second of one client address at most."),
          field("allow", &Listener::allow, list(prefix(false), kAccessListMax, "networks"), "Clients that may connect. Empty: everybody."),
          field("deny", &Listener::deny, list(prefix(false), kAccessListMax, "networks"), "Clients that may not; wins over allow."),
          field("accept_proxy", &Listener::accept_proxy, flag(),
                "Every connection begins with a PROXY v1 or v2 header, written by a balancer in front, which names the client. Whoever "
                "connects is believed: let only that balancer reach the address, by `bind` or a packet filter; allow and deny see the "
                "named client."),
          field("congestion_control", &Listener::congestion_control, congestion_control_name(),
                "TCP congestion control of clients' connections, as in cubic or bbr. Empty: the host's."),
          field("log", &Listener::log, flag(), "Log a line for each connection that ends."),
      });
  return section;
}

const Section& proxy_section() {
  static constexpr FieldFlags kRestart{.restart = true};
  static const Section section = make_section<Proxy>(
      "proxy", "The data plane as a whole.",
      {
          field("engine", &Proxy::engine,
                choice<EngineChoice>({{"auto", EngineChoice::kAuto}, {"io_uring", EngineChoice::kUring}, {"epoll", EngineChoice::kEpoll}}),
                "Kernel interface of the workers. auto tests io_uring at start and says in one line why it falls back; io_uring refuses to "
                "start without it.",
                kRestart),
          field("workers", &Proxy::workers, number_or_auto(1, kWorkersMax, "one per core"), "Worker threads.", kRestart),
          field("max_connections", &Proxy::max_connections, number_or_auto(1, kConnectionsMax, "from the descriptor limit"),
                "Connections of the whole process at most."),
          field("buffer_pool", &Proxy::buffer_pool, size(kBufferPoolMin, kBufferPoolMax),
                "Memory for bytes on their way, split evenly over the workers. Idle connections hold none of it.", kRestart),
          field("splice", &Proxy::splice, choice<Splice>({{"auto", Splice::kAuto}, {"on", Splice::kOn}, {"off", Splice::kOff}}),
                "Move bulk transfers inside the kernel (splice(2)).", {.restart = true}),
      });
  return section;
}

const Section& admin_section() {
  static constexpr FieldFlags kRestart{.restart = true};
  static const Section section = make_section<Admin>(
      "admin", "How operators and Prometheus reach the daemon.",
      {
          field("socket", &Admin::socket,
                text({.rule = TextRule::kAbsolutePath,
                      .may_be_empty = false,
                      .example = "/run/fairlead/fairlead.sock",
                      .length_max = kSocketPathLengthMax}),
                "Unix socket of the command `fairlead`. The peer's uid decides: root and group fairlead may change, others may read.",
                kRestart),
          field("listen", &Admin::listen, text({.rule = TextRule::kListen, .may_be_empty = true, .example = {}}),
                "HTTP: /metrics, /readyz, the API, the dashboard. Anywhere but on loopback, TLS with client certificates is required. "
                "Empty: none.",
                kRestart),
          field("tls", &Admin::tls, schema::section<AdminTls>(admin_tls_section()), "TLS of admin.listen."),
          field("operators", &Admin::operators,
                list(text({.rule = TextRule::kFree, .may_be_empty = false, .example = "ops@example.org"}), kOperatorsMax, "names"),
                "Names in client certificates that may change things; others may read."),
      });
  return section;
}

const Section& log_section() {
  static const Section section = make_section<Log>(
      "log", "What is logged, and where to. A slow target never holds up a connection: lines are dropped and counted.",
      {
          field("level", &Log::level,
                choice<LogLevel>({{"error", LogLevel::kError},
                                  {"warning", LogLevel::kWarning},
                                  {"notice", LogLevel::kNotice},
                                  {"info", LogLevel::kInfo},
                                  {"debug", LogLevel::kDebug},
                                  {"trace", LogLevel::kTrace}}),
                "The least important events still logged."),
          field("target", &Log::target,
                choice<LogTarget>({{"auto", LogTarget::kAuto},
                                   {"journal", LogTarget::kJournal},
                                   {"stderr", LogTarget::kStderr},
                                   {"syslog", LogTarget::kSyslog},
                                   {"file", LogTarget::kFile}}),
                "auto: the journal when started by systemd, else stderr."),
          field("path", &Log::path, path("/var/log/fairlead/fairlead.log"), "The file of target file. SIGUSR1 opens it anew."),
          field("format", &Log::format, choice<LogFormat>({{"text", LogFormat::kText}, {"json", LogFormat::kJson}}), "text is key=value."),
      });
  return section;
}

}  // namespace fairlead::config::schema
