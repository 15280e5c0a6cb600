#include "k8s-bootstrap/transport/shell_session.h"

#include <gmock/gmock.h>

#include "base/run_program.h"

namespace fairlead::bootstrap {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(ShellSession, QuotesForAnyShell) {
  EXPECT_EQ(shell_quote("plain"), "'plain'");
  EXPECT_EQ(shell_quote("it's $HOME"), "'it'\\''s $HOME'");
  EXPECT_EQ(shell_quote(""), "''");
}

TEST(ShellSession, TheCommandHoldsTheLengthAndNothingOfTheScript) {
  const RemoteCommand command{.script = "echo secret", .input = "more secret"};
  const std::string text = session_command(command, true);
  EXPECT_TRUE(text.starts_with("sudo -n -- sh -c '"));
  EXPECT_THAT(text, HasSubstr("bs=25 "));
  EXPECT_THAT(text, Not(HasSubstr("secret")));
  EXPECT_THAT(text, Not(HasSubstr("\\"))) << "fish and csh read backslashes in quotes";
  EXPECT_EQ(std::count(text.begin(), text.end(), '\''), 2);
  EXPECT_TRUE(session_command(command, false).starts_with("sh -c '"));
}

/// As a transport does it, by the shell that is given.
Result<ProgramResult> hold(const std::string& shell, const RemoteCommand& command, const std::string& cut_to = {}) {
  ProgramCall call;
  call.argv = {shell, "-c", session_command(command, false)};
  if (shell == "busybox") call.argv.insert(call.argv.begin() + 1, "ash");
  call.input = cut_to.empty() ? session_script(command) + command.input : cut_to;
  return run_program(call);
}

class ShellSessionIn : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Shells, ShellSessionIn, ::testing::Values("dash", "bash", "busybox", "zsh", "fish"),
                         [](const auto& shell) { return shell.param; });

TEST_P(ShellSessionIn, TheScriptGetsItsInputWholeAndItsExitCodeComesBack) {
  std::string bytes;
  for (int i = 0; i < 300'000; ++i) bytes += static_cast<char>(i * 7);
  const RemoteCommand command{.script = "set -eu\necho \"it's\" 'a\\nb' >&2\nwc -c\nexit 7\n", .input = bytes};
  auto done = hold(GetParam(), command);
  if (!done && done.error().code == Errc::kNotFound) GTEST_SKIP() << done.error().message();
  ASSERT_TRUE(done) << done.error().message();
  SessionOutput output;
  EXPECT_EQ(output.take(done->output), "300000\n");
  const SessionErrors errors = read_session_errors(done->errors);
  EXPECT_TRUE(errors.begun);
  EXPECT_EQ(errors.exit_code, 7);
  EXPECT_THAT(errors.errors, HasSubstr("it's a"));
  EXPECT_EQ(done->exit_code, 7);
}

TEST_P(ShellSessionIn, AScriptThatDidNotComeWholeDoesNotRun) {
  const RemoteCommand command{.script = "echo ran\necho ran again\n", .input = {}};
  const std::string whole = session_script(command);
  for (const std::size_t length : {std::size_t{1}, whole.size() / 2, whole.size() - 1}) {
    auto done = hold(GetParam(), command, whole.substr(0, length));
    if (!done && done.error().code == Errc::kNotFound) GTEST_SKIP() << done.error().message();
    ASSERT_TRUE(done);
    EXPECT_THAT(done->output, Not(HasSubstr("ran"))) << length;
    const SessionErrors errors = read_session_errors(done->errors);
    EXPECT_TRUE(errors.came_cut);
    EXPECT_FALSE(errors.begun);
  }
}

TEST_P(ShellSessionIn, ASyntaxErrorOrASignalIsAResult) {
  auto done = hold(GetParam(), {.script = "if then\n", .input = {}});
  if (!done && done.error().code == Errc::kNotFound) GTEST_SKIP() << done.error().message();
  ASSERT_TRUE(done);
  const SessionErrors errors = read_session_errors(done->errors);
  EXPECT_TRUE(errors.begun);
  EXPECT_TRUE(errors.exit_code.has_value()) << done->errors;
  EXPECT_NE(errors.exit_code, 0);
}

TEST(ShellSession, NoiseOfLoginScriptsIsCutOffInAnyPieces) {
  const std::string all = "Welcome!\nfairlead:begi\nfairlead:begin\ndata\nfairlead:begin\n";
  for (std::size_t piece = 1; piece < all.size(); ++piece) {
    SessionOutput output;
    std::string got;
    for (std::size_t at = 0; at < all.size(); at += piece) got += output.take(all.substr(at, piece));
    EXPECT_EQ(got, "data\nfairlead:begin\n") << piece;
  }
  SessionOutput endless;
  for (int i = 0; i < 40; ++i) EXPECT_EQ(endless.take(std::string(100'000, 'x')), "");
}

TEST(ShellSession, TellsWhatRanFromWhatDidNot) {
  SessionErrors errors = read_session_errors("sudo: a password is required\n");
  EXPECT_FALSE(errors.begun);
  EXPECT_EQ(errors.before, "sudo: a password is required\n");
  errors = read_session_errors("noise\nfairlead:begin\nhalf");
  EXPECT_TRUE(errors.begun);
  EXPECT_FALSE(errors.exit_code);
  EXPECT_EQ(errors.errors, "half");
  errors = read_session_errors("fairlead:begin\nfairlead:end 3\nmore\n\nfairlead:end 0\n");
  EXPECT_EQ(errors.exit_code, 0) << "what is said last is ours";
  EXPECT_EQ(errors.errors, "fairlead:end 3\nmore\n");
  for (const char* odd : {"fairlead:begin\nfairlead:end", "fairlead:begin\nfairlead:end x\n", "fairlead:begin\nfairlead:end 999\n",
                          "fairlead:begin\nfairlead:end -1\n", "fairlead:begin\nfairlead:end 12"})
    EXPECT_FALSE(read_session_errors(odd).exit_code) << odd;
}

}  // namespace
}  // namespace fairlead::bootstrap
