// fairlead: pure
// The rules of the lease book can be switched off one by one, in a build of their own (FL_MUTANTS) that only tests/sim/leases makes: each
// mutant must be caught by the simulator. In every other build FL_LEASE_RULE(name, condition) is the condition.
#pragma once

#ifdef FL_MUTANTS
namespace fairlead::dnsdhcp {
enum class Mutant { kNone, kEpoch, kEcho, kRestamp, kNews, kTold };
inline Mutant mutant = Mutant::kNone;  // NOLINT: one thread, set by the test before the simulation.
}  // namespace fairlead::dnsdhcp
#define FL_LEASE_RULE(name, condition) (::fairlead::dnsdhcp::mutant != ::fairlead::dnsdhcp::Mutant::name && (condition))
#else
#define FL_LEASE_RULE(name, condition) (condition)
#endif
