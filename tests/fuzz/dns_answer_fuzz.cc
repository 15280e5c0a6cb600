// Any bytes as what a name server answers: no crash, and records only in an answer.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/assert.h"
#include "cli/dns_query.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fairlead::cli;
  static constexpr std::uint16_t kId = 0x1234;
  const std::vector<unsigned char> bytes(data, data + size);
  for (const DnsQuestion& question :
       {DnsQuestion{.name = "mast-1.kube.demo", .type = DnsType::kA}, DnsQuestion{.name = "mast-1.kube.demo", .type = DnsType::kAaaa},
        DnsQuestion{.name = "11.1.168.192.in-addr.arpa", .type = DnsType::kPtr}}) {
    const auto answer = parse_answer(bytes, question, kId);
    if (answer) FL_ASSERT(answer->records.empty() == (answer->result != DnsResult::kAnswer));
  }
  return 0;
}
