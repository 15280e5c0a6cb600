// The cluster's own keys below state_dir/pki, in the folders and by the names that kubeadm expects below /etc/kubernetes/pki:
//   ca.{crt,key} front-proxy-ca.{crt,key} etcd/ca.{crt,key} sa.{key,pub}, and fairlead-check.{crt,key}, the certificate by which the
//   gateways' checks ask the API servers (a client certificate of the CA `kubernetes`, in no group that may do anything).
//
//   CA1  What is there is never written over: a pair is kept, or refused with the reason.
//   CA2  A pair that is kept was checked: the key is the certificate's, a CA is a CA and has not ended.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "k8s-bootstrap/pki/state_dir.h"
#include "k8s-bootstrap/pki/x509.h"
#include "k8s-bootstrap/site/site.h"

namespace fairlead::bootstrap {

inline constexpr std::string_view kCheckName = "fairlead-check";

struct PkiFile {
  std::string name;      ///< Below state_dir: "pki/ca.key".
  std::string on_plane;  ///< "/etc/kubernetes/pki/ca.key"; empty: it has no place on control planes.
  bool secret = false;
};
/// All files of the cluster's keys, in the order they are made.
[[nodiscard]] std::vector<PkiFile> cluster_pki_files();

struct MadePki {
  std::vector<std::string> made;  ///< Names below state_dir.
  std::vector<std::string> kept;
};
/// Makes what is missing, by `pki` of the site. Errors: kConflict (half a pair, a key that is another certificate's, a CA past its end):
/// the text names the file and what to do; those of StateDir and of x509.h.
[[nodiscard]] Result<MadePki> make_cluster_ca(const StateDir& dir, const Pki& pki, WallTime now);

/// A new check certificate in place of the old one, by the CA below state_dir/pki. Errors: kNotFound (the CA's key is not here), likewise.
[[nodiscard]] Status renew_check_certificate(const StateDir& dir, const Pki& pki, WallTime now);

/// "sha256:...", for kubeadm join. Errors: kInvalidArgument (no certificate).
[[nodiscard]] Result<std::string> ca_hash(std::string_view ca_certificate);

}  // namespace fairlead::bootstrap
