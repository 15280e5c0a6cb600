#include "tests/netns/vip/guard_stand_in.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <string>
#include <unistd.h>

#include "base/overloaded.h"
#include "base/system_clock.h"
#include "vip/guard_link.h"
#include "vip/guard_process.h"
#include "vip/netlink_address_driver.h"

namespace fairlead::vip {
namespace {

void write_line(int fd, const std::string& text) { (void)!::write(fd, (text + "\n").data(), text.size() + 1); }

class FileVoice final : public ReleaseVoice {
 public:
  [[nodiscard]] int fd() const override { return -1; }
  void dispatch() override {}
  [[nodiscard]] Status say(const Released& r) override {
    const Fd file(::open(std::getenv("FL_TEST_VOICE"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644));
    if (!file.valid()) return errno_error("voice");
    write_line(file.get(),
               r.vip + " " + std::to_string(r.epoch) + " " + std::to_string(to_number(r.holder)) + " " + std::to_string(r.incarnation));
    return {};
  }
};

class StandIn {
 public:
  StandIn(const char* device, const char* address, const char* lease) {
    what_.device = device;
    what_.address = *parse_ip_prefix(address);
    what_.lease = std::chrono::seconds(std::atoi(lease));
  }

  int run() {
    auto driver = NetlinkAddressDriver::open();
    if (!driver) return 1;
    driver_ = std::move(*driver);
    const auto links = driver_->links();
    for (const LinkState& link : *links) {
      if (link.name == what_.device) what_.index = link.index;
    }
    (void)::open("/dev/zero", O_RDONLY);  // NOLINT: left open over exec on purpose; no guard may have it.
    spawn();
    if (!link_.hold({.vip = "api", .epoch = 5, .incarnation = 77, .address = what_})) return 1;
    while (true) {
      std::array<pollfd, 3> on{{{.fd = link_.link_fd(), .events = POLLIN, .revents = 0},
                                {.fd = link_.death_fd(), .events = POLLIN, .revents = 0},
                                {.fd = STDIN_FILENO, .events = POLLIN, .revents = 0}}};
      (void)::poll(on.data(), on.size(), 50);
      if (on[2].revents != 0) return quit();
      for (const GuardLinkEvent& event : link_.turn(clock_.now())) handle(event);
      link_.beat();
      if (held_ && clock_.now() - refreshed_ > what_.lease / 4 && driver_->refresh(what_)) refreshed_ = clock_.now();
      if (++turns_ % 10 == 0) write_line(STDOUT_FILENO, "turns " + std::to_string(turns_));
    }
  }

 private:
  void spawn() {
    auto child = spawn_guard({.path = "/proc/self/exe", .arguments = {"stand-in", "--guard"}});
    if (child)
      link_.attach(std::move(*child), clock_.now());
    else
      link_.spawn_failed(child.error(), clock_.now());
  }
  void handle(const GuardLinkEvent& event) {
    std::visit(Overloaded{[&](const GuardUp& up) { write_line(STDOUT_FILENO, "guard " + std::to_string(up.pid)); },
                          [&](const GuardKnows&) {
                            const bool first = !std::exchange(held_, true);
                            if (first && driver_->add(what_)) refreshed_ = clock_.now();
                            write_line(STDOUT_FILENO, first ? "held" : "known again");
                          },
                          [&](const GuardLost& lost) {
                            write_line(STDOUT_FILENO, "lost " + lost.reason);
                            if (lost.too_often) write_line(STDOUT_FILENO, "too often");
                          },
                          [&](const GuardWanted&) { spawn(); }},
               event);
  }
  int quit() {
    (void)driver_->remove(what_);
    link_.drop("api");
    link_.goodbye();
    return 0;
  }

  SystemClock clock_;
  LeasedAddress what_;
  GuardLink link_{GuardSetup{.node = NodeId{7}, .hang = std::chrono::seconds(1)}};
  std::unique_ptr<NetlinkAddressDriver> driver_;
  bool held_ = false;
  Instant refreshed_{};
  int turns_ = 0;
};

}  // namespace

std::optional<int> run_as_process(int argc, char** argv) {
  if (argc >= 3 && std::string_view(argv[1]) == "--guard") {
    FileVoice voice;
    return run_guard(std::atoi(argv[2]), voice);
  }
  if (argc >= 5 && std::string_view(argv[1]) == "--stand-in") return StandIn(argv[2], argv[3], argv[4]).run();
  return std::nullopt;
}

}  // namespace fairlead::vip

int main(int argc, char** argv) {
  if (const auto code = fairlead::vip::run_as_process(argc, argv)) return *code;
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
