// The router of a gateway without the rest of the daemon, for tests of it: a loop, a jobs thread, a configuration file, commands on
// standard input, one a line, each answered by lines of which the last is "." (those of apply, confirm and show come when they are done).
//
//   router_probe CONFIG STATE_DIR [TRIAL_MS]
//   reload | apply [yes] [SESSION...] | confirm [SESSION...] | show | quit
#include <cstdio>
#include <fcntl.h>
#include <poll.h>
#include <string>
#include <thread>
#include <unistd.h>

#include "base/inbox.h"
#include "base/qb_loop.h"
#include "config/load.h"
#include "dnsdhcp/router.h"

namespace {

using namespace fairlead;
using Job = std::function<void()>;

config::Snapshot load(const std::string& path) {
  auto loaded = config::load_file(path, {});
  for (const auto& problem : loaded.problems) std::printf("PROBLEM %s\n", config::format(problem).c_str());
  return loaded.snapshot.value_or(config::Snapshot{});
}

const char* name_of(dnsdhcp::RouterNoticeKind kind) {
  static constexpr const char* kNames[] = {"IN_FORCE", "TRIAL", "CONFIRMED", "RESTORED", "REMOVED", "REFUSED_KEPT", "LOST", "FAILED"};
  return kNames[static_cast<std::size_t>(kind)];
}

void answer(const Result<std::string>& result) {
  if (result) {
    std::printf("DONE %s\n.\n", result->c_str());
  } else {
    std::printf("ERROR %s %s\n.\n", std::string(to_string(result.error().code)).c_str(), result.error().message().c_str());
  }
  std::fflush(stdout);
}

class Probe {
 public:
  Probe(const std::string& config, const std::string& state_dir, Duration trial)
      : config_(config), router_(loop_, host(), state_dir, dnsdhcp::NftTool(), trial) {}

  int run() {
    std::thread jobs([this] {
      pollfd watched{jobs_.event_fd(), POLLIN, 0};
      while (!ended_) {
        (void)::poll(&watched, 1, -1);
        (void)jobs_.drain([](Job&& job) { job(); });
      }
    });
    if (!loop_.add_inbox(control_, [](Job&& job) { job(); })) return 1;
    if (!loop_.add_readable(STDIN_FILENO, [this] { read(); })) return 1;
    router_.start(load(config_));
    loop_.run();
    ended_ = true;
    (void)jobs_.post([] {});
    jobs.join();
    return 0;
  }

 private:
  dnsdhcp::RouterHost host() {
    return {.post_job = [this](Job job) { return jobs_.post(std::move(job)); },
            .on_control = [this](Job job) { (void)control_.post(std::move(job)); },
            .notice =
                [](const dnsdhcp::RouterNotice& notice) {
                  std::printf("NOTICE %s %s\n", name_of(notice.kind), notice.detail.c_str());
                  std::fflush(stdout);
                }};
  }
  void read() {
    char block[4096];
    const ssize_t count = ::read(STDIN_FILENO, block, sizeof block);
    if (count <= 0) return loop_.stop();
    text_.append(block, static_cast<std::size_t>(count));
    for (auto end = text_.find('\n'); end != std::string::npos; end = text_.find('\n')) {
      const std::string line = text_.substr(0, end);
      text_.erase(0, end + 1);
      command(line);
    }
  }
  void command(const std::string& line) {
    const auto rest = [&](std::string_view word) { return line.size() > word.size() ? line.substr(word.size() + 1) : std::string(); };
    if (line == "quit") return loop_.stop();
    if (line == "reload") {
      router_.reload(load(config_));
      return answer(std::string("reloaded"));
    }
    if (line.starts_with("apply yes")) return router_.apply(load(config_), true, rest("apply yes"), answer);
    if (line.starts_with("apply")) return router_.apply(load(config_), false, rest("apply"), answer);
    if (line.starts_with("confirm")) return router_.confirm(rest("confirm"), answer);
    if (line == "show") {
      return router_.show(load(config_), [](const Result<dnsdhcp::RouterView>& view) {
        if (!view) return answer(view.error());
        std::printf("STATE %s\nSUMMARY %s\nLEFT %ld\nIN FORCE\n%sOF FILE\n%s.\n", view->state.c_str(), view->summary.c_str(),
                    static_cast<long>(view->trial_left_s), view->in_force.c_str(), view->of_file.c_str());
        std::fflush(stdout);
      });
    }
    answer(Error{Errc::kInvalidArgument, "no command: " + line});
  }

  std::string config_;
  std::string text_;
  QbLoop loop_;
  Inbox<Job> jobs_{64};
  Inbox<Job> control_{64};
  std::atomic<bool> ended_{false};
  dnsdhcp::Router router_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const Duration trial = argc > 3 ? Duration(std::chrono::milliseconds(std::stol(argv[3]))) : dnsdhcp::kTrialTime;
  return Probe(argv[1], argv[2], trial).run();
}
