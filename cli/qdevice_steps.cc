// fairlead: pure
#include "cli/qdevice_steps.h"

#include <fmt/format.h>

namespace fairlead::cli {
namespace {

std::string address_of(const config::Node& node) { return node.links.empty() ? node.name : node.links.front().to_string(); }

bool is_v6(const std::string& host) { return host.find(':') != std::string::npos; }

/// As scp takes it before the colon of a path.
std::string for_scp(const std::string& host) { return is_v6(host) ? "[" + host + "]" : host; }

}  // namespace

std::string qdevice_steps(const config::Cluster& cluster, const std::string& node, bool has_certificate) {
  if (!cluster.qdevice) return {};
  const config::Qdevice& qdevice = *cluster.qdevice;
  std::string out = fmt::format("qdevice: corosync-qnetd on {} gives the third vote\n", qdevice.host);
  const auto step = [&](std::string_view where, std::string_view command) { out += fmt::format("  {:<12} {}\n", where, command); };
  step(qdevice.host, "apt install corosync-qnetd");
  step("every node", "apt install corosync-qdevice");
  if (qdevice.tls == config::QdeviceTls::kOff) {
    out += "  tls is off: whoever reaches the port can vote. Use it on a network of its own only.\n";
  } else if (has_certificate) {
    out += fmt::format("  {} has its certificate store already (/etc/corosync/{})\n", node, kQdeviceStore);
  } else {
    std::string quick = fmt::format("corosync-qdevice-net-certutil -Q -n {} {}", cluster.name, qdevice.host);
    bool v6 = is_v6(qdevice.host);
    for (const config::Node& other : cluster.nodes) {
      quick += " " + address_of(other);
      v6 = v6 || is_v6(address_of(other));
    }
    if (v6) {
      out += "certificates (the tool's own way to do it all, -Q, is not for IPv6 addresses: it gives them to scp without brackets)\n";
    } else {
      out += "certificates, all at once, from a machine whose ssh reaches root on all of them (the tool asks nothing else):\n";
      step(node, quick);
    }
    const std::string folder = fmt::format("/etc/corosync/{}/", kQdeviceStore);
    const std::string qnetd = for_scp(qdevice.host);
    out += std::string(v6 ? "" : "or ") + "by hand (as root, each from its home folder; the .p12 holds the cluster's private key):\n";
    step(qdevice.host, "corosync-qnetd-certutil -i       (the Debian package has done it)");
    step("every node", fmt::format("scp {}:/etc/corosync/qnetd/nssdb/qnetd-cacert.crt .", qnetd));
    step("every node", "corosync-qdevice-net-certutil -i -c qnetd-cacert.crt");
    step(node, fmt::format("corosync-qdevice-net-certutil -r -n {}", cluster.name));
    step(node, fmt::format("scp {}qdevice-net-node.crq {}:", folder, qnetd));
    step(qdevice.host, fmt::format("corosync-qnetd-certutil -s -c qdevice-net-node.crq -n {}", cluster.name));
    step(node, fmt::format("scp {}:/etc/corosync/qnetd/nssdb/cluster-{}.crt .", qnetd, cluster.name));
    step(node, fmt::format("corosync-qdevice-net-certutil -M -c cluster-{}.crt", cluster.name));
    for (const config::Node& other : cluster.nodes) {
      if (other.name == node) continue;
      step(node, fmt::format("scp {0}qdevice-net-node.p12 {1}:{0}", folder, for_scp(address_of(other))));
      step(other.name, fmt::format("corosync-qdevice-net-certutil -m -c {}qdevice-net-node.p12", folder));
    }
  }
  out += "then, with Corosync running:\n";
  step("every node", "systemctl enable --now corosync-qdevice");
  step("every node", "corosync-qdevice-tool -s       (says Connected)");
  return out;
}

}  // namespace fairlead::cli
