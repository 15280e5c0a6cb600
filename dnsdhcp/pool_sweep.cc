// fairlead: pure
#include "dnsdhcp/pool_sweep.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/assert.h"

namespace fairlead::dnsdhcp {
namespace {

std::uint32_t number_of(const IpAddress& a) {
  const auto& b = a.bytes();
  return std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | b[3];
}
IpAddress address_of(std::uint32_t n) {
  return IpAddress::v4({static_cast<std::uint8_t>(n >> 24), static_cast<std::uint8_t>(n >> 16), static_cast<std::uint8_t>(n >> 8),
                        static_cast<std::uint8_t>(n)});
}

}  // namespace

PoolSweep::PoolSweep(SweepSettings settings, Instant now)
    : settings_(std::move(settings)), began_(now), ended_(now), next_burst_(now), next_tick_(now) {
  FL_ASSERT(settings_.rounds > 0 && settings_.burst > 0 && settings_.in_flight > 0 && settings_.wait > 0ns && settings_.burst_gap > 0ns &&
            settings_.retry > 0ns);
  std::set<IpAddress> all;
  for (const SweepPool& pool : settings_.pools) {
    if (!pool.first.is_v4() || !pool.last.is_v4()) {
      ++left_out_;
      continue;
    }
    for (std::uint64_t n = number_of(pool.first); n <= number_of(pool.last); ++n) {
      if (all.size() == kSweepAddressesMax) {
        left_out_ += number_of(pool.last) - n + 1;
        break;
      }
      const IpAddress address = address_of(static_cast<std::uint32_t>(n));
      if (settings_.skip.count(address) == 0) all.insert(address);
    }
  }
  addresses_.assign(all.begin(), all.end());
  asking_ = addresses_;
}

void PoolSweep::tick(Instant now, SweepActions& out) {
  if (done_) return;
  while (!waiting_.empty() && waiting_.front().until <= now) {
    out.emplace_back(Forget{waiting_.front().address});
    waiting_.pop_front();
  }
  if (now >= next_burst_) {
    std::size_t left = settings_.burst;
    while (left > 0 && round_ < settings_.rounds && waiting_.size() < settings_.in_flight) {
      if (next_ == asking_.size()) {
        ++round_;
        next_ = 0;
        continue;
      }
      const IpAddress& address = asking_[next_];
      const bool answered = answers_.count(address) != 0;
      // Still waited for since the round before: one question at a time (I2).
      if (!answered && std::any_of(waiting_.begin(), waiting_.end(), [&](const Waiting& w) { return w.address == address; })) break;
      ++next_;
      if (answered) continue;
      out.emplace_back(Ask{address});
      waiting_.push_back({address, now + settings_.wait});
      --left;
    }
    next_burst_ = now + settings_.burst_gap;
  }
  FL_DASSERT(waiting_.size() <= settings_.in_flight);
  if (round_ == settings_.rounds && waiting_.empty()) {
    std::erase_if(unasked_, [&](const IpAddress& address) { return answers_.count(address) != 0; });
    if (unasked_.empty()) {
      done_ = true;
      ended_ = now;
      return;
    }
    return again(now);
  }
  const bool can_ask = round_ < settings_.rounds && waiting_.size() < settings_.in_flight;
  next_tick_ = waiting_.empty() ? next_burst_ : can_ask ? std::min(next_burst_, waiting_.front().until) : waiting_.front().until;
}

/// I3
void PoolSweep::again(Instant now) {
  asking_.assign(unasked_.begin(), unasked_.end());
  unasked_.clear();
  ++retries_;
  round_ = 0;
  next_ = 0;
  next_burst_ = next_tick_ = now + settings_.retry;
}

void PoolSweep::not_asked(const IpAddress& address) {
  if (!done_) unasked_.insert(address);
}

bool PoolSweep::heard(const IpAddress& address, const MacAddress& mac) {
  if (done_ || mac.is_zero() || mac.is_group() || settings_.ours.count(mac) != 0) return false;
  if (!std::binary_search(addresses_.begin(), addresses_.end(), address)) return false;  // I1
  auto& macs = answers_[address];
  if (macs.size() < kMacsPerAddressMax && std::find(macs.begin(), macs.end(), mac) == macs.end()) macs.push_back(mac);
  return true;
}

SweepResult PoolSweep::result() const {
  SweepResult out;
  out.asked = addresses_.size();
  out.left_out = left_out_;
  out.took = ended_ - began_;
  std::map<MacAddress, std::size_t> counts;
  for (const auto& [address, macs] : answers_)
    for (const MacAddress& mac : macs) ++counts[mac];
  for (const auto& [mac, count] : counts)
    if (count > kProxyAddressesMax) out.proxies.push_back({mac, count});
  for (const auto& [address, macs] : answers_) {
    LiveAddress live{address, {}};
    std::copy_if(macs.begin(), macs.end(), std::back_inserter(live.macs),
                 [&](const MacAddress& mac) { return counts[mac] <= kProxyAddressesMax; });
    if (!live.macs.empty()) out.live.push_back(std::move(live));
  }
  return out;
}

}  // namespace fairlead::dnsdhcp
