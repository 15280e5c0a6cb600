// An engine without a kernel: it records every call as a line and reports the events that a test put into it. Accepts every descriptor
// number, also -1, and never closes one.
#pragma once

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "net/io_engine.h"

namespace fairlead::support {

class ScriptEngine final : public net::IoEngine {
 public:
  explicit ScriptEngine(net::BufferPool& pool) : pool_(pool) {}
  ~ScriptEngine() override {
    for (const net::Event& event : events_) {
      if (event.kind == net::EventKind::kData) pool_.give_back(event.buffer);
    }
    for (auto& chain : sending_) chain.clear(pool_);
  }

  /// To be reported by the next poll().
  void put(const net::Event& event) { events_.push_back(event); }
  /// Takes `bytes` of the socket's send in flight and reports them.
  void take_sent(std::uint32_t socket, std::uint32_t bytes) {
    sending_[socket].consume(pool_, bytes);
    put({.kind = net::EventKind::kSent, .socket = net::SocketId{socket}, .owner = owners_[socket], .bytes = bytes});
  }
  [[nodiscard]] std::uint32_t in_flight(std::uint32_t socket) const {
    std::uint32_t bytes = 0;
    for (auto at = sending_[socket].head; at != net::kNoBuffer; at = pool_.meta(at).next) bytes += pool_.meta(at).length;
    return bytes;
  }
  [[nodiscard]] const std::vector<std::string>& calls() const { return calls_; }
  [[nodiscard]] bool waited() const { return waited_; }  ///< Whether the last poll() was allowed to wait.

  [[nodiscard]] std::string_view name() const override { return "script"; }
  [[nodiscard]] Result<net::SocketId> listen(Fd, std::uint32_t owner) override { return enter("listen", owner); }
  void resume_accept(net::SocketId socket) override { note("resume_accept", socket); }
  [[nodiscard]] Result<net::SocketId> adopt(Fd, std::uint32_t owner) override { return enter("adopt", owner); }
  [[nodiscard]] Result<net::SocketId> connect(Fd, const Endpoint&, std::uint32_t owner) override { return enter("connect", owner); }
  [[nodiscard]] Result<net::SocketId> watch(int, std::uint32_t owner) override { return enter("watch", owner); }
  void want_read(net::SocketId socket, bool on) override { note(on ? "read on" : "read off", socket); }
  void send(net::SocketId socket, net::BufferChain chain) override {
    sending_[static_cast<std::size_t>(socket)] = chain;
    note("send " + std::to_string(in_flight(static_cast<std::uint32_t>(socket))), socket);
  }
  void bulk_prepare(net::SocketId socket) override { note("bulk_prepare", socket); }
  [[nodiscard]] bool can_bulk() const override { return true; }
  [[nodiscard]] bool bulk_start(net::SocketId from, net::SocketId) override {
    note("bulk_start", from);
    return true;
  }
  void shutdown_write(net::SocketId socket) override { note("shutdown", socket); }
  void close(net::SocketId socket, bool reset) override {
    note(reset ? "reset" : "close", socket);
    sending_[static_cast<std::size_t>(socket)].clear(pool_);
  }
  [[nodiscard]] int fd_of(net::SocketId socket) const override { return 1000 + static_cast<int>(socket); }
  void poll(Instant deadline, net::EventSink& sink) override {
    waited_ = deadline == Instant::max();
    ++counters_.turns;
    sink.on_turn();
    for (const net::Event& event : std::exchange(events_, {})) sink.on_event(event);
  }
  [[nodiscard]] const net::EngineCounters& counters() const override { return counters_; }
  [[nodiscard]] std::size_t open_sockets() const override { return owners_.size(); }

 private:
  Result<net::SocketId> enter(const std::string& what, std::uint32_t owner) {
    owners_.push_back(owner);
    sending_.emplace_back();
    const net::SocketId id{static_cast<std::uint32_t>(owners_.size() - 1)};
    note(what, id);
    return id;
  }
  void note(const std::string& what, net::SocketId socket) {
    const std::string number = std::to_string(static_cast<std::uint32_t>(socket));
    calls_.push_back("turn " + std::to_string(counters_.turns) + " socket " + number + ": " + what);
  }

  net::BufferPool& pool_;
  std::vector<net::Event> events_;
  std::vector<std::uint32_t> owners_;
  std::deque<net::BufferChain> sending_;
  std::vector<std::string> calls_;
  net::EngineCounters counters_;
  bool waited_ = false;
};

}  // namespace fairlead::support
