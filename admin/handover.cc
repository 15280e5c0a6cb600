#include "admin/handover.h"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/error.hpp>
#include <cerrno>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <vector>

#include "admin/api_sockets.h"
#include "admin/api_stream.h"
#include "admin/asio_complete.h"
#include "base/sockaddr.h"

namespace fairlead::admin {
namespace {

namespace net = boost::asio;
namespace ssl = boost::asio::ssl;
namespace beast = boost::beast;
using boost::system::error_code;
using net::ip::tcp;
using Fingerprint = std::array<std::uint8_t, 16>;

constexpr std::string_view kHello = "FLJOIN1";
constexpr std::uint8_t kGranted = 1;
constexpr std::uint8_t kWrongSecret = 2;
constexpr std::uint8_t kAck = 'k';
constexpr std::size_t kNameMax = 64;
constexpr auto kPeerPatience = std::chrono::seconds(5);
constexpr auto kGuestPatience = std::chrono::seconds(15);  // A host that is busy with somebody silent answers after kPeerPatience.
constexpr long kCertificateSeconds = 2L * 24 * 3600;

template <class T, void (*Free)(T*)>
struct Freed {
  void operator()(T* object) const { Free(object); }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY, EVP_PKEY_free>>;
using CertificatePtr = std::unique_ptr<X509, Freed<X509, X509_free>>;

Error openssl_failed(const char* what) { return Error{Errc::kUnavailable, std::string("invitation: OpenSSL: ") + what}; }

std::optional<Fingerprint> fingerprint_of(const X509* certificate) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (certificate == nullptr || X509_digest(certificate, EVP_sha256(), digest.data(), &size) != 1) return std::nullopt;
  Fingerprint out;
  std::copy_n(digest.begin(), out.size(), out.begin());
  return out;
}

/// A certificate for one invitation, signed by itself. What is in it does not matter: it is known by its fingerprint.
CertificatePtr self_signed(EVP_PKEY* key) {
  CertificatePtr out(X509_new());
  if (!out) return nullptr;
  X509* x = out.get();
  // Valid since yesterday: the joining node's clock may be behind.
  const bool filled = X509_set_version(x, 2) == 1 && ASN1_INTEGER_set(X509_get_serialNumber(x), 1) == 1 &&
                      X509_gmtime_adj(X509_getm_notBefore(x), -kCertificateSeconds) != nullptr &&
                      X509_gmtime_adj(X509_getm_notAfter(x), kCertificateSeconds) != nullptr && X509_set_pubkey(x, key) == 1;
  static constexpr std::string_view kName = "fairlead invitation";
  X509_NAME* name = X509_get_subject_name(x);
  const bool named = X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(kName.data()),
                                                static_cast<int>(kName.size()), -1, 0) == 1 &&
                     X509_set_issuer_name(x, name) == 1;
  if (!filled || !named || X509_sign(x, key, EVP_sha256()) == 0) return nullptr;
  return out;
}

bool use_tls_13(SSL_CTX* context) {
  return SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 && SSL_CTX_set_num_tickets(context, 0) == 1;
}

std::string printable(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x21 || static_cast<unsigned char>(c) > 0x7e) c = '?';
  }
  return text.empty() ? "a node without a name" : text;
}

error_code read_all(net::io_context& io, ApiStream& stream, void* into, std::size_t size) {
  return complete(io, [&](auto done) { net::async_read(stream, net::buffer(into, size), done); });
}
error_code write_all(net::io_context& io, ApiStream& stream, std::string_view text) {
  return complete(io, [&](auto done) { net::async_write(stream, net::buffer(text.data(), text.size()), done); });
}

std::string head_of(std::uint8_t verdict, std::size_t size) {
  std::string out{static_cast<char>(verdict)};
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>((size >> shift) & 0xffU);
  return out;
}

/// One that connected to a waiting host.
class Visit {
 public:
  Visit(Fd peer, std::shared_ptr<ssl::context> tls) : from_(peer_of(peer.get())), stream_(io_, std::move(peer), std::move(tls)) {
    stream_.expires_after(kPeerPatience);
  }

  [[nodiscard]] const Endpoint& from() const { return from_; }
  [[nodiscard]] const std::string& name() const { return name_; }

  /// Empty: it was invited. Else why not.
  std::string greet(const std::array<std::uint8_t, 16>& secret) {
    if (const auto failed = complete(io_, [&](auto done) { stream_.async_handshake(beast::role_type::server, IoDone(done)); }))
      return "it spoke no TLS as expected (" + failed.message() + ")";
    std::array<char, kHello.size()> hello{};
    std::array<std::uint8_t, 16> said{};
    std::uint8_t length = 0;
    if (read_all(io_, stream_, hello.data(), hello.size()) || std::string_view(hello.data(), hello.size()) != kHello)
      return "it is no fairlead";
    if (read_all(io_, stream_, said.data(), said.size()) || read_all(io_, stream_, &length, 1) || length > kNameMax) return "it broke off";
    std::string name(length, '\0');
    if (length > 0 && read_all(io_, stream_, name.data(), name.size())) return "it broke off";
    name_ = printable(std::move(name));
    if (CRYPTO_memcmp(said.data(), secret.data(), secret.size()) == 0) return {};
    (void)write_all(io_, stream_, head_of(kWrongSecret, 0));
    return "its secret is wrong";
  }

  Status give(std::string_view text) {
    stream_.expires_after(kGuestPatience);
    error_code failed = write_all(io_, stream_, head_of(kGranted, text.size()));
    if (!failed) failed = write_all(io_, stream_, text);
    std::uint8_t ack = 0;
    if (!failed) failed = read_all(io_, stream_, &ack, 1);
    if (!failed && ack == kAck) return {};
    return Error{Errc::kUnavailable, "the connection to " + name_ + " (" + from_.address.to_string() +
                                         ") broke while it was handed over. The invitation is used: make a new one"};
  }

 private:
  net::io_context io_{1};
  Endpoint from_;
  std::string name_;
  ApiStream stream_;
};

}  // namespace

struct HandoverHost::Tls {
  std::shared_ptr<ssl::context> context = std::make_shared<ssl::context>(ssl::context::tls_server);
};

HandoverHost::HandoverHost(Fd listener, std::unique_ptr<Tls> tls, const Invitation& invitation)
    : listener_(std::move(listener)), tls_(std::move(tls)), invitation_(invitation) {}
HandoverHost::~HandoverHost() = default;

Result<std::unique_ptr<HandoverHost>> HandoverHost::open(const Endpoint& at, WallTime expires) {
  auto listener = open_tcp_listener(at, "invitation");
  if (!listener) return listener.error();
  auto tls = std::make_unique<Tls>();
  SSL_CTX* context = tls->context->native_handle();
  const KeyPtr key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
  if (!key) return openssl_failed("no key could be made");
  const CertificatePtr certificate = self_signed(key.get());
  const auto fingerprint = fingerprint_of(certificate.get());
  if (!fingerprint || SSL_CTX_use_certificate(context, certificate.get()) != 1 || SSL_CTX_use_PrivateKey(context, key.get()) != 1 ||
      !use_tls_13(context))
    return openssl_failed("no certificate could be made");
  Invitation invitation;
  invitation.at = {at.address, local_of(listener->get()).port};
  invitation.expires_s = static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(expires.time_since_epoch()).count());
  invitation.fingerprint = *fingerprint;
  if (RAND_bytes(invitation.secret.data(), static_cast<int>(invitation.secret.size())) != 1) return openssl_failed("no random bytes");
  return std::unique_ptr<HandoverHost>(new HandoverHost(std::move(*listener), std::move(tls), invitation));
}

Result<HandoverGuest> HandoverHost::serve(std::string_view text, Duration ttl, const std::function<void(const std::string&)>& on_refused) {
  const auto deadline = std::chrono::steady_clock::now() + ttl;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0) return Error{Errc::kTimeout, "nobody joined in time; the token is no longer good"};
    pollfd waiting{.fd = listener_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, static_cast<int>(left)) <= 0) continue;
    auto peer = accept_one(listener_.get());
    if (!peer) return peer.error();
    if (!*peer) continue;
    Visit visit(std::move(**peer), tls_->context);
    const std::string refused = visit.greet(invitation_.secret);
    if (!refused.empty()) {
      on_refused(visit.from().address.to_string() + ": " + refused);
      continue;
    }
    if (auto given = visit.give(text); !given) return given.error();
    return HandoverGuest{visit.name(), visit.from()};
  }
}

Result<std::string> fetch_handover(const Invitation& invitation, const std::string& own_name) {
  const std::string where = invitation.at.to_string();
  const auto lost = [&](error_code failed) {
    if (failed == beast::error::timeout) return Error{Errc::kTimeout, where + " does not answer: a firewall, or it is busy; try again"};
    return Error{Errc::kUnavailable, where + " broke off (" + failed.message() + "): the invitation was used or is over"};
  };
  net::io_context io(1);
  const auto context = std::make_shared<ssl::context>(ssl::context::tls_client);
  context->set_verify_mode(ssl::verify_none);  // The fingerprint is looked at below, before anything is said.
  if (!use_tls_13(context->native_handle())) return openssl_failed("no TLS 1.3");
  ApiStream stream(io, Fd(), context);
  stream.expires_after(kGuestPatience);
  const tcp::endpoint endpoint(net::ip::make_address(invitation.at.address.to_string()), invitation.at.port);
  if (const auto failed = complete(io, [&](auto done) { stream.async_connect(endpoint, IoDone(done)); })) {
    if (failed == beast::error::timeout) return lost(failed);
    return Error{Errc::kUnavailable,
                 "nobody waits at " + where + " (" + failed.message() + "): the invitation was used, is over, or was ended"};
  }
  if (const auto failed = complete(io, [&](auto done) { stream.async_handshake(beast::role_type::client, IoDone(done)); }))
    return lost(failed);
  const auto seen = fingerprint_of(SSL_get0_peer_certificate(stream.tls_handle()));
  if (!seen || CRYPTO_memcmp(seen->data(), invitation.fingerprint.data(), seen->size()) != 0)
    return Error{Errc::kPermission,
                 where + " is not the node that made this token: its certificate is another one. Nothing was said to it"};

  std::string hello(kHello);
  hello.append(invitation.secret.begin(), invitation.secret.end());
  const std::string name = own_name.substr(0, kNameMax);
  hello += static_cast<char>(name.size());
  hello += name;
  if (const auto failed = write_all(io, stream, hello)) return lost(failed);
  std::array<std::uint8_t, 5> head{};
  if (const auto failed = read_all(io, stream, head.data(), head.size())) return lost(failed);
  if (head[0] != kGranted) return Error{Errc::kPermission, where + " refused the token: its secret is wrong"};
  std::size_t size = 0;
  for (std::size_t i = 1; i < head.size(); ++i) size = (size << 8U) | head[i];
  if (size > kHandoverBytesMax)
    return Error{Errc::kLimitExceeded, where + " wants to give more than " + std::to_string(kHandoverBytesMax) + " bytes"};
  std::string out(size, '\0');
  if (const auto failed = read_all(io, stream, out.data(), out.size())) return lost(failed);
  const std::string ack(1, static_cast<char>(kAck));
  if (const auto failed = write_all(io, stream, ack)) return lost(failed);
  return out;
}

}  // namespace fairlead::admin
