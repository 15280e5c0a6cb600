// Gives a text to one invited peer, once: how a joining node gets the cluster's key and configuration.
//
//   waiting node                                             joining node
//     key and certificate of this invitation, in memory
//     token = address, fingerprint, secret     --operator-->   decode_invitation
//     <------------------------------ TLS 1.3 ------------------ connect
//                                                              certificate has the fingerprint? else nothing is said
//     <----------- "FLJOIN1", secret, own name ----------------
//     right: from here on the invitation is used
//     ------------- 1, length, text -------------------------->
//     <----------------------- ack ----------------------------  whole
//
// Neither side believes in an authority: the fingerprint proves the waiting node, the secret the joining one. A peer that says nothing is
// dropped after 5 s; a wrong secret (128 bits) is counted and told, and the wait goes on. Peers are served one after the other.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "admin/invitation.h"
#include "base/fd.h"
#include "base/result.h"
#include "base/time.h"

namespace fairlead::admin {

inline constexpr std::size_t kHandoverBytesMax = 4U << 20U;

struct HandoverGuest {
  std::string name;  ///< As it calls itself, printable.
  Endpoint from;
};

class HandoverHost {
 public:
  /// Listens at `at` (port 0: the kernel's choice) and makes key, certificate and secret.
  /// Errors: kConflict (address in use), kUnavailable (no such address here), kPermission.
  [[nodiscard]] static Result<std::unique_ptr<HandoverHost>> open(const Endpoint& at, WallTime expires);
  ~HandoverHost();
  HandoverHost(const HandoverHost&) = delete;
  HandoverHost& operator=(const HandoverHost&) = delete;

  [[nodiscard]] const Invitation& invitation() const { return invitation_; }
  /// Waits at most for `ttl`. `on_refused` hears of each peer that was not served, and why.
  /// Errors: kTimeout (nobody came), kUnavailable (the connection broke while it was handed over; the invitation is used).
  [[nodiscard]] Result<HandoverGuest> serve(std::string_view text, Duration ttl, const std::function<void(const std::string&)>& on_refused);

 private:
  struct Tls;
  HandoverHost(Fd listener, std::unique_ptr<Tls> tls, const Invitation& invitation);
  Fd listener_;
  std::unique_ptr<Tls> tls_;
  Invitation invitation_;
};

/// Errors: kUnavailable (nobody answers, broken off), kPermission (another machine, wrong secret), kTimeout.
[[nodiscard]] Result<std::string> fetch_handover(const Invitation& invitation, const std::string& own_name);

}  // namespace fairlead::admin
