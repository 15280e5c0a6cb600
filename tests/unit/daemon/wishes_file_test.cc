#include "daemon/wishes_file.h"

#include <gtest/gtest.h>

namespace fairlead::daemon {
namespace {

const std::vector<Override> kWishes{{OverrideKind::kVipDisabled, "ingress", true, {4, NodeId{1}}},
                                    {OverrideKind::kNodeStandby, "gate-2", false, {7, NodeId{2}}},
                                    {OverrideKind::kFrozen, "", true, {~0ULL, NodeId{~0U}}}};

TEST(WishesFile, ReadsWhatItWrote) {
  const auto back = parse_wishes(render_wishes(kWishes));
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, kWishes);
  EXPECT_TRUE(parse_wishes(render_wishes({}))->empty());
}

TEST(WishesFile, AFileThatIsCutShortAnywhereIsRefused) {
  const std::string whole = render_wishes(kWishes);
  for (std::size_t size = 0; size + 1 < whole.size(); ++size) EXPECT_FALSE(parse_wishes(whole.substr(0, size))) << size;
}

TEST(WishesFile, NonsenseIsNamedWithItsLine) {
  for (const char* bad : {"vip_disabled a on 1", "vip_disabled a maybe 1 1", "unknown a on 1 1", "frozen - on x 1", "frozen - on 1 -1",
                          "frozen - on 1 1 1"}) {
    const auto parsed = parse_wishes("fairlead-wishes 1\n" + std::string(bad) + "\nend\n");
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.error().context.substr(0, 7), "line 2:") << bad;
  }
  EXPECT_FALSE(parse_wishes("something else\n"));
}

}  // namespace
}  // namespace fairlead::daemon
