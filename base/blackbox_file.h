// fairlead: pure
// Entries of the flight recorder as bytes: chunks, and files of them in the format of libqb's blackbox (2.x), so that `qb-blackbox FILE`
// reads ours as it reads Corosync's. What we write begins with the oldest chunk; what we read may wrap, as libqb's own files do.
//
//   file    20 bytes that say "with nanoseconds" | words, write, read, version 1, their sum | `words` 32-bit words of chunks
//   chunk   size, magic | line 4, tags 4, priority 1, name's length 4, name, seconds 8, nanoseconds 8, text's length 4, "%s", text | pad
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "base/time.h"

namespace fairlead {

/// A longer text is cut and ends in "...": qb-blackbox gives up at 512 bytes.
inline constexpr std::size_t kBlackboxTextMax = 480;
inline constexpr std::size_t kBlackboxNameMax = 63;
/// Of one chunk with its head and padding.
inline constexpr std::size_t kBlackboxChunkMax = 640;
inline constexpr std::size_t kBlackboxChunkHead = 8;
inline constexpr std::uint32_t kBlackboxChunkMagic = 0xA1A1A1A1;
/// Behind the chunks: no reader takes what comes there for another one.
inline constexpr std::size_t kBlackboxEndBytes = 8;
inline constexpr std::size_t kBlackboxFileHead = 40;

/// Room a chunk of `size` bytes takes, head and padding included.
[[nodiscard]] constexpr std::size_t blackbox_chunk_room(std::size_t size) { return kBlackboxChunkHead + (size + 3) / 4 * 4; }

/// Writes the chunk and returns the room it takes; `name` and `text` are cut to their limits. Allocates nothing and calls nothing that a
/// signal handler may not.
std::size_t put_blackbox_chunk(std::span<std::byte, kBlackboxChunkMax> out, WallTime time, LogLevel level, std::string_view name,
                               std::string_view text) noexcept;
/// The file's beginning, for `bytes` of whole chunks in order. Likewise safe in a signal handler.
[[nodiscard]] std::array<std::byte, kBlackboxFileHead> blackbox_file_head(std::size_t bytes) noexcept;

/// Chunks that lie one behind the other in a ring of bytes, which they may wrap around. A position counts bytes from the ring's beginning
/// on, is a multiple of 4, and its rest by `size` is the place. Safe in a signal handler, but for copy().
struct BlackboxRing {
  const void* data = nullptr;
  std::size_t size = 0;  ///< A multiple of 4, above 0.

  /// Room of the chunk at `at`; 0: what begins there is damaged, or does not end by `end`.
  [[nodiscard]] std::size_t room(std::uint64_t at, std::uint64_t end) const noexcept;
  /// Appends the `count` bytes at `at`, at most `size`.
  void copy(std::uint64_t at, std::size_t count, std::string& out) const;
};
/// A whole file of chunks that lie in order.
[[nodiscard]] std::string blackbox_file(std::string_view chunks);

struct BlackboxEntry {
  WallTime time;
  LogLevel level = LogLevel::kInfo;
  std::string name;  ///< "SERVER_DOWN"
  std::string text;  ///< "pool=masters server=mast-1"
  bool operator==(const BlackboxEntry&) const = default;
};
/// Oldest first. Ends before the first chunk that is damaged. Errors: kInvalidArgument (not such a file).
[[nodiscard]] Result<std::vector<BlackboxEntry>> parse_blackbox(std::string_view file);

}  // namespace fairlead
