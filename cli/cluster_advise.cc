// fairlead cluster advise
#include <boost/json.hpp>
#include <fmt/format.h>
#include <ostream>
#include <unistd.h>

#include "admin/json_text.h"
#include "base/units.h"
#include "cli/cluster_verbs.h"
#include "cli/text_table.h"
#include "config/load.h"
#include "membership/timing_advice.h"

namespace fairlead::cli {
namespace {

using namespace std::chrono_literals;
using membership::ConfiguredTiming;
using membership::PauseMeasurement;
using membership::TimingAdvice;
using Verdict = membership::TimingAdvice::Verdict;

constexpr Duration kDurationMin = 100ms;
constexpr Duration kDurationMax = 168h;

double in_ms(Duration d) { return static_cast<double>(std::chrono::duration_cast<std::chrono::microseconds>(d).count()) / 1000; }

/// What is configured, if anything is: a named file must be good, the node's own need not be there.
std::optional<ConfiguredTiming> configured(const std::string& file, CliEnvironment& environment) {
  if (!file.empty()) return membership::configured_timing(*load_cluster(file, environment).cluster);
  if (::access(environment.cluster_paths.config.c_str(), F_OK) != 0) return std::nullopt;
  const auto own = config::load_file(environment.cluster_paths.config, environment.host()).snapshot;
  if (!own || !own->cluster) return std::nullopt;
  return membership::configured_timing(*own->cluster);
}

std::string advice_line(const TimingAdvice& advice, const std::optional<ConfiguredTiming>& configured) {
  switch (advice.verdict) {
    case Verdict::kKeep:
      return configured && configured->own_times ? "keep the timing that is configured"
                                                 : fmt::format("keep profile {}", membership::to_string(configured->profile));
    case Verdict::kUseProfile: return fmt::format("cluster.profile: {}", membership::to_string(advice.profile));
    case Verdict::kUseToken: return fmt::format("cluster.timing: {{token: {}}}", format_duration(advice.token));
  }
  return {};
}

boost::json::value document(const PauseMeasurement& measured, const TimingAdvice& advice,
                            const std::optional<ConfiguredTiming>& configured) {
  boost::json::array profiles;
  for (const auto& fit : advice.profiles) {
    profiles.emplace_back(boost::json::object{
        {"name", admin::json_string(membership::to_string(fit.profile))}, {"token_ms", to_ms(fit.token)}, {"fits", fit.fits}});
  }
  boost::json::array reasons;
  for (const std::string& reason : advice.reasons) reasons.emplace_back(admin::json_string(reason));
  boost::json::object out{{"measured_s", to_seconds(measured.measured)},
                          {"turns", measured.record.turns()},
                          {"real_time", measured.real_time},
                          {"virtual_machine", measured.virtual_machine},
                          {"longest_ms", in_ms(measured.record.longest())},
                          {"p999_ms", in_ms(measured.record.quantile(0.999))},
                          {"profiles", std::move(profiles)},
                          {"advice", admin::json_string(advice_line(advice, configured))},
                          {"reasons", std::move(reasons)}};
  out["stolen_share"] = measured.stolen_share ? boost::json::value(*measured.stolen_share) : boost::json::value(nullptr);
  if (configured) {
    out["configured"] = boost::json::object{{"profile", admin::json_string(membership::to_string(configured->profile))},
                                            {"token_ms", to_ms(configured->token)},
                                            {"too_short", advice.configured_too_short}};
  }
  return out;
}

void print_text(const PauseMeasurement& measured, const TimingAdvice& advice, const std::optional<ConfiguredTiming>& configured,
                CliEnvironment& environment) {
  std::ostream& out = environment.out;
  out << fmt::format(
      "measured {:.1f} s: {} turns of {}, {}\n", to_seconds(measured.measured), measured.record.turns(), format_duration(measured.interval),
      measured.real_time ? "with Corosync's real-time priority"
                         : "WITHOUT real-time priority (not root): ordinary load counts too, which Corosync would not notice");
  out << fmt::format("longest pause {:.1f} ms, 99.9 % at most {:.1f} ms", in_ms(measured.record.longest()),
                     in_ms(measured.record.quantile(0.999)));
  if (measured.stolen_share) out << fmt::format(", {:.2f} % of the time stolen by other guests", *measured.stolen_share * 100);
  out << "\n";
  for (const auto& pause : measured.record.longest_pauses()) {
    if (pause.length >= 20ms) out << fmt::format("  {:.1f} ms, {:.1f} s after the begin\n", in_ms(pause.length), to_seconds(pause.at));
  }
  out << "\n";
  TextTable table({"profile", ">token", ">bears pauses of", "this machine"});
  for (const auto& fit : advice.profiles) {
    const bool experimental = fit.profile == config::TimingProfile::kMin;
    table.row({{std::string(membership::to_string(fit.profile)) + (experimental ? " (experimental)" : "")},
               {format_duration(fit.token)},
               {format_duration(fit.token / 2)},
               {fit.fits ? "fits" : "is too slow", fit.fits ? Tone::kGood : Tone::kBad}});
  }
  out << table.text(environment.color);
  if (configured) {
    out << fmt::format("\nconfigured: profile {}{}, token {}\n", membership::to_string(configured->profile),
                       configured->own_times ? " with times of its own" : "", format_duration(configured->token));
  }
  if (advice.configured_too_short)
    out << paint("warning: the configured token is too short for this machine", Tone::kBad, environment.color) << "\n";
  out << "\nadvice: " << paint(advice_line(advice, configured), Tone::kStrong, environment.color) << "\n";
  for (const std::string& reason : advice.reasons) out << "  " << reason << "\n";
}

}  // namespace

void advise_cluster(const std::string& duration, const std::string& file, const GlobalOptions& options, CliEnvironment& environment) {
  const auto wanted = parse_duration(duration);
  if (!wanted) throw VerbFailure{kExitUsage, "--duration: " + wanted.error().message()};
  if (*wanted < kDurationMin || *wanted > kDurationMax) throw VerbFailure{kExitUsage, "--duration: between 100ms and 168h"};
  const auto timing = configured(file, environment);
  if (environment.interactive) environment.err << "measuring for " << format_duration(*wanted) << " ..." << std::endl;
  const auto measured = environment.measure_pauses(*wanted, [] { return true; });
  const auto advice = membership::advise_timing(measured.facts(), timing);
  if (options.format == OutputFormat::kText) {
    print_text(measured, advice, timing, environment);
  } else {
    print_document(document(measured, advice, timing), options.format, environment);
  }
}

}  // namespace fairlead::cli
