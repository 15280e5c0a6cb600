// A whole site in one thread under a clock of its own: gateways with the production LeaseBook, LeaseSteps, PoolSweep and lease file, each
// with a model of dnsmasq and of its gate, a model of Corosync's agreed order, exclusive VIPs that move, clients on one network, and a
// seeded adversary. docs/internals/leases.md tells what each gateway does.
//
// Looked at from outside, at every ACK: no two clients that are awake use one address. At the end, after a quiet time: all books are equal,
// every dnsmasq knows what the books know, and every client that wants an address has one.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/prng.h"
#include "dnsdhcp/lease_book.h"
#include "dnsdhcp/lease_steps.h"
#include "dnsdhcp/pool_sweep.h"
#include "tests/sim/leases/dnsmasq_model.h"

namespace fairlead::dnsdhcp::sim {

/// What the gateways around the books leave out, to see that it is missed.
enum class Omission { kNone, kSweep, kBarrier, kCrashSweep };

struct Coverage {
  std::uint64_t moves = 0;         ///< Planned, with the barrier passed.
  std::uint64_t hasty_moves = 0;   ///< Planned, without: its time was over.
  std::uint64_t kills = 0;         ///< Of the holder.
  std::uint64_t kills_at_ack = 0;  ///< Between an ACK and its record.
  std::uint64_t cuts = 0;
  std::uint64_t cuts_at_ack = 0;
  std::uint64_t merges = 0;
  std::uint64_t blackouts = 0;  ///< All gateways off at once.
  std::uint64_t crashes = 0;    ///< Of the holder's dnsmasq.
  std::uint64_t restarts = 0;   ///< Likewise, for another configuration.
  std::uint64_t sweeps = 0;
  std::uint64_t pauses = 0;  ///< Gates closed for news from others.
  std::uint64_t adopted = 0;
  std::uint64_t extended = 0;     ///< Known leases of clients that answered a sweep.
  std::uint64_t handed_over = 0;  ///< Opened without a sweep.
  std::uint64_t conflicts = 0;
  std::uint64_t synchronised = 0;
  std::uint64_t acks = 0;
  std::uint64_t naks = 0;
  std::uint64_t lost_leases = 0;    ///< No book knew when the holder died, and the client slept then.
  std::uint64_t moved_clients = 0;  ///< Came back to another address.
  void add(const Coverage& other);
};

class LeaseWorld {
 public:
  LeaseWorld(std::uint64_t seed, Omission omission);
  /// Plays; returns what was violated, or nothing.
  [[nodiscard]] std::string run();
  [[nodiscard]] const Coverage& coverage() const { return coverage_; }
  void tell_story() { told_ = true; }

 private:
  using Message = std::variant<LeaseUpdate, LeaseDigest>;
  struct Queued {
    Instant due;
    NodeId from;
    Message message;
  };
  struct Leaving {
    Instant due;
    Message message;
  };
  /// One text of nft at a time, each takes a while.
  struct GateModel {
    bool open = false;
    std::optional<bool> next;
    Instant due{};
  };
  struct Node {
    NodeId id{};
    bool up = false;
    int component = 0;
    std::unique_ptr<LeaseBook> book;
    std::unique_ptr<DnsmasqModel> dnsmasq;
    bool dnsmasq_up = false;
    std::deque<Leaving> leaving;  ///< Handed to Corosync, not ordered yet.
    std::deque<Queued> inbox;     ///< Ordered, not delivered yet.
    LeaseSteps steps{"mast"};
    GateModel gate;
    bool restart_due = false;  ///< Of dnsmasq.
    Instant ends_at{};         ///< Likewise: it was told to, and answers till then. 0: it was not.
    bool blind = false;        ///< An omission: its sweep asks nobody.
    std::optional<PoolSweep> sweep;
    std::set<IpAddress> lost_once;
    std::string disk;
    std::uint64_t saved = 0;
    Instant back_at{};
    Instant dnsmasq_back_at{};
  };
  enum class State { kOff, kWanting, kOffered, kBound, kAsleep };
  struct Client {
    ClientId id;
    State state = State::kOff;
    std::optional<IpAddress> address;
    Instant until{};
    Instant answers_from{};
    Instant next{};
    Instant retry{};
    std::optional<IpAddress> last;  ///< Had before.
  };

  [[nodiscard]] Instant next_step(Instant begin, Instant end_of_play) const;
  /// Not later than when it does something.
  [[nodiscard]] Instant next_of(const Node& node) const;
  // The group.
  void send(Node& node, Message message);
  void order(Node& from, const Message& message);
  void pump(Node& node);
  void change_views();
  void carry_out(Node& node, BookActions& actions);
  // Gateways.
  void start(Node& node);
  void stop(Node& node);
  void start_dnsmasq(Node& node);
  void crash_dnsmasq(Node& node);
  void step_node(Node& node);
  void step_gate(Node& node);
  void step_steps(Node& node);
  void begin(Node& node);
  void restart_dnsmasq(Node& node);
  [[nodiscard]] StepFacts facts_of(const Node& node) const;
  void begin_sweep(Node& node);
  void step_sweep(Node& node);
  void finish_sweep(Node& node);
  // The VIPs.
  void step_placement();
  void take(Node& node);
  void lose(Node& node);
  void begin_move(NodeId to);
  [[nodiscard]] bool may_hold(const Node& node) const;
  [[nodiscard]] Node* holder() { return holder_ == kNoNode ? nullptr : &nodes_[to_number(holder_) - 1]; }
  [[nodiscard]] Node* server();
  // Clients.
  void step_client(Client& client);
  void acked(Client& client, const IpAddress& address, DnsmasqModel& dnsmasq);
  void stirred(Client& client);
  [[nodiscard]] bool uses(const Client& client, const IpAddress& address) const;
  // Adversary and oracle.
  void strike();
  void move_somewhere();
  void cut(Node& node);
  void after_ack(Client& client);
  void quiet();
  void judge();
  void violated(const std::string& what);
  void story(const std::string& line) const;
  [[nodiscard]] bool chance(std::uint32_t percent) { return prng_.below(100) < percent; }
  [[nodiscard]] Duration ms(std::uint32_t low, std::uint32_t high) { return std::chrono::milliseconds(low + prng_.below(high - low + 1)); }

  Prng prng_;
  Omission omission_;
  bool told_ = false;
  Instant now_{std::chrono::hours(1)};
  std::int64_t wall_s_ = 1'764'000'000;
  std::vector<Node> nodes_;
  std::vector<Client> clients_;
  std::vector<IpAddress> pool_;
  IpPrefix prefix_;
  NodeId holder_ = kNoNode;
  NodeId moving_to_ = kNoNode;
  NodeId prefer_ = kNoNode;
  Instant place_at_{};
  Epoch vip_epoch_ = 0;
  Instant next_strike_{};
  Instant merge_at_{};
  bool armed_kill_ = false;
  bool armed_move_ = false;
  bool armed_cut_ = false;
  bool sequential_ = false;
  bool striking_ = true;
  bool unclean_move_ = false;
  std::string violation_;
  Coverage coverage_;
};

}  // namespace fairlead::dnsdhcp::sim
