#include "bench/macro/client_pool.h"

#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <sys/socket.h>

namespace fairlead::bench {

ClientPool::ClientPool(Poller poller, ClientOptions options) : poller_(std::move(poller)), options_(std::move(options)) {
  clients_.reserve(options_.connections);
  (void)Pattern::get();  // made now, not inside the first measured reply
}

ClientPool::Slot ClientPool::add_slot(Shape shape) {
  clients_.emplace_back();
  clients_.back().shape = shape;
  return slots() - 1;
}

void ClientPool::fail(std::uint64_t ErrorCounts::*kind, const std::string& what) {
  if (errors_.total() == 0) errors_.first = what;
  ++(errors_.*kind);
}

void ClientPool::open(Slot slot) {
  const Endpoint& target = options_.targets[opened_ % options_.targets.size()];
  const auto host = static_cast<std::uint8_t>(1 + opened_ % options_.sources);
  const Endpoint source{IpAddress::v4({127, 0, 0, host}), 0};
  ++opened_;
  auto fd = start_connect(target, options_.sources > 1 ? &source : nullptr);
  if (!fd) {
    fail(&ErrorCounts::connect, fd.error().message());
    return on_lost(slot);
  }
  Client& client = clients_[slot];
  const std::uint32_t generation = client.link.generation + 1;
  const Shape shape = client.shape;
  client = Client{};
  client.shape = shape;
  client.link.generation = generation;
  client.link.fd = std::move(*fd);
  if (const auto added = poller_.add(client.link.fd.get(), token_of(slot, generation)); !added)
    lose(slot, &ErrorCounts::connect, added.error().message());
}

void ClientPool::request(Slot slot, std::uint32_t flags) {
  Client& client = clients_[slot];
  client.link.writer.add({.magic = kRequestMagic,
                          .flags = flags,
                          .length = client.shape.request_length,
                          .reply_length = client.shape.reply_length,
                          .tag = std::uint64_t{slot} << 32 | (client.asked & 0xffffffffU)});
  ++client.asked;
  ++outstanding_;
}

void ClientPool::watch(Slot slot) {
  Client& client = clients_[slot];
  client.link.writer.add({.magic = kRequestMagic,
                          .flags = kFlagWatch,
                          .length = client.shape.request_length,
                          .reply_length = client.shape.reply_length,
                          .tag = kEventTag | std::uint64_t{slot} << 32});
}

void ClientPool::close(Slot slot) {
  Client& client = clients_[slot];
  outstanding_ -= client.asked - client.answered;
  client.asked = client.answered = 0;
  client.link.fd.reset();
}

void ClientPool::finish(Slot slot) {
  ++totals_.connections;
  clients_[slot].finished = true;
}

void ClientPool::lose(Slot slot, std::uint64_t ErrorCounts::*kind, const std::string& what) {
  fail(kind, what);
  close(slot);
  on_lost(slot);
}

bool ClientPool::check_reply(Slot slot, const Header& reply, bool intact) {
  Client& client = clients_[slot];
  const bool event = (reply.tag & kEventTag) != 0;
  const std::uint64_t number = (event ? client.events : client.answered) & 0xffffffffU;
  const std::uint64_t tag = (event ? kEventTag : 0) | std::uint64_t{slot} << 32 | number;
  if (reply.tag != tag || reply.length != client.shape.reply_length) {
    fail(&ErrorCounts::damaged,
         fmt::format("reply {:x} of {} bytes instead of {:x} of {}", reply.tag, reply.length, tag, client.shape.reply_length));
  } else if (!intact) {
    fail(&ErrorCounts::damaged, "wrong bytes in a reply");
  } else if ((reply.flags & kFlagDamaged) != 0) {
    fail(&ErrorCounts::damaged, "the backend got wrong bytes in a request");
  }
  if (event) {
    ++client.events;
    ++totals_.events;
    return true;
  }
  if (client.answered == client.asked) {
    fail(&ErrorCounts::damaged, "a reply that nobody asked for");
    return true;
  }
  ++client.answered;
  --outstanding_;
  ++totals_.replies;
  return false;
}

void ClientPool::read(Slot slot, std::uint32_t events) {
  Client& client = clients_[slot];
  const bool hung_up = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
  const auto progress = receive_messages(client.link, hung_up, [&](const Header& reply, bool intact) {
    if (check_reply(slot, reply, intact)) {
      on_event(slot);
    } else {
      on_reply(slot);
    }
  });
  totals_.received += progress.bytes;
  if (client.finished) {
    close(slot);
    return on_finished(slot);
  }
  switch (progress.outcome) {
    case ReadOutcome::kMore: again_.push_back(token_of(slot, client.link.generation)); break;
    case ReadOutcome::kDrained: break;
    case ReadOutcome::kEof: return lose(slot, &ErrorCounts::lost, "connection closed by the other side");
    case ReadOutcome::kFailed: return lose(slot, &ErrorCounts::lost, fmt::format("receive: {}", std::strerror(progress.sys_errno)));
    case ReadOutcome::kNotOurs: return lose(slot, &ErrorCounts::damaged, "bytes that are no reply of ours");
  }
}

void ClientPool::flush(Slot slot) {
  Client& client = clients_[slot];
  const auto progress = client.link.writer.flush(client.link.fd.get(), kTurnBytes);
  totals_.sent += progress.bytes;
  if (progress.outcome == MessageWriter::Outcome::kBudget) again_.push_back(token_of(slot, client.link.generation));
  if (progress.outcome == MessageWriter::Outcome::kFailed) {
    lose(slot, &ErrorCounts::lost, fmt::format("send: {}", std::strerror(progress.sys_errno)));
  }
}

void ClientPool::turn(Slot slot, std::uint32_t events) {
  Client& client = clients_[slot];
  if (!client.connected) {
    int error = 0;
    socklen_t size = sizeof error;
    if ((events & (EPOLLERR | EPOLLHUP)) != 0 && ::getsockopt(client.link.fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 &&
        error != 0) {
      return lose(slot, &ErrorCounts::connect, fmt::format("connect: {}", std::strerror(error)));
    }
    if ((events & EPOLLOUT) == 0) return;
    client.connected = true;
    on_connected(slot);
  }
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) read(slot, events);
  if (is_open(slot) && !client.link.writer.empty()) flush(slot);
}

Status ClientPool::poll(Duration at_most) {
  std::vector<Slot> opening;
  opening.swap(to_open_);
  for (const Slot slot : opening) open(slot);
  const auto events = poller_.wait(events_, again_.empty() && to_open_.empty() ? at_most : Duration{});
  if (!events) return events.error();
  std::vector<std::uint64_t> resumed;
  resumed.swap(again_);
  const auto current = [&](std::uint64_t token) {
    const Link& link = clients_[index_of(token)].link;
    return link.fd.valid() && link.generation == generation_of(token);
  };
  for (const epoll_event& event : *events) {
    if (current(event.data.u64)) turn(index_of(event.data.u64), event.events);
  }
  for (const std::uint64_t token : resumed) {
    if (current(token)) turn(index_of(token), EPOLLIN | EPOLLOUT);
  }
  return {};
}

void ClientPool::count_unfinished() {
  for (Slot slot = 0; slot < slots(); ++slot) {
    for (std::uint64_t i = outstanding(slot); i > 0; --i) fail(&ErrorCounts::unfinished, "no reply within the drain limit");
  }
}

}  // namespace fairlead::bench
