// fairlead: pure
// A set of networks, made for one question: is this address in any of them?
//
// Networks become disjoint, sorted ranges of addresses, so an answer costs one binary search however long the list is.
// IPv4 and IPv6 are apart; an IPv4-mapped address is asked as IPv4, and an IPv4-mapped network of /96 and longer counts as IPv4.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

#include "base/ip_address.h"

namespace fairlead::lb {

class PrefixSet {
 public:
  PrefixSet() = default;
  PrefixSet(const std::vector<IpPrefix>& prefixes);  // NOLINT(google-explicit-constructor): a set is what a list of prefixes means.
  PrefixSet(std::initializer_list<IpPrefix> prefixes) : PrefixSet(std::vector<IpPrefix>(prefixes)) {}

  [[nodiscard]] bool empty() const { return v4_.empty() && v6_.empty(); }
  /// HOT: no allocation.
  [[nodiscard]] bool contains(const IpAddress& address) const;

  friend bool operator==(const PrefixSet&, const PrefixSet&) = default;

 private:
  struct Key6 {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    friend auto operator<=>(const Key6&, const Key6&) = default;
  };
  template <class Key>
  struct Range {
    Key first;
    Key last;  ///< Inclusive.
    friend bool operator==(const Range&, const Range&) = default;
  };
  static std::uint32_t key4(const IpAddress& address);
  static Key6 key6(const IpAddress& address);
  void add(const IpPrefix& prefix);

  std::vector<Range<std::uint32_t>> v4_;
  std::vector<Range<Key6>> v6_;
};

}  // namespace fairlead::lb
