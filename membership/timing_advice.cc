// fairlead: pure
#include "membership/timing_advice.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "base/units.h"
#include "membership/corosync_conf.h"

namespace fairlead::membership {
namespace {

using namespace std::chrono_literals;
using config::TimingProfile;
using Verdict = TimingAdvice::Verdict;

/// Measured so long, a virtual machine's quiet is believed.
constexpr Duration kLongEnough = 10min;
constexpr Duration kTokenStep = 100ms;

bool fits(Duration pause, Duration token) { return pause * 2 <= token; }
bool fits_amply(Duration pause, Duration token) { return pause * 4 <= token; }

std::string ms_text(Duration d) { return fmt::format("{:.1f} ms", to_seconds(d) * 1000); }

/// What suits this machine, whatever is configured.
void advise_afresh(TimingAdvice& out, const PauseFacts& facts) {
  const Duration vm = config::token_of(TimingProfile::kVm);
  if (!fits(facts.longest, vm)) {
    out.verdict = Verdict::kUseToken;
    const Duration least = facts.longest * 5 / 2;
    out.token = (least + kTokenStep - Duration(1)) / kTokenStep * kTokenStep;
    out.reasons.push_back(fmt::format(
        "a pause of {} is more than half the token of every profile; a token of {} would bear it, and each takeover takes longer. "
        "Better: find what stops this machine (overcommitted host, snapshots, live migration)",
        ms_text(facts.longest), format_duration(out.token)));
    return;
  }
  out.verdict = Verdict::kUseProfile;
  if (!fits_amply(facts.longest, config::token_of(TimingProfile::kFast))) {
    out.profile = TimingProfile::kVm;
    out.reasons.push_back(fmt::format("a pause of {} is more than a quarter of fast's token", ms_text(facts.longest)));
  } else if (facts.virtual_machine && facts.measured < kLongEnough) {
    out.profile = TimingProfile::kVm;
    out.reasons.push_back(
        fmt::format("this is a virtual machine, and {} do not show its rare pauses: measure for {} or longer, under the usual "
                    "load, before choosing fast",
                    format_duration(facts.measured), format_duration(kLongEnough)));
  } else {
    out.profile = TimingProfile::kFast;
    out.reasons.push_back(fmt::format("no pause was longer than a quarter of fast's token (longest {})", ms_text(facts.longest)));
  }
}

/// True: what is configured may stay.
bool keeps(TimingAdvice& out, const PauseFacts& facts, const ConfiguredTiming& configured) {
  if (!fits(facts.longest, configured.token)) {
    out.configured_too_short = true;
    out.reasons.push_back(
        fmt::format("the longest pause, {}, is more than half the configured token ({}): the others may take this node for "
                    "lost while it is only slow",
                    ms_text(facts.longest), format_duration(configured.token)));
    return false;
  }
  if (!configured.own_times && configured.profile == TimingProfile::kVm) return false;  // fast may be advised.
  out.reasons.push_back(fmt::format("the longest pause, {}, is at most half the configured token ({})", ms_text(facts.longest),
                                    format_duration(configured.token)));
  if (!configured.own_times && configured.profile == TimingProfile::kMin) out.reasons.emplace_back("min is experimental");
  return true;
}

}  // namespace

void PauseRecord::add(Duration at, Duration late) {
  late = std::max(late, Duration{});
  ++turns_;
  const auto us = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(late).count());
  // Below kSteps a step is a microsecond; above, the highest five bits choose it.
  std::size_t step = us;
  if (us >= kSteps) {
    const auto octave = static_cast<std::size_t>(std::bit_width(us)) - 5;
    step = octave * kSteps + (us >> octave);
  }
  ++counts_[std::min(step, counts_.size() - 1)];
  const auto place = std::find_if(longest_.begin(), longest_.end(), [&](const Pause& pause) { return pause.length < late; });
  if (place == longest_.end() && longest_.size() >= kLongestMax) return;
  longest_.insert(place, Pause{at, late});
  if (longest_.size() > kLongestMax) longest_.pop_back();
}

Duration PauseRecord::quantile(double share) const {
  if (turns_ == 0) return {};
  const auto wanted = static_cast<std::uint64_t>(std::ceil(std::clamp(share, 0.0, 1.0) * static_cast<double>(turns_)));
  std::uint64_t seen = 0;
  for (std::size_t step = 0; step < counts_.size(); ++step) {
    seen += counts_[step];
    if (seen < wanted || seen == 0) continue;
    // The end of the step, but never more than what was seen.
    std::uint64_t end = step + 1;
    if (step >= 2 * kSteps) {
      const std::size_t octave = step / kSteps - 1;
      end = (step - octave * kSteps + 1) << octave;
    }
    return std::min<Duration>(std::chrono::microseconds(end), longest());
  }
  return longest();
}

TimingAdvice advise_timing(const PauseFacts& facts, const std::optional<ConfiguredTiming>& configured) {
  TimingAdvice out;
  const std::array kinds{TimingProfile::kVm, TimingProfile::kFast, TimingProfile::kMin};
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    const Duration token = config::token_of(kinds[i]);
    out.profiles[i] = {kinds[i], token, fits(facts.longest, token)};
  }
  if (configured && keeps(out, facts, *configured)) {
    out.verdict = Verdict::kKeep;
    return out;
  }
  advise_afresh(out, facts);
  const bool same = configured && !configured->own_times && out.verdict == Verdict::kUseProfile && out.profile == configured->profile;
  if (same) out.verdict = Verdict::kKeep;
  return out;
}

std::optional<CpuTimes> parse_cpu_times(std::string_view proc_stat) {
  constexpr std::size_t kStolen = 7;  // user nice system idle iowait irq softirq steal; guests' times are part of user and nice.
  std::string_view line = proc_stat.substr(0, proc_stat.find('\n'));
  if (!line.starts_with("cpu ")) return std::nullopt;
  line.remove_prefix(4);
  CpuTimes out;
  for (std::size_t column = 0; column <= kStolen; ++column) {
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    std::uint64_t ticks = 0;
    const auto [end, failed] = std::from_chars(line.data(), line.data() + line.size(), ticks);
    if (failed != std::errc{}) return std::nullopt;
    line.remove_prefix(static_cast<std::size_t>(end - line.data()));
    out.total += ticks;
    if (column == kStolen) out.stolen = ticks;
  }
  return out;
}

ConfiguredTiming configured_timing(const config::Cluster& cluster) {
  const bool own = std::any_of(cluster.timing.begin(), cluster.timing.end(), [](const auto& key) { return key.name == "token"; });
  return {cluster.profile, own, timing_of(cluster).token};
}

std::string_view to_string(TimingProfile profile) {
  switch (profile) {
    case TimingProfile::kVm: return "vm";
    case TimingProfile::kFast: return "fast";
    case TimingProfile::kMin: return "min";
  }
  return "vm";
}

}  // namespace fairlead::membership
