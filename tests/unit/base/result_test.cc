#include "base/result.h"

#include <cerrno>
#include <gtest/gtest.h>
#include <memory>

namespace fairlead {
namespace {

TEST(ResultTest, CarriesAValueOrAnError) {
  const Result<int> good = 7;
  const Result<int> bad = Error{Errc::kNotFound, "no such pool"};
  ASSERT_TRUE(good);
  EXPECT_EQ(*good, 7);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, Errc::kNotFound);
}

TEST(ResultTest, MovesOutWhatCannotBeCopied) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(3);
  const std::unique_ptr<int> value = *std::move(result);
  EXPECT_EQ(*value, 3);
}

TEST(ResultTest, StatusIsGoodUnlessItHasAnError) {
  EXPECT_TRUE(Status{});
  EXPECT_FALSE(Status(Error{Errc::kTimeout, "x"}));
}

TEST(ErrorTest, SaysWhatTheKernelSaid) {
  EXPECT_EQ((Error{Errc::kConflict, "bind 1.2.3.4:80", EADDRINUSE}.message()), "bind 1.2.3.4:80: Address already in use (EADDRINUSE)");
  EXPECT_EQ((Error{Errc::kTimeout, "probe"}.message()), "probe");
  EXPECT_EQ((Error{Errc::kTimeout, "x", 9999}.message()), "x: unknown error (9999)");
}

TEST(ErrorTest, ClassifiesErrnoByWhatTheCallerCanDo) {
  EXPECT_EQ(errno_error("x", EPERM).code, Errc::kPermission);
  EXPECT_EQ(errno_error("x", EADDRINUSE).code, Errc::kConflict);
  EXPECT_EQ(errno_error("x", EMFILE).code, Errc::kLimitExceeded);
  EXPECT_EQ(errno_error("x", ENOENT).code, Errc::kNotFound);
  EXPECT_EQ(errno_error("x", ECONNREFUSED).code, Errc::kUnavailable);
  errno = ETIMEDOUT;
  EXPECT_EQ(errno_error("x").code, Errc::kTimeout);
}

TEST(ErrorTest, NamesEveryCode) {
  for (int code = 0; code <= static_cast<int>(Errc::kUnsupported); ++code) EXPECT_NE(to_string(static_cast<Errc>(code)), "unknown");
}

TEST(ResultDeathTest, TakingTheValueOfAnErrorEndsTheProgram) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const Result<int> bad = Error{Errc::kNotFound, "x"};
  EXPECT_DEATH((void)bad.value(), "assertion failed: has_value");
}

}  // namespace
}  // namespace fairlead
