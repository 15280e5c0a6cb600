#include "admin/drill_results.h"

#include <gtest/gtest.h>

#include "admin/command_codec.h"

namespace fairlead::admin {
namespace {

DrillResult sample() {
  return {.name = "planned",
          .vip = "api",
          .at = WallTime(std::chrono::milliseconds(1706702400250)),
          .passed = false,
          .outage_ms = 23.5,
          .bound_ms = 20,
          .problem = "outage 23.5 ms\nand a \"quote\""};
}

TEST(DrillResults, WhatIsWrittenReadsBack) {
  DrillResult other = sample();
  other.name = "double-failure";
  other.bound_ms.reset();
  other.passed = true;
  const auto back = parse_drill_results(render_drill_results({sample(), other}));
  ASSERT_TRUE(back) << back.error().message();
  ASSERT_EQ(back->size(), 2U);
  EXPECT_EQ(back->front().name, "planned");
  EXPECT_EQ(back->front().vip, "api");
  EXPECT_EQ(back->front().at, sample().at);
  EXPECT_FALSE(back->front().passed);
  EXPECT_EQ(back->front().outage_ms, 23.5);
  EXPECT_EQ(back->front().bound_ms, 20);
  EXPECT_EQ(back->front().problem, sample().problem);
  EXPECT_FALSE(back->back().bound_ms);
}

TEST(DrillResults, AFileThatIsNoneIsRefusedWithThePlace) {
  const std::string good = R"({"name":"planned","at_ms":1,"passed":true,"outage_ms":1})";
  for (const auto& [text, said] : std::vector<std::pair<std::string, std::string>>{
           {"", "not valid JSON"},
           {"[]", "not a JSON object"},
           {"{}", "drills: is missing"},
           {R"({"drills":5})", "drills: not an array"},
           {R"({"drills":[7]})", "drills[0]: not a JSON object"},
           {R"({"drills":[{"name":"planned"}]})", "drills[0].at_ms: is missing"},
           {R"({"drills":[{"name":"nope","at_ms":1,"passed":true,"outage_ms":1}]})", "no drill 'nope'"},
           {R"({"drills":[{"name":"planned","at_ms":-1,"passed":true,"outage_ms":1}]})", "at_ms"},
           {R"({"drills":[{"name":"planned","at_ms":99999999999999999,"passed":true,"outage_ms":1}]})", "at_ms"},
           {R"({"drills":[{"name":"planned","at_ms":1,"passed":true,"outage_ms":-1}]})", "outage_ms"},
           {R"({"drills":[{"name":"planned","at_ms":1,"passed":true,"outage_ms":1e300}]})", "outage_ms"},
           {R"({"drills":[{"name":"planned","at_ms":1,"passed":"yes","outage_ms":1}]})", "passed: not true or false"},
           {R"({"drills":[{"name":"planned","at_ms":1,"passed":true,"outage_ms":1,"color":"red"}]})", "color: unknown key"},
           {R"({"drills":[)" + good + "," + good + "]}", "stands there twice"},
           {R"({"drills":[)" + good + "]", "not valid JSON"},
       }) {
    const auto parsed = parse_drill_results(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_NE(parsed.error().message().find(said), std::string::npos) << text << ": " << parsed.error().message();
  }
}

TEST(DrillResults, ATextOrNameOfAnyLengthIsNotKept) {
  DrillResult result = sample();
  EXPECT_TRUE(check_drill_result(result));
  result.name = "nope";
  EXPECT_EQ(check_drill_result(result).error().code, Errc::kNotFound);
  result = sample();
  result.problem.assign(kDrillProblemBytesMax + 1, 'x');
  EXPECT_FALSE(check_drill_result(result));
  result = sample();
  result.vip.assign(1000, 'v');
  EXPECT_FALSE(check_drill_result(result));
}

TEST(DrillResults, TheCommandSaysTheSameAsTheResult) {
  const auto call = encode_command(RecordDrill{sample()});
  EXPECT_EQ(call.method, "PUT");
  EXPECT_EQ(call.target, "/api/v1/drills/planned/result");
  const auto command = decode_command(ApiCall::kRecordDrill, {{"drill", "planned"}}, call.body);
  ASSERT_TRUE(command) << command.error().message();
  const DrillResult& result = std::get<RecordDrill>(*command).result;
  EXPECT_EQ(result.outage_ms, 23.5);
  EXPECT_EQ(result.bound_ms, 20);
  EXPECT_EQ(result.problem, sample().problem);
  EXPECT_EQ(result.at, WallTime{}) << "the node's own clock says when";
  EXPECT_EQ(describe(*command), "drill planned result failed");
}

TEST(DrillResults, ACallWithoutAVerdictOrWithATimeOfItsOwnIsRefused) {
  EXPECT_FALSE(decode_command(ApiCall::kRecordDrill, {{"drill", "planned"}}, R"({"outage_ms":1})"));
  EXPECT_FALSE(decode_command(ApiCall::kRecordDrill, {{"drill", "planned"}}, R"({"passed":true})"));
  EXPECT_FALSE(decode_command(ApiCall::kRecordDrill, {{"drill", "planned"}}, R"({"passed":true,"outage_ms":1,"at":5})"));
}

}  // namespace
}  // namespace fairlead::admin
