// Any bytes as kubeadm's documents, as single values of them, and as /etc/hosts: problems in one line each, never a crash; our block of
// hosts is put in once and found again.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/assert.h"
#include "k8s-bootstrap/render/hosts_block.h"
#include "k8s-bootstrap/render/kubeadm_rules.h"
#include "k8s-bootstrap/render/render.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fairlead::bootstrap;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto problems = check_kubeadm_config(text);
  FL_ASSERT(problems.size() < 500);
  for (const std::string& problem : problems) FL_ASSERT(!problem.empty() && problem.find('\n') == std::string::npos);

  using Rule = std::string (*)(std::string_view);
  for (const Rule rule :
       {Rule{kube::absolute_path}, Rule{kube::ip_address}, Rule{kube::networks}, Rule{kube::dns_name}, Rule{kube::host_with_port},
        Rule{kube::url}, Rule{kube::unix_socket}, Rule{kube::kubernetes_version}, Rule{kube::token}, Rule{kube::certificate_key},
        Rule{kube::ca_hash}, Rule{kube::timestamp}, Rule{kube::bootstrap_group}})
    FL_ASSERT(rule(text).find('\n') == std::string::npos);
  (void)kube::parse_go_duration(text);
  (void)kube::is_quantity(text);

  const std::string block = std::string(kHostsBegin) + "\n192.168.3.11 stor-1\n" + std::string(kHostsEnd) + "\n";
  const std::string merged = merge_hosts(text, block);
  FL_ASSERT(block_in_hosts(merged) == block);
  FL_ASSERT(merge_hosts(merged, block) == merged);
  return 0;
}
