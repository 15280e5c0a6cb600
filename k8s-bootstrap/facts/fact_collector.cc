#include "k8s-bootstrap/facts/fact_collector.h"

#include <algorithm>
#include <atomic>
#include <fmt/format.h>
#include <mutex>
#include <optional>
#include <thread>

#include "k8s-bootstrap/facts/ask_cluster.h"
#include "k8s-bootstrap/facts/parse_facts.h"
#include "k8s-bootstrap/storage/parse_storage.h"
#include "k8s-bootstrap/storage/storage_probe.h"

namespace fairlead::bootstrap {
namespace {

std::string last_line(std::string_view text) {
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  const auto begin = text.rfind('\n');
  return std::string(begin == std::string_view::npos ? text : text.substr(begin + 1)).substr(0, 300);
}

/// Each word once.
void add_words(std::vector<std::string>& to, const std::vector<std::string>& more) {
  to.insert(to.end(), more.begin(), more.end());
  std::sort(to.begin(), to.end());
  to.erase(std::unique(to.begin(), to.end()), to.end());
}

/// Of those that the site gives storage; what could not be read stays unknown, and is said.
void read_storage(const Site& site, const Machine& machine, Transport& transport, const CollectOptions& options, MachineFacts& facts) {
  const StorageQuestions questions = storage_questions(site, machine);
  if (questions.empty()) return;
  auto result = transport.run(machine.name,
                              {.script = storage_probe_script(questions), .input = {}, .timeout = 2 * options.timeout, .secret = false});
  if (!result) return facts.unsuitable.push_back("its storage was not read: " + result.error().context);
  auto answer = parse_storage(result->output, questions);
  if (!answer) return facts.unsuitable.push_back(answer.error().context);
  facts.storage = std::move(answer->facts);
  facts.unsuitable.insert(facts.unsuitable.end(), answer->unread.begin(), answer->unread.end());
}

Result<ProbeAnswer> read_machine(const Site& site, const Machine& machine, Transport& transport, const Clock& clock,
                                 const CollectOptions& options) {
  ProbeRequest request = probe_request(site, machine);
  if (options.files) add_words(request.files, options.files(machine));
  if (options.packages) add_words(request.packages, options.packages(machine));
  const Duration sent = clock.wall().time_since_epoch();
  // A first call makes the connection, too, which counts as error of the clock, not as its offset alone; the answer tells its own duration.
  auto result = transport.run(machine.name, {.script = probe_script(request), .input = {}, .timeout = options.timeout, .secret = false});
  const Duration received = clock.wall().time_since_epoch();
  if (!result) return result.error();
  if (result->exit_code != 0)
    return Error{Errc::kUnavailable, fmt::format("{}: its facts could not be read (exit code {}): {}", machine.name, result->exit_code,
                                                 last_line(result->errors))};
  auto answer = parse_facts(result->output, request, received);
  if (!answer) return Error{answer.error().code, machine.name + ": " + answer.error().context};
  const ClockOffset offset = clock_offset(sent, *answer, received);
  const auto& stand_ins = answer->facts.stand_ins;
  if (std::find(stand_ins.begin(), stand_ins.end(), "clock_offset") == stand_ins.end()) answer->facts.clock_offset = offset.offset;
  answer->facts.clock_error = offset.error;
  read_storage(site, machine, transport, options, answer->facts);
  return answer;
}

/// Over the first control plane whose API answers; what the others of them said stands in `unsuitable` of theirs.
void read_cluster(const Site& site, Transport& transport, const CollectOptions& options, Facts& facts) {
  for (const Machine* machine : site.with(Role::kControlPlane)) {
    const auto found = facts.machines.find(machine->name);
    if (found == facts.machines.end() || found->second.admin_conf != Known::kYes || found->second.api_here != Known::kYes) continue;
    auto result =
        transport.run(machine->name, {.script = cluster_probe_script(site), .input = {}, .timeout = options.timeout, .secret = false});
    auto& complaints = found->second.unsuitable;
    if (!result) {
      complaints.push_back("the cluster was not read: " + result.error().context);
      continue;
    }
    auto answer = parse_cluster(result->output, site, machine->name);
    if (!answer) {
      complaints.push_back("the cluster was not read: " + answer.error().context);
      continue;
    }
    complaints.insert(complaints.end(), answer->unread.begin(), answer->unread.end());
    facts.cluster = std::move(answer->facts);
    return;
  }
}

/// Over the first machine whose glusterd answers and has volumes of the site: each of these questions takes the pool's lock.
void read_pool(const Site& site, Transport& transport, const CollectOptions& options, Facts& facts) {
  for (const Machine* machine : site.with(Role::kStorage)) {
    const auto found = facts.machines.find(machine->name);
    if (found == facts.machines.end() || !found->second.storage || !found->second.storage->volumes) continue;
    std::vector<std::string> volumes;
    for (const GlusterVolumeInfo& volume : *found->second.storage->volumes) {
      if (site.volume(volume.name) != nullptr && volume.status == GlusterVolumeInfo::Status::kStarted) volumes.push_back(volume.name);
    }
    if (volumes.empty()) continue;
    auto result =
        transport.run(machine->name, {.script = pool_probe_script(volumes), .input = {}, .timeout = 4 * options.timeout, .secret = false});
    auto& complaints = found->second.unsuitable;
    if (!result) {
      complaints.push_back("the pool was not read: " + result.error().context);
      continue;
    }
    auto answer = parse_pool(result->output, machine->name, volumes);
    if (!answer) {
      complaints.push_back("the pool was not read: " + answer.error().context);
      continue;
    }
    complaints.insert(complaints.end(), answer->unread.begin(), answer->unread.end());
    facts.pool = std::move(*answer);
    return;
  }
}

}  // namespace

Facts collect_facts(const Site& site, Transport& transport, const Clock& clock, const CollectOptions& options) {
  Facts out;
  std::vector<const Machine*> wanted;
  for (const Machine& machine : site.machines) {
    if (options.only.empty() || std::find(options.only.begin(), options.only.end(), machine.name) != options.only.end()) {
      wanted.push_back(&machine);
    } else {
      out.unread[machine.name] = machine.name + ": not asked for";
    }
  }
  std::mutex mutex;
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t at = next++; at < wanted.size(); at = next++) {
      auto answer = read_machine(site, *wanted[at], transport, clock, options);
      {
        const std::lock_guard lock(mutex);
        if (answer) {
          out.machines[wanted[at]->name] = std::move(answer->facts);
          if (options.on_lock_takes) options.on_lock_takes(wanted[at]->name, answer->lock_takes);
        } else {
          out.unread[wanted[at]->name] = answer.error().message();
        }
      }
      if (options.on_answer) options.on_answer(wanted[at]->name, answer ? nullptr : &answer.error());
    }
  };
  std::vector<std::thread> threads;
  const std::size_t width = std::min<std::size_t>(std::max(1U, site.ssh.parallel), wanted.size());
  for (std::size_t i = 0; i < width; ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  read_cluster(site, transport, options, out);
  read_pool(site, transport, options, out);
  return out;
}

}  // namespace fairlead::bootstrap
