// The cluster's own SSH authority below state_dir/ssh: host_ca signs the machines' host keys, so that no fingerprint is compared by eye;
// user_ca signs the operator's key, so that machines trust people for a time and not for ever. Two keys: one may not stand for the other.
// ssh-keygen makes and signs; it is run by what the caller gives (RunTool), and reads and writes below state_dir only.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "k8s-bootstrap/pki/state_dir.h"
#include "k8s-bootstrap/site/site.h"

namespace fairlead::bootstrap {

/// Runs a program to its end with empty standard input and gives its standard output. Errors: as running it; kUnavailable with what it said
/// on standard error when it did not exit with 0.
using RunTool = std::function<Result<std::string>(const std::vector<std::string>& argv)>;

struct SshAuthority {
  std::string host_ca;  ///< Public keys, one line each: "ssh-ed25519 AAAA... demo host CA".
  std::string user_ca;
};
/// Makes what is missing (ed25519); what is there is kept, after a look whether the public half is the private one's.
/// Errors: kConflict (half a pair, or halves of two), those of StateDir and of `run`.
[[nodiscard]] Result<SshAuthority> make_ssh_ca(const StateDir& dir, std::string_view site_name, const RunTool& run);

struct SshCertificate {
  std::string public_key;               ///< "ssh-ed25519 AAAA... comment"
  std::string identity;                 ///< For logs: "mast-1.kube.demo".
  std::vector<std::string> principals;  ///< Host names and addresses, or user names. Not empty: an empty list would mean everybody.
  Duration validity;                    ///< From now; whole seconds.
};
/// The certificate's line, for HostCertificate or KEY-cert.pub. Errors: kInvalidArgument (no public key, no principal, a ',' or line end in
/// one), kNotFound (no CA yet), those of StateDir and of `run`.
[[nodiscard]] Result<std::string> sign_host_key(const StateDir& dir, const SshCertificate& wanted, const RunTool& run);
[[nodiscard]] Result<std::string> sign_user_key(const StateDir& dir, const SshCertificate& wanted, const RunTool& run);

/// Every name and address by which `machine` is reached: what its host certificate must hold, and known hosts list.
[[nodiscard]] std::vector<std::string> host_principals(const Site& site, const Machine& machine);

}  // namespace fairlead::bootstrap
