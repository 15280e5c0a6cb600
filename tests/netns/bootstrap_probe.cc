// k8s-bootstrap's transport, facts, step runner and lock for tests: a site from a few lines, one thing done, JSON-less lines said.
//
//   bootstrap_probe SITE run MACHINE [SECONDS]            script on standard input; EXIT n, then its output; ERROR code text
//   bootstrap_probe SITE put MACHINE FROM TO MODE         OK
//   bootstrap_probe SITE fetch MACHINE FROM TO
//   bootstrap_probe SITE facts [FILE...]                  FACT lines, UNREAD lines, TOOK ms
//   bootstrap_probe SITE step MACHINE RUN STEP SECONDS [anew]   script on standard input; STATE state exit found, then its output
//   bootstrap_probe SITE forget MACHINE RUN
//   bootstrap_probe SITE lock OWNER TOKEN                 LOCKED; holds it until its input ends; LOST who
//   bootstrap_probe SITE unlock MACHINE                   WAS who
//   bootstrap_probe SITE twice MACHINE                    runs one script, waits for a line, runs another
//   bootstrap_probe SITE packages WORDS                   the script that installs them from a bundle
//
// SITE: lines "machine NAME ADDRESS ROLE", "user NAME", "key PATH", "port N", "jump NAME", "timeout 2s", "known PATH", "parallel N",
// "authority KEY", "certified NAME", "certificate PATH", "machine-user NAME USER", "inside NAME PID" (the local transport).
#include <csignal>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/system_clock.h"
#include "base/units.h"
#include "k8s-bootstrap/apply/site_lock.h"
#include "k8s-bootstrap/apply/step_runner.h"
#include "k8s-bootstrap/facts/fact_collector.h"
#include "k8s-bootstrap/plan/package_scripts.h"
#include "k8s-bootstrap/transport/local_transport.h"
#include "k8s-bootstrap/transport/ssh_transport.h"

namespace fairlead::bootstrap {
namespace {

using Words = std::vector<std::string>;

struct Setup {
  Site site;
  SshTransport::Options options;
  std::map<std::string, LocalTransport::Place> places;
};

Machine* find(Site& site, const std::string& name) {
  for (Machine& machine : site.machines)
    if (machine.name == name) return &machine;
  return nullptr;
}

Setup read_setup(const char* path) {
  Setup out;
  out.site.name = "demo";
  out.site.domain = "kube.demo";
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string key;
    std::string value;
    std::string more;
    words >> key >> value;
    if (key == "machine") {
      Machine machine;
      machine.name = value;
      std::string role;
      words >> more >> role;
      machine.addresses = {{"net", *parse_ip_address(more)}};
      for (const Role each : {Role::kGateway, Role::kBastion, Role::kControlPlane, Role::kWorker, Role::kEtcd})
        if (to_string(each) == role) machine.roles = {each};
      out.site.machines.push_back(machine);
    } else if (key == "machine-user") {
      words >> find(out.site, value)->ssh_user;
    } else if (key == "inside") {
      pid_t pid = 0;
      words >> pid;
      out.places[value] = {pid, {"--net", "--mount", "--uts"}};
    } else if (key == "user") {
      out.site.ssh.user = value;
    } else if (key == "key") {
      out.site.ssh.key = value;
    } else if (key == "port") {
      out.site.ssh.port = static_cast<std::uint16_t>(std::stoi(value));
    } else if (key == "jump") {
      out.site.ssh.jump.push_back(value);
    } else if (key == "timeout") {
      out.site.ssh.connect_timeout = *parse_duration(value);
    } else if (key == "parallel") {
      out.site.ssh.parallel = static_cast<unsigned>(std::stoi(value));
    } else if (key == "known") {
      out.options.known_hosts = value;
    } else if (key == "authority") {
      std::getline(words, more);
      out.options.host_authority = value + more;
    } else if (key == "certified") {
      out.options.certified.insert(value);
    } else if (key == "certificate") {
      out.options.certificate = value;
    }
  }
  return out;
}

std::string input() { return {std::istreambuf_iterator<char>(std::cin), {}}; }

int failed(const Error& error) {
  fmt::print("ERROR {} {}\n", to_string(error.code), error.message());
  return 1;
}
int done(const Status& status) {
  if (!status) return failed(status.error());
  fmt::print("OK\n");
  return 0;
}

int run(Transport& transport, const Words& words) {
  RemoteCommand command;
  command.script = input();
  if (words.size() > 2) command.timeout = std::chrono::seconds(std::stoi(words[2]));
  auto result = transport.run(words[1], command);
  if (!result) return failed(result.error());
  fmt::print("EXIT {}\n{}", result->exit_code, result->output);
  std::fflush(stdout);
  fmt::print(stderr, "{}", result->errors);
  return 0;
}

int twice(Transport& transport, const Words& words) {
  for (int round = 0; round < 2; ++round) {
    auto result = transport.run(words[1], {.script = "echo $PPID", .input = {}});
    if (!result) return failed(result.error());
    fmt::print("EXIT {} {}", result->exit_code, result->output);
    std::fflush(stdout);
    std::string line;
    if (round == 0 && !std::getline(std::cin, line)) return 1;
  }
  return 0;
}

char letter(Known known) { return known == Known::kYes ? 'y' : known == Known::kNo ? 'n' : '?'; }

int facts(const Site& site, Transport& transport, const Words& words) {
  const SystemClock clock;
  CollectOptions options;
  options.files = [&](const Machine&) { return std::vector<std::string>(words.begin() + 1, words.end()); };
  const Instant begun = clock.now();
  const Facts all = collect_facts(site, transport, clock, options);
  const auto took = to_ms(clock.now() - begun);
  for (const auto& [name, f] : all.machines) {
    fmt::print(
        "FACT {} host_name={} os={}/{} cpus={} memory={} swap={} cgroup={} admin={} etcd={} api={} api_version={} offset_ms={} error_ms={} "
        "lock={}\n",
        name, f.host_name, f.os_id, f.os_version, f.cpus, f.memory_bytes, letter(f.swap), f.cgroup_version, letter(f.admin_conf),
        letter(f.etcd_data), letter(f.api_here), f.api_version, to_ms(f.clock_offset), to_ms(f.clock_error), f.lock_owner);
    for (const auto& [path, file] : f.files) fmt::print("FILE {} {} {} {:o} {}\n", name, path, file.present, file.mode, file.sha256);
    for (const auto& step : f.steps) fmt::print("STEP {} {} {} {} {}\n", name, step.run, step.step, step.state, step.exit_code);
    for (const auto& [port, program] : f.listening) fmt::print("PORT {} {} {}\n", name, port, program);
    for (const auto& c : f.certificates) fmt::print("CERTIFICATE {} {} {} {}\n", name, c.path, c.days_left, c.public_key_sha256);
    for (const auto& card : f.cards) fmt::print("CARD {} {} {} {}\n", name, card.device, card.mac, fmt::join(card.addresses, ","));
    for (const auto& text : f.unsuitable) fmt::print("UNSUITABLE {} {}\n", name, text);
    for (const auto& key : f.stand_ins) fmt::print("STANDIN {} {}\n", name, key);
  }
  for (const auto& [name, why] : all.unread) fmt::print("UNREAD {} {}\n", name, why);
  if (all.cluster) {
    for (const auto& node : all.cluster->nodes) fmt::print("NODE {} {} {}\n", node.name, node.ready, node.kubelet_version);
    for (const auto& member : all.cluster->etcd) fmt::print("MEMBER {} {} {}\n", member.id, member.name, member.healthy);
  }
  fmt::print("TOOK {}\n", took);
  return 0;
}

int step(Transport& transport, const Words& words) {
  StepRunner runner(transport, std::chrono::seconds(20));
  StepCall call;
  call.run = words[2];
  call.step = words[3];
  call.script.script = input();
  call.script.timeout = std::chrono::seconds(std::stoi(words[4]));
  call.anew = words.size() > 5;
  call.script.again = words.size() > 5 && words[5] == "again";
  if (words.size() > 6) call.digest = words[6];
  auto outcome = runner.run(words[1], call);
  if (!outcome) return failed(outcome.error());
  const char* state = outcome->state == StepState::kDone ? "done" : outcome->state == StepState::kFailed ? "failed" : "interrupted";
  fmt::print("STATE {} {} {} {}\n{}{}", state, outcome->exit_code, outcome->found ? "found" : "begun", outcome->timed_out ? "overdue" : "-",
             outcome->output, outcome->errors);
  return 0;
}

int lock(const Site& site, Transport& transport, const Words& words) {
  std::vector<std::string> machines;
  for (const Machine& machine : site.machines) machines.push_back(machine.name);
  auto held = SiteLock::take(transport, machines, {.user = words[1], .host = "laptop", .since = "2026-11-27T00:00:00Z", .token = words[2]});
  if (!held) return failed(held.error());
  fmt::print("LOCKED\n");
  std::fflush(stdout);
  (void)input();
  if ((*held)->lost()) fmt::print("LOST {}\n", (*held)->lost_to());
  return 0;
}

int act(const Setup& setup, Transport& transport, const Words& words) {
  const std::string& verb = words[0];
  if (verb == "run") return run(transport, words);
  if (verb == "twice") return twice(transport, words);
  if (verb == "put") return done(transport.put(words[1], words[2], words[3], static_cast<unsigned>(std::stoul(words[4], nullptr, 8))));
  if (verb == "fetch") return done(transport.fetch(words[1], words[2], words[3]));
  if (verb == "facts") return facts(setup.site, transport, words);
  if (verb == "step") return step(transport, words);
  if (verb == "forget") return done(StepRunner(transport).forget_runs(words[1], {words[2]}));
  if (verb == "lock") return lock(setup.site, transport, words);
  if (verb == "unlock") {
    auto was = force_unlock(transport, words[1]);
    if (!was) return failed(was.error());
    fmt::print("WAS {}\n", *was);
    return 0;
  }
  fmt::print("ERROR no verb {}\n", verb);
  return 2;
}

int main_of(int argc, char** argv) {
  if (argc < 3) return 2;
  const Setup setup = read_setup(argv[1]);
  const Words words(argv + 2, argv + argc);
  if (words.front() == "packages" && words.size() == 2) {
    Site site;
    site.mirrors.bundle = "/srv/demo.bundle";
    std::cout << package_script(site, words[1]);
    return 0;
  }
  if (!setup.places.empty()) {
    LocalTransport transport(setup.places);
    return act(setup, transport, words);
  }
  auto transport = SshTransport::make(setup.site, setup.options);
  if (!transport) return failed(transport.error());
  return act(setup, **transport, words);
}

}  // namespace
}  // namespace fairlead::bootstrap

int main(int argc, char** argv) { return fairlead::bootstrap::main_of(argc, argv); }
