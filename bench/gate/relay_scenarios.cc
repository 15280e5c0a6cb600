// The relay's core with its buffers, timers and places: what a request, a connection and a bulk piece cost in user space without a kernel.
#include "bench/gate/scenario.h"
#include "bench/gate/scripted_relay.h"

namespace {

using fairlead::bench::ScriptedRelay;
using fairlead::lb::Side;
using namespace std::chrono_literals;

constexpr std::uint32_t kConnections = 64;
constexpr std::uint32_t kRounds = 200;
constexpr std::uint32_t kOpened = 2000;
constexpr std::uint32_t kPieces = 20'000;

}  // namespace

extern "C" {
void fl_gate_relay_requests(ScriptedRelay& relay);
void fl_gate_relay_connections(ScriptedRelay& relay);
void fl_gate_relay_bulk(ScriptedRelay& relay);

[[gnu::noinline]] void fl_gate_relay_requests(ScriptedRelay& relay) {
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    for (std::uint32_t id = 0; id < kConnections; ++id) {
      relay.deliver(id, Side::kClient, 200);
      relay.deliver(id, Side::kServer, 2000);
    }
    relay.pass(1ms);
  }
}

[[gnu::noinline]] void fl_gate_relay_connections(ScriptedRelay& relay) {
  for (std::uint32_t i = 0; i < kOpened; ++i) {
    const std::uint32_t id = i % kConnections;
    relay.open(id);
    relay.deliver(id, Side::kClient, 200);
    relay.deliver(id, Side::kServer, 200);
    relay.end(id, Side::kClient);
    relay.end(id, Side::kServer);
    relay.pass(50us);
  }
}

[[gnu::noinline]] void fl_gate_relay_bulk(ScriptedRelay& relay) {
  for (std::uint32_t i = 0; i < kPieces; ++i) {
    if (!relay.in_bulk(0, Side::kServer)) {
      relay.deliver(0, Side::kServer, fairlead::net::kBufferBytes);
    } else if (i % 100 == 99) {
      relay.end_bulk(0, Side::kServer);
    } else {
      relay.move(0, Side::kServer, 64 * 1024);
    }
    relay.pass(10us);
  }
}
}

namespace fairlead::bench {

std::vector<Scenario> relay_scenarios() {
  return {
      {"relay_requests", "request",
       [] {
         ScriptedRelay relay(kConnections);
         for (std::uint32_t id = 0; id < kConnections; ++id) relay.open(id);
         fl_gate_relay_requests(relay);
         return Outcome{std::uint64_t{kRounds} * kConnections, relay.delivered() + relay.buffers_used()};
       }},
      {"relay_connections", "connection",
       [] {
         ScriptedRelay relay(kConnections);
         fl_gate_relay_connections(relay);
         return Outcome{relay.finished(), relay.delivered() + relay.buffers_used()};
       }},
      {"relay_bulk", "piece",
       [] {
         ScriptedRelay relay(1);
         relay.open(0);
         fl_gate_relay_bulk(relay);
         return Outcome{kPieces, relay.delivered() + relay.buffers_used()};
       }},
  };
}

}  // namespace fairlead::bench
