#include "base/units.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace fairlead {
namespace {

using namespace std::chrono_literals;

TEST(UnitsTest, ReadsDurationsWithAUnit) {
  EXPECT_EQ(*parse_duration("250ms"), 250ms);
  EXPECT_EQ(*parse_duration("2s"), 2s);
  EXPECT_EQ(*parse_duration("10m"), 10min);
  EXPECT_EQ(*parse_duration("1h"), 1h);
  EXPECT_EQ(*parse_duration("1.5s"), 1500ms);
  EXPECT_EQ(*parse_duration("0.25h"), 15min);
  EXPECT_EQ(*parse_duration("0"), 0s);
  EXPECT_EQ(*parse_duration("0s"), 0s);
}

TEST(UnitsTest, RefusesWhatIsNoDurationAndSaysWhatIs) {
  for (const char* text : {"", "5", "s", "-1s", "+1s", "1 s", "1S", "1.s", "1.", ".5s", "1e3s", "5us", "5d", "1s2", "99999999999999999999s",
                           "0.0001ms", "1.5ms", "9223372036854775807h", "1.1234567890s"}) {
    const auto result = parse_duration(text);
    ASSERT_FALSE(result) << text;
    EXPECT_EQ(result.error().code, Errc::kInvalidArgument) << text;
  }
  EXPECT_NE(parse_duration("5").error().context.find("a unit is missing"), std::string::npos);
  EXPECT_NE(parse_duration("5d").error().context.find("unknown unit 'd'"), std::string::npos);
}

TEST(UnitsTest, ReadsSizesWithAUnit) {
  EXPECT_EQ(*parse_size("0"), 0U);
  EXPECT_EQ(*parse_size("10B"), 10U);
  EXPECT_EQ(*parse_size("4KiB"), 4096U);
  EXPECT_EQ(*parse_size("64MiB"), 64U << 20);
  EXPECT_EQ(*parse_size("1.5GiB"), 1536ULL << 20);
  for (const char* text : {"512", "64MB", "64 MiB", "-1KiB", "0.3B", "99999999999GiB"}) EXPECT_FALSE(parse_size(text)) << text;
}

TEST(UnitsTest, WritesTheShortestExactForm) {
  EXPECT_EQ(format_duration(90s), "90s");
  EXPECT_EQ(format_duration(3600s), "1h");
  EXPECT_EQ(format_duration(1500ms), "1500ms");
  EXPECT_EQ(format_duration(0s), "0");
  EXPECT_EQ(format_size(64U << 20), "64MiB");
  EXPECT_EQ(format_size(1025), "1025B");
}

TEST(UnitsTest, EveryDurationReadsBackAsItWasWritten) {
  rc::check([](std::uint32_t ms) {
    RC_ASSERT(*parse_duration(format_duration(std::chrono::milliseconds(ms))) == std::chrono::milliseconds(ms));
  });
}

TEST(UnitsTest, EverySizeReadsBackAsItWasWritten) {
  rc::check([] {
    const auto bytes = *rc::gen::inRange<std::uint64_t>(0, 1ULL << 50);
    RC_ASSERT(*parse_size(format_size(bytes)) == bytes);
  });
}

TEST(UnitsTest, AnyTextIsAnAnswerAndNoCrash) {
  rc::check([](const std::string& text) {
    const auto duration = parse_duration(text);
    if (duration) { RC_ASSERT(*duration >= Duration::zero()); }
    (void)parse_size(text);
  });
}

}  // namespace
}  // namespace fairlead
