#include "admin/frame_counter.h"

#include <gtest/gtest.h>
#include <string>

namespace fairlead::admin {
namespace {

using namespace std::string_literals;

std::string frame(unsigned first, std::size_t payload) {
  std::string out(1, static_cast<char>(first));
  if (payload < 126) {
    out += static_cast<char>(0x80U | payload);
  } else if (payload < 65536) {
    out += static_cast<char>(0x80U | 126U);
    out += static_cast<char>(payload >> 8U);
    out += static_cast<char>(payload & 255U);
  } else {
    out += static_cast<char>(0x80U | 127U);
    for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(payload >> static_cast<unsigned>(shift) & 255U);
  }
  return out + "mask" + std::string(payload, '\x81');
}

std::size_t counted(const std::string& bytes, std::size_t piece) {
  FrameCounter counter;
  std::size_t out = 0;
  for (std::size_t at = 0; at < bytes.size(); at += piece)
    out += counter.begun_in(std::as_bytes(std::span(bytes).subspan(at, std::min(piece, bytes.size() - at))));
  return out;
}

TEST(FrameCounter, CountsEachFrameHoweverTheBytesAreCut) {
  std::string bytes = frame(0x01, 3);                                                              // The first part of a message,
  for (const std::size_t size : {0U, 1U, 125U, 126U, 65535U, 65536U}) bytes += frame(0x00, size);  // more of it,
  bytes += frame(0x80, 0);                                                                         // its end,
  bytes += frame(0x89, 5) + frame(0x8A, 0);                                                        // a ping and a pong,
  bytes += "\x81\x02hi"s;                                                                          // one without a mask.
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{4096}, bytes.size()})
    EXPECT_EQ(counted(bytes, piece), 11U) << piece;
}

TEST(FrameCounter, ACloseIsTheEndAndCountsNothing) { EXPECT_EQ(counted(frame(0x88, 2), 1), 0U); }

TEST(FrameCounter, ALengthBeyondAllMeasureIsWaitedFor) {
  EXPECT_EQ(counted("\x82\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"s + std::string(100000, '\x81'), 333), 1U);
}

}  // namespace
}  // namespace fairlead::admin
