// The client's connections: opens them, keeps `window` requests outstanding on each, checks every reply, counts what goes wrong.
// What is run over them (a timed load, a ramp of idle holders) is decided by the class that derives from it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"
#include "bench/macro/link.h"

namespace fairlead::bench {

// Of every run over a pool.
inline constexpr std::uint64_t kErrorsMax = 1000;  // a run with that many is over: nothing is left to measure
inline constexpr std::uint32_t kOpeningMax = 128;  // connections being opened at once while ramping up
inline constexpr Duration kPollMax = std::chrono::milliseconds(50);

struct ClientOptions {
  std::vector<Endpoint> targets;  ///< Connections go to them in turn.
  std::uint32_t sources = 1;      ///< Local addresses 127.0.0.1 and up, in turn (a port range per address); 1 = the kernel's choice.
  std::uint32_t connections = 1;
  std::uint64_t request_length = 200;
  std::uint64_t reply_length = 200;
  std::uint32_t window = 1;          ///< Requests outstanding per connection.
  std::uint64_t per_connection = 0;  ///< Requests before the client closes and opens anew; 0 = keep it.
};

/// What was not as it should be. Any of them makes a run worthless as a measurement.
struct ErrorCounts {
  std::uint64_t connect = 0;     ///< Refused, unreachable, no port left.
  std::uint64_t lost = 0;        ///< Reset or closed by the other side while we still wanted something.
  std::uint64_t damaged = 0;     ///< Bytes that are not the pattern (either way), wrong lengths, wrong order, foreign bytes.
  std::uint64_t unfinished = 0;  ///< No reply within the drain limit.
  std::string first;             ///< The first one, in words.
  [[nodiscard]] std::uint64_t total() const { return connect + lost + damaged + unfinished; }
};
/// The lengths of one connection's messages.
struct Shape {
  std::uint64_t request_length = 200;
  std::uint64_t reply_length = 200;
};
struct Totals {
  std::uint64_t replies = 0;
  std::uint64_t connections = 0;  ///< Finished: all their requests answered, closed by us.
  std::uint64_t events = 0;       ///< Of watches.
  std::uint64_t received = 0;     ///< Bytes.
  std::uint64_t sent = 0;         ///< Bytes the kernel took.
};

class ClientPool {
 public:
  ClientPool(Poller poller, ClientOptions options);
  virtual ~ClientPool() = default;
  ClientPool(const ClientPool&) = delete;
  ClientPool& operator=(const ClientPool&) = delete;

  [[nodiscard]] const ErrorCounts& errors() const { return errors_; }
  [[nodiscard]] const Totals& totals() const { return totals_; }

 protected:
  using Slot = std::uint32_t;

  virtual void on_connected(Slot slot) = 0;
  /// A whole reply has come. The connection may be closed by `finish`, not otherwise.
  virtual void on_reply(Slot slot) = 0;
  /// An event of its watch has come.
  virtual void on_event(Slot) {}
  /// What `finish` asked for is done: the slot is free.
  virtual void on_finished(Slot slot) = 0;
  /// The connection failed and is closed; it was counted.
  virtual void on_lost(Slot slot) = 0;

  [[nodiscard]] Slot add_slot() { return add_slot({options_.request_length, options_.reply_length}); }
  [[nodiscard]] Slot add_slot(Shape shape);
  void open(Slot slot);
  /// Opens it at the next turn of the loop: what fails at once must not call itself.
  void open_later(Slot slot) { to_open_.push_back(slot); }
  /// Queues a request; it leaves at the end of this turn, or with `flush`. `flags`: of bench/macro/message.h.
  void request(Slot slot, std::uint32_t flags = 0);
  /// Asks for events; an ordinary request ends them.
  void watch(Slot slot);
  void flush(Slot slot);
  /// We have all we wanted: closes (an orderly FIN), counts the connection.
  void finish(Slot slot);
  /// One wait of at most `at_most` and everything it brought.
  [[nodiscard]] Status poll(Duration at_most);
  void count_unfinished();
  void fail(std::uint64_t ErrorCounts::*kind, const std::string& what);
  [[nodiscard]] std::uint64_t outstanding() const { return outstanding_; }
  /// Whether open_later() has named a slot that is not yet opened.
  [[nodiscard]] bool is_opening() const { return !to_open_.empty(); }
  [[nodiscard]] std::uint64_t outstanding(Slot slot) const { return clients_[slot].asked - clients_[slot].answered; }
  [[nodiscard]] std::uint64_t asked(Slot slot) const { return clients_[slot].asked; }
  [[nodiscard]] bool is_open(Slot slot) const { return clients_[slot].link.fd.valid(); }
  [[nodiscard]] bool is_connected(Slot slot) const { return is_open(slot) && clients_[slot].connected; }
  [[nodiscard]] const ClientOptions& options() const { return options_; }
  [[nodiscard]] std::uint32_t slots() const { return static_cast<std::uint32_t>(clients_.size()); }

 private:
  struct Client {
    Link link{kReplyMagic};
    Shape shape;
    bool connected = false;
    bool finished = false;    ///< finish() was called inside a read: closed at its end.
    std::uint64_t asked = 0;  ///< On this connection.
    std::uint64_t answered = 0;
    std::uint64_t events = 0;
  };
  void turn(Slot slot, std::uint32_t events);
  void read(Slot slot, std::uint32_t events);
  /// True: an event, not a reply.
  bool check_reply(Slot slot, const Header& reply, bool intact);
  void lose(Slot slot, std::uint64_t ErrorCounts::*kind, const std::string& what);
  void close(Slot slot);

  Poller poller_;
  ClientOptions options_;
  std::vector<Client> clients_;
  std::vector<Slot> to_open_;
  std::vector<std::uint64_t> again_;  ///< Tokens of links that used up their turn.
  std::array<epoll_event, kEventsPerWait> events_{};
  std::uint64_t opened_ = 0;
  std::uint64_t outstanding_ = 0;
  ErrorCounts errors_;
  Totals totals_;
};

}  // namespace fairlead::bench
