// Two hosts of a cluster as folders: what the verbs write, refuse and say.
#include "cli/cluster_verbs.h"

#include <algorithm>
#include <boost/json.hpp>
#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <gtest/gtest.h>
#include <map>
#include <mutex>
#include <sys/resource.h>
#include <sys/stat.h>
#include <thread>

#include "base/atomic_file.h"
#include "cli/app.h"
#include "cli/cluster_bundle.h"
#include "cli/cluster_files.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_dir.h"

namespace fairlead::cli {
namespace {

using namespace std::chrono_literals;

constexpr const char* kYaml =
    "apiVersion: fairlead/v1   # one file for all\n"
    "cluster:\n"
    "  name: kube-gateways\n"
    "  nodes:\n"
    "    - {name: gate-1, id: 1, links: [127.0.0.1]}\n"
    "    - {name: gate-2, id: 2, links: [127.0.0.2]}\n"
    "  tie_break: {targets: [192.168.4.254]}\n";

/// A stream that another thread may read while it is written to.
class LiveBuffer final : public std::stringbuf {
 public:
  std::string text() {
    const std::lock_guard lock(mutex_);
    return str();
  }
  /// The first word after `mark`, once it is there.
  std::string word_after(const std::string& mark) {
    std::unique_lock lock(mutex_);
    std::string out;
    changed_.wait_for(lock, 20s, [&] {
      const std::string all = str();
      const auto at = all.find(mark);
      if (at == std::string::npos) return false;
      const auto end = all.find_first_of(" \n", at + mark.size());
      if (end == std::string::npos) return false;
      out = all.substr(at + mark.size(), end - at - mark.size());
      return true;
    });
    return out;
  }

 protected:
  std::streamsize xsputn(const char* text, std::streamsize size) override {
    const std::lock_guard lock(mutex_);
    const auto put = std::stringbuf::xsputn(text, size);
    changed_.notify_all();
    return put;
  }
  int overflow(int c) override {
    const std::lock_guard lock(mutex_);
    const int put = std::stringbuf::overflow(c);
    changed_.notify_all();
    return put;
  }

 private:
  std::recursive_mutex mutex_;  // A full buffer overflows while text is put.
  std::condition_variable_any changed_;
};

/// One machine: a host name, addresses, /etc of its own.
class Host {
 public:
  Host(std::string name, std::vector<IpAddress> addresses) {
    environment_of_host.host_name = std::move(name);
    environment_of_host.local_addresses = std::move(addresses);
    std::filesystem::create_directories(corosync());
  }
  int run(const std::vector<std::string>& arguments) {
    std::ostream out(&output);
    std::ostream err(&errors);
    CliEnvironment environment{
        .out = out, .err = err, .clock = clock, .read_line = [this] { return typed; }, .pause = [](Duration) { return true; }};
    environment.cluster_paths = {corosync(), config()};
    environment.systemd_runs = [this] { return systemd; };
    environment.run_program = [this](const std::vector<std::string>& command) -> Result<ProgramEnd> {
      std::string line;
      for (const std::string& word : command) line += (line.empty() ? "" : " ") + word;
      programs.push_back(line);
      const auto answer = answers.find(line);
      return answer == answers.end() ? ProgramEnd{} : answer->second;
    };
    environment.host = [this] { return environment_of_host; };
    environment.measure_pauses = [this](Duration duration, const std::function<bool()>&) {
      membership::PauseMeasurement measured;
      measured.measured = duration;
      measured.interval = 2ms;
      for (const Duration pause : pauses) measured.record.add(1s, pause);
      return measured;
    };
    return run_cli(arguments, environment);
  }
  [[nodiscard]] std::string corosync() const { return etc.path("corosync"); }
  [[nodiscard]] std::string config() const { return etc.path("fairlead/fairlead.yaml"); }
  [[nodiscard]] std::string file(const std::string& name) const { return test::TempDir::read(corosync() + "/" + name); }
  [[nodiscard]] bool has(const std::string& name) const { return std::filesystem::exists(corosync() + "/" + name); }
  void write(const std::string& path, const std::string& text) const {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    ASSERT_TRUE(write_file_atomically(path, text, 0644));
  }
  void configure(const std::string& text = kYaml) const { write(config(), text); }
  [[nodiscard]] bool untouched() const { return std::filesystem::is_empty(corosync()) && !std::filesystem::exists(config()); }
  [[nodiscard]] bool said(const std::string& text) { return (output.text() + errors.text()).find(text) != std::string::npos; }
  [[nodiscard]] std::string all() { return output.text() + errors.text(); }

  test::TempDir etc;
  test::ManualClock clock;
  config::Environment environment_of_host;
  std::vector<Duration> pauses;
  bool systemd = false;
  std::vector<std::string> programs;          ///< What was run.
  std::map<std::string, ProgramEnd> answers;  ///< Others end with 0.
  std::string typed;
  LiveBuffer output;
  LiveBuffer errors;
};

unsigned mode_of(const std::string& path) {
  struct stat found {};
  return ::stat(path.c_str(), &found) == 0 ? found.st_mode & 07777U : 0U;
}

class ClusterVerbsTest : public ::testing::Test {
 protected:
  /// An invitation of `gate1` in a thread of its own; the token once it is printed.
  std::string invited(const std::string& ttl = "30s") {
    gate1.configure();
    const std::vector<std::string> arguments{"cluster", "setup", "--invite", "--ttl", ttl};
    inviting = std::thread([this, arguments] { invite_exit = gate1.run(arguments); });
    return gate1.output.word_after("fairlead cluster join ");
  }
  void TearDown() override { wait(); }
  void wait() {
    if (inviting.joinable()) inviting.join();
  }
  Host gate1{"gate-1", {IpAddress::v4({127, 0, 0, 1})}};
  Host gate2{"gate-2", {IpAddress::v4({127, 0, 0, 2})}};
  std::thread inviting;
  int invite_exit = -1;
};

void expect_no_key_in(const std::string& text, const std::string& key) {
  ASSERT_EQ(key.size(), kAuthkeyBytes);
  const std::string bundle = encode_bundle({key, "", ""});
  const auto begin = bundle.find("authkey\":\"") + 10;
  EXPECT_EQ(text.find(bundle.substr(begin, 32)), std::string::npos);
  EXPECT_EQ(text.find(key.substr(0, 16)), std::string::npos);
}

TEST_F(ClusterVerbsTest, RenderPrintsWhatSetupWrites) {
  gate1.configure();
  ASSERT_EQ(gate1.run({"cluster", "render"}), kExitDone) << gate1.all();
  const std::string text = gate1.output.text();
  EXPECT_NE(text.find("two_node: 1"), std::string::npos);
  ASSERT_EQ(gate1.run({"cluster", "setup"}), kExitDone) << gate1.all();
  EXPECT_EQ(gate1.file("corosync.conf"), text);
}

TEST_F(ClusterVerbsTest, ABadOrStandaloneConfigurationIsRefused) {
  gate1.configure("apiVersion: fairlead/v1\ncluster: {name: x, nodes: 7}\n");
  EXPECT_EQ(gate1.run({"cluster", "render"}), kExitInvalidConfig);
  gate1.configure("apiVersion: fairlead/v1\n");
  EXPECT_EQ(gate1.run({"cluster", "setup"}), kExitFailed);
  EXPECT_TRUE(gate1.said("no `cluster`"));
  EXPECT_EQ(gate1.run({"cluster", "render", gate1.etc.path("missing.yaml")}), kExitInvalidConfig);
  EXPECT_TRUE(std::filesystem::is_empty(gate1.corosync()));
}

TEST_F(ClusterVerbsTest, SetupMakesAKeyOnceAndThenSaysUnchanged) {
  gate1.configure();
  ASSERT_EQ(gate1.run({"cluster", "setup"}), kExitDone) << gate1.all();
  EXPECT_TRUE(gate1.said("created"));
  EXPECT_TRUE(gate1.said("next:"));
  const std::string key = gate1.file("authkey");
  EXPECT_EQ(key.size(), 256U);
  EXPECT_EQ(mode_of(gate1.corosync() + "/authkey"), 0400U);
  EXPECT_EQ(mode_of(gate1.corosync() + "/corosync.conf"), 0644U);

  gate1.output.str("");
  ASSERT_EQ(gate1.run({"cluster", "setup"}), kExitDone);
  EXPECT_TRUE(gate1.said("unchanged"));
  EXPECT_FALSE(gate1.said("created"));
  EXPECT_FALSE(gate1.said("next:"));
  EXPECT_EQ(gate1.file("authkey"), key);
  expect_no_key_in(gate1.all(), key);
}

TEST_F(ClusterVerbsTest, AKeyThatOthersCouldReadIsClosed) {
  gate1.configure();
  ASSERT_EQ(gate1.run({"cluster", "setup"}), kExitDone);
  ASSERT_EQ(::chmod((gate1.corosync() + "/authkey").c_str(), 0644), 0);
  ASSERT_EQ(gate1.run({"cluster", "setup"}), kExitDone);
  EXPECT_EQ(mode_of(gate1.corosync() + "/authkey"), 0400U);
  EXPECT_TRUE(gate1.said("mode corrected"));
}

TEST_F(ClusterVerbsTest, AForeignFileIsLeftAloneWithoutForceAndKeptWithIt) {
  gate1.configure();
  const std::string foreign = "nodelist {\n node {\n ring0_addr: 10.0.0.1\n }\n}\n";
  gate1.write(gate1.corosync() + "/corosync.conf", foreign);
  EXPECT_EQ(gate1.run({"cluster", "setup"}), kExitRefused);
  EXPECT_TRUE(gate1.said("--force")) << gate1.all();
  EXPECT_EQ(gate1.file("corosync.conf"), foreign);
  EXPECT_FALSE(gate1.has("authkey")) << "a refusal writes nothing";

  EXPECT_EQ(gate1.run({"cluster", "setup", "--dry-run"}), kExitDone);
  EXPECT_TRUE(gate1.said("-  ring0_addr: 10.0.0.1") || gate1.said("-   ring0_addr: 10.0.0.1")) << gate1.all();
  EXPECT_FALSE(gate1.has("authkey"));

  ASSERT_EQ(gate1.run({"cluster", "setup", "--force"}), kExitDone) << gate1.all();
  EXPECT_EQ(gate1.file("corosync.conf.before-fairlead"), foreign);
  EXPECT_NE(gate1.file("corosync.conf"), foreign);
}

TEST_F(ClusterVerbsTest, ThePackagesExampleIsReplacedAndKept) {
  gate1.configure();
  const std::string example = "# Please read\nnodelist {\n\tnode {\n\t\tring0_addr: 127.0.0.1\n\t\t#ring1_addr: 192.168.1.1\n\t}\n}\n";
  gate1.write(gate1.corosync() + "/corosync.conf", example);
  ASSERT_EQ(gate1.run({"cluster", "setup"}), kExitDone) << gate1.all();
  EXPECT_EQ(gate1.file("corosync.conf.before-fairlead"), example);
}

TEST_F(ClusterVerbsTest, AChangedConfigurationReplacesOurOwnFileAndDryRunShowsTheDifference) {
  gate1.configure();
  ASSERT_EQ(gate1.run({"cluster", "setup"}), kExitDone);
  const std::string before = gate1.file("corosync.conf");
  gate1.configure(std::string(kYaml) + "  profile: fast\n");
  ASSERT_EQ(gate1.run({"cluster", "setup", "--dry-run"}), kExitDone);
  EXPECT_TRUE(gate1.said("-     token: 800\n")) << gate1.all();
  EXPECT_TRUE(gate1.said("+     token: 400\n"));
  EXPECT_EQ(gate1.file("corosync.conf"), before);
  gate1.output.str("");
  ASSERT_EQ(gate1.run({"cluster", "setup"}), kExitDone);
  EXPECT_TRUE(gate1.said("corosync-cfgtool -R"));
  EXPECT_FALSE(gate1.said("start corosync") || gate1.said("start Corosync")) << "a restart would cost a holder its VIPs";
  EXPECT_FALSE(gate1.has("corosync.conf.before-fairlead"));
}

TEST_F(ClusterVerbsTest, AHostThatIsNoNodeIsToldSo) {
  Host other("web-1", {IpAddress::v4({10, 0, 0, 7})});
  other.configure();
  EXPECT_EQ(other.run({"cluster", "setup"}), kExitFailed);
  EXPECT_TRUE(other.said("web-1 (10.0.0.7)")) << other.all();
  EXPECT_TRUE(std::filesystem::is_empty(other.corosync()));
}

TEST_F(ClusterVerbsTest, WithoutCorosyncItSaysWhatToInstall) {
  gate1.configure();
  std::filesystem::remove(gate1.corosync());
  EXPECT_EQ(gate1.run({"cluster", "setup"}), kExitFailed);
  EXPECT_TRUE(gate1.said("apt install corosync")) << gate1.all();
}

TEST_F(ClusterVerbsTest, TheInvitedNodeGetsTheSameFilesAndTheTokenIsUsed) {
  const std::string token = invited();
  ASSERT_FALSE(token.empty()) << gate1.all();
  ASSERT_EQ(gate2.run({"cluster", "join", token}), kExitDone) << gate2.all();
  wait();
  EXPECT_EQ(invite_exit, kExitDone) << gate1.all();
  EXPECT_TRUE(gate1.said("handed over to gate-2"));
  EXPECT_EQ(gate2.file("authkey"), gate1.file("authkey"));
  EXPECT_EQ(gate2.file("corosync.conf"), gate1.file("corosync.conf"));
  EXPECT_EQ(mode_of(gate2.corosync() + "/authkey"), 0400U);
  EXPECT_EQ(test::TempDir::read(gate2.config()), kYaml);
  expect_no_key_in(gate1.all() + gate2.all(), gate1.file("authkey"));

  Host gate3("gate-2", {});
  gate3.clock.advance(24h);
  EXPECT_EQ(gate3.run({"cluster", "join", token}), kExitFailed);
  EXPECT_TRUE(gate3.said("the invitation was used")) << gate3.all();
  EXPECT_TRUE(gate3.said("expired")) << gate3.all();
  EXPECT_TRUE(gate3.untouched());
}

TEST_F(ClusterVerbsTest, ATokenMayComeFromStandardInput) {
  gate2.typed = invited() + "\n";
  EXPECT_EQ(gate2.run({"cluster", "join", "-"}), kExitDone) << gate2.all();
}

TEST_F(ClusterVerbsTest, AnInvitationThatNobodyTakesExpires) {
  const std::string token = invited("1s");
  wait();
  EXPECT_EQ(invite_exit, kExitFailed);
  EXPECT_TRUE(gate1.said("nobody joined in time"));
  EXPECT_EQ(gate2.run({"cluster", "join", token}), kExitFailed);
  EXPECT_TRUE(gate2.said("Make a new one")) << gate2.all();
  EXPECT_TRUE(gate2.untouched());
}

TEST_F(ClusterVerbsTest, AMistypedTokenIsToldAtOnce) {
  EXPECT_EQ(gate2.run({"cluster", "join", "abcdefgh"}), kExitFailed);
  EXPECT_TRUE(gate2.said("copy it whole")) << gate2.all();
  EXPECT_EQ(gate2.run({"cluster", "join"}), kExitUsage);
  EXPECT_EQ(gate2.run({"cluster", "join", "abc", "--file", "x"}), kExitUsage);
  EXPECT_TRUE(gate2.untouched());
}

TEST_F(ClusterVerbsTest, AFileHandsOverToo) {
  gate1.configure();
  const std::string file = gate1.etc.path("hand-over");
  ASSERT_EQ(gate1.run({"cluster", "setup", "--to-file", file}), kExitDone) << gate1.all();
  EXPECT_EQ(mode_of(file), 0600U);
  EXPECT_EQ(gate1.run({"cluster", "setup", "--to-file", file}), kExitRefused) << "what is there is not overwritten";
  ASSERT_EQ(gate2.run({"cluster", "join", "--file", file}), kExitDone) << gate2.all();
  EXPECT_EQ(gate2.file("authkey"), gate1.file("authkey"));
  EXPECT_TRUE(gate2.said("rm " + file));
  expect_no_key_in(gate1.all() + gate2.all(), gate1.file("authkey"));

  gate2.output.str("");
  ASSERT_EQ(gate2.run({"cluster", "join", "--file", file}), kExitDone) << "twice is once";
  EXPECT_FALSE(gate2.said("created"));
}

TEST_F(ClusterVerbsTest, AHostThatIsNoNodeDoesNotJoin) {
  gate1.configure();
  const std::string file = gate1.etc.path("hand-over");
  ASSERT_EQ(gate1.run({"cluster", "setup", "--to-file", file}), kExitDone);
  Host other("web-1", {IpAddress::v4({10, 0, 0, 7})});
  EXPECT_EQ(other.run({"cluster", "join", "--file", file}), kExitFailed);
  EXPECT_TRUE(other.said("none of the nodes")) << other.all();
  EXPECT_TRUE(other.untouched());
  EXPECT_EQ(other.run({"cluster", "join", "--file", other.etc.path("missing")}), kExitFailed);
  other.write(other.etc.path("bad"), "{\"fairlead_cluster\": 1, \"authkey\": \"00\", \"corosync_conf\": \"\", \"fairlead_yaml\": \"\"}");
  EXPECT_EQ(other.run({"cluster", "join", "--file", other.etc.path("bad")}), kExitFailed);
  EXPECT_TRUE(std::filesystem::is_empty(other.corosync()));
}

TEST_F(ClusterVerbsTest, AnotherClustersKeyIsLeftAloneWithoutForce) {
  gate1.configure();
  const std::string file = gate1.etc.path("hand-over");
  ASSERT_EQ(gate1.run({"cluster", "setup", "--to-file", file}), kExitDone);
  gate2.write(gate2.corosync() + "/authkey", std::string(256, 'k'));
  EXPECT_EQ(gate2.run({"cluster", "join", "--file", file}), kExitRefused);
  EXPECT_FALSE(gate2.has("corosync.conf"));
  EXPECT_EQ(gate2.run({"cluster", "join", "--file", file, "--force"}), kExitDone) << gate2.all();
  EXPECT_EQ(gate2.file("authkey.before-fairlead"), std::string(256, 'k'));
  EXPECT_EQ(mode_of(gate2.corosync() + "/authkey.before-fairlead"), 0400U);
}

TEST_F(ClusterVerbsTest, WhatStandsInTheWayIsSaidBeforeTheTokenIsUsed) {
  const std::string token = invited();
  const auto join = [&](const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments{"cluster", "join", token};
    arguments.insert(arguments.end(), more.begin(), more.end());
    gate2.errors.str("");
    return gate2.run(arguments);
  };
  gate2.write(gate2.etc.path("fairlead"), "no folder can be made in this place");
  EXPECT_EQ(join(), kExitFailed);
  EXPECT_TRUE(gate2.said("the token is not used")) << gate2.all();
  EXPECT_TRUE(std::filesystem::is_empty(gate2.corosync()));
  std::filesystem::remove(gate2.etc.path("fairlead"));

  gate2.configure("apiVersion: fairlead/v1\nlistners: []\n");
  EXPECT_EQ(join(), kExitInvalidConfig);
  EXPECT_TRUE(gate2.said("fairlead.yaml:2:1: error")) << gate2.all();
  EXPECT_TRUE(std::filesystem::is_empty(gate2.corosync()));
  std::filesystem::remove_all(gate2.etc.path("fairlead"));

  const std::string foreign = "nodelist {\nnode {\nring0_addr: 10.0.0.1\n}\n}\n";
  gate2.write(gate2.corosync() + "/corosync.conf", foreign);
  EXPECT_EQ(join(), kExitRefused);
  EXPECT_TRUE(gate2.said("was not written by fairlead")) << gate2.all();

  gate2.write(gate2.corosync() + "/authkey", std::string(256, 'k'));
  EXPECT_EQ(join(), kExitRefused);
  EXPECT_TRUE(gate2.said("was not written by fairlead") && gate2.said("authkey is there already")) << gate2.all();
  EXPECT_EQ(gate2.file("authkey") + gate2.file("corosync.conf"), std::string(256, 'k') + foreign);
  EXPECT_FALSE(std::filesystem::exists(gate2.etc.path("fairlead")));

  EXPECT_EQ(join({"--force"}), kExitDone) << gate2.all();
  EXPECT_EQ(gate2.file("authkey"), gate1.file("authkey"));
  EXPECT_EQ(gate2.file("corosync.conf.before-fairlead"), foreign);
}

TEST_F(ClusterVerbsTest, ANewKeyGoesToEveryNodeByTheStepsOfTheManual) {
  const std::string first = invited();
  ASSERT_EQ(gate2.run({"cluster", "join", first}), kExitDone) << gate2.all();
  wait();
  const std::string old_key = gate1.file("authkey");

  std::filesystem::remove(gate1.corosync() + "/authkey");
  ASSERT_EQ(gate1.run({"cluster", "setup"}), kExitDone) << gate1.all();
  gate1.output.str("");
  const std::string token = invited();
  EXPECT_EQ(gate2.run({"cluster", "join", token}), kExitRefused) << "a key is not replaced unasked";
  ASSERT_EQ(gate2.run({"cluster", "join", "--force", token}), kExitDone) << gate2.all();
  wait();
  EXPECT_EQ(invite_exit, kExitDone) << gate1.all();

  EXPECT_NE(gate1.file("authkey"), old_key);
  EXPECT_EQ(gate2.file("authkey"), gate1.file("authkey"));
  EXPECT_EQ(gate2.file("authkey.before-fairlead"), old_key);
}

TEST_F(ClusterVerbsTest, AHandOverFileThatCannotBeWrittenIsSaidBeforeAnythingIs) {
  gate1.configure();
  const std::string file = gate1.etc.path("hand-over");
  gate1.write(file, "of somebody else");
  EXPECT_EQ(gate1.run({"cluster", "setup", "--to-file", file}), kExitRefused) << gate1.all();
  EXPECT_EQ(gate1.run({"cluster", "setup", "--to-file", file + "/below"}), kExitFailed) << gate1.all();
  EXPECT_TRUE(std::filesystem::is_empty(gate1.corosync()));
  EXPECT_EQ(test::TempDir::read(file), "of somebody else");
}

/// Every file of this process ends at `bytes` meanwhile, as on a disk that is full.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit now{.rlim_cur = bytes, .rlim_max = before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &now);
    handler_ = ::signal(SIGXFSZ, SIG_IGN);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, handler_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int) = nullptr;
};

TEST_F(ClusterVerbsTest, AFullDiskLeavesTheNodeAsItWas) {
  gate1.configure();
  {
    const FullDisk full(300);  // The key fits, corosync.conf does not.
    EXPECT_EQ(gate1.run({"cluster", "setup"}), kExitFailed);
  }
  EXPECT_TRUE(gate1.said("Everything is as it was")) << gate1.all();
  EXPECT_TRUE(std::filesystem::is_empty(gate1.corosync()));

  const std::string token = invited();
  {
    const FullDisk full(300);
    EXPECT_EQ(gate2.run({"cluster", "join", token}), kExitFailed);
  }
  EXPECT_TRUE(gate2.said("the token is not used")) << gate2.all();
  EXPECT_TRUE(std::filesystem::is_empty(gate2.corosync()));
  EXPECT_FALSE(std::filesystem::exists(gate2.etc.path("fairlead")));
  EXPECT_EQ(gate2.run({"cluster", "join", token}), kExitDone) << gate2.all();
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) out.push_back(entry.path().filename());
  std::sort(out.begin(), out.end());
  return out;
}

TEST(ApplyFiles, OneThatCannotBePutInPlaceTakesTheOthersBack) {
  test::TempDir dir;
  const auto read = [&](const char* name) { return test::TempDir::read(dir.path(name)); };
  ASSERT_TRUE(write_file_atomically(dir.path("replaced"), "old", 0640));
  ASSERT_TRUE(write_file_atomically(dir.path("kept"), "old"));
  ASSERT_TRUE(write_file_atomically(dir.path("open"), "key", 0644));
  std::filesystem::create_directory(dir.path("taken"));
  const auto before = names_in(dir.path(""));
  const auto planned = [&](const char* name, FileChange change, mode_t mode = 0644) {
    PlannedFile out;
    out.path = dir.path(name);
    out.change = change;
    out.text = "new";
    out.mode = mode;
    return out;
  };
  std::vector<PlannedFile> files{planned("open", FileChange::kMode, 0400), planned("replaced", FileChange::kReplace),
                                 planned("kept", FileChange::kReplace), planned("made/created", FileChange::kCreate),
                                 planned("taken", FileChange::kCreate)};
  files[2].backup = dir.path("kept.before");
  const Status done = apply_files(files);
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().message().find("Everything is as it was"), std::string::npos) << done.error().message();
  EXPECT_EQ(names_in(dir.path("")), before);
  EXPECT_EQ(read("replaced") + read("kept"), "oldold");
  EXPECT_EQ(mode_of(dir.path("replaced")), 0640U);
  EXPECT_EQ(mode_of(dir.path("open")), 0644U);

  files.pop_back();
  ASSERT_TRUE(apply_files(files));
  EXPECT_EQ(read("replaced") + read("kept") + read("kept.before") + read("made/created"), "newnewoldnew");
  EXPECT_EQ(mode_of(dir.path("open")), 0400U);
  EXPECT_EQ(names_in(dir.path("")), (std::vector<std::string>{"kept", "kept.before", "made", "open", "replaced", "taken"}));
  EXPECT_EQ(names_in(dir.path("made")), std::vector<std::string>{"created"});
}

TEST_F(ClusterVerbsTest, TheJoiningNodeIsCalledByItsOwnName) {
  gate1.configure(std::string(kYaml) + "node: gate-1   # here\n");
  const std::string file = gate1.etc.path("hand-over");
  ASSERT_EQ(gate1.run({"cluster", "setup", "--to-file", file}), kExitDone) << gate1.all();
  ASSERT_EQ(gate2.run({"cluster", "join", "--file", file}), kExitDone) << gate2.all();
  EXPECT_EQ(test::TempDir::read(gate2.config()), std::string(kYaml) + "node: gate-2\n");

  gate1.configure();
  ASSERT_EQ(gate1.run({"cluster", "setup", "--to-file", file, "--force"}), kExitDone) << gate1.all();
  Host copied("gate-1", {IpAddress::v4({127, 0, 0, 2})});  // A machine copied from the first one: its address says who it is.
  ASSERT_EQ(copied.run({"cluster", "join", "--file", file}), kExitDone) << copied.all();
  EXPECT_NE(test::TempDir::read(copied.config()).find("# one file for all\nnode: gate-2\n"), std::string::npos);
}

TEST_F(ClusterVerbsTest, AConfigurationThatIsThereIsKeptAndItsDifferenceTold) {
  gate1.configure();
  const std::string file = gate1.etc.path("hand-over");
  ASSERT_EQ(gate1.run({"cluster", "setup", "--to-file", file}), kExitDone);
  const std::string own = std::string(kYaml) + "  start_wait: 9s\n";
  gate2.configure(own);
  ASSERT_EQ(gate2.run({"cluster", "join", "--file", file}), kExitDone) << gate2.all();
  EXPECT_EQ(test::TempDir::read(gate2.config()), own);
  EXPECT_TRUE(gate2.said("was kept")) << gate2.all();
}

TEST_F(ClusterVerbsTest, AQdevicesCertificatesAreExplainedStepByStep) {
  gate1.configure(std::string(kYaml) + "  qdevice: {host: 192.168.4.140}\n");
  ASSERT_EQ(gate1.run({"cluster", "setup"}), kExitDone) << gate1.all();
  EXPECT_TRUE(gate1.said("corosync-qdevice-net-certutil -Q -n kube-gateways 192.168.4.140 127.0.0.1 127.0.0.2")) << gate1.all();
  EXPECT_TRUE(gate1.said("corosync-qnetd-certutil -s -c qdevice-net-node.crq -n kube-gateways"));
  EXPECT_FALSE(gate1.file("corosync.conf").find("two_node") != std::string::npos);
  std::filesystem::create_directories(gate1.corosync() + "/qdevice/net/nssdb");
  gate1.output.str("");
  ASSERT_EQ(gate1.run({"cluster", "setup"}), kExitDone);
  EXPECT_FALSE(gate1.said("certutil"));
}

TEST_F(ClusterVerbsTest, IPv6AddressesStandInBracketsForScpAndAreNotGivenToTheToolsOwnScp) {
  Host six("gate-1", {*parse_ip_address("2001:db8::1")});
  six.configure(
      "apiVersion: fairlead/v1\ncluster:\n  name: six\n  qdevice: {host: \"2001:db8::9\"}\n  nodes:\n"
      "    - {name: gate-1, id: 1, links: [\"2001:db8::1\"]}\n    - {name: gate-2, id: 2, links: [\"2001:db8::2\"]}\n");
  ASSERT_EQ(six.run({"cluster", "setup"}), kExitDone) << six.all();
  EXPECT_TRUE(six.said("scp [2001:db8::9]:/etc/corosync/qnetd/nssdb/qnetd-cacert.crt .")) << six.all();
  EXPECT_TRUE(six.said("qdevice-net-node.crq [2001:db8::9]:\n"));
  EXPECT_TRUE(six.said("scp [2001:db8::9]:/etc/corosync/qnetd/nssdb/cluster-six.crt ."));
  EXPECT_TRUE(six.said("qdevice-net-node.p12 [2001:db8::2]:/etc/corosync/qdevice/net/nssdb/\n"));
  EXPECT_FALSE(six.said("certutil -Q"));
}

TEST_F(ClusterVerbsTest, AdviceFollowsThePauses) {
  gate1.configure(std::string(kYaml) + "  profile: fast\n");
  gate1.pauses = {1ms, 2ms};
  ASSERT_EQ(gate1.run({"cluster", "advise", "--duration", "1s"}), kExitDone) << gate1.all();
  EXPECT_TRUE(gate1.said("advice: keep profile fast")) << gate1.all();
  EXPECT_FALSE(gate1.said("warning: "));
  gate1.pauses.push_back(350ms);
  ASSERT_EQ(gate1.run({"cluster", "advise", "--duration", "1s"}), kExitDone);
  EXPECT_TRUE(gate1.said("advice: cluster.profile: vm")) << gate1.all();
  EXPECT_TRUE(gate1.said("warning: "));
  gate1.pauses.push_back(1s);
  gate1.output.str("");
  ASSERT_EQ(gate1.run({"cluster", "advise", "--duration", "1s", "--json"}), kExitDone);
  const auto document = boost::json::parse(gate1.output.text());
  EXPECT_EQ(document.at("advice"), "cluster.timing: {token: 2500ms}");
  EXPECT_EQ(document.at("longest_ms").to_number<double>(), 1000.0);
  EXPECT_EQ(document.at("configured").at("too_short"), true);
  EXPECT_EQ(gate1.run({"cluster", "advise", "--duration", "5"}), kExitUsage);
}

// ---- what systemd is asked for ----
const char* const kAsksDaemon = "systemctl is-active --quiet fairleadd.service";

TEST_F(ClusterVerbsTest, SetupStartsBothServicesOnceTheirFilesAreThere) {
  gate1.configure();
  gate1.systemd = true;
  gate1.answers[kAsksDaemon] = {3, ""};

  ASSERT_EQ(gate1.run({"cluster", "setup"}), kExitDone) << gate1.all();

  EXPECT_EQ(gate1.programs,
            (std::vector<std::string>{"systemctl enable --quiet corosync.service", "systemctl restart corosync.service", kAsksDaemon,
                                      "systemctl enable --quiet fairleadd.service", "systemctl start fairleadd.service"}));
  EXPECT_TRUE(gate1.said("corosync: restarted\nfairleadd: started\n")) << gate1.all();

  gate1.programs.clear();
  ASSERT_EQ(gate1.run({"cluster", "setup"}), kExitDone);
  EXPECT_TRUE(gate1.programs.empty()) << "nothing changed: a ring that runs is left alone";
}

TEST_F(ClusterVerbsTest, ARunningDaemonIsNotRestartedButNamed) {
  gate1.configure();
  gate1.systemd = true;

  ASSERT_EQ(gate1.run({"cluster", "setup"}), kExitDone) << gate1.all();

  EXPECT_EQ(gate1.programs.back(), kAsksDaemon);
  EXPECT_TRUE(gate1.said("fairleadd: runs already")) << gate1.all();
  EXPECT_TRUE(gate1.said("systemctl restart fairleadd"));
}

TEST_F(ClusterVerbsTest, AServiceThatDoesNotStartIsAFailureThatSaysWhereToLook) {
  gate1.configure();
  gate1.systemd = true;
  gate1.answers["systemctl restart corosync.service"] = {1, "Job for corosync.service failed.\n"};

  EXPECT_EQ(gate1.run({"cluster", "setup"}), kExitFailed);

  EXPECT_TRUE(gate1.said("Job for corosync.service failed.")) << gate1.all();
  EXPECT_TRUE(gate1.said("journalctl -u corosync"));
  EXPECT_TRUE(gate1.has("authkey")) << "the files are written, as is said";
  EXPECT_EQ(gate1.programs.size(), 2U) << "the daemon is not started without Corosync";
}

TEST_F(ClusterVerbsTest, WhoStartsServicesElsewhereIsToldHow) {
  gate1.configure();
  gate1.systemd = true;
  ASSERT_EQ(gate1.run({"cluster", "setup", "--no-start"}), kExitDone) << gate1.all();
  EXPECT_TRUE(gate1.programs.empty());
  EXPECT_TRUE(gate1.said("systemctl enable corosync && systemctl restart corosync")) << gate1.all();

  // Another file than the one that fairleadd's unit reads: Corosync only.
  gate2.write(gate2.etc.path("other.yaml"), kYaml);
  gate2.systemd = true;
  ASSERT_EQ(gate2.run({"cluster", "setup", gate2.etc.path("other.yaml")}), kExitDone) << gate2.all();
  EXPECT_EQ(gate2.programs.size(), 2U);
}

TEST_F(ClusterVerbsTest, JoinStartsTheServicesToo) {
  const std::string token = invited();
  gate2.systemd = true;
  gate2.answers[kAsksDaemon] = {3, ""};

  ASSERT_EQ(gate2.run({"cluster", "join", token}), kExitDone) << gate2.all();

  EXPECT_EQ(gate2.programs.size(), 5U);
  EXPECT_EQ(gate2.programs.back(), "systemctl start fairleadd.service");
  EXPECT_TRUE(gate2.said("next:\n  fairlead status\n")) << gate2.all();
}

}  // namespace
}  // namespace fairlead::cli
