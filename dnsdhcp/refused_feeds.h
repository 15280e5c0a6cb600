// fairlead: pure
// What the running dnsmasq of this node did not take: of which addresses, and when each is put to it again.
//
//   told of a lease --refused, or no answer in time--> waits --its time--> told again (LeaseBook::feed_again) --taken--> forgotten
//                                                       ^                        '--refused: twice as long, kRefusedWaitMax at most
//                                                       '------------------------'
//
// One of a network whose gate may be open waits for a pause of it: LeaseBook, I8.
//
// Invariants:
//   F1  What is told again is what the book knows then: something newer about an address takes the older one's place.
//   F2  An address is said once (refused() answers true), however often it is refused in a row.
//   F3  At most kRefusedMax addresses wait; what is beyond them is said, and comes with the next start of dnsmasq.
// It ends when dnsmasq takes it, when the lease is over, or when another dnsmasq starts, which has all leases from the book.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <vector>

#include "base/ip_address.h"
#include "base/time.h"

namespace fairlead::dnsdhcp {

inline constexpr Duration kRefusedWaitFirst = std::chrono::seconds(1);
inline constexpr Duration kRefusedWaitMax = std::chrono::seconds(64);
inline constexpr std::size_t kRefusedMax = 1000;  ///< So many are told again within kRefusedWaitMax: 16 a second.

class RefusedFeeds {
 public:
  struct Again {
    IpAddress address;
    bool deletion = false;  ///< dnsmasq may have a lease of it that is over.
    bool operator==(const Again&) const = default;
  };

  /// It did not take what it was told of `address`. True: for the first time in a row, to be said.
  [[nodiscard]] bool refused(const IpAddress& address, bool deletion, Instant now);
  /// It took one of the two, or is told something newer of that kind.
  void taken(const IpAddress& address, bool deletion);
  /// There is nothing to be told of it any more.
  void forget(const IpAddress& address) { waiting_.erase(address); }
  void clear() { waiting_.clear(); }
  /// Those whose time has come and that `may` allows. They wait for their answer from now on: refused() or taken().
  [[nodiscard]] std::vector<Again> take_due(Instant now, const std::function<bool(const IpAddress&)>& may);
  /// Any of this network whose time has come.
  [[nodiscard]] bool has_due(const IpPrefix& network, Instant now) const;
  /// max: none is due.
  [[nodiscard]] Instant next_due() const;
  [[nodiscard]] std::size_t size() const { return waiting_.size(); }

 private:
  struct Waiting {
    Duration wait{};
    Instant due{};
    bool addition = false;
    bool deletion = false;
  };
  std::map<IpAddress, Waiting> waiting_;
};

}  // namespace fairlead::dnsdhcp
