// Any bytes as a token, as what is handed over, as a corosync.conf or /proc/stat: no crash, and reading inverts writing.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "admin/invitation.h"
#include "base/assert.h"
#include "cli/cluster_bundle.h"
#include "cli/text_diff.h"
#include "membership/corosync_conf.h"
#include "membership/timing_advice.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fairlead;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto token = admin::decode_invitation(text)) FL_ASSERT(*admin::decode_invitation(admin::encode_invitation(*token)) == *token);
  if (const auto bundle = cli::decode_bundle(text)) FL_ASSERT(cli::decode_bundle(cli::encode_bundle(*bundle))->authkey == bundle->authkey);
  (void)membership::origin_of_conf(text);
  (void)membership::parse_cpu_times(text);
  const auto half = text.substr(0, size / 2);
  FL_ASSERT(cli::text_diff(half, half).empty());
  (void)cli::text_diff(half, text.substr(size / 2));
  const std::string named = cli::with_node_name(text, "gate-2");
  FL_ASSERT(cli::with_node_name(named, "gate-2") == named);
  return 0;
}
