// The flight recorder's file in memory: what its writer (flight_recorder.cc) and its readers (flight_files.cc) agree on. For these two
// only.
#pragma once

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <unistd.h>

namespace fairlead {

inline constexpr std::array<char, 8> kFlightMagic{'F', 'L', 'I', 'G', 'H', 'T', '0', '1'};
inline constexpr std::size_t kFlightPageBytes = 4096;  ///< Before the ring's bytes.
inline constexpr std::size_t kFlightBytesMax = std::size_t{64} << 20;

/// The file's first page. Positions count the bytes ever written; their rest by `bytes` is the place.
struct FlightPage {
  std::array<char, 8> magic;
  std::uint64_t bytes;
  std::int64_t started;  ///< Wall time in seconds.
  std::uint32_t pid;
  std::atomic<std::uint32_t> saved;
  std::atomic<std::uint64_t> tail;  ///< The oldest chunk; goes on before its bytes are written over.
  std::atomic<std::uint64_t> head;  ///< Goes on once a chunk is whole.
};
static_assert(sizeof(FlightPage) <= kFlightPageBytes);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::atomic<std::uint32_t>::is_always_lock_free);

/// "20261127T063323Z-1234.fdata"
[[nodiscard]] std::string flight_name(std::int64_t started, std::uint32_t pid);
/// Below state_dir.
[[nodiscard]] std::string flight_folder(const std::string& state_dir);

/// Also in a signal handler. False: `errno` says why not all of it.
inline bool write_flight_bytes(int fd, const void* data, std::size_t size) {
  const auto* at = static_cast<const char*>(data);
  while (size > 0) {
    const auto n = ::write(fd, at, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

}  // namespace fairlead
