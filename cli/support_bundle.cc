#include "cli/support_bundle.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <ostream>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "admin/status_codec.h"
#include "base/blackbox_file.h"
#include "base/fd.h"
#include "base/flight_files.h"
#include "base/ip_address.h"
#include "base/log_format.h"
#include "base/units.h"
#include "cli/blackbox_verb.h"
#include "cli/gather.h"
#include "cli/logs_verb.h"
#include "cli/noted_signals.h"
#include "cli/scrub.h"
#include "cli/text_table.h"
#include "config/print.h"
#include "generated/version.h"

namespace fairlead::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLogLines = 5000;
constexpr Duration kPackLimit = std::chrono::seconds(120);
constexpr std::size_t kCutSlack = std::size_t{64} << 10;  ///< Read beyond kPartBytesMax: a secret that ends there is known as a whole.
constexpr std::size_t kFlightFileMax = std::size_t{80} << 20;
constexpr std::size_t kHookWordMin = 8;
constexpr const char* kLeftOut =
    "Left out on purpose: keys, certificates, tokens, Corosync's authkey, arguments of hooks, comments of configuration files; what looks "
    "like a secret elsewhere is \"(removed)\" or stars.\n"
    "It does name addresses, hosts and VIPs of your network, and with DHCP its machines. Log, events and recorder name operators and "
    "clients, too: those that were "
    "refused, and with `log: true` on a listener every client's address and port. Look into it before you send it.\n";

/// Not `systemctl status`: its tree of processes has the arguments of hooks that run.
constexpr std::string_view kUnitProperties =
    "Id,LoadState,UnitFileState,FragmentPath,DropInPaths,ActiveState,SubState,Result,StateChangeTimestamp,ActiveEnterTimestamp,"
    "ExecMainStartTimestamp,ExecMainExitTimestamp,ExecMainCode,ExecMainStatus,MainPID,NRestarts,NeedDaemonReload,StatusText,StatusErrno,"
    "User,TasksCurrent,MemoryCurrent,MemoryPeak,CPUUsageNSec,LimitNOFILE,WatchdogUSec,WatchdogTimestamp";

constexpr std::array kSysctls{"net/core/somaxconn",
                              "net/core/netdev_max_backlog",
                              "net/ipv4/ip_local_port_range",
                              "net/ipv4/ip_nonlocal_bind",
                              "net/ipv4/tcp_max_syn_backlog",
                              "net/ipv4/tcp_congestion_control",
                              "net/ipv4/tcp_mem",
                              "net/ipv4/conf/all/arp_ignore",
                              "net/ipv4/conf/all/arp_announce",
                              "net/ipv4/conf/all/promote_secondaries",
                              "net/ipv4/conf/all/rp_filter",
                              "net/ipv4/ip_forward",
                              "net/ipv6/conf/all/disable_ipv6",
                              "net/netfilter/nf_conntrack_count",
                              "net/netfilter/nf_conntrack_max",
                              "fs/nr_open",
                              "fs/file-max",
                              "kernel/io_uring_disabled",
                              "kernel/sched_rt_runtime_us",
                              "vm/swappiness",
                              "vm/overcommit_memory"};

/// A folder that only its owner can look into, gone with all it holds.
class Workshop {
 public:
  Workshop() {
    std::error_code failed;
    std::string name = (fs::temp_directory_path(failed) / "fairlead-bundle-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) fail(kExitFailed, errno_error("make a folder " + name).message());
    path_ = name;
  }
  ~Workshop() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Workshop(const Workshop&) = delete;
  Workshop& operator=(const Workshop&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class Bundle {
 public:
  explicit Bundle(DaemonCalls& calls) : calls_(calls), environment_(calls.environment()) {}

  void collect(const std::string& config) {
    ask_daemon();
    const bool known = config.empty() && report_ && !report_->config_file.empty();
    node_ = look_at_local_node(known ? report_->config_file : config, calls_.options(), environment_);
    learn_secrets();
    look_at_process();
    describe_config();
    read_recorder();
    read_log();
    read_corosync();
    read_network();
    read_services();
    read_system();
  }
  void write(const std::string& wanted);

 private:
  struct Part {
    std::string name;
    std::string content;
    std::string how;
    std::string problem;
    bool flight = false;  ///< A file of the recorder; else text.
  };

  void add(std::string name, std::string how, std::string content, std::string problem = "", bool flight = false) {
    if (NotedSignals::came()) fail(kExitFailed, "interrupted; nothing was written");
    parts_.push_back({std::move(name), std::move(content), std::move(how), std::move(problem), flight});
  }
  void add_command(const std::string& name, const std::vector<std::string>& command) {
    auto got = gather(command, kCommandLimit, kPartBytesMax + kCutSlack, {.output = -1, .stop = NotedSignals::came});
    std::string how;
    for (const std::string& word : command) how += (how.empty() ? "" : " ") + word;
    add(name, how, std::move(got.output), std::move(got.problem));
  }
  void add_file(const std::string& name, const std::string& path) {
    auto got = read_file(path, kPartBytesMax);
    add(name, path, got ? std::move(*got) : std::string(), got ? std::string() : got.error().message());
  }
  /// Only what begins as what the daemon writes: its folder may hold anything.
  void add_written(const std::string& name, const std::string& path) {
    auto got = read_file(path, kPartBytesMax, Links::kRefuse);
    std::string problem = got ? "" : got.error().message();
    if (got && !got->starts_with("# Written by fairleadd")) problem = "not written by fairleadd";
    add(name, path, problem.empty() ? std::move(*got) : std::string(), problem);
  }
  /// Only what is one: a folder of the daemon's user may hold anything. Says whether it was.
  bool add_flight(const std::string& name, const std::string& how, const Result<std::string>& file) {
    const Status fine = !file ? Status(file.error()) : is_flight(*file);
    add(name, how, fine ? *file : std::string(), fine ? "" : fine.error().message(), /*flight=*/true);
    return fine.has_value();
  }
  static Status is_flight(const std::string& file) {
    const auto parsed = parse_blackbox(file);
    return parsed ? Status() : Status(parsed.error());
  }
  /// What it answers; nothing: it does not, and `problem` says why. Asked for no longer once it has not been reached.
  std::optional<std::string> answer(const std::string& target, std::string& problem);
  std::optional<std::string> add_answer(const std::string& name, const std::string& target);

  void learn_secrets();
  void learn_secret(const std::string& path);
  void learn_hooks(const config::Snapshot& snapshot);
  void ask_daemon();
  void look_at_process();
  void clean(Part& part) const;
  void describe_config();
  void read_recorder();
  void read_log();
  void read_corosync();
  void read_network();
  void read_services();
  void read_system();
  [[nodiscard]] std::string manifest() const;
  void pack(const Workshop& workshop, const std::string& folder, const std::string& out) const;

  DaemonCalls& calls_;
  CliEnvironment& environment_;
  LocalNode node_;
  std::optional<admin::NodeReport> report_;
  std::string active_config_;
  std::string active_problem_;
  std::string unreachable_;
  std::vector<std::string> secrets_;
  std::vector<Part> parts_;
};

void Bundle::learn_secret(const std::string& path) {
  if (path.empty()) return;
  if (const auto file = read_file(path, kPartBytesMax)) {
    for (std::string& secret : secrets_in(*file)) secrets_.push_back(std::move(secret));
  }
}

/// What cannot be read by us cannot have been read by what is asked here either, or was by root: the patterns of scrub() are left.
void Bundle::learn_secrets() {
  learn_secret(environment_.cluster_paths.corosync + "/authkey");
  if (const auto file = read_file(node_.config_file, kPartBytesMax)) {
    for (const std::string& path : secret_paths_in(*file)) learn_secret(path);
  }
  // The file may have changed since the daemon read it.
  const auto active = config::load_text(active_config_, "the active configuration", config::Environment{});
  for (const std::optional<config::Snapshot>* snapshot : {&std::as_const(node_).config, &active.snapshot}) {
    if (!*snapshot) continue;
    learn_secret((*snapshot)->admin.tls.key);
    for (const config::Pool& pool : (*snapshot)->pools) {
      learn_secret(pool.health.key);
      learn_secret(pool.health.token_file);
    }
    learn_hooks(**snapshot);
  }
  // The longest first: a part of a secret must not hide the rest of it.
  std::sort(secrets_.begin(), secrets_.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
}

/// Arguments of hooks may be passwords, and whatever runs them may log them.
void Bundle::learn_hooks(const config::Snapshot& snapshot) {
  for (const config::Vip& vip : snapshot.vips) {
    for (const auto* hooks : {&vip.on_acquire, &vip.on_release}) {
      for (const config::Hook& hook : *hooks) {
        for (std::size_t i = 1; i < hook.command.size(); ++i) {
          const std::string& word = hook.command[i];
          const std::string value = word.starts_with('-') && word.find('=') != std::string::npos ? word.substr(word.find('=') + 1) : word;
          const bool plain = value.starts_with('/') || value.starts_with('-') || parse_ip_address(value) || parse_ip_prefix(value);
          if (!plain && value.size() >= kHookWordMin) secrets_.push_back(value);
        }
      }
    }
  }
}

std::optional<std::string> Bundle::answer(const std::string& target, std::string& problem) {
  if (!unreachable_.empty()) {
    problem = "no daemon answers";
    return std::nullopt;
  }
  try {
    return calls_.fetch(target);
  } catch (const VerbFailure& failure) {
    if (failure.exit_code == kExitUnreachable) unreachable_ = failure.message;
    problem = failure.message;
    return std::nullopt;
  }
}

std::optional<std::string> Bundle::add_answer(const std::string& name, const std::string& target) {
  std::string problem;
  auto body = answer(target, problem);
  add(name, "GET " + target, body.value_or(""), problem);
  return body;
}

void Bundle::ask_daemon() {
  calls_.expect_a_hung_daemon();
  if (const auto status = add_answer("daemon/status.json", "/api/v1/status")) {
    if (auto report = admin::decode_status(*status)) report_ = std::move(*report);
  }
  add_answer("daemon/readyz.json", "/readyz?verbose");
  add_answer("daemon/events.json", "/api/v1/events?after=0&limit=10000");
  add_answer("daemon/metrics.txt", "/metrics");
  active_config_ = answer("/api/v1/config", active_problem_).value_or("");
  if (!unreachable_.empty()) environment_.err << unreachable_ << "\ngoing on with what lies on this machine's disk\n";
}

/// Also of a daemon that hangs: its ring is named by its process.
void Bundle::look_at_process() {
  std::string pid = report_ && report_->pid != 0 ? std::to_string(report_->pid) : "";
  if (const auto ring = read_flight(node_.socket + std::string(kFlightRingSuffix)); pid.empty() && ring && *ring) {
    const std::string& name = (*ring)->name;
    pid = name.substr(name.find('-') + 1, name.find('.') - name.find('-') - 1);
    const auto comm = read_file("/proc/" + pid + "/comm", 64);
    if (!comm || *comm != "fairleadd\n") pid.clear();
  }
  if (pid.empty()) return add("daemon/proc-status.txt", "/proc/PID/status", "", "no daemon runs");
  for (const char* name : {"status", "limits", "sched", "wchan", "stack"})
    add_file("daemon/proc-" + std::string(name) + ".txt", "/proc/" + pid + "/" + name);
}

/// As a file, without what hooks are told.
std::string without_arguments(config::Snapshot snapshot) {
  for (config::Vip& vip : snapshot.vips) {
    for (auto* hooks : {&vip.on_acquire, &vip.on_release}) {
      for (config::Hook& hook : *hooks) {
        if (hook.command.size() < 2) continue;
        hook.command.resize(1);
        hook.command.emplace_back("(removed)");
      }
    }
  }
  return config::print(snapshot);
}

void Bundle::describe_config() {
  std::string problems;
  for (const config::Problem& p : node_.problems) problems += config::format(p) + "\n";
  add("config/check.txt", "fairlead check " + node_.config_file, problems.empty() ? node_.config_file + ": valid\n" : problems);
  if (node_.config)
    add("config/fairlead.yaml", node_.config_file + " as it was understood, without comments", without_arguments(*node_.config));
  else
    add("config/fairlead.yaml", node_.config_file, "", "not valid: only its problems are here, since nobody knows what else is in it");
  const auto active = config::load_text(active_config_, "the active configuration", config::Environment{});
  const std::string unclear = active_config_.empty() ? active_problem_ : "is of another version: nobody knows what else is in it";
  add("daemon/config-active.yaml", "GET /api/v1/config",
      active.snapshot && !active_config_.empty() ? without_arguments(*active.snapshot) : "",
      active.snapshot && !active_config_.empty() ? "" : unclear);
}

void Bundle::read_recorder() {
  std::string problem;
  std::string file;
  if (auto live = answer("/api/v1/blackbox", problem)) {
    if (add_flight("recorder/daemon.fdata", "GET /api/v1/blackbox", *live)) file = std::move(*live);
  } else {
    add("recorder/daemon.fdata", "GET /api/v1/blackbox", "", problem, /*flight=*/true);
    const auto left = newest_local_flight(node_);
    const auto bytes = left ? Result<std::string>(left->file) : Result<std::string>(left.error());
    if (add_flight("recorder/last.fdata", left ? left->origin : "the newest file of a daemon that ended", bytes)) file = left->file;
  }
  for (const std::string& path : kept_flights(node_.state_dir))
    add_flight("recorder/" + fs::path(path).filename().string(), path, read_file(path, kFlightFileMax, Links::kRefuse));
  std::string text;
  if (const auto entries = parse_blackbox(file)) {
    for (const BlackboxEntry& entry : *entries) text += entry_text(entry, /*color=*/false);
    if (text.size() > kPartBytesMax) text.erase(0, text.find('\n', text.size() - kPartBytesMax) + 1);  // The newest are what matters.
    add("recorder/newest.txt", "the newest of them as text", std::move(text));
  }
}

void Bundle::read_log() {
  const LogPlace place =
      report_ ? LogPlace{.target = report_->log_target, .path = report_->log_path, .daemon = report_->pid} : log_of(node_);
  const auto reader = log_reader(place, /*follow=*/false, kLogLines);
  if (!reader) return add("log.txt", "the daemon's log", "", reader.error().message());
  if (reader->file.empty()) return add_command("log.txt", reader->command);
  const auto tail = read_tail(reader->file, kLogLines, kPartBytesMax);
  add("log.txt", "the end of " + reader->file, tail ? *tail : std::string(), tail ? "" : tail.error().message());
}

void Bundle::read_corosync() {
  const std::string path = environment_.cluster_paths.corosync + "/corosync.conf";
  auto conf = read_file(path, kPartBytesMax);
  std::string text;
  for (std::size_t begin = 0; conf && begin < conf->size();) {  // Its totem.key is taken out with all that looks like a secret.
    const std::size_t end = std::min(conf->find('\n', begin), conf->size());
    const std::size_t word = conf->find_first_not_of(" \t", begin);
    if (word >= end || (*conf)[word] != '#') text += conf->substr(begin, end - begin) + "\n";
    begin = end + 1;
  }
  add("corosync/corosync.conf", path + ", without comments", std::move(text), conf ? "" : conf.error().message());
  add_command("corosync/cfgtool.txt", {"corosync-cfgtool", "-s"});
  add_command("corosync/nodes.txt", {"corosync-cfgtool", "-n"});
  add_command("corosync/quorumtool.txt", {"corosync-quorumtool", "-s"});
  add_command("corosync/qdevice.txt", {"corosync-qdevice-tool", "-sv"});
}

void Bundle::read_network() {
  add_command("network/addresses.txt", {"ip", "-d", "address"});
  add_command("network/links.txt", {"ip", "-s", "link"});
  add_command("network/rules.txt", {"ip", "rule"});
  add_command("network/routes.txt", {"ip", "route", "show", "table", "all"});
  add_command("network/routes6.txt", {"ip", "-6", "route", "show", "table", "all"});
  add_command("network/neighbours.txt", {"ip", "neigh"});
  add_command("network/nftables.txt", {"nft", "list", "ruleset"});
  add_command("network/sockets.txt", {"ss", "-s"});
  add_command("network/listening.txt", {"ss", "-tln"});
}

/// DNS, DHCP and the router, where there are such.
void Bundle::read_services() {
  const auto active = config::load_text(active_config_, "the active configuration", config::Environment{});
  const auto any_has = [&](auto part) {
    return (node_.config && ((*node_.config).*part).has_value()) || (active.snapshot && ((*active.snapshot).*part).has_value());
  };
  std::error_code ignored;
  const std::string dhcp = node_.state_dir + "/dhcp";
  const std::string router = node_.state_dir + "/router";
  const std::string sync = node_.state_dir + "/sync/conntrackd.conf";
  if (any_has(&config::Snapshot::dnsdhcp) || fs::exists(dhcp, ignored)) {
    add_answer("dnsdhcp/leases.json", "/api/v1/dhcp/leases?released=true&limit=10000");
    add_written("dnsdhcp/dnsmasq.conf", dhcp + "/dnsmasq.conf");
  }
  if (any_has(&config::Snapshot::router) || fs::exists(router, ignored)) {
    add_answer("router/router.json", "/api/v1/router");
    if (fs::exists(sync, ignored)) add_written("router/conntrackd.conf", sync);
  }
}

void Bundle::read_system() {
  add("system/version.txt", "fairlead version", std::string("fairlead ") + kVersion + "\n");
  add_command("system/kernel.txt", {"uname", "-a"});
  add_file("system/os-release.txt", "/etc/os-release");
  add_command("system/packages.txt", {"dpkg-query",   "-W",          "-f",          "${Package} ${Version} ${Status}\n",
                                      "fairlead*",    "corosync*",   "libqb*",      "libcpg4",
                                      "libquorum5",   "liburing2",   "libnl-3-200", "libssl3",
                                      "libyaml-cpp*", "libsystemd0", "dnsmasq*",    "nftables",
                                      "conntrack*",   "keepalived",  "haproxy",     "linux-image-*"});
  std::string sysctls;
  for (const char* key : kSysctls) {
    const auto value = read_file(std::string("/proc/sys/") + key, 4096);
    sysctls += std::string(key) + " = " + (value ? *value : "(" + value.error().message() + ")\n");
  }
  add("system/sysctl.txt", "/proc/sys/...", std::move(sysctls));
  add_command("system/units.txt", {"systemctl", "show", "--no-pager", "--property=" + std::string(kUnitProperties), "fairleadd", "corosync",
                                   "corosync-qdevice"});
  for (const char* name : {"loadavg", "meminfo", "uptime", "pressure/cpu", "pressure/memory", "pressure/io"}) {
    std::string as = name;
    std::replace(as.begin(), as.end(), '/', '-');
    add_file("system/" + as + ".txt", std::string("/proc/") + name);
  }
}

std::string Bundle::manifest() const {
  std::string out =
      fmt::format("Fairlead support bundle, made by fairlead {} at {}\n\n", kVersion, format_log_time(environment_.clock.wall()));
  for (const Part& part : parts_) {
    if (!part.content.empty() || part.problem.empty())
      out += fmt::format("{:<28} {:>10}  {}{}\n", part.name, bytes_text(part.content.size()), part.how,
                         part.problem.empty() ? "" : "  [" + part.problem + "]");
  }
  out += "\nNot gathered:\n";
  std::size_t missing = 0;
  for (const Part& part : parts_) {
    if (!part.content.empty() || part.problem.empty()) continue;
    out += fmt::format("{:<28} {}: {}\n", part.name, part.how, part.problem);
    ++missing;
  }
  if (missing == 0) out += "nothing\n";
  return out + "\n" + kLeftOut;
}

void Bundle::pack(const Workshop& workshop, const std::string& folder, const std::string& out) const {
  // Made by us, so that nobody else can read it, and nothing that lies there is written over.
  const Fd file(::open(out.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.valid()) fail(kExitFailed, errno_error("create " + out).message() + " (--out names another file)");
  const auto packed = gather({"tar", "--owner=0", "--group=0", "--numeric-owner", "-C", workshop.path(), "-czf", "-", "--", folder},
                             kPackLimit, 4096, {.output = file.get(), .stop = NotedSignals::came});
  if (packed.problem.empty()) return;
  ::unlink(out.c_str());
  fail(kExitFailed, "tar: " + packed.problem + (packed.output.empty() ? "" : ": " + packed.output));
}

/// Secrets first: one that the cut goes through would be half there.
void Bundle::clean(Part& part) const {
  if (part.flight) {
    const auto entries = parse_blackbox(part.content);
    std::string chunks;
    for (BlackboxEntry entry : entries ? *entries : std::vector<BlackboxEntry>()) {
      blot_out(entry.text, secrets_);
      std::array<std::byte, kBlackboxChunkMax> chunk{};
      const std::size_t room = put_blackbox_chunk(chunk, entry.time, entry.level, entry.name, scrub(entry.text));
      chunks.append(reinterpret_cast<const char*>(chunk.data()), room);
    }
    if (!part.content.empty()) part.content = blackbox_file(chunks);
  } else {
    blot_out(part.content, secrets_);
    part.content = scrub(part.content);
    if (part.content.size() > kPartBytesMax) {
      part.content.resize(part.content.rfind('\n', kPartBytesMax) == std::string::npos ? 0 : part.content.rfind('\n', kPartBytesMax) + 1);
      part.problem += (part.problem.empty() ? "" : "; ") + std::string("cut at ") + bytes_text(kPartBytesMax);
    }
  }
  blot_out(part.problem, secrets_);
  part.problem = scrub(part.problem);
}

void Bundle::write(const std::string& wanted) {
  for (Part& part : parts_) clean(part);
  std::string stamp = format_log_time(environment_.clock.wall()).substr(0, 19);
  std::erase_if(stamp, [](char c) { return c == ':' || c == '-'; });
  std::string name = report_                                       ? report_->node
                     : node_.config && !node_.config->node.empty() ? node_.config->node
                                                                   : environment_.host().host_name;
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '.' ? c : '_';
  const std::string folder = "fairlead-support-" + name + "-" + stamp + "Z";
  const std::string out = wanted.empty() ? folder + ".tar.gz" : wanted;

  const Workshop workshop;
  parts_.insert(parts_.begin(), Part{"MANIFEST.txt", "", "this list", "", false});
  parts_.front().content = manifest();
  for (const Part& part : parts_) {
    if (part.content.empty()) continue;
    const fs::path path = fs::path(workshop.path()) / folder / part.name;
    std::error_code failed;
    fs::create_directories(path.parent_path(), failed);
    const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file.valid()) fail(kExitFailed, errno_error("create " + path.string()).message());
    for (std::string_view left = part.content; !left.empty();) {
      const auto n = ::write(file.get(), left.data(), left.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail(kExitFailed, errno_error("write " + path.string()).message());
      left.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  pack(workshop, folder, out);
  std::error_code ignored;
  environment_.out << parts_.front().content << "\nwrote " << out << " (" << bytes_text(fs::file_size(out, ignored)) << ")\n";
}

}  // namespace

void make_support_bundle(const BundleRequest& request, DaemonCalls& calls) {
  if (!calls.options().connect.server.empty())
    fail(kExitUsage, "a bundle is made on the machine of the daemon: run `fairlead support bundle` there");
  const NotedSignals signals;  // What was made so far goes, before this process does.
  Bundle bundle(calls);
  bundle.collect(request.config);
  bundle.write(request.out);
}

}  // namespace fairlead::cli
