// The lock of a site: a file on every machine of the plan (apply/lock_record.h), taken on all of them or on none, kept by a heartbeat until
// this object goes. Two laptops exclude each other with it; who waits for it is told who holds it.
//
//   SL1  The first by name is taken first: of two who begin at once, one gets it and with it all the others.
//   SL2  A machine that cannot be reached is an error: nobody applies half a plan beside somebody else's.
//   SL3  Once a heartbeat finds another's token, `lost()` is true for good: the holder begins nothing more.
// Threading: one thread of its own for the heartbeat; lost() may be asked by any.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

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

class SiteLock {
 public:
  /// Errors: kConflict (somebody holds it: who, since when, and how it is freed), those of Transport::run.
  [[nodiscard]] static Result<std::unique_ptr<SiteLock>> take(Transport& transport, std::vector<std::string> machines,
                                                              const LockOwner& owner);
  /// Releases it everywhere it can be reached; elsewhere it goes stale.
  ~SiteLock();
  SiteLock(const SiteLock&) = delete;
  SiteLock& operator=(const SiteLock&) = delete;

  [[nodiscard]] bool lost() const { return lost_.load(); }
  /// Whose it is now, when it is lost.
  [[nodiscard]] std::string lost_to() const;

 private:
  SiteLock(Transport& transport, std::vector<std::string> machines, LockOwner owner)
      : transport_(transport), machines_(std::move(machines)), owner_(std::move(owner)) {}
  void beat_until_stopped();
  void beat(const std::string& machine);

  Transport& transport_;
  std::vector<std::string> machines_;
  LockOwner owner_;
  std::atomic<bool> lost_{false};
  mutable std::mutex mutex_;
  std::condition_variable stopped_;
  bool stop_ = false;
  std::string lost_to_;
  std::thread thread_;
};

/// `bootstrap unlock`: takes it away from whoever holds it. Returns who that was; empty: nobody.
[[nodiscard]] Result<std::string> force_unlock(Transport& transport, const std::string& machine);

}  // namespace fairlead::bootstrap
