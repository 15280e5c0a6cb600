// fairlead: pure
// Which of Corosync's timings suits a machine, by the pauses that were measured on it.
//
// A node that does not run for longer than its token lives is lost to the others, although nothing is broken. So a profile
//   fits   when no pause was longer than half its token (the other half is for the network and for what was not seen)
//   is advised in place of a slower one   when no pause was longer than a quarter: a measurement sees less than a year does
// min is never advised: it is experimental. On a virtual machine fast is advised only after ten minutes: the hypervisor's rare pauses
// (a snapshot, a migration) are what a short measurement does not see.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "config/settings.h"

namespace fairlead::membership {

/// Counts how late each of many turns was. Bounded: a histogram with steps of 1/16, and the longest pauses.
class PauseRecord {
 public:
  static constexpr std::size_t kLongestMax = 5;
  struct Pause {
    Duration at{};  ///< Since the begin of the measurement, when it ended.
    Duration length{};
    bool operator==(const Pause&) const = default;
  };

  void add(Duration at, Duration late);

  [[nodiscard]] std::uint64_t turns() const { return turns_; }
  [[nodiscard]] Duration longest() const { return longest_.empty() ? Duration{} : longest_.front().length; }
  [[nodiscard]] const std::vector<Pause>& longest_pauses() const { return longest_; }  ///< The longest first.
  /// At least this share (0..1) of the turns was not later than the result, which is at most 1/16 too long. 0 without a turn.
  [[nodiscard]] Duration quantile(double share) const;

 private:
  static constexpr std::size_t kSteps = 16;
  std::array<std::uint64_t, 64 * kSteps> counts_{};  ///< By microseconds: octave, sixteenth of it.
  std::vector<Pause> longest_;
  std::uint64_t turns_ = 0;
};

struct PauseFacts {
  Duration measured{};
  Duration longest{};
  bool virtual_machine = false;
};
/// The file's `profile` and the token and consensus it comes to.
struct ConfiguredTiming {
  config::TimingProfile profile = config::TimingProfile::kVm;
  bool own_times = false;  ///< `timing` has a token of its own.
  Duration token{};
};

struct ProfileFit {
  config::TimingProfile profile = config::TimingProfile::kVm;
  Duration token{};
  bool fits = false;
  bool operator==(const ProfileFit&) const = default;
};
struct TimingAdvice {
  enum class Verdict : std::uint8_t { kKeep, kUseProfile, kUseToken };
  std::array<ProfileFit, 3> profiles;  ///< vm, fast, min.
  Verdict verdict = Verdict::kUseProfile;
  config::TimingProfile profile = config::TimingProfile::kVm;  ///< kUseProfile: this one.
  Duration token{};                                            ///< kUseToken: not even vm fits, this token would.
  bool configured_too_short = false;                           ///< The longest pause was longer than half the configured token.
  std::vector<std::string> reasons;                            ///< Sentences for people.
};
[[nodiscard]] TimingAdvice advise_timing(const PauseFacts& facts, const std::optional<ConfiguredTiming>& configured);
[[nodiscard]] ConfiguredTiming configured_timing(const config::Cluster& cluster);
[[nodiscard]] std::string_view to_string(config::TimingProfile profile);

/// All processors together, since boot, in clock ticks.
struct CpuTimes {
  std::uint64_t total = 0;
  std::uint64_t stolen = 0;
  bool operator==(const CpuTimes&) const = default;
};
/// The first line of /proc/stat. Nothing: it has no column of stolen time.
[[nodiscard]] std::optional<CpuTimes> parse_cpu_times(std::string_view proc_stat);

}  // namespace fairlead::membership
