#include "dnsdhcp/conntrackd_keeper.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "base/atomic_file.h"
#include "base/overloaded.h"
#include "base/units.h"

namespace fairlead::dnsdhcp {
namespace {

constexpr std::string_view kReadyWords = "initialization completed";
constexpr std::size_t kSaidMax = 300;  ///< Bytes of its words in an error.

/// Writes its file and starts it. On the jobs thread.
Result<std::string> prepare(const config::Snapshot& snapshot, const ConntrackdSettings& settings, bool write) {
  const auto machine = machine_addresses();
  if (!machine) return machine.error();
  const std::string lock = settings.folder + "/lock";
  auto conf = render_conntrackd_conf(snapshot, *machine, {.lock = lock, .socket = settings.socket});
  if (!conf || !write) return conf;
  if (::mkdir(settings.folder.c_str(), 0750) != 0 && errno != EEXIST) return errno_error("make " + settings.folder);
  if (auto written = write_file_atomically(settings.folder + "/" + std::string(kConntrackdConf), *conf); !written) return written.error();
  // Of one that was killed. There is no other: S1, and the daemon's own lock.
  if (::unlink(lock.c_str()) != 0 && errno != ENOENT) return errno_error("remove " + lock);
  return conf;
}

/// Of "[Fri Nov 27 16:36:16 2026] (pid=10686) [notice] initialization completed" the end.
std::string without_prefix(const std::string& line) {
  const auto pid = line.starts_with('[') ? line.find("] (pid=") : std::string::npos;
  const auto level = pid == std::string::npos ? pid : line.find("] ", pid + 1);
  return level == std::string::npos ? line : line.substr(level + 2);
}

std::string last_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  const auto end = text.rfind('\n');
  return read_dnsmasq_line(end == std::string::npos ? text : text.substr(end + 1)).text.substr(0, kSaidMax);
}

}  // namespace

Result<MachineAddresses> machine_addresses() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return errno_error("addresses of this machine");
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, ::freeifaddrs);
  MachineAddresses out;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr) continue;
    if (entry->ifa_addr->sa_family == AF_INET) {
      sockaddr_in address{};
      std::memcpy(&address, entry->ifa_addr, sizeof address);
      std::array<std::uint8_t, 4> bytes{};
      std::memcpy(bytes.data(), &address.sin_addr, bytes.size());
      out.emplace(IpAddress::v4(bytes), entry->ifa_name);
    } else if (entry->ifa_addr->sa_family == AF_INET6) {
      sockaddr_in6 address{};
      std::memcpy(&address, entry->ifa_addr, sizeof address);
      std::array<std::uint8_t, 16> bytes{};
      std::memcpy(bytes.data(), &address.sin6_addr, bytes.size());
      out.emplace(IpAddress::v6(bytes), entry->ifa_name);
    }
  }
  return out;
}

ConntrackdKeeper::ConntrackdKeeper(QbLoop& loop, ConntrackdSettings settings, ConntrackdHost host, Callbacks callbacks)
    : loop_(loop),
      settings_(std::move(settings)),
      host_(std::move(host)),
      callbacks_(std::move(callbacks)),
      log_(loop, {.on_line = [this](const DnsmasqLine& line) { on_line(line); }, .on_left_out = [](std::uint64_t) {}}) {}

ConntrackdKeeper::~ConntrackdKeeper() {
  *alive_ = false;
  loop_.cancel(timer_);
  drop_questions("the daemon is stopping");
  log_.detach();
  if (child_.pid() > 0) loop_.remove(child_.pidfd());
}

void ConntrackdKeeper::remove_files(const ConntrackdSettings& settings) {
  for (const std::string& path : {settings.folder + "/" + std::string(kConntrackdConf), settings.folder + "/lock", settings.socket})
    (void)::unlink(path.c_str());
  (void)::rmdir(settings.folder.c_str());
}

// ---- its life ----

void ConntrackdKeeper::configure(const config::Snapshot& snapshot) {
  snapshot_ = snapshot;
  if (core_.phase() == DnsmasqPhase::kRunning) return look_again();
  feed(RestartDnsmasq{});  // At once, whatever it waits for.
}

/// Whether one started now would have another file.
void ConntrackdKeeper::look_again() {
  const bool posted = host_.post_job([this, alive = alive_, on_control = host_.on_control, snapshot = snapshot_, settings = settings_] {
    on_control([this, alive, conf = prepare(snapshot, settings, /*write=*/false)] {
      if (!*alive) return;
      // What cannot be rendered ends the one that runs as well: it keeps what is not so any more. Its start says why.
      if (!conf || *conf != conf_) feed(RestartDnsmasq{});
    });
  });
  if (!posted) feed(RestartDnsmasq{});
}

void ConntrackdKeeper::feed(const SupervisionInput& input) {
  for (const SupervisionAction& action : core_.step(input, loop_.now())) carry_out(action);
  arm();
}

void ConntrackdKeeper::arm() {
  loop_.cancel(std::exchange(timer_, 0));
  const Instant due = core_.next_deadline();
  if (due == Instant::max()) return;
  timer_ = loop_.at(due, [this] {
    timer_ = 0;
    feed(SupervisionTick{});
  });
}

void ConntrackdKeeper::carry_out(const SupervisionAction& action) {
  std::visit(Overloaded{[&](const SpawnDnsmasq&) { spawn(); }, [&](const TermDnsmasq&) { child_.signal(SIGTERM); },
                        [&](const KillDnsmasq&) { child_.signal(SIGKILL); }, [](const HangupDnsmasq&) {}, [](const AskDnsmasq&) {},
                        [&](const SayReady& ready) {
                          problem_.clear();
                          told_.clear();
                          tell_role();
                          callbacks_.on_ready(ready.took);
                        },
                        [&](const SayEnded& ended) {
                          problem_ = ended.reason;
                          if (std::exchange(told_, ended.reason) != ended.reason) callbacks_.on_ended(ended);
                        },
                        [](const SayStopped&) {}, [&](const SayCrashLoop& loop) { callbacks_.on_crash_loop(loop); },
                        [](const SayCrashLoopOver&) {}},
             action);
}

DnsmasqCommand ConntrackdKeeper::command(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), {"-C", conf_path()});
  return {.program = settings_.program,
          .arguments = std::move(arguments),
          .environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"},
          .package = "conntrackd"};
}

void ConntrackdKeeper::spawn() {
  const bool posted =
      host_.post_job([this, alive = alive_, host = host_, snapshot = snapshot_, settings = settings_, command = command({})] {
        const auto conf = prepare(snapshot, settings, /*write=*/true);
        auto started = std::make_shared<Started>(
            Started{conf ? host.start(command) : Result<DnsmasqChild>(conf.error()), conf ? *conf : std::string()});
        host.on_control([this, alive, started] {
          if (*alive) spawned(std::move(*started));  // Else the child goes with the last to hold it.
        });
      });
  if (posted) return;
  // Not from inside a step of the core.
  loop_.after(Duration::zero(), [this, alive = alive_] {
    if (*alive) feed(SpawnFailed{"not started: too many jobs are waiting"});
  });
}

void ConntrackdKeeper::spawned(Started&& started) {
  if (!started.child) return feed(SpawnFailed{started.child.error().message()});
  DnsmasqChild& child = *started.child;
  conf_ = std::move(started.conf);
  child_ = std::move(child);
  last_.clear();
  trouble_.clear();
  // Before its first words are read: they may be that it is ready.
  feed(DnsmasqSpawned{});
  if (auto watched = loop_.add_readable(child_.pidfd(), [this] { exited(); }); !watched) {
    child_ = {};
    return feed(DnsmasqEnded{watched.error().message()});
  }
  if (auto attached = log_.attach(child_.log()); !attached) {
    child_.signal(SIGKILL);  // exited() follows.
    problem_ = attached.error().message();
  }
}

void ConntrackdKeeper::exited() {
  const int pidfd = child_.pidfd();
  log_.detach();  // What it said last belongs to why it ended.
  const auto code = child_.take_code();
  if (!code) return;
  loop_.remove(pidfd);
  child_ = {};
  std::string why = "conntrackd ended " + (*code >= 0 ? "with code " + std::to_string(*code) : "by signal " + std::to_string(-*code));
  if (const std::string& words = trouble_.empty() ? last_ : trouble_; !words.empty()) why += ": " + words;
  feed(DnsmasqEnded{why});
  drop_questions("conntrackd has ended");
}

void ConntrackdKeeper::on_line(const DnsmasqLine& line) {
  if (!*alive_) return;  // The last words of one that goes with us.
  // It has not the right to real time, on purpose: Corosync's and ours come first.
  if (line.text.find("scheduler configuration failed") != std::string::npos) return;
  last_ = without_prefix(line.text).substr(0, kSaidMax);
  // The first says what is wrong, those behind it that it is given up.
  if (trouble_.empty() && (line.text.find("ERROR") != std::string::npos || line.text.find("can't") != std::string::npos)) trouble_ = last_;
  if (!last_.starts_with(kReadyWords)) return;
  trouble_.clear();
  feed(DnsmasqReady{""});
}

// ---- what it is told and asked ----

void ConntrackdKeeper::holds(bool here) {
  if (std::exchange(holds_, here) == here) return;
  if (core_.phase() == DnsmasqPhase::kRunning) tell_role();
}

void ConntrackdKeeper::tell_role() {
  // What it was before does not matter any more.
  while (questions_.size() > (open_ ? 1U : 0U)) {
    const Answer done = std::move(questions_.back().done);
    questions_.pop_back();
    done(Error{Errc::kConflict, "the gateway's part has changed; ask again"});
  }
  const Answer done = [this, alive = alive_](const Result<std::string>& result) {
    if (!*alive || result || result.error().code == Errc::kConflict || core_.phase() != DnsmasqPhase::kRunning) return;
    callbacks_.on_problem(result.error());
  };
  ask(holds_ ? std::vector<std::string>{"-R"} : std::vector<std::string>{"-f", "internal"}, done);
  ask({holds_ ? "-B" : "-n"}, done);
}

void ConntrackdKeeper::statistics(Answer done) {
  if (core_.phase() != DnsmasqPhase::kRunning) return done(Error{Errc::kUnavailable, "conntrackd does not run"});
  if (questions_.size() >= kQuestionsMax) return done(Error{Errc::kUnavailable, "too many questions wait for conntrackd"});
  ask({"-s"}, std::move(done));
}

void ConntrackdKeeper::ask(std::vector<std::string> arguments, Answer done) {
  questions_.push_back({std::move(arguments), std::move(done)});
  next_question();
}

void ConntrackdKeeper::next_question() {
  if (open_ || questions_.empty()) return;
  open_ = true;
  said_.clear();
  const std::uint64_t number = ++asked_;
  const bool posted = host_.post_job([this, number, alive = alive_, host = host_, command = command(questions_.front().arguments)] {
    auto child = std::make_shared<Result<DnsmasqChild>>(host.start(command));
    host.on_control([this, number, alive, child] {
      if (*alive && open_ && number == asked_)
        asked(std::move(*child));  // Else it was given up, and its child goes with the last to hold it.
    });
  });
  if (!posted) answer(Error{Errc::kUnavailable, "too many jobs are waiting"});
}

void ConntrackdKeeper::asked(Result<DnsmasqChild> child) {
  if (!child) return answer(child.error());
  asking_ = std::move(*child);
  auto watched = loop_.add_readable(asking_.log(), [this] { read_answer(); });
  if (watched) watched = loop_.add_readable(asking_.pidfd(), [this] { question_over(); });
  if (!watched) return answer(watched.error());
  asking_until_ = loop_.after(kQuestionMax, [this] {
    asking_until_ = 0;
    answer(Error{Errc::kTimeout, "conntrackd did not answer in " + format_duration(kQuestionMax) + " and is replaced"});
    feed(RestartDnsmasq{});  // It hangs.
    drop_questions("conntrackd hangs");
  });
}

void ConntrackdKeeper::read_answer() {
  std::array<char, 16384> block{};
  const ssize_t count = ::read(asking_.log(), block.data(), block.size());
  if (count == 0) return loop_.remove(asking_.log());
  if (count > 0 && said_.size() < kAnswerBytesMax) said_.append(block.data(), static_cast<std::size_t>(count));
}

void ConntrackdKeeper::question_over() {
  std::array<char, 16384> block{};
  for (ssize_t count = 1; count > 0;) {
    count = ::read(asking_.log(), block.data(), block.size());
    if (count > 0 && said_.size() < kAnswerBytesMax) said_.append(block.data(), static_cast<std::size_t>(count));
  }
  const auto code = asking_.take_code();
  if (!code) return;
  if (*code == 0) return answer(std::move(said_));
  std::string asked;
  for (const std::string& word : questions_.front().arguments) asked += " " + word;
  answer(Error{Errc::kUnavailable, "conntrackd" + asked + ": " + (said_.empty() ? "code " + std::to_string(*code) : last_line(said_))});
}

/// The open question's; then the next one.
void ConntrackdKeeper::answer(Result<std::string> result) {
  forget_asking();
  open_ = false;
  const Answer done = std::move(questions_.front().done);
  questions_.pop_front();
  done(std::move(result));
  next_question();
}

void ConntrackdKeeper::drop_questions(const char* why) {
  auto questions = std::exchange(questions_, {});
  open_ = false;
  forget_asking();
  for (Question& question : questions) question.done(Error{Errc::kUnavailable, why});
}

void ConntrackdKeeper::forget_asking() {
  loop_.cancel(std::exchange(asking_until_, 0));
  if (asking_.log() >= 0) loop_.remove(asking_.log());
  if (asking_.pidfd() >= 0) loop_.remove(asking_.pidfd());
  asking_ = {};
}

std::string ConntrackdKeeper::summary() const {
  switch (core_.phase()) {
    case DnsmasqPhase::kRunning:
      return holds_ ? "sync: conntrackd runs; this gateway tells its connections to the others"
                    : "sync: conntrackd runs; the connections of the gateway with the VIPs are known here";
    case DnsmasqPhase::kStarting: return "sync: conntrackd is starting";
    case DnsmasqPhase::kStopped:
    case DnsmasqPhase::kStopping: return "sync: conntrackd is being started anew";
    case DnsmasqPhase::kWaiting: break;
  }
  return "sync: conntrackd does not run, and the router goes on without: " + problem_;
}

}  // namespace fairlead::dnsdhcp
