// What dead runs leave on a machine, cleared by the shell that would do it there.
#include "k8s-bootstrap/apply/leftover_secrets.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <gmock/gmock.h>
#include <set>
#include <unistd.h>

#include "base/run_program.h"
#include "k8s-bootstrap/plan/plan_bring_up.h"
#include "tests/support/bootstrap_site.h"
#include "tests/support/temp_dir.h"

namespace fairlead::bootstrap {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr const char* kBoot = "this-boot";

class Leftovers : public testing::Test {
 protected:
  /// A step's record with its secrets. `more`: names of further files.
  void record(const std::string& name, const std::string& boot, const std::string& pid, std::initializer_list<const char*> more) {
    const fs::path at = fs::path(folder_) / "runs/run-1" / name;
    fs::create_directories(at);
    write(at / "step", name + ".0\n");
    write(at / "boot_id", boot + "\n");
    write(at / "pid", pid + "\n");
    for (const char* file : more) write(at / file, std::string_view(file) == "rc" ? "0\n" : "canary\n");
  }
  static void write(const fs::path& path, const std::string& text) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  /// "PID STARTTIME" of this process, which lives.
  static std::string own_pid() {
    const std::string stat = fairlead::test::TempDir::read("/proc/self/stat");
    std::string rest = stat.substr(stat.rfind(')') + 2);
    for (int field = 3; field < 22; ++field) rest = rest.substr(rest.find(' ') + 1);
    return fmt::format("{} {}", ::getpid(), rest.substr(0, rest.find(' ')));
  }
  int sweep() {
    ProgramCall call;
    call.argv = {"/bin/sh", "-uc", fmt::format("folder='{}'\nboot={}\n{}\nsweep || exit 92\n", folder_, kBoot, sweep_function())};
    auto ran = run_program(call);
    EXPECT_TRUE(ran) << ran.error().message();
    EXPECT_EQ(ran->errors, "");
    return ran->exit_code;
  }
  [[nodiscard]] std::vector<std::string> left(const std::string& name) const {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(fs::path(folder_) / name)) out.push_back(entry.path().filename().string());
    std::sort(out.begin(), out.end());
    return out;
  }

  fairlead::test::TempDir temp_;
  std::string folder_ = temp_.path("boot strap");
};

TEST_F(Leftovers, OfAStepThatWasInterruptedItsRecordStays) {
  record("rebooted", "the boot before", "1 1", {"script", "input", "run", "out", "err", "secret"});
  record("killed", kBoot, "4194305 1", {"script", "input", "run", "out", "err"});
  ASSERT_EQ(sweep(), 0);
  EXPECT_THAT(left("runs/run-1/rebooted"), ElementsAre("boot_id", "pid", "run", "secret", "step"));
  // What it said is no secret, and may tell why.
  EXPECT_THAT(left("runs/run-1/killed"), ElementsAre("boot_id", "err", "out", "pid", "run", "step"));
}

TEST_F(Leftovers, WhatASecretScriptSaidGoesAlsoWhenItEndedWell) {
  record("token", kBoot, "1 1", {"rc", "run", "out", "err", "secret"});
  record("join", kBoot, "1 1", {"rc", "run", "out", "err"});
  ASSERT_EQ(sweep(), 0);
  EXPECT_THAT(left("runs/run-1/token"), ElementsAre("boot_id", "pid", "rc", "run", "secret", "step"));
  EXPECT_THAT(left("runs/run-1/join"), ElementsAre("boot_id", "err", "out", "pid", "rc", "run", "step"));
}

TEST_F(Leftovers, OfAScriptThatRunsNothingIsTouchedNorWhatItWorksWith) {
  record("at-work", kBoot, own_pid(), {"script", "input", "run", "out", "err", "secret"});
  write(folder_ + "/kubeadm.yaml", "canary\n");
  ASSERT_EQ(sweep(), 0);
  EXPECT_THAT(left("runs/run-1/at-work"), ElementsAre("boot_id", "err", "input", "out", "pid", "run", "script", "secret", "step"));
  EXPECT_THAT(left(""), ElementsAre("kubeadm.yaml", "runs"));
}

TEST_F(Leftovers, WhatArrivedInPartAndFilesOfStepsGo) {
  write(folder_ + "/runs/run-1/.new.77/script", "canary\n");
  for (const auto name : kSecretWorkFiles) {
    write(fmt::format("{}/{}", folder_, name), "canary\n");
    write(fmt::format("{}/{}.fairlead-new", folder_, name), "canary\n");
  }
  write(folder_ + "/kubeadm.sums", "stays\n");
  ASSERT_EQ(sweep(), 0);
  EXPECT_THAT(left(""), ElementsAre("kubeadm.sums", "runs"));
  EXPECT_THAT(left("runs/run-1"), IsEmpty());
}

TEST_F(Leftovers, EverySecretFileThatAStepWorksWithIsKnown) {
  std::set<std::string> seen;
  for (const int etcd : {0, 3}) {
    const Site site = test::lab_site({.bastion = true, .etcd = etcd});
    const Facts facts = test::fresh_site_facts(site);
    const Rendered texts = test::lab_texts(site);
    for (const Step& step : plan_bring_up({site, facts, texts}).steps) {
      for (const Operation& operation : step.operations) {
        const auto* written = std::get_if<WriteFile>(&operation);
        const auto* copied = std::get_if<CopyFile>(&operation);
        if (written != nullptr && written->secret) seen.insert(written->path);
        if (copied != nullptr && copied->secret) seen.insert(copied->path);
      }
    }
  }
  std::erase_if(seen, [](const std::string& path) { return !path.starts_with(kWorkPath); });
  EXPECT_GE(seen.size(), 5U);
  for (const auto name : kSecretWorkFiles) seen.erase(fmt::format("{}/{}", kWorkPath, name));
  EXPECT_THAT(seen, IsEmpty());
}

TEST_F(Leftovers, AMachineThatWasNeverWorkedOnHasNone) { EXPECT_EQ(sweep(), 0); }

}  // namespace
}  // namespace fairlead::bootstrap
