// fairlead: pure
#include "migrate/keepalived_keywords.h"

#include <array>

namespace fairlead::migrate {
namespace {

using Place = KeepalivedPlace;
using Act = KeepalivedAct;
using K = KeepalivedKeyword;

constexpr std::string_view kOwnInterface = "the VIP's own interface is watched; others are not";
constexpr std::string_view kMail = "no mail is sent";
constexpr std::string_view kAlarms = "alarms of Prometheus on /metrics";
constexpr std::string_view kVrrp = "nodes find each other by Corosync, not by VRRP";
constexpr std::string_view kTuning = "keepalived's own tuning";
constexpr std::string_view kLvs = "the servers are reached through the proxy, not through LVS";
constexpr std::string_view kHookUser = "give that user what the hook needs, or let a path unit of systemd do the rest";
constexpr std::string_view kCounts = "rise and fall of the pool count instead";
constexpr std::string_view kKey = "`fairlead cluster setup` makes Corosync's key";

// clang-format off
constexpr std::array kKeywords{
    K{Place::kTop, "global_defs", Act::kGlobalDefs},
    K{Place::kTop, "vrrp_instance", Act::kInstanceBlock},
    K{Place::kTop, "vrrp_script", Act::kScriptBlock},
    K{Place::kTop, "vrrp_track_process", Act::kScriptBlock},
    K{Place::kTop, "vrrp_track_file", Act::kScriptBlock},
    K{Place::kTop, "track_file", Act::kScriptBlock},
    K{Place::kTop, "vrrp_sync_group", Act::kSyncBlock},
    K{Place::kTop, "virtual_server", Act::kVirtualServerBlock},
    K{Place::kTop, "include*", Act::kInclude},
    K{Place::kTop, "virtual_server_group", Act::kLeaveOut, kLvs, "a listener with all addresses in bind"},
    K{Place::kTop, "bfd_instance", Act::kLeaveOut, "links are watched by Corosync", "cluster.timing"},
    K{Place::kTop, "static_ipaddress", Act::kLeaveOut, "addresses that do not move belong to the system", "networkd or ifupdown"},
    K{Place::kTop, "static_routes", Act::kLeaveOut, "routes that do not move belong to the system", "networkd or ifupdown"},
    K{Place::kTop, "static_rules", Act::kLeaveOut, "rules that do not move belong to the system", "networkd or ifupdown"},
    K{Place::kTop, "garp_group", Act::kLeaveOut, kTuning, "vips[].announce"},
    K{Place::kTop, "track_group", Act::kLeaveOut, "addresses and routes that do not move belong to the system", "networkd or ifupdown"},
    K{Place::kTop, "linkbeat_interfaces", Act::kLeaveOut, "the kernel tells about carrier at once"},
    K{Place::kTop, "linkbeat_use_polling", Act::kLeaveOut, "the kernel tells about carrier at once"},
    K{Place::kTop, "net_namespace*", Act::kLeaveOut, "there are no namespaces"},
    K{Place::kTop, "instance", Act::kLeaveOut, "one daemon runs on a node"},
    K{Place::kTop, "use_pid_dir", Act::kLeaveOut, "the systemd unit does that"},
    // ---- global_defs ----
    K{Place::kGlobal, "router_id", Act::kRouterId},
    K{Place::kGlobal, "notification_email", Act::kLeaveOut, kMail, kAlarms},
    K{Place::kGlobal, "notification_email_from", Act::kLeaveOut, kMail, kAlarms},
    K{Place::kGlobal, "smtp_*", Act::kLeaveOut, kMail, kAlarms},
    K{Place::kGlobal, "script_user", Act::kLeaveOut, "hooks run as user fairlead, without privileges", kHookUser},
    K{Place::kGlobal, "enable_script_security", Act::kLeaveOut, "hooks run without a shell, by absolute path"},
    K{Place::kGlobal, "enable_dbus", Act::kLeaveOut, "there is an API instead", "`fairlead vip list`"},
    K{Place::kGlobal, "enable_snmp_*", Act::kLeaveOut, "there is no SNMP", "/metrics"},
    K{Place::kGlobal, "enable_traps", Act::kLeaveOut, "there is no SNMP", "/metrics"},
    K{Place::kGlobal, "snmp_socket", Act::kLeaveOut, "there is no SNMP", "/metrics"},
    K{Place::kGlobal, "startup_script*", Act::kLeaveOut, "no program is run at start", "ExecStartPre in a drop-in of fairleadd.service"},
    K{Place::kGlobal, "shutdown_script*", Act::kLeaveOut, "no program is run at the end", "ExecStopPost in a drop-in of fairleadd.service"},
    K{Place::kGlobal, "notify_fifo*", Act::kLeaveOut, "hooks and events tell what happens", "on_acquire, `fairlead events --follow`"},
    K{Place::kGlobal, "default_interface", Act::kLeaveOut, "every VIP names its interface", "vips[].interface"},
    K{Place::kGlobal, "vrrp_garp_*", Act::kLeaveOut, "announcements are told by VIP", "vips[].announce"},
    K{Place::kGlobal, "vrrp_gna_*", Act::kLeaveOut, "announcements are told by VIP", "vips[].announce"},
    K{Place::kGlobal, "vrrp_*", Act::kLeaveOut, kVrrp},
    K{Place::kGlobal, "checker_*", Act::kLeaveOut, kTuning},
    K{Place::kGlobal, "bfd_*", Act::kLeaveOut, kTuning},
    K{Place::kGlobal, "lvs_*", Act::kLeaveOut, kLvs},
    K{Place::kGlobal, "net_namespace*", Act::kLeaveOut, "there are no namespaces"},
    K{Place::kGlobal, "*", Act::kLeaveOut, kTuning},
    // ---- vrrp_instance ----
    K{Place::kInstance, "state", Act::kState},
    K{Place::kInstance, "interface", Act::kInterface},
    K{Place::kInstance, "priority", Act::kPriority},
    K{Place::kInstance, "nopreempt", Act::kNopreempt},
    K{Place::kInstance, "preempt", Act::kSoAnyway},
    K{Place::kInstance, "preempt_delay", Act::kPreemptDelay},
    K{Place::kInstance, "unicast_src_ip", Act::kOwnAddress},
    K{Place::kInstance, "mcast_src_ip", Act::kOwnAddress},
    K{Place::kInstance, "unicast_peer", Act::kPeers},
    K{Place::kInstance, "virtual_ipaddress", Act::kAddresses},
    K{Place::kInstance, "virtual_ipaddress_excluded", Act::kAddresses},
    K{Place::kInstance, "virtual_routes", Act::kRoutes},
    K{Place::kInstance, "virtual_rules", Act::kRules},
    K{Place::kInstance, "track_script", Act::kWatch},
    K{Place::kInstance, "track_process", Act::kWatch},
    K{Place::kInstance, "track_file", Act::kWatch},
    K{Place::kInstance, "notify", Act::kHook},
    K{Place::kInstance, "notify_master", Act::kHook},
    K{Place::kInstance, "notify_backup", Act::kHook},
    K{Place::kInstance, "notify_fault", Act::kHook},
    K{Place::kInstance, "notify_stop", Act::kHook},
    K{Place::kInstance, "notify_*", Act::kLeaveOut, "hooks run when a VIP was taken or released", "on_acquire, on_release"},
    K{Place::kInstance, "garp_master_repeat", Act::kGarp},
    K{Place::kInstance, "garp_master_refresh", Act::kGarp},
    K{Place::kInstance, "garp_*", Act::kLeaveOut, "announcements have times of their own", "vips[].announce"},
    K{Place::kInstance, "virtual_router_id", Act::kLeaveOut, kVrrp},
    K{Place::kInstance, "advert_int", Act::kLeaveOut, "Corosync's token says when a node is lost", "cluster.profile"},
    K{Place::kInstance, "authentication", Act::kLeaveOut, "Corosync's traffic is encrypted", kKey},
    K{Place::kInstance, "track_interface", Act::kTrackInterface, kOwnInterface, "vips[].track.gateway watches the path"},
    K{Place::kInstance, "track_bfd", Act::kLeaveOut, "links are watched by Corosync", "cluster.timing"},
    K{Place::kInstance, "track_src_ip", Act::kLeaveOut, "links are watched by Corosync"},
    K{Place::kInstance, "dont_track_primary", Act::kLeaveOut, "carrier of the VIP's interface always counts", "vips[].carrier_delay"},
    K{Place::kInstance, "use_vmac*", Act::kLeaveOut, "a VIP comes with the node's own MAC, and neighbours are told by ARP"},
    K{Place::kInstance, "vmac_*", Act::kLeaveOut, "a VIP comes with the node's own MAC, and neighbours are told by ARP"},
    K{Place::kInstance, "use_ipvlan", Act::kLeaveOut, "a VIP comes with the node's own MAC, and neighbours are told by ARP"},
    K{Place::kInstance, "smtp_alert", Act::kLeaveOut, kMail, kAlarms},
    K{Place::kInstance, "promote_secondaries", Act::kSoAnyway},
    K{Place::kInstance, "accept", Act::kSoAnyway},
    K{Place::kInstance, "no_accept", Act::kLeaveOut, "the proxy needs the address to be open", "nftables"},
    K{Place::kInstance, "lvs_sync_daemon_interface", Act::kLeaveOut, kLvs},
    K{Place::kInstance, "strict_mode", Act::kLeaveOut, kVrrp},
    K{Place::kInstance, "unicast_*", Act::kLeaveOut, kVrrp},
    K{Place::kInstance, "check_unicast_src", Act::kLeaveOut, kVrrp},
    K{Place::kInstance, "lower_prio_no_advert", Act::kLeaveOut, kVrrp},
    K{Place::kInstance, "old_unicast_checksum", Act::kLeaveOut, kVrrp},
    K{Place::kInstance, "vrf", Act::kLeaveOut, "a VIP's interface may be in a VRF, and is not put into one", "networkd or ifupdown"},
    K{Place::kInstance, "mcast_*", Act::kLeaveOut, kVrrp},
    K{Place::kInstance, "native_ipv6", Act::kLeaveOut, kVrrp},
    K{Place::kInstance, "version", Act::kLeaveOut, kVrrp},
    K{Place::kInstance, "debug", Act::kLeaveOut, kTuning, "log.level"},
    K{Place::kInstance, "skip_check_adv_addr", Act::kLeaveOut, kVrrp},
    K{Place::kInstance, "higher_prio_send_advert", Act::kLeaveOut, kVrrp},
    K{Place::kInstance, "thread_timer_expired", Act::kLeaveOut, kVrrp},
    K{Place::kInstance, "down_timer_adverts", Act::kLeaveOut, kVrrp},
    K{Place::kInstance, "kernel_rx_buf_size", Act::kLeaveOut, kTuning},
    K{Place::kInstance, "linkbeat_*", Act::kLeaveOut, "the kernel tells about carrier at once"},
    // ---- vrrp_script and its like ----
    K{Place::kScript, "*", Act::kScriptLine},
    // ---- vrrp_sync_group ----
    K{Place::kSync, "group", Act::kMembers},
    K{Place::kSync, "track_script", Act::kWatch},
    K{Place::kSync, "track_process", Act::kWatch},
    K{Place::kSync, "track_file", Act::kWatch},
    K{Place::kSync, "track_bfd", Act::kLeaveOut, "links are watched by Corosync", "cluster.timing"},
    K{Place::kSync, "smtp_alert", Act::kLeaveOut, kMail, kAlarms},
    K{Place::kSync, "track_interface", Act::kLeaveOut, kOwnInterface, "vips[].track.gateway watches the path"},
    K{Place::kSync, "notify", Act::kHook},
    K{Place::kSync, "notify_master", Act::kHook},
    K{Place::kSync, "notify_backup", Act::kHook},
    K{Place::kSync, "notify_fault", Act::kHook},
    K{Place::kSync, "notify_stop", Act::kHook},
    K{Place::kSync, "notify_*", Act::kLeaveOut, "hooks run when a VIP was taken or released", "on_acquire, on_release"},
    K{Place::kSync, "*", Act::kLeaveOut, kTuning},
    // ---- virtual_server ----
    K{Place::kVirtualServer, "lb_algo", Act::kBalance},
    K{Place::kVirtualServer, "lvs_sched", Act::kBalance},
    K{Place::kVirtualServer, "lb_kind", Act::kForwarding},
    K{Place::kVirtualServer, "lvs_method", Act::kForwarding},
    K{Place::kVirtualServer, "protocol", Act::kProtocol},
    K{Place::kVirtualServer, "delay_loop", Act::kDelayLoop},
    K{Place::kVirtualServer, "persistence_timeout", Act::kPersistence},
    K{Place::kVirtualServer, "real_server", Act::kRealServerBlock},
    K{Place::kVirtualServer, "sorry_server", Act::kSorryServer},
    K{Place::kVirtualServer, "inhibit_on_failure", Act::kSoAnyway},
    K{Place::kVirtualServer, "retry", Act::kLeaveOut, kCounts, "pools[].health"},
    K{Place::kVirtualServer, "delay_before_retry", Act::kLeaveOut, kCounts, "pools[].health"},
    K{Place::kVirtualServer, "connect_timeout", Act::kLeaveOut, "a check's timeout stands with it", "pools[].health.timeout"},
    K{Place::kVirtualServer, "virtualhost", Act::kLeaveOut, "a check's host stands with it", "pools[].health.host"},
    K{Place::kVirtualServer, "warmup", Act::kLeaveOut, "checks begin at once", "pools[].health"},
    K{Place::kVirtualServer, "quorum*", Act::kLeaveOut, "one server that is up is enough", "vips[].requires"},
    K{Place::kVirtualServer, "ha_suspend", Act::kLeaveOut, "checks run on every node", ""},
    K{Place::kVirtualServer, "smtp_alert", Act::kLeaveOut, kMail, kAlarms},
    K{Place::kVirtualServer, "*", Act::kLeaveOut, kLvs},
    K{Place::kRealServer, "weight", Act::kWeight},
    K{Place::kRealServer, "TCP_CHECK", Act::kCheckBlock},
    K{Place::kRealServer, "HTTP_GET", Act::kCheckBlock},
    K{Place::kRealServer, "SSL_GET", Act::kCheckBlock},
    K{Place::kRealServer, "inhibit_on_failure", Act::kSoAnyway},
    K{Place::kRealServer, "retry", Act::kLeaveOut, kCounts, "pools[].health"},
    K{Place::kRealServer, "delay_before_retry", Act::kLeaveOut, kCounts, "pools[].health"},
    K{Place::kRealServer, "delay_loop", Act::kLeaveOut, "a pool's servers are checked alike", "pools[].health.interval"},
    K{Place::kRealServer, "warmup", Act::kLeaveOut, "checks begin at once", "pools[].health"},
    K{Place::kRealServer, "connect_timeout", Act::kLeaveOut, "a check's timeout stands with it", "pools[].health.timeout"},
    K{Place::kRealServer, "virtualhost", Act::kLeaveOut, "a check's host stands with it", "pools[].health.host"},
    K{Place::kRealServer, "uthreshold", Act::kLeaveOut, "it counts LVS' connections", "pools[].servers[].max_connections"},
    K{Place::kRealServer, "lthreshold", Act::kLeaveOut, "it counts LVS' connections", "pools[].servers[].max_connections"},
    K{Place::kRealServer, "lvs_*", Act::kLeaveOut, kLvs},
    K{Place::kRealServer, "notify_*", Act::kLeaveOut, "no program is run when a server comes or goes", kAlarms},
    K{Place::kRealServer, "snmp_name", Act::kLeaveOut, "there is no SNMP", "/metrics"},
    K{Place::kRealServer, "smtp_alert", Act::kLeaveOut, kMail, kAlarms},
    K{Place::kRealServer, "*", Act::kLeaveOut, "checks of this kind are not made", "pools[].health"},
};
// clang-format on

}  // namespace

std::span<const KeepalivedKeyword> keepalived_keywords() { return kKeywords; }

const KeepalivedKeyword* find_keepalived_keyword(KeepalivedPlace place, std::string_view name) {
  for (const KeepalivedKeyword& keyword : kKeywords) {
    const bool pattern = keyword.name.ends_with('*');
    const std::string_view start = pattern ? keyword.name.substr(0, keyword.name.size() - 1) : keyword.name;
    if (keyword.place == place && (pattern ? name.starts_with(start) : name == start)) return &keyword;
  }
  return nullptr;
}

}  // namespace fairlead::migrate
