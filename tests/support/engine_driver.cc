#include "tests/support/engine_driver.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <dirent.h>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace fairlead::support {

using net::BufferIndex;
using net::Event;
using net::EventKind;

namespace {

constexpr int kQuietTurns = 16;  // More than FaultPlan::turns_max, twice: a late call may cause a late event.

std::uint64_t seed_in(std::uint32_t owner) { return 1000 + 2ULL * owner; }   // What the peer sends.
std::uint64_t seed_out(std::uint32_t owner) { return 1001 + 2ULL * owner; }  // What the engine's side sends.

Duration clock_now(clockid_t clock) {
  timespec now{};
  FL_ASSERT(::clock_gettime(clock, &now) == 0);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

std::unique_ptr<net::IoEngine> make_plain_engine(EngineKind kind, net::BufferPool& pool, const net::EngineOptions& options) {
  if (kind == EngineKind::kEpoll) return net::make_epoll_engine(pool, options);
  net::EngineOptions ring = options;
  if (kind == EngineKind::kUringBatched) ring.batched_sends_from = 0;
  auto made = net::make_uring_engine(pool, ring);
  EXPECT_TRUE(made.has_value()) << made.error().message();
  FL_ASSERT(made.has_value());
  return std::move(made).value();
}

}  // namespace

std::string to_string(const EngineCase& c) {
  const std::string_view kind = c.kind == EngineKind::kEpoll ? "Epoll" : c.kind == EngineKind::kUring ? "Uring" : "UringBatched";
  return std::string(c.faulty ? "Fault" : "") + std::string(kind) + (c.family == IpAddress::Family::kV4 ? "V4" : "V6");
}

std::unique_ptr<net::IoEngine> make_engine(const EngineCase& engine_case, net::BufferPool& pool, const net::EngineOptions& options,
                                           const net::FaultPlan& faults) {
  auto plain = make_plain_engine(engine_case.kind, pool, options);
  if (!engine_case.faulty) return plain;
  return net::make_fault_engine(std::move(plain), pool, faults);
}

Instant monotonic_now() { return Instant(clock_now(CLOCK_MONOTONIC)); }
Duration process_cpu() { return clock_now(CLOCK_PROCESS_CPUTIME_ID); }

std::size_t open_fds() {
  DIR* dir = ::opendir("/proc/self/fd");
  FL_ASSERT(dir != nullptr);
  std::size_t count = 0;
  while (::readdir(dir) != nullptr) ++count;
  ::closedir(dir);
  return count;
}

std::optional<EngineRefusal> engine_refusal(const EngineCase& engine_case) {
  if (engine_case.kind == EngineKind::kEpoll) return std::nullopt;
  auto reason = net::uring_unusable_reason();
  if (!reason) return std::nullopt;
  EngineRefusal refusal{.reason = *reason};
  int disabled = 0;
  if (std::ifstream("/proc/sys/kernel/io_uring_disabled") >> disabled && disabled == 2) {
    refusal.by_kernel = true;
    refusal.reason += " (kernel.io_uring_disabled = 2)";
    return refusal;
  }
  if (::syscall(SYS_io_uring_setup, 1, nullptr) < 0 && (errno == ENOSYS || errno == EPERM)) {
    refusal.by_kernel = true;
    refusal.reason += errno == ENOSYS ? " (io_uring_setup: ENOSYS)" : " (io_uring_setup: EPERM)";
  }
  return refusal;
}

EngineDriver::EngineDriver(const EngineCase& engine_case, const Options& options) : pool_(options.blocks, options.block_bytes) {
  std::signal(SIGPIPE, SIG_IGN);  // As the daemon does: splice(2) knows no MSG_NOSIGNAL.
  engine_ = make_engine(engine_case, pool_, options.engine, options.faults);
  fault_ = dynamic_cast<net::FaultEngine*>(engine_.get());
  if (engine_case.kind == EngineKind::kUringBatched) blocks_per_send_max_ = 1;
}

EngineDriver::~EngineDriver() { finish(); }

void EngineDriver::finish() {
  if (!engine_) return;
  fault_ = nullptr;
  engine_.reset();
  for (Life& life : lives_) drop_kept(life);
  EXPECT_EQ(pool_.used(), 0U) << "C2: blocks lost";
}

Life& EngineDriver::enter(Result<net::SocketId> id, bool stream, std::uint32_t owner) {
  EXPECT_TRUE(id.has_value()) << id.error().message();
  FL_ASSERT(id.has_value());
  const auto index = static_cast<std::size_t>(*id);
  if (index >= id_lives_.size()) id_lives_.resize(index + 1, false);
  EXPECT_FALSE(id_lives_[index]) << "C3: the id of a living socket was given out again";
  id_lives_[index] = true;
  Life& life = lives_.emplace_back();
  open_.push_back(&life);
  life.owner = owner;
  life.id = *id;
  life.stream = stream;
  life.blocks_per_send_max = blocks_per_send_max_;
  life.out = ByteStream(seed_out(owner));
  life.in = ByteStream(seed_in(owner));
  return life;
}

Life& EngineDriver::listen(Fd listener) {
  const std::uint32_t owner = next_owner();
  return enter(engine_->listen(std::move(listener), owner), false, owner);
}

Life& EngineDriver::adopt(Fd socket) {
  const std::uint32_t owner = next_owner();
  Life& life = enter(engine_->adopt(std::move(socket), owner), true, owner);
  life.connected = 0;
  return life;
}

Life& EngineDriver::connect(Fd socket, const Endpoint& to) {
  const std::uint32_t owner = next_owner();
  return enter(engine_->connect(std::move(socket), to, owner), true, owner);
}

Life& EngineDriver::watch(int fd) {
  const std::uint32_t owner = next_owner();
  return enter(engine_->watch(fd, owner), false, owner);
}

void EngineDriver::want_read(Life& life, bool on) {
  life.reads = on;
  engine_->want_read(life.id, on);
}

bool EngineDriver::send(Life& life, std::size_t bytes, std::size_t block_max) {
  block_max = std::min(block_max, pool_.block_bytes());
  if (pool_.free() * block_max < bytes) return false;
  net::BufferChain chain;
  for (std::size_t left = bytes; left > 0;) {
    const std::size_t n = std::min(left, block_max);
    const BufferIndex index = pool_.take();
    life.out.fill({pool_.block(index), n});
    pool_.meta(index).length = static_cast<std::uint32_t>(n);
    chain.append(pool_, index);
    left -= n;
  }
  life.in_flight = bytes;
  engine_->send(life.id, chain);
  return true;
}

void EngineDriver::top_up(Life& life) {
  if (life.in_flight > 0 || life.closing || life.closed || life.error || life.connected != 0) return;
  Life* const source = life.echo ? &life : life.fed_by;
  if (source != nullptr && !source->kept.empty()) {
    life.in_flight = std::exchange(source->kept_bytes, 0);
    engine_->send(life.id, std::exchange(source->kept, {}));
  } else if (life.to_send > 0) {
    const std::size_t blocks = std::min<std::size_t>(pool_.free(), 1 + prng_.below(life.blocks_per_send_max));
    const std::size_t block_max = 1 + prng_.below(static_cast<std::uint32_t>(pool_.block_bytes()));
    const std::size_t bytes = std::min<std::size_t>(life.to_send, blocks * block_max);
    if (bytes == 0 || !send(life, bytes, block_max)) return;  // No block: the next turn tries again.
    life.to_send -= bytes;
  }
}

/// What can follow once the target of `source` has nothing in flight: the next send, the start of bulk, the end of file, more reading.
void EngineDriver::feed_on(Life& source) {
  Life* const target = source.echo ? &source : source.forward_to;
  if (target == nullptr || source.closing) return;
  if (target->closing || target->error) return drop_kept(source);
  top_up(*target);
  const std::size_t queued = target->in_flight + source.kept_bytes;
  if (source.bulk == BulkState::kReady && queued == 0) {
    if (engine_->bulk_start(source.id, target->id)) {
      source.bulk = BulkState::kOn;
      ++source.bulk_starts;
    } else {
      source.bulk = BulkState::kOff;
      ++source.bulk_refusals;
    }
  }
  if (source.eof && source.forward_to != nullptr && queued == 0 && !target->shut) shutdown_write(*target);
  if (source.error || source.bulk != BulkState::kOff) return;
  if (source.reads && queued >= source.high_water) want_read(source, false);
  if (!source.reads && queued < source.high_water) want_read(source, true);
}

void EngineDriver::shutdown_write(Life& life) {
  life.shut = true;
  engine_->shutdown_write(life.id);
}

void EngineDriver::bulk_prepare(Life& life) {
  life.bulk = BulkState::kAsked;
  life.reads = false;
  engine_->bulk_prepare(life.id);
}

void EngineDriver::close(Life& life, bool reset) {
  life.closing = true;
  life.in_flight = 0;
  life.to_send = 0;
  engine_->close(life.id, reset);
}

EngineDriver::Pair EngineDriver::make_pair(IpAddress::Family family) {
  auto [ours, theirs] = make_tcp_pair(family);
  Life& life = adopt(std::move(ours));
  return {life, add_peer(std::move(theirs), life)};
}

EngineDriver::Relay EngineDriver::make_relay(IpAddress::Family family, int socket_bytes) {
  auto [from_fd, source_fd] = make_tcp_pair(family, socket_bytes);
  auto [to_fd, drain_fd] = make_tcp_pair(family, socket_bytes);
  Life& from = adopt(std::move(from_fd));
  Life& to = adopt(std::move(to_fd));
  from.forward_to = &to;
  to.fed_by = &from;
  Peer& source = add_peer(std::move(source_fd), from);
  Peer& drain = peers_.emplace_back(std::move(drain_fd), seed_in(to.owner), seed_in(from.owner));
  want_read(from, true);
  return {from, source, to, drain};
}

Peer& EngineDriver::add_peer(Fd fd, const Life& life) {
  return peers_.emplace_back(std::move(fd), seed_in(life.owner), life.echo ? seed_in(life.owner) : seed_out(life.owner));
}

void EngineDriver::turn(Duration wait) {
  moved_ = false;
  for (Peer& peer : peers_) moved_ = peer.pump() || moved_;
  std::erase_if(open_, [](const Life* life) { return life->closed; });
  for (Life* life : open_) top_up(*life);
  const Instant deadline = moved_ ? Instant{} : monotonic_now() + wait;
  polling_ = true;
  turned_ = false;
  engine_->poll(deadline, *this);
  polling_ = false;
  EXPECT_TRUE(turned_) << "on_turn was not called";
}

bool EngineDriver::run_until(const std::function<bool()>& done, Duration limit) {
  const Instant end = monotonic_now() + limit;
  while (!done()) {
    if (testing::Test::HasFailure()) return false;
    if (monotonic_now() >= end) {
      ADD_FAILURE() << "nothing more happens after " << turns_ << " turns and " << events_ << " events";
      return false;
    }
    turn();
  }
  return true;
}

void EngineDriver::settle() {
  for (int quiet = 0; quiet < kQuietTurns;) {
    const std::uint64_t before = events_;
    turn(std::chrono::milliseconds(1));
    quiet = events_ == before && !moved_ ? quiet + 1 : 0;
  }
}

void EngineDriver::drop_kept(Life& life) {
  life.kept.clear(pool_);
  life.kept_bytes = 0;
}

void EngineDriver::close_all() {
  for (Life* life : open_) {
    if (!life->closing) close(*life);
  }
  run_until([this] { return std::all_of(open_.begin(), open_.end(), [](const Life* l) { return l->closed; }); });
  EXPECT_EQ(engine_->open_sockets(), 0U);
}

void EngineDriver::on_turn() {
  EXPECT_TRUE(polling_) << "C1: on_turn outside poll";
  EXPECT_FALSE(turned_) << "on_turn twice in one poll";
  turned_ = true;
  ++turns_;
}

void EngineDriver::on_event(const Event& event) {
  ++events_;
  EXPECT_TRUE(polling_ && turned_) << "C1: an event outside poll, or before on_turn";
  if (event.owner >= lives_.size()) {
    ADD_FAILURE() << "an event for an owner that never was: " << event.owner;
    return;
  }
  Life& life = lives_[event.owner];
  const auto kind = static_cast<int>(event.kind);
  EXPECT_EQ(event.socket, life.id) << "kind " << kind;
  EXPECT_FALSE(life.closed) << "C3: kind " << kind << " after kClosed";
  EXPECT_TRUE(!life.closing || event.kind == EventKind::kClosed) << "C3: kind " << kind << " after close()";
  EXPECT_TRUE(!life.error || event.kind == EventKind::kClosed) << "C6: kind " << kind << " after kError";
  EXPECT_TRUE(life.connected == 0 || !life.stream || event.kind == EventKind::kConnected || event.kind == EventKind::kClosed)
      << "kind " << kind << " before kConnected, or after it failed";
  record(life, event);
  if (life.then) life.then(life, event);
}

void EngineDriver::record(Life& life, const Event& event) {
  switch (event.kind) {
    case EventKind::kAccepted: life.accepted.emplace_back(event.fd); break;
    case EventKind::kAcceptFailed: life.accept_errors.push_back(event.error); break;
    case EventKind::kReadable: ++life.readable; break;
    case EventKind::kConnected:
      EXPECT_FALSE(life.connected.has_value()) << "kConnected twice";
      life.connected = event.error;
      break;
    case EventKind::kData: record_data(life, event); break;
    case EventKind::kEof:
      EXPECT_FALSE(life.eof) << "C6: kEof twice";
      EXPECT_TRUE(life.reads || life.bulk == BulkState::kOn) << "C5: kEof while reading is off";
      life.eof = true;
      life.bulk = BulkState::kOff;
      feed_on(life);
      break;
    case EventKind::kSent:
      EXPECT_GT(event.bytes, 0U);
      EXPECT_LE(event.bytes, life.in_flight) << "C4: more sent than was in flight";
      life.in_flight -= std::min<std::uint64_t>(event.bytes, life.in_flight);
      life.sent += event.bytes;
      top_up(life);
      if (life.echo || life.fed_by != nullptr) feed_on(life.echo ? life : *life.fed_by);
      break;
    case EventKind::kBulkReady:
    case EventKind::kMoved:
    case EventKind::kBulkEnded: record_bulk(life, event); break;
    case EventKind::kError:
      EXPECT_NE(event.error, 0);
      life.error = event.error;
      life.in_flight = 0;
      break;
    case EventKind::kClosed:
      EXPECT_TRUE(life.closing) << "kClosed without close()";
      life.closed = true;
      id_lives_[static_cast<std::size_t>(life.id)] = false;
      break;
  }
}

void EngineDriver::record_bulk(Life& life, const Event& event) {
  if (event.kind == EventKind::kBulkReady) {
    EXPECT_EQ(life.bulk, BulkState::kAsked) << "C8: kBulkReady that nobody asked for";
    life.bulk = BulkState::kReady;
    return feed_on(life);
  }
  EXPECT_EQ(life.bulk, BulkState::kOn) << "C8: kMoved or kBulkEnded without bulk";
  if (event.kind == EventKind::kMoved) {
    EXPECT_GT(event.bytes, 0U);
    life.moved += event.bytes;
    life.received += event.bytes;
    life.in.skip(event.bytes);  // The drain checks them.
    return;
  }
  ++life.bulk_ends;
  life.bulk = BulkState::kOff;
  feed_on(life);
}

void EngineDriver::record_data(Life& life, const Event& event) {
  EXPECT_FALSE(life.eof) << "C6: kData after kEof";
  EXPECT_TRUE(life.bulk == BulkState::kOff || life.bulk == BulkState::kAsked) << "C8: kData after kBulkReady";
  const auto bytes = pool_.bytes(event.buffer);
  EXPECT_EQ(event.bytes, bytes.size());
  EXPECT_GT(bytes.size(), 0U);
  ++life.data_events;
  life.received += bytes.size();
  if (life.check_in && !life.in.check(bytes)) ADD_FAILURE() << "owner " << life.owner << ": wrong from byte " << *life.in.first_wrong();
  if (!life.echo && !life.keep && life.forward_to == nullptr) return pool_.give_back(event.buffer);
  life.kept_bytes += bytes.size();
  life.kept.append(pool_, event.buffer);
  if (life.bulk == BulkState::kOff)
    feed_on(life);
  else if (life.forward_to != nullptr)
    top_up(*life.forward_to);
}

}  // namespace fairlead::support
