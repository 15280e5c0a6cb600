// The built program against a real API server: socket, TCP, TLS-less refusals, exit codes.
#include <boost/json.hpp>

#include "tests/contract/admin/api_fixture.h"

namespace fairlead::admin {
namespace {

using testing::run;

class CliProgramTest : public testing::ApiFixture {
 protected:
  [[nodiscard]] testing::Outcome fairlead(const std::string& arguments) const { return run(std::string(FL_CLI_PROGRAM) + " " + arguments); }
  [[nodiscard]] std::string by_socket() const { return "--socket '" + options.socket + "' "; }
  [[nodiscard]] std::string by_http() const { return "--server http://127.0.0.1:" + std::to_string(server->tcp_port()) + " "; }
};

TEST_F(CliProgramTest, ShowsTheStatusOverSocketAndHttp) {
  start();
  for (const auto& way : {by_socket(), by_http()}) {
    const auto shown = fairlead(way + "status --json");
    EXPECT_EQ(shown.exit_code, 0) << shown.output;
    EXPECT_EQ(boost::json::parse(shown.output).at("node"), "gate-1");
  }
}

TEST_F(CliProgramTest, ChangesOverTheSocketOnly) {
  start();
  const auto done = fairlead(by_socket() + "server drain masters/mast-1");
  EXPECT_EQ(done.exit_code, 0) << done.output;
  EXPECT_EQ(node.commands(), std::vector<std::string>{"server masters/mast-1 state drain"});
  const auto refused = fairlead(by_http() + "server drain masters/mast-1");
  EXPECT_EQ(refused.exit_code, 5) << refused.output;
  EXPECT_EQ(node.commands().size(), 1U);
}

TEST_F(CliProgramTest, SaysWhereItLookedWhenNobodyAnswers) {
  const auto missing = fairlead(by_socket() + "status");
  EXPECT_EQ(missing.exit_code, 4);
  EXPECT_NE(missing.output.find(options.socket), std::string::npos) << missing.output;
  EXPECT_NE(missing.output.find("fairleadd"), std::string::npos) << missing.output;

  start();
  const std::string gone = by_http();
  server->stop();
  EXPECT_EQ(fairlead(gone + "status").exit_code, 4);
  EXPECT_EQ(fairlead("--server nonsense status").exit_code, 2);
  EXPECT_EQ(fairlead("--socket " + std::string(200, 'a') + " status").exit_code, 2);
}

TEST_F(CliProgramTest, TheCompletionScriptIsValidBashAndKnowsTheVerbs) {
  const std::string script = (folder / "completion").string();
  ASSERT_EQ(fairlead("completion bash > " + script).exit_code, 0);
  const auto shown = run("bash -c 'source " + script + "; COMP_WORDS=(" + FL_CLI_PROGRAM +
                         " server dr); COMP_CWORD=2; _fairlead; echo \"${COMPREPLY[*]}\"'");
  EXPECT_EQ(shown.output, "drain\n");
}

TEST_F(CliProgramTest, AFullDiskIsNotSuccess) {
  start();
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "this system has no /dev/full";
  EXPECT_EQ(fairlead(by_socket() + "status > /dev/full").exit_code, 1);
}

}  // namespace
}  // namespace fairlead::admin
