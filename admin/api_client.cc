#include "admin/api_client.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <optional>

#include "admin/api_stream.h"
#include "admin/asio_complete.h"
#include "base/ip_address.h"
#include "generated/version.h"

namespace fairlead::admin {
namespace {

namespace net = boost::asio;
namespace ssl = boost::asio::ssl;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;
using net::ip::tcp;

constexpr std::size_t kReplyBytesMax = 256U << 20U;

using Request = http::request<http::string_body>;

Request make_request(const std::string& method, const std::string& target, const std::string& body, const std::string& host) {
  Request out;
  out.method_string(method);
  out.target(target);
  out.version(11);
  out.keep_alive(false);
  out.set(http::field::host, host);
  out.set(http::field::user_agent, std::string("fairlead/") + kVersion);
  if (!body.empty()) out.set(http::field::content_type, "application/json");
  out.body() = body;
  out.prepare_payload();
  return out;
}

/// The daemon's word about the certificate that it was shown, or was not.
bool is_about_certificate(error_code failed, bool has_certificate) {
  static constexpr int kAlerts = 1000;  // SSL_AD_REASON_OFFSET
  if (failed.category() != net::error::get_ssl_category()) return false;
  const int alert = ERR_GET_REASON(static_cast<unsigned long>(failed.value())) - kAlerts;
  if (alert == SSL_AD_HANDSHAKE_FAILURE) return !has_certificate;  // So says TLS 1.2.
  return (alert >= SSL_AD_BAD_CERTIFICATE && alert <= SSL_AD_CERTIFICATE_UNKNOWN) || alert == SSL_AD_UNKNOWN_CA ||
         alert == SSL_AD_CERTIFICATE_REQUIRED;
}

std::string not_taken(const std::string& where, error_code failed, bool has_certificate) {
  if (!has_certificate) return where + " asks for a client certificate: give --cert and --key";
  return where + " does not take the client certificate (" + failed.message() + "): see --cert, and admin.tls.client_ca there";
}

/// `may_be`: what the daemon may be doing when it breaks off.
Result<ApiReply> exchange(net::io_context& io, ApiStream& stream, const Request& request, const std::string& where, bool has_certificate,
                          std::string_view may_be = "be stopping, or have too many connections") {
  const auto lost = [&](error_code failed) {
    if (failed == beast::error::timeout)
      return Error{Errc::kTimeout, where + " did not answer in time. It may be overloaded or stopped: look at its log"};
    if (is_about_certificate(failed, has_certificate)) return Error{Errc::kUnavailable, not_taken(where, failed, has_certificate)};
    return Error{Errc::kUnavailable,
                 where + " broke off the connection (" + failed.message() + "). It may " + std::string(may_be) + "; try again"};
  };
  if (const auto failed = complete(io, [&](auto done) { http::async_write(stream, request, done); })) return lost(failed);
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(kReplyBytesMax);
  if (const auto failed = complete(io, [&](auto done) { http::async_read(stream, buffer, parser, done); })) return lost(failed);
  return ApiReply{parser.get().result_int(), std::move(parser.get().body())};
}

/// Why the handshake failed, for people: what OpenSSL holds against the daemon's certificate, if it is that.
std::string handshake_error(error_code failed, ssl_st* session, const std::string& host) {
  const long verified = SSL_get_verify_result(session);
  if (failed.category() != net::error::get_ssl_category() ||
      ERR_GET_REASON(static_cast<unsigned long>(failed.value())) != SSL_R_CERTIFICATE_VERIFY_FAILED)
    return "TLS: " + failed.message() + " (is it https there?)";
  if (verified == X509_V_OK || verified == X509_V_ERR_UNSPECIFIED) return "its certificate is none for " + host;
  if (verified == X509_V_ERR_CERT_HAS_EXPIRED)
    return "its certificate has expired (renew admin.tls.cert there, or set the clock here if that is wrong)";
  return "its certificate is not taken: " + std::string(X509_verify_cert_error_string(verified)) + " (see --ca)";
}

class UnixClient final : public ApiPort {
 public:
  explicit UnixClient(ConnectOptions options) : options_(std::move(options)) {}

  Result<ApiReply> call(const std::string& method, const std::string& target, const std::string& body) override {
    static constexpr std::size_t kPathBytesMax = 107;
    if (options_.socket.empty() || options_.socket.size() > kPathBytesMax) {
      return Error{Errc::kInvalidArgument, "--socket: a path of 1 to " + std::to_string(kPathBytesMax) + " bytes is needed"};
    }
    net::io_context io(1);
    ApiStream stream(io, Fd(), /*tls=*/nullptr);
    stream.expires_after(options_.timeout);
    const net::local::stream_protocol::endpoint endpoint(options_.socket);
    if (const auto failed = complete(io, [&](auto done) { stream.async_connect(endpoint, IoDone(done)); })) {
      return Error{Errc::kUnavailable,
                   "cannot reach the daemon on " + options_.socket + ": " + failed.message() +
                       ". Is fairleadd running here (systemctl status fairleadd)? --socket PATH or --server URL lead elsewhere"};
    }
    return exchange(io, stream, make_request(method, target, body, "localhost"), "the daemon on " + options_.socket,
                    /*has_certificate=*/false);
  }

 private:
  const ConnectOptions options_;
};

class TcpClient final : public ApiPort {
 public:
  explicit TcpClient(ConnectOptions options) : options_(std::move(options)) {}

  Result<ApiReply> call(const std::string& method, const std::string& target, const std::string& body) override {
    const auto url = parse_server_url(options_.server);
    if (!url) return url.error();
    const auto unreachable = [&](const std::string& why) {
      return Error{Errc::kUnavailable,
                   "cannot reach the daemon at " + options_.server + ": " + why + ". Does fairleadd run there with this admin.listen?"};
    };
    net::io_context io(1);
    error_code failed;
    tcp::resolver resolver(io);
    const auto addresses = resolver.resolve(url->host, url->port, failed);  // Never none without an error.
    if (failed) return unreachable(failed.message());
    const auto request =
        make_request(method, target, body, to_string(HostPort{url->host, static_cast<std::uint16_t>(std::stoul(url->port))}));
    const std::string where = "the daemon at " + options_.server;
    std::shared_ptr<ssl::context> tls;
    if (url->tls) {
      tls = std::make_shared<ssl::context>(ssl::context::tls_client);
      if (auto ready = prepare(*tls, url->host); !ready) return ready.error();
    }
    const auto until = std::chrono::steady_clock::now() + options_.timeout;
    std::optional<ApiStream> stream;
    for (const auto& address : addresses) {
      stream.emplace(io, Fd(), tls);
      stream->expires_after(until - std::chrono::steady_clock::now());
      failed = complete(io, [&](auto done) { stream->async_connect(address.endpoint(), IoDone(done)); });
      if (!failed) break;
    }
    if (failed) return unreachable(failed.message());
    const bool has_certificate = !options_.cert.empty();
    if (!url->tls)
      return exchange(io, *stream, request, where, has_certificate,
                      "be stopping, have too many connections, or speak TLS (https://) there");
    if (!parse_ip_address(url->host) && SSL_set_tlsext_host_name(stream->tls_handle(), url->host.c_str()) != 1)
      return unreachable("not a usable host name");
    failed = complete(io, [&](auto done) { stream->async_handshake(beast::role_type::client, IoDone(done)); });
    if (failed && is_about_certificate(failed, has_certificate))
      return Error{Errc::kUnavailable, not_taken(where, failed, has_certificate)};
    if (failed) return unreachable(handshake_error(failed, stream->tls_handle(), url->host));
    return exchange(io, *stream, request, where, has_certificate);
  }

 private:
  Status prepare(ssl::context& context, const std::string& host) const {
    error_code failed;
    const auto wrong = [&](const char* option, const std::string& path) {
      return Error{Errc::kInvalidArgument, std::string(option) + " " + path + ": " + failed.message()};
    };
    context.set_verify_mode(ssl::verify_peer, failed);
    if (!failed) context.set_verify_callback(ssl::host_name_verification(host), failed);
    if (failed) return wrong("--server", options_.server);
    if (options_.ca.empty()) {
      context.set_default_verify_paths(failed);
    } else {
      context.load_verify_file(options_.ca, failed);
    }
    if (failed) return wrong("--ca", options_.ca);
    if (options_.cert.empty() != options_.key.empty()) return Error{Errc::kInvalidArgument, "--cert and --key are needed together"};
    if (options_.cert.empty()) return {};
    context.use_certificate_chain_file(options_.cert, failed);
    if (failed) return wrong("--cert", options_.cert);
    context.use_private_key_file(options_.key, ssl::context::pem, failed);
    if (failed) return wrong("--key", options_.key);
    return {};
  }

  const ConnectOptions options_;
};

}  // namespace

Result<ServerUrl> parse_server_url(std::string_view text) {
  const auto wrong = [&] {
    return Error{Errc::kInvalidArgument, "--server '" + std::string(text) + "': write http://HOST:PORT or https://HOST:PORT"};
  };
  ServerUrl out;
  std::string_view rest = text;
  if (rest.starts_with("https://")) {
    out.tls = true;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return wrong();
  }
  if (rest.ends_with('/')) rest.remove_suffix(1);
  const auto place = parse_host_port(rest);
  if (!place || place->port == 0) return wrong();
  out.host = place->host;
  out.port = std::to_string(place->port);
  return out;
}

std::unique_ptr<ApiPort> make_api_client(const ConnectOptions& options) {
  if (options.server.empty()) return std::make_unique<UnixClient>(options);
  return std::make_unique<TcpClient>(options);
}

}  // namespace fairlead::admin
