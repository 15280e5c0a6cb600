// A client of the VIP, for drills: every few ms a new connection, one request, the first byte of the answer; and beside each the question
// by ARP or NDP who has the address. What it saw is a ProbeLog.
//
// The request is one line of HTTP. A server that wants TLS answers it with a refusal in plain text or a TLS alert: an answer from behind the
// proxy either way, for a hundredth of the cost of a handshake.
// Threading: one thread; run() returns when `stop` says so.
#pragma once

#include <functional>
#include <list>
#include <memory>

#include "base/fd.h"
#include "base/ip_address.h"
#include "base/result.h"
#include "base/system_clock.h"
#include "drill/probe_log.h"
#include "vip/neighbour_port.h"

namespace fairlead::drill {

struct ProberOptions {
  Endpoint target;
  Duration interval = std::chrono::milliseconds(5);
  Duration deadline = std::chrono::milliseconds(1000);  ///< Of a try; then it is given up as kTimeout.
  bool ask_neighbours = true;                           ///< The VIP must be in a network of this machine.
};

class Prober final : private vip::NeighbourListener {
 public:
  /// Errors: kNotFound (no interface in the target's network), kPermission (CAP_NET_RAW), kInvalidArgument.
  [[nodiscard]] static Result<std::unique_ptr<Prober>> make(const ProberOptions& options);

  /// Called after each interval with what was seen so far; true ends the run, after the tries that are open.
  using Stop = std::function<bool(const ProbeLog&)>;
  void run(const Stop& stop);
  [[nodiscard]] const ProbeLog& log() const { return log_; }

 private:
  struct Open {
    std::size_t index = 0;  ///< In log_.tries.
    Fd fd;
    bool sent = false;
  };
  explicit Prober(const ProberOptions& options) : options_(options) {}

  [[nodiscard]] Status watch_neighbours();
  void on_neighbour(const vip::NeighbourEvent& event) override;
  void begin_try();
  void end_try(Open& open, TryEnd end);
  void go_on(Open& open, short events);
  void ask();
  void wait_until(Instant at);
  [[nodiscard]] Duration since_begin() const { return clock_.now() - begun_; }

  ProberOptions options_;
  SystemClock clock_;
  Instant begun_{};
  ProbeLog log_;
  std::list<Open> open_;
  std::unique_ptr<vip::NeighbourPort> neighbours_;
  IpAddress own_;
};

}  // namespace fairlead::drill
