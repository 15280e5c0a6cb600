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

PoolSweep::PoolSweep(SweepSettings settings, Instant now) : settings_(std::move(settings)), began_(now), ended_(now), next_tick_(now) {
  FL_ASSERT(settings_.rounds > 0 && settings_.burst > 0 && settings_.wait > 0ns && settings_.burst_gap > 0ns && settings_.retry > 0ns);
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

void PoolSweep::tick(Instant now, std::vector<IpAddress>& ask) {
  if (done_ || now < next_tick_) return;
  if (next_ == asking_.size()) {  // The wait behind a round is over.
    next_ = 0;
    if (asking_.empty() || ++round_ == settings_.rounds) return end_rounds(now);
  }
  for (std::size_t left = settings_.burst; left > 0 && next_ < asking_.size(); ++next_) {
    if (answers_.count(asking_[next_]) != 0) continue;
    ask.push_back(asking_[next_]);
    --left;
  }
  next_tick_ = now + (next_ < asking_.size() ? settings_.burst_gap : settings_.wait);
}

/// I2
void PoolSweep::end_rounds(Instant now) {
  std::erase_if(unasked_, [&](const IpAddress& address) { return answers_.count(address) != 0; });
  if (unasked_.empty()) {
    done_ = true;
    ended_ = now;
    return;
  }
  asking_.assign(unasked_.begin(), unasked_.end());
  unasked_.clear();
  ++retries_;
  round_ = 0;
  next_tick_ = now + settings_.retry;
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
