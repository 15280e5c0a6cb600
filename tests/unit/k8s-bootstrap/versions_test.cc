#include <gtest/gtest.h>

#include "k8s-bootstrap/site/versions.h"

namespace fairlead::bootstrap {
namespace {

TEST(Versions, ReadsVersionsStrictly) {
  EXPECT_EQ(*parse_version("1.36.4"), (Version{1, 36, 4}));
  EXPECT_EQ(*parse_version("2.2"), (Version{2, 2, 0}));
  EXPECT_LT(*parse_version("1.9.9"), *parse_version("1.10.0"));
  for (const std::string_view bad : {"", "1", "v1.36.4", "1.36.", "1..4", "1.36.4.1", "1.36.4-rc.0", "99999.1.1", "-1.2.3", "1.2.3 "})
    EXPECT_FALSE(parse_version(bad)) << bad;
  EXPECT_EQ((Version{1, 36, 4}).to_string(), "1.36.4");
}

bool is_date(std::string_view text) {
  return text.size() == 10 && text[4] == '-' && text[7] == '-' && text.find_first_not_of("0123456789-") == std::string_view::npos;
}

TEST(Versions, TheDataIsWhole) {
  std::uint32_t before = 0;
  for (const KubernetesVersion& k : known_kubernetes()) {
    EXPECT_TRUE(before == 0 || k.minor == before + 1) << k.minor;
    before = k.minor;
    EXPECT_TRUE(is_date(k.released) && is_date(k.end_of_life)) << k.minor;
    EXPECT_LT(k.released, k.end_of_life) << k.minor;
    const auto least = parse_version(k.containerd_min);
    const auto advised = parse_version(k.containerd_advised);
    ASSERT_TRUE(least && advised) << k.minor;
    EXPECT_LE(*least, *advised) << k.minor;
    EXPECT_NE(find_containerd(*least), nullptr) << k.minor;
    EXPECT_NE(find_containerd(*advised), nullptr) << k.minor;
  }
  Version last;
  for (const ContainerdVersion& c : known_containerd()) {
    EXPECT_LT(last, (Version{c.major, c.minor, 0}));
    last = {c.major, c.minor, 0};
    EXPECT_TRUE(is_date(c.released) && is_date(c.end_of_life));
    EXPECT_LT(c.released, c.end_of_life);
  }
}

TEST(Versions, FindsByMinor) {
  EXPECT_EQ(find_kubernetes({1, 36, 99})->minor, 36U);
  EXPECT_EQ(find_kubernetes({2, 36, 0}), nullptr);
  EXPECT_EQ(find_kubernetes({1, 99, 0}), nullptr);
  EXPECT_EQ(find_kubernetes({1, 37, 0})->containerd_min, "2.0");
  EXPECT_EQ(find_containerd({2, 3, 4})->minor, 3U);
  EXPECT_EQ(find_containerd({3, 3, 4}), nullptr);
}

TEST(Versions, ArchivesSumsAreKnownOfEveryMaintainedContainerd) {
  EXPECT_EQ(containerd_sha256({2, 3, 5}).size(), 64U);
  EXPECT_EQ(containerd_sha256({2, 3, 4}), "");
  for (const ContainerdVersion& c : known_containerd()) {
    if (c.end_of_life < std::string_view("2026-09-30")) continue;
    EXPECT_NE(containerd_with_sums({c.major, c.minor, 0}), "") << c.major << "." << c.minor;
  }
  EXPECT_EQ(containerd_with_sums({2, 3, 0}), "2.3.1, 2.3.5");
}

TEST(Versions, TheTableMarksWhatIsPastItsEnd) {
  const std::string then = versions_text("2026-11-01");
  EXPECT_NE(then.find("1.34        1.34.9   2025-08-27  2026-10-27  1.6 or newer  past its end of life\n"), std::string::npos) << then;
  EXPECT_NE(then.find("1.36        1.36.4   2026-04-22  2027-06-28  1.7 or newer\n"), std::string::npos) << then;
  EXPECT_NE(then.find("\nFrom 1.35 on kubelet runs on cgroup v2 only."), std::string::npos) << then;
  EXPECT_EQ(versions_text("").find("past its end"), std::string::npos);
}

}  // namespace
}  // namespace fairlead::bootstrap
