#include <gtest/gtest.h>

#include "lab/lab_state.h"

namespace fairlead::lab {
namespace {

LabState sample() {
  LabState state;
  state.options = {
      .name = "mine", .nodes = 2, .backends = 5, .clients = 1, .profile = "fast", .one_link = true, .qdevice = true, .dhcp = true};
  state.set_keeper("switch", {.pid = 4711, .start = 815});
  state.set_keeper("gate-1", {.pid = 4713, .start = 816});
  state.set_program("gate-1", "corosync", {.pid = 4720, .start = 820});
  return state;
}

TEST(LabStateTest, ReadsBackWhatItPrints) {
  const auto again = parse_state(print_state(sample()));
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(*again, sample());
  EXPECT_EQ(again->keeper("gate-1"), (ProcessId{4713, 816}));
  EXPECT_EQ(again->program("gate-1", "corosync"), (ProcessId{4720, 820}));
  EXPECT_EQ(again->keeper("gate-2"), std::nullopt);
}

TEST(LabStateTest, ANodesNewLifeForgetsTheOldOnesPrograms) {
  LabState state = sample();
  state.set_program("gate-1", "corosync", {.pid = 5000, .start = 900});
  EXPECT_EQ(state.programs.size(), 1U);
  state.set_keeper("gate-1", {.pid = 5001, .start = 901});
  EXPECT_TRUE(state.programs.empty());
  EXPECT_EQ(state.keeper("gate-1"), (ProcessId{5001, 901}));
  EXPECT_EQ(state.keepers.size(), 2U);
}

TEST(LabStateTest, OtherTextIsRefusedWithItsLine) {
  const auto refused = [](std::string_view text) {
    const auto state = parse_state(text);
    return state ? std::string("not refused") : state.error().context;
  };
  EXPECT_EQ(refused(""), "state file: empty");
  EXPECT_EQ(refused("fairlead-lab 2\n"), "state file, line 1: 'fairlead-lab 2' is not of this version");
  for (const char* line : {"options nodes=x", "options colour=blue", "options name", "keeper gate-1 1 5", "keeper gate-1 -7 5",
                           "keeper gate-1 7", "program gate-1 corosync 7", "program gate-1 corosync 7 8 9", "other"})
    EXPECT_EQ(refused("fairlead-lab 1\n" + std::string(line) + "\n"),
              "state file, line 2: '" + std::string(line) + "' is not of this version");
}

TEST(LabStateTest, OfAFileThatIsRefusedTheProcessesCanStillBeTold) {
  std::string text = print_state(sample());
  text.replace(0, text.find('\n'), "fairlead-lab 2");
  text += "link gate-1 lan\nkeeper gate-2 4714 817 of-a-later-version\nkeeper gate-3 none 5\nkeeper gate-4 4715\n";
  ASSERT_FALSE(parse_state(text));
  const LabState state = salvage_state(text);
  EXPECT_EQ(state.keeper("switch"), (ProcessId{4711, 815}));
  EXPECT_EQ(state.keeper("gate-1"), (ProcessId{4713, 816}));
  EXPECT_EQ(state.keeper("gate-2"), (ProcessId{4714, 817}));
  EXPECT_EQ(state.keepers.size(), 3U);
  EXPECT_EQ(state.program("gate-1", "corosync"), (ProcessId{4720, 820}));
  EXPECT_TRUE(salvage_state("").keepers.empty());
  EXPECT_TRUE(salvage_state("fairlead-lab 1\nkee").keepers.empty());
}

}  // namespace
}  // namespace fairlead::lab
