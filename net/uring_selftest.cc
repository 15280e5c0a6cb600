// A functional self-test of the ring, with the engine that would serve: kernels, seccomp profiles and sandboxes differ in what they allow,
// and version numbers do not tell (docs/internals/engines.md).
#include <algorithm>
#include <cerrno>
#include <string>
#include <sys/socket.h>

#include "base/sockaddr.h"
#include "base/system_clock.h"
#include "net/io_engine.h"

namespace fairlead::net {
namespace {

constexpr std::uint32_t kListener = 1;
constexpr std::uint32_t kServer = 2;
constexpr std::uint32_t kClient = 3;

/// Two sockets talk through the engine: 40 KB client to server (three blocks), a paused and resumed reader, an answer, both ends of file.
class SelfTest final : public EventSink {
 public:
  explicit SelfTest(IoEngine& engine, BufferPool& pool) : engine_(engine), pool_(pool) {}

  std::optional<std::string> run() {
    Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const SocketAddress any = to_sockaddr({IpAddress::v4({127, 0, 0, 1}), 0});
    if (!listener.valid() || ::bind(listener.get(), any.get(), any.size) != 0 || ::listen(listener.get(), 4) != 0)
      return errno_error("self-test: loopback listener").message();
    const Endpoint address = local_of(listener.get());
    auto listening = engine_.listen(std::move(listener), kListener);
    auto client = engine_.connect(Fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)), address, kClient);
    if (!listening || !client) return "self-test: " + (listening ? client.error() : listening.error()).message();
    client_ = *client;
    const Instant deadline = clock_.now() + std::chrono::seconds(2);
    while (!done() && problem_.empty()) {
      if (clock_.now() >= deadline) return "self-test: no answer within 2 s while " + stage();
      engine_.poll(clock_.now() + std::chrono::milliseconds(50), *this);
    }
    if (!problem_.empty()) return "self-test: " + problem_;
    return std::nullopt;
  }

  void on_turn() override {}
  void on_event(const Event& event) override {
    switch (event.kind) {
      case EventKind::kAccepted: return accepted(event);
      case EventKind::kConnected:
        if (event.error != 0)
          problem_ = errno_error("connect", event.error).message();
        else
          send(client_, kUpload);
        return;
      case EventKind::kData:
        pool_.give_back(event.buffer);
        received_[event.owner == kServer ? 0 : 1] += event.bytes;
        if (event.owner == kServer && !paused_) {
          paused_ = true;  // The cancel must end the receive, and want_read(on) bring the rest.
          engine_.want_read(server_, false);
          engine_.want_read(server_, true);
        }
        return advance();
      case EventKind::kSent:
        if (event.owner == kServer) engine_.shutdown_write(server_);
        return;
      case EventKind::kEof: ends_ |= event.owner == kServer ? 1U : 2U; return advance();
      case EventKind::kError:
      case EventKind::kAcceptFailed: problem_ = errno_error("socket", event.error).message(); return;
      case EventKind::kClosed:
      case EventKind::kBulkReady:
      case EventKind::kMoved:
      case EventKind::kBulkEnded:
      case EventKind::kReadable: return;
    }
  }

 private:
  static constexpr std::uint32_t kUpload = 40 * 1024;
  static constexpr std::uint32_t kAnswer = 100;

  void accepted(const Event& event) {
    auto server = engine_.adopt(Fd(event.fd), kServer);
    if (!server) {
      problem_ = server.error().message();
      return;
    }
    server_ = *server;
    engine_.want_read(server_, true);
  }

  void send(SocketId socket, std::uint32_t bytes) {
    BufferChain chain;
    while (bytes > 0) {
      const BufferIndex buffer = pool_.take();
      if (buffer == kNoBuffer) {
        chain.clear(pool_);
        problem_ = "no buffer";
        return;
      }
      const auto part = std::min<std::uint32_t>(bytes, static_cast<std::uint32_t>(pool_.block_bytes()));
      pool_.meta(buffer).length = part;
      chain.append(pool_, buffer);
      bytes -= part;
    }
    engine_.send(socket, chain);
  }

  void advance() {
    if (received_[0] == kUpload && !answered_) {
      answered_ = true;
      engine_.want_read(client_, true);
      send(server_, kAnswer);
    }
    if (received_[1] == kAnswer && (ends_ & 2U) != 0 && !closed_) {
      closed_ = true;
      engine_.shutdown_write(client_);
    }
  }

  [[nodiscard]] bool done() const { return ends_ == 3U && received_[0] == kUpload && received_[1] == kAnswer; }
  [[nodiscard]] std::string stage() const {
    if (server_ == kNoSocket) return "accepting";
    if (received_[0] < kUpload) return "receiving into provided buffers";
    return "waiting for the end of file";
  }

  IoEngine& engine_;
  BufferPool& pool_;
  SystemClock clock_;
  SocketId client_ = kNoSocket;
  SocketId server_ = kNoSocket;
  std::uint32_t received_[2] = {0, 0};
  unsigned ends_ = 0;
  bool paused_ = false;
  bool answered_ = false;
  bool closed_ = false;
  std::string problem_;
};

}  // namespace

std::optional<std::string> uring_unusable_reason() {
  BufferPool pool(16);
  auto engine = make_uring_engine(pool);
  if (!engine) return engine.error().message();
  return SelfTest(**engine, pool).run();
}

}  // namespace fairlead::net
