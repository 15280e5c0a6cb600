// fairlead: pure
#include "k8s-bootstrap/plan/plan_preflight.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <tuple>

#include "base/units.h"
#include "k8s-bootstrap/render/hosts_block.h"
#include "k8s-bootstrap/site/preflight_names.h"
#include "k8s-bootstrap/site/versions.h"
#include "k8s-bootstrap/storage/storage_layout.h"

namespace fairlead::bootstrap {
namespace {

using namespace std::chrono_literals;

// kubeadm's own least values; the disk's is what images of a control plane take, and a log.
constexpr unsigned kControlPlaneCpusMin = 2;
constexpr std::uint64_t kControlPlaneMemoryMin = 1700ULL * 1000 * 1000;
constexpr std::uint64_t kMemoryMin = 450ULL * 1000 * 1000;
constexpr std::uint64_t kNodeDiskMin = 5ULL << 30U;
constexpr Duration kClockOffsetMax = 2s;  // Certificates made on one machine are not yet valid on another one.
constexpr Minor kKernelMin{4, 19};
constexpr Minor kCgroupV1Ends{1, static_cast<int>(kCgroupV2Minor)};
constexpr Minor kContainerd1Ends{1, 37};

/// Problems of one text are one obstacle with all its machines.
class Problems {
 public:
  explicit Problems(PlanBuilder& plan) : plan_(plan) {}
  void add(const std::string& check, const std::string& machine, std::string reason, std::string remedy) {
    for (auto& [known, machines] : list_) {
      if (known != Key{check, reason, remedy}) continue;
      machines.push_back(machine);
      return;
    }
    list_.push_back({{check, std::move(reason), std::move(remedy)}, {}});
    if (!machine.empty()) list_.back().second.push_back(machine);
  }
  /// True: none is left that the site does not ignore.
  bool tell() {
    bool fit = true;
    const auto& ignored = plan_.in.site.ignored_checks;
    for (auto& [key, machines] : list_) {
      auto& [check, reason, remedy] = key;
      if (std::find(ignored.begin(), ignored.end(), check) != ignored.end()) {
        plan_.warn(fmt::format("preflight.ignore {}: {}{}{}", check, comma(machines), machines.empty() ? "" : ": ", reason));
      } else {
        plan_.obstacle(machines, reason, remedy, check);
        fit = false;
      }
    }
    return fit;
  }

 private:
  using Key = std::tuple<std::string, std::string, std::string>;
  PlanBuilder& plan_;
  std::vector<std::pair<Key, std::vector<std::string>>> list_;
};

bool is_node(const Machine& m) { return m.has(Role::kControlPlane) || m.has(Role::kWorker) || m.has(Role::kEtcd); }

/// It is to become something that it is not yet.
bool begins(const PlanBuilder& plan, const Machine& m, const MachineFacts& f) {
  if (is_node(m) && plan.view.is(m, MachineState::kBlank)) return true;
  if (has_storage(plan.in.site, m) && m.has(Role::kStorage) && (!f.storage || f.storage->has_peers == Known::kNo)) return true;
  return m.has(Role::kGateway) && f.gateway_serves != Known::kYes;
}

void check_system(Problems& out, const PlanBuilder& plan, const Machine& m, const MachineFacts& f) {
  const auto release = f.os_id + " " + f.os_version;
  static const std::vector<std::string> kReleases{"debian 12", "debian 13", "ubuntu 22.04", "ubuntu 24.04"};
  if (std::find(kReleases.begin(), kReleases.end(), release) == kReleases.end())
    out.add("os", m.name, fmt::format("it runs {}", f.os_id.empty() ? "a system that could not be told" : release),
            fmt::format("install one of {} on it", comma(kReleases)));
  if (f.arch != "x86_64" && f.arch != "amd64")
    out.add("arch", m.name, fmt::format("its processor is {}", f.arch.empty() ? "unknown" : f.arch),
            "this release knows amd64 machines only");
  if (minor_of(f.kernel) < kKernelMin)
    out.add("kernel", m.name, fmt::format("its kernel is {}", f.kernel.empty() ? "unknown" : f.kernel),
            fmt::format("boot {}.{} or newer", kKernelMin.major, kKernelMin.minor));
  if (f.systemd != Known::kYes)
    out.add("systemd", m.name, f.systemd == Known::kNo ? "systemd does not run" : "whether systemd runs could not be read",
            "boot it with systemd");
  if (!is_node(m)) return;
  if (f.cgroup_version != 2 && minor_of(plan.in.site.versions.kubernetes) >= kCgroupV1Ends)
    out.add("cgroup-v2", m.name,
            f.cgroup_version == 0 ? "its cgroup version could not be read" : "it has cgroup v1, which this kubelet refuses",
            "boot with systemd.unified_cgroup_hierarchy=1");
}

void check_size(Problems& out, const Machine& m, const MachineFacts& f) {
  const bool control_plane = m.has(Role::kControlPlane);
  const unsigned cpus = control_plane ? kControlPlaneCpusMin : 1;
  const std::uint64_t memory = control_plane ? kControlPlaneMemoryMin : kMemoryMin;
  const auto role = control_plane ? "a control plane" : "it";
  if (f.cpus < cpus)
    out.add("cpus", m.name, fmt::format("{} CPU, {} needs {}", f.cpus == 0 ? "an unknown number of" : std::to_string(f.cpus), role, cpus),
            "give it more");
  if (f.memory_bytes < memory)
    out.add("memory", m.name,
            f.memory_bytes == 0 ? "its memory could not be read"
                                : fmt::format("{} MB of memory, {} needs {} MB", f.memory_bytes / 1000000, role, memory / 1000000),
            "give it more");
  if (is_node(m) && f.disk_free_bytes < kNodeDiskMin)
    out.add("disk", m.name,
            fmt::format("{} MiB free below /var/lib, images and logs need {}", f.disk_free_bytes >> 20U, format_size(kNodeDiskMin)),
            "free or add space");
}

void check_clock(Problems& out, const Machine& m, const MachineFacts& f) {
  const Duration off = f.clock_offset < Duration{} ? -f.clock_offset : f.clock_offset;
  if (off <= kClockOffsetMax + f.clock_error) return;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(off).count();
  out.add("clock", m.name, fmt::format("its clock is {} s {}", seconds, f.clock_offset < Duration{} ? "behind" : "ahead"),
          "set the clock there (timedatectl, chronyc makestep), or this machine's if all others agree");
}

std::string bare(const std::string& address) { return address.substr(0, address.find('/')); }

bool has_address(const MachineFacts& f, const std::string& address) {
  return std::any_of(f.cards.begin(), f.cards.end(), [&](const NetworkCard& card) {
    return std::any_of(card.addresses.begin(), card.addresses.end(), [&](const std::string& a) { return bare(a) == address; });
  });
}

void check_names(Problems& out, const PlanBuilder& plan, const Machine& m, const MachineFacts& f) {
  const Site& site = plan.in.site;
  if (f.host_name != m.name && f.host_name != site.fqdn(m))
    out.add("host-name", m.name, fmt::format("it calls itself '{}'", f.host_name), fmt::format("hostnamectl set-hostname {}", m.name));
  for (const auto& [network, address] : m.addresses) {
    if (!has_address(f, address.to_string()))
      out.add("address", m.name, fmt::format("no interface of it has {} ({})", address.to_string(), network),
              "configure the address there, or correct `addresses` of the site");
  }
  const auto texts = plan.in.texts.machines.find(m.name);
  const bool hosts_file =
      texts != plan.in.texts.machines.end() && std::any_of(texts->second.files.begin(), texts->second.files.end(),
                                                           [](const RenderedFile& file) { return file.path == kHostsBlockPath; });
  for (const auto& [name, address] : f.resolves) {
    const Machine* other = nullptr;
    for (const Machine& candidate : site.machines) {
      if (candidate.name == name || site.fqdn(candidate) == name) other = &candidate;
    }
    if (other == nullptr || (address.empty() && hosts_file)) continue;
    const bool right =
        std::any_of(other->addresses.begin(), other->addresses.end(), [&](const auto& a) { return a.second.to_string() == address; });
    if (right || address.starts_with("127.")) continue;  // Debian's own line of a machine's own name.
    out.add("name-resolution", m.name, fmt::format("{} is {} there", name, address.empty() ? "unknown" : address),
            fmt::format("correct its DNS or /etc/hosts: {} is {}", name, other->address().to_string()));
  }
}

void check_ports(Problems& out, const PlanBuilder& plan, const Machine& m, const MachineFacts& f) {
  std::vector<std::uint16_t> ports;
  if (is_node(m) && plan.view.is(m, MachineState::kBlank)) {
    ports = {10250};
    if (m.has(Role::kControlPlane)) ports.insert(ports.end(), {6443, 10257, 10259});
    const auto etcd = plan.in.site.etcd_machines();
    if (std::find(etcd.begin(), etcd.end(), &m) != etcd.end()) ports.insert(ports.end(), {2379, 2380});
  }
  if (m.has(Role::kGateway) && f.gateway_serves == Known::kNo && plan.in.site.gateways) {
    for (const SiteVip& vip : plan.in.site.gateways->vips) ports.insert(ports.end(), vip.listen.begin(), vip.listen.end());
  }
  for (const std::uint16_t port : ports) {
    const auto found = f.listening.find(port);
    if (found == f.listening.end()) continue;
    out.add(fmt::format("port-{}", port), m.name,
            fmt::format("{} listens on port {}", found->second == "?" ? "another program" : found->second, port),
            "stop it, or give it another port");
  }
}

/// Copied machines keep what has to be their own.
void check_twins(Problems& out, const PlanBuilder& plan) {
  using Seen = std::map<std::string, const Machine*>;
  Seen ids;
  Seen uuids;
  Seen macs;
  const auto begins_here = [&](const Machine& m) { return begins(plan, m, *plan.in.facts.find(m.name)); };
  const auto same = [&](Seen& seen, const std::string& value, const Machine& m, const char* check, const char* what, const char* remedy) {
    if (value.empty()) return;
    const auto [first, fresh] = seen.emplace(value, &m);
    if (fresh || first->second == &m || (!begins_here(m) && !begins_here(*first->second))) return;
    out.add(check, m.name, fmt::format("it has the {} of {}", what, first->second->name), remedy);
  };
  for (const Machine& m : plan.in.site.machines) {
    const MachineFacts* f = plan.in.facts.find(m.name);
    if (f == nullptr) continue;
    same(ids, f->machine_id, m, "machine-id", "machine-id", "rm /etc/machine-id && systemd-machine-id-setup, then reboot it");
    same(uuids, f->product_uuid, m, "product-uuid", "product_uuid", "give the virtual machine a UUID of its own");
    for (const NetworkCard& card : f->cards) {
      if (card.mac != "00:00:00:00:00:00") same(macs, card.mac, m, "mac", "MAC address", "give its network card an address of its own");
    }
  }
}

void check_site(Problems& out, const PlanBuilder& plan) {
  const Site& site = plan.in.site;
  const Minor kubernetes = minor_of(site.versions.kubernetes);
  if (site.versions.containerd && kubernetes >= kContainerd1Ends && minor_of(site.versions.containerd->version) < Minor{2, 0})
    out.add("runtime", "",
            fmt::format("Kubernetes {} does not work with containerd {}", site.versions.kubernetes, site.versions.containerd->version),
            "versions.containerd: 2.0 or newer");
  if (!site.gateways) return;
  for (const SiteVip& vip : site.gateways->vips) {
    for (const Machine& m : site.machines) {
      const MachineFacts* f = plan.in.facts.find(m.name);
      if (m.has(Role::kGateway) || f == nullptr || !has_address(*f, vip.address.to_string())) continue;
      out.add("vip-in-use", m.name, fmt::format("it has {}, the address of VIP {}", vip.address.to_string(), vip.name),
              "take the address away from it, or choose another one for the VIP");
    }
  }
}

void check_gateway(Problems& out, const PlanBuilder& plan, const Machine& m, const MachineFacts& f) {
  if (!m.has(Role::kGateway) || f.programs.contains("fairleadd") || plan.in.texts.fairlead) return;
  out.add("fairlead", m.name, "Fairlead is not installed there",
          "apt install ./fairlead_VERSION_amd64.deb on it, or name the package with --package");
}

/// Nobody installs what a machine needs that is not prepared by us.
void check_own_preparation(Problems& out, const Machine& m, const MachineFacts& f) {
  if (m.prepare || !is_node(m)) return;
  for (const char* program : {"kubeadm", "kubelet"}) {
    if (!f.programs.contains(program))
      out.add("own-preparation", m.name, fmt::format("{} is not installed there, and the site says prepare: false", program),
              "install it with a container runtime, or remove prepare: false from the machine");
  }
}

}  // namespace

bool plan_preflight(PlanBuilder& plan) {
  Problems problems(plan);
  check_site(problems, plan);
  for (const std::string& name : plan.in.site.ignored_checks)
    if (!is_own_check(name)) plan.warn(fmt::format("preflight.ignore {}: kubeadm does not make this check", name));
  for (const Machine& m : plan.in.site.machines) {
    const MachineFacts* f = plan.in.facts.find(m.name);
    if (f == nullptr) continue;
    if (!f->stand_ins.empty()) plan.warn(fmt::format("{}: stand-in facts instead of its own: {}", m.name, comma(f->stand_ins)));
    for (const std::string& line : f->unsuitable) plan.warn(fmt::format("{}: {}", m.name, line));
    if (!begins(plan, m, *f)) continue;
    check_system(problems, plan, m, *f);
    check_size(problems, m, *f);
    check_clock(problems, m, *f);
    check_names(problems, plan, m, *f);
    check_ports(problems, plan, m, *f);
    check_gateway(problems, plan, m, *f);
    check_own_preparation(problems, m, *f);
  }
  check_twins(problems, plan);
  return problems.tell();
}

}  // namespace fairlead::bootstrap
