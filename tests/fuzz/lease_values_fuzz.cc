// Any bytes as a lease file: no crash, the good lines are read as they are written. And any bytes as what other gateways and a dnsmasq
// tell: a book stays within its bounds, and another book that hears all of it says the same.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/assert.h"
#include "dnsdhcp/lease_book.h"
#include "dnsdhcp/lease_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using namespace fairlead;
using namespace fairlead::dnsdhcp;

constexpr std::int64_t kWall = 1'764'000'000;

void file(std::string_view text, Instant now) {
  const LeaseFile once = parse_lease_file(text, now, kWall);
  const LeaseFile twice = parse_lease_file(render_lease_file(once.leases, once.epoch, now, kWall), now, kWall);
  FL_ASSERT(twice.damaged.empty() && twice.leases == once.leases && twice.epoch == once.epoch);
  LeaseBook book(NodeId{1});
  book.load(once.leases, once.epoch, now);
  FL_ASSERT(book.records().size() <= once.leases.size());
}

/// Each command takes eight bytes.
void commands(const std::uint8_t* data, std::size_t size, Instant now) {
  const NodeId self{1};
  LeaseBook book(self);
  LeaseBook other(NodeId{2});
  for (LeaseBook* each : {&book, &other}) each->configure({{"n", {IpAddress::v4({10, 0, 0, 0}), 28}}});
  BookActions out;
  BookActions ignored;
  for (std::size_t at = 0; at + 8 <= size; at += 8) {
    const std::uint8_t* c = data + at;
    const IpAddress address = IpAddress::v4({10, 0, 0, static_cast<std::uint8_t>(c[1] & 15)});
    const MacAddress mac{{2, 0, 0, 0, 0, static_cast<std::uint8_t>(c[2] & 7)}};
    switch (c[0] % 9) {
      case 0: book.hold("n", c[1], now, out); break;
      case 1: book.let_go("n"); break;
      case 2: book.open("n", out); break;
      case 3: book.close("n", out); break;
      case 4: {
        LeaseEvent event;
        event.kind = static_cast<LeaseEventKind>(c[3] % 3);
        event.address = c[4] % 5 == 0 ? kFenceAddress : address;
        event.mac = c[4] % 5 == 0 ? fence_mac(c[2]) : mac;
        event.seconds = c[5];
        book.local_event(event, now, out);
        break;
      }
      case 5: {
        LeaseRecord record{"n", address, mac, {}, {}, c[3], c[4], c[5], NodeId{std::uint32_t{c[6]} % 4}, c[7] % 2 == 0, 0, 0, 0, false};
        const LeaseUpdate update{{record}, {{"n", c[4], c[7] % 3 == 0}}, c[7] % 5 == 0};
        book.delivered(NodeId{3}, update, now, out);
        other.delivered(NodeId{3}, update, now, ignored);
        break;
      }
      case 6:
        now += std::chrono::milliseconds(c[1] * 10);
        book.tick(now, out);
        other.tick(now, ignored);
        break;
      case 7:
        book.view_changed({self, NodeId{2}, NodeId{3}}, now, out);
        book.delivered(NodeId{2}, LeaseDigest{c[1], c[2]}, now, out);
        break;
      default: static_cast<void>(book.adopt("n", address, {mac}, std::chrono::seconds(c[3]), now, out)); break;
    }
    for (const BookAction& action : out)
      if (const auto* send = std::get_if<SendUpdate>(&action)) {
        other.delivered(self, send->update, now, ignored);
        book.delivered(self, send->update, now, ignored);
      }
    out.clear();
    ignored.clear();
    FL_ASSERT(book.records().size() <= 16);
    for (const Lease& lease : book.leases(now)) FL_ASSERT(lease.expires > now && lease.state == LeaseState::kHeld);
  }
  // What the book has of its own is what the other has, unless it is over there or here.
  constexpr std::chrono::seconds kFar{10};
  for (const Lease& lease : book.records()) {
    if (lease.holder != self || lease.expires < now + kFar) continue;
    const auto there = other.find(lease.address);
    FL_ASSERT(there && there->stamp >= lease.stamp);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Instant now{std::chrono::hours(1)};
  file({reinterpret_cast<const char*>(data), size}, now);
  commands(data, size, now);
  return 0;
}
