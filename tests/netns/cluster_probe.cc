// One client of Corosync for tests: says what it is told on standard output, does what datagrams to its socket tell it.
//
//   cluster_probe SOCKET CLUSTER [--node N | --guard | --raw]
//
// Lines:    VIEW ring=.. nodes=.. processes=.. quorate=..    MESSAGE from=.. kind=.. name=..    LOST reason    FACTS ..    LOG id    PONG
// Commands: say NAME (a MoveVip)   assign N (a plan of N VIPs)   burst N   beats N   released NAME   counters   ping
//           foreign NAME (raw: another cluster's)   garbage
//           stop   start   restart (both in one turn)   quit
#include <csignal>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/overloaded.h"
#include "membership/corosync_client.h"
#include "membership/guard_voice.h"

namespace fairlead::membership {
namespace {

void say(const std::string& line) {
  std::puts(line.c_str());
  std::fflush(stdout);
}

std::string text_of(const ClusterProcess& p) { return fmt::format("{}/{}", to_number(p.node), p.pid); }

std::string text_of(const ClusterView& view) {
  std::vector<std::uint32_t> nodes;
  std::vector<std::string> processes;
  for (const NodeId node : view.nodes) nodes.push_back(to_number(node));
  for (const ClusterProcess& p : view.processes) processes.push_back(text_of(p));
  return fmt::format("VIEW ring={} nodes={} processes={} quorate={} round={:x}", view.ring.to_string(), fmt::join(nodes, ","),
                     fmt::join(processes, ","), view.quorate ? 1 : 0, view.round().digest);
}

std::string text_of(const ClusterProcess& from, const ClusterMessage& message) {
  const std::string name = std::visit(
      Overloaded{[](const MoveVip& m) { return m.vip; }, [](const Released& m) { return m.vip; },
                 [](const Beat& m) { return std::to_string(m.sequence); },
                 [](const GuardHello& m) { return fmt::format("{:x}", m.round.digest); }, [](const auto&) { return std::string("-"); }},
      message);
  return fmt::format("MESSAGE from={} kind={} name={}", text_of(from), kind_name(message), name);
}

class PrintedLog final : public LogSink {
 public:
  void write(LogEvent event) noexcept override {
    std::string line = fmt::format("LOG {}", to_string(event.id));
    for (const LogField& field : event.fields) line += fmt::format(" {}={}", field.key, field.value);
    say(line);
  }
  void write_line(LineFormatter, std::span<const std::byte>) noexcept override {}
};

class Probe final : public ClusterSink {
 public:
  Probe(QbLoop& loop, const ConnectorOptions& options) : client(loop, options, *this) {}
  void on_view(const ClusterView& view) override { say(text_of(view)); }
  void on_message(const ClusterProcess& from, const ClusterMessage& message) override { say(text_of(from, message)); }
  void on_lost(const std::string& reason) override { say("LOST " + reason); }
  void on_facts(const CorosyncFacts& facts, Instant /*asked*/) override {
    std::vector<std::string> links;
    for (const LinkState& link : facts.links) links.push_back(fmt::format("{}:{}:{}", to_number(link.node), link.link, link.connected));
    say(fmt::format("FACTS node={} name={} token={} consensus={} votes={} expected={} quorum={} two_node={} links={}",
                    to_number(facts.node), facts.cluster_name, facts.token_ms, facts.consensus_ms, facts.votes, facts.expected_votes,
                    facts.quorum, facts.two_node, fmt::join(links, ",")));
  }
  CorosyncClient client;
};

/// A member of the group that keeps to nothing: for what no client of ours sends.
class Raw final : public CpgSink {
 public:
  Raw(QbLoop& loop, const std::string& cluster) {
    auto joined = CpgGroup::join(group_name(cluster));
    if (!joined || !(*joined)->watch(loop, *this)) std::exit(1);
    group = std::move(*joined);
    say("RAW");
  }
  void on_group(const GroupChange&) override {}
  void on_ring(const RingChange&) override {}
  void on_bytes(const ClusterProcess&, std::span<const std::byte>) override {}
  void on_turn_done() override {}
  void on_cpg_failed(const std::string&) override { std::exit(1); }
  std::unique_ptr<CpgGroup> group;
};

struct Command {
  std::string verb;
  std::string argument;
};

class Program {
 public:
  Program(int argc, char** argv) {
    const std::string mode = argc > 3 ? argv[3] : "";
    if (mode == "--guard") {
      guard_ = std::make_unique<GuardVoice>(loop_, argv[2]);
      guard_->start();
    } else if (mode == "--raw") {
      raw_ = std::make_unique<Raw>(loop_, argv[2]);
    } else {
      const NodeId node{argc > 4 ? static_cast<std::uint32_t>(std::stoul(argv[4])) : 0};
      probe_ = std::make_unique<Probe>(loop_, ConnectorOptions{argv[2], node, false});
      probe_->client.start();
    }
    socket_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, argv[1], sizeof address.sun_path - 1);
    if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) std::exit(2);
    if (!loop_.add_readable(socket_.get(), [this] { take_commands(); })) std::exit(2);
    say("READY");
  }
  void run() { loop_.run(); }

 private:
  void take_commands() {
    char text[256];
    for (ssize_t n = 0; (n = ::recv(socket_.get(), text, sizeof text, 0)) > 0;) {
      const std::string line(text, static_cast<std::size_t>(n));
      const std::size_t space = line.find(' ');
      act({line.substr(0, space), space == std::string::npos ? "" : line.substr(space + 1)});
    }
  }
  void act(const Command& c) {
    if (c.verb == "ping") say("PONG");
    if (c.verb == "quit") loop_.stop();
    if (guard_ && c.verb == "released") report(guard_->say(Released{c.argument, 1, NodeId{1}, 1}));
    if (raw_) act_raw(c);
    if (probe_) act_probe(c, probe_->client);
  }
  void act_raw(const Command& c) {
    std::vector<std::byte> bytes(100, std::byte{0x46});
    if (c.verb == "foreign" && !MessageCodec("other").encode(MoveVip{c.argument, kNoNode}, bytes)) std::exit(2);
    if ((c.verb == "foreign" || c.verb == "garbage") && raw_->group->send(bytes) != SendOutcome::kSent) say("TRY_AGAIN");
  }
  void act_probe(const Command& c, CorosyncClient& client) {
    if (c.verb == "say") report(client.send(MoveVip{c.argument, kNoNode}));
    if (c.verb == "released") report(client.send(Released{c.argument, 1, NodeId{1}, 1}));
    if (c.verb == "assign")
      report(client.send(Assign{{}, kPlanVersion, std::vector<Assignment>(std::stoul(c.argument), {"api", kNoNode, 1})}));
    if (c.verb == "burst") {
      for (int i = std::stoi(c.argument); i > 0; --i) report(client.send(MoveVip{std::to_string(i), kNoNode}));
    }
    if (c.verb == "beats") {
      for (int i = std::stoi(c.argument); i > 0; --i) report(client.send(Beat{{}, 1, ++beat_, {}}));
    }
    if (c.verb == "counters") {
      const ClientCounters& n = client.counters();
      say(fmt::format("COUNTERS sent={} delivered={} retries={} foreign={} malformed={} losses={} settled={}", n.messages_sent,
                      n.messages_delivered, n.send_retries, n.undecoded[static_cast<std::size_t>(DecodeOutcome::kForeign)],
                      n.undecoded[static_cast<std::size_t>(DecodeOutcome::kMalformed)], n.losses, client.settled() ? 1 : 0));
    }
    if (c.verb == "stop" || c.verb == "restart") client.stop();
    if (c.verb == "start" || c.verb == "restart") client.start();
  }
  static void report(const Status& status) {
    if (!status) say("REFUSED " + status.error().message());
  }

  QbLoop loop_;
  Fd socket_;
  std::unique_ptr<Probe> probe_;
  std::unique_ptr<GuardVoice> guard_;
  std::unique_ptr<Raw> raw_;
  std::uint64_t beat_ = 0;
};

}  // namespace
}  // namespace fairlead::membership

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  fairlead::membership::PrintedLog log;
  fairlead::set_log_sink(&log);
  {
    fairlead::membership::Program program(argc, argv);
    program.run();
  }
  fairlead::set_log_sink(nullptr);
  std::puts("DONE");
  return 0;
}
