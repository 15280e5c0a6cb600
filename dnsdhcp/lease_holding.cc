// fairlead: pure
// LeaseBook's half about holding a network: the fence, the gate and its word.
#include <algorithm>

#include "dnsdhcp/lease_book.h"
#include "dnsdhcp/lease_mutant.h"

namespace fairlead::dnsdhcp {

void LeaseBook::hold(const std::string& network, Epoch vip_epoch, Instant now, BookActions& out) {
  let_go(network);
  Holding& holding = holdings_[network];
  // After a restart of all gateways the VIP's epochs begin anew; the book's do not.
  holding.epoch = FL_LEASE_RULE(kEpoch, true) ? std::max(std::min(vip_epoch, kEpochMax - 1), newest_epoch_ + 1) : 0;
  newest_epoch_ = std::max(newest_epoch_, holding.epoch);
  const auto closed = gates_closed_.find(network);
  holding.handed_over = closed != gates_closed_.end() && closed->second;
  holding.fence = ++fences_;
  out.emplace_back(FeedFence{holding.fence});
  one_lease_per_client(network, holding, now, out);
}

void LeaseBook::let_go(const std::string& network) {
  const auto found = holdings_.find(network);
  if (found == holdings_.end()) return;
  if (may_give(found->second)) untold_.insert(network);
  holdings_.erase(found);
  for (auto& [address, record] : book_)
    if (record.lease.network == network) record.own = false;
}

void LeaseBook::fence_came(const MacAddress& mac, BookActions& out) {
  std::uint32_t number = 0;
  for (std::size_t i = 2; i < mac.bytes.size(); ++i) number = number << 8 | mac.bytes[i];
  if (fence_mac(number) != mac || number > fences_) return;  // None of ours.
  for (auto& [network, holding] : holdings_) {
    if (number >= holding.fence) holding.fenced = true;
    if (holding.gate == Gate::kFencing && number >= holding.closing_fence) {
      holding.gate = Gate::kClosing;
      say(network, holding, /*closed=*/true, out);
    }
  }
}

void LeaseBook::dnsmasq_ended() {
  untold_.clear();
  for (auto& [network, holding] : holdings_) {
    if (holding.gate == Gate::kClosing || holding.gate == Gate::kReleasable) continue;  // It had told everything.
    holding.gate = Gate::kClosed;
    holding.handed_over = false;
  }
}

void LeaseBook::dnsmasq_started(BookActions& out) {
  untold_.clear();
  deletes_fed_.clear();
  news_.clear();  // It was in the snapshot.
  fence_again(out);
}

void LeaseBook::fence_again(BookActions& out) {
  bool waited = false;
  for (auto& [network, holding] : holdings_) {
    if (holding.fenced && holding.gate != Gate::kFencing) continue;
    if (!waited) ++fences_;
    waited = true;
    if (!holding.fenced) holding.fence = fences_;
    if (holding.gate == Gate::kFencing) holding.closing_fence = fences_;
  }
  if (waited) out.emplace_back(FeedFence{fences_});
}

void LeaseBook::say(const std::string& network, Holding& holding, bool closed, BookActions& out) {
  SendUpdate send;
  send.update.gates.push_back({network, holding.epoch, closed});
  ++words_on_the_way_[network];
  out.emplace_back(std::move(send));
}

void LeaseBook::say_again(BookActions& out) {
  for (auto& [network, holding] : holdings_) {
    if (holding.gate == Gate::kOpening) say(network, holding, /*closed=*/false, out);
    if (holding.gate == Gate::kClosing) say(network, holding, /*closed=*/true, out);
  }
}

/// The last word counts: what an earlier one says is not true any more.
void LeaseBook::word_back(const LeaseGate& word) {
  const auto waited = words_on_the_way_.find(word.network);
  if (waited == words_on_the_way_.end() || --waited->second > 0) return;
  words_on_the_way_.erase(waited);
  const auto found = holdings_.find(word.network);
  if (found == holdings_.end()) return;
  Holding& holding = found->second;
  if (word.closed && holding.gate == Gate::kClosing) holding.gate = Gate::kReleasable;
  if (!word.closed && holding.gate == Gate::kOpening) holding.gate = Gate::kOpen;
}

void LeaseBook::open(const std::string& network, BookActions& out) {
  const auto found = holdings_.find(network);
  if (found == holdings_.end()) return;
  Holding& holding = found->second;
  if (holding.gate == Gate::kOpening || holding.gate == Gate::kOpen) return;
  holding.gate = Gate::kOpening;
  say(network, holding, /*closed=*/false, out);
}

void LeaseBook::close(const std::string& network, BookActions& out) {
  const auto found = holdings_.find(network);
  if (found == holdings_.end()) return;
  Holding& holding = found->second;
  if (holding.gate == Gate::kClosed && !holding.handed_over) {
    holding.gate = Gate::kReleasable;  // Nothing was given, and nobody knows what was before: the next holder sweeps.
  } else if (holding.gate == Gate::kClosed || holding.gate == Gate::kOpening || holding.gate == Gate::kOpen) {
    holding.gate = Gate::kFencing;
    holding.closing_fence = ++fences_;
    out.emplace_back(FeedFence{holding.closing_fence});
  }
}

bool LeaseBook::handed_over(const std::string& network) const {
  const auto found = holdings_.find(network);
  return found != holdings_.end() && found->second.handed_over && synchronised();
}

bool LeaseBook::fenced(const std::string& network) const {
  const auto found = holdings_.find(network);
  return found != holdings_.end() && found->second.fenced;
}

bool LeaseBook::may_open(const std::string& network) const {
  const auto found = holdings_.find(network);
  return found != holdings_.end() && found->second.gate == Gate::kOpen;
}

bool LeaseBook::may_give(const IpAddress& address) const {
  const BookNetwork* network = network_of(address);
  const auto found = network == nullptr ? holdings_.end() : holdings_.find(network->name);
  return found != holdings_.end() && may_give(found->second);
}

bool LeaseBook::has_news(const std::string& network) const { return news_.contains(network); }

bool LeaseBook::may_release(const std::string& network) const {
  const auto found = holdings_.find(network);
  return found == holdings_.end() || found->second.gate == Gate::kReleasable;
}

}  // namespace fairlead::dnsdhcp
