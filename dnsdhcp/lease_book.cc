// fairlead: pure
#include "dnsdhcp/lease_book.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/assert.h"
#include "dnsdhcp/lease_mutant.h"

namespace fairlead::dnsdhcp {
namespace {

constexpr Duration kDeleteEchoWait = 10s;  ///< Longer than a script may take. An echo that never comes costs a release, not an address.
constexpr std::size_t kRecordBytes = 140;  ///< Of a record on the wire, without its texts.
constexpr std::size_t kNetworkNameMax = 63;

constexpr bool is_held(const Lease& lease) { return lease.state == LeaseState::kHeld; }

/// I2. Ends are left out: they differ between nodes.
auto order_of(const Lease& l) {
  return std::tuple(l.stamp, l.holder, l.state, l.mac, std::string_view(l.client_id), std::string_view(l.name), l.iaid, l.temporary);
}

std::uint64_t hash_of_text(std::string_view text, std::uint64_t hash) {
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;  // FNV-1a.
  return mix64(hash ^ text.size());
}

std::uint64_t hash_of_lease(const Lease& l) {
  std::uint64_t hash = hash_of(l.address, 14695981039346656037U);
  for (const std::uint64_t number : {l.stamp.epoch, l.stamp.sequence, std::uint64_t{to_number(l.holder)},
                                     static_cast<std::uint64_t>(l.state), std::uint64_t{l.iaid}, std::uint64_t{l.temporary}})
    hash = mix64(hash ^ number);
  for (const std::uint8_t byte : l.mac.bytes) hash = mix64(hash ^ byte);
  return hash_of_text(l.network, hash_of_text(l.client_id, hash_of_text(l.name, hash)));
}

/// dnsmasq takes two leases of IPv4 with the same key for one client's.
std::string client_key(const Lease& l) { return l.client_id.empty() ? l.mac.to_string() : l.client_id; }

bool is_near(Instant a, Instant b, Duration limit) { return a - b < limit && b - a < limit; }

}  // namespace

// ---- values ----

LeaseRecord to_record(const Lease& lease, Instant now) {
  LeaseRecord r;
  r.network = lease.network;
  r.address = lease.address;
  r.mac = lease.mac;
  r.client_id = lease.client_id;
  r.name = lease.name;
  r.seconds_left = seconds_left(lease, now);
  r.epoch = lease.stamp.epoch;
  r.sequence = lease.stamp.sequence;
  r.holder = lease.holder;
  r.released = !is_held(lease);
  r.freed_epoch = lease.freed.epoch;
  r.freed_sequence = lease.freed.sequence;
  r.iaid = lease.iaid;
  r.temporary = lease.temporary;
  return r;
}

std::optional<Lease> from_record(const LeaseRecord& r, Instant now) {
  if (r.network.empty() || r.network.size() > kNetworkNameMax || r.client_id.size() > kClientIdTextMax || r.name.size() > kLeaseNameMax)
    return std::nullopt;
  if (r.address.is_unspecified() || r.address.is_multicast() || r.address.is_loopback()) return std::nullopt;
  if (r.epoch >= kEpochMax || r.sequence >= kEpochMax) return std::nullopt;
  Lease l;
  l.network = r.network;
  l.address = r.address;
  l.mac = r.mac;
  l.client_id = r.client_id;
  l.name = r.name;
  l.expires = after_seconds(r.seconds_left, now) + kCopyMargin;  // I4
  l.stamp = {r.epoch, r.sequence};
  l.holder = r.holder;
  l.state = r.released ? LeaseState::kReleased : LeaseState::kHeld;
  l.freed = {r.freed_epoch, r.freed_sequence};
  l.iaid = r.iaid;
  l.temporary = r.temporary;
  return l;
}

// ---- the book ----

const BookNetwork* LeaseBook::network_of(const IpAddress& address) const {
  const auto found = std::find_if(networks_.begin(), networks_.end(), [&](const BookNetwork& n) { return n.prefix.contains(address); });
  return found == networks_.end() ? nullptr : &*found;
}

bool LeaseBook::network_named(const std::string& name) const {
  return std::any_of(networks_.begin(), networks_.end(), [&](const BookNetwork& n) { return n.name == name; });
}

bool LeaseBook::is_fed(const Lease& lease) const {
  const BookNetwork* network = network_of(lease.address);
  return network != nullptr && network->name == lease.network;
}

bool LeaseBook::make_room(bool held) {
  if (held && held_ >= kLeasesHeldMax) return false;
  if (book_.size() < kRecordsMax) return true;
  auto first = book_.end();
  for (auto it = book_.begin(); it != book_.end(); ++it)
    if (!is_held(it->second.lease) && (first == book_.end() || it->second.lease.expires < first->second.lease.expires)) first = it;
  if (first == book_.end()) return false;
  book_.erase(first);
  return true;
}

bool LeaseBook::put(const Lease& lease, bool own, BookActions& out) {
  newest_epoch_ = std::max(newest_epoch_, lease.stamp.epoch);
  const auto found = book_.find(lease.address);
  const bool was_held = found != book_.end() && is_held(found->second.lease);
  if (found == book_.end() ? !make_room(is_held(lease)) : is_held(lease) && !was_held && held_ >= kLeasesHeldMax) {
    out.emplace_back(BookFull{lease});
    return false;
  }
  if (found != book_.end()) forget(found->second.lease);
  book_.insert_or_assign(lease.address, Record{lease, own});
  index(lease);
  held_ += is_held(lease) ? 1 : 0;
  held_ -= was_held ? 1 : 0;
  ++revision_;
  FL_DASSERT(held_ <= kLeasesHeldMax && book_.size() <= kRecordsMax);
  return true;
}

void LeaseBook::load(const std::vector<Lease>& leases, Epoch epoch, Instant now) {
  newest_epoch_ = std::max(newest_epoch_, std::min(epoch, kEpochMax - 1));
  BookActions full;  // What is too much for the book was too much for the file.
  for (const Lease& lease : leases)
    if (lease.expires > now && lease.stamp.epoch < kEpochMax && lease.stamp.sequence < kEpochMax && !book_.contains(lease.address))
      static_cast<void>(put(lease, /*own=*/false, full));
}

void LeaseBook::expire(Instant now) {
  for (auto it = book_.begin(); it != book_.end();) {
    if (it->second.lease.expires > now) {
      ++it;
      continue;
    }
    held_ -= is_held(it->second.lease) ? 1 : 0;
    forget(it->second.lease);
    it = book_.erase(it);
    ++revision_;
  }
  std::erase_if(deletes_fed_, [&](const auto& d) { return d.second <= now; });
}

void LeaseBook::feed_deletion(const IpAddress& address, Instant now, BookActions& out) {
  deletes_fed_.emplace(address, now + kDeleteEchoWait);
  out.emplace_back(FeedDelete{address});
}

bool LeaseBook::deletion_was_fed(const IpAddress& address) {
  const auto fed = deletes_fed_.find(address);
  if (fed == deletes_fed_.end()) return false;
  deletes_fed_.erase(fed);
  return true;
}

void LeaseBook::feed(const Lease& lease, const Lease* before, Instant now, BookActions& out) {
  if (!is_fed(lease)) return;
  // dnsmasq keeps the client id of the lease before when the new one has none: it would take the next client for the last. It may have a
  // lease that the book knows nothing of: one that it gave as the VIPs went, or whose last second is not over there.
  const bool had = before != nullptr && is_held(*before);
  const bool another = had && (!is_held(lease) || client_key(*before) != client_key(lease));
  const bool unsure = is_held(lease) && lease.client_id.empty() && (!had || untold_.contains(lease.network));
  if (another || unsure) feed_deletion(lease.address, now, out);
  if (is_held(lease) && lease.expires > now) out.emplace_back(FeedAdd{lease});  // I6
}

void LeaseBook::feed_news(const Lease& lease, const Lease* before, Instant now, BookActions& out) {
  const auto holding = holdings_.find(lease.network);
  if (FL_LEASE_RULE(kNews, holding != holdings_.end() && may_give(holding->second))) {
    if (is_fed(lease)) news_[lease.network].insert(lease.address);
  } else {
    feed(lease, before, now, out);
  }
}

/// Whatever dnsmasq gave is in the book by now, as this holding's own.
void LeaseBook::feed_waiting(Instant now, BookActions& out) {
  for (auto& [network, addresses] : news_) {
    const auto holding = holdings_.find(network);
    if (holding != holdings_.end() && may_give(holding->second)) continue;
    for (const IpAddress& address : std::exchange(addresses, {})) {
      const auto found = book_.find(address);
      if (found == book_.end() || (found->second.own && is_held(found->second.lease))) continue;
      feed_again(address, /*deletion=*/true, now, out);
    }
  }
  std::erase_if(news_, [](const auto& n) { return n.second.empty(); });
}

void LeaseBook::feed_again(const IpAddress& address, bool deletion, Instant now, BookActions& out) {
  const auto found = book_.find(address);
  if (found == book_.end() || found->second.lease.expires <= now || !is_fed(found->second.lease)) return;
  const Lease& lease = found->second.lease;
  if (deletion || !is_held(lease)) feed_deletion(address, now, out);
  if (is_held(lease)) out.emplace_back(FeedAdd{lease});
}

// ---- what the dnsmasq of this node tells ----

void LeaseBook::local_event(const LeaseEvent& event, Instant now, BookActions& out) {
  if (event.address == kFenceAddress) return fence_came(event.mac, out);
  const BookNetwork* network = network_of(event.address);
  if (network == nullptr) return;
  const auto found = holdings_.find(network->name);
  const bool ours = found != holdings_.end() && found->second.fenced;
  const bool fed = event.kind == LeaseEventKind::kDelete && deletion_was_fed(event.address);
  if (FL_LEASE_RULE(kEcho, !ours) || fed) return;  // I1
  Holding& holding = holdings_[network->name];
  if (event.kind == LeaseEventKind::kDelete) {
    ended(event, holding, now, out);
  } else {
    given(event, *network, holding, now, out);
  }
}

LeaseStamp LeaseBook::stamp(Holding& holding) const { return {holding.epoch, ++holding.sequence}; }

/// One message for what happens in one step, as far as it goes: a sweep may find hundreds.
void LeaseBook::send_own(const Lease& lease, Instant now, BookActions& out) {
  const auto last = std::find_if(out.rbegin(), out.rend(), [](const BookAction& a) { return std::holds_alternative<SendUpdate>(a); });
  if (last != out.rend()) {
    LeaseUpdate& update = std::get<SendUpdate>(*last).update;
    if (update.gates.empty() && !update.complete && update.records.size() < kBatchRecordsMax) {
      update.records.push_back(to_record(lease, now));
      return;
    }
  }
  SendUpdate send;
  send.update.records.push_back(to_record(lease, now));
  out.emplace_back(std::move(send));
}

bool LeaseBook::write_own(Lease lease, Instant now, BookActions& out) {
  lease.holder = self_;
  if (!put(lease, /*own=*/true, out)) return false;
  send_own(lease, now, out);
  return true;
}

void LeaseBook::given(const LeaseEvent& event, const BookNetwork& network, Holding& holding, Instant now, BookActions& out) {
  if (event.client_id.size() > kClientIdTextMax || event.name.size() > kLeaseNameMax) return;
  Lease lease;
  lease.network = network.name;
  lease.address = event.address;
  lease.mac = event.mac;
  lease.client_id = event.client_id;
  lease.name = event.name;
  lease.expires = after_seconds(event.seconds, now);
  lease.iaid = event.iaid;
  lease.temporary = event.temporary;
  if (lease.expires <= now) return;
  const auto found = book_.find(event.address);
  if (found != book_.end()) {
    const Lease& before = found->second.lease;
    const bool same = is_held(before) && before.mac == lease.mac && before.client_id == lease.client_id && before.name == lease.name;
    if (same && is_near(before.expires, lease.expires, kEchoSlack)) return;
    const bool conflict = is_held(before) && before.expires > now + kSameEnd && !same_client(before, lease);
    lease.freed = conflict ? before.freed : before.stamp;
    if (conflict) out.emplace_back(LeaseConflict{lease, before});
  }
  lease.stamp = stamp(holding);
  static_cast<void>(write_own(std::move(lease), now, out));
}

void LeaseBook::ended(const LeaseEvent& event, Holding& holding, Instant now, BookActions& out) {
  const auto found = book_.find(event.address);
  if (found == book_.end() || !is_held(found->second.lease)) return;
  Lease lease = found->second.lease;
  Lease told;
  told.mac = event.mac;
  told.client_id = event.client_id;
  if (!same_client(lease, told)) return;
  lease.freed = lease.stamp;
  lease.state = LeaseState::kReleased;  // I5: it ends when the lease would have.
  lease.stamp = stamp(holding);
  static_cast<void>(write_own(std::move(lease), now, out));
}

Adoption LeaseBook::adopt(const std::string& network, const IpAddress& address, const std::vector<MacAddress>& macs, Duration lease_time,
                          Instant now, BookActions& out) {
  const auto holding = holdings_.find(network);
  if (holding == holdings_.end() || macs.empty() || macs.front().is_zero() || macs.front().is_group()) return Adoption::kNothing;
  Lease lease;
  lease.network = network;
  lease.address = address;
  lease.mac = macs.front();
  const auto found = book_.find(address);
  std::optional<Lease> before;
  if (found != book_.end()) before = found->second.lease;
  const bool held = before && is_held(*before) && before->expires > now;
  const bool known = held && std::find(macs.begin(), macs.end(), before->mac) != macs.end();
  // What was seen in this holding is this holding's: an old record from elsewhere must not stand above it (I3).
  if (known && found->second.own && before->expires + kSameEnd >= now + lease_time) return Adoption::kNothing;
  if (known) lease = *before;
  lease.expires = known ? std::max(before->expires, now + lease_time) : now + lease_time;
  if (!is_fed(lease)) return Adoption::kNothing;
  const bool conflict = held && !known;
  if (conflict) out.emplace_back(LeaseConflict{lease, *before});
  if (before) lease.freed = conflict ? before->freed : before->stamp;
  lease.stamp = stamp(holding->second);
  lease.holder = self_;
  if (!write_own(lease, now, out)) return Adoption::kNothing;
  feed(lease, before ? &*before : nullptr, now, out);
  return known ? Adoption::kLonger : Adoption::kNew;
}

// ---- what the others tell ----

void LeaseBook::delivered(NodeId from, const LeaseUpdate& update, Instant now, BookActions& out) {
  for (const LeaseGate& word : update.gates) {
    if (word.epoch < kEpochMax) newest_epoch_ = std::max(newest_epoch_, word.epoch);
    if (network_named(word.network)) gates_closed_[word.network] = word.closed;
    if (from == self_) word_back(word);
  }
  if (from != self_) {
    std::set<std::string> changed;
    for (const LeaseRecord& record : update.records) {
      if (!merge(record, now, out)) continue;
      ++received_;
      if (!record.released) changed.insert(record.network);
    }
    for (const std::string& network : changed) {
      const auto holding = holdings_.find(network);
      if (holding != holdings_.end()) one_lease_per_client(network, holding->second, now, out);
    }
  }
  if (update.complete) heard_whole(from, now, out);
}

bool LeaseBook::merge(const LeaseRecord& record, Instant now, BookActions& out) {
  const auto theirs = from_record(record, now);
  if (!theirs || (is_held(*theirs) && record.seconds_left == 0)) return false;
  newest_epoch_ = std::max(newest_epoch_, theirs->stamp.epoch);
  const auto holding = holdings_.find(theirs->network);
  if (FL_LEASE_RULE(kEpoch, holding != holdings_.end() && theirs->stamp.epoch >= holding->second.epoch))
    holding->second.epoch = newest_epoch_ + 1;  // I3
  const auto found = book_.find(theirs->address);
  if (found == book_.end()) {
    if (!put(*theirs, /*own=*/false, out)) return false;
    feed_news(*theirs, nullptr, now, out);
    return true;
  }
  Record& mine = found->second;
  const bool both = is_held(mine.lease) && is_held(*theirs) && !same_client(mine.lease, *theirs);
  const bool newer = order_of(*theirs) > order_of(mine.lease);
  if (newer && FL_LEASE_RULE(kRestamp, mine.own && holding != holdings_.end())) {
    defend(mine, *theirs, holding->second, now, out);
    return false;
  }
  if (newer) {
    const Lease before = mine.lease;
    if (both && before.stamp > theirs->freed && before.expires > now + kSameEnd) out.emplace_back(LeaseConflict{*theirs, before});
    Lease next = *theirs;
    if (!is_held(next)) next.expires = std::max(next.expires, before.expires);  // I5
    if (!put(next, /*own=*/false, out)) return false;
    feed_news(next, &before, now, out);
    return true;
  }
  if (order_of(*theirs) == order_of(mine.lease)) {
    if (theirs->expires <= mine.lease.expires + kSameEnd) return false;
    mine.lease.expires = theirs->expires;  // One of them was aged by a clock (dnsdhcp/lease_file.h).
    ++revision_;
    feed_news(mine.lease, &mine.lease, now, out);
    return true;
  }
  if (both && theirs->stamp > mine.lease.freed && theirs->expires > now + kSameEnd) out.emplace_back(LeaseConflict{mine.lease, *theirs});
  return false;
}

/// I3: mine was made after theirs, whatever the stamps say: only one node holds the VIPs at a time, and now it is this one.
void LeaseBook::defend(Record& mine, const Lease& theirs, Holding& holding, Instant now, BookActions& out) {
  if (is_held(mine.lease) && is_held(theirs) && !same_client(mine.lease, theirs)) out.emplace_back(LeaseConflict{mine.lease, theirs});
  Lease lease = mine.lease;
  if (!is_held(lease)) lease.expires = std::max(lease.expires, theirs.expires);
  lease.stamp = stamp(holding);
  static_cast<void>(write_own(std::move(lease), now, out));
}

void LeaseBook::index(const Lease& lease) {
  if (!is_held(lease) || !lease.address.is_v4()) return;
  Clients& clients = clients_[lease.network];
  const std::string key = client_key(lease);
  auto& addresses = clients.addresses[key];
  addresses.insert(lease.address);
  if (addresses.size() > 1) clients.crowded.insert(key);
}

void LeaseBook::forget(const Lease& lease) {
  if (!is_held(lease) || !lease.address.is_v4()) return;
  const auto network = clients_.find(lease.network);
  if (network == clients_.end()) return;
  Clients& clients = network->second;
  const std::string key = client_key(lease);
  const auto found = clients.addresses.find(key);
  if (found == clients.addresses.end()) return;
  found->second.erase(lease.address);
  if (found->second.size() < 2) clients.crowded.erase(key);
  if (found->second.empty()) clients.addresses.erase(found);
  if (clients.addresses.empty()) clients_.erase(network);
}

/// dnsmasq refuses to renew one address when it finds the client under another first. What the client has is what this holding gave it
/// (I3); else the newest.
void LeaseBook::one_lease_per_client(const std::string& network, Holding& holding, Instant now, BookActions& out) {
  const auto clients = clients_.find(network);
  if (clients == clients_.end() || clients->second.crowded.empty()) return;
  std::set<IpAddress> several;  // In the order of the book.
  for (const std::string& key : clients->second.crowded) several.merge(std::set<IpAddress>(clients->second.addresses.at(key)));
  std::map<std::string, const Record*> newest;
  std::vector<Lease> older;
  for (const IpAddress& address : several) {
    const Record& record = book_.at(address);
    const auto [at, first] = newest.emplace(client_key(record.lease), &record);
    if (first) continue;
    const bool better = std::tie(record.own, record.lease.stamp) > std::tie(at->second->own, at->second->lease.stamp);
    older.push_back(better ? at->second->lease : record.lease);
    if (better) at->second = &record;
  }
  for (Lease& lease : older) {
    const Lease before = lease;
    lease.freed = lease.stamp;
    lease.state = LeaseState::kReleased;
    lease.stamp = stamp(holding);
    lease.holder = self_;
    if (write_own(lease, now, out)) feed_news(lease, &before, now, out);
  }
}

// ---- synchronisation ----

LeaseDigest LeaseBook::digest() const {
  LeaseDigest digest{static_cast<std::uint32_t>(book_.size()), 0};
  for (const auto& [address, record] : book_) digest.hash += hash_of_lease(record.lease);
  return digest;
}

void LeaseBook::view_changed(const std::vector<NodeId>& members, Instant now, BookActions& out) {
  others_ = {members.begin(), members.end()};
  others_.erase(self_);
  equal_.clear();
  gates_closed_.clear();  // I7
  sending_ = sent_ = told_ = false;
  sent_up_to_.reset();
  received_ = 0;
  view_since_ = now;
  if (members.empty()) {  // Out of the group: what was said last may have been heard by nobody, and does not come back.
    words_on_the_way_.clear();
    unheard_ = true;
    return;
  }
  if (std::exchange(unheard_, false)) say_again(out);
  if (others_.empty()) return;
  expire(now);
  out.emplace_back(SendDigest{digest()});
}

void LeaseBook::delivered(NodeId from, const LeaseDigest& theirs, Instant now, BookActions& out) {
  if (!others_.contains(from)) return;
  if (theirs == digest()) {
    equal_.insert(from);
    tell_when_equal(now, out);
  } else if (!sent_) {
    sent_ = sending_ = true;
    next_chunk_ = next_tick_ = now;
    tick(now, out);
  }
}

void LeaseBook::heard_whole(NodeId from, Instant now, BookActions& out) {
  if (from != self_ && !others_.contains(from)) return;
  equal_.insert(from);
  out.emplace_back(SendDigest{digest()});
  tell_when_equal(now, out);
}

bool LeaseBook::synchronised() const { return std::includes(equal_.begin(), equal_.end(), others_.begin(), others_.end()); }

void LeaseBook::tell_when_equal(Instant now, BookActions& out) {
  if (told_ || sending_ || !synchronised()) return;
  told_ = true;
  out.emplace_back(BooksEqual{others_.size(), received_, now - view_since_});
}

void LeaseBook::send_chunk(Instant now, BookActions& out) {
  SendUpdate send;
  std::size_t bytes = 0;
  auto it = sent_up_to_ ? book_.upper_bound(*sent_up_to_) : book_.begin();
  for (; it != book_.end() && send.update.records.size() < kChunkRecordsMax && bytes < kChunkBytesMax; ++it) {
    const Lease& lease = it->second.lease;
    send.update.records.push_back(to_record(lease, now));
    bytes += kRecordBytes + lease.network.size() + lease.client_id.size() + lease.name.size();
    sent_up_to_ = it->first;
  }
  send.update.complete = it == book_.end();
  sending_ = !send.update.complete;
  next_chunk_ = now + kChunkGap;
  out.emplace_back(std::move(send));
}

void LeaseBook::tick(Instant now, BookActions& out) {
  if (now >= next_scan_) {
    expire(now);
    next_scan_ = now + kExpiryScan;
  }
  feed_waiting(now, out);
  if (sending_ && now >= next_chunk_) {
    send_chunk(now, out);
    tell_when_equal(now, out);
  }
  next_tick_ = sending_ ? std::min(next_chunk_, next_scan_) : next_scan_;
}

// ---- what is in it ----

std::vector<Lease> LeaseBook::leases(Instant now) const {
  std::vector<Lease> out;
  for (const auto& [address, record] : book_)
    if (is_held(record.lease) && record.lease.expires > now) out.push_back(record.lease);
  return out;
}

std::optional<Lease> LeaseBook::find(const IpAddress& address) const {
  const auto found = book_.find(address);
  if (found == book_.end()) return std::nullopt;
  return found->second.lease;
}

std::vector<Lease> LeaseBook::snapshot(Instant now) const {
  std::vector<Lease> out(1);
  out.front().address = kFenceAddress;
  out.front().mac = fence_mac(fences_);
  out.front().expires = after_seconds(kEndlessSeconds, now);
  for (const Lease& lease : leases(now))
    if (is_fed(lease)) out.push_back(lease);
  return out;
}

std::vector<Lease> LeaseBook::records() const {
  std::vector<Lease> out;
  out.reserve(book_.size());
  for (const auto& [address, record] : book_) out.push_back(record.lease);
  return out;
}

}  // namespace fairlead::dnsdhcp
