// DhcpRunner and what the lease book asks for: messages to the other gateways, leases for the dnsmasq of this one.
#include <utility>

#include "base/log.h"
#include "base/overloaded.h"
#include "base/units.h"
#include "daemon/dhcp_runner.h"
#include "dnsdhcp/lease_feed.h"

namespace fairlead::daemon {
namespace {

constexpr std::size_t kUnsentMax = 20'000;
constexpr std::size_t kFeedsOpenMax = 1024;

}  // namespace

void DhcpRunner::carry(dnsdhcp::BookActions&& actions) {
  for (dnsdhcp::BookAction& action : actions) {
    std::visit(
        Overloaded{
            [this](dnsdhcp::SendUpdate& send) {
              sent_ += send.update.records.size();
              tell(send.update);
            },
            [this](dnsdhcp::SendDigest& send) { tell(send.digest); },
            [this](dnsdhcp::LeaseConflict& conflict) {
              ++conflicts_;
              FL_LOG(LEASE_CONFLICT, "network", conflict.kept.network, "address", conflict.kept.address.to_string(), "kept",
                     conflict.kept.mac.to_string(), "dropped", conflict.dropped.mac.to_string());
            },
            [this](dnsdhcp::BooksEqual& equal) {
              equal_since_ = clock_.now();
              FL_LOG(LEASES_SYNCHRONISED, "nodes", equal.members, "received", equal.received, "took_ms", to_ms(equal.took));
            },
            [](dnsdhcp::BookFull& full) {
              FL_LOG(LEASE_BOOK_FULL, "network", full.lease.network, "address", full.lease.address.to_string(), "leases",
                     dnsdhcp::kLeasesHeldMax);
            },
            [this](auto& for_dnsmasq) { feed(std::move(for_dnsmasq)); },  // Takes what no line above matches as well: none may be const.
        },
        action);
  }
}

void DhcpRunner::tell(const ClusterMessage& message) {
  if (unsent_.empty() && host_.tell(message)) return;
  if (unsent_.size() < kUnsentMax) unsent_.push_back(message);
}
void DhcpRunner::tell_unsent() {
  while (!unsent_.empty() && host_.tell(unsent_.front())) unsent_.pop_front();
}

/// It is newer than what dnsmasq did not take.
void DhcpRunner::feed(dnsdhcp::BookAction&& action) {
  if (const auto* add = std::get_if<dnsdhcp::FeedAdd>(&action)) refused_.taken(add->lease.address, false);
  if (const auto* gone = std::get_if<dnsdhcp::FeedDelete>(&action)) refused_.forget(gone->address);
  put_in(std::move(action));
}

/// One whose start is under way has its leases from the book, as it was then; what came after waits for it here.
void DhcpRunner::put_in(dnsdhcp::BookAction&& action) {
  if (!may_feed() || !feeds_.empty()) {
    if (feeds_.size() < kFeedsMax) feeds_.push_back(std::move(action));
    return;
  }
  feed_now(std::move(action));
}

/// It is ready, and has not too much to answer: calls beyond the bus's limit would be lost.
bool DhcpRunner::may_feed() const { return keeper_ && keeper_->bus().is_ready() && keeper_->bus().calls_open() < kFeedsOpenMax; }

void DhcpRunner::feed_now(dnsdhcp::BookAction&& action) {
  dnsdhcp::DnsmasqBus& bus = keeper_->bus();
  std::visit(Overloaded{
                 [&](const dnsdhcp::FeedAdd& f) {
                   bus.add_lease(dnsdhcp::bus_lease(f.lease, clock_.now()),
                                 [this, alive = alive_, address = f.lease.address](const Result<void>& done) {
                                   if (*alive) fed(address, false, done ? Status() : Status(done.error()));
                                 });
                 },
                 // One that is lost is asked for again (kFenceMax).
                 [&](const dnsdhcp::FeedFence& f) {
                   bus.add_lease(dnsdhcp::bus_fence(f.number), [this, alive = alive_](const Result<void>& done) {
                     if (*alive && !done && keeper_->bus().is_ready()) say_unfed(dnsdhcp::kFenceAddress, "the fence: ", done.error());
                   });
                 },
                 [&](const dnsdhcp::FeedDelete& f) {
                   bus.delete_lease(f.address, [this, alive = alive_, address = f.address](const Result<bool>& done) {
                     if (!*alive) return;
                     if (done && !*done) book_.had_none(address);
                     fed(address, true, done ? Status() : Status(done.error()));
                   });
                 },
                 [](const auto&) {},
             },
             action);
}

/// What the sweep found, above all: until dnsmasq knows it, it would give those addresses away.
bool DhcpRunner::knows_all() const { return feeds_.empty() && keeper_ && keeper_->bus().is_ready() && keeper_->bus().calls_open() == 0; }

void DhcpRunner::fed(const IpAddress& address, bool deletion, const Status& done) {
  // A dnsmasq that ended takes the lease from the book when it starts again.
  if (!done && !keeper_->bus().is_ready()) return;
  if (done) {
    refused_.taken(address, deletion);
  } else if (refused_.refused(address, deletion, clock_.now())) {
    say_unfed(address, deletion ? "delete: " : "add: ", done.error());
  }
  if (knows_all()) return turn();  // A gate may wait for that.
  if (!done) arm();
}

void DhcpRunner::say_unfed(const IpAddress& address, const char* what, const Error& why) {
  if (const auto count = refused_said_.again(clock_.now()))
    FL_LOG(LEASE_NOT_FED, "address", address.to_string(), "error", what + why.message(), "count", *count);
}

/// Of networks that give nothing at the moment: the others have a pause first (I8).
void DhcpRunner::feed_refused() {
  if (!may_feed() || !feeds_.empty()) return;
  const Instant now = clock_.now();
  for (const dnsdhcp::RefusedFeeds::Again& again : refused_.take_due(now, [this](const IpAddress& a) { return !book_.may_give(a); })) {
    dnsdhcp::BookActions out;
    book_.feed_again(again.address, again.deletion, now, out);
    if (out.empty()) refused_.forget(again.address);
    for (dnsdhcp::BookAction& action : out) put_in(std::move(action));
  }
}

bool DhcpRunner::has_refused(const Network& network) const {
  return may_feed() && feeds_.empty() && refused_.has_due(network.settings.cidr, clock_.now());
}

void DhcpRunner::flush_feeds() {
  while (!feeds_.empty() && may_feed()) {
    dnsdhcp::BookAction action = std::move(feeds_.front());
    feeds_.pop_front();
    feed_now(std::move(action));
  }
}

}  // namespace fairlead::daemon
