#include "k8s-bootstrap/apply/secret_box.h"

#include "config/document.h"
#include "k8s-bootstrap/plan/plan_json.h"
#include "k8s-bootstrap/plan/plan_text.h"
#include <gtest/gtest.h>

namespace fairlead::bootstrap {
namespace {

TEST(SecretBox, FillsWhatIsKnownAndLeavesOtherTextAlone) {
  SecretBox box;
  box.give("join-token", "abcdef.0123456789abcdef");
  const auto filled = box.fill("kubeadm join --token ${join-token} # ${HOME} ${ ${join-token}");
  ASSERT_TRUE(filled);
  EXPECT_EQ(*filled, "kubeadm join --token abcdef.0123456789abcdef # ${HOME} ${ abcdef.0123456789abcdef");
}

TEST(SecretBox, APlaceholderWithoutAValueIsAnErrorThatNamesIt) {
  const auto filled = SecretBox().fill("key: ${certificate-key}");
  ASSERT_FALSE(filled);
  EXPECT_NE(filled.error().message().find("'certificate-key'"), std::string::npos);
}

TEST(SecretBox, MasksValuesAndTheirBase64AndTheLongerOfTwoFirst) {
  SecretBox box;
  box.hide("CANARY-one");
  box.hide("CANARY-one-and-two");
  EXPECT_EQ(box.mask("a CANARY-one b CANARY-one-and-two c"), "a ******** b ******** c");
  EXPECT_EQ(box.mask("Q0FOQVJZLW9uZQ=="), "********");  // printf CANARY-one | base64
}

TEST(SecretBox, AValueIsMaskedAsItStandsInQuotesToo) {
  SecretBox box;
  box.hide("{\"auth\": \"CAN\\ARY\"}\nnext");
  const std::string yaml = config::render_flow(config::text_node("{\"auth\": \"CAN\\ARY\"}\nnext"));
  EXPECT_EQ(box.mask("password: " + yaml), "password: \"********\"");
  EXPECT_EQ(box.mask(R"({"text":"{\"auth\": \"CAN\\ARY\"}\nnext"})"), R"({"text":"********"})");
}

TEST(SecretBox, AFilledValueIsMasked) {
  SecretBox box;
  box.give("ca-hash", "sha256:00112233");
  EXPECT_EQ(box.mask("hash sha256:00112233"), "hash ********");
}

TEST(SecretBox, APlanIsMaskedInEveryTextItHas) {
  SecretBox box;
  box.hide("CANARY");
  Step step;
  step.title = "writes CANARY";
  step.because = "CANARY differs";
  RunScript script;
  script.script = "echo CANARY";
  script.input = "CANARY\n";
  step.operations = {WriteFile{"/etc/x", "password CANARY\n", 0600, false}, script, WaitFor{"CANARY is there", "grep CANARY /etc/x"},
                     LocalWork{LocalWork::Kind::kHook, {"tell", "CANARY"}}};
  Plan plan;
  plan.steps = {step};
  plan.obstacles = {Obstacle{{"a"}, "CANARY is in the way", "take CANARY away", ""}};
  plan.warnings = {"CANARY is old"};
  const std::string shown = plan_json(masked(plan, box)) + plan_text(masked(plan, box), true);
  EXPECT_EQ(shown.find("CANARY"), std::string::npos) << shown;
  EXPECT_NE(shown.find("password ********"), std::string::npos) << shown;
}

TEST(SecretBox, TooShortAValueIsNotMasked) {
  SecretBox box;
  box.hide("ab");
  EXPECT_EQ(box.mask("about ab"), "about ab");
}

}  // namespace
}  // namespace fairlead::bootstrap
