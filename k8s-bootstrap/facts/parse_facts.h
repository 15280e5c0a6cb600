// fairlead: pure
// What the probe of facts/probe.h printed -> MachineFacts. The text comes from another machine: anything in it may be missing or odd, and
// then the fact stays unknown and a line in `unsuitable` says so; nothing is guessed.
//
//   PF1  An answer without its last line is none: it was cut, and what is missing in it would look absent.
//   PF2  A file that was asked for is present, absent or not in `files` at all (neither is known).
//   PF3  When systemctl(1) told of no unit at all (it did not answer in time), each that was asked for is kUnitUnread, not absent.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "k8s-bootstrap/facts/facts.h"
#include "k8s-bootstrap/facts/probe.h"

namespace fairlead::bootstrap {

/// In place of "active enabled" in MachineFacts::units.
inline constexpr std::string_view kUnitUnread = "unread";

struct ProbeAnswer {
  MachineFacts facts;
  Duration begun{};  ///< The machine's wall clock, since 1970, when the probe began and when it ended.
  Duration ended{};
  Duration resolution{};         ///< A second where its date(1) knows no fractions.
  std::uint64_t lock_takes = 0;  ///< How often the site's lock was taken there (apply/site_lock.h, SL5): no fact for plans.
};
/// `now`: the operator's wall clock, since 1970; certificates' days count from it.
/// Errors: kUnavailable (not whole), kUnsupported (of another version).
[[nodiscard]] Result<ProbeAnswer> parse_facts(std::string_view text, const ProbeRequest& request, Duration now);

/// From the operator's clock before and after the call: the machine's clock minus the operator's, and how far off that can be.
struct ClockOffset {
  Duration offset{};
  Duration error{};
};
[[nodiscard]] ClockOffset clock_offset(Duration sent, const ProbeAnswer& answer, Duration received);

}  // namespace fairlead::bootstrap
