#include "cli/drill_verbs.h"

#include <algorithm>
#include <atomic>
#include <boost/json.hpp>
#include <csignal>
#include <fmt/format.h>
#include <fstream>
#include <ostream>
#include <sstream>
#include <thread>

#include "admin/drill_cases.h"
#include "admin/json_fields.h"
#include "admin/json_text.h"
#include "base/atomic_file.h"
#include "base/units.h"
#include "cli/text_table.h"
#include "drill/prober.h"

namespace fairlead::cli {
namespace {

namespace json = boost::json;
using admin::DrillPlace;

constexpr Duration kQuiet = std::chrono::seconds(1);      ///< Answers before the drill begins, and after the outage.
constexpr Duration kDrillMax = std::chrono::seconds(60);  ///< Then the drill has failed.

const char* place_text(DrillPlace place) {
  if (place == DrillPlace::kLab) return "in the lab: make drill";
  return place == DrillPlace::kLater ? "not in this version" : "here: fairlead drill run";
}

/// SIGINT and SIGTERM end the probing and not the program.
class StopSignals {
 public:
  StopSignals() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGINT);
    sigaddset(&set_, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set_, &before_);
  }
  ~StopSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  [[nodiscard]] bool came() const {
    const timespec now{};
    return sigtimedwait(&set_, nullptr, &now) > 0;
  }

 private:
  sigset_t set_{};
  sigset_t before_{};
};

std::unique_ptr<drill::Prober> make_prober(const drill::ProberOptions& options) {
  auto prober = drill::Prober::make(options);
  if (!prober) fail(kExitFailed, "cannot probe: " + prober.error().message());
  return std::move(*prober);
}

/// How long every try has been answered without a gap, up to now.
Duration answered_for(const drill::ProbeLog& log, Duration slow) {
  const drill::Verdict so_far = drill::judge(log, slow);
  if (log.tries.empty() || !so_far.recovered) return {};
  const Duration since = so_far.gaps.empty() ? Duration{} : so_far.gaps.back().from + so_far.gaps.back().length;
  return log.tries.back().begun - since;
}

/// The address and port that clients of this VIP use.
Endpoint target_of(const admin::NodeReport& report, const admin::VipStatus& vip) {
  const std::string address = vip.address.substr(0, vip.address.find('/'));
  for (const auto& listener : report.listeners) {
    for (const std::string& bind : listener.bind) {
      const auto endpoint = parse_endpoint(bind);
      if (endpoint && endpoint->address.to_string() == address) return *endpoint;
    }
  }
  fail(kExitFailed, "no listener is bound to VIP " + vip.name + " (" + vip.address + "): there is nothing to measure");
}

std::string verdict_text(const std::string& name, const drill::ProbeLog& log, const drill::Verdict& v, const std::string& promise) {
  const auto ms = [](Duration d) { return static_cast<double>(d.count()) / 1e6; };
  std::string out = fmt::format("{}: outage {:.1f} ms{}, {} of {} tries failed, {} of them by a reset\n", name, ms(v.outage),
                                promise.empty() ? "" : " (promised: " + promise + ")", v.failed, v.tries, v.resets);
  if (!log.rounds.empty()) {
    out += fmt::format("{} announcements; at most {} {} answered ARP at once{}\n", v.announcements, v.holders_max,
                       v.holders_max == 1 ? "node" : "nodes",
                       v.holders_max > 1 ? fmt::format(", for {:.1f} ms", ms(v.overlap_max)) : std::string());
  }
  return out + fmt::format("the prober was late by at most {:.1f} ms\n", ms(log.worst_lateness));
}

}  // namespace

void DrillVerbs::list() {
  if (calls_.options().format != OutputFormat::kText) return (void)calls_.print_document(calls_.fetch("/api/v1/drills"));
  TextTable table({"CASE", "WHAT HAPPENS", "PROMISED OUTAGE", "WHERE"});
  for (const auto& c : admin::drill_cases())
    table.row({{std::string(c.name)}, {std::string(c.what)}, {c.promise.empty() ? "-" : std::string(c.promise)}, {place_text(c.place)}});
  environment_.out << table.text(environment_.color);
}

void DrillVerbs::run(const std::string& name, const std::string& vip_name, const std::string& to) {
  const auto* drill_case = admin::find_drill(name);
  if (drill_case == nullptr) fail(kExitFailed, "no drill '" + name + "'; `fairlead drill list` shows them");
  if (drill_case->place != DrillPlace::kCluster) fail(kExitFailed, "drill " + name + " is run " + place_text(drill_case->place));
  const auto report = calls_.report();
  if (report.vips.empty()) fail(kExitFailed, "there are no VIPs in the configuration of " + report.node);
  const auto& vip = vip_name.empty() ? report.vips.front() : find_named(report.vips, vip_name, "VIP");
  if (!drill_case->safe) calls_.confirm("Drill " + name + ": " + std::string(drill_case->what) + " (" + report.node + "). Go on?");

  drill::ProberOptions options;
  options.target = target_of(report, vip);
  const auto prober = make_prober(options);
  const Duration slow = std::chrono::milliseconds(500);
  std::atomic<bool> done{false};
  std::atomic<bool> began{false};
  std::string problem;
  // The prober must not wait for the daemon's answer, which may never come.
  std::thread actor;
  const auto act = [&] {
    try {
      if (name == "planned")
        (void)calls_.send(admin::MoveVip{vip.name, to});
      else if (name == "reload")
        (void)calls_.send(admin::Reload{false});
      else
        (void)calls_.send(admin::RunDrill{name});
    } catch (const VerbFailure& failure) { problem = failure.message; }
    done = true;
  };
  Duration acted{};
  prober->run([&](const drill::ProbeLog& log) {
    const Duration now = log.tries.back().begun;
    if (!began && answered_for(log, slow) >= kQuiet) {
      began = true;
      acted = now;
      actor = std::thread(act);
    }
    if (now >= kDrillMax) return true;
    return done && now - acted >= kQuiet && answered_for(log, slow) >= kQuiet;
  });
  if (actor.joinable()) actor.join();
  if (!began) fail(kExitFailed, "the VIP did not answer for a second: the drill was not begun");
  if (!problem.empty()) fail(kExitFailed, "drill " + name + ": " + problem);
  const auto& log = prober->log();
  const auto verdict = drill::judge(log, slow);
  if (!calls_.print_document(drill::to_json(log, verdict)))
    environment_.out << verdict_text(name, log, verdict, std::string(drill_case->promise));
  if (!verdict.recovered) fail(kExitFailed, "the VIP does not answer: `fairlead vip explain " + vip.name + "`");
}

void DrillVerbs::report(const std::string& file) {
  std::ifstream in(file);
  if (!in) fail(kExitFailed, file + ": cannot be read; `make drill` writes it");
  std::ostringstream text;
  text << in.rdbuf();
  if (calls_.print_document(text.str())) return;
  const auto rows = decoded(admin::parse_json(text.str()));
  if (!rows.is_array()) fail(kExitFailed, file + ": no report of drills");
  TextTable table({"CASE", "SYSTEM", "PROFILE", ">NODES", ">N", ">OUTAGE", ">MIN", ">MAX", ">FAILED", ">RESETS", ">HOLDERS"});
  for (const auto& row : rows.get_array()) {
    const auto text_of = [&](const char* key) {
      const auto& v = row.at(key);
      return v.is_string() ? std::string(v.get_string()) : v.is_null() ? std::string("-") : admin::json_text(v);
    };
    const auto outage = [&](const char* key) { return admin::json_text(row.at("outage_ms").at(key)) + " ms"; };
    table.row({{text_of("case")},
               {text_of("system")},
               {text_of("profile")},
               {text_of("nodes")},
               {text_of("n")},
               {outage("median")},
               {outage("min")},
               {outage("max")},
               {text_of("requests_failed")},
               {text_of("resets")},
               {text_of("holders_max")}});
  }
  environment_.out << table.text(environment_.color);
}

void DrillVerbs::probe(const ProbeRequest& request) {
  const auto target = parse_endpoint(request.target);
  if (!target) fail(kExitUsage, target.error().message());
  const StopSignals signals;
  drill::ProberOptions options;
  options.target = *target;
  options.interval = request.interval;
  options.ask_neighbours = !request.no_arp;
  const auto prober = make_prober(options);
  environment_.err << "probing " << request.target << "\n" << std::flush;
  prober->run([&](const drill::ProbeLog& log) {
    return signals.came() || (request.lasts > Duration::zero() && log.tries.back().begun >= request.lasts);
  });
  const std::string text = drill::to_json(prober->log(), drill::judge(prober->log(), request.slow));
  if (request.out.empty()) {
    environment_.out << text << "\n";
  } else if (auto written = write_file_atomically(request.out, text + "\n"); !written) {
    fail(kExitFailed, written.error().message());
  }
}

}  // namespace fairlead::cli
