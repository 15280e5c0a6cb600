// For tests of what happens when the process has no descriptor left.
#pragma once

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fd.h"

namespace fairlead::test {

/// Lowers the process's descriptor limit to what is open now plus `spare`, until its end.
class FewDescriptors {
 public:
  explicit FewDescriptors(rlim_t spare) {
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    const Fd probe(::dup(0));  // The lowest free number: everything below it is taken.
    rlimit lowered = before_;
    lowered.rlim_cur = static_cast<rlim_t>(probe.get()) + spare;
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &lowered), 0);
  }
  ~FewDescriptors() { EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before_), 0); }
  FewDescriptors(const FewDescriptors&) = delete;
  FewDescriptors& operator=(const FewDescriptors&) = delete;

 private:
  rlimit before_{};
};

}  // namespace fairlead::test
