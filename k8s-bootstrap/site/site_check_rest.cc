// fairlead: pure
// Name, domain, SSH, certificates, hooks; and what this release refuses.
#include <algorithm>
#include <set>

#include "base/host_name.h"
#include "base/units.h"
#include "k8s-bootstrap/site/preflight_names.h"
#include "k8s-bootstrap/site/site_checks.h"

namespace fairlead::bootstrap {
namespace {

using config::quoted;

void check_names(SiteChecks& checks) {
  const std::string& name = checks.site.name;
  if (checks.sound("name") && (name.find('.') != std::string::npos || name.find('_') != std::string::npos || name.ends_with('-')))
    checks.error("name", fmt::format("{} is no name for a cluster", quoted(name)),
                 "lower-case letters, digits and '-', with a letter or digit at both ends");
  const std::string& domain = checks.site.domain;
  const auto upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  if (checks.sound("domain") && (parse_ip_address(domain) || !is_dns_name(domain) || domain.ends_with('.') ||
                                 domain.find('_') != std::string::npos || std::any_of(domain.begin(), domain.end(), upper)))
    checks.error("domain", fmt::format("{} is no domain", quoted(domain)),
                 "lower-case labels with dots between them and none at the end, as in kube.demo");
  if (checks.sound("domain") && domain == "cluster.local")
    checks.error("domain", "cluster.local is the domain of the cluster's services", "machines need another one");
}

void check_jump(SiteChecks& checks) {
  std::vector<std::string> machines;
  for (const Machine& machine : checks.site.machines) machines.push_back(machine.name);
  std::set<std::string> seen;
  for (std::size_t i = 0; i < checks.site.ssh.jump.size(); ++i) {
    const std::string& jump = checks.site.ssh.jump[i];
    const std::string path = path_of("ssh.jump[{}]", i);
    if (!checks.sound(path)) continue;
    if (!seen.insert(jump).second) {
      checks.error(path, fmt::format("{} twice: the way would lead in a circle", quoted(jump)), "remove one");
      continue;
    }
    if (checks.site.find(jump) != nullptr) continue;
    const bool address = parse_ip_address(jump).has_value();
    const auto with_port = parse_host_port(jump);
    const std::string host = !address && with_port ? with_port->host : jump;
    if (!address && !parse_ip_address(host) && !is_dns_name(host)) {
      checks.error(path, fmt::format("{} is neither a machine of the site nor a host", quoted(jump)), "write NAME, HOST or HOST:PORT");
    } else if (const auto near = config::nearest(jump, machines); near && checks.all_known("machines", machines.size())) {
      checks.warning(path, fmt::format("{} is no machine of the site, and taken for a host", quoted(jump)),
                     fmt::format("did you mean {}?", quoted(*near)));
    }
  }
}

void check_pki(SiteChecks& checks) {
  const Pki& pki = checks.site.pki;
  if (checks.sound("pki.validity") && checks.sound("pki.ca_validity") && pki.validity > pki.ca_validity)
    checks.error(
        "pki.validity",
        fmt::format("certificates would be valid for {}, their CA for {}", format_duration(pki.validity), format_duration(pki.ca_validity)),
        "a certificate ends with its CA: make validity shorter, or ca_validity longer");
}

void check_hooks(SiteChecks& checks) {
  const SiteHooks& hooks = checks.site.hooks;
  for (const auto& [key, commands] :
       {std::pair{"before_apply", &hooks.before_apply}, {"after_machine", &hooks.after_machine}, {"after_apply", &hooks.after_apply}}) {
    for (std::size_t i = 0; i < commands->size(); ++i) {
      const std::string path = path_of("hooks.{}[{}]", key, i);
      if (checks.sound(path) && ((*commands)[i].empty() || (*commands)[i].front().empty()))
        checks.error(path, "a hook without a program", "write the program and its words, as in [./notify, ready]");
    }
  }
}

/// A name that nobody knows ignores nothing, and `all` would take kubeadm's guards away as well.
void check_ignored(SiteChecks& checks) {
  for (std::size_t i = 0; i < checks.site.ignored_checks.size(); ++i) {
    const std::string& name = checks.site.ignored_checks[i];
    const std::string path = path_of("preflight.ignore[{}]", i);
    if (!checks.sound(path) || is_own_check(name) || is_kubeadm_check(name)) continue;
    const bool guard = name == "all" || name.starts_with("fileavailable") || name.starts_with("diravailable");
    checks.error(path,
                 guard ? fmt::format("{} would switch off what keeps kubeadm from a machine that is part of a cluster", quoted(name))
                       : fmt::format("{} is no check of a machine", quoted(name)),
                 guard ? "name the checks that fail, as bootstrap plan prints them"
                       : config::suggest(name, {kPreflightChecks.begin(), kPreflightChecks.end()}));
  }
}

}  // namespace

void check_site_rest(SiteChecks& checks) {
  check_names(checks);
  check_jump(checks);
  check_pki(checks);
  check_hooks(checks);
  check_ignored(checks);
}

}  // namespace fairlead::bootstrap
