// fairlead: pure
#include "dnsdhcp/lease_file.h"

#include <algorithm>
#include <array>
#include <boost/crc.hpp>
#include <charconv>
#include <fmt/format.h>
#include <limits>
#include <optional>
#include <utility>
#include <variant>

#include "base/ip_address.h"
#include "base/mac_address.h"

namespace fairlead::dnsdhcp {
namespace {

constexpr std::string_view kHeader = "fairlead-leases 2";
constexpr std::string_view kHeader1 = "fairlead-leases 1";  ///< Before: no checksums, no `lines`.
constexpr std::string_view kNone = "*";
constexpr std::size_t kWords = 11;
constexpr std::size_t kNetworkNameMax = 63;
constexpr std::size_t kLineMax = 8192;  ///< The longest that is written is about 3,500.

bool is_plain(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' || c == ':';
}

std::string escaped(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  if (text.empty()) return std::string(kNone);
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (is_plain(byte)) {
      out += c;
    } else {
      out += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return out;
}

template <class T>
std::optional<T> number_of(std::string_view text, int base = 10) {
  T value{};
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (failed != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::string> unescaped(std::string_view text, std::size_t max) {
  if (text == kNone) return std::string();
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (text.size() - i < 3) return std::nullopt;
      const auto byte = number_of<std::uint8_t>(text.substr(i + 1, 2), 16);
      if (!byte) return std::nullopt;
      out += static_cast<char>(*byte);
      i += 2;
    } else if (is_plain(static_cast<unsigned char>(text[i]))) {
      out += text[i];
    } else {
      return std::nullopt;
    }
  }
  if (out.empty() || out.size() > max) return std::nullopt;
  return out;
}

std::string text_of(const LeaseStamp& stamp) { return std::to_string(stamp.epoch) + '.' + std::to_string(stamp.sequence); }

std::optional<LeaseStamp> stamp_of(std::string_view text) {
  const auto dot = text.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const auto epoch = number_of<std::uint64_t>(text.substr(0, dot));
  const auto sequence = number_of<std::uint64_t>(text.substr(dot + 1));
  if (!epoch || !sequence) return std::nullopt;
  return LeaseStamp{*epoch, *sequence};
}

struct Line {
  Lease lease;  ///< But for `expires`.
  std::uint32_t seconds = 0;
};

/// The lease, or why it is none.
std::variant<Line, std::string_view> read_words(std::string_view text) {
  std::array<std::string_view, kWords> words;
  std::size_t count = 0;
  for (std::size_t at = 0; at <= text.size(); ++count) {
    const auto end = std::min(text.find(' ', at), text.size());
    if (count == kWords) return "it has more than 11 words";
    words[count] = text.substr(at, end - at);
    at = end + 1;
  }
  if (count != kWords) return "it has fewer than 11 words";
  Line out;
  Lease& lease = out.lease;
  const auto address = parse_ip_address(words[0]);
  if (!address || address->is_unspecified() || address->is_multicast()) return "word 1 is no address";
  lease.address = *address;
  auto network = unescaped(words[1], kNetworkNameMax);
  if (!network || network->empty()) return "word 2 is no network";
  lease.network = std::move(*network);
  const auto mac = parse_mac_address(words[2]);
  if (!mac) return "word 3 is no MAC address";
  lease.mac = *mac;
  const auto seconds = number_of<std::uint32_t>(words[3]);
  if (!seconds) return "word 4 is no number of seconds";
  out.seconds = *seconds;
  if (words[4] != to_string(LeaseState::kHeld) && words[4] != to_string(LeaseState::kReleased))
    return "word 5 is neither held nor released";
  lease.state = words[4] == to_string(LeaseState::kHeld) ? LeaseState::kHeld : LeaseState::kReleased;
  const auto stamp = stamp_of(words[5]);
  const auto holder = number_of<std::uint32_t>(words[6]);
  const auto freed = stamp_of(words[7]);
  if (!stamp || !holder || !freed) return "words 6 to 8 are no stamp, node and stamp";
  lease.stamp = *stamp;
  lease.holder = NodeId{*holder};
  lease.freed = *freed;
  lease.temporary = words[8].substr(0, 1) == "T";
  const auto iaid = number_of<std::uint32_t>(words[8].substr(lease.temporary ? 1 : 0));
  if (!iaid) return "word 9 is no IAID";
  lease.iaid = *iaid;
  auto client_id = unescaped(words[9], kClientIdTextMax);
  if (!client_id) return "word 10 is no client id";
  lease.client_id = std::move(*client_id);
  auto name = unescaped(words[10], kLeaseNameMax);
  if (!name) return "word 11 is no name";
  lease.name = std::move(*name);
  return out;
}

std::string checksum_of(std::string_view text) {
  boost::crc_32_type crc;
  crc.process_bytes(text.data(), text.size());
  return fmt::format("{:08x}", crc.checksum());
}

std::string with_checksum(const std::string& line) { return line + ' ' + checksum_of(line) + '\n'; }

/// `line` without its last word, if that is the checksum of what stands before it.
std::optional<std::string_view> without_checksum(std::string_view line) {
  const auto blank = line.rfind(' ');
  if (blank == std::string_view::npos || line.substr(blank + 1) != checksum_of(line.substr(0, blank))) return std::nullopt;
  return line.substr(0, blank);
}

struct Header {
  std::int64_t written = 0;
  Epoch epoch = 0;
  std::size_t lines = 0;  ///< After this one.
  bool checked = false;   ///< Each line has a checksum.
};

/// Takes " KEY=NUMBER" from the front of `line`.
template <class T>
std::optional<T> take_number(std::string_view& line, std::string_view key) {
  if (line.substr(0, key.size()) != key) return std::nullopt;
  line.remove_prefix(key.size());
  const auto end = std::min(line.find(' '), line.size());
  const auto value = number_of<T>(line.substr(0, end));
  line.remove_prefix(end);
  return value;
}

std::optional<Header> read_header(std::string_view line) {
  Header out;
  out.checked = line.substr(0, kHeader.size()) == kHeader;
  if (!out.checked && line.substr(0, kHeader1.size()) != kHeader1) return std::nullopt;
  if (out.checked) {
    const auto whole = without_checksum(line);
    if (!whole) return std::nullopt;
    line = *whole;
  }
  line.remove_prefix(kHeader.size());
  const auto written = take_number<std::int64_t>(line, " written=");
  const auto epoch = take_number<Epoch>(line, " epoch=");
  const auto lines = out.checked ? take_number<std::size_t>(line, " lines=") : std::optional<std::size_t>(0);
  if (!written || !epoch || !lines || *written < 0 || !line.empty()) return std::nullopt;
  out.written = *written;
  out.epoch = *epoch;
  out.lines = *lines;
  return out;
}

/// As the file's first line says; when that is damaged, as the line looks.
std::variant<Line, std::string_view> read_line(std::string_view text, const std::optional<Header>& header) {
  if (text.size() > kLineMax) return "it is too long";
  if (header && !header->checked) return read_words(text);
  if (const auto whole = without_checksum(text)) return read_words(*whole);
  if (header) return "its checksum is another one";
  return read_words(text);
}

}  // namespace

std::string render_lease_file(const std::vector<Lease>& leases, Epoch epoch, Instant now, std::int64_t wall_s) {
  std::string out =
      with_checksum(fmt::format("{} written={} epoch={} lines={}", kHeader, std::max<std::int64_t>(wall_s, 0), epoch, leases.size()));
  for (const Lease& l : leases) {
    out += with_checksum(l.address.to_string() + ' ' + escaped(l.network) + ' ' + l.mac.to_string() + ' ' +
                         std::to_string(seconds_left(l, now)) + ' ' + std::string(to_string(l.state)) + ' ' + text_of(l.stamp) + ' ' +
                         std::to_string(to_number(l.holder)) + ' ' + text_of(l.freed) + ' ' + (l.temporary ? "T" : "") +
                         std::to_string(l.iaid) + ' ' + escaped(l.client_id) + ' ' + escaped(l.name));
  }
  return out;
}

LeaseFile parse_lease_file(std::string_view text, Instant now, std::int64_t wall_s) {
  LeaseFile out;
  std::optional<Header> header;
  std::size_t number = 0;
  std::size_t lines = 0;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const bool whole = end != std::string_view::npos;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(whole ? end + 1 : text.size());
    ++number;
    const auto damaged = [&](std::string_view reason) { out.damaged.push_back({number, std::string(line), std::string(reason)}); };
    if (number == 1) {
      header = read_header(line);
      if (header) {
        out.epoch = header->epoch;
      } else {
        damaged("it is not the first line of a lease file of this version");
      }
      continue;
    }
    if (line.empty()) continue;
    ++lines;
    if (!whole) {
      damaged("it is cut");
      continue;
    }
    if (number > kLeaseLinesMax) {
      damaged("the file has too many lines");
      return out;
    }
    auto read = read_line(line, header);
    if (const auto* reason = std::get_if<std::string_view>(&read)) {
      damaged(*reason);
      continue;
    }
    auto& [lease, seconds] = std::get<Line>(read);
    const std::int64_t age = header && wall_s > header->written ? wall_s - header->written : 0;  // Never below nothing.
    if (seconds != kEndlessSeconds) seconds -= static_cast<std::uint32_t>(std::min<std::int64_t>(age, seconds));
    if (seconds == 0) {
      ++out.over;
      continue;
    }
    lease.expires = after_seconds(seconds, now);
    out.leases.push_back(std::move(lease));
  }
  if (header && lines < header->lines)
    out.damaged.push_back({number + 1, "", fmt::format("{} lines are missing at the end", header->lines - lines)});
  return out;
}

}  // namespace fairlead::dnsdhcp
