// fairlead-loadgen: the load of the benchmark, both ends of it. One thread per process, epoll, no allocation per request.
//
//   fairlead-loadgen serve    --listen 127.0.0.1:0 ...               the backend: answers what it is asked for
//   fairlead-loadgen requests --target A:P --connections 64 ...      keep-alive connections, one request outstanding on each
//   fairlead-loadgen churn    --target A:P --connections 32 ...      connect, request, reply, close; so many in parallel
//   fairlead-loadgen download|upload --target A:P --connections 4    bulk, in messages of 16 MiB, two outstanding
//   fairlead-loadgen paced    --target A:P --rate 5000 ...           open loop: requests at a rate, watches, bulk at a rate; latencies
//   fairlead-loadgen idle     --target A:P --marks 1000,10000        open, ask once, hold; memory read at each mark
//   fairlead-loadgen machine                                         what the smallest things cost here: a system call, a round trip
//
// Each prints one JSON object. Exit: 0 measured without an error, 1 errors were counted (the report names them), 2 wrong usage.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/system_clock.h"
#include "bench/macro/backend.h"
#include "bench/macro/load_run.h"
#include "bench/macro/paced_run.h"

namespace {

using namespace fairlead;
using namespace fairlead::bench;

struct Arguments {
  std::vector<std::string> listen;
  std::vector<std::string> targets;
  double lifetime_s = 3600;
  double warmup_s = 0.5;
  double seconds_s = 3;
  double drain_s = 5;
  double settle_s = 0.5;
  ClientOptions client;
  Watched watched;
  std::uint32_t turns = 0;
  double event_rate = 0;
  PacedOptions paced;
  std::vector<std::uint32_t> marks{1000, 10000};
};

Duration seconds(double value) { return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(value)); }

Result<std::vector<Endpoint>> parse_endpoints(const std::vector<std::string>& texts) {
  std::vector<Endpoint> out;
  for (const std::string& text : texts) {
    auto endpoint = parse_endpoint(text);
    if (!endpoint) return endpoint.error();
    out.push_back(*endpoint);
  }
  return out;
}

int fail(const Error& error) {
  fmt::print(stderr, "fairlead-loadgen: {}\n", error.message());
  return 1;
}

/// A client's report goes to stdout; counted errors make the exit code.
int finish(const Result<std::string>& report) {
  if (!report) return fail(report.error());
  fmt::print("{}\n", *report);
  return report->find("\"total\": 0,") == std::string::npos ? 1 : 0;
}

void add_client_options(CLI::App& app, Arguments& a, std::uint32_t connections) {
  app.add_option("--target", a.targets, "where to connect to, in turn")->required();
  app.add_option("--connections", a.client.connections, fmt::format("connections in parallel (default {})", connections))
      ->check(CLI::Range(1, 1'000'000));
  app.add_option("--sources", a.client.sources, "local addresses to connect from, 127.0.0.1 and up (default 1)")->check(CLI::Range(1, 250));
  app.add_option("--request", a.client.request_length, "bytes of a request")->check(CLI::Range(std::uint64_t{32}, kMessageMax));
  app.add_option("--reply", a.client.reply_length, "bytes of a reply")->check(CLI::Range(std::uint64_t{32}, kMessageMax));
  app.add_option("--seconds", a.seconds_s, "length of the measured window (idle: of the hold)")->check(CLI::Range(0.05, 600.0));
  app.add_option("--drain", a.drain_s, "limit for what is outstanding at the end (idle: for the whole ramp)")
      ->check(CLI::Range(0.1, 600.0));
  app.add_option("--watch", a.watched.proxy, "processes under test: their CPU time and context switches are read");
  app.add_option("--watch-load", a.watched.load, "the backend's process: counted as load, with this one");
}

void add_paced_options(CLI::App& app, PacedOptions& p) {
  app.add_option("--rate", p.timed.rate, "requests per second, over the connections in turn")->check(CLI::Range(0.0, 1e7));
  app.add_option("--burst", p.timed.burst, "so many at once, as much more seldom")->check(CLI::Range(1, 100'000));
  app.add_option("--watches", p.watches, "connections that only receive events")->check(CLI::Range(0, 1'000'000));
  app.add_option("--event", p.event_length, "bytes of an event")->check(CLI::Range(std::uint64_t{32}, kMessageMax));
  app.add_option("--bulk-connections", p.bulk.connections, "connections for bulk replies")->check(CLI::Range(0, 1'000'000));
  app.add_option("--bulk-rate", p.bulk.rate, "bulk replies per second")->check(CLI::Range(0.0, 1e6));
  app.add_option("--bulk-reply", p.bulk.shape.reply_length, "bytes of one")->check(CLI::Range(std::uint64_t{32}, kMessageMax));
}

/// Nanoseconds per call of `work`, the best of five runs: figures of two machines differ by this before any proxy differs.
template <class F>
double best_ns(int times, F&& work) {
  const SystemClock clock;
  double best = 0;
  for (int run = 0; run < 5; ++run) {
    const Instant start = clock.now();
    for (int i = 0; i < times; ++i) work();
    const double each = static_cast<double>((clock.now() - start).count()) / times;
    best = run == 0 ? each : std::min(best, each);
  }
  return best;
}

int describe_machine() {
  const double call = best_ns(200'000, [] { (void)::syscall(SYS_getppid); });
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return fail(errno_error("socketpair"));
  const Fd left(ends[0]), right(ends[1]);
  char bytes[200] = {};
  bool whole = true;
  const double pair = best_ns(50'000, [&] {
    whole =
        ::send(left.get(), bytes, sizeof bytes, 0) == sizeof bytes && ::recv(right.get(), bytes, sizeof bytes, 0) == sizeof bytes && whole;
  });
  if (!whole) return fail({Errc::kUnavailable, "socket pair: a short send or receive"});
  fmt::print("{{\"syscall_ns\": {:.0f}, \"unix_send_recv_ns\": {:.0f}}}\n", call, pair);
  return 0;
}

/// The mode that was named, with what the command line says of it.
int run_client(const CLI::App& app, Arguments& a) {
  auto targets = parse_endpoints(a.targets);
  if (!targets) return fail(targets.error());
  a.client.targets = std::move(*targets);
  if (app.got_subcommand("idle")) {
    std::sort(a.marks.begin(), a.marks.end());
    a.client.connections = a.marks.back();
    return finish(run_idle({.client = a.client,
                            .watched = a.watched,
                            .marks = a.marks,
                            .settle = seconds(a.settle_s),
                            .hold = seconds(a.seconds_s),
                            .limit = seconds(a.drain_s)}));
  }
  if (app.got_subcommand("paced")) {
    PacedOptions& p = a.paced;
    p.client = a.client;
    p.watched = a.watched;
    p.timed.connections = p.timed.rate > 0 ? a.client.connections : 0;
    p.timed.shape = {a.client.request_length, a.client.reply_length};
    p.bulk.shape.request_length = a.client.request_length;
    p.warmup = seconds(a.warmup_s);
    p.measured = seconds(a.seconds_s);
    p.drain_limit = seconds(a.drain_s);
    p.turns = a.turns;
    return finish(run_paced(p));
  }
  return finish(run_load({.client = a.client,
                          .watched = a.watched,
                          .warmup = seconds(a.warmup_s),
                          .measured = seconds(a.seconds_s),
                          .drain_limit = seconds(a.drain_s),
                          .turns = a.turns}));
}

}  // namespace

int main(int argc, char** argv) {
  Arguments a;
  CLI::App app("Load generator and backend of Fairlead's benchmark");
  app.require_subcommand(1);
  CLI::App& serve = *app.add_subcommand("serve", "the backend");
  serve.add_option("--listen", a.listen, "address:port, may be given again; port 0 = any free one")->required();
  serve.add_option("--event-rate", a.event_rate, "events per second, over all watches in turn")->check(CLI::Range(0.0, 1e7));
  serve.add_option("--lifetime", a.lifetime_s, "seconds after which it ends by itself")->check(CLI::Range(0.1, 86400.0));
  const CLI::App& about = *app.add_subcommand("machine", "what a system call costs here");
  struct Mode {
    const char* name;
    const char* help;
    std::uint32_t connections;
    std::uint64_t request, reply;
    std::uint32_t window;
    std::uint64_t per_connection;
  };
  constexpr std::uint64_t kBulk = 16ULL << 20;
  constexpr Mode kModes[] = {{"requests", "keep-alive request and response", 64, 200, 200, 1, 0},
                             {"churn", "connect, request, close", 32, 200, 200, 1, 1},
                             {"download", "bulk to the client", 1, 64, kBulk, 2, 0},
                             {"upload", "bulk from the client", 1, kBulk, 64, 2, 0},
                             {"paced", "requests at a rate, watches, bulk at a rate", 64, 200, 200, 1, 0},
                             {"idle", "open, ask once, hold", 10000, 200, 200, 1, 0}};
  for (const Mode& mode : kModes) {
    CLI::App& sub = *app.add_subcommand(mode.name, mode.help);
    add_client_options(sub, a, mode.connections);
    if (std::string_view(mode.name) == "paced") add_paced_options(sub, a.paced);
    if (std::string_view(mode.name) == "idle") {
      sub.add_option("--marks", a.marks, "numbers of connections at which memory is read")->delimiter(',');
      sub.add_option("--settle", a.settle_s, "rest before memory is read")->check(CLI::Range(0.0, 60.0));
    } else {
      sub.add_option("--warmup", a.warmup_s, "seconds before the measured window")->check(CLI::Range(0.0, 600.0));
      sub.add_option("--turns", a.turns, "so many windows, each from rest to rest: before each and after the last wait for a line on stdin")
          ->check(CLI::Range(1, 100'000));
    }
    // Before the options are read: what the command line says then wins.
    sub.preparse_callback([&a, mode](std::size_t) {
      a.client.connections = mode.connections;
      a.client.request_length = mode.request;
      a.client.reply_length = mode.reply;
      a.client.window = mode.window;
      a.client.per_connection = mode.per_connection;
    });
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) { return app.exit(error) == 0 ? 0 : 2; }

  if (about.parsed()) return describe_machine();
  if (serve.parsed()) {
    auto listen = parse_endpoints(a.listen);
    if (!listen) return fail(listen.error());
    const auto served = run_backend({.listen = std::move(*listen), .event_rate = a.event_rate, .lifetime = seconds(a.lifetime_s)});
    return served ? 0 : fail(served.error());
  }
  return run_client(app, a);
}
