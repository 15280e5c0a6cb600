#include "membership/corosync_client.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/log.h"

namespace fairlead::membership {
namespace {

using namespace std::chrono_literals;

constexpr Duration kConnectDelayMin = 100ms;
constexpr Duration kConnectDelayMax = 1s;
/// After CS_ERR_TRY_AGAIN. The ring re-forms within tens of milliseconds; a beat is due each 50.
constexpr Duration kSendRetry = 2ms;
/// CPG tells a node's death and the ring without it in one go (ViewBuilder I3).
constexpr Duration kRingWait = 100ms;
constexpr Duration kRefusalsApart = 60s;

std::string text_of(const std::vector<NodeId>& nodes) {
  std::vector<std::uint32_t> ids;
  ids.reserve(nodes.size());
  for (const NodeId node : nodes) ids.push_back(to_number(node));
  return fmt::format("{}", fmt::join(ids, ","));
}
std::string text_of(const ClusterProcess& process) { return fmt::format("{}/{}", to_number(process.node), process.pid); }
std::string text_of(const std::vector<ClusterProcess>& processes) {
  std::vector<std::string> all;
  all.reserve(processes.size());
  for (const ClusterProcess& process : processes) all.push_back(text_of(process));
  return fmt::format("{}", fmt::join(all, ","));
}

}  // namespace

CorosyncClient::CorosyncClient(QbLoop& loop, ConnectorOptions options, ClusterSink& sink)
    : loop_(loop),
      options_(std::move(options)),
      sink_(sink),
      codec_(options_.cluster_name),
      connector_(loop, options_,
                 {[this](ConnectResult result) { connected(std::move(result)); },
                  [this](const CorosyncFacts& facts, Instant asked) {
                    facts_ = facts;
                    sink_.on_facts(facts, asked);
                    if (views_) show(views_->set_third_vote(facts.qdevice_registered));
                  }}) {}

CorosyncClient::~CorosyncClient() {
  stop();
  close();
}

void CorosyncClient::start() {
  running_ = true;
  connector_.connect();
}

void CorosyncClient::stop() {
  running_ = false;
  connector_.disconnect();
  for (QbLoop::TimerId* timer : {&connect_timer_, &retry_timer_, &ring_timer_, &failure_timer_}) loop_.cancel(std::exchange(*timer, 0));
  queue_.clear();
  views_.reset();
  // The handles may be in use further up the stack: the next turn closes them.
  if (group_) failure_timer_ = loop_.after(0ms, [this] { close(); });
}

void CorosyncClient::connected(ConnectResult result) {
  if (!running_) return;
  if (!result) {
    refused(result.error());
    return;
  }
  close();  // Started again in the turn in which it was stopped: the old handles are still there.
  delay_ = kConnectDelayMin;
  told_refusal_.reset();
  group_ = std::move(result->group);
  quorum_ = std::move(result->quorum);
  views_.emplace(group_->self());
  Status watched = group_->watch(loop_, *this);
  if (watched && quorum_) watched = quorum_->watch(loop_, *this);
  if (!watched) {
    lose(watched.error().message());
    return;
  }
  if (options_.group_only) {
    FL_LOG(CLUSTER_CONNECTED, "cluster", options_.cluster_name, "node", to_number(group_->self().node), "token_ms", 0, "consensus_ms", 0);
    return;
  }
  facts_ = std::move(result->facts);
  (void)views_->set_third_vote(facts_->qdevice_registered);  // There is no ring yet.
  FL_LOG(CLUSTER_CONNECTED, "cluster", options_.cluster_name, "node", to_number(facts_->node), "token_ms", facts_->token_ms, "consensus_ms",
         facts_->consensus_ms);
  sink_.on_facts(*facts_, result->asked);
}

void CorosyncClient::refused(const Error& error) {
  connector_.disconnect();
  const std::string reason = error.message();
  const Instant now = loop_.now();
  // What fails differs from try to try while Corosync starts: of one kind a cause is worth a line a minute.
  const bool other_kind = !told_refusal_ || told_refusal_->code != error.code;
  if (other_kind || (reason != told_refusal_->reason && now >= told_refusal_->at + kRefusalsApart)) {
    told_refusal_ = {error.code, reason, now};
    if (error.code == Errc::kUnavailable)
      FL_LOG(CLUSTER_ABSENT, "error", reason);
    else
      FL_LOG(CLUSTER_REFUSED, "error", reason);
  }
  sink_.on_absent(reason);
  connect_later();
}

void CorosyncClient::connect_later() {
  delay_ = std::clamp(delay_, kConnectDelayMin, kConnectDelayMax);
  connect_timer_ = loop_.after(delay_, [this] {
    connect_timer_ = 0;
    connector_.connect();
  });
  delay_ *= 2;
}

std::optional<ClusterProcess> CorosyncClient::self() const {
  if (!views_ || !views_->shown() || !group_) return std::nullopt;
  return group_->self();
}

Status CorosyncClient::send(const ClusterMessage& message) {
  if (!self()) return Error{Errc::kUnavailable, "not in the cluster's group"};
  if (Status written = codec_.encode(message, buffer_); !written) {
    if (const auto count = said_unsent_.again(loop_.now()))
      FL_LOG(CLUSTER_MESSAGE_UNSENT, "error", written.error().message(), "count", *count);
    return written;
  }
  if (!queue_.push(buffer_, replace_key(message))) {
    fail_soon("corosync takes no more messages");
    return Error{Errc::kLimitExceeded, "messages to the cluster: queue is full"};
  }
  flush();
  return {};
}

void CorosyncClient::flush() {
  while (group_ && failure_.empty()) {
    const std::span<const std::byte> message = queue_.next();
    if (message.empty()) return;
    switch (group_->send(message)) {
      case SendOutcome::kSent:
        queue_.sent();
        ++counters_.messages_sent;
        break;
      case SendOutcome::kTryAgain:
        ++counters_.send_retries;
        if (retry_timer_ == 0) {
          retry_timer_ = loop_.after(kSendRetry, [this] {
            retry_timer_ = 0;
            flush();
          });
        }
        return;
      case SendOutcome::kFailed: fail_soon("cpg_mcast_joined failed"); return;
    }
  }
}

void CorosyncClient::on_group(const GroupChange& change) {
  if (!views_) return;
  show(views_->step(change));
  if (!group_) return;
  const bool expelled =
      std::any_of(change.left.begin(), change.left.end(), [this](const GroupPart& p) { return p.process == group_->self(); });
  if (expelled) fail_soon("this process was taken out of the group");
  if (views_ && views_->waits_for_ring() && ring_timer_ == 0) {
    ring_timer_ = loop_.after(kRingWait, [this] {
      ring_timer_ = 0;
      if (views_) show(views_->stop_waiting());
    });
  }
}

void CorosyncClient::on_ring(const RingChange& change) {
  loop_.cancel(std::exchange(ring_timer_, 0));
  if (views_) show(views_->step(change));
}

void CorosyncClient::on_quorum(const QuorumChange& change) {
  if (views_) show(views_->step(change));
}

void CorosyncClient::show(const std::optional<ClusterView>& view) {
  if (!view) return;
  FL_LOG(CLUSTER_VIEW, "ring", view->ring.to_string(), "nodes", text_of(view->nodes), "processes", text_of(view->processes), "quorate",
         view->quorate);
  sink_.on_view(*view);
}

/// Called inside the group's dispatch: see before_message().
void CorosyncClient::on_quorum_failed(const std::string& reason) {
  if (inside_group_) {
    fail_soon(reason);
  } else {
    lose(reason);
  }
}

/// Corosync tells quorum before it takes the first message of a ring. But that word comes over another socket: it is read now, so that the
/// message meets the view that its sender saw.
void CorosyncClient::before_message() {
  if (!quorum_ || !views_ || !views_->waits_for_quorum()) return;
  inside_group_ = true;
  quorum_->dispatch();
  inside_group_ = false;
  if (views_) show(views_->ring_speaks());
}

void CorosyncClient::on_bytes(const ClusterProcess& from, std::span<const std::byte> bytes) {
  if (group_ && from == group_->self()) queue_.returned();
  before_message();
  if (!self()) return;  // Before the first view there is nothing it could belong to.
  ++counters_.messages_delivered;
  const Decoded decoded = codec_.decode(bytes);
  counters_.unknown_fields += decoded.unknown_fields;
  if (decoded.message) {
    sink_.on_message(from, *decoded.message);
  } else {
    count_undecoded(from, decoded.outcome);
  }
}

void CorosyncClient::count_undecoded(const ClusterProcess& from, DecodeOutcome outcome) {
  const auto which = static_cast<std::size_t>(outcome);
  ++counters_.undecoded[which];
  const auto count = said_undecoded_[which].again(loop_.now());
  if (!count) return;
  if (outcome == DecodeOutcome::kForeign) {
    FL_LOG(CLUSTER_FOREIGN_MESSAGE, "from", text_of(from), "count", *count);
  } else {
    FL_LOG(CLUSTER_MESSAGE_IGNORED, "from", text_of(from), "reason", to_string(outcome), "count", *count);
  }
}

void CorosyncClient::on_turn_done() {
  if (!failure_.empty()) {
    lose(std::string(failure_));
  } else {
    flush();  // What was delivered has made room.
  }
}

void CorosyncClient::fail_soon(std::string reason) {
  if (!failure_.empty() || !running_) return;
  failure_ = std::move(reason);
  failure_timer_ = loop_.after(0ms, [this] { lose(std::string(failure_)); });
}

/// `reason` is not failure_ itself: that is cleared here.
void CorosyncClient::lose(const std::string& reason) {
  if (!running_ || !group_) return;
  const bool was_shown = self().has_value();
  ++counters_.losses;
  views_.reset();  // From here on send() refuses.
  facts_.reset();
  queue_.clear();
  FL_LOG(CLUSTER_LOST, "error", reason);
  if (was_shown) sink_.on_lost(reason);
  close();
  if (!running_) return;
  connector_.disconnect();
  connect_later();
}

void CorosyncClient::close() {
  failure_.clear();
  for (QbLoop::TimerId* timer : {&retry_timer_, &ring_timer_, &failure_timer_}) loop_.cancel(std::exchange(*timer, 0));
  if (group_ || quorum_) connector_.dispose(std::move(group_), std::move(quorum_));
}

}  // namespace fairlead::membership
