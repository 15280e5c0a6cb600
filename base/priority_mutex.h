// A mutex for what the control thread shares with others: it runs in real time, and whoever holds the mutex while it waits runs at its
// priority until the mutex is free. Else a thread that nobody lets run (a busy machine's `admin`, `log`) would hold up takeover for as long
// as that lasts.
#pragma once

#include <pthread.h>

#include "base/assert.h"

namespace fairlead {

class PriorityMutex {
 public:
  PriorityMutex() {
    pthread_mutexattr_t how;
    FL_ASSERT(::pthread_mutexattr_init(&how) == 0);
    // Refused by a kernel without it: then it is a mutex like any other.
    (void)::pthread_mutexattr_setprotocol(&how, PTHREAD_PRIO_INHERIT);
    if (::pthread_mutex_init(&mutex_, &how) != 0) FL_ASSERT(::pthread_mutex_init(&mutex_, nullptr) == 0);
    ::pthread_mutexattr_destroy(&how);
  }
  ~PriorityMutex() { ::pthread_mutex_destroy(&mutex_); }
  PriorityMutex(const PriorityMutex&) = delete;
  PriorityMutex& operator=(const PriorityMutex&) = delete;

  // Errors are a broken program's: unlocking what another thread holds, memory that is no mutex.
  void lock() { FL_ASSERT(::pthread_mutex_lock(&mutex_) == 0); }
  void unlock() { FL_ASSERT(::pthread_mutex_unlock(&mutex_) == 0); }

 private:
  pthread_mutex_t mutex_{};
};

}  // namespace fairlead
