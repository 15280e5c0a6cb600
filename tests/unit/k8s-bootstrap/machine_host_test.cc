#include "k8s-bootstrap/machines/machine_host.h"

#include "k8s-bootstrap/machines/qmp_client.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_dir.h"
#include "vm_site.h"

namespace fairlead::bootstrap {
namespace {

/// Says one thing.
class OneAnswer final : public Transport {
 public:
  explicit OneAnswer(Result<RemoteResult> answer) : answer_(std::move(answer)) {}
  Result<RemoteResult> run(const std::string&, const RemoteCommand&) override { return answer_; }
  Status put(const std::string&, const std::string&, const std::string&, unsigned) override { return {}; }
  Status fetch(const std::string&, const std::string&, const std::string&) override { return {}; }

 private:
  Result<RemoteResult> answer_;
};

Readiness said(const std::string& output, const std::string& errors = {}) {
  OneAnswer transport(RemoteResult{0, output, errors});
  return look_whether_ready(transport, "mast-1");
}

TEST(Readiness, IsWhatCloudInitSays) {
  EXPECT_TRUE(said("status: done\ntime: Thu\n").ready);
  EXPECT_TRUE(said("status: disabled\n").ready);
  EXPECT_FALSE(said("status: running\n").ready);
  EXPECT_FALSE(said("status: running\n").failed);
  const Readiness failed = said("status: error\ndetail: ('ssh', KeyError())\n");
  EXPECT_TRUE(failed.failed);
  EXPECT_NE(failed.why.find("KeyError"), std::string::npos);
  EXPECT_FALSE(said("").ready) << "nothing said is no yes";
  EXPECT_NE(said("", "Traceback\n").why.find("Traceback"), std::string::npos);
}

TEST(Readiness, AMachineThatDoesNotAnswerIsWaitedFor) {
  OneAnswer transport(Error{Errc::kUnavailable, "mast-1 did not answer"});
  const Readiness readiness = look_whether_ready(transport, "mast-1");
  EXPECT_FALSE(readiness.ready || readiness.failed);
  EXPECT_EQ(readiness.why, "mast-1 did not answer");
}

// Another machine will come under its name, with another key.
TEST(ForgetHostKey, TakesOnlyThatMachinesLines) {
  const fairlead::test::TempDir folder;
  auto state = StateDir::open(folder.path("state"));
  ASSERT_TRUE(state);
  ASSERT_TRUE(state->write_secret("known_hosts", "mast-1 ssh-ed25519 A\nmast-11 ssh-ed25519 B\nmast-1 ssh-rsa C\nmast-2 ssh-ed25519 D"));
  ASSERT_TRUE(state->write_public("ssh/hosts/mast-1-cert.pub", "x"));
  ASSERT_TRUE(state->write_public("ssh/hosts/mast-2-cert.pub", "x"));
  ASSERT_TRUE(forget_host_key(*state, "mast-1"));
  EXPECT_EQ(**state->read_secret("known_hosts"), "mast-11 ssh-ed25519 B\nmast-2 ssh-ed25519 D");
  EXPECT_FALSE(state->read_public("ssh/hosts/mast-1-cert.pub")->has_value());
  EXPECT_TRUE(state->read_public("ssh/hosts/mast-2-cert.pub")->has_value());
  ASSERT_TRUE(forget_host_key(*state, "mast-1")) << "twice";
}

TEST(VmPlace, OfLibvirtsSystemIsWhereItsUserComesIn) {
  Site site = vm_test::vm_site("libvirt");
  EXPECT_EQ(vm_place(site, "/srv/s", "qemu:///system").folder, "/var/lib/libvirt/images/fairlead-demo");
  EXPECT_EQ(vm_place(site, "/srv/s", "qemu:///system").mode, 0711U);
  EXPECT_EQ(vm_place(site, "/srv/s", "qemu:///session").folder, "/srv/s/vms");
  site.vms->driver = "qemu";
  EXPECT_EQ(vm_place(site, "/srv/s", "qemu:///system").folder, "/srv/s/vms");
  EXPECT_EQ(vm_place(site, "/srv/s", "qemu:///system").images, "/srv/s/images");
}

TEST(QmpClient, NobodyThereIsNoError) {
  const fairlead::test::TempDir folder;
  const auto none = ask_qmp(folder.path("qmp"), {"query-status"}, std::chrono::seconds(1));
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->has_value());
  const auto deep = ask_qmp(folder.path(std::string(120, 'x')), {}, std::chrono::seconds(1));
  ASSERT_FALSE(deep);
  EXPECT_NE(deep.error().context.find("choose a shorter state_dir"), std::string::npos);
}

/// A host whose programs are a function.
class FakeHost : public ::testing::Test {
 protected:
  FakeHost() : driver(make_vm_driver("libvirt", "test:///default")) {
    world.run = [this](const ProgramCall& call) { return answer(call); };
    world.pause = [this](Duration d) {
      clock.advance(d);
      return true;
    };
  }
  std::function<Result<ProgramResult>(const ProgramCall&)> answer;
  fairlead::test::ManualClock clock;
  Result<std::unique_ptr<VmDriver>> driver;
  HostWorld world{.run = {}, .pause = {}, .stop = {}, .on_step = {}, .clock = clock};
  VmSite site = vm_test::model(vm_test::vm_site("libvirt"));
};

TEST_F(FakeHost, AStepThatFailsNamesMachineStepAndWords) {  // HR2
  int ran = 0;
  answer = [&](const ProgramCall&) {
    ++ran;
    return ProgramResult{1, 0, "", "error: no space\n", false};
  };
  HostRunner runner(**driver, world);
  HostPlan plan;
  plan.steps = {run_step(site.vms.front(), "starts it", {"virsh", "start", "x"}), run_step(site.vms.front(), "never", {"virsh"})};
  const Status done = runner.carry_out(site, plan);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().context, "gate-1: starts it: virsh ended with 1: error: no space");
  EXPECT_EQ(ran, 1);
}

TEST_F(FakeHost, AMachineThatDoesNotGoOffIsWaitedForSoLong) {
  answer = [&](const ProgramCall& call) {
    const bool dump = call.argv[4] == "dumpxml";
    return ProgramResult{0, 0, dump ? "<domain><uuid>" + site.vms.front().uuid + "</uuid></domain>" : "running\n", "", false};
  };
  HostRunner runner(**driver, world);
  HostStep wait;
  wait.kind = HostStep::Kind::kAwait;
  wait.machine = "gate-1";
  wait.timeout = std::chrono::minutes(3);
  HostPlan plan;
  plan.steps = {wait};
  const Instant begun = clock.now();
  const Status done = runner.carry_out(site, plan);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Errc::kTimeout);
  EXPECT_NE(done.error().context.find("stop --force gate-1"), std::string::npos);
  EXPECT_GE(clock.now() - begun, std::chrono::minutes(3));
}

TEST_F(FakeHost, AStopIsNoticedBetweenSteps) {
  answer = [](const ProgramCall&) { return ProgramResult{}; };
  int asked = 0;
  world.stop = [&] { return ++asked > 1; };
  HostRunner runner(**driver, world);
  HostPlan plan;
  plan.steps = {run_step(site.vms.front(), "one", {"true"}), run_step(site.vms.front(), "two", {"true"})};
  const Status done = runner.carry_out(site, plan);
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().context.find("stopped; what is done stays"), std::string::npos) << done.error().context;
}

}  // namespace
}  // namespace fairlead::bootstrap
