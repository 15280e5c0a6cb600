// A plan of a hundred machines: made at the beginning of every verb of `fairlead bootstrap`, while somebody waits for it. Expectation:
// below 200 ms for bare machines (every step is planned, every text hashed), and for machines that cannot be reached.
#include "bench/micro/expectation.h"
#include "k8s-bootstrap/plan/plan_bring_up.h"
#include "tests/support/bootstrap_site.h"

namespace fairlead::bootstrap {
namespace {

constexpr double kExpectedNs = 200e6;

const test::SiteSize kHundred{.control_planes = 5, .workers = 93, .gateways = 2};

void bare_machines(benchmark::State& state) {
  const Site site = test::lab_site(kHundred);
  const Rendered texts = test::lab_texts(site);
  const Facts facts = test::fresh_site_facts(site);
  for (auto _ : state) {
    Plan plan = plan_bring_up({site, facts, texts});
    benchmark::DoNotOptimize(plan);
  }
  bench::expect_ns(state, kExpectedNs);
}
BENCHMARK(bare_machines)->Name("bootstrap_plan/100_bare_machines");

void unreachable_machines(benchmark::State& state) {
  const Site site = test::lab_site(kHundred);
  const Rendered texts = test::lab_texts(site);
  Facts facts;
  for (const Machine& machine : site.machines) facts.unread[machine.name] = "no route to host";
  for (auto _ : state) {
    Plan plan = plan_bring_up({site, facts, texts});
    benchmark::DoNotOptimize(plan);
  }
  bench::expect_ns(state, kExpectedNs);
}
BENCHMARK(unreachable_machines)->Name("bootstrap_plan/100_unreachable_machines");

}  // namespace
}  // namespace fairlead::bootstrap
