// This node's place in the cluster: connects to Corosync, joins the group, turns its callbacks into views and messages, sends.
//
//   absent --joined--> joining --first view--> member --hang-up, a failed call, queue full, expelled--> absent ...
//
// Invariants:
//   I1  on_view() comes before on_message(), on_lost() after the last of both, once for each time the group was joined and shown.
//   I2  Any handle's failure ends all of them at once (R9): on_lost() first, then the handles are closed, then it connects again, after
//       100 ms, later after up to 1 s.
//   I3  Nothing here waits for Corosync on the loop's thread: what waits is done by CorosyncConnector's helper, what is called here
//       returns at once (membership/corosync_cpg.h says why). What is delivered is always read: Corosync would keep it, without a bound.
//   I4  Corosync's node id and cluster name are the configured ones, else the group is not joined.
//   I5  What cannot be read (another cluster's, newer, damaged) is counted and logged, at most once a minute for each cause, and does
//       nothing else (R1).
// Threading: the loop's thread only. One client per loop.
// Ownership: the loop and the sink outlive it. It may be stopped, but not destroyed, inside a call to the sink.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/qb_loop.h"
#include "base/result.h"
#include "base/seldom_said.h"
#include "membership/cluster_sink.h"
#include "membership/corosync_connector.h"
#include "membership/message_codec.h"
#include "membership/outgoing_queue.h"
#include "membership/view_builder.h"

namespace fairlead::membership {

struct ClientCounters {
  std::uint64_t messages_sent = 0;
  std::uint64_t messages_delivered = 0;
  std::uint64_t send_retries = 0;            ///< CS_ERR_TRY_AGAIN.
  std::array<std::uint64_t, 5> undecoded{};  ///< By DecodeOutcome.
  std::uint64_t unknown_fields = 0;
  std::uint64_t losses = 0;
};

class CorosyncClient final : private CpgSink, private QuorumSink {
 public:
  CorosyncClient(QbLoop& loop, ConnectorOptions options, ClusterSink& sink);
  ~CorosyncClient() override;

  void start();
  /// Leaves. No further call to the sink, on_lost() included. What was sent and not delivered may be lost: see settled().
  void stop();

  /// Queues; Corosync gets it in this call if it can. Delivered to every process of the group, this one included, in one order.
  /// Errors: kUnavailable (not in the group), kLimitExceeded (more than a message can hold, which is logged; or the queue is full: Corosync
  /// is given up in the next turn).
  [[nodiscard]] Status send(const ClusterMessage& message);

  /// This process as others see it; nothing while not in the group.
  [[nodiscard]] std::optional<ClusterProcess> self() const;
  [[nodiscard]] const std::optional<CorosyncFacts>& facts() const { return facts_; }
  /// Everything sent was delivered.
  [[nodiscard]] bool settled() const { return queue_.waiting() == 0 && queue_.in_flight() == 0; }
  [[nodiscard]] const ClientCounters& counters() const { return counters_; }

 private:
  void on_group(const GroupChange& change) override;
  void on_ring(const RingChange& change) override;
  void on_bytes(const ClusterProcess& from, std::span<const std::byte> bytes) override;
  void on_turn_done() override;
  void on_cpg_failed(const std::string& reason) override { lose(reason); }
  void on_quorum(const QuorumChange& change) override;
  void on_quorum_failed(const std::string& reason) override;

  void connected(ConnectResult result);
  void refused(const Error& error);
  void connect_later();
  void show(const std::optional<ClusterView>& view);
  void flush();
  void fail_soon(std::string reason);
  void lose(const std::string& reason);
  void close();
  void before_message();
  void count_undecoded(const ClusterProcess& from, DecodeOutcome outcome);

  QbLoop& loop_;
  const ConnectorOptions options_;
  ClusterSink& sink_;
  const MessageCodec codec_;
  CorosyncConnector connector_;

  bool running_ = false;
  bool inside_group_ = false;  ///< Of its dispatch: nothing may be destroyed.
  std::unique_ptr<CpgGroup> group_;
  std::unique_ptr<QuorumTrack> quorum_;
  std::optional<ViewBuilder> views_;
  std::optional<CorosyncFacts> facts_;
  OutgoingQueue queue_;
  std::vector<std::byte> buffer_;
  std::string failure_;  ///< Noticed where nothing may be destroyed; acted upon in the next turn.

  Duration delay_{};  ///< Before the next connect.
  QbLoop::TimerId connect_timer_ = 0;
  QbLoop::TimerId retry_timer_ = 0;
  QbLoop::TimerId ring_timer_ = 0;
  QbLoop::TimerId failure_timer_ = 0;
  /// Of the newest CLUSTER_ABSENT or CLUSTER_REFUSED; nothing after a success.
  struct Refusal {
    Errc code{};
    std::string reason;
    Instant at{};
  };
  std::optional<Refusal> told_refusal_;

  ClientCounters counters_;
  std::array<SeldomSaid, 5> said_undecoded_;  ///< By DecodeOutcome.
  SeldomSaid said_unsent_;
};

}  // namespace fairlead::membership
