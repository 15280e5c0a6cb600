// fairlead: pure
// Which files dnsmasq goes back to when it does not start with new ones: `dnsmasq --test` reads them and starts nothing.
//
//   new files --ready--> these are the good ones
//             --kStartsTried ends before it was ready--> back to the good ones --ready at once--> the new ones are to blame
//                                                          '--ends as well, and is ready later--> something else was: the new ones again
//
// Invariants:
//   X1  Nobody goes back but from files that no dnsmasq was ready with, to files that one was ready with.
//   X2  What changes no line of dnsmasq.conf is never on trial: it keeps no dnsmasq from starting.
// Threading: control. Ownership: values only.
#pragma once

#include <optional>
#include <string>

#include "dnsdhcp/dnsmasq_conf.h"

namespace fairlead::dnsdhcp {

inline constexpr int kStartsTried = 2;

class FilesOnTrial {
 public:
  /// dnsmasq's files are these now.
  void applied(const Rendered& files);
  /// A dnsmasq is ready. True: the configuration's files are worth another try.
  [[nodiscard]] bool ready();
  /// A dnsmasq ended that should not have. The files to go back to; nothing: it is no matter of the files.
  [[nodiscard]] std::optional<Rendered> ended(const std::string& why);
  /// Why the files are those of before; empty: they are not.
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  std::optional<Rendered> running_;
  std::optional<Rendered> good_;
  int ends_ = 0;  ///< Since it was ready, or has had these files.
  bool returning_ = false;
  std::string problem_;
};

}  // namespace fairlead::dnsdhcp
