#include "admin/tls_context.h"

#include <algorithm>
#include <array>
#include <boost/asio/ssl/context.hpp>
#include <ctime>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <optional>

namespace fairlead::admin {

namespace ssl = boost::asio::ssl;

namespace {

constexpr std::int64_t kSoonSeconds = std::int64_t{14} * 24 * 3600;
constexpr int kCertificatesMax = 10'000;  ///< Looked at in a file.

std::optional<std::int64_t> seconds_of(const ASN1_TIME* time) {
  std::tm broken{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &broken) != 1) return std::nullopt;
  return ::timegm(&broken);
}

std::string date_text(std::int64_t seconds) { return fmt::format("{:%Y-%m-%d %H:%M} UTC", fmt::gmtime(static_cast<std::time_t>(seconds))); }

struct Dates {
  std::int64_t from = 0;
  std::int64_t until = 0;
};

/// Of the certificate that counts.
std::optional<Dates> dates_in(const std::string& file, PemUse use) {
  const std::unique_ptr<BIO, int (*)(BIO*)> in(BIO_new_file(file.c_str(), "r"), BIO_free);
  std::optional<Dates> out;
  for (int i = 0; in != nullptr && i < kCertificatesMax; ++i) {
    const std::unique_ptr<X509, void (*)(X509*)> one(PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr), X509_free);
    if (one == nullptr) break;
    const auto from = seconds_of(X509_get0_notBefore(one.get()));
    const auto until = seconds_of(X509_get0_notAfter(one.get()));
    if (from && until && (!out || *until > out->until)) out = Dates{*from, *until};
    if (use == PemUse::kOurs) break;
  }
  ERR_clear_error();  // The end of the file is one.
  return out;
}

}  // namespace

std::int64_t certificate_expiry(ssl::context& context) {
  const X509* certificate = SSL_CTX_get0_certificate(context.native_handle());
  return certificate == nullptr ? 0 : seconds_of(X509_get0_notAfter(certificate)).value_or(0);
}

std::string identity_of(ssl::context& context) {
  std::string out;
  const auto add = [&out](const X509* certificate) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int size = 0;
    if (certificate != nullptr && X509_digest(certificate, EVP_sha256(), digest.data(), &size) == 1)
      out.append(reinterpret_cast<const char*>(digest.data()), size);
  };
  add(SSL_CTX_get0_certificate(context.native_handle()));
  const STACK_OF(X509_OBJECT)* trusted = X509_STORE_get0_objects(SSL_CTX_get_cert_store(context.native_handle()));
  for (int i = 0; i < sk_X509_OBJECT_num(trusted); ++i) add(X509_OBJECT_get0_X509(sk_X509_OBJECT_value(trusted, i)));
  return out;
}

std::string date_trouble(const std::string& file, PemUse use, std::chrono::system_clock::time_point now) {
  const auto dates = dates_in(file, use);
  if (!dates) return {};
  const std::int64_t at = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  if (dates->until <= at) return "expired on " + date_text(dates->until);
  if (dates->from > at) return "is valid from " + date_text(dates->from) + " on, not now: is this machine's clock right?";
  if (dates->until - at < kSoonSeconds) return "expires on " + date_text(dates->until);
  return {};
}

Result<std::shared_ptr<ssl::context>> make_tls_context(const config::AdminTls& settings) {
  const auto missing = [](const char* key) {
    return Error{Errc::kInvalidArgument, std::string("admin.tls.") + key + ": is missing; cert, key and client_ca are needed together"};
  };
  if (settings.cert.empty()) return missing("cert");
  if (settings.key.empty()) return missing("key");
  if (settings.client_ca.empty()) return missing("client_ca");

  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  boost::system::error_code failed;
  const auto wrong = [&](const char* key, const std::string& path) {
    return Error{Errc::kInvalidArgument, std::string("admin.tls.") + key + ": " + path + ": " + failed.message()};
  };
  context->set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 | ssl::context::no_sslv3 | ssl::context::no_tlsv1 |
                           ssl::context::no_tlsv1_1,
                       failed);
  if (failed) return wrong("cert", "TLS options");
  context->use_certificate_chain_file(settings.cert, failed);
  if (failed) return wrong("cert", settings.cert);
  context->use_private_key_file(settings.key, ssl::context::pem, failed);
  if (failed) return wrong("key", settings.key);
  context->load_verify_file(settings.client_ca, failed);
  if (failed) return wrong("client_ca", settings.client_ca);
  context->set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert, failed);
  if (failed) return wrong("client_ca", "verification");
  // Without a session id context OpenSSL refuses to resume sessions that carry a client certificate.
  static constexpr std::array<unsigned char, 8> kSessionContext{'f', 'a', 'i', 'r', 'l', 'e', 'a', 'd'};
  SSL_CTX_set_session_id_context(context->native_handle(), kSessionContext.data(), kSessionContext.size());
  if (auto* names = SSL_load_client_CA_file(settings.client_ca.c_str())) SSL_CTX_set_client_CA_list(context->native_handle(), names);
  return context;
}

std::string peer_common_name(ssl_st* session) {
  X509* certificate = SSL_get0_peer_certificate(session);
  if (certificate == nullptr) return {};
  X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0) return {};
  unsigned char* bytes = nullptr;
  const int size = ASN1_STRING_to_UTF8(&bytes, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
  if (size < 0) return {};
  std::string name(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
  OPENSSL_free(bytes);
  // "ops\0.evil" must not pass for "ops" anywhere, nor break a log line.
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < 0x20U || c == 0x7F) return {};
  }
  return name;
}

}  // namespace fairlead::admin
