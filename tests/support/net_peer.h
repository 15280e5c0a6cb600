// The other side of a connection in a test: plain non-blocking sockets on loopback, driven by hand in the test's own thread, and byte
// streams whose every byte follows from seed and position, so that the first wrong byte is known by its place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "base/fd.h"
#include "base/ip_address.h"
#include "base/prng.h"

namespace fairlead::support {

/// An endless pseudo-random stream, written or checked in order.
class ByteStream {
 public:
  explicit ByteStream(std::uint64_t seed) : seed_(seed) {}
  void fill(std::span<std::byte> out);
  /// Whether these are the stream's next bytes. After the first wrong byte everything is wrong.
  bool check(std::span<const std::byte> in);
  void skip(std::uint64_t bytes);  ///< Bytes that somebody else checks.
  [[nodiscard]] std::uint64_t position() const { return position_; }
  [[nodiscard]] std::optional<std::uint64_t> first_wrong() const { return first_wrong_; }

 private:
  [[nodiscard]] std::byte next();

  std::uint64_t seed_;
  std::uint64_t position_ = 0;
  std::uint64_t word_ = 0;
  std::optional<std::uint64_t> first_wrong_;
};

/// Loopback of that family, port 0.
[[nodiscard]] Endpoint loopback(IpAddress::Family family);
/// All abort the test program when the kernel refuses: a machine without loopback can run none of these tests.
[[nodiscard]] Fd make_socket(IpAddress::Family family);        ///< TCP, non-blocking, close-on-exec.
[[nodiscard]] Fd make_bound_socket(IpAddress::Family family);  ///< On a port of the kernel's choice; not listening.
/// `socket_bytes`: small socket buffers from the start (0: the kernel's). Rationale: not afterwards. A window that was promised and then
/// shrinks makes the kernel drop segments together with the acknowledgements in them; two such ends wait seconds for each other.
[[nodiscard]] Fd make_listener(IpAddress::Family family, int backlog = 1024, int socket_bytes = 0);
[[nodiscard]] Fd start_connect(const Endpoint& to, int socket_bytes = 0);  ///< Non-blocking; may be in progress.
[[nodiscard]] std::optional<Fd> accept_one(int listener);                  ///< Waits up to 5 s; non-blocking socket.
/// Two connected ends.
[[nodiscard]] std::pair<Fd, Fd> make_tcp_pair(IpAddress::Family family, int socket_bytes = 0);
/// Waits until one of poll(2)'s `events` is there; false after 5 s.
bool wait_for(int fd, short events);

/// One peer: sends its stream and checks the other's.
class Peer {
 public:
  /// `out_seed`, `in_seed`: the streams it sends and expects.
  Peer(Fd fd, std::uint64_t out_seed, std::uint64_t in_seed) : fd_(std::move(fd)), out_(out_seed), in_(in_seed), prng_(out_seed) {}

  void send_more(std::uint64_t bytes) { to_send_ += bytes; }
  /// Sends and reads what can be sent and read now, in chunks of random size. Returns whether anything moved.
  bool pump();
  /// One send(2), one recv(2) of at most `max`; the byte count, 0 when nothing moved.
  std::size_t write_some(std::size_t max);
  std::size_t read_some(std::size_t max);
  void shutdown_write();
  void close() { fd_.reset(); }
  void reset();  ///< Closes with an RST.

  bool reading = true;             ///< Whether pump() reads.
  bool fin_after_send = false;     ///< pump() shuts down writing when all was sent.
  std::size_t chunk_max = 20'000;  ///< Of pump().

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] std::uint64_t sent() const { return sent_; }
  [[nodiscard]] std::uint64_t received() const { return in_.position(); }
  [[nodiscard]] std::uint64_t unsent() const { return to_send_; }
  [[nodiscard]] std::optional<std::uint64_t> first_wrong() const { return in_.first_wrong(); }
  [[nodiscard]] bool eof() const { return eof_; }
  [[nodiscard]] int error() const { return error_; }  ///< ECONNRESET and the like.

 private:
  Fd fd_;
  ByteStream out_;
  ByteStream in_;
  Prng prng_;
  std::uint64_t to_send_ = 0;
  std::uint64_t sent_ = 0;
  bool fin_sent_ = false;
  bool eof_ = false;
  int error_ = 0;
};

}  // namespace fairlead::support
