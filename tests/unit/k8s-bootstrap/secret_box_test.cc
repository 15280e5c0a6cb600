#include "k8s-bootstrap/apply/secret_box.h"

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

TEST(SecretBox, AFilledValueIsMasked) {
  SecretBox box;
  box.give("ca-hash", "sha256:00112233");
  EXPECT_EQ(box.mask("hash sha256:00112233"), "hash ********");
}

TEST(SecretBox, TooShortAValueIsNotMasked) {
  SecretBox box;
  box.hide("ab");
  EXPECT_EQ(box.mask("about ab"), "about ab");
}

}  // namespace
}  // namespace fairlead::bootstrap
