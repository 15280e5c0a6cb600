// fairlead: pure
// Every bound of an import. Real files are far below them.
#pragma once

#include <cstddef>

namespace fairlead::migrate {

inline constexpr std::size_t kInputBytesMax = std::size_t{4} << 20;  ///< One file.
inline constexpr std::size_t kAllBytesMax = std::size_t{16} << 20;   ///< All files together.
inline constexpr std::size_t kInputsMax = 64;                        ///< Files of one call.
inline constexpr std::size_t kLineBytesMax = std::size_t{64} << 10;  ///< HAProxy itself takes 2 KiB.
inline constexpr std::size_t kLinesMax = 50'000;                     ///< Of all files together.
inline constexpr std::size_t kWordsMax = 2'000;                      ///< On one line.
inline constexpr std::size_t kBlocksMax = 100'000;                   ///< Statements of one file in blocks.
inline constexpr std::size_t kDepthMax = 24;                         ///< Of blocks and elements.
inline constexpr std::size_t kNotesPerLineMax = 8;
inline constexpr std::size_t kNoteTextMax = 100;  ///< Characters of a line that are repeated.

}  // namespace fairlead::migrate
