// What is planned for storage: from empty disks to a mounted volume, from states that somebody left, and never more than facts allow.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>

#include "k8s-bootstrap/plan/plan_bring_up.h"
#include "k8s-bootstrap/storage/plan_storage.h"
#include "k8s-bootstrap/storage/pool_view.h"
#include "tests/unit/k8s-bootstrap/storage_world.h"

namespace fairlead::bootstrap {
namespace {

using namespace test;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(PlanStorage, EmptyDisksBecomeAMountedVolume) {
  const World w;
  const Plan plan = w.only_storage();
  EXPECT_THAT(ids(plan),
              ElementsAre("stor-1/brick-brick-1", "stor-1/glusterd", "stor-2/brick-brick-1", "stor-2/glusterd", "stor-3/brick-brick-1",
                          "stor-3/glusterd", "stor-1/probe-stor-2", "stor-2/probe-stor-1", "stor-1/probe-stor-3", "stor-1/volume-pods",
                          "node-1/mount-pods", "node-2/mount-pods", "node-1/directories-pods", "stor-1/volume-pods-quota"));
  EXPECT_THAT(plan.obstacles, IsEmpty()) << obstacles_of(plan);
  const std::string create = text_of(*plan.find("stor-1/volume-pods"));
  EXPECT_THAT(create,
              HasSubstr("volume create pods replica 3 stor-1.kube.demo:/srv/bricks/brick-1/pods stor-2.kube.demo:/srv/bricks/brick-1/pods "
                        "stor-3.kube.demo:/srv/bricks/brick-1/pods"));
  EXPECT_THAT(create,
              AllOf(HasSubstr("network.ping-timeout 10"), HasSubstr("cluster.quorum-type auto"),
                    HasSubstr("cluster.server-quorum-type server"), HasSubstr("auth.allow 192.168.3.0/24"), Not(HasSubstr(" force"))));
  for (const Step& step : plan.steps) EXPECT_EQ(step.hazard, Hazard::kNone) << step.id;
}

TEST(PlanStorage, APoolThatIsAsTheSiteSaysNeedsNothing) {  // G2
  const World w(3, true);
  const Plan plan = w.only_storage();
  EXPECT_THAT(ids(plan), IsEmpty());
  EXPECT_TRUE(plan.empty()) << obstacles_of(plan);
  EXPECT_THAT(plan.warnings, IsEmpty()) << warnings_of(plan);
}

TEST(PlanStorage, AnArbiterIsTheThirdBrick) {
  World w;
  w.site.gluster->volumes[0].arbiter = 1;
  EXPECT_THAT(text_of(*w.only_storage().find("stor-1/volume-pods")), HasSubstr("replica 3 arbiter 1 stor-1"));
}

// ---- disks: ST1 ----

struct Disk {
  const char* what;
  std::function<void(World&)> change;
  const char* reason;
};
std::ostream& operator<<(std::ostream& out, const Disk& disk) { return out << disk.what; }
class RefusedDisk : public testing::TestWithParam<Disk> {};
TEST_P(RefusedDisk, IsNotWrittenToAndTheVolumeWaits) {
  World w;
  GetParam().change(w);
  const Plan plan = w.only_storage();
  EXPECT_THAT(obstacles_of(plan), HasSubstr(GetParam().reason));
  EXPECT_THAT(ids(plan), Not(Contains("stor-2/brick-brick-1")));
  EXPECT_THAT(ids(plan), Not(Contains("stor-1/volume-pods")));
}
INSTANTIATE_TEST_SUITE_P(
    PlanStorage, RefusedDisk,
    testing::Values(Disk{"data",
                         [](World& w) {
                           w.brick("stor-2").disk_has_data = Known::kYes;
                           w.brick("stor-2").disk_data = "ext4";
                         },
                         "has data: ext4"},
                    Disk{"wipe_without_its_serial",
                         [](World& w) {
                           w.brick("stor-2").disk_has_data = Known::kYes;
                           w.brick("stor-2").disk_data = "ext4";
                           w.brick("stor-2").disk_serial = "OTHER";
                           w.machine("stor-2").bricks[0].wipe = true;
                         },
                         "has the serial 'OTHER', the site says 'S-stor-2'"},
                    Disk{"another_serial", [](World& w) { w.brick("stor-2").disk_serial = "OTHER"; }, "has the serial 'OTHER'"},
                    Disk{"too_small", [](World& w) { w.brick("stor-2").disk_bytes = 400ULL << 30U; }, "brick-1 needs 500GiB"},
                    Disk{"not_there", [](World& w) { w.brick("stor-2").disk_there = Known::kNo; }, "is not there"},
                    Disk{"in_use", [](World& w) { w.brick("stor-2").disk_in_use = Known::kYes; }, "is in use"},
                    Disk{"in_use_and_wipe",
                         [](World& w) {
                           w.brick("stor-2").disk_in_use = Known::kYes;
                           w.machine("stor-2").bricks[0].wipe = true;
                         },
                         "is in use"},
                    Disk{"unknown_data", [](World& w) { w.brick("stor-2").disk_has_data = Known::kUnknown; }, "has data could not be read"},
                    Disk{"unknown_use", [](World& w) { w.brick("stor-2").disk_in_use = Known::kUnknown; }, "has data could not be read"},
                    Disk{"unknown_disk", [](World& w) { w.brick("stor-2").disk_there = Known::kUnknown; }, "is there could not be read"},
                    Disk{"unknown_mount", [](World& w) { w.brick("stor-2").mounted = Known::kUnknown; }, "is mounted could not be read"},
                    Disk{"somebody_elses_mount",
                         [](World& w) {
                           w.brick("stor-2").mounted = Known::kYes;
                           w.brick("stor-2").source = "/dev/sdc1";
                         },
                         "/dev/sdc1 is mounted at /srv/bricks/brick-1"}),
    [](const auto& each) { return std::string(each.param.what); });

TEST(PlanStorage, ADiskWithDataIsWipedOnlyWithTheFlagAndItsSerialAndDestroysData) {
  World w;
  w.brick("stor-2").disk_has_data = Known::kYes;
  w.brick("stor-2").disk_data = "ext4";
  w.machine("stor-2").bricks[0].wipe = true;
  const Plan plan = w.only_storage();
  ASSERT_NE(plan.find("stor-2/brick-brick-1"), nullptr);
  EXPECT_EQ(plan.find("stor-2/brick-brick-1")->hazard, Hazard::kDestroysData);
  EXPECT_THAT(text_of(*plan.find("stor-2/brick-brick-1")), HasSubstr("wipefs --all"));
  EXPECT_EQ(plan.find("stor-1/brick-brick-1")->hazard, Hazard::kNone);
  EXPECT_THAT(text_of(*plan.find("stor-1/brick-brick-1")), Not(HasSubstr("wipefs")));
}

TEST(PlanStorage, ABrickThatWasBegunIsFinished) {
  World w;
  BrickFact& brick = w.brick("stor-2");
  brick.disk_group = "fl-brick-1";
  brick.disk_has_data = Known::kYes;
  brick.disk_data = "LVM2_member";
  brick.disk_in_use = Known::kYes;
  brick.volume_there = Known::kYes;
  const Plan plan = w.only_storage();
  ASSERT_NE(plan.find("stor-2/brick-brick-1"), nullptr) << obstacles_of(plan);
  EXPECT_EQ(plan.find("stor-2/brick-brick-1")->hazard, Hazard::kNone);
  EXPECT_THAT(plan.find("stor-2/brick-brick-1")->because, HasSubstr("was begun and not finished"));
}

TEST(PlanStorage, AFileSystemOfTheOperatorsMustBeMounted) {
  World w;
  Brick own;
  own.name = "brick-1";
  own.path = "/srv/brick";
  w.machine("stor-2").bricks = {own};
  EXPECT_THAT(obstacles_of(w.only_storage()), HasSubstr("nothing is mounted at /srv/brick"));
  w.brick("stor-2").mounted = Known::kYes;
  w.brick("stor-2").filesystem = "xfs";
  w.brick("stor-2").directories_known = Known::kYes;
  const Plan plan = w.only_storage();
  EXPECT_THAT(plan.obstacles, IsEmpty()) << obstacles_of(plan);
  EXPECT_THAT(ids(plan), Not(Contains("stor-2/brick-brick-1")));
  EXPECT_THAT(text_of(*plan.find("stor-1/volume-pods")), HasSubstr("stor-2.kube.demo:/srv/brick/pods"));
}

// ---- the pool: ST2 ----

TEST(PlanStorage, NoPoolBeginsWhileAStorageMachineIsNotRead) {
  World w;
  w.facts.machines.erase("stor-3");
  w.facts.unread["stor-3"] = "no route to host";
  const Plan plan = w.only_storage();
  EXPECT_THAT(ids(plan), Not(Contains(HasSubstr("probe"))));
  EXPECT_THAT(ids(plan), Not(Contains(HasSubstr("volume"))));
  EXPECT_THAT(obstacles_of(plan), HasSubstr("stor-3"));
}

TEST(PlanStorage, AMachineThatWasAddedIsProbedIntoThePoolThatIs) {
  World w(4);
  w.facts = pool_facts(w.site, 3);
  const Plan plan = w.only_storage();
  EXPECT_THAT(ids(plan), AllOf(Contains("stor-1/probe-stor-4"), Not(Contains("stor-4/probe-stor-1")), Not(Contains(HasSubstr("volume")))));
}

TEST(PlanStorage, APoolThatWasStoppedIsStartedAndLookedAtAgain) {
  World w(3, true);
  for (const char* name : {"stor-1", "stor-2", "stor-3"}) {
    w.storage(name).running = Known::kNo;
    w.storage(name).peers.reset();
    w.storage(name).volumes.reset();
  }
  w.facts.pool.reset();
  EXPECT_THAT(ids(w.only_storage()), ElementsAre("stor-1/glusterd", "stor-2/glusterd", "stor-3/glusterd"));
}

TEST(PlanStorage, StatesOfAMemberThatNeedAHandAreNamedWithTheirRemedy) {
  World renewed(3, true);
  renewed.storage("stor-2") = fresh_storage(renewed.machine("stor-2"));
  EXPECT_THAT(obstacles_of(renewed.only_storage()),
              AllOf(HasSubstr("stor-2 it was installed anew"), HasSubstr("fairlead storage replace stor-2")));

  World rejected(3, true);
  for (const char* name : {"stor-1", "stor-2", "stor-3"}) {
    for (GlusterPeer& peer : *rejected.storage(name).peers) {
      if (std::string_view(name) != "stor-2" && peer.uuid != "uuid-stor-2") continue;  // It and the others reject each other.
      peer.state = 6;
      peer.state_text = "Peer Rejected";
    }
  }
  EXPECT_THAT(obstacles_of(rejected.only_storage()), HasSubstr("stor-1 says of it: Peer Rejected"));

  World stranger(3, true);
  stranger.storage("stor-3").peers = std::vector<GlusterPeer>{{"uuid-else", {"else.example"}, true, kPeerInCluster, ""}};
  for (const char* name : {"stor-1", "stor-2"})
    std::erase_if(*stranger.storage(name).peers, [](const GlusterPeer& p) { return p.uuid == "uuid-stor-3"; });
  EXPECT_THAT(obstacles_of(stranger.only_storage()), HasSubstr("stor-3 it and stor-1 are in different pools"));

  World twins(3);
  for (const char* name : {"stor-1", "stor-2"}) twins.storage(name).uuid = "uuid-same";
  EXPECT_THAT(obstacles_of(twins.only_storage()), HasSubstr("its glusterd has the UUID of stor-1"));
  EXPECT_THAT(ids(twins.only_storage()), Not(Contains(HasSubstr("probe"))));

  World old(3, true);
  old.storage("stor-2").version = "5.5";
  EXPECT_THAT(obstacles_of(old.only_storage()), HasSubstr("stor-2 Gluster 5.5 is there"));
}

TEST(PlanStorage, AMemberThatKnowsTheFirstByItsAddressLearnsItsName) {
  World w(3, true);
  for (GlusterPeer& peer : *w.storage("stor-2").peers) {
    if (peer.uuid == "uuid-stor-1") peer.names = {"192.168.3.11"};
  }
  EXPECT_THAT(ids(w.only_storage()), ElementsAre("stor-2/probe-stor-1"));
}

// ---- volumes ----

TEST(PlanStorage, ABrickThatBearsAnIdIsNoNewBrick) {  // ST3
  World w(3, true);
  for (const char* name : {"stor-1", "stor-2", "stor-3"}) w.storage(name).volumes->clear();
  w.facts.pool.reset();
  const Plan plan = w.only_storage();
  EXPECT_THAT(obstacles_of(plan), HasSubstr("is a brick of another volume, or of an earlier one"));
  EXPECT_THAT(ids(plan), Not(Contains("stor-1/volume-pods")));
}

TEST(PlanStorage, AFullDirectoryIsNoNewBrick) {  // ST3
  World w(3, true);
  for (const char* name : {"stor-1", "stor-2", "stor-3"}) {
    w.storage(name).volumes->clear();
    w.brick(name).directories["pods"].clear();
    w.brick(name).filled.clear();
  }
  w.facts.pool.reset();
  EXPECT_THAT(ids(w.only_storage()), Contains("stor-1/volume-pods"));
  w.brick("stor-2").filled = {"pods"};
  const Plan plan = w.only_storage();
  EXPECT_THAT(obstacles_of(plan), HasSubstr("stor-2 /srv/bricks/brick-1/pods has something in it, and is no brick"));
  EXPECT_THAT(ids(plan), Not(Contains("stor-1/volume-pods")));
}

TEST(PlanStorage, OptionsThatDifferAreSetAndAVolumeThatWasNeverStartedIs) {
  World w(3, true);
  for (const char* name : {"stor-1", "stor-2", "stor-3"}) {
    (*w.storage(name).volumes)[0].options["network.ping-timeout"] = "42";
    (*w.storage(name).volumes)[0].status = GlusterVolumeInfo::Status::kCreated;
  }
  const Plan plan = w.only_storage();
  EXPECT_THAT(ids(plan), ElementsAre("stor-1/volume-pods-options", "stor-1/volume-pods-start"));
  EXPECT_THAT(text_of(plan.steps[0]), AllOf(HasSubstr("network.ping-timeout 10"), Not(HasSubstr("quorum"))));
}

TEST(PlanStorage, AVolumeThatSomebodyStoppedStaysStoppedAndSplitBrainIsSaidWithItsRemedy) {
  World w(3, true);
  for (const char* name : {"stor-1", "stor-2", "stor-3"}) (*w.storage(name).volumes)[0].status = GlusterVolumeInfo::Status::kStopped;
  const Plan stopped = w.only_storage();
  EXPECT_THAT(ids(stopped), IsEmpty());
  EXPECT_THAT(warnings_of(stopped), HasSubstr("volume pods was stopped"));
  World split(3, true);
  (*split.pods().heal)[0].split_brain = 2;
  EXPECT_THAT(warnings_of(split.only_storage()), AllOf(HasSubstr("2 files are in split brain"), HasSubstr("split-brain source-brick")));
}

TEST(PlanStorage, BricksMoreOrOthersAreSaidAndNotChanged) {  // ST5
  World more(6);
  more.facts = pool_facts(more.site, 3);
  const Plan plan = more.only_storage();
  EXPECT_THAT(ids(plan), Not(Contains(HasSubstr("volume"))));
  EXPECT_THAT(warnings_of(plan), HasSubstr("could have 3 bricks more: fairlead storage expand"));
  World other(3, true);
  for (const char* name : {"stor-1", "stor-2", "stor-3"})
    (*other.storage(name).volumes)[0].bricks[2].name = "stor-9.kube.demo:/srv/bricks/brick-1/pods";
  EXPECT_THAT(warnings_of(other.only_storage()), HasSubstr("bricks that the site has not: stor-9.kube.demo"));
}

TEST(PlanStorage, QuotasThatCouldNotBeReadAreLeftAlone) {
  World w(3, true);
  w.pods().quotas.reset();
  const Plan plan = w.only_storage();
  EXPECT_THAT(ids(plan), IsEmpty());
  EXPECT_THAT(warnings_of(plan), HasSubstr("quotas could not be read"));
}

TEST(PlanStorage, AnotherFileSystemInTheVolumesPlaceIsRefused) {
  World w(3, true);
  w.storage("node-1").mounts["/srv/pods"].source = "/dev/sdb1";
  w.storage("node-1").mounts["/srv/pods"].filesystem = "ext4";
  EXPECT_THAT(obstacles_of(w.only_storage()), HasSubstr("node-1 /dev/sdb1 is mounted at /srv/pods"));
}

TEST(PlanStorage, TlsNeedsItsFilesOnServersAndClients) {
  World w(3, true);
  w.site.gluster->volumes[0].options = {{"server.ssl", "on"}, {"client.ssl", "on"}};
  EXPECT_THAT(obstacles_of(w.only_storage()), HasSubstr("stor-1 stor-2 stor-3 a volume has TLS, and /etc/ssl/glusterfs.pem"));
}

// ---- property: unknown is not absent, and nothing is wiped unasked ----

/// Facts of any mixture of states, with any part of them unread.
Facts any_facts(const Site& site, std::mt19937_64& rng) {
  const auto chance = [&](unsigned in) { return rng() % in == 0; };
  const auto any_known = [&] { return static_cast<Known>(rng() % 3); };
  Facts out = chance(2) ? pool_facts(site, 3) : fresh_storage_facts(site);
  for (const Machine* m : site.with(Role::kStorage)) {
    MachineFacts& f = out.machines[m->name];
    StorageFacts& s = *f.storage;
    if (chance(6)) s = fresh_storage(*m);
    if (chance(6)) s.peers.reset();
    if (chance(6)) s.volumes.reset();
    if (s.volumes && chance(6)) s.volumes->clear();
    for (Known* known : {&s.installed, &s.running, &s.has_peers, &s.has_volumes}) {
      if (chance(8)) *known = any_known();
    }
    BrickFact& b = s.bricks["brick-1"];
    for (Known* known :
         {&b.mounted, &b.disk_there, &b.disk_in_use, &b.disk_has_data, &b.volume_there, &b.filesystem_there, &b.directories_known}) {
      if (chance(5)) *known = any_known();
    }
    if (b.disk_has_data == Known::kYes && chance(2)) b.disk_data = "ext4";
    if (chance(8)) b.disk_serial = "OTHER";
    if (chance(8)) b.disk_group = chance(2) ? "fl-brick-1" : "vg0";
    if (chance(8)) b.directories["pods"] = volume_id();
    if (chance(8)) b.directories.clear();
    if (chance(12)) f.storage.reset();
    if (chance(10)) {
      out.machines.erase(m->name);
      out.unread[m->name] = "no route to host";
    }
  }
  if (chance(4)) out.pool.reset();
  if (out.pool && chance(3)) {
    VolumeFacts& pods = out.pool->volumes["pods"];
    if (pods.processes && !pods.processes->empty()) (*pods.processes)[rng() % pods.processes->size()].online = false;
    if (chance(3)) pods.processes.reset();
    if (chance(3)) pods.heal.reset();
  }
  return out;
}

/// The rules, told from step and facts alone.
void judge(const Plan& plan, const Site& site, const Facts& facts) {
  for (const std::string& wrong : check_plan(plan, site, facts)) ADD_FAILURE() << wrong;
  for (const Step& step : plan.steps) {
    if (step.phase != Phase::kStorage) continue;
    const std::string verb = step.id.substr(step.id.find('/') + 1);
    if (verb == "brick-brick-1") {
      const Brick& wanted = site.find(step.machine)->bricks.front();
      const BrickFact& b = facts.machines.at(step.machine).storage->bricks.at("brick-1");
      const bool ours = b.disk_group == "fl-brick-1";
      EXPECT_TRUE(ours || (b.disk_there == Known::kYes && b.disk_serial == wanted.serial)) << step.id;
      EXPECT_EQ(b.mounted, Known::kNo) << step.id;
      if (!ours && !wanted.wipe) { EXPECT_EQ(b.disk_has_data, Known::kNo) << step.id; }
      EXPECT_EQ(text_of(step).find("wipefs") != std::string::npos, step.hazard == Hazard::kDestroysData) << step.id;
      EXPECT_TRUE(step.hazard == Hazard::kNone || (wanted.wipe && b.disk_has_data == Known::kYes && b.disk_serial == wanted.serial))
          << step.id;
    } else {
      EXPECT_EQ(step.hazard, Hazard::kNone) << step.id;
    }
    const bool begins = text_of(step).find("volume create") != std::string::npos;
    for (const Machine* m : begins ? site.with(Role::kStorage) : std::vector<const Machine*>{}) {
      const auto found = facts.machines.find(m->name);
      ASSERT_TRUE(found != facts.machines.end() && found->second.storage) << "ST2: " << m->name << " was not read";
      const StorageFacts& s = *found->second.storage;
      const bool none = s.running == Known::kYes ? s.volumes && std::none_of(s.volumes->begin(), s.volumes->end(),
                                                                             [](const auto& v) { return v.name == "pods"; })
                                                 : s.has_volumes == Known::kNo;
      EXPECT_TRUE(none) << "ST2: " << m->name;
      const BrickFact& b = s.bricks.at("brick-1");
      const auto id = b.directories.find("pods");
      const bool fresh = plan.find(m->name + "/brick-brick-1") != nullptr;
      EXPECT_TRUE(fresh ||
                  (b.mounted == Known::kYes && b.directories_known == Known::kYes && (id == b.directories.end() || id->second.empty())))
          << "ST3: " << m->name;
    }
    if (verb == "replace-pods") {  // ST4
      ASSERT_TRUE(facts.pool && facts.pool->volumes.at("pods").processes);
      const auto& processes = *facts.pool->volumes.at("pods").processes;
      EXPECT_GE(std::count_if(processes.begin(), processes.end(), [](const auto& p) { return p.online && p.host != "stor-2.kube.demo"; }),
                2);
    }
  }
}

TEST(StorageProperty, UnknownIsNotAbsentAndNothingIsWipedUnasked) {
  Site site = storage_site(3);
  const Rendered texts = lab_texts(site);  // What may be wiped stands in no file.
  int created = 0;
  int made = 0;
  int replaced = 0;
  for (unsigned seed = 0; seed < 20000 && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 rng(seed);
    for (Machine& m : site.machines) {
      if (!m.bricks.empty()) m.bricks.front().wipe = rng() % 3 == 0;
    }
    const Facts facts = any_facts(site, rng);
    PlanBuilder builder({site, facts, texts});
    plan_storage(builder);
    const Plan plan = builder.take();
    judge(plan, site, facts);
    created += plan.find("stor-1/volume-pods") != nullptr ? 1 : 0;
    made += plan.find("stor-1/brick-brick-1") != nullptr ? 1 : 0;
    const Plan anew = plan_storage_replace({site, facts, texts}, "stor-2", {});
    judge(anew, site, facts);
    replaced += anew.find("stor-1/replace-pods") != nullptr || anew.find("stor-3/replace-pods") != nullptr ? 1 : 0;
  }
  // The search is no use if it never gets there.
  EXPECT_GT(created, 100);
  EXPECT_GT(made, 1000);
  EXPECT_GT(replaced, 50);
}

}  // namespace
}  // namespace fairlead::bootstrap
