#include "daemon/privileges.h"

#include <cstdlib>
#include <fstream>
#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <sstream>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "tests/support/temp_dir.h"

namespace fairlead::daemon {
namespace {

constexpr uid_t kNobody = 65534;

/// What changes this process for good runs in a child; `body` answers what is wrong, empty: nothing.
std::string in_child(const std::function<std::string()>& body) {
  int ends[2];
  if (::pipe(ends) != 0) return "no pipe";
  const pid_t child = ::fork();
  if (child == 0) {
    const std::string wrong = body();
    (void)!::write(ends[1], wrong.data(), wrong.size());
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string said;
  char buffer[512];
  for (ssize_t n = 0; (n = ::read(ends[0], buffer, sizeof buffer)) > 0;) said.append(buffer, static_cast<std::size_t>(n));
  ::close(ends[0]);
  int status = -1;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? said : said + "died";
}

std::string status_line(const std::string& key, const std::string& path = "/proc/thread-self/status") {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(key + ":", 0) == 0) return line.substr(line.find_first_not_of(" \t", key.size() + 1));
  }
  return "";
}

CapabilitySet set_of(const std::string& key) { return std::strtoull(status_line(key).c_str(), nullptr, 16); }

/// What a program finds that is started now.
std::string of_a_program(const std::string& key) {
  const std::string command = "grep '^" + key + ":' /proc/self/status";
  FILE* pipe = ::popen(command.c_str(), "r");
  char buffer[256] = "";
  if (pipe == nullptr || std::fgets(buffer, sizeof buffer, pipe) == nullptr) return "nothing";
  ::pclose(pipe);
  std::istringstream words(buffer);
  std::string value;
  words >> value >> value;
  return value;
}

class PrivilegesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0 || ::prctl(PR_CAPBSET_READ, CAP_SETPCAP) != 1) GTEST_SKIP() << "needs root with CAP_SETPCAP";
  }
  /// What root here may have of the five.
  CapabilitySet expected_ = kDaemonCapabilities & set_of("CapBnd");
};

TEST_F(PrivilegesTest, FiveCapabilitiesStayInAllSetsAndNoWayBack) {
  EXPECT_EQ(in_child([&]() -> std::string {
              if (auto dropped = drop_privileges(std::nullopt); !dropped) return dropped.error().message();
              std::string wrong;
              for (const char* key : {"CapPrm", "CapEff", "CapBnd"})
                if (set_of(key) != expected_) wrong += std::string(key) + " " + status_line(key) + "; ";
              for (const char* key : {"CapInh", "CapAmb"})
                if (set_of(key) != 0) wrong += std::string(key) + " " + status_line(key) + "; ";
              if (status_line("NoNewPrivs") != "1") wrong += "NoNewPrivs";
              return wrong;
            }),
            "");
}

TEST_F(PrivilegesTest, ThreadsStartedLaterHaveNoMore) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "the sanitizer starts no threads in a child of fork()";
#endif
  EXPECT_EQ(in_child([&]() -> std::string {
              if (auto dropped = drop_privileges(std::nullopt); !dropped) return dropped.error().message();
              CapabilitySet of_thread = 0;
              std::thread([&] { of_thread = set_of("CapPrm"); }).join();
              return of_thread == expected_ ? "" : "another set";
            }),
            "");
}

TEST_F(PrivilegesTest, ProgramsGetNoneNotEvenAsRootAndThoseThatAreLentForTheMoment) {
  EXPECT_EQ(in_child([&]() -> std::string {
              if (auto dropped = drop_privileges(std::nullopt); !dropped) return dropped.error().message();
              if (of_a_program("CapEff") != "0000000000000000") return "a program has " + of_a_program("CapEff");
              {
                const LentCapabilities lent(kGuardCapabilities);
                const auto got = std::strtoull(of_a_program("CapEff").c_str(), nullptr, 16);
                if (got != (kGuardCapabilities & expected_)) return "lent: " + of_a_program("CapEff");
              }
              if (of_a_program("CapPrm") != "0000000000000000") return "afterwards a program has " + of_a_program("CapPrm");
              return set_of("CapEff") == expected_ ? "" : "the lender lost what it lent";
            }),
            "");
}

TEST_F(PrivilegesTest, AnotherUserKeepsTheCapabilitiesAndNoGroupOfRoots) {
  EXPECT_EQ(in_child([&]() -> std::string {
              const auto user = find_user("nobody");
              if (!user) return user.error().message();
              if (auto dropped = drop_privileges(*user); !dropped) return dropped.error().message();
              std::string wrong;
              std::ostringstream uids;
              uids << kNobody << "\t" << kNobody << "\t" << kNobody << "\t" << kNobody;
              if (status_line("Uid") != uids.str()) wrong += "uid " + status_line("Uid");
              if (::getgroups(0, nullptr) > 1) wrong += " groups";
              if (set_of("CapEff") != expected_) wrong += " CapEff " + status_line("CapEff");
              if (::setuid(0) == 0) wrong += " it became root again";
              if (!std::ofstream("/proc/self/oom_score_adj")) wrong += " /proc/self is not its own";
              return wrong;
            }),
            "");
}

TEST_F(PrivilegesTest, OnlyRootBecomesAnother) {
  EXPECT_NE(in_child([]() -> std::string {
              if (auto dropped = drop_privileges(User{kNobody, kNobody, ""}); !dropped) return "first: " + dropped.error().message();
              const Status refused = drop_privileges(User{1, 1, ""});
              return refused ? "" : refused.error().message();
            }).find("only root can"),
            std::string::npos);
}

TEST_F(PrivilegesTest, RootBecomesTheOwnerOfTheFolderAndNobodyElse) {
  const test::TempDir dir;
  const std::string state = dir.path("state");
  EXPECT_FALSE(owner_to_become(state).has_value()) << "it is not there";
  ASSERT_EQ(::mkdir(state.c_str(), 0755), 0);
  EXPECT_FALSE(owner_to_become(state).has_value()) << "it is root's";
  ASSERT_EQ(::chown(state.c_str(), kNobody, kNobody), 0);
  const auto owner = owner_to_become(state);
  ASSERT_TRUE(owner.has_value());
  EXPECT_EQ(owner->uid, kNobody);
  EXPECT_EQ(owner->name, "nobody");
  ASSERT_EQ(::chown(state.c_str(), 54321, 54322), 0);
  EXPECT_EQ(owner_to_become(state)->gid, 54322U) << "who has no name has the folder's group";
}

TEST(Privileges, AnUnknownUserIsNotFound) {
  const auto user = find_user("no-such-user");
  ASSERT_FALSE(user);
  EXPECT_EQ(user.error().code, Errc::kNotFound);
}

// Without CAP_SYS_RESOURCE no process can be given such a protection; any score can be lowered again to what it was, so one is raised here.
TEST(Privileges, AProgramThatWasStartedLosesTheDaemonsOwnProtectionFromTheOomKiller) {
  for (const auto& [own, wanted] : {std::pair{-500, "0"}, std::pair{-1, "0"}, std::pair{0, "300"}, std::pair{100, "300"}}) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t program = ::fork();
    if (program == 0) {
      ::close(ends[1]);
      char byte = 0;
      (void)!::read(ends[0], &byte, 1);
      ::_exit(0);
    }
    const std::string path = "/proc/" + std::to_string(program) + "/oom_score_adj";
    std::ofstream(path) << "300";

    reset_oom_score(program, own);

    std::string score;
    std::ifstream(path) >> score;
    EXPECT_EQ(score, wanted) << own;
    ::close(ends[0]);
    ::close(ends[1]);
    ::waitpid(program, nullptr, 0);
  }
}

}  // namespace
}  // namespace fairlead::daemon
