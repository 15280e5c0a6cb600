// fairlead: pure
#include "dnsdhcp/script_event.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

namespace fairlead::dnsdhcp {
namespace {

constexpr std::string_view kHead = "fairlead-dhcp-event 1";
constexpr std::size_t kHardwareBytesMax = 16;   // DHCP's chaddr.
constexpr std::size_t kIdentityBytesMax = 255;  // A client id or a DUID.
constexpr std::size_t kNameMax = 255;
constexpr std::size_t kInterfaceMax = 15;
constexpr std::size_t kTagsMax = 64;
constexpr std::size_t kWordsMax = 8;
constexpr std::size_t kVariablesMax = 32;
constexpr std::size_t kValueMax = 1024;
constexpr std::uint8_t kEthernet = 1;

constexpr std::array<std::string_view, 10> kVariables{
    "DNSMASQ_CLIENT_ID",     "DNSMASQ_DOMAIN",        "DNSMASQ_IAID",         "DNSMASQ_INTERFACE",
    "DNSMASQ_LEASE_EXPIRES", "DNSMASQ_LEASE_LENGTH",  "DNSMASQ_OLD_HOSTNAME", "DNSMASQ_SUPPLIED_HOSTNAME",
    "DNSMASQ_TAGS",          "DNSMASQ_TIME_REMAINING"};

using Variables = std::map<std::string_view, std::string_view>;

Error bad(std::string what) { return {Errc::kInvalidArgument, "dhcp-script event: " + std::move(what)}; }

/// For messages: bytes from outside, short and printable.
std::string shown(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 40)) out += c >= ' ' && c < 0x7f ? c : '?';
  return "'" + out + "'";
}

template <class T>
std::optional<T> number(std::string_view text, int base = 10) {
  T out{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return out;
}

/// "52:54:00"; nothing when it is not that, or longer.
std::optional<std::vector<std::uint8_t>> hex_bytes(std::string_view text, std::size_t max) {
  std::vector<std::uint8_t> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(':'), text.size());
    const auto byte = number<std::uint8_t>(text.substr(0, end), 16);
    if (end != 2 || !byte || out.size() == max) return std::nullopt;
    out.push_back(*byte);
    if (end + 1 == text.size()) return std::nullopt;  // Ends with a colon.
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

std::optional<HardwareAddress> hardware(std::string_view text) {
  HardwareAddress out{.type = kEthernet, .bytes = {}};
  if (const std::size_t dash = text.find('-'); dash != std::string_view::npos) {
    const auto type = number<std::uint8_t>(text.substr(0, dash), 16);
    if (dash != 2 || !type) return std::nullopt;
    out.type = *type;
    text.remove_prefix(dash + 1);
  }
  auto bytes = hex_bytes(text, kHardwareBytesMax);
  if (!bytes) return std::nullopt;
  out.bytes = std::move(*bytes);
  return out;
}

/// What dnsmasq takes for the name of a host, with dots.
bool is_host_name(std::string_view text) {
  if (text.empty() || text.size() > kNameMax || text.front() == '-' || text.front() == '.') return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
}

bool is_word(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

std::string_view value_of(const Variables& variables, std::string_view name) {
  const auto found = variables.find(name);
  return found == variables.end() ? std::string_view() : found->second;
}

/// Cuts the next word, up to its zero byte; nothing when there is none.
std::optional<std::string_view> next_word(std::string_view& message) {
  const std::size_t end = message.find('\0');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view word = message.substr(0, end);
  message.remove_prefix(end + 1);
  return word;
}

Status read_names(ScriptEvent& out, const Variables& variables) {
  out.old_name = value_of(variables, "DNSMASQ_OLD_HOSTNAME");
  out.domain = value_of(variables, "DNSMASQ_DOMAIN");
  for (const std::string* name : {&out.name, &out.old_name, &out.domain}) {
    if (!name->empty() && !is_host_name(*name)) return bad(shown(*name) + " is not a host's name");
  }
  // As the client wrote it: only if it is one.
  if (const auto wish = value_of(variables, "DNSMASQ_SUPPLIED_HOSTNAME"); is_host_name(wish)) out.wish = wish;
  out.interface = value_of(variables, "DNSMASQ_INTERFACE");
  if (out.interface.size() > kInterfaceMax || !is_word(out.interface)) return bad(shown(out.interface) + " is not an interface's name");
  std::string_view tags = value_of(variables, "DNSMASQ_TAGS");
  while (!tags.empty()) {
    const std::size_t end = std::min(tags.find(' '), tags.size());
    if (end > 0 && is_word(tags.substr(0, end)) && out.tags.size() < kTagsMax) out.tags.emplace_back(tags.substr(0, end));
    tags.remove_prefix(std::min(end + 1, tags.size()));
  }
  return {};
}

Status read_time(ScriptEvent& out, const Variables& variables) {
  const std::string_view expires = value_of(variables, "DNSMASQ_LEASE_EXPIRES");
  const std::string_view length = value_of(variables, "DNSMASQ_LEASE_LENGTH");  // Of a dnsmasq made for machines without a clock.
  const std::string_view left = value_of(variables, "DNSMASQ_TIME_REMAINING");
  if (out.action == ScriptAction::kDel) return {};
  if (expires == "0" || length == "4294967295") {
    out.forever = true;
    return {};
  }
  const std::string_view told = left.empty() ? length : left;
  if (told.empty()) {  // dnsmasq leaves out a zero.
    out.seconds_left = 0;
    return {};
  }
  const auto seconds = number<std::uint32_t>(told);
  if (!seconds) return bad(shown(told) + " is not a number of seconds");
  out.seconds_left = *seconds;
  return {};
}

Status read_identity(ScriptEvent& out, std::string_view who, const Variables& variables) {
  if (out.address.is_v4()) {
    auto address = hardware(who);
    if (!address) return bad(shown(who) + " is not a hardware address");
    out.hardware = std::move(*address);
    out.client_id = value_of(variables, "DNSMASQ_CLIENT_ID");
    if (!hex_bytes(out.client_id, kIdentityBytesMax)) return bad(shown(out.client_id) + " is not a client id");
    return {};
  }
  out.duid = who;
  if (who.empty() || !hex_bytes(who, kIdentityBytesMax)) return bad(shown(who) + " is not a DUID");
  std::string_view iaid = value_of(variables, "DNSMASQ_IAID");
  if (iaid.starts_with('T')) {
    out.temporary = true;
    iaid.remove_prefix(1);
  }
  const auto read = number<std::uint32_t>(iaid);
  if (!read) return bad(shown(iaid) + " is not an IAID");
  out.iaid = *read;
  return {};
}

Result<ScriptCall> parse_lease(std::span<const std::string_view> words, const Variables& variables) {
  ScriptEvent out;
  out.action = words[0] == "add" ? ScriptAction::kAdd : words[0] == "del" ? ScriptAction::kDel : ScriptAction::kOld;
  if (words.size() < 3 || words.size() > 4) return bad("not three or four words");
  const auto address = parse_ip_address(words[2]);
  if (!address) return bad(shown(words[2]) + " is not an address");
  out.address = *address;
  if (words.size() == 4) out.name = words[3];
  for (const auto& status : {read_identity(out, words[1], variables), read_names(out, variables), read_time(out, variables)}) {
    if (!status) return status.error();
  }
  return ScriptCall(std::move(out));
}

void append(std::string& message, std::string_view word) {
  if (message.size() + word.size() + 2 > kScriptMessageBytesMax) return;  // Room for the empty word.
  message += word;
  message += '\0';
}

}  // namespace

std::string_view to_string(ScriptAction action) {
  if (action == ScriptAction::kAdd) return "add";
  return action == ScriptAction::kOld ? "old" : "del";
}

std::optional<MacAddress> HardwareAddress::mac() const {
  MacAddress out;
  if (type != kEthernet || bytes.size() != out.bytes.size()) return std::nullopt;
  std::copy(bytes.begin(), bytes.end(), out.bytes.begin());
  return out;
}

bool is_told(std::string_view action) { return action == "add" || action == "old" || action == "del" || action == "init"; }

std::string build_script_message(std::span<const std::string_view> words, std::span<const std::string_view> environment) {
  std::string out(kHead);
  out += '\0';
  for (const std::string_view word : words.first(std::min(words.size(), kWordsMax))) {
    if (!word.empty() && word.size() <= kValueMax && word.find('\0') == std::string_view::npos) append(out, word);
  }
  append(out, "");
  for (const std::string_view entry : environment) {
    const std::string_view name = entry.substr(0, entry.find('='));
    if (name.size() == entry.size() || entry.size() > name.size() + 1 + kValueMax || entry.find('\0') != std::string_view::npos) continue;
    if (std::find(kVariables.begin(), kVariables.end(), name) != kVariables.end()) append(out, entry);
  }
  return out;
}

Result<ScriptCall> parse_script_message(std::string_view message) {
  if (message.size() > kScriptMessageBytesMax) return bad("longer than " + std::to_string(kScriptMessageBytesMax) + " bytes");
  if (next_word(message) != kHead)
    return bad("it does not begin with '" + std::string(kHead) + "': is fairlead-dhcp-event of another version?");
  std::vector<std::string_view> words;
  for (;;) {
    const auto word = next_word(message);
    if (!word) return bad("cut short");
    if (word->empty()) break;
    if (words.size() == kWordsMax) return bad("too many words");
    words.push_back(*word);
  }
  Variables variables;
  while (!message.empty()) {
    const auto entry = next_word(message);
    if (!entry) return bad("cut short");
    const std::size_t equals = entry->find('=');
    if (equals == std::string_view::npos || variables.size() == kVariablesMax) return bad("its environment is not one");
    variables.emplace(entry->substr(0, equals), entry->substr(equals + 1));
  }
  if (words.empty()) return bad("no action");
  if (!is_told(words[0])) return ScriptCall(ScriptOther{std::string(words[0].substr(0, kNameMax))});
  if (words[0] == "init") return ScriptCall(ScriptInit{});
  return parse_lease(words, variables);
}

std::string lease_lines(std::span<const Lease> leases, WallTime wall, Instant now) {
  std::map<IpAddress, std::size_t> last;
  for (std::size_t i = 0; i < leases.size(); ++i) last[leases[i].address] = i;
  std::string out;
  for (std::size_t i = 0; i < leases.size(); ++i) {
    const Lease& lease = leases[i];
    const std::uint32_t left = seconds_left(lease, now);
    if (last[lease.address] != i || lease.state != LeaseState::kHeld || left == 0) continue;
    const auto expires = std::chrono::ceil<std::chrono::seconds>((wall + std::chrono::seconds(left)).time_since_epoch()).count();
    // A name or id that dnsmasq would read as two words would spoil the lines after it, too.
    const bool named = is_host_name(lease.name);
    const bool identified = !lease.client_id.empty() && hex_bytes(lease.client_id, kIdentityBytesMax).has_value();
    if (!lease.address.is_v4() && !identified) continue;  // Nobody's: dnsmasq finds it by DUID and IAID.
    out += (lease.expires == Instant::max() ? "0" : std::to_string(expires)) + " ";
    out += lease.address.is_v4() ? lease.mac.to_string() : (lease.temporary ? "T" : "") + std::to_string(lease.iaid);
    out += " " + lease.address.to_string() + " " + (named ? lease.name : "*") + " " + (identified ? lease.client_id : "*") + "\n";
  }
  return out;
}

}  // namespace fairlead::dnsdhcp
