// fairlead: pure
// The guards of a plan can be switched off one by one, in a build of their own (FL_MUTANTS) that only tests/sim/bootstrap makes: each
// mutant must be caught there. In every other build FL_PLAN_RULE(name, condition) is the condition.
#pragma once

#ifdef FL_MUTANTS
namespace fairlead::bootstrap {
enum class PlanMutant {
  kNone,
  kInitReadsAll,
  kInitNeedsEmpty,
  kResetOwnOnly,
  kResetAlone,
  kSettled,
  kMemberQuorum,
  kMemberAlone,
  kJoinHealthy,
  kUnknown,
  kEtcdUnread,
  kOneControlPlane,
  kPoolAgain,
  kForeignCordon,
  kGatewaysRead,
  kRestoreReadsAll,
  kRestoreUnknown,
  kRestoreMajority,
  kRestoreAllStopped,
  kRestoreAllRestored,
  kRestoreOnce,
  kRestoreJoinsLater,
  kRestoreKeys
};
inline PlanMutant plan_mutant = PlanMutant::kNone;  // NOLINT: one thread, set by the test before it plans.
}  // namespace fairlead::bootstrap
#define FL_PLAN_RULE(name, condition) (::fairlead::bootstrap::plan_mutant == ::fairlead::bootstrap::PlanMutant::name || (condition))
#else
#define FL_PLAN_RULE(name, condition) (condition)
#endif
