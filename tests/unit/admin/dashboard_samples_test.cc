// What a node answers, as files that the dashboard's simulated node (tests/browser/sim.mjs) is made of: a browser test never sees a member
// that the daemon does not send. FL_UPDATE_GOLDEN=1 writes them anew; read the difference.
#include <boost/json.hpp>
#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

#include "admin/drill_cases.h"
#include "admin/json_text.h"
#include "admin/status_codec.h"
#include "admin/watch_plan.h"
#include "tests/contract/admin/fake_node_port.h"
#include "tests/contract/admin/reference_page.h"

namespace fairlead::admin {
namespace {

using namespace std::chrono_literals;

void expect_sample(const std::string& name, const std::string& document) {
  const auto tree = testing::source_tree();
  ASSERT_FALSE(tree.empty()) << "run this test inside the source tree";
  const auto path = tree / "tests/golden/dashboard" / name;
  const std::string wanted = json_text(boost::json::parse(document), JsonStyle::kPretty) + "\n";
  if (std::getenv("FL_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << wanted;
  std::ifstream in(path);
  std::stringstream found;
  found << in.rdbuf();
  EXPECT_EQ(found.str(), wanted) << path << " is behind the code: run this test with FL_UPDATE_GOLDEN=1";
}

TEST(DashboardSamples, StatusIsWhatTheCodecWrites) { expect_sample("status.json", encode_status(testing::sample_cluster_report())); }

TEST(DashboardSamples, DrillsAreWhatTheCodecWrites) {
  const DrillTimes times{.lease = 2s, .hang = 1s, .ring = 1760ms, .start = 5s};
  expect_sample("drills.json", encode_drills(times, testing::sample_cluster_report().drills));
}

TEST(DashboardSamples, LeasesAreWhatTheCodecWrites) { expect_sample("leases.json", encode_leases(testing::sample_leases(), 8)); }

TEST(DashboardSamples, TheFirstFrameIsWhatTheWatchSends) {
  expect_sample("hello.json",
                encode_hello({"gate-1", "0.1.0", "c0ffee", "uid 0 (root)", ApiRole::kOperate}, WatchPlan({.after = 0}, 1, 9)));
}

}  // namespace
}  // namespace fairlead::admin
