#include "cli/dns_query.h"

#include <algorithm>
#include <arpa/nameser.h>
#include <array>
#include <cerrno>
#include <memory>
#include <netinet/in.h>
#include <optional>
#include <poll.h>
#include <random>
#include <resolv.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/sockaddr.h"
#include "base/system_clock.h"

namespace fairlead::cli {
namespace {

constexpr std::array<std::string_view, 3> kTypes{"A", "AAAA", "PTR"};
constexpr std::array<std::string_view, 7> kResults{"answer", "nodata", "nxdomain", "failed", "timeout", "unreachable", "malformed"};
constexpr std::array<ns_type, 3> kTypeNumbers{ns_t_a, ns_t_aaaa, ns_t_ptr};
constexpr std::size_t kDatagramMax = 4096;

ns_type number_of(DnsType type) { return kTypeNumbers[static_cast<std::size_t>(type)]; }

std::string rcode_text(int rcode) {
  switch (rcode) {
    case ns_r_formerr: return "it does not understand the question (FORMERR)";
    case ns_r_servfail: return "it cannot find out (SERVFAIL)";
    case ns_r_notimpl: return "it does not answer such questions (NOTIMP)";
    case ns_r_refused: return "it does not answer this machine (REFUSED)";
    default: return "it answered with code " + std::to_string(rcode);
  }
}

DnsAnswer malformed(std::string detail) { return {.result = DnsResult::kMalformed, .records = {}, .detail = std::move(detail)}; }

/// A record's value in words; nullopt: it does not hold together.
std::optional<std::string> value_of(const ns_msg& message, const ns_rr& record) {
  const unsigned char* data = ns_rr_rdata(record);
  const std::size_t size = ns_rr_rdlen(record);
  switch (ns_rr_type(record)) {
    case ns_t_a: {
      std::array<std::uint8_t, 4> bytes{};
      if (size != bytes.size()) return std::nullopt;
      std::copy_n(data, bytes.size(), bytes.begin());
      return IpAddress::v4(bytes).to_string();
    }
    case ns_t_aaaa: {
      std::array<std::uint8_t, 16> bytes{};
      if (size != bytes.size()) return std::nullopt;
      std::copy_n(data, bytes.size(), bytes.begin());
      return IpAddress::v6(bytes).to_string();
    }
    default: {
      std::array<char, NS_MAXDNAME> name{};
      if (ns_name_uncompress(ns_msg_base(message), ns_msg_end(message), data, name.data(), name.size()) < 0) return std::nullopt;
      return std::string(name.data());
    }
  }
}

/// Names of DNS have no case.
bool same_name(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

bool asks_for(ns_msg& message, const DnsQuestion& question) {
  ns_rr asked;
  if (ns_msg_count(message, ns_s_qd) != 1 || ns_parserr(&message, ns_s_qd, 0, &asked) != 0) return false;
  return ns_rr_type(asked) == number_of(question.type) && same_name(ns_rr_name(asked), question.name);
}

DnsAnswer read_records(ns_msg& message, const DnsQuestion& question) {
  DnsAnswer out{.result = DnsResult::kAnswer, .records = {}, .detail = {}};
  for (int i = 0; i < ns_msg_count(message, ns_s_an); ++i) {
    ns_rr record;
    if (ns_parserr(&message, ns_s_an, i, &record) != 0) return malformed("its answer does not hold together");
    if (ns_rr_type(record) != number_of(question.type) || ns_rr_class(record) != ns_c_in) continue;
    auto value = value_of(message, record);
    if (!value) return malformed("its answer does not hold together");
    out.records.push_back(std::move(*value));
  }
  std::sort(out.records.begin(), out.records.end());
  if (out.records.empty()) out.result = DnsResult::kNoData;
  return out;
}

/// One server, while it is waited for.
class Asked {
 public:
  Asked(const Endpoint& server, const DnsQuestion& question, std::uint16_t id, const std::vector<unsigned char>& query)
      : question_(question), id_(id), query_(query) {
    const SocketAddress address = to_sockaddr(server);
    socket_.reset(::socket(address.get()->sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket_.valid() || ::connect(socket_.get(), address.get(), address.size) != 0) {
      cannot(errno);
      return;
    }
    sent_at_ = clock_.now();
    send();
  }
  void send() {
    if (!answer_ && ::send(socket_.get(), query_.data(), query_.size(), 0) < 0 && errno != EAGAIN) cannot(errno);
  }
  /// Takes what has come.
  void receive() {
    std::vector<unsigned char> bytes(kDatagramMax);
    while (!answer_) {
      const ssize_t size = ::recv(socket_.get(), bytes.data(), bytes.size(), 0);
      if (size < 0 && errno == EINTR) continue;
      if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
      if (size < 0) return cannot(errno);
      auto answer = parse_answer({bytes.begin(), bytes.begin() + size}, question_, id_);
      if (answer) finish(std::move(*answer));
    }
  }
  void give_up() {
    if (!answer_) finish({.result = DnsResult::kTimeout, .records = {}, .detail = "no answer"});
  }
  [[nodiscard]] int descriptor() const { return socket_.get(); }
  [[nodiscard]] bool done() const { return answer_.has_value(); }
  [[nodiscard]] DnsAnswer take() && { return std::move(*answer_); }

 private:
  void cannot(int reason) {
    const bool silent_port = reason == ECONNREFUSED;
    finish({.result = DnsResult::kUnreachable,
            .records = {},
            .detail = silent_port ? "nothing answers on this port" : errno_error("", reason).message()});
  }
  void finish(DnsAnswer answer) {
    answer.took_ms = sent_at_ == Instant{} ? 0 : to_seconds(clock_.now() - sent_at_) * 1000;
    answer_ = std::move(answer);
  }

  const DnsQuestion& question_;
  const std::uint16_t id_;
  const std::vector<unsigned char>& query_;
  const SystemClock clock_;
  Fd socket_;
  Instant sent_at_{};
  std::optional<DnsAnswer> answer_;
};

/// Until all are done, at most until `deadline`.
void wait_for(std::vector<std::unique_ptr<Asked>>& all, Instant deadline) {
  const SystemClock clock;
  for (;;) {
    std::vector<pollfd> waiting;
    std::vector<Asked*> whose;
    for (const auto& one : all) {
      if (one->done()) continue;
      waiting.push_back({.fd = one->descriptor(), .events = POLLIN, .revents = 0});
      whose.push_back(one.get());
    }
    const Duration left = deadline - clock.now();
    if (waiting.empty() || left <= Duration::zero()) return;
    const auto milliseconds = static_cast<int>(to_ms(left)) + 1;
    if (::poll(waiting.data(), waiting.size(), milliseconds) < 0 && errno != EINTR) return;
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      if (waiting[i].revents != 0) whose[i]->receive();
    }
  }
}

}  // namespace

std::string_view to_string(DnsType type) { return kTypes[static_cast<std::size_t>(type)]; }
std::string_view to_string(DnsResult result) { return kResults[static_cast<std::size_t>(result)]; }

std::string reverse_name(const IpAddress& address) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  const auto& bytes = address.bytes();
  for (std::size_t i = address.is_v4() ? 4 : 16; i-- > 0;) {
    if (address.is_v4()) {
      out += std::to_string(bytes[i]) + ".";
    } else {
      out += {kDigits[bytes[i] & 15U], '.', kDigits[bytes[i] >> 4U], '.'};
    }
  }
  return out + (address.is_v4() ? "in-addr.arpa" : "ip6.arpa");
}

Result<std::vector<unsigned char>> build_query(const DnsQuestion& question, std::uint16_t id) {
  const Error bad{Errc::kInvalidArgument, "'" + question.name.substr(0, 80) + "' is not a name of DNS"};
  if (question.name.empty() || question.name.find('\0') != std::string::npos) return bad;
  struct __res_state state {};
  if (::res_ninit(&state) != 0) return Error{Errc::kUnavailable, "the C library's resolver cannot be used"};
  std::vector<unsigned char> bytes(NS_PACKETSZ);
  const int size = ::res_nmkquery(&state, ns_o_query, question.name.c_str(), ns_c_in, number_of(question.type), nullptr, 0, nullptr,
                                  bytes.data(), static_cast<int>(bytes.size()));
  ::res_nclose(&state);
  if (size < NS_HFIXEDSZ) return bad;
  bytes.resize(static_cast<std::size_t>(size));
  ns_put16(id, bytes.data());
  return bytes;
}

std::optional<DnsAnswer> parse_answer(const std::vector<unsigned char>& bytes, const DnsQuestion& question, std::uint16_t id) {
  if (bytes.size() < NS_HFIXEDSZ || ns_get16(bytes.data()) != id) return std::nullopt;
  ns_msg message;
  if (ns_initparse(bytes.data(), static_cast<int>(bytes.size()), &message) != 0) return malformed("its answer does not hold together");
  if (ns_msg_getflag(message, ns_f_qr) == 0) return std::nullopt;
  const int rcode = ns_msg_getflag(message, ns_f_rcode);
  // One that did not understand the question need not repeat it.
  if (rcode == ns_r_noerror || rcode == ns_r_nxdomain) {
    if (!asks_for(message, question)) return std::nullopt;
    if (ns_msg_getflag(message, ns_f_tc) != 0) return malformed("its answer is too long for a datagram; dig +tcp shows it");
    if (rcode == ns_r_nxdomain) return DnsAnswer{.result = DnsResult::kNoName, .records = {}, .detail = {}};
    return read_records(message, question);
  }
  return DnsAnswer{.result = DnsResult::kFailed, .records = {}, .detail = rcode_text(rcode)};
}

std::vector<DnsAnswer> ask_dns(const std::vector<Endpoint>& servers, const DnsQuestion& question, Duration timeout) {
  std::random_device random;
  const auto id = static_cast<std::uint16_t>(random());
  const auto query = build_query(question, id);
  if (!query) return std::vector<DnsAnswer>(servers.size(), malformed(query.error().message()));
  const Instant begun = SystemClock().now();
  std::vector<std::unique_ptr<Asked>> all;
  for (const Endpoint& server : servers) all.push_back(std::make_unique<Asked>(server, question, id, *query));
  wait_for(all, begun + timeout / 2);
  for (const auto& one : all) one->send();
  wait_for(all, begun + timeout);
  std::vector<DnsAnswer> out;
  for (const auto& one : all) {
    one->give_up();
    out.push_back(std::move(*one).take());
  }
  return out;
}

}  // namespace fairlead::cli
