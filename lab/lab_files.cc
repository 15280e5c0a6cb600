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
    // The last link is the ring's where there is one.
    out += fmt::format("    - {{name: {}, id: {}, links: [{}], interfaces: {{lan: lan}}}}\n", node.name, ++id, node.links.back().address);
  }
  if (const LabNode* qnetd = plan.find("qnetd")) {
    out += fmt::format("  qdevice: {{host: {}, tls: off}}\n", qnetd->links.front().address);
  } else if (plan.options.nodes == 2) {
    const LabNode* router = plan.find("router");
    out += fmt::format("  tie_break: {{targets: [{}]}}\n", router->links.front().address);
  }
  return out;
}

}  // namespace

std::string gateway_yaml(const LabPlan& plan, const LabNode& node) {
  std::string out = fmt::format(
      "# Gateway {0} of the lab. The same on every gateway but for `node`; `fairlead reload` applies a change.\n"
      "apiVersion: fairlead/v1\nnode: {0}\n\n",
      node.name);
  if (plan.options.nodes > 1) out += cluster_yaml(plan) + "\n";
  out += fmt::format(
      "vips:\n  - {{name: api, address: {0}/24, interface: lan}}\n\n"
      "listeners:\n  - {{name: kube-api, bind: [\"{0}:{1}\"], pool: masters}}\n\n"
      "pools:\n  - name: masters\n    balance: least_connections\n    health: {{type: https, path: /readyz, ca: /etc/lab/ca.crt}}\n    "
      "servers:\n",
      kVip, kPort);
  for (const LabNode& server : plan.nodes) {
    if (server.role == Role::kBackend)
      out += fmt::format("      - {{name: {}, address: \"{}:{}\"}}\n", server.name, server.links.front().address, kPort);
  }
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
  for (const LabNode& node : plan.nodes) out += fmt::format("{} {}\n", node.links.front().address, node.name);
  return out;
}

std::string certificate_names(const LabNode& node) {
  return fmt::format("IP:{},IP:{},DNS:{},DNS:api", node.links.front().address, kVip, node.name);
}

}  // namespace fairlead::lab
