#include <gtest/gtest.h>

#include "migrate/import_limits.h"
#include "migrate/ledger.h"
#include "migrate/words.h"

namespace fairlead::migrate {
namespace {

TEST(Ledger, ALineThatNobodyDecidedAboutIsLeftOutAndSaidToBe) {
  Ledger ledger;
  ledger.add("f", 3, "some words");
  ledger.close();
  ASSERT_EQ(ledger.notes().size(), 1U);
  EXPECT_EQ(format(ledger.notes().front()), "f:3: some words: not understood (write it by hand if it matters)");
  EXPECT_EQ(ledger.lines().front().fate, Fate::kLeftOut);
}

TEST(Ledger, TheWorstThatWasSaidIsALinesFate) {
  Ledger ledger;
  const auto line = ledger.add("f", 1, "x");
  ledger.left_out(line, "a");
  ledger.approximated(line, "b");
  ledger.carried(line);
  EXPECT_EQ(ledger.lines().front().fate, Fate::kLeftOut);
  EXPECT_EQ(ledger.notes().size(), 2U);
}

TEST(Ledger, NotesComeByFileAndLineAndAreBounded) {
  Ledger ledger;
  ledger.know("a");
  ledger.know("b");
  const auto b = ledger.add("b", 1, "x");
  const auto late = ledger.add("a", 9, "x");
  const auto early = ledger.add("a", 2, "x");
  for (const auto line : {b, late, early}) ledger.left_out(line, "why");
  for (int i = 0; i < 100; ++i) ledger.approximated(b, std::to_string(i));
  const auto notes = ledger.notes();
  EXPECT_EQ(notes[0].line, 2);
  EXPECT_EQ(notes[1].line, 9);
  EXPECT_EQ(notes.size(), 2 + kNotesPerLineMax + 1);
  EXPECT_EQ(notes.back().reason, "and more");
}

TEST(Words, ShowALineWithoutSecretsAndControlCharacters) {
  EXPECT_EQ(shown("  auth_pass abc"), "auth_pass ...");
  EXPECT_EQ(shown("user root insecure-password \"x\""), "user root insecure-password ...");
  EXPECT_EQ(shown("a\tb\x01\xff"), "a b??");
  EXPECT_EQ(shown(std::string(500, 'x')).size(), kNoteTextMax + 3);
}

TEST(Words, MakeNamesThatFairleadTakes) {
  EXPECT_EQ(name_from("VI_1"), "vi_1");
  EXPECT_EQ(name_from("-a b/c"), "a-b-c");
  EXPECT_EQ(name_from("..."), "x");
}

TEST(Words, GiveEachNameOnce) {
  UniqueNames names;
  EXPECT_EQ(names.take("a"), "a");
  EXPECT_EQ(names.take("a-2"), "a-2");
  EXPECT_EQ(names.take("a"), "a-3");
  const std::string longest(63, 'a');
  EXPECT_EQ(names.take(longest), longest);
  EXPECT_EQ(names.take(longest), std::string(61, 'a') + "-2");
}

}  // namespace
}  // namespace fairlead::migrate
