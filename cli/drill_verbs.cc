#include "cli/drill_verbs.h"

#include <algorithm>
#include <atomic>
#include <boost/json.hpp>
#include <csignal>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fstream>
#include <map>
#include <optional>
#include <ostream>
#include <sstream>
#include <thread>

#include "admin/drill_cases.h"
#include "admin/drill_results.h"
#include "admin/json_fields.h"
#include "admin/json_text.h"
#include "base/atomic_file.h"
#include "base/units.h"
#include "cli/progress.h"
#include "cli/text_table.h"
#include "drill/prober.h"

namespace fairlead::cli {
namespace {

namespace json = boost::json;
using admin::DrillPlace;

constexpr Duration kQuiet = std::chrono::seconds(1);        ///< Answers before the drill begins, and after the outage.
constexpr Duration kSlow = std::chrono::milliseconds(500);  ///< A later answer counts as none.
constexpr Duration kSaid = std::chrono::milliseconds(100);  ///< Between two words about the progress.
constexpr Duration kDrillMax = std::chrono::seconds(60);    ///< Then the drill has failed.
constexpr Duration kKeepMax = std::chrono::seconds(5);      ///< For a daemon that was killed to be there again.
constexpr Duration kKeepPause = std::chrono::milliseconds(200);

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

/// Whether the daemon that is asked does it, so that it has to hold the VIP itself. A move can be asked of any.
bool is_done_to_asked(const admin::DrillCase& c) { return c.name != "planned"; }

std::string who_holds(const std::vector<admin::VipStatus>& vips) {
  std::string out;
  for (const auto& vip : vips) out += (out.empty() ? "" : ", ") + vip.name + " is " + (vip.holder ? "on " + *vip.holder : "held by nobody");
  return out;
}

/// The VIP that is drilled: the one that was named, else the first that the asked node holds, else for a move the first that is held.
const admin::VipStatus& drilled_vip(const admin::NodeReport& report, const admin::DrillCase& c, const std::string& name) {
  if (report.vips.empty()) fail(kExitFailed, "there are no VIPs in the configuration of " + report.node);
  const auto usable = [&](const admin::VipStatus& vip) { return vip.held_here || (!is_done_to_asked(c) && vip.holder); };
  const std::string because = is_done_to_asked(c) ? report.node + " does not hold " : "nobody holds ";
  if (!name.empty()) {
    const auto& vip = find_named(report.vips, name, "VIP");
    if (!usable(vip))
      fail(kExitFailed, because + "VIP " + name + " (" + who_holds({vip}) + "): drill " + std::string(c.name) + " is asked of its holder");
    return vip;
  }
  const auto here = std::find_if(report.vips.begin(), report.vips.end(), [](const admin::VipStatus& vip) { return vip.held_here; });
  if (here != report.vips.end()) return *here;
  const auto any = std::find_if(report.vips.begin(), report.vips.end(), usable);
  if (any == report.vips.end())
    fail(kExitFailed, because + "a VIP (" + who_holds(report.vips) + "): drill " + std::string(c.name) + " is asked of a holder");
  return *any;
}

/// What the daemon that is asked promises of it, with its site's times.
std::optional<Duration> outage_max(DaemonCalls& calls, const std::string& name) {
  const auto document = decoded(admin::parse_json(calls.fetch("/api/v1/drills")));
  const auto* cases = document.is_object() ? document.get_object().if_contains("drills") : nullptr;
  if (cases == nullptr || !cases->is_array()) return std::nullopt;
  for (const auto& each : cases->get_array()) {
    const auto* object = each.if_object();
    const auto* its_name = object == nullptr ? nullptr : object->if_contains("name");
    if (its_name == nullptr || !its_name->is_string() || its_name->get_string() != name) continue;
    const auto* bound = object->if_contains("bound_ms");
    if (bound != nullptr && bound->is_int64()) return std::chrono::milliseconds(bound->get_int64());
  }
  return std::nullopt;
}

struct Outcome {
  std::string name;
  std::string vip;
  Endpoint target;
  std::optional<Duration> outage_max;
  drill::Verdict verdict;
  std::vector<std::string> broken;  ///< What was not as promised.
};

double in_ms(Duration d) { return static_cast<double>(d.count()) / 1e6; }

std::string outcome_text(const Outcome& o, const drill::ProbeLog& log) {
  const drill::Verdict& v = o.verdict;
  std::string out = fmt::format("{} of VIP {} ({}): outage {:.1f} ms{}, {} of {} tries failed, {} of them by a reset\n", o.name, o.vip,
                                o.target.to_string(), in_ms(v.outage),
                                o.outage_max ? fmt::format(" (promised: {:g} ms)", in_ms(*o.outage_max)) : "", v.failed, v.tries, v.resets);
  if (log.arp_watched) {
    out += fmt::format("{} announcements; at most {} {} answered ARP at once{}\n", v.announcements, v.holders_max,
                       v.holders_max == 1 ? "node" : "nodes",
                       v.holders_max > 1 ? fmt::format(", for {:.1f} ms", in_ms(v.overlap_max)) : std::string());
  }
  return out + fmt::format("no try was answered for at most {:.1f} ms; the prober was late by at most {:.1f} ms\n", in_ms(v.silence),
                           in_ms(log.worst_lateness));
}

std::string outcome_json(const Outcome& o, const drill::ProbeLog& log) {
  auto document = decoded(admin::parse_json(drill::to_json(log, o.verdict)));
  auto& object = document.as_object();
  object["drill"] = admin::json_string(o.name);
  object["vip"] = admin::json_string(o.vip);
  object["bound_ms"] = o.outage_max ? json::value(in_ms(*o.outage_max)) : json::value(nullptr);
  json::array broken;
  for (const std::string& line : o.broken) broken.emplace_back(admin::json_string(line));
  object["not_as_promised"] = std::move(broken);
  return admin::json_text(document);
}

/// Asks the daemon for the deed, in a thread of its own: its answer may never come, and the prober must not wait.
class Deed {
 public:
  Deed(DaemonCalls& calls, admin::Command command) : calls_(calls), command_(std::move(command)) {}
  ~Deed() {
    if (actor_.joinable()) actor_.join();
  }
  Deed(const Deed&) = delete;
  Deed& operator=(const Deed&) = delete;
  void begin() {
    actor_ = std::thread([this] {
      try {
        (void)calls_.send(command_, /*shown=*/false);  // The prober shows its own.
      } catch (const VerbFailure& failure) { problem_ = failure.message; }
      done_ = true;
    });
  }
  [[nodiscard]] bool has_begun() const { return actor_.joinable(); }
  [[nodiscard]] bool is_done() const { return done_; }
  /// Waits for the answer. Why it was not done; empty: it was.
  [[nodiscard]] std::string problem() {
    if (actor_.joinable()) actor_.join();
    return problem_;
  }

 private:
  DaemonCalls& calls_;
  admin::Command command_;
  std::atomic<bool> done_{false};
  std::string problem_;
  std::thread actor_;
};

admin::Command command_of(const std::string& name, const std::string& vip, const std::string& to) {
  if (name == "planned") return admin::MoveVip{vip, to};
  if (name == "reload") return admin::Reload{false};
  return admin::RunDrill{name, vip};
}

/// Probes from a quiet second before the deed to one after it; false: the VIP did not answer, and nothing was done.
bool measure(drill::Prober& prober, Deed& deed, Progress& progress) {
  Duration acted{};
  Duration said{};
  prober.run([&](const drill::ProbeLog& log) {
    const Duration now = log.tries.back().begun;
    if (!deed.has_begun() && drill::answered_for(log, kSlow) >= kQuiet) {
      acted = now;
      deed.begin();
    }
    if (now - said >= kSaid) {
      said = now;
      progress.detail(!deed.has_begun() ? "a quiet second first" : !deed.is_done() ? "it is done to the node" : "until it is quiet again");
    }
    if (now >= kDrillMax) return true;
    return deed.is_done() && now - acted >= kQuiet && drill::answered_for(log, kSlow) >= kQuiet;
  });
  return deed.has_begun();
}

/// At most so many bytes, and no character cut in two.
std::string cut(std::string text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  while (bytes_max > 0 && (static_cast<unsigned char>(text[bytes_max]) & 0xC0U) == 0x80U) --bytes_max;
  return text.substr(0, bytes_max);
}

admin::RecordDrill record_of(const Outcome& o) {
  admin::DrillResult result;
  result.name = o.name;
  result.vip = o.vip;
  result.passed = o.broken.empty();
  result.outage_ms = std::clamp(in_ms(o.verdict.outage), 0.0, admin::kDrillTimeMaxMs);
  if (o.outage_max) result.bound_ms = in_ms(*o.outage_max);
  result.problem = cut(fmt::format("{}", fmt::join(o.broken, "; ")), admin::kDrillProblemBytesMax);
  return {std::move(result)};
}

/// How each drill went last, as the daemon knows; nothing when there is none to ask.
std::map<std::string, std::string> last_runs(DaemonCalls& calls) {
  std::map<std::string, std::string> out;
  try {
    const auto document = decoded(admin::parse_json(calls.fetch("/api/v1/drills")));
    std::optional<Error> error;
    admin::JsonFields fields(document, "", error);
    std::vector<std::pair<std::string, std::string>> drills;
    fields.list("drills", drills, [](admin::JsonFields& f, std::pair<std::string, std::string>& drill) {
      f.get("name", drill.first);
      f.object("last", [&](admin::JsonFields& last) {
        bool passed = false;
        double outage = 0;
        std::string at;
        last.get("passed", passed);
        last.get("outage_ms", outage);
        last.get("at", at);
        drill.second = fmt::format("{}, {:.1f} ms, {}", passed ? "passed" : "FAILED", outage, at);
      });
    });
    if (!error) out.insert(drills.begin(), drills.end());
  } catch (const VerbFailure& failure) {
    if (failure.exit_code != kExitUnreachable) throw;
  }
  return out;
}

}  // namespace

void DrillVerbs::list() {
  if (calls_.options().format != OutputFormat::kText) return (void)calls_.print_document(calls_.fetch("/api/v1/drills"));
  auto last = last_runs(calls_);
  TextTable table({"CASE", "WHAT HAPPENS", "PROMISED OUTAGE", "WHERE", "LAST RUN"});
  for (const auto& c : admin::drill_cases()) {
    const std::string name(c.name);
    const std::string& ran = last[name];
    table.row({{name},
               {std::string(c.what)},
               {c.bound ? admin::to_string(*c.bound) : "-"},
               {place_text(c.place)},
               {ran.empty() ? "-" : ran, ran.starts_with("FAILED") ? Tone::kBad : Tone::kPlain}});
  }
  environment_.out << table.text(environment_.color);
}

void DrillVerbs::run(const std::string& name, const std::string& vip_name, const std::string& to) {
  const auto* drill_case = admin::find_drill(name);
  if (drill_case == nullptr) fail(kExitFailed, "no drill '" + name + "'; `fairlead drill list` shows them");
  if (drill_case->place != DrillPlace::kCluster) fail(kExitFailed, "drill " + name + " is run " + place_text(drill_case->place));
  const auto report = calls_.report();
  const auto& vip = drilled_vip(report, *drill_case, vip_name);
  Outcome outcome{
      .name = name, .vip = vip.name, .target = target_of(report, vip), .outage_max = outage_max(calls_, name), .verdict = {}, .broken = {}};
  if (!drill_case->safe)
    calls_.confirm("Drill " + name + " of VIP " + vip.name + ": " + std::string(drill_case->what) + " (" + report.node + "). Go on?");

  drill::ProberOptions options;
  options.target = outcome.target;
  const auto prober = make_prober(options);
  Deed deed(calls_, command_of(name, vip.name, to));
  std::optional<Progress> progress(std::in_place, environment_, "drill " + name + " of VIP " + vip.name, kDrillMax);
  const bool begun = measure(*prober, deed, *progress);
  progress.reset();
  if (!begun) fail(kExitFailed, "VIP " + vip.name + " did not answer for a second: the drill was not begun");
  const auto& log = prober->log();
  outcome.verdict = drill::judge(log, kSlow);
  outcome.broken =
      drill::not_as_promised(outcome.verdict, {.outage_max = outcome.outage_max, .interval = options.interval, .late = log.worst_lateness});
  if (const std::string problem = deed.problem(); !problem.empty())
    outcome.broken.insert(outcome.broken.begin(), "it was not done: " + problem);
  if (!calls_.print_document(outcome_json(outcome, log))) environment_.out << outcome_text(outcome, log);
  keep(record_of(outcome));
  if (outcome.broken.empty()) return;
  fail(kExitFailed, fmt::format("drill {}: not as promised: {}{}", name, fmt::join(outcome.broken, "; "),
                                outcome.verdict.recovered ? "" : " (`fairlead vip explain " + vip.name + "`)"));
}

/// The daemon keeps it for /metrics and the next list. A drill that cannot be kept went as it went all the same.
void DrillVerbs::keep(const admin::RecordDrill& record) {
  const Instant until = environment_.clock.now() + kKeepMax;
  for (;;) {
    try {
      (void)calls_.send(record);
      return;
    } catch (const VerbFailure& failure) {
      const bool again = failure.exit_code == kExitUnreachable && environment_.clock.now() < until;
      if (!again || !environment_.pause(kKeepPause)) {
        environment_.err << "the daemon did not keep the result: " << failure.message << "\n";
        return;
      }
    }
  }
}

void DrillVerbs::report(const std::string& file) {
  std::ifstream in(file);
  if (!in) fail(kExitFailed, file + ": cannot be read; `make drill` writes it");
  std::ostringstream text;
  text << in.rdbuf();
  if (calls_.print_document(text.str())) return;
  const auto rows = decoded(admin::parse_json(text.str()));
  if (!rows.is_array()) fail(kExitFailed, file + ": no report of drills");
  TextTable table({"CASE", "SYSTEM", "PROFILE", ">NODES", ">N", ">OUTAGE", ">MIN", ">MAX", ">PROMISED", ">FAILED", ">RESETS", ">HOLDERS",
                   ">OVERLAP", ">LATE"});
  std::string broken;
  for (const auto& row : rows.get_array()) {
    const auto text_of = [&](const char* key) {
      const auto& v = row.at(key);
      return v.is_string() ? std::string(v.get_string()) : v.is_null() ? std::string("-") : admin::json_text(v);
    };
    const auto in_ms_of = [&](const char* key) {
      const auto* v = row.as_object().if_contains(key);
      return v == nullptr || v->is_null() ? std::string("-") : admin::json_text(*v) + " ms";
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
               {in_ms_of("bound_ms")},
               {text_of("requests_failed")},
               {text_of("resets")},
               {text_of("holders_max")},
               {in_ms_of("overlap_ms_max")},
               {in_ms_of("loop_late_ms_max")}});
    const auto* lines = row.as_object().if_contains("not_as_promised");
    for (const auto& line : lines == nullptr ? json::array{} : lines->as_array())
      broken += fmt::format("NOT AS PROMISED: {} {} ({} nodes, {}): {}\n", text_of("system"), text_of("case"), text_of("nodes"),
                            text_of("profile"), std::string_view(line.as_string()));
  }
  environment_.out << table.text(environment_.color) << "LATE: the gateways' control loops, at worst\n" << broken;
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
