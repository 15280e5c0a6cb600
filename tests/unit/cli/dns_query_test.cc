// Questions to name servers: the bytes, and real sockets on loopback with servers that answer, are silent or lie.
#include "cli/dns_query.h"

#include <functional>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <thread>

#include "base/fd.h"
#include "base/prng.h"
#include "base/sockaddr.h"

namespace fairlead::cli {
namespace {

using namespace std::chrono_literals;
using Bytes = std::vector<unsigned char>;

constexpr std::uint16_t kId = 0x1234;
const DnsQuestion kMast{.name = "mast-1.kube.demo", .type = DnsType::kA};

/// The query turned into an answer: flags, code, and records that are appended as they are.
Bytes answer_to(const Bytes& query, unsigned rcode, const std::vector<Bytes>& records) {
  Bytes out = query;
  out[2] = 0x85;  // An answer, authoritative, recursion was desired.
  out[3] = static_cast<unsigned char>(0x80U | rcode);
  out[7] = static_cast<unsigned char>(records.size());
  for (const Bytes& record : records) out.insert(out.end(), record.begin(), record.end());
  return out;
}

/// Of the name that was asked for (a pointer to it).
Bytes record(std::uint16_t type, const Bytes& data) {
  Bytes out{0xc0, 0x0c, static_cast<unsigned char>(type >> 8U), static_cast<unsigned char>(type & 255U), 0, 1, 0, 0, 0,
            60,   0,    static_cast<unsigned char>(data.size())};
  out.insert(out.end(), data.begin(), data.end());
  return out;
}

Bytes query_of(const DnsQuestion& question) { return *build_query(question, kId); }

TEST(DnsQuery, ReverseNamesAreThoseOfTheStandards) {
  EXPECT_EQ(reverse_name(*parse_ip_address("192.168.1.11")), "11.1.168.192.in-addr.arpa");
  EXPECT_EQ(reverse_name(*parse_ip_address("2001:db8::567:89ab")),
            "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

TEST(DnsQuery, WhatCannotBeANameIsRefused) {
  for (const std::string& name :
       {std::string(), std::string(64, 'a') + ".demo", std::string("a..b"), std::string("a\0b", 3), std::string(300, 'a')})
    EXPECT_FALSE(build_query({.name = name, .type = DnsType::kA}, kId)) << name;
  EXPECT_TRUE(build_query(kMast, kId));
}

TEST(DnsQuery, RecordsAreReadSortedAndOthersLeftOut) {
  const Bytes query = query_of(kMast);
  const auto said =
      parse_answer(answer_to(query, 0, {record(1, {192, 168, 1, 12}), record(16, {1, 'x'}), record(1, {192, 168, 1, 11})}), kMast, kId);
  ASSERT_TRUE(said);
  EXPECT_EQ(said->result, DnsResult::kAnswer);
  EXPECT_EQ(said->records, (std::vector<std::string>{"192.168.1.11", "192.168.1.12"}));

  const DnsQuestion six{.name = "mast-1.kube.demo", .type = DnsType::kAaaa};
  const auto aaaa =
      parse_answer(answer_to(query_of(six), 0, {record(28, {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7})}), six, kId);
  ASSERT_TRUE(aaaa);
  EXPECT_EQ(aaaa->records, std::vector<std::string>{"2001:db8::7"});

  const DnsQuestion back{.name = "11.1.168.192.in-addr.arpa", .type = DnsType::kPtr};
  const auto ptr = parse_answer(answer_to(query_of(back), 0, {record(12, {1, 'm', 4, 'd', 'e', 'm', 'o', 0})}), back, kId);
  ASSERT_TRUE(ptr);
  EXPECT_EQ(ptr->records, std::vector<std::string>{"m.demo"});
}

TEST(DnsQuery, CodesAreToldApart) {
  const Bytes query = query_of(kMast);
  const auto result = [&](unsigned rcode, const std::vector<Bytes>& records = {}) {
    return parse_answer(answer_to(query, rcode, records), kMast, kId);
  };
  EXPECT_EQ(result(0)->result, DnsResult::kNoData);
  EXPECT_EQ(result(3)->result, DnsResult::kNoName);
  EXPECT_EQ(result(2)->result, DnsResult::kFailed);
  EXPECT_NE(result(2)->detail.find("SERVFAIL"), std::string::npos);
  EXPECT_NE(result(5)->detail.find("REFUSED"), std::string::npos);
  EXPECT_EQ(result(0, {record(1, {1, 2, 3})})->result, DnsResult::kMalformed) << "an address of three bytes";
  Bytes cut = answer_to(query, 0, {});
  cut[2] |= 0x02U;
  EXPECT_EQ(parse_answer(cut, kMast, kId)->result, DnsResult::kMalformed) << "it did not fit";
}

TEST(DnsQuery, AnAnswerToSomethingElseIsNone) {
  const Bytes query = query_of(kMast);
  const Bytes good = answer_to(query, 0, {record(1, {192, 168, 1, 11})});
  EXPECT_FALSE(parse_answer(good, kMast, kId + 1));
  EXPECT_FALSE(parse_answer(good, {.name = "other.kube.demo", .type = DnsType::kA}, kId));
  EXPECT_FALSE(parse_answer(good, {.name = kMast.name, .type = DnsType::kAaaa}, kId));
  EXPECT_FALSE(parse_answer(query, kMast, kId)) << "a question is no answer";
  EXPECT_FALSE(parse_answer({}, kMast, kId));
  EXPECT_TRUE(parse_answer(good, {.name = "MAST-1.Kube.Demo", .type = DnsType::kA}, kId)) << "names have no case";
}

TEST(DnsQuery, NoBytesAreTooOdd) {
  Prng random(7);
  const Bytes good = answer_to(query_of(kMast), 0, {record(1, {192, 168, 1, 11}), record(5, {0xc0, 0x0c})});
  for (int round = 0; round < 20000; ++round) {
    Bytes bytes = good;
    bytes.resize(random.next() % (good.size() + 1));
    for (std::uint64_t n = random.next() % 4; n > 0 && bytes.size() > 2; --n)
      bytes[2 + random.next() % (bytes.size() - 2)] = static_cast<unsigned char>(random.next());
    (void)parse_answer(bytes, kMast, kId);
  }
}

/// Answers one datagram after another on loopback, on a thread of its own, with what `answer` makes of each; empty: nothing.
class Server {
 public:
  explicit Server(std::function<Bytes(const Bytes&)> answer, const char* address = "127.0.0.1") : answer_(std::move(answer)) {
    const SocketAddress any = to_sockaddr({*parse_ip_address(address), 0});
    socket_.reset(::socket(any.get()->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(socket_.get(), any.get(), any.size), 0);
    at = local_of(socket_.get());
    thread_ = std::thread([this] { serve(); });
  }
  ~Server() {
    const SocketAddress own = to_sockaddr(at);
    (void)::sendto(socket_.get(), "", 0, 0, own.get(), own.size);  // An empty one ends it.
    thread_.join();
  }
  Endpoint at;

 private:
  void serve() {
    for (;;) {
      Bytes bytes(512);
      SocketAddress from;
      from.size = sizeof from.storage;
      const ssize_t size = ::recvfrom(socket_.get(), bytes.data(), bytes.size(), 0, from.get(), &from.size);
      if (size <= 0) return;
      bytes.resize(static_cast<std::size_t>(size));
      const Bytes said = answer_(bytes);
      if (!said.empty()) (void)::sendto(socket_.get(), said.data(), said.size(), 0, from.get(), from.size);
    }
  }
  std::function<Bytes(const Bytes&)> answer_;
  Fd socket_;
  std::thread thread_;
};

Endpoint nobody() {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const SocketAddress any = to_sockaddr({*parse_ip_address("127.0.0.1"), 0});
  EXPECT_EQ(::bind(socket.get(), any.get(), any.size), 0);
  return local_of(socket.get());
}

TEST(DnsQuery, EachServerIsTimedAndJudgedByItself) {
  const Server good([](const Bytes& query) { return answer_to(query, 0, {record(1, {192, 168, 1, 11})}); });
  const Server silent([](const Bytes&) { return Bytes(); });
  const Server liar([](const Bytes& query) {
    Bytes other = answer_to(query, 0, {record(1, {6, 6, 6, 6})});
    other[0] ^= 1U;
    return other;
  });
  const auto said = ask_dns({good.at, silent.at, nobody(), liar.at}, kMast, 300ms);
  ASSERT_EQ(said.size(), 4U);
  EXPECT_EQ(said[0].result, DnsResult::kAnswer);
  EXPECT_EQ(said[0].records, std::vector<std::string>{"192.168.1.11"});
  EXPECT_LT(said[0].took_ms, 250);
  EXPECT_EQ(said[1].result, DnsResult::kTimeout);
  EXPECT_GE(said[1].took_ms, 290);
  EXPECT_EQ(said[2].result, DnsResult::kUnreachable);
  EXPECT_EQ(said[2].detail, "nothing answers on this port");
  EXPECT_EQ(said[3].result, DnsResult::kTimeout) << "an answer with another number is not ours";
}

TEST(DnsQuery, ALostDatagramIsSentOnceMore) {
  int seen = 0;
  const Server forgetful([&](const Bytes& query) { return ++seen == 1 ? Bytes() : answer_to(query, 3, {}); });
  const auto said = ask_dns({forgetful.at}, kMast, 400ms);
  EXPECT_EQ(said.at(0).result, DnsResult::kNoName);
  EXPECT_GE(said.at(0).took_ms, 190);
}

TEST(DnsQuery, Ipv6ServersAreAskedAsWell) {
  const Fd probe(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const SocketAddress loopback = to_sockaddr({*parse_ip_address("::1"), 0});
  if (!probe.valid() || ::bind(probe.get(), loopback.get(), loopback.size) != 0) GTEST_SKIP() << "this machine has no ::1";
  const Server six([](const Bytes& query) { return answer_to(query, 0, {record(1, {192, 168, 1, 11})}); }, "::1");
  EXPECT_EQ(ask_dns({six.at}, kMast, 1s).at(0).result, DnsResult::kAnswer);
}

TEST(DnsQuery, NothingIsAskedForAName) {
  EXPECT_EQ(ask_dns({nobody()}, {.name = "a..b", .type = DnsType::kA}, 1s).at(0).result, DnsResult::kMalformed);
}

}  // namespace
}  // namespace fairlead::cli
