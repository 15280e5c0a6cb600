// fairlead: pure
#include "migrate/access_walk.h"

#include <algorithm>

#include "config/limits.h"

namespace fairlead::migrate {
namespace {

bool covers(const IpPrefix& outer, const IpPrefix& inner) {
  return outer.address.family() == inner.address.family() && outer.length <= inner.length && outer.contains(inner.address);
}

/// The upper half of a network that is longer than its whole by one bit.
IpPrefix upper_half(const IpPrefix& lower) {
  auto bytes = lower.address.bytes();
  const std::size_t bit = lower.length - 1U;
  bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] | (0x80U >> (bit % 8)));
  const IpAddress address = lower.address.is_v4() ? IpAddress::v4({bytes[0], bytes[1], bytes[2], bytes[3]}) : IpAddress::v6(bytes);
  return {address, lower.length};
}

bool cut(const IpPrefix& whole, const Networks& holes, Networks& out) {
  Networks inside;
  for (const IpPrefix& hole : holes) {
    if (covers(hole, whole)) return true;
    if (covers(whole, hole)) inside.push_back(hole);
  }
  if (inside.empty()) return add_networks(out, {whole});
  const IpPrefix lower{whole.network(), static_cast<std::uint8_t>(whole.length + 1)};
  return cut(lower, inside, out) && cut(upper_half(lower), inside, out);
}

const Networks& everybody() {
  static const Networks all{{IpAddress::any(IpAddress::Family::kV4), 0}, {IpAddress::any(IpAddress::Family::kV6), 0}};
  return all;
}

}  // namespace

bool add_networks(Networks& list, const Networks& more) {
  for (const IpPrefix& network : more) {
    const IpPrefix whole{network.network(), network.length};
    if (std::find(list.begin(), list.end(), whole) != list.end()) continue;
    if (list.size() >= config::kAccessListMax) return false;
    list.push_back(whole);
  }
  return true;
}

std::optional<Networks> without(const Networks& from, const Networks& holes) {
  Networks out;
  for (const IpPrefix& network : from) {
    if (!cut(network, holes, out)) return std::nullopt;
  }
  return out;
}

std::optional<Networks> in_both(const Networks& a, const Networks& b) {
  Networks out;
  for (const IpPrefix& one : a) {
    for (const IpPrefix& other : b) {
      if (!covers(one, other) && !covers(other, one)) continue;
      if (!add_networks(out, {covers(one, other) ? other : one})) return std::nullopt;
    }
  }
  return out;
}

bool AccessLists::nobody() const {
  const auto left = without(allow.value_or(everybody()), deny);
  return left && left->empty();
}

AccessWalk::Effect AccessWalk::accept(const Networks& who) {
  const auto hit = undecided_ ? in_both(who, *undecided_) : std::optional(who);
  Networks longer = accepted_;
  if (!hit || !add_networks(longer, *hit)) return Effect::kTooMany;
  if (longer.size() == accepted_.size()) return Effect::kNone;
  accepted_ = std::move(longer);
  return Effect::kSome;
}

AccessWalk::Effect AccessWalk::reject(const Networks& who) {
  const auto hit = without(who, accepted_);
  Networks longer = rejected_;
  if (!hit || !add_networks(longer, *hit)) return Effect::kTooMany;
  if (longer.size() == rejected_.size()) return Effect::kNone;
  rejected_ = std::move(longer);
  return Effect::kSome;
}

AccessWalk::Effect AccessWalk::reject_all_but(const Networks& who) {
  auto left = undecided_ ? in_both(*undecided_, who) : std::optional(who);
  if (!left) return Effect::kTooMany;
  undecided_ = std::move(left);
  return Effect::kSome;
}

std::optional<AccessLists> AccessWalk::lists() const {
  AccessLists out{std::nullopt, rejected_};
  if (!rest_accepted_) {
    out.allow = accepted_;
  } else if (undecided_) {
    out.allow = undecided_;
    if (!add_networks(*out.allow, accepted_)) return std::nullopt;
  }
  return out;
}

}  // namespace fairlead::migrate
