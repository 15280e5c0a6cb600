// fairlead: pure
// What is logged when a connection ends: filled in by a worker as plain bytes, made a line by the log thread.
//
// It crosses threads by copy, and the table that knew the names may be gone by then: hence names in the record, cut to its fields. Two
// names that differ only behind the cut look alike in the log; the cut is marked.
// Keys of the line: docs/reference/connection-log.md.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/ip_address.h"
#include "base/log.h"
#include "base/time.h"
#include "lb/termination.h"

namespace fairlead::lb {

/// Padded with NUL; full when all bytes are used.
template <std::size_t N>
using ShortName = std::array<char, N>;

struct ConnectionRecord {
  WallTime ended{};
  std::uint64_t total_ms = 0;
  std::uint64_t bytes_in = 0;   ///< From the client, taken by the server's kernel.
  std::uint64_t bytes_out = 0;  ///< To the client.
  Endpoint client;
  Endpoint local;                          ///< Our end of the server leg; port 0: there was none.
  std::int32_t connect_ms = -1;            ///< Of the connect that succeeded; -1: none did.
  std::uint32_t listener_connections = 0;  ///< Now, this one included; likewise below.
  std::uint32_t server_connections = 0;
  TerminationLetters letters{'-', '-'};
  std::uint8_t retries = 0;
  ShortName<48> listener{};
  ShortName<48> pool{};
  ShortName<64> server{};  ///< Empty: none was chosen.
};
static_assert(std::is_trivially_copyable_v<ConnectionRecord>);
static_assert(sizeof(ConnectionRecord) <= kLogLineBytesMax);

/// Copies a name; one that is too long is cut and ends in '~'.
template <std::size_t N>
void set_name(ShortName<N>& to, std::string_view name) {
  const std::size_t size = name.size() <= N ? name.size() : N - 1;
  std::memcpy(to.data(), name.data(), size);
  if (size < N) std::memset(to.data() + size, 0, N - size);
  if (name.size() > N) to[N - 1] = '~';
}

template <std::size_t N>
[[nodiscard]] std::string_view text_of(const ShortName<N>& name) {
  const auto* end = static_cast<const char*>(std::memchr(name.data(), 0, N));
  return {name.data(), end == nullptr ? N : static_cast<std::size_t>(end - name.data())};
}

/// A LineFormatter (base/log.h): `data` are the bytes of one ConnectionRecord.
[[nodiscard]] std::string format_connection_record(std::span<const std::byte> data, LogFormat format);

}  // namespace fairlead::lb
