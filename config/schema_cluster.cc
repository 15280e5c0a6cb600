// fairlead: pure
// The table, part 3: cluster, guard, vips.
#include "config/schema_types.h"

namespace fairlead::config::schema {
namespace {

/// Times of the totem section of corosync.conf(5).
std::vector<std::string> timing_keys() {
  return {"token",     "token_coefficient", "token_retransmit",   "hold",
          "join",      "send_join",         "consensus",          "merge",
          "downcheck", "max_network_delay", "knet_ping_interval", "knet_ping_timeout"};
}

const Section& tie_break_section() {
  static const Section section = make_section<TieBreak>(
      "cluster.tie_break", "Decides between two nodes that lost each other: who reaches a router may hold the VIPs.",
      {
          field("targets", &TieBreak::targets, list(address(), kTieBreakTargetsMax, "IP addresses"),
                "Routers that are not ours: no VIP, no address of a node.", {.required = true}),
          field("need", &TieBreak::need, choice<TieBreakNeed>({{"any", TieBreakNeed::kAny}, {"all", TieBreakNeed::kAll}}),
                "How many of them must answer."),
      });
  return section;
}

const Section& qdevice_section() {
  static const auto times = duration({.min = 100ms, .max = 5min, .zero = {}, .whole_seconds = false});
  static const Section section = make_section<Qdevice>(
      "cluster.qdevice", "A corosync-qnetd that gives a third vote.",
      {
          field("host", &Qdevice::host, text({.rule = TextRule::kHost, .may_be_empty = false, .example = "192.168.4.140"}),
                "Where corosync-qnetd runs; not on a node.", {.required = true}),
          field("port", &Qdevice::port, number<std::uint16_t>(1, 65535), "Its port."),
          field("algorithm", &Qdevice::algorithm,
                choice<QdeviceAlgorithm>({{"ffsplit", QdeviceAlgorithm::kFfsplit}, {"lms", QdeviceAlgorithm::kLms}}),
                "How the vote is given."),
          field("tls", &Qdevice::tls,
                choice<QdeviceTls>({{"off", QdeviceTls::kOff}, {"on", QdeviceTls::kOn}, {"required", QdeviceTls::kRequired}}),
                "TLS to qnetd."),
          field("timeout", &Qdevice::timeout, times, "Without an answer so long the vote is lost."),
          field("sync_timeout", &Qdevice::sync_timeout, times, "The same while membership changes."),
      });
  return section;
}

const Section& track_section() {
  static const Section section = make_section<VipTrack>(
      "vips[].track", "What makes a node unfit for the VIP, beside carrier.",
      {
          field("gateway", &VipTrack::gateway, optional(address()),
                "A router asked by ARP (3 x 100 ms); silence counts as lost carrier, unless every node sees it silent."),
      });
  return section;
}

const Section& route_section() {
  static const Section section = make_section<VipRoute>(
      "vips[].route", "A \"from VIP\" rule and a default route of its own, so that answers leave by the VIP's network.",
      {
          field("gateway", &VipRoute::gateway, address(), "Next hop; a router that is not ours.", {.required = true}),
          field("table", &VipRoute::table, number<std::uint32_t>(1, 4'294'967'295U), "Number of a routing table that nothing else uses.",
                {.required = true}),
      });
  return section;
}

const Section& announce_section() {
  static const Section section = make_section<Announce>(
      "vips[].announce", "Gratuitous ARP (IPv6: unsolicited neighbour advertisements) after a takeover.",
      {
          field("count", &Announce::count, number<std::uint32_t>(1, 100), "Announcements at once."),
          field("repeat", &Announce::repeat,
                list(duration({.min = 10ms, .max = 1h, .zero = {}, .whole_seconds = false}), kAnnounceRepeatsMax, "durations"),
                "Repeated so long after the takeover."),
          field("refresh", &Announce::refresh, duration({.min = 1s, .max = 24h, .zero = "never", .whole_seconds = false}),
                "Repeated for ever at this interval."),
      });
  return section;
}

const Section& hook_section() {
  static const Section section = make_section<Hook>(
      "vips[].on_acquire[]",
      "A program run after the fact; never in the path of a takeover. It finds FAIRLEAD_EVENT (acquire or release), FAIRLEAD_VIP, "
      "FAIRLEAD_ADDRESS (with its prefix length) and FAIRLEAD_INTERFACE in its environment. The hooks of one VIP run one after the other.",
      {
          field(
              "command", &Hook::command,
              list(text({.rule = TextRule::kFree, .may_be_empty = false, .example = "/usr/local/bin/up"}), kHookArgumentsMax, "arguments"),
              "The program (an absolute path) and its arguments; no shell.", {.required = true}),
          field("timeout", &Hook::timeout, duration({.min = 100ms, .max = 1h, .zero = {}, .whole_seconds = false}), "Then it is killed."),
      });
  return section;
}

}  // namespace

const Section& node_section() {
  static const Section section = make_section<Node>(
      "cluster.nodes[]", "One gateway.",
      {
          field("name", &Node::name, name(), "Its host name, or what `node` says there. Unique.", {.required = true}),
          field("id", &Node::id, number<std::uint32_t>(1, 4'294'967'295U), "Corosync's node id. Unique; never give it to another node.",
                {.required = true}),
          field("links", &Node::links, list(address(), kLinksPerNodeMax, "IP addresses"),
                "Its addresses for Corosync, one per ring; as many on every node.", {.required = true}),
          field("interfaces", &Node::interfaces,
                std::make_shared<MapType<NodeInterface, std::string>>(
                    &NodeInterface::name, &NodeInterface::device, text({.rule = TextRule::kDevice, .may_be_empty = false, .example = {}}),
                    kInterfacesPerNodeMax, "map of names to network devices", std::vector<std::string>{}, "{lan: ens192}"),
                "What its network devices are called; vips use the names."),
      });
  return section;
}

const Section& cluster_section() {
  static constexpr FieldFlags kRequired{.required = true};
  static const Section section = make_section<Cluster>(
      "cluster", "Nodes that share the VIPs by Corosync.",
      {
          field("name", &Cluster::name, name(), "Name of the cluster; the same on all nodes.", {.required = true, .restart = true}),
          field("profile", &Cluster::profile,
                choice<TimingProfile>({{"vm", TimingProfile::kVm}, {"fast", TimingProfile::kFast}, {"min", TimingProfile::kMin}}),
                "Corosync's timing: for virtual machines, for quiet hardware, the least (experimental)."),
          field("timing", &Cluster::timing,
                std::make_shared<MapType<TimingKey, Duration>>(
                    &TimingKey::name, &TimingKey::value, duration({.min = 1ms, .max = 10min, .zero = {}, .whole_seconds = false}),
                    timing_keys().size(), "map of Corosync's times", timing_keys(), "{token: 800ms, consensus: 960ms}"),
                "Single times that differ from the profile's, named as in corosync.conf(5)."),
          field("nodes", &Cluster::nodes, list(schema::section<Node>(node_section()), kNodesMax, "nodes"), "The gateways.", kRequired),
          field("tie_break", &Cluster::tie_break, optional(schema::section<TieBreak>(tie_break_section())),
                "For two nodes without a qdevice."),
          field("qdevice", &Cluster::qdevice, optional(schema::section<Qdevice>(qdevice_section())), "A third vote."),
          field("start_wait", &Cluster::start_wait, duration({.min = {}, .max = 10min, .zero = {}, .whole_seconds = false}),
                "After a start without the other nodes: how long before a VIP is taken, plus 1 s for each node with a lower id."),
      });
  return section;
}

const Section& guard_section() {
  static const Section section =
      make_section<Guard>("guard", "The process that removes addresses when the daemon is dead or hung.",
                          {
                              field("hang", &Guard::hang, duration({.min = 100ms, .max = 1min, .zero = {}, .whole_seconds = false}),
                                    "A daemon silent so long counts as hung."),
                          });
  return section;
}

const Section& vip_section() {
  static const Section section = make_section<Vip>(
      "vips[]", "One address that moves between nodes.",
      {
          field("name", &Vip::name, name(), "Unique among the VIPs.", {.required = true}),
          field("address", &Vip::address, prefix(true), "The address and its network's prefix length.", {.required = true}),
          field("interface", &Vip::interface, text({.rule = TextRule::kDevice, .may_be_empty = false, .example = "lan"}),
                "A name of cluster.nodes[].interfaces, a network device, or auto (the device with an address of that network)."),
          field("lease", &Vip::lease, duration({.min = 1s, .max = 5min, .zero = {}, .whole_seconds = true}),
                "Lifetime of the address in the kernel, refreshed while held; cleans up when daemon and guard are both dead."),
          field("prefer", &Vip::prefer, list(name(), kNodesMax, "nodes"),
                "Nodes that should hold it, the best first. Without preempt it only breaks ties."),
          field("preempt", &Vip::preempt, flag(), "Move back to a preferred node when it returns."),
          field("preempt_delay", &Vip::preempt_delay, duration({.min = {}, .max = 24h, .zero = {}, .whole_seconds = false}),
                "The preferred node must have been fit so long."),
          field("group", &Vip::group, optional_name(), "VIPs of one group stay together."),
          field("requires", &Vip::requires_listeners, list(name(), kListenersMax, "listeners"),
                "Listeners that must be able to serve on the node that holds it."),
          field("track", &Vip::track, schema::section<VipTrack>(track_section()), "What makes a node unfit, beside carrier."),
          field("carrier_delay", &Vip::carrier_delay, duration({.min = {}, .max = 1min, .zero = {}, .whole_seconds = false}),
                "Lost carrier counts only after so long."),
          field("takeover_probe", &Vip::takeover_probe, flag(),
                "Ask by ARP whether somebody still has the address before taking it. off only where a gateway answers for every address "
                "(proxy ARP)."),
          field("route", &Vip::route, optional(schema::section<VipRoute>(route_section())), "Answers leave by the VIP's own network."),
          field("announce", &Vip::announce, schema::section<Announce>(announce_section()), "Gratuitous ARP after a takeover."),
          field("on_acquire", &Vip::on_acquire, list(schema::section<Hook>(hook_section()), kHooksMax, "hooks"),
                "Programs run after the VIP was taken."),
          field("on_release", &Vip::on_release, list(schema::section<Hook>(hook_section()), kHooksMax, "hooks"),
                "Programs run after it was released."),
      });
  return section;
}

}  // namespace fairlead::config::schema
