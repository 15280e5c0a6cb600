// fairlead: pure
// The rules of takeover can be switched off one by one, in a build of their own (FL_MUTANTS) that only tests/sim/cluster makes: each
// mutant must be caught by the simulator. In every other build FL_RULE(name, condition) is the condition.
#pragma once

#ifdef FL_MUTANTS
namespace fairlead::vip {
enum class Mutant {
  kNone,
  kR1OnlyThisRound,
  kR2Exchange,
  kR3Sticky,
  kR3Preempt,
  kR4Lease,
  kR4Promise,
  kR4Majority,
  kR4SilentVotes,
  kR4Start,
  kR4OneHolder,
  kR5Release,
  kR5Probe,
  kR6Refresh,
  kR6OnlyWithLease,
  kR7BootClock,
  kR7Pause,
  kR7Fresh,
  kR7Answer,
  kR7Announce,
  kR8Claims,
  kR9Lost,
  kR10Guard,
  kR10Epoch,
  kR11Stay,
  kR11Take,
  kR11Return,
  kR12StandsIn,
  kR12OtherSilent,
  kR12NoMemory,
  kR12Sleep,
  kR13Start,
  kR13Conflict,
  kR14Merge,
  kR15Hash,
  kR16Frozen,
  kR16Standby,
  kR16Disabled,
  kR16Forced,
  kR17Flapping,
  kR18Reset,
  kR19Announce,
  kR19Merge,
  kR20Yield,
  kCount,
};
inline Mutant mutant = Mutant::kNone;  // NOLINT: one thread, set by the test before the simulation.
}  // namespace fairlead::vip
#define FL_RULE(name, condition) (::fairlead::vip::mutant != ::fairlead::vip::Mutant::name && (condition))
#else
#define FL_RULE(name, condition) (condition)
#endif
