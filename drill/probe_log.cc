// fairlead: pure
#include "drill/probe_log.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cmath>
#include <fmt/format.h>

namespace fairlead::drill {
namespace {

namespace json = boost::json;

constexpr std::array<std::string_view, 7> kEnds{"open", "answered", "refused", "reset", "closed", "timeout", "unreachable"};

bool is_good(const Try& t, Duration slow) { return t.end == TryEnd::kAnswered && t.ended - t.begun <= slow; }

void judge_tries(const ProbeLog& log, Duration slow, Verdict& out) {
  bool failing = false;
  for (const Try& t : log.tries) {
    if (t.end == TryEnd::kOpen) continue;
    ++out.tries;
    out.recovered = is_good(t, slow);
    if (out.recovered) {
      if (failing) out.gaps.back().length = t.ended - out.gaps.back().from;  // It may have waited for the address since long before.
      failing = false;
      continue;
    }
    ++out.failed;
    if (t.end == TryEnd::kReset || t.end == TryEnd::kRefused) ++out.resets;
    if (!failing) out.gaps.push_back({.from = t.begun, .length = {}, .failed = 0});
    failing = true;
    ++out.gaps.back().failed;
    out.gaps.back().length = t.ended - out.gaps.back().from;  // It may be the last.
  }
  for (const Gap& gap : out.gaps) out.outage = std::max(out.outage, gap.length);
}

Duration longest_silence(const ProbeLog& log) {
  std::vector<Duration> answers;
  for (const Try& t : log.tries) {
    if (t.end == TryEnd::kAnswered) answers.push_back(t.ended);
  }
  std::sort(answers.begin(), answers.end());
  Duration longest{};
  for (std::size_t i = 1; i < answers.size(); ++i) longest = std::max(longest, answers[i] - answers[i - 1]);
  return longest;
}

Duration usual_time(const ProbeLog& log) {
  std::vector<Duration> times;
  for (const Try& t : log.tries) {
    if (t.end == TryEnd::kAnswered) times.push_back(t.ended - t.begun);
  }
  if (times.empty()) return {};
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return *middle;
}

void judge_rounds(const ProbeLog& log, Verdict& out) {
  out.arp_watched = log.arp_watched;
  Duration since{};
  bool overlapping = false;
  for (std::size_t i = 0; i < log.rounds.size(); ++i) {
    const Round& round = log.rounds[i];
    for (const MacAddress& mac : round.answers) ++out.answers[mac];
    out.holders_max = std::max(out.holders_max, static_cast<std::uint32_t>(round.answers.size()));
    const bool two = round.answers.size() > 1;
    if (two && !overlapping) since = round.asked;
    if (two && i + 1 < log.rounds.size()) out.overlap_max = std::max(out.overlap_max, log.rounds[i + 1].asked - since);
    overlapping = two;
  }
}

double ms(Duration d) { return std::round(to_seconds(d) * 1e6) / 1e3; }

json::array changes_of_holder(const ProbeLog& log) {
  json::array out;
  const std::vector<MacAddress>* before = nullptr;
  for (const Round& round : log.rounds) {
    if (before != nullptr && *before == round.answers) continue;
    before = &round.answers;
    json::array stations;
    for (const MacAddress& mac : round.answers) stations.emplace_back(mac.to_string());
    out.push_back(json::object{{"at_ms", ms(round.asked)}, {"answered_by", std::move(stations)}});
  }
  return out;
}

}  // namespace

std::string_view to_string(TryEnd end) { return kEnds[static_cast<std::size_t>(end)]; }

Verdict judge(const ProbeLog& log, Duration slow) {
  Verdict out;
  judge_tries(log, slow, out);
  out.silence = longest_silence(log);
  out.usual = usual_time(log);
  judge_rounds(log, out);
  out.announcements = log.announcements.size();
  return out;
}

Duration answered_for(const ProbeLog& log, Duration slow) {
  if (log.tries.empty()) return {};
  const Duration now = log.tries.back().begun;
  Duration since = now;
  for (auto t = log.tries.rbegin(); t != log.tries.rend(); ++t) {
    const bool is_pending = t->end == TryEnd::kOpen && now - t->begun <= slow;
    if (!is_pending && !is_good(*t, slow)) break;
    since = t->begun;
  }
  return now - since;
}

std::vector<std::string> not_as_promised(const Verdict& v, const Promise& promise) {
  std::vector<std::string> out;
  if (!v.recovered) out.emplace_back("the VIP does not answer");
  if (v.holders_max > 1) out.push_back(fmt::format("{} nodes answered ARP at once, for {:.1f} ms", v.holders_max, ms(v.overlap_max)));
  if (v.arp_watched && v.holders_max == 0) out.emplace_back("nobody ever answered ARP: who had the VIP was not seen");
  if (!promise.outage_max) return out;
  const Duration most = *promise.outage_max + promise.interval + promise.late;
  if (*promise.outage_max == Duration{} && v.failed > 0)
    out.push_back(fmt::format("{} {} failed, promised none", v.failed, v.failed == 1 ? "try" : "tries"));
  else if (v.outage > most + v.usual)
    out.push_back(fmt::format("an outage of {:.1f} ms, promised {:g}", ms(v.outage), ms(*promise.outage_max)));
  else if (v.silence > most + kSilenceAllowed)
    out.push_back(fmt::format("for {:.1f} ms no try was answered, promised {:g}", ms(v.silence), ms(*promise.outage_max)));
  if (promise.late > std::max(Duration(std::chrono::milliseconds(20)), *promise.outage_max / 2))
    out.push_back(fmt::format("the prober itself was {:.1f} ms late, which says nothing about the VIP: measure again, on a quieter machine",
                              ms(promise.late)));
  return out;
}

std::string to_json(const ProbeLog& log, const Verdict& v) {
  json::array gaps;
  for (const Gap& gap : v.gaps)
    gaps.push_back(json::object{{"from_ms", ms(gap.from)}, {"length_ms", ms(gap.length)}, {"failed", gap.failed}});
  json::object answers;
  for (const auto& [mac, rounds] : v.answers) answers[mac.to_string()] = rounds;
  json::array announced;
  for (const Announcement& a : log.announcements) announced.push_back(json::object{{"at_ms", ms(a.at)}, {"from", a.from.to_string()}});
  const Duration lasted = log.tries.empty() ? Duration{} : log.tries.back().begun;
  const json::object out{{"lasted_ms", ms(lasted)},
                         {"tries", v.tries},
                         {"failed", v.failed},
                         {"resets", v.resets},
                         {"outage_ms", ms(v.outage)},
                         {"silence_ms_max", ms(v.silence)},
                         {"answer_ms_usual", ms(v.usual)},
                         {"recovered", v.recovered},
                         {"gaps", std::move(gaps)},
                         {"arp_watched", v.arp_watched},
                         {"announcements", std::move(announced)},
                         {"holders_max", v.holders_max},
                         {"overlap_ms_max", ms(v.overlap_max)},
                         {"rounds_by_station", std::move(answers)},
                         {"answered_by", changes_of_holder(log)},
                         {"prober_late_ms_max", ms(log.worst_lateness)}};
  return json::serialize(out);
}

}  // namespace fairlead::drill
