// fairlead: pure
#include "base/blackbox_file.h"

#include <algorithm>
#include <cstring>
#include <optional>

namespace fairlead {
namespace {

constexpr std::array<std::uint8_t, 6> kPriorities{3, 4, 5, 6, 7, 8};  // syslog's numbers; 8 is libqb's "trace".
constexpr std::array<std::uint32_t, 5> kNewFormat{0, 0xCCBBCCBB, 0xBBCCBBCC, 2, 0};
constexpr std::uint32_t kFileVersion = 1;
constexpr std::string_view kFormat{"%s\0", 3};
constexpr std::size_t kPayloadMin = 4 + 4 + 1 + 4 + 1 + 8 + 8 + 4;

template <class T>
std::byte* put(std::byte* at, T value) noexcept {
  std::memcpy(at, &value, sizeof value);
  return at + sizeof value;
}
std::byte* put_text(std::byte* at, std::string_view text) noexcept {
  if (!text.empty()) std::memcpy(at, text.data(), text.size());
  at += text.size();
  *at = std::byte{0};
  return at + 1;
}

template <class T>
T get(const char*& at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  at += sizeof value;
  return value;
}

/// Not in the middle of a character of UTF-8.
std::string_view cut(std::string_view text, std::size_t most) noexcept {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0U) == 0x80U) --most;
  return text.substr(0, most);
}

/// "%s" and a text; of other programs' chunks the format alone can be shown.
std::string text_of(std::string_view message) {
  const std::string_view format = message.substr(0, message.find('\0'));
  if (format != "%s" || message.size() <= kFormat.size()) return std::string(format);
  message.remove_prefix(kFormat.size());
  return std::string(message.substr(0, message.find('\0')));
}

std::optional<BlackboxEntry> entry_of(std::string_view payload) {
  if (payload.size() < kPayloadMin) return std::nullopt;
  const char* at = payload.data();
  const char* const end = at + payload.size();
  at += 8;  // Line and tags.
  const auto priority = get<std::uint8_t>(at);
  const auto name_size = get<std::uint32_t>(at);
  if (name_size == 0 || name_size > payload.size() - kPayloadMin + 1) return std::nullopt;
  const std::string_view name(at, name_size - 1);
  at += name_size;
  const auto seconds = get<std::int64_t>(at);
  const auto nanoseconds = get<std::int64_t>(at);
  const auto size = get<std::uint32_t>(at);
  if (size > static_cast<std::size_t>(end - at)) return std::nullopt;
  // Not a time that would overflow.
  if (seconds < 0 || seconds > 9'000'000'000 || nanoseconds < 0 || nanoseconds >= 1'000'000'000) return std::nullopt;
  const auto* level = std::find(kPriorities.begin(), kPriorities.end(), std::clamp<std::uint8_t>(priority, 3, 8));
  return BlackboxEntry{.time = WallTime(std::chrono::seconds(seconds) + std::chrono::nanoseconds(nanoseconds)),
                       .level = static_cast<LogLevel>(level - kPriorities.begin()),
                       .name = std::string(name.substr(0, name.find('\0'))),
                       .text = text_of({at, size})};
}

}  // namespace

std::size_t put_blackbox_chunk(std::span<std::byte, kBlackboxChunkMax> out, WallTime time, LogLevel level, std::string_view name,
                               std::string_view text) noexcept {
  name = name.substr(0, kBlackboxNameMax);
  const bool long_text = text.size() > kBlackboxTextMax;
  text = cut(text, long_text ? kBlackboxTextMax - 3 : kBlackboxTextMax);
  const std::string_view dots = long_text ? "..." : "";
  const auto since = std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();

  std::byte* at = out.data() + kBlackboxChunkHead;
  at = put(at, static_cast<std::uint32_t>(level) + 1);
  at = put(at, std::uint32_t{0});
  at = put(at, kPriorities[static_cast<std::size_t>(level)]);
  at = put(at, static_cast<std::uint32_t>(name.size() + 1));
  at = put_text(at, name);
  at = put(at, static_cast<std::int64_t>(since / 1'000'000'000));
  at = put(at, static_cast<std::int64_t>(since % 1'000'000'000));
  at = put(at, static_cast<std::uint32_t>(kFormat.size() + text.size() + dots.size() + 1));
  at = put_text(at, kFormat.substr(0, 2));
  if (!text.empty()) std::memcpy(at, text.data(), text.size());
  at = put_text(at + text.size(), dots);
  const auto size = static_cast<std::size_t>(at - out.data()) - kBlackboxChunkHead;
  const std::size_t room = blackbox_chunk_room(size);
  std::memset(at, 0, room - kBlackboxChunkHead - size);
  put(put(out.data(), static_cast<std::uint32_t>(size)), kBlackboxChunkMagic);
  return room;
}

std::array<std::byte, kBlackboxFileHead> blackbox_file_head(std::size_t bytes) noexcept {
  std::array<std::byte, kBlackboxFileHead> out{};
  std::byte* at = out.data();
  for (const std::uint32_t word : kNewFormat) at = put(at, word);
  const auto write = static_cast<std::uint32_t>(bytes / 4);
  const auto words = static_cast<std::uint32_t>((bytes + kBlackboxEndBytes) / 4);
  for (const std::uint32_t word : {words, write, std::uint32_t{0}, kFileVersion, words + write + kFileVersion}) at = put(at, word);
  return out;
}

std::size_t BlackboxRing::room(std::uint64_t at, std::uint64_t end) const noexcept {
  const auto word_at = [&](std::uint64_t position) {
    std::uint32_t word = 0;
    std::memcpy(&word, static_cast<const std::byte*>(data) + position % size, sizeof word);
    return word;
  };
  if (end < at || end - at < kBlackboxChunkHead || end - at > size) return 0;
  const std::size_t room = blackbox_chunk_room(word_at(at));
  return room > end - at || word_at(at + 4) != kBlackboxChunkMagic ? 0 : room;
}

void BlackboxRing::copy(std::uint64_t at, std::size_t count, std::string& out) const {
  const auto* bytes = static_cast<const char*>(data);
  const std::size_t first = std::min<std::size_t>(count, size - at % size);
  out.append(bytes + at % size, first);
  out.append(bytes, count - first);
}

std::string blackbox_file(std::string_view chunks) {
  const auto head = blackbox_file_head(chunks.size());
  std::string out(reinterpret_cast<const char*>(head.data()), head.size());
  out += chunks;
  return out.append(kBlackboxEndBytes, '\0');
}

Result<std::vector<BlackboxEntry>> parse_blackbox(std::string_view file) {
  const Error wrong{Errc::kInvalidArgument, "not a file of the flight recorder"};
  if (file.size() < kBlackboxFileHead) return wrong;
  const char* at = file.data();
  for (const std::uint32_t word : kNewFormat) {
    if (get<std::uint32_t>(at) != word) return wrong;
  }
  const auto words = get<std::uint32_t>(at);
  const auto write = get<std::uint32_t>(at);
  const auto read = get<std::uint32_t>(at);
  const auto version = get<std::uint32_t>(at);
  const auto sum = get<std::uint32_t>(at);
  if (version != kFileVersion || sum != words + write + read + version || words == 0 || read >= words || write >= words) return wrong;
  const std::string_view data = file.substr(kBlackboxFileHead, std::size_t{words} * 4);
  if (data.size() != std::size_t{words} * 4) return wrong;  // Cut off: where it wraps nobody knows.

  std::vector<BlackboxEntry> out;
  const BlackboxRing ring{.data = data.data(), .size = data.size()};
  const std::uint64_t end = std::uint64_t{read <= write ? write : write + std::uint64_t{words}} * 4;
  std::string payload;
  for (std::uint64_t place = std::uint64_t{read} * 4; place < end;) {
    const std::size_t room = ring.room(place, end);
    if (room == 0) break;
    payload.clear();
    ring.copy(place + kBlackboxChunkHead, room - kBlackboxChunkHead, payload);
    auto entry = entry_of(payload);
    if (!entry) break;
    out.push_back(std::move(*entry));
    place += room;
  }
  return out;
}

}  // namespace fairlead
