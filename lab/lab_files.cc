// fairlead: pure
#include "lab/lab_files.h"

#include <fmt/format.h>

namespace fairlead::lab {
namespace {

std::string cluster_yaml(const LabPlan& plan) {
  std::string out = fmt::format("cluster:\n  name: {}\n  profile: {}\n  nodes:\n", plan.options.name, plan.options.profile);
  unsigned id = 0;
  for (const LabNode& node : plan.nodes) {
    if (node.role != Role::kGateway) continue;
    const LabLink& corosync = plan.options.one_link ? node.links.front() : node.links.back();
    out += fmt::format("    - {{name: {}, id: {}, links: [{}], interfaces: {{lan: lan}}}}\n", node.name, ++id, corosync.address);
  }
  if (const LabNode* qnetd = plan.find("qnetd")) {
    out += fmt::format("  qdevice: {{host: {}, tls: off}}\n", qnetd->links.front().address);
  } else if (plan.options.nodes == 2) {
    const LabNode* router = plan.find("router");
    out += fmt::format("  tie_break: {{targets: [{}]}}\n", router->links.front().address);
  }
  return out;
}

/// The classic set-up's networks of masters and workers, and who may open connections.
std::string dnsdhcp_yaml(const LabPlan& plan) {
  std::string out = fmt::format(
      "\ndnsdhcp:\n  follows: gateway\n  domain: kube.demo\n  networks:\n"
      "    - {{name: mast, interface: mast, cidr: 192.168.1.0/24, router: 192.168.1.254, dns: 192.168.1.1, "
      "pool: [192.168.1.100, 192.168.1.199], lease: 2m}}\n"
      "    - {{name: node, interface: node, cidr: 192.168.2.0/24, router: 192.168.2.254, dns: 192.168.2.1, "
      "pool: [192.168.2.130, 192.168.2.229], lease: 2m}}\n  hosts:\n");
  for (const LabNode& node : plan.nodes) {
    if (node.role != Role::kBackend) continue;
    const LabLink& link = node.links.front();
    out += fmt::format("    - {{name: {}, network: mast, mac: \"{}\", address: {}}}\n", node.name, link.mac, link.address);
  }
  out += fmt::format("  records: [{{name: api, address: {}}}]\n  netboot: {{tftp_root: {}, bios: pxelinux.0, efi: shim.efi}}\n", kVip,
                     kTftpRoot);
  out +=
      "\nrouter:\n  uplink: lan\n  masquerade: true\n  forward:\n    - {from: mast, to: [node, uplink]}\n    - {from: node, to: "
      "[uplink]}\n";
  return out;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> boot_files() {
  return {{"pxelinux.0", "A BIOS that boots from the network gets this.\n"},
          {"shim.efi", "An EFI that boots from the network gets this.\n"}};
}

std::string udhcpc_script() {
  return R"(#!/bin/sh
case "$1" in
  deconfig)
    ip link set dev "$interface" up
    ip addr flush dev "$interface" ;;
  bound|renew)
    ip addr replace "$ip/$mask" dev "$interface" valid_lft "$lease" preferred_lft "$lease"
    [ -z "$router" ] || ip route replace default via "${router%% *}" dev "$interface"
    { [ -z "$domain" ] || echo "search $domain"; for server in $dns; do echo "nameserver $server"; done; } > /etc/resolv.conf.new
    mv /etc/resolv.conf.new /etc/resolv.conf
    echo "$1: $ip for ${lease} s, router ${router:-none}, resolver ${dns:-none}" | tee -a /run/udhcpc.told ;;
esac
)";
}

std::string gateway_yaml(const LabPlan& plan, const LabNode& node) {
  std::string out = fmt::format(
      "# Gateway {0} of the lab. The same on every gateway but for `node`; `fairlead reload` applies a change.\n"
      "apiVersion: fairlead/v1\nnode: {0}\n\n",
      node.name);
  if (plan.options.nodes > 1) out += cluster_yaml(plan) + "\n";
  out += fmt::format(
      "vips:\n  - {{name: api, address: {0}/24, interface: lan{2}}}\n\n"
      "listeners:\n  - {{name: kube-api, bind: [\"{0}:{1}\"], pool: masters}}\n\n"
      "pools:\n  - name: masters\n    balance: least_connections\n    health: {{type: https, path: /readyz, ca: /etc/lab/ca.crt}}\n    "
      "servers:\n",
      kVip, kPort, plan.options.dhcp ? ", group: gateway" : "");
  for (const LabNode& server : plan.nodes) {
    if (server.role == Role::kBackend)
      out += fmt::format("      - {{name: {}, address: \"{}:{}\"}}\n", server.name, server.links.front().address, kPort);
  }
  if (plan.options.dhcp) out += dnsdhcp_yaml(plan);
  out += "\nlog: {level: info, target: stderr}\nshutdown_grace: 5s\n";
  return out;
}

std::string nginx_conf(const LabNode& node) {
  std::string temp;
  for (const char* name : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"})
    temp += fmt::format("  {0}_temp_path /run/nginx-{0};\n", name);
  return fmt::format(
      "daemon off;\nmaster_process off;\npid /run/nginx.pid;\nerror_log /run/lab/nginx.log warn;\n"
      "events {{ worker_connections 4096; }}\n"
      "http {{\n  access_log off;\n{temp}"
      "  keepalive_requests 10000000;\n  keepalive_timeout 1h;\n  default_type text/plain;\n"
      "  server {{\n    listen {address}:{port} ssl backlog=4096;\n"
      "    ssl_certificate /etc/lab/server.crt;\n    ssl_certificate_key /etc/lab/server.key;\n    ssl_session_tickets off;\n"
      "    add_header X-Backend {name} always;\n"
      "    location = /readyz {{ return 200 'ok\\n'; }}\n    location / {{ return 200 \"{name} $request_uri\\n\"; }}\n  }}\n}}\n",
      fmt::arg("temp", temp), fmt::arg("address", node.links.front().address), fmt::arg("port", kPort), fmt::arg("name", node.name));
}

std::string hosts_file(const LabPlan& plan) {
  std::string out = fmt::format("127.0.0.1 localhost\n::1 localhost\n{} api\n", kVip);
  for (const LabNode& node : plan.nodes) {
    if (const std::string& address = node.links.front().address; !address.empty()) out += fmt::format("{} {}\n", address, node.name);
  }
  return out;
}

std::string certificate_names(const LabNode& node) {
  return fmt::format("IP:{},IP:{},DNS:{},DNS:api", node.links.front().address, kVip, node.name);
}

}  // namespace fairlead::lab
