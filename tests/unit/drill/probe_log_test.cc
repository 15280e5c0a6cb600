#include "drill/probe_log.h"

#include <boost/json.hpp>
#include <gtest/gtest.h>
#include <optional>

namespace fairlead::drill {
namespace {

using namespace std::chrono_literals;

constexpr Duration kSlow = 500ms;
const MacAddress kOne{{2, 0, 0, 0, 0, 1}};
const MacAddress kTwo{{2, 0, 0, 0, 0, 2}};

/// A try every 5 ms; '.' answered at once, 'R' reset, 'r' refused, 'T' timed out after 1 s, 's' answered after 600 ms, 'o' still open.
ProbeLog log_of(const std::string& story) {
  ProbeLog log;
  Duration at{};
  for (const char c : story) {
    Try t{.begun = at, .ended = at + 1ms, .end = TryEnd::kAnswered};
    if (c == 'R') t.end = TryEnd::kReset;
    if (c == 'r') t.end = TryEnd::kRefused;
    if (c == 'T') t = {.begun = at, .ended = at + 1s, .end = TryEnd::kTimeout};
    if (c == 's') t.ended = at + 600ms;
    if (c == 'o') t.end = TryEnd::kOpen;
    log.tries.push_back(t);
    at += 5ms;
  }
  return log;
}

TEST(ProbeLog, NothingFailedIsNoOutage) {
  const Verdict v = judge(log_of("....."), kSlow);
  EXPECT_EQ(v.tries, 5U);
  EXPECT_EQ(v.failed, 0U);
  EXPECT_EQ(v.outage, 0ms);
  EXPECT_TRUE(v.recovered);
}

TEST(ProbeLog, AnOutageLastsFromTheFirstFailureToTheNextGoodTry) {
  const Verdict v = judge(log_of("..TTTR.."), kSlow);
  EXPECT_EQ(v.failed, 4U);
  EXPECT_EQ(v.resets, 1U);
  ASSERT_EQ(v.gaps.size(), 1U);
  EXPECT_EQ(v.gaps[0], (Gap{.from = 10ms, .length = 21ms, .failed = 4}));
  EXPECT_EQ(v.outage, 21ms) << "from the begin of the first lost try to the answer of the first good one";
}

TEST(ProbeLog, TheLongestOfSeveralGapsCounts) {
  const Verdict v = judge(log_of(".R..rTr.R."), kSlow);
  EXPECT_EQ(v.gaps.size(), 3U);
  EXPECT_EQ(v.outage, 16ms);
  EXPECT_EQ(v.resets, 4U);
}

TEST(ProbeLog, AnAnswerThatComesTooLateIsNone) {
  const Verdict v = judge(log_of("..s."), kSlow);
  EXPECT_EQ(v.failed, 1U);
  EXPECT_EQ(v.outage, 6ms);
}

// A try may wait in the client's kernel until somebody has the address: nobody was served when it began.
TEST(ProbeLog, AnOutageEndsWithTheAnswerThatEndsIt) {
  ProbeLog log = log_of("..TT...");
  log.tries[4].ended = log.tries[4].begun + 450ms;
  const Verdict v = judge(log, kSlow);
  EXPECT_EQ(v.failed, 2U);
  EXPECT_EQ(v.outage, 460ms);
  EXPECT_TRUE(v.recovered);
}

TEST(ProbeLog, WhatDidNotRecoverLastsToTheEnd) {
  const Verdict v = judge(log_of("..T"), kSlow);
  EXPECT_FALSE(v.recovered);
  EXPECT_EQ(v.outage, 1s);
  EXPECT_TRUE(judge(log_of("..To"), kSlow).gaps.size() == 1) << "what is still open says nothing yet";
}

TEST(ProbeLog, TwoStationsInOneRoundAreTwoHolders) {
  ProbeLog log = log_of("..");
  log.rounds = {{0ms, {kOne}}, {5ms, {kOne, kTwo}}, {10ms, {kOne, kTwo}}, {15ms, {kTwo}}, {20ms, {}}};
  log.announcements = {{6ms, kTwo}};
  const Verdict v = judge(log, kSlow);
  EXPECT_EQ(v.holders_max, 2U);
  EXPECT_EQ(v.overlap_max, 10ms);
  EXPECT_EQ(v.answers.at(kOne), 3U);
  EXPECT_EQ(v.announcements, 1U);

  log.rounds = {{0ms, {kOne}}, {5ms, {kTwo}}};
  EXPECT_EQ(judge(log, kSlow).holders_max, 1U) << "one after the other is no overlap";
  EXPECT_EQ(judge(log, kSlow).overlap_max, 0ms);
}

std::vector<std::string> broken(const std::string& story, std::optional<Duration> outage_max) {
  return not_as_promised(judge(log_of(story), kSlow), {.outage_max = outage_max, .interval = 5ms, .late = 1ms});
}

TEST(ProbeLog, WhatIsNotAsPromisedIsSaid) {
  using Lines = std::vector<std::string>;
  EXPECT_EQ(broken("....", 0ms), Lines{});
  EXPECT_EQ(broken(".RRRR.", 20ms), Lines{});
  EXPECT_EQ(broken(".RRRRR.", 20ms), Lines{}) << "26 ms by a prober that asks each 5 ms and was 1 ms late may have been 20";
  EXPECT_EQ(broken(".RRRRRR.", 20ms), Lines{"an outage of 31.0 ms, promised 20"});
  EXPECT_EQ(broken(".RRRRRR.", std::nullopt), Lines{});
  EXPECT_EQ(broken("..R.", 0ms), Lines{"1 try failed, promised none"}) << "the interval is no failed try";
  EXPECT_EQ(broken("..T", 5s), Lines{"the VIP does not answer"});

  ProbeLog log = log_of("....");
  log.rounds = {{0ms, {kOne, kTwo}}, {5ms, {kTwo}}};
  EXPECT_EQ(not_as_promised(judge(log, kSlow), {}), Lines{"2 nodes answered ARP at once, for 5.0 ms"});
}

TEST(ProbeLog, TheAnswerThatEndsAnOutageTakesItsUsualTime) {
  ProbeLog log = log_of("..R....");
  for (Try& t : log.tries) t.ended = t.begun + 3ms;
  const Verdict v = judge(log, kSlow);
  EXPECT_EQ(v.outage, 8ms);
  EXPECT_EQ(v.usual, 3ms);
  EXPECT_TRUE(not_as_promised(v, {.outage_max = 1us, .interval = 5ms}).empty()) << "one try, and the next one was answered as ever";
  log.tries[3].ended += 1ms;
  EXPECT_EQ(not_as_promised(judge(log, kSlow), {.outage_max = 1us, .interval = 5ms}).size(), 1U);
}

TEST(ProbeLog, NobodyWhoAnswersIsNotOneHolder) {
  using Lines = std::vector<std::string>;
  ProbeLog log = log_of("....");
  EXPECT_EQ(not_as_promised(judge(log, kSlow), {}), Lines{}) << "it was not to be asked";
  log.arp_watched = true;
  const Lines blind{"nobody ever answered ARP: who had the VIP was not seen"};
  EXPECT_EQ(not_as_promised(judge(log, kSlow), {}), blind) << "no question could be sent";
  log.rounds = {{0ms, {}}, {5ms, {}}};
  EXPECT_EQ(not_as_promised(judge(log, kSlow), {}), blind);
  log.rounds[1].answers = {kOne};
  EXPECT_EQ(not_as_promised(judge(log, kSlow), {}), Lines{});
}

TEST(ProbeLog, AStallInWhichNoTryFailsIsSeen) {
  ProbeLog log = log_of(".");
  for (Duration at = 5ms; at <= 200ms; at += 5ms) log.tries.push_back({.begun = at, .ended = 201ms, .end = TryEnd::kAnswered});
  const Verdict v = judge(log, kSlow);
  EXPECT_EQ(v.failed, 0U);
  EXPECT_EQ(v.silence, 200ms);
  using Lines = std::vector<std::string>;
  EXPECT_EQ(not_as_promised(v, {.outage_max = 0ms, .interval = 5ms}), Lines{"for 200.0 ms no try was answered, promised 0"});
  EXPECT_EQ(not_as_promised(v, {.outage_max = 150ms, .interval = 5ms}), Lines{}) << "50 ms are a busy machine's";
  EXPECT_EQ(judge(log_of("..RRR.."), kSlow).silence, 20ms) << "from the answer before to the one after";
  EXPECT_EQ(judge(log_of("RRR.."), kSlow).silence, 5ms) << "before the first nobody knows";
}

TEST(ProbeLog, AProberThatWasLateItselfHasMeasuredNothing) {
  const Verdict v = judge(log_of("...."), kSlow);
  const auto lines = [&](Duration promised, Duration late) {
    return not_as_promised(v, {.outage_max = promised, .interval = 5ms, .late = late}).size();
  };
  EXPECT_EQ(lines(0ms, 20ms), 0U);
  EXPECT_EQ(lines(0ms, 21ms), 1U);
  EXPECT_EQ(lines(2s, 900ms), 0U);
  EXPECT_EQ(lines(2s, 1100ms), 1U);
}

TEST(ProbeLog, AnsweredForEndsAtTheNewestTryThatWasNot) {
  EXPECT_EQ(answered_for({}, kSlow), 0ms);
  EXPECT_EQ(answered_for(log_of("....."), kSlow), 20ms);
  EXPECT_EQ(answered_for(log_of("..T..."), kSlow), 10ms);
  EXPECT_EQ(answered_for(log_of("..T"), kSlow), 0ms);
  EXPECT_EQ(answered_for(log_of("..s.."), kSlow), 5ms);
  EXPECT_EQ(answered_for(log_of("..o.."), kSlow), 20ms) << "it may still be answered";
  EXPECT_EQ(answered_for(log_of("..o.."), 5ms), 5ms) << "not any more: a daemon that hangs refuses nobody";
}

TEST(ProbeLog, TheJsonHasEachChangeOfWhoAnswers) {
  ProbeLog log = log_of(".TT.");
  log.rounds = {{0ms, {kOne}}, {5ms, {kOne}}, {10ms, {}}, {15ms, {kTwo}}};
  auto json = boost::json::parse(to_json(log, judge(log, kSlow)));
  EXPECT_EQ(json.at("arp_watched"), false);
  log.arp_watched = true;
  json = boost::json::parse(to_json(log, judge(log, kSlow)));
  EXPECT_EQ(json.at("arp_watched"), true);
  EXPECT_EQ(json.at("outage_ms").to_number<double>(), 11);
  EXPECT_EQ(json.at("answered_by").as_array().size(), 3U);
  EXPECT_EQ(json.at_pointer("/answered_by/2/answered_by/0"), "02:00:00:00:00:02");
  EXPECT_EQ(json.at_pointer("/gaps/0/failed").to_number<int>(), 2);
}

}  // namespace
}  // namespace fairlead::drill
