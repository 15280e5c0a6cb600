#include "base/flight_recorder.h"

#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "base/blackbox_file.h"
#include "base/crash_stack.h"
#include "base/flight_files.h"
#include "base/system_clock.h"
#include "tests/support/temp_dir.h"

namespace fairlead {
namespace {

LogEvent event(int number, std::string text = "x") {
  return {
      SystemClock().wall(), MessageId::SERVER_DOWN, {{"pool", "masters"}, {"server", std::to_string(number)}, {"reason", std::move(text)}}};
}

std::vector<BlackboxEntry> entries_of(const std::string& file) {
  auto parsed = parse_blackbox(file);
  EXPECT_TRUE(parsed.has_value());
  return parsed ? *parsed : std::vector<BlackboxEntry>();
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// A folder in memory: only there a ring has a file.
class FlightTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = "/dev/shm/fairlead-test-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) GTEST_SKIP() << "needs /dev/shm";
    memory = name;
    ring = memory + "/fairlead.sock.flight";
    state = dir.path("state");
    std::filesystem::create_directory(state);
  }
  void TearDown() override {
    if (!memory.empty()) std::filesystem::remove_all(memory);
  }
  FlightRecorderOptions options() { return {.ring = ring, .state_dir = state, .bytes = kFlightBytes}; }

  /// Runs `life` in a child that has a recorder; returns its wait status.
  template <class Life>
  int in_child(Life life) {
    const pid_t child = ::fork();
    if (child == 0) {
      FlightRecorder recorder(options());
      recorder.dump_when_it_crashes();
      life(recorder);
      ::_exit(0);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return status;
  }

  test::TempDir dir;
  std::string memory;
  std::string ring;
  std::string state;
};

TEST_F(FlightTest, WhatWasAppendedIsDumpedInOrder) {
  FlightRecorder recorder(options());
  for (int i = 0; i < 3; ++i) recorder.append(event(i));

  const auto entries = entries_of(recorder.dump());

  ASSERT_EQ(entries.size(), 3U);
  EXPECT_EQ(entries[2].name, "SERVER_DOWN");
  EXPECT_EQ(entries[2].level, LogLevel::kWarning);
  EXPECT_EQ(entries[2].text, "pool=masters server=2 reason=x");
}

TEST_F(FlightTest, AFloodKeepsTheNewestAndNeverGrows) {
  FlightRecorderOptions small = options();
  small.bytes = 8192;
  FlightRecorder recorder(small);
  for (int i = 0; i < 5000; ++i) recorder.append(event(i, std::string(static_cast<std::size_t>(i % 97), 'y')));

  const std::string file = recorder.dump();
  const auto entries = entries_of(file);

  EXPECT_LE(file.size(), 8192 + kBlackboxFileHead + kBlackboxEndBytes);
  ASSERT_GT(entries.size(), 20U);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const std::string server = " server=" + std::to_string(5000 - entries.size() + i) + " ";
    EXPECT_NE(entries[i].text.find(server), std::string::npos) << entries[i].text;
  }
  EXPECT_EQ(std::filesystem::file_size(ring), 4096U + 8192U);
}

TEST_F(FlightTest, ManyThreadsWriteWhileOneReads) {
  FlightRecorderOptions small = options();
  small.bytes = 65536;
  FlightRecorder recorder(small);
  std::vector<std::thread> writers;
  for (int t = 0; t < 3; ++t) {
    writers.emplace_back([&recorder] {
      for (int i = 0; i < 3000; ++i) recorder.append(event(i));
    });
  }
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(parse_blackbox(recorder.dump()).has_value());
  for (auto& writer : writers) writer.join();

  EXPECT_GT(entries_of(recorder.dump()).size(), 500U);
}

TEST_F(FlightTest, AnEndInOrderLeavesNothing) {
  { FlightRecorder recorder(options()); }

  EXPECT_FALSE(std::filesystem::exists(ring));
  EXPECT_TRUE(keep_last_flight(ring, state).has_value());
  EXPECT_TRUE(kept_flights(state).empty());
  EXPECT_EQ(take_untold_flight(state), std::nullopt);
}

// A sanitizer answers a fault by a report and an exit code: its handler was there before ours.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kOwnHandlers = true;
#else
constexpr bool kOwnHandlers = false;
#endif

TEST_F(FlightTest, AFaultLeavesTheLastEventsInAFileAndEndsTheProcessByItsSignal) {
  const int status = in_child([](FlightRecorder& recorder) {
    recorder.append(event(7));
    ::raise(SIGSEGV);
  });

  EXPECT_TRUE(kOwnHandlers || WTERMSIG(status) == SIGSEGV) << status;
  const auto files = kept_flights(state);
  ASSERT_EQ(files.size(), 1U);
  const auto entries = entries_of(read_file(files[0]));
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_NE(entries[0].text.find("server=7"), std::string::npos);
  EXPECT_EQ(entries[1].name, "DAEMON_CRASHED");
  EXPECT_NE(entries[1].text.find("signal=SIGSEGV"), std::string::npos) << entries[1].text;
}

TEST_F(FlightTest, ARealFaultNamesTheAddressAndDumpsCoreAtTheFault) {
  const int status = in_child([](FlightRecorder&) {
    volatile auto* nowhere = reinterpret_cast<volatile int*>(std::uintptr_t{0x1230});
    *nowhere = 1;
  });

  EXPECT_TRUE(kOwnHandlers || WTERMSIG(status) == SIGSEGV) << status;
  ASSERT_EQ(kept_flights(state).size(), 1U);
  const auto entries = entries_of(read_file(kept_flights(state)[0]));
  EXPECT_NE(entries.back().text.find("address=0x1230"), std::string::npos) << entries.back().text;
}

TEST_F(FlightTest, AStackThatOverranLeavesAFile) {
  const int status = in_child([](FlightRecorder&) {
    struct Deep {
      static int down(int n) {  // NOLINT(misc-no-recursion)
        volatile char room[4096];
        room[0] = static_cast<char>(n);
        return n < 0 ? 0 : down(n + 1) + room[0];  // Of a stack of less than 2^31 pages it is never done.
      }
    };
    ::_exit(Deep::down(0) & 1);
  });

  EXPECT_TRUE(kOwnHandlers || WTERMSIG(status) == SIGSEGV) << status;
  EXPECT_EQ(kept_flights(state).size(), 1U);
}

/// Runs out of stack, on whatever thread.
[[noreturn]] void overrun() {
  struct Deep {
    static int down(int n) {  // NOLINT(misc-no-recursion)
      volatile char room[4096];
      room[0] = static_cast<char>(n);
      return n < 0 ? 0 : down(n + 1) + room[0];  // Of a stack of less than 2^31 pages it is never done.
    }
  };
  ::_exit(Deep::down(0) & 1);
}

TEST_F(FlightTest, AnotherThreadsStackThatOverranLeavesAFile) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "its run time starts no thread after a fork";
#endif
  const int status = in_child([](FlightRecorder&) {
    std::thread([] {
      const CrashStack stack;
      overrun();
    }).join();
  });

  EXPECT_TRUE(kOwnHandlers || WTERMSIG(status) == SIGSEGV) << status;
  EXPECT_EQ(kept_flights(state).size(), 1U);
}

// A pipe that nobody reads stands for a disk that does not answer. Other threads must not go on for ever beside one that crashed.
TEST_F(FlightTest, ADiskThatDoesNotAnswerDoesNotKeepTheProcess) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "its run time starts no thread after a fork";
#endif
  const Instant begin = SystemClock().now();
  const int status = in_child([&](FlightRecorder& recorder) {
    recorder.append(event(1));
    if (::mkdir((state + "/blackbox").c_str(), 0750) != 0 || ::mkfifo(recorder.crash_file().c_str(), 0600) != 0) ::_exit(9);
    std::thread([] {
      sigset_t all;
      ::sigfillset(&all);
      ::pthread_sigmask(SIG_SETMASK, &all, nullptr);  // As most of the daemon's threads.
      std::abort();
    }).join();
  });

  EXPECT_EQ(WTERMSIG(status), SIGALRM) << status;
  EXPECT_LT(SystemClock().now() - begin, std::chrono::seconds(20));
  const auto left = read_flight(ring);
  ASSERT_TRUE(left.has_value() && left->has_value());
  EXPECT_EQ(entries_of((*left)->dump).back().name, "DAEMON_CRASHED") << "it is in memory";
}

TEST_F(FlightTest, AFullDiskIsLeftNoHalfFile) {
  const int status = in_child([](FlightRecorder& recorder) {
    for (int i = 0; i < 1000; ++i) recorder.append(event(i));
    const rlimit few{.rlim_cur = 4096, .rlim_max = 4096};  // A write beyond it fails as on a full disk.
    std::signal(SIGXFSZ, SIG_IGN);
    if (::setrlimit(RLIMIT_FSIZE, &few) != 0) ::_exit(9);
    std::abort();
  });

  EXPECT_EQ(WTERMSIG(status), SIGABRT) << status;
  EXPECT_TRUE(kept_flights(state).empty());
  EXPECT_TRUE(std::filesystem::is_empty(state + "/blackbox"));
  EXPECT_FALSE((*read_flight(ring))->saved) << "the next start tries again";
  ASSERT_TRUE(keep_last_flight(ring, state).has_value());
  EXPECT_EQ(entries_of(read_file(kept_flights(state).at(0))).back().name, "DAEMON_CRASHED");
}

TEST_F(FlightTest, ACrashWhileAnotherThreadHoldsStdioStillEnds) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "its run time starts no thread after a fork";
#endif
  const int status = in_child([](FlightRecorder& recorder) {
    recorder.append(event(1));
    ::flockfile(stdout);  // libqb's own dump waits for this for ever.
    std::thread([] { std::abort(); }).join();
  });

  EXPECT_EQ(WTERMSIG(status), SIGABRT);
  EXPECT_EQ(kept_flights(state).size(), 1U);
}

TEST_F(FlightTest, AStateFolderThatCannotBeWrittenChangesNothingAboutTheEnd) {
  std::filesystem::remove(state);

  const int status = in_child([](FlightRecorder& recorder) {
    recorder.append(event(1));
    std::abort();
  });

  EXPECT_EQ(WTERMSIG(status), SIGABRT);
  const auto left = read_flight(ring);
  ASSERT_TRUE(left.has_value() && left->has_value());
  EXPECT_FALSE((*left)->saved);
  EXPECT_EQ(entries_of((*left)->dump).size(), 2U);
  EXPECT_FALSE(keep_last_flight(ring, state).has_value());
  EXPECT_TRUE(std::filesystem::exists(ring + ".old")) << "put aside, not lost";
}

TEST_F(FlightTest, WhatAKilledProcessLeftIsKeptByTheNextOneAndToldOnce) {
  const int status = in_child([](FlightRecorder& recorder) {
    for (int i = 0; i < 20; ++i) recorder.append(event(i));
    ::kill(::getpid(), SIGKILL);
  });
  ASSERT_EQ(WTERMSIG(status), SIGKILL);

  ASSERT_TRUE(keep_last_flight(ring, state).has_value());

  const auto file = take_untold_flight(state);
  ASSERT_TRUE(file.has_value());
  const auto entries = entries_of(read_file(*file));
  ASSERT_EQ(entries.size(), 20U);
  EXPECT_NE(entries.back().text.find("server=19"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(ring));
  EXPECT_EQ(take_untold_flight(state), std::nullopt) << "said once";
}

TEST_F(FlightTest, OnlyTheNewestFilesStay) {
  std::filesystem::create_directory(state + "/blackbox");
  for (int i = 10; i < 19; ++i) std::ofstream(state + "/blackbox/202601" + std::to_string(i) + "T000000Z-1.fdata") << "x";

  const auto newest = take_untold_flight(state);

  EXPECT_EQ(newest, state + "/blackbox/20260118T000000Z-1.fdata");
  EXPECT_EQ(kept_flights(state).size(), kFlightsKept);
  EXPECT_EQ(kept_flights(state).front(), state + "/blackbox/20260114T000000Z-1.fdata");
}

TEST_F(FlightTest, FilesAreInTheOrderOfTheirLivesAndOthersAreLeftAlone) {
  const std::string folder = state + "/blackbox/";
  std::filesystem::create_directory(folder);
  const auto now = std::filesystem::file_time_type::clock::now();
  const std::vector<std::string> lives{"20260101T000000Z-99.fdata", "20260102T000000Z-1000.fdata", "20260102T000000Z-999.fdata",
                                       "20260102T000000Z-12.fdata"};
  for (std::size_t i = 0; i < lives.size(); ++i) {
    std::ofstream(folder + lives[i]) << "x";
    std::filesystem::last_write_time(folder + lives[i], now + std::chrono::seconds(i));
  }
  for (const char* other : {"mine.fdata", "20260103T000000Z-1.fdata.new", "20260103T000000-1.fdata", "20260103T000000Z-x.fdata", "told"})
    std::ofstream(folder + other) << "x";

  std::vector<std::string> names;
  for (const std::string& path : kept_flights(state)) names.push_back(path.substr(folder.size()));

  EXPECT_EQ(names, lives);
}

TEST_F(FlightTest, ARingOfAnotherUserIsPutAsideAndNotLost) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become another user";
  const int status = in_child([](FlightRecorder& recorder) {
    recorder.append(event(1));
    ::kill(::getpid(), SIGKILL);
  });
  ASSERT_EQ(WTERMSIG(status), SIGKILL);
  ASSERT_EQ(::chmod(memory.c_str(), 0777), 0);

  const pid_t other = ::fork();
  if (other == 0) {
    if (::setuid(65534) != 0) ::_exit(9);
    const auto kept = keep_last_flight(ring, state);
    ::_exit(!kept && kept.error().code == Errc::kPermission && kept.error().message().find(".old") != std::string::npos ? 0 : 1);
  }
  int ended = -1;
  ASSERT_EQ(::waitpid(other, &ended, 0), other);

  EXPECT_EQ(ended, 0);
  EXPECT_FALSE(std::filesystem::exists(ring)) << "it is not in the way of the next one";
  const auto left = read_flight(ring + ".old");
  ASSERT_TRUE(left.has_value() && left->has_value());
  EXPECT_EQ(entries_of((*left)->dump).size(), 1U);
}

TEST_F(FlightTest, ARingOnADiskHasNoFile) {
  struct statfs where {};
  ASSERT_EQ(::statfs(dir.path("").c_str(), &where), 0);
  if (where.f_type == 0x01021994) GTEST_SKIP() << "the temporary folder is in memory";
  FlightRecorderOptions on_disk = options();
  on_disk.ring = dir.path("ring.flight");

  FlightRecorder recorder(on_disk);
  recorder.append(event(1));

  EXPECT_FALSE(recorder.outlives());
  EXPECT_FALSE(std::filesystem::exists(on_disk.ring));
  EXPECT_EQ(entries_of(recorder.dump()).size(), 1U);
}

TEST_F(FlightTest, WhatIsNoRingIsRefusedAndDamagedOnesAreReadUpToTheDamage) {
  std::ofstream(ring) << "hello";
  EXPECT_FALSE(read_flight(ring).has_value());
  std::filesystem::remove(ring);
  EXPECT_FALSE(read_flight(ring)->has_value()) << "there is none";

  FlightRecorderOptions small = options();
  small.bytes = 4096;
  FlightRecorder recorder(small);
  for (int i = 0; i < 10; ++i) recorder.append(event(i));
  const std::string whole = read_file(ring);
  for (std::size_t at = 0; at < 6000; at += 7) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x55);
    std::ofstream(memory + "/damaged", std::ios::binary) << damaged;
    const auto left = read_flight(memory + "/damaged");
    if (!left || !*left) continue;
    EXPECT_LE(parse_blackbox((*left)->dump)->size(), 10U);
  }
}

TEST(BlackboxFile, LongTextsAndNamesAreCutAtAWholeCharacter) {
  std::array<std::byte, kBlackboxChunkMax> chunk;
  std::string text(kBlackboxTextMax - 4, 'a');
  for (int i = 0; i < 20; ++i) text += "é";
  const std::size_t room = put_blackbox_chunk(chunk, WallTime{}, LogLevel::kDebug, std::string(200, 'N'), text);
  ASSERT_LE(room, chunk.size());
  const auto head = blackbox_file_head(room);
  std::string file(reinterpret_cast<const char*>(head.data()), head.size());
  file.append(reinterpret_cast<const char*>(chunk.data()), room);
  file.append(kBlackboxEndBytes, '\0');

  const auto entries = entries_of(file);

  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].name, std::string(kBlackboxNameMax, 'N'));
  EXPECT_EQ(entries[0].text, std::string(kBlackboxTextMax - 4, 'a') + "...");
  EXPECT_EQ(entries[0].level, LogLevel::kDebug);
}

TEST(BlackboxFile, NothingIsReadOutOfWhatIsNoFile) {
  EXPECT_FALSE(parse_blackbox("").has_value());
  EXPECT_FALSE(parse_blackbox(std::string(100, '\0')).has_value());
  const auto head = blackbox_file_head(4096);
  EXPECT_FALSE(parse_blackbox({reinterpret_cast<const char*>(head.data()), head.size()}).has_value()) << "cut off";
}

}  // namespace
}  // namespace fairlead
