// How an image comes about: steps and scripts as recorded (tests/golden/k8s-bootstrap/image), and what the site leaves open.
#include "k8s-bootstrap/image/image_plan.h"

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "k8s-bootstrap/image/image_builder.h"
#include "k8s-bootstrap/image/image_scripts.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/k8s-bootstrap/render_site.h"

namespace fairlead::bootstrap {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

ProgramResult run(const std::vector<std::string>& argv, const std::string& input) {
  ProgramCall call;
  call.argv = argv;
  call.input = input;
  auto ran = run_program(call);
  EXPECT_TRUE(ran) << ran.error().message();
  return ran ? *ran : ProgramResult{};
}

constexpr std::uint64_t kGiB = 1ULL << 30U;

Image classic_image() {
  Image image;
  image.name = "base";
  image.release = "bookworm";
  image.packages = {"curl", "chrony"};
  return whole_image(image);
}

const ImagePlaces kPlaces{"/srv/demo.state/images", "http://mirror.example/debian", std::string(kCloudKernel), false};

std::string lines(const std::vector<HostStep>& steps) {
  std::string out;
  for (const HostStep& step : steps) {
    // The scripts are recorded by themselves.
    const bool script = step.path.ends_with("/fairlead-build") || step.path.ends_with("/grow");
    out += script ? fmt::format("# writes {} {:04o}\n", step.path, step.mode) : step_text(step) + "\n";
  }
  return out;
}

TEST(ImagePlan, WhatTheSiteLeavesOpenIsTheClassicLayout) {
  const Image image = classic_image();
  EXPECT_EQ(image.disk, 40 * kGiB);
  ASSERT_EQ(image.volumes.size(), 6U);
  EXPECT_EQ(image.volumes.front().name, "root");
  EXPECT_EQ(grow_rules(image), "var 100%\n");
  Image own = image;
  own.grow = {{"home", "30%"}, {"var", "70%"}};
  EXPECT_EQ(grow_rules(whole_image(own)), "home 30%\nvar 70%\n");
}

TEST(ImagePlan, StepsAreTheRecordedOnes) {
  const ImageBuild build = plan_image(classic_image(), kPlaces);
  render_test::expect_golden("image/steps.txt", lines(build.make) + "# when the builder said that it is whole\n" + lines(build.finish));
}

TEST(ImagePlan, TheBuildersScriptIsTheRecordedOneAndAScript) {
  const std::string script = builder_script(classic_image());
  render_test::expect_golden("image/builder.sh", script);
  for (const std::string& text : {script, std::string(kGrowScript), grow_now_script(classic_image())}) {
    const ProgramResult checked = run({"bash", "-n"}, text);
    EXPECT_EQ(checked.exit_code, 0) << checked.errors;
  }
}

// IM1: whatever is interrupted, no half image has the image's name.
TEST(ImagePlan, NothingOutsideTheWorkFolderIsWrittenBeforeTheBuilderSaysThatItIsWhole) {
  const ImageBuild build = plan_image(classic_image(), kPlaces);
  for (const HostStep& step : build.make) {
    EXPECT_TRUE(step.path.empty() || step.path.starts_with(build.work)) << step.path;
    EXPECT_NE(step.kind, HostStep::Kind::kRename);
    EXPECT_THAT(step.argv, Not(Contains(build.image)));
  }
}

// IM3
TEST(ImagePlan, WhatIsOfOneMachineIsRemoved) {
  const std::string script = builder_script(classic_image());
  for (const char* what : {"etc/machine-id", "etc/ssh/ssh_host_*", "var/lib/cloud", "glusterd.info", "etc/hostname"})
    EXPECT_THAT(script, HasSubstr(what));
}

TEST(ImagePlan, PackagesAreEachOnceAndTheKernelFitsTheHypervisor) {
  const auto cloud = image_packages(classic_image(), kCloudKernel);
  EXPECT_EQ(std::count(cloud.begin(), cloud.end(), "chrony"), 1);
  EXPECT_THAT(cloud, Contains("curl"));
  EXPECT_THAT(cloud, Contains("linux-image-cloud-amd64"));
  const auto whole = image_packages(classic_image(), kWholeKernel);  // Debian's cloud kernel has no driver for VirtualBox's disks.
  EXPECT_THAT(whole, Contains("linux-image-amd64"));
  EXPECT_THAT(whole, Not(Contains("linux-image-cloud-amd64")));
}

/// kGrowScript with commands that write down how they were called; `free` extents are free.
struct GrowRun {
  test::TempDir folder;
  std::string run(const std::string& rules, int free, const std::string& fails = "") {
    const std::string path = folder.path("");
    const auto put = [&](const std::string& name, const std::string& text) {
      std::ofstream(path + name) << "#!/bin/sh\n" << text;
      std::filesystem::permissions(path + name, std::filesystem::perms::owner_all);
    };
    put("vgs", fmt::format("case $* in *pv_name*) echo '  /dev/vda3' ;; *) echo '  {}' ;; esac\n", free));
    put("growpart", "echo 'NOCHANGE: partition 3 is size 1. it cannot be grown'; exit 1\n");
    put("pvresize", "exit 0\n");
    put("lvextend", fmt::format("echo \"$*\" >>{}calls\ncase $* in *{}*) exit 5 ;; esac\n", path, fails.empty() ? "@none@" : fails));
    std::ofstream(path + "rules") << rules;
    std::string script(kGrowScript);
    // No disk is asked which one it is.
    for (const auto& [from, to] : {std::pair<std::string, std::string>{"$(cat \"/sys/class/block/$part/partition\" 2>/dev/null)", "3"},
                                   {"/dev/$(basename \"$(dirname \"$(readlink -f \"/sys/class/block/$part\")\")\")", "/dev/vda"}}) {
      const auto at = script.find(from);
      EXPECT_NE(at, std::string::npos) << from;
      if (at != std::string::npos) script.replace(at, from.size(), to);
    }
    const ProgramResult ran = bootstrap::run({"sh", "-c", "PATH=" + path + ":$PATH; export PATH; sh -s " + path + "rules"}, script);
    std::ifstream calls(path + "calls");
    const std::string called((std::istreambuf_iterator<char>(calls)), {});
    return fmt::format("{}{}{}", called, ran.output, ran.exit_code);
  }
};

TEST(ImageGrowth, OnlyWhatIsBeyondTheImagesOwnFreeSpaceIsGiven) {
  EXPECT_EQ(GrowRun().run("keep 100\nvar 100%\n", 100), "fairlead-grow: nothing to grow\n0");
  EXPECT_EQ(
      GrowRun().run("keep 100\nvar 75%\nhome 25%\n", 500),
      "-q -r -l +300 vg0/var\n-q -r -l +100 vg0/home\nfairlead-grow: var grew by 300 extents\nfairlead-grow: home grew by 100 extents\n0");
  // Without that line nobody knows what was free: nothing is taken for new.
  EXPECT_EQ(GrowRun().run("var 100%\n", 500), "fairlead-grow: nothing to grow\n0");
}

TEST(ImageGrowth, AVolumeThatDoesNotGrowIsSaidAndTheOthersGrow) {
  EXPECT_EQ(GrowRun().run("keep 0\nvar 50%\nhome 50%\n", 10, "vg0/var"),
            "-q -r -l +5 vg0/var\n-q -r -l +5 vg0/home\nfairlead-grow: var did not grow\nfairlead-grow: home grew by 5 extents\n1");
}

TEST(ImageList, TellsImagesOfOursFromOthers) {
  const test::TempDir folder;
  EXPECT_TRUE(list_images(folder.path("none"))->empty());
  std::ofstream(folder.path("base.qcow2")) << "x";
  std::ofstream(folder.path("base.manifest")) << "apt 2.6.1 amd64\nlinux-image-cloud-amd64 6.1.1-1 amd64\n";
  std::ofstream(folder.path("other.qcow2")) << "x";
  std::ofstream(folder.path("notes.txt")) << "x";
  const auto found = list_images(folder.path(""));
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 2U);
  EXPECT_EQ(found->at(0).name, "base");
  EXPECT_EQ(found->at(0).packages, 2U);
  EXPECT_EQ(found->at(0).kernel, "6.1.1-1");
  EXPECT_EQ(found->at(1).name, "other");
  EXPECT_FALSE(found->at(1).packages);
}

/// A world in which every program succeeds; the builder's result disk says `word`.
TEST(ImageBuilder, AnImageGetsItsNameOnlyWhenTheBuilderSaysThatItIsWhole) {
  const test::TempDir folder;
  ImagePlaces places{folder.path("images"), "", std::string(kCloudKernel), false};
  const ImageBuild build = plan_image(classic_image(), places);
  std::string word;
  LocalWorld world;
  world.run = [&](const ProgramCall& call) -> Result<ProgramResult> {
    const auto put = [](const std::string& path, const std::string& text) { std::ofstream(path) << text; };
    if (call.argv.front() == "mmdebstrap") std::filesystem::create_directories(build.work + "/root/etc/systemd/system");
    if (call.argv.front() == "mkdir") std::filesystem::create_directories(call.argv.back());
    if (call.argv.front() == "sh") put(build.work + "/manifest", "apt 1 amd64\n");
    if (call.argv[0] == "qemu-img") put(build.work + "/disk.qcow2", "disk");
    if (call.argv.front() == "truncate") put(build.result, "");
    if (call.argv.front() == "qemu-system-x86_64") {
      put(build.result, word);
      put(build.console, "fairlead-image: failed: pvcreate\n");
    }
    return ProgramResult{};
  };
  const auto failed = build_image(classic_image(), places, world);
  if (!failed && (failed.error().code == Errc::kPermission || failed.error().code == Errc::kNotFound))
    GTEST_SKIP() << failed.error().message();
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().context, HasSubstr("failed: pvcreate"));
  EXPECT_FALSE(std::filesystem::exists(build.image));
  word = std::string(kBuilderWord) + "\n";
  ASSERT_TRUE(build_image(classic_image(), places, world));
  EXPECT_TRUE(std::filesystem::exists(build.image));
  EXPECT_TRUE(std::filesystem::exists(places.images + "/base.manifest"));
  EXPECT_FALSE(std::filesystem::exists(build.work));
}

}  // namespace
}  // namespace fairlead::bootstrap
