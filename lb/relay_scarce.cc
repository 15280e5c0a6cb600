// What keeps connections that do not get on from taking the worker's blocks.
//
// A block (16 KiB) is what a single byte costs. So what a client sends early waits outside the pool: a PROXY header until it is whole, and
// while blocks are scarce also the first bytes for a server that is not connected yet. And where readers that take nothing hold most of the
// pool, those that have stalled longest lose their connections: else every relay of the worker would wait for them.
#include <algorithm>
#include <cstring>

#include "base/sockaddr.h"
#include "lb/proxy_protocol.h"
#include "lb/relay_table.h"

namespace fairlead::lb {

/// accept_proxy: the header may come in pieces; what follows it is the connection's first data.
void RelayTable::header_data(std::uint32_t slot, net::BufferIndex buffer) {
  Connection& c = connections_[slot];
  std::span<const std::byte> all = env_.pool.bytes(buffer);
  const std::size_t before = c.first_bytes ? c.first_bytes->size() : 0;
  if (before > 0) {
    const auto more = all.first(std::min(all.size(), kProxyHeaderBytesMax - before));
    c.first_bytes->insert(c.first_bytes->end(), more.begin(), more.end());
    all = *c.first_bytes;
  }
  const ProxyParse parsed = parse_proxy_header(all.first(std::min(all.size(), kProxyHeaderBytesMax)));
  const auto* header = std::get_if<ProxyHeader>(&parsed);
  if (header == nullptr) {
    const bool more = std::holds_alternative<ProxyNeedMore>(parsed);
    if (more && before == 0) c.first_bytes = std::make_unique<std::vector<std::byte>>(all.begin(), all.end());
    env_.pool.give_back(buffer);
    return more ? void() : abort(slot, EndCause::kProxyHeader);
  }
  c.first_bytes.reset();
  net::BufferMeta& meta = env_.pool.meta(buffer);
  meta.offset += static_cast<std::uint32_t>(header->length - before);
  meta.length -= static_cast<std::uint32_t>(header->length - before);
  if (header->source) c.client = *header->source;
  c.wants_header = false;
  const Admission admission = admit_source(listener_of(c), c.client.address, now_, env_.sources);
  c.source_counted = admission.source_counted;
  if (!admission) {
    stats_of(c).shed[static_cast<std::size_t>(admission.refusal)].add();
    env_.pool.give_back(buffer);
    return abort(slot, EndCause::kRefused);
  }
  wheel_.cancel(slot);
  begin(slot);
  const std::uint32_t rest = meta.length;
  if (rest == 0 || connections_[slot].core.is_closing()) return env_.pool.give_back(buffer);
  if (!keep_outside(c, buffer)) enqueue(c.queue[0], buffer);
  RelayOps ops;
  c.core.data(Side::kClient, rest, marks_, now_, ops);
  run(slot, ops);
}

/// While blocks are scarce the first bytes for a server that does not answer yet wait outside the pool, a block's worth at most.
bool RelayTable::keep_outside(Connection& c, net::BufferIndex buffer) {
  if (!c.core.is_connecting() || !c.queue[0].empty() || env_.pool.available() >= env_.pool.count() / 4) return false;
  const auto bytes = env_.pool.bytes(buffer);
  if ((c.first_bytes ? c.first_bytes->size() : 0) + bytes.size() > env_.pool.block_bytes()) return false;
  if (!c.first_bytes) c.first_bytes = std::make_unique<std::vector<std::byte>>();
  c.first_bytes->insert(c.first_bytes->end(), bytes.begin(), bytes.end());
  env_.pool.give_back(buffer);
  return true;
}

bool RelayTable::put_in_front(net::BufferChain& queue, std::span<const std::byte> bytes) {
  const net::BufferIndex buffer = env_.pool.take();
  if (buffer == net::kNoBuffer) return false;
  std::memcpy(env_.pool.block(buffer), bytes.data(), bytes.size());
  env_.pool.meta(buffer).length = static_cast<std::uint32_t>(bytes.size());
  queue.prepend(env_.pool, buffer);
  return true;
}

/// The server answered: what waited outside the pool goes to it, behind a PROXY header where one is wanted. False when no block is free
/// now: stalled readers may hold them all for a moment, which is no reason to end a connection.
bool RelayTable::put_first(Connection& c, std::uint32_t& header_bytes) {
  if (c.first_bytes && !put_in_front(c.queue[0], *c.first_bytes)) return false;
  c.first_bytes.reset();
  const RoutePool& pool = pool_of(c);
  if (pool.send_proxy == config::SendProxy::kOff) return true;
  const ProxyHeaderBytes header = build_proxy_header(pool.send_proxy, c.client, local_of(env_.engine.fd_of(c.socket[0])));
  if (!put_in_front(c.queue[0], header.view())) return false;
  header_bytes = static_cast<std::uint32_t>(header.view().size());
  return true;
}

/// Blocks have been short for a while. Those whose readers have taken nothing for longest give theirs back, until a quarter is free again,
/// but only where such readers are the reason: when they hold half of the pool.
void RelayTable::relieve() {
  struct Stalled {
    Duration since;
    std::uint32_t slot;
    std::size_t blocks;
  };
  std::vector<Stalled> stalled;
  std::size_t blocks = 0;
  for (std::uint32_t slot = 0; slot < connections_.high_mark(); ++slot) {
    if (!connections_.is_live(slot) || !connections_[slot].core.is_open()) continue;
    Stalled found{.since = {}, .slot = slot, .blocks = 0};
    for (const Side from : {Side::kClient, Side::kServer}) {
      const Duration since = connections_[slot].core.stalled(from, now_);
      if (since < kStallMin) continue;
      found.since = std::max(found.since, since);
      found.blocks += 1 + connections_[slot].core.held(from) / env_.pool.block_bytes();
    }
    if (found.blocks == 0) continue;
    blocks += found.blocks;
    stalled.push_back(found);
  }
  if (blocks < env_.pool.count() / 2) return;
  std::sort(stalled.begin(), stalled.end(), [](const Stalled& a, const Stalled& b) { return a.since > b.since; });
  std::size_t freed = 0;
  for (const Stalled& s : stalled) {
    if (freed >= env_.pool.count() / 4) return;
    freed += s.blocks;
    abort(s.slot, EndCause::kStalled);
  }
}

}  // namespace fairlead::lb
