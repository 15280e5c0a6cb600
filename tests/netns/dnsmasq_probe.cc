// dnsdhcp's shells for tests: says what dnsmasq tells on standard output, does what datagrams to its socket tell it.
//
//   dnsmasq_probe SOCKET DIR                       the bus and the script's socket alone: DIR/bus, DIR/script
//   dnsmasq_probe SOCKET DIR --keep CONF [PROGRAM] and dnsmasq itself, supervised
//   dnsmasq_probe --gate GUARDED [OPEN [GUARDED6 [OPEN6]]]
//                                                  prints the gate's rules; names with commas between them; `--gate none`: its removal
//
// Lines:    READY   UP version   LOST reason   LEASE kind address hardware name   EVENT action address mac name ..   INIT   PROBLEM text
//           STARTED version took_ms   ENDED next_ms reason   STOPPED   CRASHLOOP ends reason   STEADY   LINE text   LEFTOUT n   TAKEN text
//           ANSWER what result   PONG
// Commands: add ADDRESS MAC|- NAME|- CLIENTID|- SECONDS   del ADDRESS   version   metrics
//           know ADDRESS MAC NAME|- CLIENTID|- SECONDS (a lease for `init`)   run stop restart reload   ping   quit
//           Of IPv6: CLIENTID is the DUID, MAC is not looked at, and the IAID comes behind SECONDS.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <poll.h>
#include <sstream>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/inbox.h"
#include "base/system_clock.h"
#include "dnsdhcp/dhcp_gate.h"
#include "dnsdhcp/dnsmasq_keeper.h"
#include "dnsdhcp/script_socket.h"

namespace fairlead::dnsdhcp {
namespace {

using Job = std::function<void()>;

void say(const std::string& line) {
  std::puts(line.c_str());
  std::fflush(stdout);
}

/// The daemon's jobs thread, in small.
class Jobs {
 public:
  explicit Jobs(Inbox<Job>& control) : control_(control), thread_([this] { run(); }) {}
  ~Jobs() {
    (void)inbox_.post({});
    thread_.join();
  }
  KeeperHost host() {
    return {.post_job = [this](Job job) { return inbox_.post(std::move(job)); },
            .on_control = [this](Job job) { (void)control_.post(std::move(job)); }};
  }

 private:
  void run() {
    for (bool more = true; more;) {
      inbox_.drain([&](Job&& job) { job ? job() : void(more = false); });
      if (!more) return;
      pollfd on{.fd = inbox_.event_fd(), .events = POLLIN, .revents = 0};
      (void)::poll(&on, 1, -1);
    }
  }
  Inbox<Job> inbox_{256};
  Inbox<Job>& control_;
  std::thread thread_;
};

std::string or_dash(const std::string& text) { return text.empty() ? "-" : text; }

std::string text_of(const ScriptEvent& e) {
  const auto mac = e.hardware.mac();
  const std::string left = e.forever ? "forever" : e.seconds_left ? std::to_string(*e.seconds_left) : "-";
  return fmt::format("EVENT action={} address={} mac={} name={} old={} wish={} client_id={} duid={} iaid={} interface={} tags={} left={}",
                     to_string(e.action), e.address.to_string(), mac ? mac->to_string() : "-", or_dash(e.name), or_dash(e.old_name),
                     or_dash(e.wish), or_dash(e.client_id), or_dash(e.duid), e.iaid, or_dash(e.interface),
                     or_dash(fmt::format("{}", fmt::join(e.tags, ","))), left);
}

std::string text_of(const LeaseSignal& s) {
  return fmt::format("LEASE kind={} address={} hardware={} name={}", to_string(s.kind), s.address.to_string(), or_dash(s.hardware),
                     or_dash(s.name));
}

std::uint32_t iaid_of(const std::vector<std::string>& words) {
  return words.size() > 6 ? static_cast<std::uint32_t>(std::stoul(words[6])) : 0;
}

std::vector<std::uint8_t> bytes_of(const std::string& hex) {
  std::vector<std::uint8_t> out;
  std::istringstream in(hex);
  for (std::string byte; std::getline(in, byte, ':');) out.push_back(static_cast<std::uint8_t>(std::stoul(byte, nullptr, 16)));
  return out;
}

class Program {
 public:
  Program(const std::string& socket, std::string dir, const std::string& conf, const std::string& program) : dir_(std::move(dir)) {
    listen(socket);
    auto script = ScriptSocket::open(loop_, dir_ + "/script",
                                     {.on_event = [](const ScriptEvent& event) { say(text_of(event)); },
                                      .on_init =
                                          [this] {
                                            say("INIT");
                                            return lease_lines(known_, clock_.wall(), clock_.now());
                                          },
                                      .on_problem = [](const Error& error) { say("PROBLEM " + error.message()); }});
    if (!script) fail(script.error());
    script_ = std::move(*script);
    if (conf.empty()) {
      open_bus();
    } else {
      keep(conf, program);
    }
    say("READY");
  }
  void run() { loop_.run(); }

 private:
  [[noreturn]] static void fail(const Error& error) {
    say("FAILED " + error.message());
    std::exit(2);
  }
  void listen(const std::string& path) {
    socket_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) std::exit(2);
    if (!loop_.add_readable(socket_.get(), [this] { take_commands(); })) std::exit(2);
  }
  void open_bus() {
    auto bus = DnsmasqBus::open(loop_, dir_ + "/bus",
                                {.on_ready = [](const std::string& version) { say("UP version=" + version); },
                                 .on_lost = [](const std::string& reason) { say("LOST " + reason); },
                                 .on_lease = [](const LeaseSignal& signal) { say(text_of(signal)); }});
    if (!bus) fail(bus.error());
    own_bus_ = std::move(*bus);
    bus_ = own_bus_.get();
  }
  void keep(const std::string& conf, const std::string& program) {
    if (!loop_.add_inbox(control_, [](Job&& job) { job(); })) std::exit(2);
    jobs_ = std::make_unique<Jobs>(control_);
    KeeperSettings settings{.program = program, .config = conf, .bus_socket = dir_ + "/bus", .script_socket = script_->path()};
    auto keeper = DnsmasqKeeper::make(
        loop_, settings, jobs_->host(),
        {.on_ready = [](const SayReady& r) { say(fmt::format("STARTED version={} took_ms={}", r.version, to_ms(r.took))); },
         .on_ended = [](const SayEnded& e) { say(fmt::format("ENDED next_ms={} reason={}", to_ms(e.next_in), e.reason)); },
         .on_stopped = [] { say("STOPPED"); },
         .on_crash_loop = [](const SayCrashLoop& c) { say(fmt::format("CRASHLOOP ends={} reason={}", c.ends, c.reason)); },
         .on_crash_loop_over = [] { say("STEADY"); },
         .on_line = [](const DnsmasqLine& line) { say((line.trouble ? "TROUBLE " : "LINE ") + line.text); },
         .on_lines_left_out = [](std::uint64_t lines) { say(fmt::format("LEFTOUT {}", lines)); },
         .on_port_taken = [](const std::string& text) { say("TAKEN " + text); },
         .on_lease = [](const LeaseSignal& signal) { say(text_of(signal)); }});
    if (!keeper) fail(keeper.error());
    keeper_ = std::move(*keeper);
    bus_ = &keeper_->bus();
  }

  void take_commands() {
    char text[512];
    for (ssize_t n = 0; (n = ::recv(socket_.get(), text, sizeof text, 0)) > 0;) {
      std::istringstream in(std::string(text, static_cast<std::size_t>(n)));
      std::vector<std::string> words;
      for (std::string word; in >> word;) words.push_back(word == "-" ? "" : word);
      if (!words.empty()) act(words);
    }
  }
  void act(const std::vector<std::string>& c) {
    if (c[0] == "ping") say(fmt::format("PONG pid={} calls={}", keeper_ ? keeper_->pid() : -1, bus_->calls_open()));
    if (c[0] == "quit") loop_.stop();
    if (c[0] == "know" && c.size() >= 6) know(c);
    act_bus(c);
    if (!keeper_) return;
    if (c[0] == "run") keeper_->run();
    if (c[0] == "stop") keeper_->stop();
    if (c[0] == "restart") keeper_->restart();
    if (c[0] == "reload") keeper_->reload();
  }
  void act_bus(const std::vector<std::string>& c) {
    const auto failed = [](const std::string& what, const Error& e) { say(fmt::format("ANSWER {} error={}", what, e.message())); };
    if (c[0] == "add" && c.size() >= 6) {
      const BusLease lease{.address = *parse_ip_address(c[1]),
                           .hardware = c[2],
                           .name = c[3],
                           .client_id = bytes_of(c[4]),
                           .seconds = static_cast<std::uint32_t>(std::stoul(c[5])),
                           .iaid = iaid_of(c)};
      bus_->add_lease(
          lease, [failed, what = c[1]](const Status& s) { s ? say("ANSWER add=" + what + " ok=1") : failed("add=" + what, s.error()); });
    }
    if (c[0] == "del" && c.size() == 2)
      bus_->delete_lease(*parse_ip_address(c[1]), [failed](const Result<bool>& r) {
        r ? say(fmt::format("ANSWER del=1 there={}", *r ? 1 : 0)) : failed("del=1", r.error());
      });
    if (c[0] == "version")
      bus_->get_version([failed](const Result<std::string>& r) { r ? say("ANSWER version=" + *r) : failed("version=?", r.error()); });
    if (c[0] == "metrics") {
      bus_->get_metrics([failed](const Result<std::map<std::string, std::uint32_t>>& r) {
        if (!r) return failed("metrics=0", r.error());
        std::string line = fmt::format("ANSWER metrics={}", r->size());
        for (const auto& [name, value] : *r) line += fmt::format(" {}={}", name, value);
        say(line);
      });
    }
  }
  void know(const std::vector<std::string>& c) {
    Lease lease;
    lease.address = *parse_ip_address(c[1]);
    lease.mac = *parse_mac_address(c[2]);
    lease.name = c[3];
    lease.client_id = c[4];
    lease.iaid = iaid_of(c);
    lease.expires = clock_.now() + std::chrono::seconds(std::stol(c[5]));
    known_.push_back(lease);
  }

  std::string dir_;
  SystemClock clock_;
  QbLoop loop_;
  Fd socket_;
  std::vector<Lease> known_;
  std::unique_ptr<ScriptSocket> script_;
  Inbox<Job> control_{256};
  std::unique_ptr<Jobs> jobs_;  // Its thread is dnsmasq's parent: it goes after the keeper.
  std::unique_ptr<DnsmasqBus> own_bus_;
  std::unique_ptr<DnsmasqKeeper> keeper_;
  DnsmasqBus* bus_ = nullptr;
};

std::vector<std::string> names(const std::string& list) {
  std::vector<std::string> out;
  std::istringstream in(list);
  for (std::string name; std::getline(in, name, ',');) out.push_back(name);
  return out;
}

int print_gate(int argc, char** argv) {
  if (std::string(argv[2]) == "none") {
    std::fputs(render_no_dhcp_gate().c_str(), stdout);
    return 0;
  }
  const auto list = [&](int number) { return number < argc ? names(argv[number]) : std::vector<std::string>{}; };
  const auto text = render_dhcp_gate({.v4 = {.guarded = list(2), .open = list(3)}, .v6 = {.guarded = list(4), .open = list(5)}});
  std::fputs(text ? text->c_str() : (text.error().message() + "\n").c_str(), text ? stdout : stderr);
  return text ? 0 : 1;
}

}  // namespace
}  // namespace fairlead::dnsdhcp

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const std::string first = argv[1];
  if (first == "--gate") return fairlead::dnsdhcp::print_gate(argc, argv);
  const bool keeps = argc > 4 && std::string(argv[3]) == "--keep";
  {
    fairlead::dnsdhcp::Program program(first, argv[2], keeps ? argv[4] : "", argc > 5 ? argv[5] : "/usr/sbin/dnsmasq");
    program.run();
  }
  std::puts("DONE");
  return 0;
}
