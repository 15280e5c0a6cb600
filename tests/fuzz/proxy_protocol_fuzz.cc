// Any bytes, given at every length: no crash, a header never longer than what was given, no change of mind, reading inverts writing.
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/assert.h"
#include "lb/proxy_protocol.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fairlead::lb;
  const auto all = std::as_bytes(std::span(data, size));
  const ProxyParse whole = parse_proxy_header(all);
  if (size >= kProxyHeaderBytesMax) FL_ASSERT(!std::holds_alternative<ProxyNeedMore>(whole));
  const auto* header = std::get_if<ProxyHeader>(&whole);
  if (header != nullptr) FL_ASSERT(header->length <= size);
  for (std::size_t n = 0; n < size && n < 300; ++n) {
    const ProxyParse part = parse_proxy_header(all.first(n));
    if (std::holds_alternative<ProxyHeader>(part)) FL_ASSERT(part == whole);
    if (std::holds_alternative<ProxyError>(part)) FL_ASSERT(std::holds_alternative<ProxyError>(whole));
  }
  if (header == nullptr || !header->source || !header->destination) return 0;
  for (const auto version : {fairlead::config::SendProxy::kV1, fairlead::config::SendProxy::kV2}) {
    const ProxyHeaderBytes built = build_proxy_header(version, *header->source, *header->destination);
    const ProxyParse again = parse_proxy_header(built.view());
    FL_ASSERT(std::holds_alternative<ProxyHeader>(again) && std::get<ProxyHeader>(again).length == built.view().size());
  }
  return 0;
}
