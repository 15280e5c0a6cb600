// The pages of docs/reference/ that are made from code. FL_UPDATE_DOCS=1 writes them anew.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

#include "admin/api_document.h"
#include "admin/metrics.h"

namespace fairlead::admin {
namespace {

std::filesystem::path reference_folder() { return std::filesystem::path(__FILE__).parent_path() / "../../../docs/reference"; }

void expect_page(const std::string& name, const std::string& wanted) {
  const auto path = reference_folder() / name;
  if (std::getenv("FL_UPDATE_DOCS") != nullptr) std::ofstream(path) << wanted;
  std::ifstream in(path);
  std::stringstream found;
  found << in.rdbuf();
  EXPECT_EQ(found.str(), wanted) << path << " is behind the code: run this test with FL_UPDATE_DOCS=1";
}

TEST(ReferencePages, MetricsPageIsTheCatalogue) { expect_page("metrics.md", metrics_reference()); }
TEST(ReferencePages, ApiPageIsTheRouteTable) { expect_page("api.md", api_reference()); }

}  // namespace
}  // namespace fairlead::admin
