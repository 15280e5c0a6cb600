#include "admin/process_stats.h"

#include <dirent.h>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <sys/resource.h>
#include <unistd.h>

namespace fairlead::admin {
namespace {

/// Seconds since 1970 at which this machine started.
std::optional<double> boot_time() {
  std::ifstream file("/proc/stat");
  for (std::string key, line; file >> key; std::getline(file, line)) {
    double value = 0;
    if (key == "btime" && file >> value) return value;
  }
  return std::nullopt;
}

/// proc_pid_stat(5). The program's name in it may hold anything, so counting begins behind its bracket.
void read_stat(ProcessStats& out) {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  const auto bracket = line.rfind(')');
  if (bracket == std::string::npos) return;
  std::istringstream fields(line.substr(bracket + 1));
  std::string skipped;
  for (int field = 3; field <= 13; ++field) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  for (int field = 16; field <= 21; ++field) fields >> skipped;
  double started = 0;
  std::uint64_t virtual_bytes = 0;
  std::uint64_t pages = 0;
  if (!(fields >> started >> virtual_bytes >> pages)) return;
  const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  out.cpu_s = (user + system) / ticks;
  out.virtual_bytes = virtual_bytes;
  out.resident_bytes = pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  if (const auto boot = boot_time()) out.started_at_s = *boot + started / ticks;
}

/// Refused to a process that gave its rights up and may not be traced any more.
std::optional<std::uint64_t> count_fds() {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc/self/fd"), &::closedir);
  if (folder == nullptr) return std::nullopt;
  std::uint64_t count = 0;
  while (const dirent* entry = ::readdir(folder.get())) {
    if (entry->d_name[0] != '.') ++count;
  }
  return count - 1;  // The one that reads them.
}

}  // namespace

ProcessStats read_process_stats() {
  ProcessStats out;
  read_stat(out);
  out.open_fds = count_fds();
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) out.max_fds = limit.rlim_cur;
  return out;
}

}  // namespace fairlead::admin
