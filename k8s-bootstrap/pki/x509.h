// Keys and certificates as PEM texts: made, signed, read. The only part of the project that makes any (with cluster_ca.cc).
// Times are wall times and arguments. Keys are wiped by OpenSSL when freed; PEM texts are the caller's to keep from others.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace fairlead::bootstrap {

struct KeyPair {
  std::string certificate;  ///< PEM
  std::string key;          ///< PEM, PKCS #8
};

struct CertificateInfo {
  std::string common_name;
  std::string issuer;  ///< The issuer's common name.
  std::string serial;  ///< Hexadecimal, upper case.
  WallTime not_before;
  WallTime not_after;
  bool is_ca = false;
  std::string algorithm;          ///< "RSA-2048", "ECDSA-P256": as `pki.algorithm`; "other".
  std::string public_key_sha256;  ///< Hexadecimal, of the SubjectPublicKeyInfo: kubeadm's --discovery-token-ca-cert-hash after "sha256:".
};

/// What one may be called by, and for how long.
struct CertificateRequest {
  std::string common_name;
  std::string organization;  ///< Empty: none.
  WallTime now;
  Duration validity;
};

/// A private key in PEM. `algorithm` is a word of `pki.algorithm`. Errors: kUnsupported (another word), kUnavailable (OpenSSL said no).
[[nodiscard]] Result<std::string> make_private_key(std::string_view algorithm);
/// Its public half, PEM ("PUBLIC KEY"). Errors: kInvalidArgument (no private key).
[[nodiscard]] Result<std::string> public_key_of(std::string_view private_key);

/// Self-signed: CA:TRUE and keyCertSign, both critical; subject and authority key identifier. Valid from five minutes before `now`, for
/// clocks that are behind. Errors: those of make_private_key.
[[nodiscard]] Result<KeyPair> make_ca(std::string_view algorithm, const CertificateRequest& request);
/// For TLS clients (clientAuth), signed by `ca`; ends with it at the latest. Errors: likewise; kInvalidArgument (`ca` is no pair, or past
/// its end).
[[nodiscard]] Result<KeyPair> issue_client_certificate(const KeyPair& ca, std::string_view algorithm, const CertificateRequest& request);

/// Errors: kInvalidArgument (no certificate).
[[nodiscard]] Result<CertificateInfo> read_certificate(std::string_view certificate);
/// Errors: kInvalidArgument: one of them is none, or the key is another's.
[[nodiscard]] Status check_pair(const KeyPair& pair);
/// `certificate` was signed by `ca`'s key. Errors: kInvalidArgument.
[[nodiscard]] Status check_signed_by(std::string_view certificate, std::string_view ca);

}  // namespace fairlead::bootstrap
