// Any bytes as an event of dnsmasq's script, a line of its log, its version, the kernel's list of sockets: no crash, and what is read is
// within its bounds.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

#include "base/assert.h"
#include "dnsdhcp/dnsmasq_words.h"
#include "dnsdhcp/port_owner.h"
#include "dnsdhcp/script_event.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using namespace fairlead;
using namespace fairlead::dnsdhcp;

/// What was read, put into a book, never makes more than one line of five words.
void check_lines(const ScriptEvent& event) {
  Lease lease;
  lease.address = event.address;
  lease.mac = event.hardware.mac().value_or(MacAddress{});
  lease.name = event.name;
  lease.client_id = event.address.is_v4() ? event.client_id : event.duid;
  lease.iaid = event.iaid;
  lease.temporary = event.temporary;
  lease.expires = Instant(std::chrono::hours(2));
  const std::vector<Lease> book{lease};
  const std::string lines = lease_lines(book, WallTime(std::chrono::seconds(1)), Instant(std::chrono::hours(1)));
  std::size_t blanks = 0;
  std::size_t ends = 0;
  for (const char c : lines) {
    blanks += c == ' ' ? 1 : 0;
    ends += c == '\n' ? 1 : 0;
  }
  FL_ASSERT(ends == 1 && blanks == 4);
}

/// The bytes as lines: words and variables of a script that says anything.
void check_round_trip(std::string_view text) {
  std::vector<std::string_view> words;
  std::vector<std::string_view> environment;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(line.size() < text.size() ? line.size() + 1 : line.size());
    (line.find('=') == std::string_view::npos ? words : environment).push_back(line);
  }
  const std::string message = build_script_message(words, environment);
  FL_ASSERT(message.size() <= kScriptMessageBytesMax);
  if (const auto call = parse_script_message(message)) {
    if (const auto* event = std::get_if<ScriptEvent>(&*call)) check_lines(*event);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto call = parse_script_message(text)) {
    if (const auto* event = std::get_if<ScriptEvent>(&*call)) {
      FL_ASSERT(event->hardware.bytes.size() <= 16 && event->name.size() <= 255 && event->interface.size() <= 15);
      check_lines(*event);
    }
  }
  check_round_trip(text);
  FL_ASSERT(read_dnsmasq_line(text).text.size() <= kDnsmasqLineMax);
  (void)check_dnsmasq(text);
  (void)parse_bound_sockets(text, 53);
  return 0;
}
