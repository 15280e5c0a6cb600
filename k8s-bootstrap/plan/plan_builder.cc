// fairlead: pure
#include "k8s-bootstrap/plan/plan_builder.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>

#include "base/assert.h"

namespace fairlead::bootstrap {

Step PlanBuilder::step(const Machine* machine, std::string_view verb, Phase phase, std::string title, std::string because) const {
  Step out;
  out.id = machine == nullptr ? "operator/" + std::string(verb) : machine->name + "/" + std::string(verb);
  out.phase = phase;
  if (machine != nullptr) out.machine = machine->name;
  out.title = std::move(title);
  out.because = std::move(because);
  return out;
}

void PlanBuilder::add(Step step) {
  FL_ASSERT(places_.emplace(step.id, plan_.steps.size()).second);
  std::vector<std::string> needs;
  std::set<std::string_view> implied;
  for (const std::string& id : step.needs) {
    const auto found = places_.find(id);
    if (id == step.id || found == places_.end()) continue;
    for (const std::string& earlier : plan_.steps[found->second].needs) implied.insert(earlier);
  }
  for (const std::string& id : step.needs) {
    if (id == step.id || !has(id) || implied.contains(id) || std::find(needs.begin(), needs.end(), id) != needs.end()) continue;
    needs.push_back(id);
  }
  step.needs = std::move(needs);
  plan_.steps.push_back(std::move(step));
}

void PlanBuilder::obstacle(const std::vector<std::string>& machines, const std::string& reason, const std::string& remedy,
                           const std::string& check) {
  for (Obstacle& known : plan_.obstacles) {
    if (known.reason != reason || known.remedy != remedy || known.check != check) continue;
    for (const std::string& machine : machines) {
      if (std::find(known.machines.begin(), known.machines.end(), machine) == known.machines.end()) known.machines.push_back(machine);
    }
    return;
  }
  Obstacle out;
  out.machines = machines;
  out.reason = reason;
  out.remedy = remedy;
  out.check = check;
  plan_.obstacles.push_back(std::move(out));
}

void PlanBuilder::warn(std::string text) { plan_.warnings.push_back(std::move(text)); }

std::vector<std::string> PlanBuilder::all_of(Phase phase) const {
  std::vector<std::string> out;
  for (const Step& step : plan_.steps) {
    if (step.phase == phase) out.push_back(step.id);
  }
  return out;
}

std::vector<std::string> PlanBuilder::all_of(const Machine& machine) const {
  std::vector<std::string> out;
  for (const Step& step : plan_.steps) {
    if (step.machine == machine.name) out.push_back(step.id);
  }
  return out;
}

RunScript script(std::string text, Duration timeout) {
  RunScript out;
  out.script = std::move(text);
  out.timeout = timeout;
  return out;
}

WaitFor wait_for(std::string what, std::string text, Duration timeout) {
  WaitFor out;
  out.what = std::move(what);
  out.script = std::move(text);
  out.timeout = timeout;
  return out;
}

WriteFile file(std::string path, std::string text, std::uint32_t mode) {
  WriteFile out;
  out.path = std::move(path);
  out.text = std::move(text);
  out.mode = mode;
  return out;
}

WriteFile secret_file(std::string path, std::string text) {
  WriteFile out = file(std::move(path), std::move(text), 0600);
  out.secret = true;
  return out;
}

CopyFile copy_file(std::string from, std::string path, std::uint32_t mode) {
  CopyFile out;
  out.from = std::move(from);
  out.path = std::move(path);
  out.mode = mode;
  return out;
}

CopyFile copy_secret(std::string from, std::string path) {
  CopyFile out = copy_file(std::move(from), std::move(path), 0600);
  out.secret = true;
  return out;
}

std::string in_work(std::string_view name) { return fmt::format("{}/{}", kWorkPath, name); }

std::string in_state(const Site& site, std::string_view name) { return fmt::format("{}/{}", site.state_dir, name); }

std::string apt_install(std::string_view arguments) {
  return fmt::format(
      "apt-get install -oDPkg::Lock::Timeout=600 -oDpkg::Options::=--force-confdef -oDpkg::Options::=--force-confold -y -q {}", arguments);
}
std::string apt_version(std::string_view package, std::string_view version, std::string_view separator) {
  return fmt::format("{}={}{}*", package, version, separator);
}
std::string kubectl(std::string_view arguments) { return fmt::format("kubectl --kubeconfig {} {}", kAdminConf, arguments); }

std::string url_host(const IpAddress& address) { return address.is_v4() ? address.to_string() : "[" + address.to_string() + "]"; }

std::string comma(const std::vector<std::string>& words) { return fmt::format("{}", fmt::join(words, ", ")); }

std::vector<std::string> names(const std::vector<const Machine*>& machines) {
  std::vector<std::string> out;
  for (const Machine* machine : machines) out.push_back(machine->name);
  return out;
}

std::string sh_quote(const std::string& word) {
  static constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=@,+%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

namespace {
std::string etcdctl_text(const std::string& at, const std::string& certificate) {
  const std::string pki = "/etc/kubernetes/pki/";
  return fmt::format(R"sh(etcdctl_here() {{
  if command -v etcdctl >/dev/null; then run=etcdctl; else run="crictl exec $(crictl ps -q --name '^etcd$' | head -n 1) etcdctl"; fi
  ETCDCTL_API=3 $run --endpoints {} --cacert {}etcd/ca.crt --cert {}.crt --key {}.key "$@"
}}
)sh",
                     at, pki, pki + certificate, pki + certificate);
}
}  // namespace

std::string etcdctl_function(const Site& site) {
  if (site.kubernetes.etcd == EtcdPlace::kStacked) return etcdctl_text("https://127.0.0.1:2379", "etcd/server");
  std::string at;
  for (const Machine* machine : site.etcd_machines())
    at += fmt::format("{}https://{}:2379", at.empty() ? "" : ",", url_host(machine->address()));
  return etcdctl_text(at, "apiserver-etcd-client");
}

std::string etcdctl_function_of(const Machine& member) {
  return etcdctl_text(fmt::format("https://{}:2379", url_host(member.address())), "etcd/server");
}

std::int64_t validity_days(const Site& site) { return std::chrono::duration_cast<std::chrono::hours>(site.pki.validity).count() / 24; }

Minor minor_of(std::string_view version) {
  if (version.starts_with("v")) version.remove_prefix(1);
  Minor out;
  const char* const end = version.data() + version.size();
  const auto first = std::from_chars(version.data(), end, out.major);
  if (first.ec != std::errc{} || first.ptr == end || *first.ptr != '.') return {};
  const auto second = std::from_chars(first.ptr + 1, end, out.minor);
  if (second.ec != std::errc{} || (second.ptr != end && *second.ptr != '.')) return {};
  return out;
}

}  // namespace fairlead::bootstrap
