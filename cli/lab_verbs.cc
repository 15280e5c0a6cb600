#include "cli/lab_verbs.h"

#include <algorithm>
#include <boost/json.hpp>
#include <filesystem>
#include <fmt/format.h>
#include <ostream>

#include "admin/json_text.h"
#include "cli/noted_signals.h"
#include "cli/text_table.h"
#include "cli/yaml_text.h"
#include "config/load.h"
#include "lab/lab_files.h"
#include "lab/lab_process.h"
#include "lab/lab_rig.h"
#include "membership/corosync_conf.h"

namespace fairlead::cli {
namespace {

[[noreturn]] void fail(const Error& error) {
  const bool usage = error.code == Errc::kInvalidArgument;
  throw VerbFailure{usage ? kExitUsage : kExitFailed, error.message()};
}

std::string folder_of_this_program() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
}

lab::LabRig rig_for(CliEnvironment& environment, std::size_t nodes) {
  lab::RigHooks hooks;
  hooks.say = [&environment](const std::string& line) { environment.out << line << "\n" << std::flush; };
  hooks.interrupted = [] { return NotedSignals::came(); };
  hooks.missing = [&environment, nodes](const std::string& root) -> std::string {
    ConnectOptions connect;
    connect.socket = root + "/run/fairlead/fairlead.sock";
    connect.timeout = std::chrono::seconds(2);
    const auto answer = environment.api(connect)->call("GET", "/api/v1/status", "");
    if (!answer) return "its daemon does not answer yet";
    return answer->status == 200 ? what_is_missing(answer->body, nodes) : fmt::format("its daemon answers {}", answer->status);
  };
  return {folder_of_this_program(), std::move(hooks), environment.clock};
}

/// corosync.conf as `fairlead cluster render` makes it from the gateways' own file. It logs to a file of the lab, not to the machine's
/// log, and it is no real-time process: a real node has its CPUs for itself; here several Corosyncs that circle a token would take every
/// CPU from all else, their own network threads included (docs/internals/corosync-measured.md).
std::string corosync_conf(const lab::LabPlan& plan) {
  const auto loaded = config::load_text(lab::gateway_yaml(plan, *plan.find("gate-1")), "fairlead.yaml of gate-1", config::Environment{});
  if (!loaded.snapshot) throw VerbFailure{kExitFailed, "the lab's own file is not valid: " + config::format(loaded.problems.front())};
  std::string text = membership::render_corosync_conf(*loaded.snapshot->cluster).text;
  for (const auto& [from, to] : {std::pair{"to_stderr: no", "to_stderr: yes"}, std::pair{"to_syslog: yes", "to_syslog: no"}}) {
    if (const auto at = text.find(from); at != std::string::npos) text.replace(at, std::char_traits<char>::length(from), to);
  }
  return text + "system {\n  sched_rr: no\n}\n";
}

boost::json::value report_json(const lab::LabReport& report) {
  boost::json::array nodes;
  boost::json::array holders;
  for (const auto& shown : report.nodes) {
    boost::json::array links;
    for (const auto& link : shown.node.links) {
      boost::json::value address;
      if (!link.address.empty()) address = admin::json_string(link.address);
      links.push_back({{"device", admin::json_string(link.device)},
                       {"address", std::move(address)},
                       {"mac", admin::json_string(link.mac)},
                       {"port", admin::json_string(link.port)}});
    }
    boost::json::array programs;
    for (const auto& program : shown.programs) {
      boost::json::value pid;
      if (program.pid) pid = *program.pid;
      programs.push_back({{"name", admin::json_string(program.name)}, {"pid", std::move(pid)}});
    }
    if (shown.holds_vip) holders.push_back(admin::json_string(shown.node.name));
    boost::json::value keeper;
    if (shown.keeper) keeper = *shown.keeper;
    nodes.push_back({{"name", admin::json_string(shown.node.name)},
                     {"role", admin::json_string(to_string(shown.node.role))},
                     {"on", shown.keeper.has_value()},
                     {"keeper", std::move(keeper)},
                     {"links", std::move(links)},
                     {"programs", std::move(programs)},
                     {"holds_vip", shown.holds_vip}});
  }
  const auto& options = report.options;
  return {{"name", admin::json_string(options.name)},
          {"up", true},
          {"folder", admin::json_string(report.folder)},
          {"keeper", report.keeper.pid},
          {"profile", admin::json_string(options.profile)},
          {"one_link", options.one_link},
          {"qdevice", options.qdevice},
          {"dhcp", options.dhcp},
          {"vip", {{"address", admin::json_string(lab::kVip)}, {"port", lab::kPort}, {"holders", std::move(holders)}}},
          {"nodes", std::move(nodes)}};
}

std::string holder_text(const lab::LabReport& report) {
  std::string out;
  for (const auto& shown : report.nodes) {
    if (shown.holds_vip) out += (out.empty() ? "" : " and ") + shown.node.name;
  }
  return out.empty() ? "held by nobody" : "held by " + out;
}

std::string report_text(const lab::LabReport& report, bool color) {
  TextTable table({"NODE", "ADDRESSES", "RUNS", ""});
  for (const auto& shown : report.nodes) {
    std::string addresses;
    for (const auto& link : shown.node.links) {
      addresses += (addresses.empty() ? "" : ", ") + link.device + " " + (link.address.empty() ? "by DHCP" : link.address);
    }
    std::string runs;
    Tone tone = Tone::kGood;
    for (const auto& program : shown.programs) {
      runs += (runs.empty() ? "" : ", ") + program.name + (program.pid ? "" : " ended");
      if (!program.pid) tone = Tone::kBad;
    }
    if (!shown.keeper) {
      runs = "switched off";
      tone = Tone::kBad;
    }
    table.row({{shown.node.name, Tone::kStrong},
               {addresses},
               {runs, tone},
               {shown.holds_vip ? fmt::format("holds {}", lab::kVip) : "", Tone::kStrong}});
  }
  return table.text(color, "  ");
}

void print_json(const lab::LabReport& report, const GlobalOptions& global, CliEnvironment& environment) {
  const auto json = report_json(report);
  environment.out << (global.format == OutputFormat::kJson ? admin::json_text(json, admin::JsonStyle::kPretty) + "\n" : yaml_text(json));
}

std::string first_steps(const lab::LabReport& report, double seconds, bool attach) {
  const auto& name = report.options.name;
  const std::string lab = name == lab::kDefaultName ? "fairlead lab" : fmt::format("fairlead lab --name {}", name);
  return fmt::format("\nLab '{0}' is up after {1:.1f} s. api is {2}:{3}, {4}. Try{5}:\n", name, seconds, lab::kVip, lab::kPort,
                     holder_text(report), attach ? ", in another terminal" : "") +
         fmt::format("  {0} exec client curl -s https://api:{1}/\n  {0} exec gate-1 fairlead status\n  {0} status\n", lab, lab::kPort) +
         (report.options.dhcp
              ? fmt::format(
                    "  {0} exec machine-1 busybox udhcpc -i node -x hostname:machine-1\n  {0} exec machine-1 dig +short api.kube.demo\n",
                    lab)
              : std::string()) +
         (attach ? std::string("Ctrl-C ends it.\n") : fmt::format("  {} down\n", lab));
}

/// Of a gateway that has all VIPs and so should serve its networks: the first it does not serve yet. Empty: none.
std::string network_not_served(const boost::json::object& status) {
  const auto* dhcp = status.if_contains("dhcp");
  const auto* networks = dhcp != nullptr && dhcp->is_object() ? dhcp->get_object().if_contains("networks") : nullptr;
  if (networks == nullptr || !networks->is_array()) return {};
  for (const auto& vip : status.at("vips").as_array()) {
    const auto* here = vip.as_object().if_contains("held_here");
    if (here == nullptr || !here->is_bool() || !here->get_bool()) return {};
  }
  for (const auto& network : networks->get_array()) {
    const auto* serving = network.is_object() ? network.get_object().if_contains("serving") : nullptr;
    if (serving == nullptr || !serving->is_bool() || !serving->get_bool()) return "a network is not served yet";
  }
  return {};
}

}  // namespace

std::string what_is_missing(const std::string& status_json, std::size_t nodes) {
  boost::system::error_code error;
  const auto parsed = boost::json::parse(status_json, error);
  const auto* status = error ? nullptr : parsed.if_object();
  if (status == nullptr) return "its daemon's answer is not understood";
  const auto* ready = status->if_contains("ready");
  if (ready == nullptr || !ready->is_bool() || !ready->get_bool()) return "not ready to serve yet";
  const auto* vips = status->if_contains("vips");
  if (vips == nullptr || !vips->is_array() || vips->get_array().empty()) return "it knows no VIP yet";
  for (const auto& vip : vips->get_array()) {
    const auto* holder = vip.is_object() ? vip.get_object().if_contains("holder") : nullptr;
    if (holder == nullptr || !holder->is_string()) return "nobody holds the VIP yet";
  }
  if (const std::string why = network_not_served(*status); !why.empty()) return why;
  if (nodes < 2) return {};
  const auto* cluster = status->if_contains("cluster");
  const auto* members = cluster != nullptr && cluster->is_object() ? cluster->get_object().if_contains("nodes") : nullptr;
  if (members == nullptr || !members->is_array()) return "no cluster yet";
  const auto& list = members->get_array();
  const auto online = static_cast<std::size_t>(std::count_if(list.begin(), list.end(), [](const boost::json::value& node) {
    const auto* is = node.is_object() ? node.get_object().if_contains("online") : nullptr;
    return is != nullptr && is->is_bool() && is->get_bool();
  }));
  return online >= nodes ? std::string() : fmt::format("{} of {} nodes are online", online, nodes);
}

void lab_up(const lab::LabOptions& options, bool attach, const GlobalOptions& global, CliEnvironment& environment) {
  auto plan = lab::plan_lab(options);
  if (!plan) fail(plan.error());
  if (options.nodes > 1) lab::add_corosync(*plan, corosync_conf(*plan));
  const NotedSignals noted;
  auto rig = rig_for(environment, options.nodes);
  const Instant began = environment.clock.now();
  std::optional<lab::NewKeeper> keeper;
  if (const Status done = rig.up(*plan, attach ? &keeper : nullptr); !done) fail(done.error());
  const auto report = rig.report(options.name);
  if (!report) fail(report.error());
  if (global.format == OutputFormat::kText) {
    environment.out << report_text(*report, environment.color) << first_steps(*report, to_seconds(environment.clock.now() - began), attach);
  } else {
    print_json(*report, global, environment);
  }
  if (!attach) return;
  environment.out.flush();
  while (!NotedSignals::came() && lab::is_alive({report->keeper.pid, report->keeper.start}))
    environment.pause(std::chrono::milliseconds(50));
  if (!keeper) return;  // It was up before: it stays.
  keeper.reset();
  if (const auto gone = rig.down(options.name); !gone) fail(gone.error());
}

void lab_down(const std::string& name, CliEnvironment& environment) {
  auto rig = rig_for(environment, 0);
  const auto done = rig.down(name);
  if (!done) fail(done.error());
  environment.out << (*done ? fmt::format("Lab '{}' is gone.\n", name) : fmt::format("There is no lab '{}'.\n", name));
}

void lab_status(const std::string& name, const GlobalOptions& global, CliEnvironment& environment) {
  const auto report = rig_for(environment, 0).report(name);
  if (!report) fail(report.error());
  if (global.format != OutputFormat::kText) {
    print_json(*report, global, environment);
  } else {
    environment.out << report_text(*report, environment.color)
                    << fmt::format("\napi is {}:{}, {}. Logs are in {}/nodes.\n", lab::kVip, lab::kPort, holder_text(*report),
                                   report->folder);
  }
}

void lab_exec(const std::string& name, const std::string& node, const std::vector<std::string>& command, CliEnvironment& environment) {
  if (command.empty()) throw VerbFailure{kExitUsage, "what is to be run? For example: fairlead lab exec " + node + " bash"};
  environment.out.flush();
  const auto code = rig_for(environment, 0).exec(name, node, command);
  if (!code) fail(code.error());
  if (*code != 0) throw VerbFailure{*code, ""};
}

}  // namespace fairlead::cli
