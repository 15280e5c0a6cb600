// Any text: the parsers of base/ answer or refuse, and what they read they write and read again as the same value; what the log writers
// make of it stays one line.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/assert.h"
#include "base/ip_address.h"
#include "base/log_format.h"
#include "base/units.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {
bool has_control(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return true;
  }
  return false;
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fairlead;
  const std::string text(data, data + size);
  if (const auto a = parse_ip_address(text)) FL_ASSERT(*parse_ip_address(a->to_string()) == *a);
  if (const auto p = parse_ip_prefix(text)) FL_ASSERT(*parse_ip_prefix(p->to_string()) == *p && p->contains(p->network()));
  if (const auto e = parse_endpoint(text)) FL_ASSERT(*parse_endpoint(e->to_string()) == *e);
  if (const auto h = parse_host_port(text)) FL_ASSERT(*parse_host_port(to_string(*h)) == *h);
  if (const auto d = parse_duration(text)) FL_ASSERT(*parse_duration(format_duration(*d)) == *d);
  if (const auto s = parse_size(text)) FL_ASSERT(*parse_size(format_size(*s)) == *s);
  for (const LogFormat format : {LogFormat::kText, LogFormat::kJson}) {
    FL_ASSERT(!has_control(format_event({WallTime{}, MessageId::SERVER_DOWN, {{"reason", text}}}, format)));
  }
  return 0;
}
