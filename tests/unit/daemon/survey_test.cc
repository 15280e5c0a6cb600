// Questions to all workers: every answer once, and nobody missing without a word (I1, I2).
#include "daemon/survey.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <optional>
#include <thread>

namespace fairlead::daemon {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Sum = Survey<std::size_t>;

class SurveyTest : public ::testing::Test {
 protected:
  std::shared_ptr<Sum> ask(std::size_t workers) {
    room.resize(workers, true);
    return Sum::make(
        workers,
        [this](std::uint32_t worker, const std::shared_ptr<Sum>& survey) {
          if (room[worker]) asked.emplace_back(worker, survey);
          return bool{room[worker]};
        },
        [this](std::size_t sum, std::vector<std::uint32_t> who) {
          ++told;
          total = sum;
          silent = std::move(who);
        });
  }
  static void answer(Sum& survey, std::uint32_t worker, std::size_t n) {
    survey.answer(worker, [n](std::size_t& sum) { sum += n; });
  }
  std::vector<bool> room;
  std::vector<std::pair<std::uint32_t, std::shared_ptr<Sum>>> asked;
  int told = 0;
  std::size_t total = 0;
  std::vector<std::uint32_t> silent;
};

TEST_F(SurveyTest, TheLastAnswerIsTheEnd) {
  const auto survey = ask(2);
  answer(*survey, 1, 5);
  EXPECT_EQ(told, 0);
  EXPECT_FALSE(survey->over());
  answer(*survey, 0, 7);
  EXPECT_EQ(told, 1);
  EXPECT_EQ(total, 12U);
  EXPECT_THAT(silent, IsEmpty());
  EXPECT_TRUE(survey->over());
}

TEST_F(SurveyTest, AFullInboxIsAskedAgainAndTheOthersAreNot) {
  room = {true, false};
  const auto survey = ask(2);
  EXPECT_EQ(asked.size(), 1U);
  survey->ask_again();
  EXPECT_EQ(asked.size(), 1U);
  room[1] = true;
  survey->ask_again();
  survey->ask_again();
  ASSERT_EQ(asked.size(), 2U);
  EXPECT_EQ(asked[1].first, 1U);
}

TEST_F(SurveyTest, WhoDoesNotAnswerIsNamedAndComesTooLate) {
  room = {true, false, true};
  const auto survey = ask(3);
  answer(*survey, 0, 3);
  survey->give_up();
  EXPECT_EQ(told, 1);
  EXPECT_EQ(total, 3U);
  EXPECT_THAT(silent, ElementsAre(1, 2));
  answer(*survey, 2, 9);
  survey->give_up();
  EXPECT_EQ(told, 1);
  EXPECT_EQ(total, 3U);
}

TEST_F(SurveyTest, ASecondAnswerOfOneWorkerDoesNotStandForAnother) {
  const auto survey = ask(2);
  answer(*survey, 0, 3);
  answer(*survey, 0, 3);
  EXPECT_EQ(told, 0);
}

TEST_F(SurveyTest, AnswersFromManyThreadsAreToldOnce) {
  const auto survey = ask(8);
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < 8; ++i) threads.emplace_back([&survey, i] { answer(*survey, i, 1); });
  for (std::thread& t : threads) t.join();
  survey->give_up();
  EXPECT_EQ(told, 1);
  EXPECT_EQ(total, 8U);
}

TEST_F(SurveyTest, TheQuestionKeepsItAliveAndNothingElseDoes) {
  std::weak_ptr<Sum> weak = ask(1);
  EXPECT_FALSE(weak.expired());
  asked.clear();
  EXPECT_TRUE(weak.expired());
}

}  // namespace
}  // namespace fairlead::daemon
