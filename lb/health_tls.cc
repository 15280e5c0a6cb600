#include "lb/health_tls.h"

#include <algorithm>
#include <array>
#include <boost/asio/ssl/context.hpp>
#include <cerrno>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "base/fd.h"

namespace fairlead::lb {
namespace {

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using BioPtr = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using X509Ptr = std::unique_ptr<X509, Freed<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using CtxPtr = std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>>;

FileStamp stamp_of(const struct stat& s) {
  return {.modified_ns = static_cast<std::int64_t>(s.st_mtim.tv_sec) * 1'000'000'000 + s.st_mtim.tv_nsec,
          .size = static_cast<std::int64_t>(s.st_size),
          .inode = static_cast<std::uint64_t>(s.st_ino)};
}

FileStamp stamp_of(const std::string& path) {
  struct stat s {};
  return !path.empty() && ::stat(path.c_str(), &s) == 0 ? stamp_of(s) : FileStamp{};
}

Error bad_file(const std::string& what, const std::string& path, const std::string& why) {
  return Error{Errc::kInvalidConfig, what + " " + path + ": " + why};
}

/// Why OpenSSL's last call failed; empties its queue.
std::string last_reason() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  const char* text = code != 0 ? ERR_reason_error_string(code) : nullptr;
  return text != nullptr ? text : "unknown error";
}

/// Rationale: OpenSSL's default asks for the pass phrase on the terminal, which would hang a daemon.
int no_pass_phrase(char*, int, int, void*) { return -1; }

BioPtr bio_of(const std::string& bytes) { return BioPtr(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size()))); }

Status add_trust(SSL_CTX* ctx, const std::string& ca, FileStamp& stamp) {
  auto file = read_small_file("health.ca", ca, kTlsFileBytesMax);
  if (!file) return file.error();
  stamp = file->stamp;
  const BioPtr bio = bio_of(file->bytes);
  X509_STORE* store = SSL_CTX_get_cert_store(ctx);
  std::size_t count = 0;
  ERR_clear_error();
  while (const X509Ptr certificate{PEM_read_bio_X509_AUX(bio.get(), nullptr, no_pass_phrase, nullptr)}) {
    if (X509_STORE_add_cert(store, certificate.get()) != 1) return bad_file("health.ca", ca, last_reason());
    ++count;
  }
  const bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  const std::string reason = last_reason();
  if (!ended) return bad_file("health.ca", ca, "certificate " + std::to_string(count + 1) + " is damaged: " + reason);
  if (count == 0) return bad_file("health.ca", ca, "holds no PEM certificate");
  return {};
}

Status add_identity(SSL_CTX* ctx, const TlsFiles& files, FileStamp& cert_stamp, FileStamp& key_stamp) {
  auto cert = read_small_file("health.cert", files.cert, kTlsFileBytesMax);
  if (!cert) return cert.error();
  cert_stamp = cert->stamp;
  ERR_clear_error();
  const BioPtr bio = bio_of(cert->bytes);
  const X509Ptr own(PEM_read_bio_X509_AUX(bio.get(), nullptr, no_pass_phrase, nullptr));
  if (!own) return bad_file("health.cert", files.cert, "holds no PEM certificate");
  if (SSL_CTX_use_certificate(ctx, own.get()) != 1) return bad_file("health.cert", files.cert, last_reason());
  while (const X509Ptr issuer{PEM_read_bio_X509(bio.get(), nullptr, no_pass_phrase, nullptr)}) {
    if (SSL_CTX_add1_chain_cert(ctx, issuer.get()) != 1) return bad_file("health.cert", files.cert, last_reason());
  }
  ERR_clear_error();

  const std::string& key_path = files.key.empty() ? files.cert : files.key;
  auto key = read_small_file("health.key", key_path, kTlsFileBytesMax);
  if (!key) return key.error();
  key_stamp = key->stamp;
  const KeyPtr private_key(PEM_read_bio_PrivateKey(bio_of(key->bytes).get(), nullptr, no_pass_phrase, nullptr));
  ERR_clear_error();
  if (!private_key) return bad_file("health.key", key_path, "holds no private key that opens without a pass phrase");
  if (SSL_CTX_use_PrivateKey(ctx, private_key.get()) != 1) {
    ERR_clear_error();
    return bad_file("health.key", key_path, "does not belong to health.cert " + files.cert);
  }
  return {};
}

Result<CtxPtr> make_context(const TlsFiles& files, std::array<FileStamp, 3>& stamps) {
  CtxPtr ctx(SSL_CTX_new(TLS_client_method()));
  if (!ctx) return Error{Errc::kLimitExceeded, "TLS: " + last_reason()};
  SSL_CTX_set_min_proto_version(ctx.get(), TLS1_2_VERSION);
  // The prober keeps the sessions itself, one per server.
  SSL_CTX_set_session_cache_mode(ctx.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_set_default_passwd_cb(ctx.get(), no_pass_phrase);
  if (files.verify) {
    // As in Go and curl, an intermediate CA (or the certificate itself) in the file is trust enough.
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx.get()), X509_V_FLAG_PARTIAL_CHAIN);
    if (files.ca.empty()) {
      SSL_CTX_set_default_verify_paths(ctx.get());
    } else if (auto added = add_trust(ctx.get(), files.ca, stamps[0]); !added) {
      return added.error();
    }
  }
  if (!files.cert.empty()) {
    if (auto added = add_identity(ctx.get(), files, stamps[1], stamps[2]); !added) return added.error();
  }
  return ctx;
}

std::string name_text(const X509_NAME* name) {
  const BioPtr out(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_QUOTE));
  char* data = nullptr;
  const auto size = static_cast<std::size_t>(std::max(0L, BIO_get_mem_data(out.get(), &data)));
  return size == 0 ? "(no name)" : std::string(data, std::min<std::size_t>(size, 160));
}

std::string time_text(const ASN1_TIME* time) {
  const BioPtr out(BIO_new(BIO_s_mem()));
  ASN1_TIME_print(out.get(), time);
  char* data = nullptr;
  const auto size = static_cast<std::size_t>(std::max(0L, BIO_get_mem_data(out.get(), &data)));
  return std::string(data, size);
}

std::string printable(const unsigned char* data, int size) {
  std::string out;
  for (int i = 0; i < size && i < 100; ++i) out += data[i] > 0x20 && data[i] < 0x7f ? static_cast<char>(data[i]) : '?';
  return out;
}

/// "mast-1, 192.168.1.11": what the certificate is for.
std::string names_of(const X509* certificate) {
  constexpr int kShownMax = 6;
  std::string out;
  auto* names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  const int count = names != nullptr ? sk_GENERAL_NAME_num(names) : 0;
  for (int i = 0, shown = 0; i < count; ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    std::string text;
    if (name->type == GEN_DNS) text = printable(ASN1_STRING_get0_data(name->d.dNSName), ASN1_STRING_length(name->d.dNSName));
    if (name->type == GEN_IPADD) {
      const unsigned char* bytes = ASN1_STRING_get0_data(name->d.iPAddress);
      std::array<std::uint8_t, 16> address{};
      const int size = ASN1_STRING_length(name->d.iPAddress);
      if (size == 4 || size == 16) std::copy_n(bytes, size, address.begin());
      if (size == 4) text = IpAddress::v4({address[0], address[1], address[2], address[3]}).to_string();
      if (size == 16) text = IpAddress::v6(address).to_string();
    }
    if (text.empty()) continue;
    if (++shown > kShownMax) {
      out += ", ...";
      break;
    }
    out += (out.empty() ? "" : ", ") + text;
  }
  GENERAL_NAMES_free(names);
  return out.empty() ? name_text(X509_get_subject_name(certificate)) : out;
}

std::string verify_text(const TlsCheck& check, int error, int depth, const X509* certificate) {
  std::string text = X509_verify_cert_error_string(error);
  if (certificate == nullptr) return text;
  const std::string subject = name_text(X509_get_subject_name(certificate));
  const std::string trust = check.ca_file.empty() ? "the system's store" : "health.ca " + check.ca_file;
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED: text += ": " + subject + ", valid until " + time_text(X509_get0_notAfter(certificate)); break;
    case X509_V_ERR_CERT_NOT_YET_VALID: text += ": " + subject + ", valid from " + time_text(X509_get0_notBefore(certificate)); break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return text + ": expected '" + check.server_name + "', the certificate is for " + names_of(certificate) + " (health.server_name)";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN: return text + ": " + subject + " is not in " + trust;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE: return text + ": " + name_text(X509_get_issuer_name(certificate)) + " is not in " + trust;
    default: text += ": " + subject;
  }
  return depth > 0 ? text + " (CA; see " + trust + ")" : text;
}

int check_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

int on_verify(int fine, X509_STORE_CTX* store) {
  if (fine == 1) return 1;
  const auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* check = static_cast<TlsCheck*>(SSL_get_ex_data(ssl, check_index()));
  if (check != nullptr && check->failure.empty()) {
    check->failure =
        verify_text(*check, X509_STORE_CTX_get_error(store), X509_STORE_CTX_get_error_depth(store), X509_STORE_CTX_get_current_cert(store));
  }
  return 0;
}

}  // namespace

Result<FileContent> read_small_file(const std::string& what, const std::string& path, std::size_t bytes_max) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd.valid()) return errno_error(what + " " + path);
  struct stat s {};
  if (::fstat(fd.get(), &s) != 0) return errno_error(what + " " + path);
  if (!S_ISREG(s.st_mode)) return bad_file(what, path, "is not a regular file");
  FileContent out{.bytes = {}, .stamp = stamp_of(s)};
  std::array<char, 16384> chunk{};
  for (;;) {
    const ssize_t n = ::read(fd.get(), chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(what + " " + path);
    if (n == 0) return out;
    out.bytes.append(chunk.data(), static_cast<std::size_t>(n));
    if (out.bytes.size() > bytes_max)
      return Error{Errc::kLimitExceeded, what + " " + path + ": is larger than " + std::to_string(bytes_max) + " bytes"};
  }
}

Result<std::string> read_token(const std::string& path) {
  auto file = read_small_file("health.token_file", path, kTokenBytesMax);
  if (!file) return file.error();
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  std::string& text = file->bytes;
  while (!text.empty() && blank(text.back())) text.pop_back();
  text.erase(text.begin(), std::find_if_not(text.begin(), text.end(), blank));
  if (text.empty()) return bad_file("health.token_file", path, "is empty");
  if (std::any_of(text.begin(), text.end(), [](char c) { return c <= ' ' || c > '~'; })) {
    return bad_file("health.token_file", path, "must hold one token of printable characters");
  }
  return std::move(text);
}

struct TlsContexts::Cached {
  std::array<FileStamp, 3> stamps;
  Result<std::shared_ptr<boost::asio::ssl::context>> context = Error{Errc::kUnavailable, ""};
};

TlsContexts::TlsContexts() = default;
TlsContexts::~TlsContexts() = default;

Result<std::shared_ptr<boost::asio::ssl::context>> TlsContexts::context_for(const TlsFiles& files) {
  const std::array<FileStamp, 3> now{files.verify ? stamp_of(files.ca) : FileStamp{}, stamp_of(files.cert),
                                     files.cert.empty() ? FileStamp{} : stamp_of(files.key.empty() ? files.cert : files.key)};
  const auto known = cached_.find(files);
  if (known != cached_.end() && known->second->context && known->second->stamps == now) return known->second->context;
  // A failure is not remembered: permissions can change without a trace in the stamp, and reading a bad file again is cheap.
  auto fresh = std::make_unique<Cached>();
  auto made = make_context(files, fresh->stamps);
  if (!made) {
    cached_.erase(files);
    return made.error();
  }
  fresh->context = std::make_shared<boost::asio::ssl::context>(made->release());
  auto out = fresh->context;
  if (cached_.size() >= kTlsContextsMax) cached_.clear();
  cached_[files] = std::move(fresh);
  return out;
}

Status attach(TlsCheck& check, ssl_st* ssl, bool verify) {
  ERR_clear_error();
  const auto address = parse_ip_address(check.server_name);
  if (!address && !check.server_name.empty() && SSL_set_tlsext_host_name(ssl, check.server_name.c_str()) != 1) {
    return Error{Errc::kInvalidConfig, "health.server_name '" + check.server_name + "': " + last_reason()};
  }
  if (!verify) {
    SSL_set_verify(ssl, SSL_VERIFY_NONE, nullptr);
    return {};
  }
  X509_VERIFY_PARAM* param = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  const int named = address ? X509_VERIFY_PARAM_set1_ip_asc(param, check.server_name.c_str())
                            : X509_VERIFY_PARAM_set1_host(param, check.server_name.c_str(), check.server_name.size());
  if (named != 1) return Error{Errc::kInvalidConfig, "health.server_name '" + check.server_name + "': " + last_reason()};
  SSL_set_ex_data(ssl, check_index(), &check);
  SSL_set_verify(ssl, SSL_VERIFY_PEER, on_verify);
  return {};
}

std::string tls_error_text(unsigned long code) {
  const char* library_text = ERR_reason_error_string(code);
  std::string reason = library_text != nullptr ? library_text : "TLS error " + std::to_string(code);
  switch (ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_RECORD_LENGTH_MISMATCH:
    case SSL_R_UNEXPECTED_MESSAGE: return "the server does not speak TLS on this port (" + reason + ")";
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION: return "no TLS version in common, 1.2 or later is needed (" + reason + ")";
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED: return "the server wants a client certificate: set health.cert (" + reason + ")";
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA: return "the server refuses our client certificate (" + reason + ")";
    case SSL_R_UNEXPECTED_EOF_WHILE_READING: return "the server closed in the middle of TLS";
    default: return reason;
  }
}

}  // namespace fairlead::lb
