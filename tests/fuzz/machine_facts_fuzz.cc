// Any bytes as what a machine says of itself, of the cluster, and back over a shell: no crash, bounds kept, and a text without its last
// line is no answer.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/assert.h"
#include "config/document.h"
#include "k8s-bootstrap/facts/ask_cluster.h"
#include "k8s-bootstrap/facts/parse_facts.h"
#include "k8s-bootstrap/transport/shell_session.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using namespace fairlead;
using namespace fairlead::bootstrap;

void machine(std::string_view text) {
  static const ProbeRequest kRequest{.files = {"/etc/a", "/etc/b c"},
                                     .modules = {"overlay"},
                                     .sysctls = {"net.ipv4.ip_forward"},
                                     .names = {"mast-1.kube.demo", "192.168.1.11"},
                                     .packages = {"kubelet"},
                                     .programs = {"kubelet", "runc"},
                                     .units = {"kubelet"}};
  const auto answer = parse_facts(text, kRequest, std::chrono::hours(24 * 365 * 56));
  if (!answer) return;
  FL_ASSERT(text.find("@end") != std::string_view::npos);
  const MachineFacts& f = answer->facts;
  FL_ASSERT(f.unsuitable.size() <= 64 && f.files.size() <= kRequest.files.size() && f.programs.size() <= kRequest.programs.size());
  for (const auto& [path, file] : f.files) FL_ASSERT(file.present ? file.sha256.size() == 64 : file.sha256.empty());
  for (const std::string& line : f.unsuitable) FL_ASSERT(line.find('\n') == std::string::npos);
  for (const StepRecord& step : f.steps)
    FL_ASSERT(step.state == "done" || step.state == "failed" || step.state == "running" || step.state == "interrupted");
  (void)clock_offset(std::chrono::hours(1), *answer, std::chrono::hours(2));
}

void cluster(std::string_view text) {
  static const Site kSite = [] {
    Site out;
    out.kubernetes.addons = {{"a", "a.yml", "daemonset/ns/a"}, {"b", "b.yml", "deployment/ns/b"}};
    return out;
  }();
  const auto answer = parse_cluster(text, kSite, "mast-1");
  if (!answer) return;
  FL_ASSERT(answer->facts.addons.size() == 2);
  for (const EtcdMember& member : answer->facts.etcd) FL_ASSERT(!member.id.empty());
}

void session(std::string_view text) {
  const SessionErrors errors = read_session_errors(text);
  FL_ASSERT(!errors.exit_code || errors.begun);
  FL_ASSERT(errors.before.size() + errors.errors.size() <= text.size());
  SessionOutput whole;
  SessionOutput pieces;
  const std::string at_once(whole.take(text));
  std::string bit_by_bit;
  for (const char c : text) bit_by_bit += pieces.take(std::string_view(&c, 1));
  FL_ASSERT(at_once == bit_by_bit);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  machine(text);
  cluster(text);
  session(text);
  return 0;
}
