// A WebSocket client made of bytes (RFC 6455), so that tests can also say what no library would.
#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>

#include "tests/contract/admin/api_fixture.h"

namespace fairlead::testing {

enum class Opcode : unsigned char { kContinuation = 0, kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10 };

struct Frame {
  Opcode opcode = Opcode::kText;
  std::string payload;
  [[nodiscard]] boost::json::value json() const { return boost::json::parse(payload); }
  /// Of a close frame; 0: none.
  [[nodiscard]] unsigned code() const {
    if (opcode != Opcode::kClose || payload.size() < 2) return 0;
    return static_cast<unsigned char>(payload[0]) * 256U + static_cast<unsigned char>(payload[1]);
  }
};

class WatchClient {
 public:
  explicit WatchClient(RawClient client) : client_(std::move(client)) {}

  static std::string handshake_text(const std::string& target, const std::string& headers = "") {
    return "GET " + target +
           " HTTP/1.1\r\nHost: localhost:9440\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
           headers + "\r\n";
  }
  /// Upgrades; returns the head of the answer.
  std::string open(const std::string& target = "/api/v1/watch", const std::string& headers = "") {
    EXPECT_TRUE(client_.send(handshake_text(target, headers)));
    return client_.read_until("\r\n\r\n");
  }
  /// As a client does: masked. Without `fin` it is the first part of a message.
  bool send(Opcode opcode, std::string_view payload, bool fin = true, bool masked = true) {
    std::string bytes;
    bytes += static_cast<char>((fin ? 0x80U : 0U) | static_cast<unsigned>(opcode));
    const unsigned mask_bit = masked ? 0x80U : 0U;
    if (payload.size() < 126) {
      bytes += static_cast<char>(mask_bit | payload.size());
    } else {
      bytes += static_cast<char>(mask_bit | 126U);
      bytes += static_cast<char>(payload.size() >> 8U);
      bytes += static_cast<char>(payload.size() & 255U);
    }
    if (masked) bytes += std::string(4, '\0');  // A mask of zeros changes nothing.
    bytes += payload;
    return client_.send(bytes);
  }
  bool send_raw(std::string_view bytes) { return client_.send(bytes); }
  /// nullopt: the connection ended, or nothing came for ten seconds (`ended` tells).
  std::optional<Frame> read() {
    const auto head = take(2);
    if (!head) return std::nullopt;
    Frame out;
    out.opcode = static_cast<Opcode>(static_cast<unsigned char>((*head)[0]) & 15U);
    std::uint64_t size = static_cast<unsigned char>((*head)[1]) & 127U;
    if (size >= 126) {
      const auto more = take(size == 126 ? 2 : 8);
      if (!more) return std::nullopt;
      size = 0;
      for (const char c : *more) size = size << 8U | static_cast<unsigned char>(c);
    }
    auto payload = take(size);
    if (!payload) return std::nullopt;
    out.payload = std::move(*payload);
    return out;
  }
  /// The next frame of this type; pings are answered, other frames passed over.
  std::optional<boost::json::value> next(std::string_view type) {
    while (auto frame = read()) {
      if (frame->opcode == Opcode::kPing) (void)send(Opcode::kPong, frame->payload);
      if (frame->opcode != Opcode::kText) continue;
      auto value = frame->json();
      if (value.at("type").as_string() == type) return value;
    }
    return std::nullopt;
  }
  /// Until the close frame; 0: the connection ended without one.
  unsigned close_code() {
    while (auto frame = read()) {
      if (frame->opcode == Opcode::kClose) return frame->code();
    }
    return 0;
  }
  void finish_sending() { client_.finish_sending(); }
  bool ended = false;

 private:
  std::optional<std::string> take(std::uint64_t size) {
    while (buffer_.size() < size) {
      auto chunk = client_.read_some();
      if (chunk.empty()) {
        ended = client_.ended;
        return std::nullopt;
      }
      buffer_ += chunk;
    }
    std::string out = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return out;
  }
  RawClient client_;
  std::string buffer_;
};

}  // namespace fairlead::testing
