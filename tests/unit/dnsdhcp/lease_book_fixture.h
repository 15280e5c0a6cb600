// The fixture of the lease book's tests.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "dnsdhcp/lease_book.h"

namespace fairlead::dnsdhcp {
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

inline constexpr NodeId n1{1};
inline constexpr NodeId n2{2};
inline constexpr NodeId n3{3};
inline const std::string kMast = "mast";

inline IpAddress ip(std::uint8_t last) { return IpAddress::v4({192, 168, 1, last}); }
inline MacAddress mac(std::uint8_t last) { return {{0x52, 0x54, 0, 0, 0, last}}; }
inline LeaseEvent event(LeaseEventKind kind, std::uint8_t address, std::uint8_t client, std::uint32_t seconds = 3600) {
  LeaseEvent e;
  e.kind = kind;
  e.address = ip(address);
  e.mac = mac(client);
  e.client_id = "01:" + mac(client).to_string();
  e.name = "host-" + std::to_string(client);
  e.seconds = seconds;
  return e;
}
inline LeaseEvent add(std::uint8_t address, std::uint8_t client, std::uint32_t seconds = 3600) {
  return event(LeaseEventKind::kAdd, address, client, seconds);
}
inline LeaseEvent del(std::uint8_t address, std::uint8_t client) { return event(LeaseEventKind::kDelete, address, client); }
inline LeaseEvent fence(std::uint32_t number) {
  LeaseEvent e;
  e.kind = LeaseEventKind::kOld;
  e.address = kFenceAddress;
  e.mac = fence_mac(number);
  e.seconds = kEndlessSeconds;
  return e;
}

class LeaseBookTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (LeaseBook* each : {&book, &other}) each->configure({{kMast, {ip(0), 24}}});
  }
  template <class T>
  std::vector<T> take() {
    std::vector<T> found;
    for (const BookAction& action : out)
      if (const auto* a = std::get_if<T>(&action)) found.push_back(*a);
    out.clear();
    return found;
  }
  /// What dnsmasq is told of leases, in that order.
  std::vector<std::string> take_feeds() {
    std::vector<std::string> fed;
    for (const BookAction& action : out) {
      if (const auto* add = std::get_if<FeedAdd>(&action)) fed.push_back("add " + add->lease.address.to_string());
      if (const auto* deletion = std::get_if<FeedDelete>(&action)) fed.push_back("delete " + deletion->address.to_string());
    }
    out.clear();
    return fed;
  }
  /// Until events count.
  void hold(LeaseBook& by, Epoch epoch) {
    by.hold(kMast, epoch, now, out);
    by.local_event(fence(take<FeedFence>().at(0).number), now, out);
  }
  /// What `from` has to send goes to `to`; the rest is kept in `out`.
  void pass_on(LeaseBook& to, NodeId from) {
    for (const SendUpdate& send : take<SendUpdate>()) to.delivered(from, send.update, now, out);
  }
  void give(LeaseBook& by, std::uint8_t address, std::uint8_t client) { by.local_event(add(address, client), now, out); }
  LeaseRecord record(std::uint8_t address, std::uint8_t client, LeaseStamp stamp, std::uint32_t seconds = 3600) {
    Lease lease;
    lease.network = kMast;
    lease.address = ip(address);
    lease.mac = mac(client);
    lease.client_id = event(LeaseEventKind::kAdd, address, client).client_id;
    lease.expires = now + std::chrono::seconds(seconds);
    lease.stamp = stamp;
    lease.holder = n2;
    return to_record(lease, now);
  }

  Instant now{1h};
  LeaseBook book{n1};
  LeaseBook other{n2};
  BookActions out;
};

}  // namespace fairlead::dnsdhcp
