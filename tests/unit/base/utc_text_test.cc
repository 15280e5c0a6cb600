#include "base/utc_text.h"

#include <gtest/gtest.h>

namespace fairlead {
namespace {

using namespace std::chrono_literals;

WallTime at(Duration since_1970) { return WallTime(since_1970); }

TEST(UtcText, IsRfc3339InMilliseconds) {
  EXPECT_EQ(utc_text(at(0s)), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(utc_text(at(1706702400250ms)), "2024-01-31T12:00:00.250Z");
  EXPECT_EQ(utc_text(at(1709164799999999us)), "2024-02-28T23:59:59.999Z") << "cut, not rounded into the leap day";
  EXPECT_EQ(utc_text(at(1709164800s)), "2024-02-29T00:00:00.000Z");
}

TEST(UtcText, TextOrderIsTimeOrder) { EXPECT_LT(utc_text(at(1709164799999ms)), utc_text(at(1709164800000ms))); }

}  // namespace
}  // namespace fairlead
