#include "membership/corosync_connector.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <pthread.h>
#include <sched.h>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "base/crash_stack.h"
#include "base/inbox.h"
#include "base/system_clock.h"
#include "membership/corosync_facts.h"

namespace fairlead::membership {
namespace {

using namespace std::chrono_literals;

constexpr auto kFactsEach = 1s;
constexpr auto kVotesEach = 100ms;  ///< With a qdevice (R12).
constexpr std::size_t kReportsMax = 64;

/// Errors: kInvalidConfig.
Status check_identity(const CorosyncFacts& facts, const ConnectorOptions& options) {
  if (options.node != kNoNode && facts.node != options.node) {
    return Error{Errc::kInvalidConfig,
                 fmt::format("corosync runs as node id {}, the configuration says {}", to_number(facts.node), to_number(options.node))};
  }
  if (!facts.cluster_name.empty() && facts.cluster_name != options.cluster_name) {
    return Error{Errc::kInvalidConfig,
                 fmt::format("corosync runs cluster '{}', the configuration says '{}'", facts.cluster_name, options.cluster_name)};
  }
  return {};
}

}  // namespace

struct CorosyncConnector::Report {
  std::uint64_t attempt = 0;
  std::variant<ConnectResult, CorosyncFacts> what;
  Instant asked{};  ///< Of the facts.
};

/// What both threads have, and the helper's own half.
struct CorosyncConnector::Shared {
  explicit Shared(ConnectorOptions o) : options(std::move(o)) {}

  const ConnectorOptions options;
  Inbox<Report> reports{kReportsMax};

  std::mutex mutex;
  std::condition_variable changed;
  std::uint64_t wanted = 0;  ///< The attempt to make or to follow; 0: none.
  std::vector<CorosyncSession> discarded;
  bool stopping = false;
  bool ended = false;

  void run();

 private:
  ConnectResult open();
  void follow(std::unique_lock<std::mutex>& lock, std::uint64_t attempt);
  void close_discarded(std::unique_lock<std::mutex>& lock);

  [[nodiscard]] Status read_votes();
  [[nodiscard]] Status read_whole();
  void post_facts(std::uint64_t attempt, Instant asked);

  SystemClock clock_;
  std::unique_ptr<FactsReader> reader_;
  CorosyncFacts facts_;
  CorosyncFacts told_;
};

void CorosyncConnector::Shared::run() {
  const CrashStack stack;
  ::pthread_setname_np(::pthread_self(), "corosync");
  sched_param ordinary{};
  ::pthread_setschedparam(::pthread_self(), SCHED_OTHER, &ordinary);  // The control thread's real-time priority is not for this.
  std::uint64_t done = 0;
  std::unique_lock lock(mutex);
  while (!stopping) {
    if (!discarded.empty()) {
      close_discarded(lock);
      continue;
    }
    if (wanted == 0 || wanted == done) {
      changed.wait(lock);
      continue;
    }
    const std::uint64_t attempt = done = wanted;
    lock.unlock();
    ConnectResult result = open();
    const bool connected = result.has_value();
    // A full mailbox holds newer reports than anybody has read: its reader is gone.
    [[maybe_unused]] const bool posted = reports.post({attempt, std::move(result)});
    lock.lock();
    if (connected && !options.group_only) follow(lock, attempt);
    lock.unlock();
    reader_.reset();
    lock.lock();
  }
  close_discarded(lock);
  ended = true;
  changed.notify_all();
}

ConnectResult CorosyncConnector::Shared::open() {
  CorosyncSession session;
  if (!options.group_only) {
    auto reader = FactsReader::open();
    if (!reader) return reader.error();
    reader_ = std::move(*reader);
    session.asked = clock_.now();
    auto facts = reader_->read();
    if (!facts) return facts.error();
    facts_ = session.facts = std::move(*facts);
    if (const Status ours = check_identity(facts_, options); !ours) return ours.error();
    auto quorum = QuorumTrack::open();
    if (!quorum) return quorum.error();
    session.quorum = std::move(*quorum);
  }
  auto group = CpgGroup::join(group_name(options.cluster_name));
  if (!group) return group.error();
  session.group = std::move(*group);
  return session;
}

/// A reader that fails here is no use any more: the next turn opens another.
Status CorosyncConnector::Shared::read_votes() {
  if (!reader_) {
    auto reader = FactsReader::open();
    if (!reader) return reader.error();
    reader_ = std::move(*reader);
  }
  return reader_->read_votes(facts_);
}

Status CorosyncConnector::Shared::read_whole() {
  auto facts = reader_->read();
  if (!facts) return facts.error();
  facts_ = std::move(*facts);
  return {};
}

/// The qdevice's vote is told again and again: its age counts (R12).
void CorosyncConnector::Shared::post_facts(std::uint64_t attempt, Instant asked) {
  if (facts_ == told_ && !facts_.qdevice_registered) return;
  if (reports.post({attempt, facts_, asked})) told_ = facts_;
}

/// Reads the facts until the attempt is over or Corosync gone. That it is gone is told by the session's own sockets.
void CorosyncConnector::Shared::follow(std::unique_lock<std::mutex>& lock, std::uint64_t attempt) {
  Instant read_at = clock_.now();
  Instant whole_at = read_at + kFactsEach;
  told_ = facts_;
  while (!stopping && wanted == attempt) {
    changed.wait_for(lock, facts_.qdevice_registered ? kVotesEach : kFactsEach);
    close_discarded(lock);  // One that came too late to be wanted.
    if (stopping || wanted != attempt) continue;
    lock.unlock();
    const Instant asked = clock_.now();
    if (read_votes()) {  // First, and told at once: all of it can take long.
      read_at = asked;
      post_facts(attempt, asked);
      if (asked >= whole_at) {
        whole_at = asked + kFactsEach;
        if (read_whole()) post_facts(attempt, asked);
      }
    } else {
      reader_.reset();
      // What was told of the device grows too old by itself (R12). Later nobody is to be told that it votes.
      if (asked >= read_at + kFactsEach && std::exchange(facts_.qdevice_votes, false)) post_facts(attempt, asked);
    }
    lock.lock();
  }
}

void CorosyncConnector::Shared::close_discarded(std::unique_lock<std::mutex>& lock) {
  std::vector<CorosyncSession> mine;
  mine.swap(discarded);
  lock.unlock();
  mine.clear();
  lock.lock();
}

CorosyncConnector::CorosyncConnector(QbLoop& loop, ConnectorOptions options, Callbacks callbacks)
    : loop_(loop), callbacks_(std::move(callbacks)), shared_(std::make_shared<Shared>(std::move(options))) {
  const Status watched = loop_.add_inbox(
      shared_->reports, [this, keep = shared_](Report report) { take(std::move(report)); }, 1);
  FL_ASSERT(watched);
  std::thread([shared = shared_] { shared->run(); }).detach();
}

CorosyncConnector::~CorosyncConnector() {
  loop_.remove(shared_->reports.event_fd());
  std::unique_lock lock(shared_->mutex);
  shared_->stopping = true;
  shared_->changed.notify_all();
  // It is nearly always idle. Waiting keeps sanitizers and orderly exits happy; the bound is for a Corosync that does not answer.
  shared_->changed.wait_for(lock, 100ms, [this] { return shared_->ended; });
}

void CorosyncConnector::connect() {
  const std::lock_guard lock(shared_->mutex);
  shared_->wanted = ++attempt_;
  shared_->changed.notify_all();
}

void CorosyncConnector::disconnect() {
  const std::lock_guard lock(shared_->mutex);
  ++attempt_;
  shared_->wanted = 0;
  shared_->changed.notify_all();
}

void CorosyncConnector::dispose(std::unique_ptr<CpgGroup> group, std::unique_ptr<QuorumTrack> quorum) {
  if (group) group->leave();
  if (quorum) quorum->leave();
  const std::lock_guard lock(shared_->mutex);
  shared_->discarded.push_back({std::move(group), std::move(quorum), {}});
  shared_->changed.notify_all();
}

void CorosyncConnector::take(Report report) {
  if (report.attempt != attempt_) {  // Nobody waits for it any more.
    auto* result = std::get_if<ConnectResult>(&report.what);
    if (result != nullptr && *result) dispose(std::move((*result)->group), std::move((*result)->quorum));
    return;
  }
  if (auto* result = std::get_if<ConnectResult>(&report.what)) {
    callbacks_.on_connected(std::move(*result));
  } else {
    callbacks_.on_facts(std::get<CorosyncFacts>(report.what), report.asked);
  }
}

std::string group_name(const std::string& cluster_name) { return "fairlead/" + cluster_name; }

}  // namespace fairlead::membership
