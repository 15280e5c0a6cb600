// TLS for health checks: contexts made from certificate files, and OpenSSL's errors in words an operator can act on.
//
// Contexts are cached by the files they were made from and made anew when a file's time, size or inode changes, so renewed
// certificates work without a restart. A file that cannot be used is an Error that names the key and the file, never a crash, and
// never a verdict about the server (ProbeOutcome::kLocal).
// Threading: the health thread only. Limits: kTlsContextsMax contexts; a file of at most kTlsFileBytesMax.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/ip_address.h"
#include "base/result.h"

struct ssl_st;
struct ssl_ctx_st;

namespace boost::asio::ssl {
class context;
}

namespace fairlead::lb {

inline constexpr std::size_t kTlsContextsMax = 256;
inline constexpr std::size_t kTlsFileBytesMax = 4U << 20;
inline constexpr std::size_t kTokenBytesMax = 32U << 10;

/// What identifies a file's content without reading it.
struct FileStamp {
  std::int64_t modified_ns = -1;  ///< -1: there is no such file.
  std::int64_t size = 0;
  std::uint64_t inode = 0;
  bool operator==(const FileStamp&) const = default;
};
struct FileContent {
  std::string bytes;
  FileStamp stamp;
};
/// A whole regular file; never blocks on a FIFO. `what` begins the error's text ("health.ca"). Errors: kNotFound, kPermission,
/// kLimitExceeded (too large), kInvalidConfig (not a regular file).
[[nodiscard]] Result<FileContent> read_small_file(const std::string& what, const std::string& path, std::size_t bytes_max);

/// The bearer token of `path`, without surrounding white space. Errors: those above, kInvalidConfig (empty, or not one line of text).
[[nodiscard]] Result<std::string> read_token(const std::string& path);

/// The files one context is made from; the key's default is the certificate's file.
struct TlsFiles {
  bool verify = true;
  std::string ca;    ///< Empty: the system's store.
  std::string cert;  ///< Empty: no client certificate.
  std::string key;
  auto operator<=>(const TlsFiles&) const = default;
};

class TlsContexts {
 public:
  TlsContexts();
  ~TlsContexts();
  TlsContexts(const TlsContexts&) = delete;
  TlsContexts& operator=(const TlsContexts&) = delete;

  /// The context for these files as they are now. Errors: kInvalidConfig, kNotFound, kPermission, kLimitExceeded.
  [[nodiscard]] Result<std::shared_ptr<boost::asio::ssl::context>> context_for(const TlsFiles& files);

 private:
  struct Cached;
  std::map<TlsFiles, std::unique_ptr<Cached>> cached_;
};

/// What one handshake must check and what it found out. Lives as long as the SSL object it was attached to.
struct TlsCheck {
  std::string server_name;  ///< Host name or IP address the certificate must be for.
  std::string ca_file;      ///< For the text only.
  std::string failure;      ///< "certificate has expired: CN=mast-1, valid until ..."; empty: verification did not object.
};
/// Sets SNI (names only), the name to verify and the callback that fills `check.failure`.
/// Errors: kInvalidConfig (a name OpenSSL refuses).
[[nodiscard]] Status attach(TlsCheck& check, ssl_st* ssl, bool verify);

/// An OpenSSL error code (ERR_get_error) in words: "the server does not speak TLS on this port".
[[nodiscard]] std::string tls_error_text(unsigned long code);

}  // namespace fairlead::lb
