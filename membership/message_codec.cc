// fairlead: pure
#include "membership/message_codec.h"

#include <algorithm>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "membership/message_fields.h"

namespace fairlead::membership {
namespace {

constexpr std::size_t kFieldHeaderBytes = 3;
constexpr std::byte kMagic[] = {std::byte{'F'}, std::byte{'L'}};

static_assert([]<class... M>(std::variant<M...>*) { return ((kKindOf<M> != 0) && ...); }(static_cast<ClusterMessage*>(nullptr)),
              "every message has a kind");

template <class T>
concept Number = std::is_integral_v<T> || std::is_enum_v<T>;

constexpr std::byte byte_of(std::uint64_t value, unsigned index) { return static_cast<std::byte>(value >> (8 * index) & 0xFF); }

template <class T>
constexpr std::uint64_t number_of(T value) {
  if constexpr (std::is_enum_v<T>) {
    return static_cast<std::uint64_t>(static_cast<std::underlying_type_t<T>>(value));
  } else {
    return static_cast<std::uint64_t>(value);
  }
}

/// The longest beginning of `text` that fits and does not end inside a character of UTF-8.
std::string_view cut(std::string_view text) {
  if (text.size() <= kTextBytesMax) return text;
  std::size_t length = kTextBytesMax;
  while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80) --length;
  return text.substr(0, length);
}

class Writer {
 public:
  explicit Writer(std::vector<std::byte>& out) : out_(out) {}
  [[nodiscard]] bool fits() const { return fits_ && out_.size() <= kMessageBytesMax; }

  template <class T>
  void value(std::uint8_t tag, const T& field) {
    const std::size_t at = begin(tag);
    payload(field);
    end(at);
  }
  void name(std::uint8_t tag, const std::string& field, std::size_t max = kNameBytesMax) {
    if (field.size() > max) fits_ = false;
    bytes(tag, field);
  }
  void text(std::uint8_t tag, const std::string& field) { bytes(tag, cut(field)); }
  template <class T>
  void list(std::uint8_t tag, const std::vector<T>& field, std::size_t max) {
    if (field.size() > max) fits_ = false;
    for (const T& item : field) value(tag, item);
  }
  void names(std::uint8_t tag, const std::vector<std::string>& field, std::size_t max) {
    if (field.size() > max) fits_ = false;
    for (const std::string& item : field) name(tag, item);
  }

 private:
  template <class T>
  void payload(const T& field) {
    if constexpr (Number<T>) {
      for (std::uint64_t rest = number_of(field); rest != 0; rest >>= 8) out_.push_back(byte_of(rest, 0));
    } else if constexpr (std::is_same_v<T, IpPrefix>) {
      out_.push_back(std::byte{field.length});
      const std::span all(field.address.bytes());
      for (const std::uint8_t b : all.first(static_cast<std::size_t>(field.address.bits()) / 8)) out_.push_back(std::byte{b});
    } else if constexpr (std::is_same_v<T, IpAddress>) {
      for (const std::uint8_t b : std::span(field.bytes()).first(static_cast<std::size_t>(field.bits()) / 8)) out_.push_back(std::byte{b});
    } else if constexpr (std::is_same_v<T, MacAddress>) {
      for (const std::uint8_t b : field.bytes) out_.push_back(std::byte{b});
    } else {
      fields(*this, field);
    }
  }
  void bytes(std::uint8_t tag, std::string_view text) {
    const std::size_t at = begin(tag);
    const auto raw = std::as_bytes(std::span(text));
    out_.insert(out_.end(), raw.begin(), raw.end());
    end(at);
  }
  std::size_t begin(std::uint8_t tag) {
    out_.insert(out_.end(), {std::byte{tag}, std::byte{0}, std::byte{0}});
    return out_.size();
  }
  void end(std::size_t at) {
    const std::size_t length = out_.size() - at;
    if (length > std::numeric_limits<std::uint16_t>::max()) fits_ = false;
    out_[at - 2] = byte_of(length, 0);
    out_[at - 1] = byte_of(length, 1);
  }

  std::vector<std::byte>& out_;
  bool fits_ = true;
};

/// What is known of the message while it is read.
struct Reading {
  bool malformed = false;
  std::uint32_t unknown_fields = 0;
};

/// One field as found in the bytes; the table is asked which member it is.
class FieldReader {
 public:
  FieldReader(std::uint8_t tag, std::span<const std::byte> payload, Reading& reading) : tag_(tag), payload_(payload), reading_(reading) {}
  [[nodiscard]] bool found() const { return found_; }

  template <class T>
  void value(std::uint8_t tag, T& field) {
    if (is(tag)) read(field);
  }
  void name(std::uint8_t tag, std::string& field, std::size_t max = kNameBytesMax) { bytes(tag, field, max); }
  void text(std::uint8_t tag, std::string& field) { bytes(tag, field, kTextBytesMax); }
  template <class T>
  void list(std::uint8_t tag, std::vector<T>& field, std::size_t max) {
    if (!is(tag)) return;
    if (field.size() == max) {
      reading_.malformed = true;
      return;
    }
    read(field.emplace_back());
  }
  void names(std::uint8_t tag, std::vector<std::string>& field, std::size_t max) {
    if (!is(tag)) return;
    if (field.size() == max) {
      reading_.malformed = true;
      return;
    }
    bytes(tag, field.emplace_back(), kNameBytesMax);
  }

 private:
  [[nodiscard]] bool is(std::uint8_t tag) {
    found_ = found_ || tag == tag_;
    return tag == tag_;
  }
  void bytes(std::uint8_t tag, std::string& field, std::size_t max) {
    if (!is(tag)) return;
    if (payload_.size() > max) {
      reading_.malformed = true;
      return;
    }
    field.resize(payload_.size());
    std::transform(payload_.begin(), payload_.end(), field.begin(), [](std::byte b) { return static_cast<char>(b); });
  }
  template <class T>
  void read(T& field);
  template <class T>
  void take(const std::optional<T>& found, T& field) {
    if (!found) reading_.malformed = true;
    field = found.value_or(field);
  }

  std::uint8_t tag_;
  std::span<const std::byte> payload_;
  Reading& reading_;
  bool found_ = false;
};

template <class T>
void read_fields(std::span<const std::byte> bytes, T& into, Reading& reading) {
  while (!bytes.empty() && !reading.malformed) {
    if (bytes.size() < kFieldHeaderBytes) {
      reading.malformed = true;
      return;
    }
    const std::size_t length = std::to_integer<std::size_t>(bytes[1]) | std::to_integer<std::size_t>(bytes[2]) << 8;
    if (length > bytes.size() - kFieldHeaderBytes) {
      reading.malformed = true;
      return;
    }
    FieldReader field(std::to_integer<std::uint8_t>(bytes[0]), bytes.subspan(kFieldHeaderBytes, length), reading);
    fields(field, into);
    if (!field.found()) ++reading.unknown_fields;
    bytes = bytes.subspan(kFieldHeaderBytes + length);
  }
}

std::optional<std::uint64_t> read_number(std::span<const std::byte> payload) {
  if (payload.size() > 8) return std::nullopt;
  std::uint64_t value = 0;
  for (std::size_t i = payload.size(); i > 0; --i) value = value << 8 | std::to_integer<std::uint64_t>(payload[i - 1]);
  return value;
}

template <std::size_t N>
std::array<std::uint8_t, N> bytes_of(std::span<const std::byte> payload) {
  std::array<std::uint8_t, N> out{};
  std::transform(payload.begin(), payload.begin() + N, out.begin(), [](std::byte b) { return std::to_integer<std::uint8_t>(b); });
  return out;
}

std::optional<IpAddress> read_address(std::span<const std::byte> payload) {
  if (payload.size() == 4) return IpAddress::v4(bytes_of<4>(payload));
  if (payload.size() == 16) return IpAddress::v6(bytes_of<16>(payload));
  return std::nullopt;
}

std::optional<MacAddress> read_mac(std::span<const std::byte> payload) {
  if (payload.size() != 6) return std::nullopt;
  return MacAddress{bytes_of<6>(payload)};
}

std::optional<IpPrefix> read_prefix(std::span<const std::byte> payload) {
  if (payload.empty()) return std::nullopt;
  const auto address = read_address(payload.subspan(1));
  if (!address) return std::nullopt;
  IpPrefix out{*address, std::to_integer<std::uint8_t>(payload[0])};
  if (out.length > out.address.bits()) return std::nullopt;
  return out;
}

/// The largest number a field of this type takes from a peer. Enumerations are not narrowed to what is known: their readers do that.
template <class T>
constexpr std::uint64_t max_of() {
  if constexpr (std::is_enum_v<T>) {
    return std::numeric_limits<std::underlying_type_t<T>>::max();
  } else {
    return std::numeric_limits<T>::max();
  }
}

template <class T>
void FieldReader::read(T& field) {
  if constexpr (Number<T>) {
    const auto number = read_number(payload_);
    if (!number || *number > max_of<T>()) {
      reading_.malformed = true;
    } else {
      field = static_cast<T>(*number);
    }
  } else if constexpr (std::is_same_v<T, IpPrefix>) {
    take(read_prefix(payload_), field);
  } else if constexpr (std::is_same_v<T, IpAddress>) {
    take(read_address(payload_), field);
  } else if constexpr (std::is_same_v<T, MacAddress>) {
    take(read_mac(payload_), field);
  } else {
    read_fields(payload_, field, reading_);
  }
}

bool known(OverrideKind kind) { return kind >= OverrideKind::kVipDisabled && kind <= OverrideKind::kFrozen; }

/// A newer release's wishes are no fields of ours.
std::uint32_t drop_unknown(NodeState& state) {
  return static_cast<std::uint32_t>(std::erase_if(state.overrides, [](const Override& o) { return !known(o.kind); }));
}

template <class M>
Decoded read_message(std::span<const std::byte> body) {
  Reading reading;
  Decoded out;
  M& message = out.message.emplace().emplace<M>();
  read_fields(body, message, reading);
  out.outcome = reading.malformed ? DecodeOutcome::kMalformed : DecodeOutcome::kMessage;
  if constexpr (std::is_same_v<M, NodeState>) reading.unknown_fields += drop_unknown(message);
  if constexpr (std::is_same_v<M, SetOverride>) {
    if (!reading.malformed && !known(message.wish.kind)) out.outcome = DecodeOutcome::kUnknownKind;
  }
  if (out.outcome != DecodeOutcome::kMessage) out.message.reset();
  out.unknown_fields = reading.unknown_fields;
  return out;
}

template <class... M>
Decoded read_kind(std::uint8_t kind, std::span<const std::byte> body, std::variant<M...>* /*type*/) {
  Decoded out{DecodeOutcome::kUnknownKind, std::nullopt, 0};
  static_cast<void>(((kind == kKindOf<M> ? (out = read_message<M>(body), true) : false) || ...));
  return out;
}

std::uint32_t hash_of_name(std::string_view name) {  // FNV-1a.
  std::uint32_t hash = 2166136261U;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return hash;
}

}  // namespace

std::string_view to_string(DecodeOutcome outcome) {
  switch (outcome) {
    case DecodeOutcome::kMessage: return "message";
    case DecodeOutcome::kForeign: return "foreign";
    case DecodeOutcome::kUnknownVersion: return "unknown version";
    case DecodeOutcome::kUnknownKind: return "unknown kind";
    case DecodeOutcome::kMalformed: return "malformed";
  }
  return "?";
}

std::string_view kind_name(const ClusterMessage& message) {
  static constexpr std::string_view kNames[] = {"node_state", "guard_hello",  "beat",     "beat_ack",    "assign",       "released",
                                                "exclude",    "set_override", "move_vip", "node_digest", "lease_update", "lease_digest"};
  static_assert(std::size(kNames) == std::variant_size_v<ClusterMessage>);
  return kNames[message.index()];
}

MessageCodec::MessageCodec(std::string_view cluster_name) : cluster_(hash_of_name(cluster_name)) {}

Status MessageCodec::encode(const ClusterMessage& message, std::vector<std::byte>& out) const {
  out.assign(kMessageHeaderBytes, std::byte{0});
  Writer writer(out);
  out[0] = kMagic[0];
  out[1] = kMagic[1];
  out[2] = std::byte{kCodecVersion};
  std::visit(
      [&]<class M>(const M& m) {
        out[3] = std::byte{kKindOf<M>};
        fields(writer, m);
      },
      message);
  if (!writer.fits()) {
    out.clear();
    return Error{Errc::kLimitExceeded, "message " + std::string(kind_name(message)) + " is too long"};
  }
  const std::size_t body = out.size() - kMessageHeaderBytes;
  for (unsigned i = 0; i < 4; ++i) {
    out[4 + i] = byte_of(cluster_, i);
    out[8 + i] = byte_of(body, i);
  }
  return {};
}

Decoded MessageCodec::decode(std::span<const std::byte> bytes) const {
  if (bytes.size() < kMessageHeaderBytes || bytes.size() > kMessageBytesMax) return {};
  if (bytes[0] != kMagic[0] || bytes[1] != kMagic[1]) return {};
  if (*read_number(bytes.subspan(4, 4)) != cluster_) return {DecodeOutcome::kForeign, std::nullopt, 0};
  if (std::to_integer<std::uint8_t>(bytes[2]) != kCodecVersion) return {DecodeOutcome::kUnknownVersion, std::nullopt, 0};
  const std::span body = bytes.subspan(kMessageHeaderBytes);
  if (*read_number(bytes.subspan(8, 4)) != body.size()) return {};
  return read_kind(std::to_integer<std::uint8_t>(bytes[3]), body, static_cast<ClusterMessage*>(nullptr));
}

}  // namespace fairlead::membership
