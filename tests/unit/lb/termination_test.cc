#include "lb/termination.h"

#include <string>

#include <gtest/gtest.h>

namespace fairlead::lb {
namespace {

TEST(Termination, UsesHaproxysLettersForEveryCause) {
  EXPECT_EQ(text_of(letters_of(EndCause::kFinished)), "--");
  EXPECT_EQ(text_of(letters_of(EndCause::kClientAborted)), "CD");
  EXPECT_EQ(text_of(letters_of(EndCause::kServerAborted)), "SD");
  EXPECT_EQ(text_of(letters_of(EndCause::kClientLeftEarly)), "CC");
  EXPECT_EQ(text_of(letters_of(EndCause::kConnectRefused)), "SC");
  EXPECT_EQ(text_of(letters_of(EndCause::kConnectTimeout)), "sC");
  EXPECT_EQ(text_of(letters_of(EndCause::kConnectLocal)), "RC");
  EXPECT_EQ(text_of(letters_of(EndCause::kNoServer)), "SC");
  EXPECT_EQ(text_of(letters_of(EndCause::kServersFull)), "SQ");
  EXPECT_EQ(text_of(letters_of(EndCause::kClientIdle)), "cD");
  EXPECT_EQ(text_of(letters_of(EndCause::kServerIdle)), "sD");
  EXPECT_EQ(text_of(letters_of(EndCause::kServerDown)), "DD");
  EXPECT_EQ(text_of(letters_of(EndCause::kKilled)), "KD");
  EXPECT_EQ(text_of(letters_of(EndCause::kShutdown)), "KD");
  EXPECT_EQ(text_of(letters_of(EndCause::kMaxAge)), "PD");
  EXPECT_EQ(text_of(letters_of(EndCause::kStalled)), "RD");
  EXPECT_EQ(text_of(letters_of(EndCause::kProxyHeader)), "PR");
  EXPECT_EQ(text_of(letters_of(EndCause::kRefused)), "PR");
  EXPECT_EQ(text_of(letters_of(EndCause::kVipReleased)), "KD");
  EXPECT_EQ(text_of(letters_of(EndCause::kVipDrained)), "PD");
  EXPECT_EQ(text_of(letters_of(EndCause::kVipLost)), "RD");
}

TEST(Termination, NamesHowAVipsConnectionsEnded) {
  EXPECT_EQ(vip_end_name_of(EndCause::kVipReleased), "reset");
  EXPECT_EQ(vip_end_name_of(EndCause::kVipDrained), "drained");
  EXPECT_EQ(vip_end_name_of(EndCause::kVipLost), "lost");
  EXPECT_EQ(vip_end_name_of(EndCause::kKilled), "");
}

TEST(Termination, ShowsAnUnknownCauseAsAnInternalError) { EXPECT_EQ(text_of(letters_of(static_cast<EndCause>(200))), "I-"); }

}  // namespace
}  // namespace fairlead::lb
