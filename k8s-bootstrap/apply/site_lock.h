// The lock of a site: a file on every machine of the plan (apply/lock_record.h), taken on all of them or on none, kept by a heartbeat until
// this object goes. Two laptops exclude each other with it; who waits for it is told who holds it.
//
//   SL1  The first by name is taken first: of two who begin at once, one gets it and with it all the others.
//   SL2  A machine that cannot be reached is an error: nobody applies half a plan beside somebody else's.
//   SL3  Once a heartbeat finds another's token, `lost()` is true for good: the holder begins nothing more.
//   SL4  `holds()` is not answered by a heartbeat that is older than kLockRecent, time that this machine slept through included: a laptop
//        that wakes up asks the machines before it begins anything.
//   SL5  Every machine counts how often its lock was taken. Where that is what it was when the machine was read, nobody had it in between.
// Threading: one thread of its own for the heartbeat; holds() and lost() may be asked by any.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/time.h"
#include "k8s-bootstrap/apply/lock_record.h"
#include "k8s-bootstrap/transport/transport.h"

namespace fairlead::bootstrap {

struct LockOwner {
  std::string user;   ///< "anna"
  std::string host;   ///< "annas-laptop"
  std::string since;  ///< RFC 3339
  std::string token;  ///< Of this run; 16 to 64 letters and digits.
  /// Of runs that are known to be over (apply/own_locks.h): their locks are taken over. Letters and digits each.
  std::vector<std::string> former{};
};

inline constexpr std::chrono::seconds kLockRecent{20};
static_assert(kLockRecent >= kLockBeat * 2 && kLockRecent < kLockStale);

/// CLOCK_BOOTTIME: it goes on while the machine sleeps.
[[nodiscard]] Duration time_since_boot();

class SiteLock {
 public:
  /// Errors: kConflict (somebody holds it: who, since when, and how it is freed), those of Transport::run.
  [[nodiscard]] static Result<std::unique_ptr<SiteLock>> take(Transport& transport, std::vector<std::string> machines,
                                                              const LockOwner& owner, std::function<Duration()> clock = time_since_boot);
  /// On one machine more. Errors: as take(); then it has those of before.
  [[nodiscard]] Status extend(const std::string& machine);
  /// Releases it everywhere it can be reached; elsewhere it goes stale.
  ~SiteLock();
  SiteLock(const SiteLock&) = delete;
  SiteLock& operator=(const SiteLock&) = delete;

  /// How often the lock of each machine had been taken before this time (SL5).
  [[nodiscard]] std::map<std::string, std::uint64_t> takes_before() const;
  /// SL4; may ask the machines.
  [[nodiscard]] bool holds();
  [[nodiscard]] bool lost() const { return lost_.load(); }
  /// Whose it is now, when it is lost.
  [[nodiscard]] std::string lost_to() const;

 private:
  SiteLock(Transport& transport, LockOwner owner, std::function<Duration()> clock)
      : transport_(transport), owner_(std::move(owner)), clock_(std::move(clock)) {}
  void beat_until_stopped();
  void beat_all();
  void beat(const std::string& machine);

  Transport& transport_;
  const LockOwner owner_;
  const std::function<Duration()> clock_;
  std::atomic<bool> lost_{false};
  std::mutex beating_;  ///< One round of heartbeats at a time; before mutex_.
  mutable std::mutex mutex_;
  std::map<std::string, std::uint64_t> machines_;  ///< mutex_. Each with what takes_before() says.
  Duration beaten_{};                              ///< mutex_. When the last round of heartbeats began.
  std::condition_variable stopped_;
  bool stop_ = false;
  std::string lost_to_;
  std::thread thread_;
};

/// `bootstrap unlock`: takes it away from whoever holds it. Returns who that was; empty: nobody.
[[nodiscard]] Result<std::string> force_unlock(Transport& transport, const std::string& machine);

}  // namespace fairlead::bootstrap
