#include "bench/macro/proc_sample.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <system_error>
#include <unistd.h>

namespace fairlead::bench {
namespace {

std::uint64_t number_after(const std::string& line, std::size_t at) { return std::strtoull(line.c_str() + at, nullptr, 10); }

void add_thread(const std::filesystem::path& task, ProcSample& into) {
  std::ifstream schedstat(task / "schedstat");
  std::uint64_t on_cpu = 0;
  if (!(schedstat >> on_cpu)) return;  // it ended while we looked
  ThreadUse& use = into.threads[static_cast<pid_t>(std::atoi(task.filename().c_str()))];
  use.cpu_ns = on_cpu;
  std::ifstream status(task / "status");
  constexpr std::string_view kVoluntary = "voluntary_ctxt_switches:";
  constexpr std::string_view kInvoluntary = "nonvoluntary_ctxt_switches:";
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(kVoluntary)) use.voluntary = number_after(line, kVoluntary.size());
    if (line.starts_with(kInvoluntary)) use.involuntary = number_after(line, kInvoluntary.size());
  }
}

}  // namespace

ProcSample sample_processes(const std::vector<pid_t>& pids) {
  ProcSample out;
  for (const pid_t pid : pids) {
    std::error_code error;
    std::filesystem::directory_iterator tasks("/proc/" + std::to_string(pid) + "/task", error);
    if (error) {
      ++out.missing;
      continue;
    }
    for (const auto end = std::filesystem::directory_iterator(); tasks != end; tasks.increment(error)) {
      add_thread(tasks->path(), out);
      if (error) break;
    }
  }
  return out;
}

ProcUse use_between(const ProcSample& from, const ProcSample& to) {
  ProcUse out;
  out.threads = static_cast<std::uint32_t>(to.threads.size());
  out.missing = to.missing;
  for (const auto& [thread, now] : to.threads) {
    const auto before = from.threads.find(thread);
    const ThreadUse then = before == from.threads.end() ? ThreadUse{} : before->second;
    out.all.cpu_ns += now.cpu_ns - then.cpu_ns;
    out.all.voluntary += now.voluntary - then.voluntary;
    out.all.involuntary += now.involuntary - then.involuntary;
  }
  for (const auto& [thread, then] : from.threads) out.threads_ended += to.threads.contains(thread) ? 0 : 1;
  return out;
}

ProcUse sum_of(const ProcUse& a, const ProcUse& b) {
  return {.all = {.cpu_ns = a.all.cpu_ns + b.all.cpu_ns,
                  .voluntary = a.all.voluntary + b.all.voluntary,
                  .involuntary = a.all.involuntary + b.all.involuntary},
          .threads = std::max(a.threads, b.threads),
          .threads_ended = a.threads_ended + b.threads_ended,
          .missing = std::max(a.missing, b.missing)};
}

std::uint64_t resident_bytes(const std::vector<pid_t>& pids) {
  std::uint64_t kib = 0;
  for (const pid_t pid : pids) {
    std::ifstream rollup("/proc/" + std::to_string(pid) + "/smaps_rollup");
    for (std::string line; std::getline(rollup, line);) {
      if (line.starts_with("Rss:")) kib += number_after(line, 4);
    }
  }
  return kib * 1024;
}

MachineSample sample_machine() {
  std::ifstream stat("/proc/stat");
  std::string word;
  std::uint64_t user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0;
  stat >> word >> user >> nice >> system >> idle >> iowait >> irq >> softirq >> steal;
  const auto tick_ns = 1'000'000'000ULL / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  return {.busy_ns = (user + nice + system + irq + softirq) * tick_ns, .steal_ns = steal * tick_ns};
}

}  // namespace fairlead::bench
