// Nonsense is refused with a place and a remedy, in bounded time.
#include <gtest/gtest.h>

#include "config/load.h"
#include "migrate/import_limits.h"
#include "migrate/migrate.h"

namespace fairlead::migrate {
namespace {

constexpr std::array kKinds{Kind::kHaproxy, Kind::kKeepalived, Kind::kCorosync, Kind::kPacemaker};

config::Problem refused(Kind kind, std::string text) {
  const Migration made = migrate({{kind, "file", std::move(text)}});
  EXPECT_FALSE(made.yaml.has_value()) << to_string(kind);
  if (made.problems.empty()) {
    ADD_FAILURE() << "no problem";
    return {};
  }
  EXPECT_FALSE(made.problems.front().hint.empty()) << made.problems.front().message;
  return made.problems.front();
}

TEST(Nonsense, BytesThatAreNoTextAreRefusedAtTheirPlace) {
  for (const Kind kind : kKinds) {
    const auto problem = refused(kind, std::string("global\n ab\0c", 11));
    EXPECT_EQ(problem.line, 2);
    EXPECT_EQ(problem.column, 4);
  }
}

TEST(Nonsense, ALineOfTenMegabytesIsRefused) {
  for (const Kind kind : kKinds) {
    refused(kind, std::string(kInputBytesMax + 1, 'x'));
    EXPECT_NE(refused(kind, std::string(kLineBytesMax + 1, 'x')).message.find("a line of"), std::string::npos);
  }
}

TEST(Nonsense, TooManyLinesAreRefused) {
  for (const Kind kind : kKinds) {
    std::string text;
    for (std::size_t i = 0; i <= kLinesMax; ++i) text += "a\n";
    EXPECT_NE(refused(kind, text).message.find("lines"), std::string::npos);
  }
}

TEST(Nonsense, AFileOfAnotherProgramIsRefusedAndItsLinesAreListed) {
  for (const Kind kind : {Kind::kHaproxy, Kind::kKeepalived, Kind::kCorosync}) {
    const Migration made = migrate({{kind, "file", "to be or not to be\nthat is the question\n"}});
    EXPECT_FALSE(made.yaml.has_value());
    EXPECT_EQ(made.notes.size(), 2U);
  }
}

TEST(Nonsense, EmptyFilesAreRefused) {
  for (const Kind kind : kKinds) refused(kind, "");
}

TEST(Nonsense, ACorosyncConfThatSaysNothingOfAClusterIsRefused) {
  for (const char* text :
       {"totem {\n foo: bar\n}\n", "logging {\n to_syslog: yes\n}\n", "nodelist {\n}\n", "quorum {\n device {\n }\n}\n", "# nothing\n"})
    EXPECT_NE(refused(Kind::kCorosync, text).message.find("nothing"), std::string::npos) << text;
  EXPECT_TRUE(migrate({{Kind::kCorosync, "file", "totem {\n cluster_name: site\n}\n"}}).yaml.has_value());
}

TEST(Nonsense, BracesThatDoNotMatchAreRefused) {
  for (const Kind kind : {Kind::kKeepalived, Kind::kCorosync}) {
    EXPECT_EQ(refused(kind, "a {\n b {\n }\n").line, 1);
    EXPECT_EQ(refused(kind, "a {\n}\n}\n").line, 3);
    std::string deep;
    for (int i = 0; i < 1000; ++i) deep += "a {\n";
    refused(kind, deep);
  }
}

TEST(Nonsense, XmlThatIsBrokenOrDeepIsRefusedOrListed) {
  EXPECT_EQ(refused(Kind::kPacemaker, "<cib>\n<configuration>\n</cib>").line, 3);
  refused(Kind::kPacemaker, "<html/>");
  refused(Kind::kPacemaker, "<!DOCTYPE cib [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>\n<cib>&a;</cib>");
  std::string deep = "<cib>\n<configuration>\n<resources>\n";
  std::string end;
  for (int i = 0; i < 20'000; ++i) {
    deep += "<group id='g'>\n";
    end += "</group>\n";
  }
  refused(Kind::kPacemaker, deep + end + "</resources></configuration></cib>");
}

TEST(Nonsense, StatementsAndBytesOfAllFilesAreBounded) {
  std::string line;
  for (int i = 0; i < 600; ++i) line += "a{}";
  std::string text;
  for (int i = 0; i < 170; ++i) text += line + "\n";
  EXPECT_NE(refused(Kind::kKeepalived, text).message.find("statements"), std::string::npos);
  std::string words;
  for (std::size_t i = 0; i <= kWordsMax; ++i) words += "a ";
  for (const Kind kind : {Kind::kKeepalived, Kind::kCorosync}) EXPECT_NE(refused(kind, words).message.find("words"), std::string::npos);
  std::vector<Input> inputs;
  for (int i = 0; i < 5; ++i) {
    inputs.push_back({Kind::kHaproxy, "file-" + std::to_string(i), {}});
    while (inputs.back().text.size() + kLineBytesMax < kInputBytesMax) inputs.back().text += std::string(kLineBytesMax - 1, '#') + "\n";
  }
  const Migration made = migrate(inputs);
  ASSERT_FALSE(made.problems.empty());
  EXPECT_NE(made.problems.front().message.find("in all files"), std::string::npos);
}

TEST(Nonsense, AFileGivenTwiceIsRefused) {
  const Migration made = migrate({{Kind::kHaproxy, "a", "global\n"}, {Kind::kHaproxy, "a", "global\n"}});
  EXPECT_FALSE(made.yaml.has_value());
  EXPECT_NE(made.problems.front().message.find("twice"), std::string::npos);
}

TEST(Nonsense, AKnownWordInAFormItNeverHasIsListedWithAReason) {
  const std::string vip = "vrrp_instance a {\n interface eth0\n virtual_ipaddress {\n 10.0.0.1/24\n }\n}\n";
  const Migration made = migrate({{Kind::kKeepalived, "a", vip + "include {\n b\n}\n"}});
  ASSERT_EQ(made.notes.size(), 2U);
  for (const Note& note : made.notes) EXPECT_EQ(note.reason, "include is not understood in this form");
}

TEST(Nonsense, FilesThatIncludeEachOtherEnd) {
  std::string text = "vrrp_instance a {\n interface eth0\n virtual_ipaddress {\n 10.0.0.1/24\n }\n}\n";
  for (int i = 0; i < 200; ++i) text += "include *\n";
  const Migration made = migrate({{Kind::kKeepalived, "a", text}, {Kind::kKeepalived, "b", text}});
  EXPECT_FALSE(made.lines.empty());
}

TEST(Nonsense, TooMuchOfEverythingStaysWithinWhatAFileTakes) {
  std::string haproxy = "defaults\n mode tcp\n";
  for (int i = 0; i < 400; ++i)
    haproxy += "listen l" + std::to_string(i) + "\n bind 10.0.0.1:" + std::to_string(1000 + i) + "\n server s 10.0.0.2:1\n";
  std::string keepalived = "vrrp_instance a {\n interface eth0\n virtual_ipaddress {\n";
  for (int i = 1; i < 200; ++i) keepalived += " 10.0.1." + std::to_string(i) + "/24\n";
  keepalived += " }\n unicast_peer {\n";
  for (int i = 1; i < 200; ++i) keepalived += " 10.0.2." + std::to_string(i) + "\n";
  keepalived += " }\n}\n";
  const Migration made = migrate({{Kind::kHaproxy, "h", haproxy}, {Kind::kKeepalived, "k", keepalived}});
  ASSERT_TRUE(made.yaml.has_value());
  const auto loaded = config::load_text(*made.yaml, "made", config::Environment{});
  ASSERT_TRUE(loaded.snapshot.has_value()) << config::format(loaded.problems.front());
  EXPECT_EQ(loaded.snapshot->listeners.size(), 256U);
  EXPECT_EQ(loaded.snapshot->vips.size(), 64U);
  EXPECT_EQ(loaded.snapshot->cluster->nodes.size(), 16U);
}

}  // namespace
}  // namespace fairlead::migrate
