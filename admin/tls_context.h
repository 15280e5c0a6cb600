// TLS of admin.listen: our certificate, and client certificates signed by admin.tls.client_ca, which are always required.
#pragma once

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
/// Common name of the peer's certificate after the handshake; empty when it has none.
[[nodiscard]] std::string peer_common_name(ssl_st* session);

}  // namespace fairlead::admin
