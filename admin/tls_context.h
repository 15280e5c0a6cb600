// TLS of admin.listen: our certificate, and client certificates signed by admin.tls.client_ca, which are always required.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "config/settings.h"

// Not included: only api_*.cc and tls_*.cc may see Asio and OpenSSL.
namespace boost::asio::ssl {
class context;
}
struct ssl_st;

namespace fairlead::admin {

/// Errors: kInvalidArgument naming the file and what is wrong with it.
[[nodiscard]] Result<std::shared_ptr<boost::asio::ssl::context>> make_tls_context(const config::AdminTls& settings);
/// When the certificate that it shows expires, in seconds since 1970; 0: it shows none.
[[nodiscard]] std::int64_t certificate_expiry(boost::asio::ssl::context& context);
/// What it shows and whom it trusts: another value, and it would judge a client otherwise or be another server.
[[nodiscard]] std::string identity_of(boost::asio::ssl::context& context);
enum class PemUse : std::uint8_t {
  kOurs,         ///< The first certificate of the file is shown to others.
  kAuthorities,  ///< Each is one that may have signed: the last to expire counts.
};
/// What is wrong with the dates of the certificates in a PEM file at `now`, or will be within two weeks: "expired on 2026-01-31 10:00 UTC".
/// Empty: nothing, or no certificate can be read there.
[[nodiscard]] std::string date_trouble(const std::string& file, PemUse use, std::chrono::system_clock::time_point now);
/// Common name of the peer's certificate after the handshake; empty when it has none.
[[nodiscard]] std::string peer_common_name(ssl_st* session);

}  // namespace fairlead::admin
