// fairlead: pure
#include "admin/invitation.h"

#include <algorithm>
#include <optional>
#include <vector>

namespace fairlead::admin {
namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kSumSize = 4;
/// Nothing longer is a token.
constexpr std::size_t kTextMax = 200;

std::uint32_t crc32(const Bytes& bytes, std::size_t size) {
  std::uint32_t crc = 0xffffffffU;
  for (std::size_t i = 0; i < size; ++i) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? 0xedb88320U : 0U);
  }
  return ~crc;
}

std::string to_base32(const Bytes& bytes) {
  std::string out;
  std::uint32_t rest = 0;
  unsigned bits = 0;
  for (const std::uint8_t byte : bytes) {
    rest = (rest << 8U) | byte;
    for (bits += 8; bits >= 5; bits -= 5) out += kAlphabet[(rest >> (bits - 5)) & 31U];
    rest &= 0xffU;
  }
  if (bits > 0) out += kAlphabet[(rest << (5 - bits)) & 31U];
  return out;
}

std::optional<Bytes> from_base32(std::string_view text) {
  Bytes out;
  std::uint32_t rest = 0;
  unsigned bits = 0;
  for (char c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    const auto digit = kAlphabet.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    rest = (rest << 5U) | static_cast<std::uint32_t>(digit);
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    out.push_back(static_cast<std::uint8_t>(rest >> bits));
    rest &= (1U << bits) - 1U;
  }
  // One way to write each token: what is left are zeros, and less than a letter.
  if (bits >= 5 || rest != 0) return std::nullopt;
  return out;
}

void put(Bytes& out, std::uint32_t value, unsigned size) {
  while (size-- > 0) out.push_back(static_cast<std::uint8_t>(value >> (8 * size)));
}

/// Takes from the front; `good` goes false once there was too little.
class Reader {
 public:
  explicit Reader(const Bytes& bytes, std::size_t size) : bytes_(bytes), size_(size) {}
  std::uint32_t number(unsigned size) {
    std::uint32_t out = 0;
    while (size-- > 0) out = (out << 8U) | byte();
    return out;
  }
  template <std::size_t N>
  void fill(std::array<std::uint8_t, N>& into, std::size_t count = N) {
    for (std::size_t i = 0; i < count; ++i) into[i] = byte();
  }
  [[nodiscard]] bool finished() const { return good_ && at_ == size_; }

 private:
  std::uint8_t byte() {
    if (at_ < size_) return bytes_[at_++];
    good_ = false;
    return 0;
  }
  const Bytes& bytes_;
  std::size_t size_;
  std::size_t at_ = 0;
  bool good_ = true;
};

}  // namespace

std::string encode_invitation(const Invitation& invitation) {
  Bytes out{kVersion, static_cast<std::uint8_t>(invitation.at.address.is_v4() ? 4 : 6)};
  const auto& address = invitation.at.address.bytes();
  out.insert(out.end(), address.begin(), address.begin() + invitation.at.address.bits() / 8);
  put(out, invitation.at.port, 2);
  put(out, invitation.expires_s, 4);
  out.insert(out.end(), invitation.fingerprint.begin(), invitation.fingerprint.end());
  out.insert(out.end(), invitation.secret.begin(), invitation.secret.end());
  put(out, crc32(out, out.size()), kSumSize);
  return to_base32(out);
}

Result<Invitation> decode_invitation(std::string_view text) {
  const auto wrong = [](const char* why) {
    return Error{Errc::kInvalidArgument, std::string("this is no token of `fairlead cluster setup --invite`: ") + why};
  };
  constexpr std::string_view kBlanks = " \t\r\n";
  while (!text.empty() && kBlanks.find(text.front()) != std::string_view::npos) text.remove_prefix(1);
  while (!text.empty() && kBlanks.find(text.back()) != std::string_view::npos) text.remove_suffix(1);
  if (text.empty()) return wrong("it is empty");
  if (text.size() > kTextMax) return wrong("it is too long");
  const auto bytes = from_base32(text);
  if (!bytes || bytes->size() <= kSumSize) return wrong("a letter is wrong or missing; copy it whole");
  const std::size_t body = bytes->size() - kSumSize;
  std::uint32_t sum = 0;
  for (std::size_t i = body; i < bytes->size(); ++i) sum = (sum << 8U) | (*bytes)[i];
  if (sum != crc32(*bytes, body)) return wrong("a letter is wrong or missing; copy it whole");

  Reader reader(*bytes, body);
  if (reader.number(1) != kVersion) return wrong("it is of another version; use the same fairlead on both nodes");
  Invitation out;
  const std::uint32_t family = reader.number(1);
  if (family == 4) {
    std::array<std::uint8_t, 4> address{};
    reader.fill(address);
    out.at.address = IpAddress::v4(address);
  } else {
    std::array<std::uint8_t, 16> address{};
    reader.fill(address);
    out.at.address = IpAddress::v6(address);
  }
  out.at.port = static_cast<std::uint16_t>(reader.number(2));
  out.expires_s = reader.number(4);
  reader.fill(out.fingerprint);
  reader.fill(out.secret);
  if ((family != 4 && family != 6) || !reader.finished()) return wrong("it is of another version; use the same fairlead on both nodes");
  return out;
}

}  // namespace fairlead::admin
