// fairlead: pure
// What a client saw while something was done to the gateways: tries to get an answer through the VIP, and who said that it has the VIP.
// The judgement is made of these alone; nothing that a gateway says about itself enters.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/mac_address.h"
#include "base/time.h"

namespace fairlead::drill {

/// How one try ended: a new connection, a request, the first byte of an answer.
enum class TryEnd : std::uint8_t { kOpen, kAnswered, kRefused, kReset, kClosed, kTimeout, kUnreachable };
[[nodiscard]] std::string_view to_string(TryEnd end);

struct Try {
  Duration begun{};  ///< Since the log's beginning; so are all times here.
  Duration ended{};
  TryEnd end = TryEnd::kOpen;
};

/// Between two questions who has the VIP.
struct Round {
  Duration asked{};
  std::vector<MacAddress> answers;  ///< Each station once.
};

struct Announcement {
  Duration at{};
  MacAddress from;
};

struct ProbeLog {
  std::vector<Try> tries;     ///< By time of begin.
  bool arp_watched = false;   ///< It was to be asked who has the VIP.
  std::vector<Round> rounds;  ///< Those in which it could be asked.
  std::vector<Announcement> announcements;
  Duration worst_lateness{};  ///< Of the prober itself: by so much its figures can be wrong.
};

/// From the begin of the first try that failed to the answer of the first one after it that did not.
struct Gap {
  Duration from{};
  Duration length{};
  std::uint64_t failed = 0;
  bool operator==(const Gap&) const = default;
};

struct Verdict {
  std::uint64_t tries = 0;  ///< Those that ended.
  std::uint64_t failed = 0;
  std::uint64_t resets = 0;  ///< Of the failed ones: refused or reset.
  std::vector<Gap> gaps;     ///< In order.
  Duration outage{};         ///< The longest gap.
  Duration silence{};        ///< The longest time between two answers, whichever tries they were for.
  Duration usual{};          ///< The median time an answer took: a gap ends with one, so it is that much longer than what was broken.
  bool recovered = true;     ///< The last try was answered.
  std::uint64_t announcements = 0;
  bool arp_watched = false;                     ///< As the log has it.
  std::uint32_t holders_max = 0;                ///< Stations that answered for the VIP in one round; 0: none ever did.
  Duration overlap_max{};                       ///< The longest time in which each round had two or more.
  std::map<MacAddress, std::uint64_t> answers;  ///< Rounds by station.
};

/// `slow`: an answer that took longer counts as none.
[[nodiscard]] Verdict judge(const ProbeLog& log, Duration slow);

/// How long every try has been answered, up to the newest. Those still open count as unanswered when they are older than `slow`.
[[nodiscard]] Duration answered_for(const ProbeLog& log, Duration slow);

struct Promise {
  std::optional<Duration> outage_max;  ///< Absent: none is stated. Zero: no try may fail.
  Duration interval{};                 ///< Of the tries: by so much an outage can be overestimated.
  Duration late{};                     ///< By how much the prober was late itself, at worst: likewise.
};
/// Answers may come by so much later than the promise has it: on a busy gateway none is lost by that.
inline constexpr Duration kSilenceAllowed = std::chrono::milliseconds(50);
/// What was not as promised, a line each. That it comes back, and by one holder at a time, is promised always; where ARP was watched and nobody
/// ever answered, the latter was not seen. A prober that was late by more
/// than half of what is promised, and by more than 20 ms, has measured itself: that is a line, too.
[[nodiscard]] std::vector<std::string> not_as_promised(const Verdict& verdict, const Promise& promise);

/// The verdict with every gap, its failed tries counted, and each change of who answers, as JSON. Stations by MAC address.
[[nodiscard]] std::string to_json(const ProbeLog& log, const Verdict& verdict);

}  // namespace fairlead::drill
