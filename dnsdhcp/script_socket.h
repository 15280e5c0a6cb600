// The daemon's end of dnsmasq's dhcp-script: takes one message of each fairlead-dhcp-event, in the order dnsmasq ran them.
//
// Events are not answered: once connected and sent, a message is in the kernel's hands, and the program is gone before it is read here.
// `init` is answered with a descriptor of the lease lines, so that their size does not matter.
//
// Invariants:
//   X1  Nothing here waits. A connection that says nothing for kScriptPatience is closed.
//   X2  Messages are handed on in the order of the programs, as far as each ended before the next began (dnsmasq sees to that).
//   X3  At most kScriptConnectionsMax connections at a time; more wait in the kernel.
// Threading: the loop's thread. Ownership: the loop outlives it. A callback must not destroy it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/fd.h"
#include "base/qb_loop.h"
#include "base/result.h"
#include "dnsdhcp/script_event.h"

namespace fairlead::dnsdhcp {

inline constexpr Duration kScriptPatience = std::chrono::seconds(5);
inline constexpr std::size_t kScriptConnectionsMax = 64;

class ScriptSocket {
 public:
  struct Callbacks {
    std::function<void(const ScriptEvent&)> on_event;
    /// What a starting dnsmasq shall know: lease_lines().
    std::function<std::string()> on_init;
    /// A message that is none, or an answer that could not be given.
    std::function<void(const Error&)> on_problem;
  };
  /// Errors: those of listen_unix().
  [[nodiscard]] static Result<std::unique_ptr<ScriptSocket>> open(QbLoop& loop, const std::string& path, Callbacks callbacks);
  ~ScriptSocket();
  ScriptSocket(const ScriptSocket&) = delete;
  ScriptSocket& operator=(const ScriptSocket&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }  ///< For kScriptSocketVariable.

 private:
  struct Connection {
    Fd fd;
    QbLoop::TimerId deadline = 0;
  };
  ScriptSocket(QbLoop& loop, std::string path, Fd listener, Callbacks callbacks);
  [[nodiscard]] Status watch();
  void accept();
  void read(std::uint64_t number);
  void close(std::uint64_t number);
  void take(int connection, std::string_view message);
  [[nodiscard]] Status answer(int connection, const std::string& lines);

  QbLoop& loop_;
  std::string path_;
  Fd listener_;
  Callbacks callbacks_;
  std::map<std::uint64_t, Connection> connections_;  // Oldest first.
  std::uint64_t last_number_ = 0;
  bool watching_ = false;
};

}  // namespace fairlead::dnsdhcp
