// A worker without a kernel: relay cores, buffers, timers and the choice of servers wired as lb/worker.cc wires them, driven by a script.
// Sends are taken at once and whole; connects succeed when the script says so.
#pragma once

#include <memory>
#include <vector>

#include "lb/balancer.h"
#include "lb/relay_core.h"
#include "net/buffer_pool.h"
#include "net/timer_wheel.h"

namespace fairlead::bench {

/// Servers of equal weight, all usable.
[[nodiscard]] lb::RoutePool make_gate_pool(config::Balance balance, std::size_t servers);

class ScriptedRelay {
 public:
  explicit ScriptedRelay(std::uint32_t connections);

  /// Accepts and connects; false: no server.
  void open(std::uint32_t id);
  /// `bytes` arrive from `from`; whatever the core says is carried out.
  void deliver(std::uint32_t id, lb::Side from, std::uint32_t bytes);
  void end(std::uint32_t id, lb::Side from);
  /// While the direction is in bulk.
  void move(std::uint32_t id, lb::Side from, std::uint32_t bytes);
  void end_bulk(std::uint32_t id, lb::Side from);
  /// Time goes on, and what is due fires.
  void pass(Duration time);

  [[nodiscard]] bool in_bulk(std::uint32_t id, lb::Side from) const { return connections_[id].bulk[static_cast<std::size_t>(from)]; }
  [[nodiscard]] std::uint64_t finished() const { return finished_; }
  [[nodiscard]] std::uint64_t delivered() const { return delivered_; }
  [[nodiscard]] std::size_t buffers_used() const { return buffers_.used(); }

 private:
  struct Connection {
    lb::RelayCore core;
    net::BufferChain queue[2];  ///< By the side it goes to.
    bool bulk[2] = {false, false};
    std::uint16_t server = 0;
    bool placed = false;
  };
  void carry_out(std::uint32_t id, const lb::RelayOps& ops);
  void carry_out(std::uint32_t id, lb::RelayOp op);
  void send(std::uint32_t id, lb::Side to);

  lb::RoutePool pool_;
  net::BufferPool buffers_{256};
  net::TimerWheel wheel_;
  Prng prng_{1};
  Instant now_;
  lb::RelayPolicy policy_;
  lb::WaterMarks marks_;
  std::vector<Connection> connections_;
  std::uint64_t finished_ = 0;
  std::uint64_t delivered_ = 0;
};

}  // namespace fairlead::bench
