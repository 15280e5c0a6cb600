// fairlead: pure
// The configuration as values: one struct per section of fairlead.yaml (docs/reference/config.md), defaults included.
// A `Snapshot` is what `validate` accepted: immutable, shared, complete. No file format is visible here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ip_address.h"
#include "base/log.h"
#include "base/time.h"

namespace fairlead::config {

using namespace std::chrono_literals;

// ---- cluster, guard, vips ----
struct NodeInterface {
  std::string name;    ///< As vips name it ("lan").
  std::string device;  ///< As the kernel names it ("ens192").
  bool operator==(const NodeInterface&) const = default;
};
struct Node {
  std::string name;
  std::uint32_t id = 0;
  std::vector<IpAddress> links;
  std::vector<NodeInterface> interfaces;
  bool operator==(const Node&) const = default;
};
enum class TimingProfile : std::uint8_t { kVm, kFast, kMin };
/// Corosync's token timeout of a profile; consensus is 1.2 times as long.
[[nodiscard]] constexpr Duration token_of(TimingProfile profile) {
  return std::chrono::milliseconds(profile == TimingProfile::kVm ? 800 : profile == TimingProfile::kFast ? 400 : 250);
}
struct TimingKey {
  std::string name;  ///< As corosync.conf(5) names it ("token").
  Duration value{};
  bool operator==(const TimingKey&) const = default;
};
enum class TieBreakNeed : std::uint8_t { kAny, kAll };
struct TieBreak {
  std::vector<IpAddress> targets;
  TieBreakNeed need = TieBreakNeed::kAny;
  bool operator==(const TieBreak&) const = default;
};
enum class QdeviceAlgorithm : std::uint8_t { kFfsplit, kLms };
enum class QdeviceTls : std::uint8_t { kOff, kOn, kRequired };
struct Qdevice {
  std::string host;
  std::uint16_t port = 5403;
  QdeviceAlgorithm algorithm = QdeviceAlgorithm::kFfsplit;
  QdeviceTls tls = QdeviceTls::kRequired;
  Duration timeout = 1s;
  Duration sync_timeout = 3s;
  bool operator==(const Qdevice&) const = default;
};
struct Cluster {
  std::string name;
  TimingProfile profile = TimingProfile::kVm;
  std::vector<TimingKey> timing;
  std::vector<Node> nodes;
  std::optional<TieBreak> tie_break;
  std::optional<Qdevice> qdevice;
  Duration start_wait = 5s;
  bool operator==(const Cluster&) const = default;
};
struct Guard {
  Duration hang = 1s;
  bool operator==(const Guard&) const = default;
};
struct Hook {
  std::vector<std::string> command;
  Duration timeout = 5s;
  bool operator==(const Hook&) const = default;
};
struct VipTrack {
  std::optional<IpAddress> gateway;
  bool operator==(const VipTrack&) const = default;
};
struct VipRoute {
  IpAddress gateway;
  std::uint32_t table = 0;
  bool operator==(const VipRoute&) const = default;
};
struct Announce {
  std::uint32_t count = 3;
  std::vector<Duration> repeat{50ms, 200ms, 1100ms, 2000ms, 5000ms};
  Duration refresh = 30s;
  bool operator==(const Announce&) const = default;
};
struct Vip {
  std::string name;
  IpPrefix address;
  std::string interface = "auto";
  Duration lease = 2s;
  std::vector<std::string> prefer;
  bool preempt = false;
  Duration preempt_delay = 30s;
  std::string group;
  std::vector<std::string> requires_listeners;  ///< Key `requires`.
  VipTrack track;
  Duration carrier_delay{};
  bool takeover_probe = true;
  std::optional<VipRoute> route;
  Announce announce;
  std::vector<Hook> on_acquire;
  std::vector<Hook> on_release;
  bool operator==(const Vip&) const = default;
};

// ---- listeners and pools ----
struct Listener {
  std::string name;
  std::vector<Endpoint> bind;
  std::string pool;
  std::uint32_t max_connections = 20000;  ///< 0 = no limit; likewise the three below.
  std::uint32_t max_connection_rate = 0;  ///< Per second.
  std::uint32_t per_source_connections = 0;
  std::uint32_t per_source_rate = 0;  ///< Per second.
  std::vector<IpPrefix> allow;        ///< Empty: everybody.
  std::vector<IpPrefix> deny;         ///< Wins over allow.
  bool accept_proxy = false;
  std::string congestion_control;  ///< Empty: the host's.
  bool log = false;
  bool operator==(const Listener&) const = default;
};
enum class Balance : std::uint8_t { kRoundRobin, kLeastConnections, kRandomTwo, kSourceHash };
enum class SendProxy : std::uint8_t { kOff, kV1, kV2 };
enum class HealthType : std::uint8_t { kNone, kTcp, kTls, kHttp, kHttps };
enum class OnServerDown : std::uint8_t { kReset, kKeep };
struct Keepalive {
  Duration idle = 30s;  ///< 0 = keepalive off.
  Duration interval = 10s;
  std::uint32_t count = 3;
  bool operator==(const Keepalive&) const = default;
};
enum class RebalanceWhen : std::uint8_t { kOff, kServerUp };
struct Rebalance {
  RebalanceWhen when = RebalanceWhen::kOff;
  std::uint32_t rate = 10;  ///< Connections closed per second; written "10/s".
  bool operator==(const Rebalance&) const = default;
};
struct Health {
  HealthType type = HealthType::kTcp;
  std::string path = "/";
  std::string host;         ///< Host header; empty: the server's address.
  std::string server_name;  ///< SNI and verified name; empty: the server's host name, else its IP as SAN without SNI.
  std::uint16_t port = 0;   ///< 0: the server's.
  std::vector<std::uint16_t> expect{200};
  bool verify = true;
  std::string ca;  ///< Empty with verify: the system's store.
  std::string cert;
  std::string key;
  std::string token_file;
  std::optional<IpAddress> source;
  Duration interval = 1s;
  Duration fast_interval = 200ms;
  Duration down_interval = 1s;
  Duration timeout = 1s;
  std::uint32_t rise = 2;
  std::uint32_t fall = 2;
  bool operator==(const Health&) const = default;
};
struct Passive {
  std::uint32_t connect_failures = 1;  ///< 0 = passive ejection off.
  bool fast_check = true;
  bool operator==(const Passive&) const = default;
};
struct Resolve {
  Duration interval = 5s;
  Duration hold = 30s;
  bool operator==(const Resolve&) const = default;
};
struct Server {
  std::string name;
  HostPort address;
  std::uint32_t weight = 100;         ///< 0..1000; 0 = no new connections but by name.
  std::uint32_t max_connections = 0;  ///< 0 = no limit.
  bool backup = false;
  bool operator==(const Server&) const = default;
};
struct Pool {
  std::string name;
  Balance balance = Balance::kLeastConnections;
  std::optional<IpAddress> source;
  Duration connect_timeout = 500ms;
  std::uint32_t retries = 3;
  Duration idle_timeout = 1h;         ///< 0 = never.
  Duration half_close_timeout = 30s;  ///< 0 = never.
  Keepalive keepalive;
  Duration tcp_user_timeout = 30s;  ///< 0 = the kernel's.
  std::string congestion_control;   ///< Empty: the host's.
  Duration max_connection_age{};    ///< 0 = off.
  Rebalance rebalance;
  SendProxy send_proxy = SendProxy::kOff;
  Health health;
  Passive passive;
  OnServerDown on_server_down = OnServerDown::kReset;
  Duration slow_start{};
  Resolve resolve;
  std::vector<Server> servers;
  bool operator==(const Pool&) const = default;
};

// ---- process ----
enum class EngineChoice : std::uint8_t { kAuto, kUring, kEpoll };
enum class Splice : std::uint8_t { kAuto, kOff, kOn };
struct Proxy {
  EngineChoice engine = EngineChoice::kAuto;     ///< Restart only.
  std::optional<std::uint32_t> workers;          ///< nullopt = auto: one per core. Restart only.
  std::optional<std::uint32_t> max_connections;  ///< nullopt = auto: from the descriptor limit.
  std::uint64_t buffer_pool = 64ULL << 20;       ///< Bytes per process. Restart only.
  Splice splice = Splice::kAuto;
  bool operator==(const Proxy&) const = default;
};
struct AdminTls {
  std::string cert;
  std::string key;
  std::string client_ca;
  bool operator==(const AdminTls&) const = default;
};
struct Admin {
  std::string socket = "/run/fairlead/fairlead.sock";
  std::string listen = "127.0.0.1:9440";  ///< Empty: no HTTP.
  AdminTls tls;
  std::vector<std::string> operators;
  bool operator==(const Admin&) const = default;
};
enum class LogTarget : std::uint8_t { kAuto, kJournal, kStderr, kSyslog, kFile };
struct Log {
  LogLevel level = LogLevel::kNotice;
  LogTarget target = LogTarget::kAuto;
  std::string path;
  LogFormat format = LogFormat::kText;
  bool operator==(const Log&) const = default;
};

// ---- dnsdhcp, router ----
struct DhcpOption {
  std::uint16_t code = 0;
  std::string value;
  bool operator==(const DhcpOption&) const = default;
};
struct DhcpPool {
  IpAddress first;
  IpAddress last;
  bool operator==(const DhcpPool&) const = default;
};
struct DhcpNetwork {
  std::string name;
  std::string interface;
  IpPrefix cidr;
  std::optional<IpAddress> router;
  std::optional<IpAddress> dns;
  std::optional<DhcpPool> pool;
  Duration lease = 12h;
  std::string domain;
  std::optional<IpAddress> ntp;
  std::uint32_t mtu = 0;   ///< 0 = not sent.
  std::uint32_t vlan = 0;  ///< 0 = untagged; else the device is INTERFACE.VLAN.
  bool ra = false;         ///< IPv6: router advertisements.
  std::vector<DhcpOption> options;
  bool operator==(const DhcpNetwork&) const = default;
};
struct DhcpHost {
  std::string name;
  std::string network;
  std::string mac;  ///< Lower case, colons.
  IpAddress address;
  std::vector<std::string> aliases;
  bool operator==(const DhcpHost&) const = default;
};
struct DnsRecord {
  std::string name;
  IpAddress address;
  bool operator==(const DnsRecord&) const = default;
};
struct Netboot {
  std::string tftp_root;
  std::string bios;
  std::string efi;
  std::string ipxe;
  bool operator==(const Netboot&) const = default;
};
struct DnsDhcp {
  std::string follows;
  std::string domain;
  std::vector<IpAddress> upstream;
  std::vector<DhcpNetwork> networks;
  std::vector<DhcpHost> hosts;
  std::vector<DnsRecord> records;
  bool only_known = false;
  std::optional<Netboot> netboot;
  bool operator==(const DnsDhcp&) const = default;
};
struct ForwardRule {
  std::string from;
  std::vector<std::string> to;
  bool operator==(const ForwardRule&) const = default;
};
enum class Transport : std::uint8_t { kTcp, kUdp };
struct OpenPort {
  std::uint16_t port = 0;
  Transport protocol = Transport::kTcp;
  bool operator==(const OpenPort&) const = default;
};
struct Router {
  std::string uplink;
  bool masquerade = false;
  std::optional<IpAddress> snat;
  bool sync = false;
  std::vector<ForwardRule> forward;
  std::vector<OpenPort> open;  ///< Of this machine, towards the uplink.
  bool operator==(const Router&) const = default;
};

/// The whole file, defaults filled in, `defaults.pool` merged into every pool.
struct Snapshot {
  std::string node;  ///< Empty in the file: the host name, filled in by the daemon.
  std::optional<Cluster> cluster;
  Guard guard;
  std::vector<Vip> vips;
  std::vector<Listener> listeners;
  std::vector<Pool> pools;
  Proxy proxy;
  Admin admin;
  Log log;
  Duration shutdown_grace = 30s;
  std::string state_dir = "/var/lib/fairlead";
  std::optional<DnsDhcp> dnsdhcp;
  std::optional<Router> router;
  bool operator==(const Snapshot&) const = default;
};

}  // namespace fairlead::config
