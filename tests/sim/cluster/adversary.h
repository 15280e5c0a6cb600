// Plays one seeded schedule against a site. Styles:
//   calm     one fault at a time in a quiet cluster, undone later: the rows of the table of bounds are measured
//   storm    many faults at once, repaired in the end: safety all the time, convergence once all is quiet
//   special  the stories that need a script: a silent gateway, a merge of two holders, flapping, configurations that differ, wishes; then
//            everything is mended, and calm faults follow until there were as many as elsewhere
// In a part of the schedules the LAN drops the nodes' questions about each other while the client sees them all: there the leases alone
// (R4) keep two holders apart, and the faults are those that leases cover.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "tests/sim/cluster/cluster_site.h"

namespace fairlead::vip::sim {

enum class Fault : std::uint8_t {
  kMove,
  kKillDaemon,
  kHangShort,
  kHangLong,
  kKillGuard,
  kKillBoth,
  kPowerOff,
  kCut,
  kCutRing,
  kOneWay,
  kSplit,
  kFreezeProcesses,
  kPauseClockRuns,
  kPauseClockStops,
  kPauseBootRuns,
  kKillCorosync,
  kStopCorosync,
  kHangCorosync,
  kCarrier,
  kServers,
  kDeleteAddress,
  kSlowKernel,
  kStandby,
  kDisable,
  kFreezeCluster,
  kLeave,
  kConfigure,
  kDeafLan,
  kQnetd,
};
inline constexpr int kFaults = 29;
/// What every schedule has at least.
inline constexpr int kFaultsPerSchedule = 5;
inline constexpr At kSimulatedPerSchedule = 30 * kSecond;
[[nodiscard]] const char* to_string(Fault fault);

/// What the VIP 0 of the struck node was doing, and the ring: rows and columns of the coverage.
inline constexpr int kStruckStates = 8;
using Coverage = std::array<std::array<std::uint64_t, kStruckStates>, kFaults>;
[[nodiscard]] const char* struck_state(int index);

struct Outcome {
  std::vector<std::string> violations;
  Statistics statistics{};
  Coverage coverage{};
  int faults = 0;
  int measured = 0;
  At simulated = 0;
  std::string what;  ///< Style and options, for people.
};

struct PlayOptions {
  bool trace = false;
  int style = -1;  ///< Of every seed's own choice.
  Recorder* recorder = nullptr;
};
[[nodiscard]] Outcome play(std::uint64_t seed, PlayOptions options = {});

}  // namespace fairlead::vip::sim
