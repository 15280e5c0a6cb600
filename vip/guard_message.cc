// fairlead: pure
#include "vip/guard_message.h"

#include <algorithm>
#include <string_view>

#include "base/overloaded.h"

namespace fairlead::vip {
namespace {

enum class Tag : std::uint8_t { kSetup = 1, kHold, kDrop, kGoodbye, kReady, kAck };
constexpr std::size_t kTextMax = 400;  // So that every message is below kGuardMessageBytesMax.

class Writer {
 public:
  explicit Writer(Tag tag) { number(static_cast<std::uint8_t>(tag), 1); }
  void number(std::uint64_t value, int bytes = 8) {
    for (int i = 0; i < bytes; ++i) out_.push_back(static_cast<std::byte>(value >> (8 * i) & 0xff));
  }
  void text(std::string_view value) {
    value = value.substr(0, kTextMax);
    number(value.size(), 2);
    for (const char c : value) out_.push_back(static_cast<std::byte>(c));
  }
  void address(const IpAddress& value) {
    number(value.is_v4() ? 4 : 16, 1);
    for (std::size_t i = 0; i < (value.is_v4() ? 4U : 16U); ++i) number(value.bytes()[i], 1);
  }
  [[nodiscard]] GuardBytes take() { return std::move(out_); }

 private:
  GuardBytes out_;
};

// Reads on after a failure give zeros; `whole()` tells at the end.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : left_(bytes) {}
  std::uint64_t number(int bytes = 8) {
    std::uint64_t out = 0;
    for (int i = 0; i < bytes; ++i) out |= std::uint64_t{byte()} << (8 * i);
    return out;
  }
  std::string text() {
    const auto size = static_cast<std::size_t>(number(2));
    if (size > left_.size() || size > kTextMax) {
      failed_ = true;
      return {};
    }
    std::string out;
    for (std::size_t i = 0; i < size; ++i) out += static_cast<char>(byte());
    return out;
  }
  IpAddress address() {
    const auto size = number(1);
    std::array<std::uint8_t, 16> bytes{};
    if (size != 4 && size != 16) failed_ = true;
    for (std::size_t i = 0; i < size && i < bytes.size(); ++i) bytes[i] = byte();
    return size == 4 ? IpAddress::v4({bytes[0], bytes[1], bytes[2], bytes[3]}) : IpAddress::v6(bytes);
  }
  [[nodiscard]] bool whole() const { return !failed_ && left_.empty(); }

 private:
  std::uint8_t byte() {
    if (left_.empty()) {
      failed_ = true;
      return 0;
    }
    const auto out = std::to_integer<std::uint8_t>(left_.front());
    left_ = left_.subspan(1);
    return out;
  }
  std::span<const std::byte> left_;
  bool failed_ = false;
};

GuardBytes build_hold(const GuardHold& hold) {
  Writer w(Tag::kHold);
  w.number(hold.serial);
  w.text(hold.vip);
  w.number(hold.epoch);
  w.number(hold.incarnation);
  w.text(hold.address.device);
  w.number(hold.address.index, 4);
  w.address(hold.address.address.address);
  w.number(hold.address.address.length, 1);
  w.number(static_cast<std::uint64_t>(hold.address.lease.count()));
  w.number(hold.address.route ? 1 : 0, 1);
  if (hold.address.route) {
    w.address(hold.address.route->gateway);
    w.number(hold.address.route->table, 4);
  }
  return w.take();
}

GuardHold read_hold(Reader& r) {
  GuardHold out;
  out.serial = r.number();
  out.vip = r.text();
  out.epoch = r.number();
  out.incarnation = r.number();
  out.address.device = r.text();
  out.address.index = static_cast<std::uint32_t>(r.number(4));
  out.address.address.address = r.address();
  out.address.address.length = static_cast<std::uint8_t>(std::min<std::uint64_t>(r.number(1), 128));
  out.address.lease = Duration(static_cast<Duration::rep>(r.number()));
  if (r.number(1) == 1) {
    out.address.route.emplace();
    out.address.route->gateway = r.address();
    out.address.route->table = static_cast<std::uint32_t>(r.number(4));
  }
  return out;
}

}  // namespace

GuardBytes build_guard_order(const GuardOrder& order) {
  return std::visit(Overloaded{[](const GuardSetup& setup) {
                                 Writer w(Tag::kSetup);
                                 w.number(to_number(setup.node), 4);
                                 w.number(static_cast<std::uint64_t>(setup.hang.count()));
                                 return w.take();
                               },
                               [](const GuardHold& hold) { return build_hold(hold); },
                               [](const GuardDrop& drop) {
                                 Writer w(Tag::kDrop);
                                 w.number(drop.serial);
                                 w.text(drop.vip);
                                 w.number(drop.epoch);
                                 return w.take();
                               },
                               [](const GuardGoodbye&) { return Writer(Tag::kGoodbye).take(); }},
                    order);
}

std::optional<GuardOrder> parse_guard_order(std::span<const std::byte> bytes) {
  Reader r(bytes);
  GuardOrder out;
  switch (static_cast<Tag>(r.number(1))) {
    case Tag::kSetup: {
      GuardSetup setup;
      setup.node = NodeId{static_cast<std::uint32_t>(r.number(4))};
      setup.hang = Duration(static_cast<Duration::rep>(r.number()));
      out = setup;
      break;
    }
    case Tag::kHold: out = read_hold(r); break;
    case Tag::kDrop: {
      GuardDrop drop;
      drop.serial = r.number();
      drop.vip = r.text();
      drop.epoch = r.number();
      out = drop;
      break;
    }
    case Tag::kGoodbye: out = GuardGoodbye{}; break;
    default: return std::nullopt;
  }
  return r.whole() ? std::optional(out) : std::nullopt;
}

GuardBytes build_guard_word(const GuardWord& word) {
  return std::visit(Overloaded{[](const GuardReady& ready) {
                                 Writer w(Tag::kReady);
                                 w.text(ready.notes);
                                 return w.take();
                               },
                               [](const GuardAck& ack) {
                                 Writer w(Tag::kAck);
                                 w.number(ack.serial);
                                 return w.take();
                               }},
                    word);
}

std::optional<GuardWord> parse_guard_word(std::span<const std::byte> bytes) {
  Reader r(bytes);
  GuardWord out;
  switch (static_cast<Tag>(r.number(1))) {
    case Tag::kReady: out = GuardReady{r.text()}; break;
    case Tag::kAck: out = GuardAck{r.number()}; break;
    default: return std::nullopt;
  }
  return r.whole() ? std::optional(out) : std::nullopt;
}

}  // namespace fairlead::vip
