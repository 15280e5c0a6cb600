#include "k8s-bootstrap/adopt/adopt_reader.h"

#include <algorithm>
#include <fmt/format.h>

#include "k8s-bootstrap/adopt/adopt_probe.h"
#include "k8s-bootstrap/facts/fact_collector.h"
#include "k8s-bootstrap/pki/x509.h"
#include "k8s-bootstrap/transport/ssh_transport.h"

namespace fairlead::bootstrap {
namespace {

/// Nodes tell of gateways, gateways of names, and that is all there is.
constexpr unsigned kRoundsMax = 4;

std::string ca_algorithm(const AdoptAnswer& answer) {
  const std::string* text = answer.file("/etc/kubernetes/pki/ca.crt");
  const auto certificate = text == nullptr ? Result<CertificateInfo>(Error{Errc::kNotFound, ""}) : read_certificate(*text);
  return !certificate || certificate->algorithm == "other" ? std::string() : certificate->algorithm;
}

void read_answers(AdoptInput& input, Transport& transport, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const auto facts = input.facts.machines.find(name);
    if (facts == input.facts.machines.end()) continue;
    const auto result = transport.run(name, {.script = adopt_script(), .input = {}, .timeout = std::chrono::seconds(30), .secret = false});
    auto answer = result ? parse_adopt_answer(result->output) : Result<AdoptAnswer>(result.error());
    if (!answer) {
      input.facts.unread[name] = fmt::format("{}: {}", name, answer.error().context);
      input.facts.machines.erase(facts);
      continue;
    }
    answer->ca_algorithm = ca_algorithm(*answer);
    input.answers[name] = std::move(*answer);
  }
}

}  // namespace

Status read_for_adoption(AdoptInput& input, const std::string& known_hosts, const Clock& clock,
                         const std::function<void(const std::string&, const Error*)>& on_answer) {
  std::vector<AdoptTarget> fresh = input.targets;
  for (unsigned round = 0; round < kRoundsMax && !fresh.empty(); ++round) {
    const Site site = asking_site(input);
    SshTransport::Options options;
    options.known_hosts = known_hosts;
    auto transport = SshTransport::make(site, options);
    if (!transport) return transport.error();
    CollectOptions wishes;
    for (const AdoptTarget& target : fresh) wishes.only.push_back(target.name);
    wishes.on_answer = on_answer;
    Facts read = collect_facts(site, **transport, clock, wishes);
    for (const std::string& name : wishes.only) {
      if (const auto found = read.machines.find(name); found != read.machines.end()) input.facts.machines[name] = std::move(found->second);
      if (const auto found = read.unread.find(name); found != read.unread.end()) input.facts.unread[name] = found->second;
    }
    if (!input.facts.cluster) input.facts.cluster = std::move(read.cluster);
    read_answers(input, **transport, wishes.only);
    fresh = more_targets(input);
    input.targets.insert(input.targets.end(), fresh.begin(), fresh.end());
  }
  return {};
}

}  // namespace fairlead::bootstrap
