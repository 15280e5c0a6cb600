#include "k8s-bootstrap/apply/kubeadm_help.h"

#include <gtest/gtest.h>

#include "k8s-bootstrap/apply/script_output.h"

namespace fairlead::bootstrap {
namespace {

TEST(KubeadmHelp, AnExpiredTokenIsSaidInPlainWords) {
  const auto help = help_for(
      "error execution phase preflight: couldn't validate the identity of the API Server: "
      "could not find a JWS signature in the cluster-info ConfigMap for token ID \"abcdef\"");
  ASSERT_TRUE(help);
  EXPECT_EQ(help->cause, "the join token is unknown or has expired");  // Not the more general sentence before it.
}

TEST(KubeadmHelp, UnknownTextsAreLeftToTheirOwnWords) {
  EXPECT_EQ(help_for("segmentation fault"), std::nullopt);
  const Error error = failure_of({1, "some output\n", "first\nthe last line\n\n"}, false);
  EXPECT_EQ(error.context, "exit code 1: the last line");
}

TEST(KubeadmHelp, OfASecretScriptOnlyTheCodeIsTold) {
  EXPECT_EQ(failure_of({3, "CANARY", "CANARY"}, true).context, "the script ended with exit code 3");
}

TEST(ScriptOutput, TheLastLineOfAGivenNameCounts) {
  EXPECT_EQ(given_value("join-token=a\nxjoin-token=b\njoin-token=c\nrest", "join-token"), "c");
  EXPECT_EQ(given_value("join-token=\n", "join-token"), std::nullopt);
  EXPECT_EQ(given_value("", "join-token"), std::nullopt);
}

}  // namespace
}  // namespace fairlead::bootstrap
