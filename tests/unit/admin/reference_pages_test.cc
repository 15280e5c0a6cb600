// The pages of docs/reference/ that are made from this room.
#include <gtest/gtest.h>

#include "admin/api_document.h"
#include "admin/metrics.h"
#include "tests/contract/admin/reference_page.h"

namespace fairlead::admin {
namespace {

TEST(ReferencePages, MetricsPageIsTheCatalogue) { testing::expect_reference_page("metrics.md", metrics_reference()); }
TEST(ReferencePages, ApiPageIsTheRouteTable) { testing::expect_reference_page("api.md", api_reference()); }

}  // namespace
}  // namespace fairlead::admin
