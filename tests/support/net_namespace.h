// A test's own network namespaces. The fixture puts the test's thread into a new one, with a veth pair to a second one, its LAN; both end
// with the test. Skips, with the reason, where that is not allowed.
//
//   here: va (02:..:0a)  <--->  vb (02:..:0b) :there
#pragma once

#include <functional>
#include <gtest/gtest.h>
#include <string>

#include "base/fd.h"
#include "vip/link_state.h"

namespace fairlead::test {

/// Runs a shell command in the namespace of the calling thread and returns its exit code.
int shell(const std::string& command);

/// Enters a namespace for the life of the object.
class Entered {
 public:
  explicit Entered(int namespace_fd);
  ~Entered();
  Entered(const Entered&) = delete;
  Entered& operator=(const Entered&) = delete;

 private:
  Fd before_;
};

class NetNamespaceTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  /// A command in the LAN's other namespace.
  int shell_there(const std::string& command) {
    const Entered there(there_.get());
    return shell(command);
  }
  [[nodiscard]] int there() const { return there_.get(); }
  /// Of an interface here (or wherever the thread is).
  [[nodiscard]] static vip::LinkState link_of(const std::string& name);

 private:
  Fd home_;
  Fd there_;
};

/// Calls `done` until it is true or ten seconds are over; between two calls waits until `fd` is readable, or a moment.
bool eventually(int fd, const std::function<bool()>& done);

}  // namespace fairlead::test
