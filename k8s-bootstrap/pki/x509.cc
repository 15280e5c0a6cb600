#include "k8s-bootstrap/pki/x509.h"

#include <algorithm>
#include <array>
#include <climits>
#include <ctime>
#include <fmt/format.h>
#include <memory>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/assert.h"

namespace fairlead::bootstrap {
namespace {

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Bio = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Freed<X509_EXTENSION_free>>;
using Number = std::unique_ptr<BIGNUM, Freed<BN_free>>;

constexpr Duration kClockSlack = std::chrono::minutes(5);

/// OpenSSL's own words; its queue is empty afterwards.
Error openssl_error(Errc code, std::string_view doing) {
  const unsigned long number = ERR_peek_last_error();
  std::array<char, 256> text{};
  if (number != 0) ERR_error_string_n(number, text.data(), text.size());
  ERR_clear_error();
  return Error{code, number == 0 ? std::string(doing) : fmt::format("{}: {}", doing, text.data())};
}

Bio reader_of(std::string_view text) {
  FL_ASSERT(text.size() <= INT_MAX);
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(std::max(size, 0L))};
}

/// Never asks for a passphrase on a terminal.
int no_passphrase(char*, int, int, void*) { return -1; }

Result<Key> parse_key(std::string_view pem) {
  Key key(PEM_read_bio_PrivateKey(reader_of(pem).get(), nullptr, no_passphrase, nullptr));
  if (key == nullptr) return openssl_error(Errc::kInvalidArgument, "no private key in PEM");
  return key;
}

Result<Certificate> parse_certificate(std::string_view pem) {
  Certificate certificate(PEM_read_bio_X509(reader_of(pem).get(), nullptr, no_passphrase, nullptr));
  if (certificate == nullptr) return openssl_error(Errc::kInvalidArgument, "no certificate in PEM");
  return certificate;
}

Result<std::string> key_text(EVP_PKEY* key) {
  const Bio bio(BIO_new(BIO_s_secmem()));
  if (bio == nullptr || PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return openssl_error(Errc::kUnavailable, "write a private key");
  return text_of(bio.get());
}

Result<std::string> certificate_text(X509* certificate) {
  const Bio bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr || PEM_write_bio_X509(bio.get(), certificate) != 1) return openssl_error(Errc::kUnavailable, "write a certificate");
  return text_of(bio.get());
}

Result<Key> generate(std::string_view algorithm) {
  EVP_PKEY* key = nullptr;
  if (algorithm == "RSA-2048")
    key = EVP_RSA_gen(2048);
  else if (algorithm == "RSA-3072")
    key = EVP_RSA_gen(3072);
  else if (algorithm == "RSA-4096")
    key = EVP_RSA_gen(4096);
  else if (algorithm == "ECDSA-P256")
    key = EVP_EC_gen("P-256");
  else if (algorithm == "ECDSA-P384")
    key = EVP_EC_gen("P-384");
  else
    return Error{Errc::kUnsupported, fmt::format("no algorithm {}", algorithm)};
  if (key == nullptr) return openssl_error(Errc::kUnavailable, fmt::format("make a key ({})", algorithm));
  return Key(key);
}

std::string algorithm_of(EVP_PKEY* key) {
  const int bits = EVP_PKEY_get_bits(key);
  if (EVP_PKEY_is_a(key, "RSA") == 1) return fmt::format("RSA-{}", bits);
  if (EVP_PKEY_is_a(key, "EC") == 1 && (bits == 256 || bits == 384)) return fmt::format("ECDSA-P{}", bits);
  return "other";
}

bool set_time(ASN1_TIME* into, WallTime at) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(at.time_since_epoch()).count();
  return ASN1_TIME_set(into, static_cast<std::time_t>(seconds)) != nullptr;
}

WallTime time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return WallTime{};
  // Nanoseconds since 1970 end in 2262; certificates do not.
  constexpr std::time_t kFarthest = 9'000'000'000;
  return WallTime{std::chrono::seconds(std::clamp(::timegm(&parts), -kFarthest, kFarthest))};
}

/// 127 random bits: positive, and never the same twice.
bool set_serial(X509* certificate) {
  std::array<unsigned char, 16> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) return false;
  bytes[0] = static_cast<unsigned char>((bytes[0] & 0x7fU) | 0x40U);
  const Number number(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
  return number != nullptr && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool add_name(X509_NAME* name, const char* field, const std::string& value) {
  return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(value.data()),
                                    static_cast<int>(value.size()), -1, 0) == 1;
}

/// Without issuer, extensions and signature.
Result<Certificate> begin(const CertificateRequest& request, EVP_PKEY* key, WallTime end) {
  Certificate certificate(X509_new());
  if (certificate == nullptr) return openssl_error(Errc::kUnavailable, "make a certificate");
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  const bool fine = X509_set_version(certificate.get(), X509_VERSION_3) == 1 && set_serial(certificate.get()) &&
                    set_time(X509_getm_notBefore(certificate.get()), request.now - kClockSlack) &&
                    set_time(X509_getm_notAfter(certificate.get()), end) &&
                    (request.organization.empty() || add_name(subject, "O", request.organization)) &&
                    add_name(subject, "CN", request.common_name) && X509_set_pubkey(certificate.get(), key) == 1;
  if (!fine) return openssl_error(Errc::kUnavailable, fmt::format("make the certificate {}", request.common_name));
  return certificate;
}

Result<KeyPair> finish(X509* certificate, EVP_PKEY* key, EVP_PKEY* signer) {
  if (X509_sign(certificate, signer, EVP_sha256()) == 0) return openssl_error(Errc::kUnavailable, "sign a certificate");
  auto pem = certificate_text(certificate);
  if (!pem) return pem.error();
  auto secret = key_text(key);
  if (!secret) return secret.error();
  return KeyPair{std::move(*pem), std::move(*secret)};
}

/// An RSA key may also wrap the secrets of old TLS; an ECDSA key cannot.
std::string usage(EVP_PKEY* key, const std::string& more) {
  return "critical,digitalSignature" + std::string(EVP_PKEY_is_a(key, "RSA") == 1 ? ",keyEncipherment" : "") + more;
}

std::string name_of(const X509_NAME* name) {
  const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (at < 0) return "";
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
  if (size < 0) return "";
  std::string out(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size));
  OPENSSL_free(utf8);
  return out;
}

std::string serial_of(const X509* certificate) {
  const Number number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr));
  char* hex = number == nullptr ? nullptr : BN_bn2hex(number.get());
  std::string out = hex == nullptr ? "" : hex;
  OPENSSL_free(hex);
  return out;
}

std::string public_key_digest(const X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  if (size <= 0) return "";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  const bool fine = EVP_Digest(der, static_cast<std::size_t>(size), digest.data(), &length, EVP_sha256(), nullptr) == 1;
  OPENSSL_free(der);
  std::string out;
  for (unsigned i = 0; fine && i < length; ++i) out += fmt::format("{:02x}", digest[i]);
  return out;
}

}  // namespace

Result<std::string> make_private_key(std::string_view algorithm) {
  const auto key = generate(algorithm);
  if (!key) return key.error();
  return key_text(key->get());
}

Result<std::string> public_key_of(std::string_view private_key) {
  const auto key = parse_key(private_key);
  if (!key) return key.error();
  const Bio bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr || PEM_write_bio_PUBKEY(bio.get(), key->get()) != 1) return openssl_error(Errc::kUnavailable, "write a public key");
  return text_of(bio.get());
}

Result<KeyPair> make_ca(std::string_view algorithm, const CertificateRequest& request) {
  const auto key = generate(algorithm);
  if (!key) return key.error();
  const auto certificate = begin(request, key->get(), request.now + request.validity);
  if (!certificate) return certificate.error();
  X509* const made = certificate->get();
  const bool fine = X509_set_issuer_name(made, X509_get_subject_name(made)) == 1 &&
                    add_extension(made, made, NID_basic_constraints, "critical,CA:TRUE") &&
                    add_extension(made, made, NID_key_usage, usage(key->get(), ",keyCertSign,cRLSign")) &&
                    add_extension(made, made, NID_subject_key_identifier, "hash") &&
                    add_extension(made, made, NID_authority_key_identifier, "keyid:always");
  if (!fine) return openssl_error(Errc::kUnavailable, fmt::format("make the CA {}", request.common_name));
  return finish(made, key->get(), key->get());
}

Result<KeyPair> issue_client_certificate(const KeyPair& ca, std::string_view algorithm, const CertificateRequest& request) {
  if (const auto pair = check_pair(ca); !pair) return pair.error();
  const auto issuer = parse_certificate(ca.certificate);
  if (!issuer) return issuer.error();
  const auto signer = parse_key(ca.key);
  if (!signer) return signer.error();
  if (X509_check_ca(issuer->get()) != 1)
    return Error{Errc::kInvalidArgument, fmt::format("{} is no CA", name_of(X509_get_subject_name(issuer->get())))};
  const WallTime ca_end = time_of(X509_get0_notAfter(issuer->get()));
  if (ca_end <= request.now)
    return Error{Errc::kInvalidArgument, fmt::format("the CA {} is past its end", name_of(X509_get_subject_name(issuer->get())))};
  const auto key = generate(algorithm);
  if (!key) return key.error();
  const auto certificate = begin(request, key->get(), std::min<WallTime>(request.now + request.validity, ca_end));
  if (!certificate) return certificate.error();
  X509* const made = certificate->get();
  const bool fine = X509_set_issuer_name(made, X509_get_subject_name(issuer->get())) == 1 &&
                    add_extension(made, issuer->get(), NID_basic_constraints, "critical,CA:FALSE") &&
                    add_extension(made, issuer->get(), NID_key_usage, usage(key->get(), "")) &&
                    add_extension(made, issuer->get(), NID_ext_key_usage, "clientAuth") &&
                    add_extension(made, issuer->get(), NID_subject_key_identifier, "hash") &&
                    add_extension(made, issuer->get(), NID_authority_key_identifier, "keyid:always");
  if (!fine) return openssl_error(Errc::kUnavailable, fmt::format("make the certificate {}", request.common_name));
  return finish(made, key->get(), signer->get());
}

Result<CertificateInfo> read_certificate(std::string_view certificate) {
  const auto parsed = parse_certificate(certificate);
  if (!parsed) return parsed.error();
  X509* const x509 = parsed->get();
  EVP_PKEY* key = X509_get0_pubkey(x509);
  CertificateInfo out;
  out.common_name = name_of(X509_get_subject_name(x509));
  out.issuer = name_of(X509_get_issuer_name(x509));
  out.serial = serial_of(x509);
  out.not_before = time_of(X509_get0_notBefore(x509));
  out.not_after = time_of(X509_get0_notAfter(x509));
  out.is_ca = X509_check_ca(x509) == 1;
  out.algorithm = key == nullptr ? "other" : algorithm_of(key);
  out.public_key_sha256 = public_key_digest(x509);
  ERR_clear_error();
  return out;
}

Status check_pair(const KeyPair& pair) {
  const auto certificate = parse_certificate(pair.certificate);
  if (!certificate) return certificate.error();
  const auto key = parse_key(pair.key);
  if (!key) return key.error();
  if (X509_check_private_key(certificate->get(), key->get()) == 1) return {};
  ERR_clear_error();
  return Error{Errc::kInvalidArgument,
               fmt::format("the key is not that of the certificate {}", name_of(X509_get_subject_name(certificate->get())))};
}

Status check_signed_by(std::string_view certificate, std::string_view ca) {
  const auto leaf = parse_certificate(certificate);
  if (!leaf) return leaf.error();
  const auto issuer = parse_certificate(ca);
  if (!issuer) return issuer.error();
  EVP_PKEY* key = X509_get0_pubkey(issuer->get());
  if (key != nullptr && X509_verify(leaf->get(), key) == 1) return {};
  ERR_clear_error();
  return Error{Errc::kInvalidArgument,
               fmt::format("the certificate {} was not signed by the CA {}", name_of(X509_get_subject_name(leaf->get())),
                           name_of(X509_get_subject_name(issuer->get())))};
}

}  // namespace fairlead::bootstrap
