#include "k8s-bootstrap/machines/machine_host.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "k8s-bootstrap/pki/run_keygen.h"
#include "k8s-bootstrap/pki/ssh_ca.h"

namespace fairlead::bootstrap {
namespace {

constexpr std::string_view kLibvirtSystem = "qemu:///system";

std::string absolute(const std::string& path) {
  if (path.starts_with('/')) return path;
  std::array<char, PATH_MAX> here{};
  std::string rest = path.starts_with("./") ? path.substr(2) : path;
  return ::getcwd(here.data(), here.size()) == nullptr ? path : fmt::format("{}/{}", here.data(), rest);
}

std::string without_end(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

/// Public halves of the operator's keys: of ssh.key, or those that ssh would try.
Result<std::vector<std::string>> operator_keys(const Site& site) {
  const char* home = std::getenv("HOME");
  std::vector<std::string> candidates;
  if (!site.ssh.key.empty()) {
    const bool at_home = site.ssh.key.starts_with("~/") && home != nullptr;
    candidates = {(at_home ? home + site.ssh.key.substr(1) : site.ssh.key) + ".pub"};
  } else if (home != nullptr) {
    for (const char* name : {"id_ed25519", "id_ecdsa", "id_rsa"}) candidates.push_back(fmt::format("{}/.ssh/{}.pub", home, name));
  }
  std::vector<std::string> out;
  for (const std::string& path : candidates) {
    auto text = read_small_file(path);
    if (!text) return text.error();
    if (*text && !(*text)->empty()) out.push_back(without_end(**text));
  }
  if (!out.empty()) return out;
  return Error{Errc::kNotFound, site.ssh.key.empty()
                                    ? std::string("no public key to log in to the VMs with: name your key in ssh.key of the site")
                                    : fmt::format("{} is not there: VMs are given this key. ssh-keygen -y -f {} > it makes it",
                                                  candidates.front(), site.ssh.key)};
}

Result<SeedKeys> seed_keys(const Site& site, const StateDir& state, bool make) {
  auto own = operator_keys(site);
  if (!own) return own.error();
  SeedKeys out{std::move(*own), {}};
  if (!site.pki.ssh_ca) return out;
  if (make) {
    auto authority = make_ssh_ca(state, site.name, run_keygen);
    if (!authority) return authority.error();
    out.user_ca = without_end(authority->user_ca);
    return out;
  }
  auto user_ca = state.read_public("ssh/user_ca.pub");
  if (!user_ca) return user_ca.error();
  out.user_ca = without_end(user_ca->value_or(""));
  return out;
}

}  // namespace

std::string libvirt_uri() {
  const char* uri = std::getenv("LIBVIRT_DEFAULT_URI");
  return uri == nullptr || *uri == '\0' ? std::string(kLibvirtSystem) : uri;
}

VmPlace vm_place(const Site& site, const std::string& state_dir, const std::string& libvirt_uri) {
  const std::string state = absolute(state_dir);
  if (site.vms && site.vms->driver == "libvirt" && libvirt_uri == kLibvirtSystem)
    return {"/var/lib/libvirt/images/fairlead-" + site.name, state + "/images", 0711};
  return {state + "/vms", state + "/images", 0700};
}

Result<std::unique_ptr<MachineHost>> MachineHost::open(const Site& site, const StateDir& state, const HostWorld& world, SeedWish wish) {
  const std::string uri = libvirt_uri();
  auto driver = make_vm_driver(site.vms->driver, uri);
  if (!driver) return driver.error();
  const VmPlace place = vm_place(site, state.path(), uri);
  VmSite vms{vms_of(site, place), vm_networks_of(site), {}};
  if (wish != SeedWish::kNone) {
    auto keys = seed_keys(site, state, wish == SeedWish::kToWrite);
    if (!keys) return keys.error();
    for (const Machine& machine : site.machines) vms.seeds[machine.name] = seed_of(site, machine, *keys);
  }
  std::unique_ptr<MachineHost> out(new MachineHost(std::move(vms), std::move(*driver), world));
  if (auto opened = out->runner_.open(); !opened) return opened.error();
  return out;
}

Result<std::map<std::string, Seed>> seeds_of(const Site& site, const StateDir& state) {
  auto keys = seed_keys(site, state, true);
  if (!keys) return keys.error();
  std::map<std::string, Seed> out;
  for (const Machine& machine : site.machines) out[machine.name] = seed_of(site, machine, *keys);
  return out;
}

Status write_seed_file(const std::string& folder, const std::string& name, const std::string& text) {
  std::error_code wrong;
  std::filesystem::create_directories(folder, wrong);
  if (wrong) return errno_error(folder, wrong.value());
  return write_file_atomically(folder + "/" + name, text, 0644);
}

Status forget_host_key(const StateDir& state, const std::string& machine) {
  auto known = state.read_secret("known_hosts");
  if (!known) return known.error();
  if (*known) {
    std::string kept;
    std::string rest = **known;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find('\n'), rest.size() - 1) + 1;
      const std::string line = rest.substr(0, end);
      rest.erase(0, end);
      if (line.substr(0, line.find(' ')) != machine) kept += line;
    }
    if (kept != **known) {
      if (auto written = state.write_secret("known_hosts", kept); !written) return written;
    }
  }
  for (const char* ending : {"-cert.pub", ".pub"}) {
    const std::string path = state.path(fmt::format("ssh/hosts/{}{}", machine, ending));
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return errno_error(path);
  }
  return {};
}

Readiness look_whether_ready(Transport& transport, const std::string& machine) {
  RemoteCommand command;
  command.script = "if command -v cloud-init >/dev/null; then cloud-init status --long; else echo 'status: done'; fi\n";
  auto answer = transport.run(machine, command);
  Readiness out;
  if (!answer) {
    out.why = answer.error().context;
    // A key that is refused is the seed's to bring: before cloud-init is through that is no failure.
    return out;
  }
  const std::string& said = answer->output;
  const std::size_t at = said.find("status: ");
  const std::string status = at == std::string::npos ? std::string() : said.substr(at + 8, said.find('\n', at) - at - 8);
  out.ready = status == "done" || status == "disabled";
  out.failed = status == "error";
  if (!out.ready) out.why = out.failed ? "cloud-init failed: " + without_end(said) : "cloud-init is at work";
  if (!out.ready && status.empty()) out.why = "cloud-init does not tell its status: " + without_end(answer->errors);
  return out;
}

}  // namespace fairlead::bootstrap
