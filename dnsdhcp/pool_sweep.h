// fairlead: pure
// After an unplanned takeover: which addresses of the pools are in use, and by whom? Each is asked for by ARP; who answers has it. The DHCP
// gate stays closed meanwhile. Addresses with a known lease are asked for, too: it may be an old one, of a client that is not there, and
// the address given to another since.
//
// Every address that nobody has answered for is asked in each of `rounds` rounds, with a wait behind each: frames get lost, a client may be
// just about to configure what it was given, and one that saves power or has much to do answers late. An answer counts whenever it comes
// before the end. Questions leave in bursts of `burst` every `burst_gap`. With the default pace a pool of 254 addresses takes 0.9 s, one of
// 4,096 takes 5.7 s.
//
// A MAC that answers for more than kProxyAddressesMax addresses is a router that answers for all (proxy ARP): nothing of it is adopted.
//
// IPv6 is not swept: its pools are too large, dnsmasq derives the address from the client's id, and clients look themselves (RFC 4862,
// DAD).
//
// Invariants:
//   I1  Nothing outside the pools, and nothing that is to be skipped, is asked for or found.
//   I2  An address that nobody answers for is asked exactly `rounds` times, by questions that left: one with a question that could not be
//       sent (not_asked()) is asked `rounds` times more, `retry` later, however often that takes. Not asked is not "nobody there".
// Threading: control thread. Ownership: values only. Limits: kSweepAddressesMax addresses; beyond it the rest is `left_out`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "base/ip_address.h"
#include "base/mac_address.h"
#include "base/time.h"

namespace fairlead::dnsdhcp {

using namespace std::chrono_literals;

inline constexpr std::size_t kSweepAddressesMax = 65'536;
inline constexpr std::size_t kProxyAddressesMax = 8;
inline constexpr std::size_t kMacsPerAddressMax = 4;  ///< More claim one address: the first ones are enough to know that it is in use.

struct SweepPool {
  IpAddress first;
  IpAddress last;
  bool operator==(const SweepPool&) const = default;
};

struct SweepSettings {
  std::vector<SweepPool> pools;
  std::set<IpAddress> skip;   ///< Fixed hosts, which dnsmasq gives to nobody else, and the gateways' own.
  std::set<MacAddress> ours;  ///< The gateways' interfaces: their answers are no client's.
  int rounds = 3;             ///< > 0
  Duration wait = 200ms;      ///< For answers, behind each round. > 0
  Duration burst_gap = 10ms;  ///< > 0
  std::size_t burst = 24;     ///< > 0
  Duration retry = 1s;        ///< Before what could not be asked is tried again. > 0
};

struct LiveAddress {
  IpAddress address;
  std::vector<MacAddress> macs;  ///< In the order of their answers; at least one.
  bool operator==(const LiveAddress&) const = default;
};
struct ProxyMac {
  MacAddress mac;
  std::size_t addresses = 0;
  bool operator==(const ProxyMac&) const = default;
};
struct SweepResult {
  std::vector<LiveAddress> live;  ///< For LeaseBook::adopt(), by address.
  std::vector<ProxyMac> proxies;
  std::size_t asked = 0;     ///< Addresses.
  std::size_t left_out = 0;  ///< IPv6 pools, and addresses beyond kSweepAddressesMax.
  Duration took{};
};

class PoolSweep {
 public:
  PoolSweep(SweepSettings settings, Instant now);

  /// `ask`: whom to ask for, once each. Early or extra calls do no harm.
  void tick(Instant now, std::vector<IpAddress>& ask);
  /// The last question for `address` could not be sent.
  void not_asked(const IpAddress& address);
  /// How often there were questions that could not be sent, and their addresses were asked for once more.
  [[nodiscard]] std::size_t retries() const { return retries_; }
  /// Somebody answered. Returns whether it was asked for here.
  bool heard(const IpAddress& address, const MacAddress& mac);
  [[nodiscard]] bool done() const { return done_; }
  [[nodiscard]] Instant next_tick() const { return next_tick_; }
  /// Complete when done().
  [[nodiscard]] SweepResult result() const;

 private:
  void end_rounds(Instant now);

  SweepSettings settings_;
  std::vector<IpAddress> addresses_;
  std::vector<IpAddress> asking_;  // Of them: of the present rounds.
  std::set<IpAddress> unasked_;    // One of their questions at least could not be sent.
  std::size_t retries_ = 0;
  std::size_t left_out_ = 0;
  int round_ = 0;
  std::size_t next_ = 0;  // In asking_.
  std::map<IpAddress, std::vector<MacAddress>> answers_;
  Instant began_;
  Instant ended_;
  Instant next_tick_;
  bool done_ = false;
};

}  // namespace fairlead::dnsdhcp
