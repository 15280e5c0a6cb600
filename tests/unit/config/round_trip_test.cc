// parse(print(s)) == s, and what follows from it.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "config/load.h"
#include "config/parse.h"
#include "config/print.h"
#include "config/validate.h"
#include "snapshot_gen.h"

namespace fairlead::config {
namespace {

/// As the program would read it, but for the cross-checks.
std::optional<Snapshot> reread(const std::string& text) {
  const ParseResult parsed = parse(text, "printed");
  for (const Problem& problem : parsed.problems) ADD_FAILURE() << format(problem) << "\n" << text;
  if (!parsed.document) return std::nullopt;
  ValidateResult result = read_unchecked(*parsed.document);
  for (const Problem& problem : result.problems) ADD_FAILURE() << format(problem) << "\n" << text;
  return std::move(result.snapshot);
}

TEST(RoundTrip, PrintedSnapshotReadsBackEqual) {
  EXPECT_TRUE(rc::check("parse(print(s)) == s", [] {
    const Snapshot snapshot = testing::any_snapshot();
    const auto again = reread(print(snapshot));
    RC_ASSERT(again.has_value());
    RC_ASSERT(*again == snapshot);
  }));
}

TEST(RoundTrip, PrintedDefaultsReadBackEqual) {
  EXPECT_TRUE(rc::check("parse(print(s, with_defaults)) == s", [] {
    const Snapshot snapshot = testing::any_snapshot();
    const auto again = reread(print(snapshot, true));
    RC_ASSERT(again.has_value());
    RC_ASSERT(*again == snapshot);
    RC_ASSERT(hash(*again) == hash(snapshot));
  }));
}

TEST(RoundTrip, EmptySnapshotPrintsItsVersionOnly) { EXPECT_EQ(print(Snapshot{}), "apiVersion: fairlead/v1\n"); }

TEST(Hash, DependsOnTheMeaningOnly) {
  constexpr std::string_view kShort =
      "apiVersion: fairlead/v1\nlisteners: [{name: a, bind: ['0.0.0.0:1'], pool: p}]\npools:\n- {name: p, servers: [{name: s, address: "
      "'10.0.0.1:1'}]}\n";
  constexpr std::string_view kLong =
      "# a comment\nkind: Gateway\npools:\n  - name: p\n    retries: 3\n    idle_timeout: 60m\n    servers:\n      - {address: "
      "\"10.0.0.1:1\", name: s}\n"
      "listeners:\n  - {pool: p, name: a, bind: [\"0.0.0.0:1\"]}\napiVersion: fairlead/v1\nnode: gate-2\n";
  const LoadResult brief = load_text(kShort, "short", {});
  const LoadResult spelled = load_text(kLong, "long", {});

  ASSERT_TRUE(brief.snapshot && spelled.snapshot);
  EXPECT_EQ(hash(*brief.snapshot), hash(*spelled.snapshot));
  EXPECT_EQ(hash(*brief.snapshot).size(), 16U);
}

TEST(Hash, ChangesWithAnySetting) {
  Snapshot a;
  Snapshot b;
  b.shutdown_grace = 31s;
  EXPECT_NE(hash(a), hash(b));
}

TEST(Hash, IsTheSameInEveryVersion) { EXPECT_EQ(hash(Snapshot{}), "aab7e7a149d6d3e9"); }

}  // namespace
}  // namespace fairlead::config
