// Lookups on threads of their own: nobody waits for a name server that is silent. The SRV part asks a small DNS server on loopback.
#include "lb/resolver.h"

#include <array>
#include <chrono>
#include <condition_variable>
#include <future>
#include <gtest/gtest.h>
#include <map>
#include <mutex>
#include <poll.h>
#include <sys/socket.h>
#include <thread>

#include "base/event_fd.h"
#include "base/fd.h"
#include "base/sockaddr.h"

namespace fairlead::lb {
namespace {

using namespace std::chrono_literals;
constexpr std::chrono::seconds kPatience{20};

class Answers {
 public:
  void add(ResolveResult result) {
    const std::scoped_lock lock(mutex_);
    results_.push_back(std::move(result));
    changed_.notify_all();
  }
  std::vector<ResolveResult> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, kPatience, [&] { return results_.size() >= count; }));
    return results_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<ResolveResult> results_;
};

ResolveAnswer fixed_answer(std::uint8_t last) {
  return {.outcome = ResolveOutcome::kFound, .endpoints = {{IpAddress::v4({10, 0, 0, last}), 80}}};
}

TEST(NameResolver, AnswersEveryQuestionOnce) {
  Answers answers;
  NameResolver resolver([&](ResolveResult r) { answers.add(std::move(r)); },
                        {.lookup = [](const ResolveQuestion& q) { return fixed_answer(static_cast<std::uint8_t>(q.port)); }});
  for (ServerId id = 0; id < 100; ++id) {
    ASSERT_TRUE(resolver.start({.server = id,
                                .token = id + 1000,
                                .question = {.host = "x", .port = static_cast<std::uint16_t>(id), .family = {}, .name_server = {}}}));
  }
  std::map<ServerId, ResolveResult> by_server;
  for (ResolveResult& r : answers.wait_for(100)) by_server[r.server] = r;
  ASSERT_EQ(by_server.size(), 100U);
  EXPECT_EQ(by_server[42].token, 1042U);
  EXPECT_EQ(by_server[42].answer.endpoints[0].address, IpAddress::v4({10, 0, 0, 42}));
}

TEST(NameResolver, AStuckLookupHoldsUpNeitherTheOthersNorTheEnd) {
  std::promise<void> release;
  std::shared_future<void> released = release.get_future().share();
  Answers answers;
  std::promise<void> stuck_begun;
  {
    NameResolver resolver([&](ResolveResult r) { answers.add(std::move(r)); },
                          {.threads = 2, .lookup = [released, &stuck_begun](const ResolveQuestion& q) {
                             if (q.host == "stuck") {
                               stuck_begun.set_value();
                               released.wait();
                             }
                             return fixed_answer(1);
                           }});
    ASSERT_TRUE(resolver.start({.server = 1, .token = 1, .question = {.host = "stuck", .port = 1, .family = {}, .name_server = {}}}));
    stuck_begun.get_future().wait();
    for (ServerId id = 2; id <= 10; ++id) {
      ASSERT_TRUE(resolver.start({.server = id, .token = 1, .question = {.host = "fine", .port = 1, .family = {}, .name_server = {}}}));
    }
    EXPECT_EQ(answers.wait_for(9).size(), 9U);
  }  // Ends here, with the stuck one still stuck.
  release.set_value();
  EXPECT_EQ(answers.wait_for(9).size(), 9U) << "what it found came to nobody";
}

TEST(NameResolver, RefusesWorkBeyondItsBound) {
  std::promise<void> release;
  std::shared_future<void> released = release.get_future().share();
  Answers answers;
  NameResolver resolver([&](ResolveResult r) { answers.add(std::move(r)); },
                        {.threads = 1, .pending_max = 2, .lookup = [released](const ResolveQuestion&) {
                           released.wait();
                           return fixed_answer(1);
                         }});
  const ResolveRequest request{.server = 1, .token = 1, .question = {.host = "x", .port = 1, .family = {}, .name_server = {}}};
  EXPECT_TRUE(resolver.start(request));
  EXPECT_TRUE(resolver.start(request));
  EXPECT_FALSE(resolver.start(request));
  release.set_value();
  (void)answers.wait_for(2);
}

TEST(Lookup, FindsLocalhostWithThePortAndFamilyAskedFor) {
  const ResolveAnswer answer = lookup({.host = "localhost", .port = 6443, .family = IpAddress::Family::kV4, .name_server = {}});
  ASSERT_EQ(answer.outcome, ResolveOutcome::kFound) << answer.error;
  EXPECT_EQ(answer.endpoints, (std::vector<Endpoint>{{IpAddress::v4({127, 0, 0, 1}), 6443}}));
}

TEST(Lookup, AnAddressIsItsOwnAnswer) {
  const ResolveAnswer answer = lookup({.host = "2001:db8::1", .port = 1, .family = {}, .name_server = {}});
  ASSERT_EQ(answer.outcome, ResolveOutcome::kFound);
  EXPECT_EQ(answer.endpoints[0].to_string(), "[2001:db8::1]:1");
}

// ---- SRV --------------------------------------------------------------------------------------------------------------------------
std::string dns_name(std::string_view name) {
  std::string out;
  while (!name.empty()) {
    const auto dot = name.find('.');
    const std::string_view label = name.substr(0, dot);
    out += static_cast<char>(label.size());
    out += label;
    name = dot == std::string_view::npos ? std::string_view() : name.substr(dot + 1);
  }
  return out + '\0';
}
std::string u16(unsigned value) { return {static_cast<char>(value >> 8), static_cast<char>(value & 0xff)}; }
std::string srv_record(unsigned priority, unsigned weight, unsigned port, const std::string& target) {
  const std::string data = u16(priority) + u16(weight) + u16(port) + dns_name(target);
  return u16(0xc00c) + u16(33) + u16(1) + u16(0) + u16(60) + u16(static_cast<unsigned>(data.size())) + data;
}

/// Answers every question with the given code and records; without records and code it stays silent.
class MiniDns {
 public:
  MiniDns(int rcode, std::vector<std::string> records)
      : rcode_(rcode), records_(std::move(records)), fd_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    SocketAddress a = to_sockaddr({IpAddress::v4({127, 0, 0, 1}), 0});
    EXPECT_EQ(::bind(fd_.get(), a.get(), a.size), 0);
    endpoint_ = local_of(fd_.get());
    thread_ = std::thread([this] { serve(); });
  }
  ~MiniDns() {
    stop_.signal();
    thread_.join();
  }
  [[nodiscard]] Endpoint endpoint() const { return endpoint_; }

 private:
  void serve() {
    for (;;) {
      std::array<pollfd, 2> fds{pollfd{fd_.get(), POLLIN, 0}, pollfd{stop_.get(), POLLIN, 0}};
      if (::poll(fds.data(), 2, -1) < 0 || fds[1].revents != 0) return;
      std::array<char, 512> query{};
      SocketAddress from;
      from.size = sizeof from.storage;
      const ssize_t n = ::recvfrom(fd_.get(), query.data(), query.size(), 0, from.get(), &from.size);
      if (n < 17 || rcode_ < 0) continue;
      const std::string_view bytes(query.data(), static_cast<std::size_t>(n));
      const std::size_t name_end = bytes.find('\0', 12);
      std::string reply(bytes.substr(0, 2));
      reply += u16(0x8580U | static_cast<unsigned>(rcode_)) + u16(1) + u16(static_cast<unsigned>(records_.size())) + u16(0) + u16(0);
      reply += bytes.substr(12, name_end + 5 - 12);
      for (const std::string& record : records_) reply += record;
      (void)::sendto(fd_.get(), reply.data(), reply.size(), 0, from.get(), from.size);
    }
  }
  int rcode_;
  std::vector<std::string> records_;
  Fd fd_;
  EventFd stop_;
  Endpoint endpoint_;
  std::thread thread_;
};

ResolveAnswer ask_srv(const MiniDns& dns) {
  return lookup({.host = "_https._tcp.kube.demo", .port = 1, .family = IpAddress::Family::kV4, .name_server = dns.endpoint()});
}

TEST(LookupSrv, TakesTheLowestPriorityHeaviestFirstWithItsPorts) {
  const MiniDns dns(0,
                    {srv_record(20, 100, 9999, "localhost"), srv_record(10, 1, 6444, "localhost"), srv_record(10, 5, 6443, "localhost")});
  const ResolveAnswer answer = ask_srv(dns);
  ASSERT_EQ(answer.outcome, ResolveOutcome::kFound) << answer.error;
  const IpAddress local = IpAddress::v4({127, 0, 0, 1});
  EXPECT_EQ(answer.endpoints, (std::vector<Endpoint>{{local, 6443}, {local, 6444}}));
}

TEST(LookupSrv, TellsAMissingNameFromADeadServer) {
  const MiniDns missing(3, {});
  EXPECT_EQ(ask_srv(missing).outcome, ResolveOutcome::kNotFound);
  const MiniDns empty(0, {});
  EXPECT_EQ(ask_srv(empty).outcome, ResolveOutcome::kNotFound);
  const MiniDns broken(2, {});
  EXPECT_EQ(ask_srv(broken).outcome, ResolveOutcome::kFailed);
  const MiniDns silent(-1, {});
  EXPECT_EQ(ask_srv(silent).outcome, ResolveOutcome::kFailed);
}

TEST(LookupSrv, SurvivesRecordsThatDoNotHoldTogether) {
  const std::string good = srv_record(10, 5, 6443, "localhost");
  const MiniDns truncated(0, {good.substr(0, good.size() - 4)});
  EXPECT_NE(ask_srv(truncated).outcome, ResolveOutcome::kFound);
  const MiniDns root(0, {srv_record(0, 0, 0, "")});
  EXPECT_EQ(ask_srv(root).outcome, ResolveOutcome::kNotFound) << "RFC 2782: '.' means there is no such service";
}

}  // namespace
}  // namespace fairlead::lb
