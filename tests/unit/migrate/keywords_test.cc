// Whatever word stands in a table is decided about, and a word that stands in none is said to be unknown.
#include <gtest/gtest.h>

#include "migrate/corosync_reader.h"
#include "migrate/haproxy_keywords.h"
#include "migrate/keepalived_keywords.h"
#include "migrate/migrate.h"

namespace fairlead::migrate {
namespace {

std::string example_of(std::string_view name) {
  std::string out(name);
  if (out.ends_with('*')) out.back() = 'x';
  return out;
}

/// A file in which the word stands where it may, and the line it stands on.
std::pair<std::string, int> file_with(const HaproxyKeyword& keyword) {
  const std::string word = example_of(keyword.name);
  const std::string value = keyword.arguments > 0 ? " 5" : "";
  switch (keyword.place) {
    case Place::kGlobal: return {"global\n  " + word + " 5\n", 2};
    case Place::kProxy: {
      const std::string rest = keyword.act == Act::kOptionWord      ? " tcplog"
                               : keyword.act == Act::kTimeoutWord   ? " check 5s"
                               : keyword.act == Act::kBind          ? " 127.0.0.1:80"
                               : keyword.act == Act::kDefaultServer ? " check"
                                                                    : " 5 6";
      return {"listen a\n  " + word + rest + "\n", 2};
    }
    case Place::kOption: return {"listen a\n  option " + word + "\n", 2};
    case Place::kTimeout: return {"listen a\n  timeout " + word + " 5m\n", 2};
    case Place::kBind: return {"listen a\n  bind 127.0.0.1:80 " + word + value + "\n", 2};
    case Place::kServer: return {"listen a\n  server a 127.0.0.1:80 " + word + value + "\n", 2};
    case Place::kResolvers: return {"resolvers a\n  " + word + " valid 5s\n", 2};
  }
  return {};
}

Fate fate_of(const Migration& made, int line) {
  for (const LineFate& fate : made.lines) {
    if (fate.line == line) return fate.fate;
  }
  ADD_FAILURE() << "line " << line << " is not accounted for";
  return Fate::kLeftOut;
}

void expect_decided(const Migration& made, int line, std::string_view word) {
  for (const Note& note : made.notes) {
    EXPECT_EQ(note.reason.find("unknown"), std::string::npos) << word << ": " << format(note);
    if (note.line != line) continue;
    EXPECT_NE(note.reason, "not understood") << word;
    EXPECT_FALSE(note.reason.empty()) << word;
  }
  (void)fate_of(made, line);
}

TEST(HaproxyKeywords, EachIsDecidedAbout) {
  for (const HaproxyKeyword& keyword : haproxy_keywords()) {
    const auto [text, line] = file_with(keyword);
    expect_decided(migrate({{Kind::kHaproxy, "haproxy.cfg", text}}), line, keyword.name);
  }
}

TEST(HaproxyKeywords, WhatIsLeftOutHasAReason) {
  for (const HaproxyKeyword& keyword : haproxy_keywords())
    EXPECT_TRUE(keyword.act != Act::kLeaveOut || !keyword.reason.empty()) << keyword.name;
}

TEST(HaproxyKeywords, StandOnceInTheTable) {
  const auto all = haproxy_keywords();
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t k = 0; k < i; ++k) EXPECT_FALSE(all[i].place == all[k].place && all[i].name == all[k].name) << all[i].name;
  }
}

TEST(HaproxyKeywords, AnUnknownOneIsSaidToBe) {
  const Migration made =
      migrate({{Kind::kHaproxy, "haproxy.cfg", "listen a\n  bind 127.0.0.1:80\n  server a 127.0.0.2:80\n  colour blue\n"}});
  ASSERT_TRUE(made.yaml.has_value());
  EXPECT_EQ(fate_of(made, 4), Fate::kLeftOut);
  ASSERT_FALSE(made.notes.empty());
  EXPECT_NE(made.notes.back().reason.find("unknown"), std::string::npos);
}

std::pair<std::string, int> file_with(const KeepalivedKeyword& keyword) {
  const std::string word = example_of(keyword.name);
  const std::string vip = "vrrp_instance a {\n interface eth0\n virtual_ipaddress {\n 10.0.0.1/24\n }\n}\n";
  switch (keyword.place) {
    case KeepalivedPlace::kTop: return {vip + word + " 5\n", 7};
    case KeepalivedPlace::kGlobal: return {vip + "global_defs {\n " + word + " 5\n}\n", 8};
    case KeepalivedPlace::kInstance: return {vip + "vrrp_instance b {\n " + word + " 5\n}\n", 8};
    case KeepalivedPlace::kScript: return {vip + "vrrp_script b {\n " + word + " 5\n}\n", 8};
    case KeepalivedPlace::kSync: return {vip + "vrrp_sync_group b {\n " + word + " 5\n}\n", 8};
    case KeepalivedPlace::kVirtualServer: return {vip + "virtual_server 10.0.0.1 80 {\n " + word + " 5\n}\n", 8};
    case KeepalivedPlace::kRealServer:
      return {vip + "virtual_server 10.0.0.1 80 {\n real_server 10.0.0.2 80 {\n " + word + " 5\n}\n}\n", 9};
  }
  return {};
}

TEST(KeepalivedKeywords, EachIsDecidedAbout) {
  for (const KeepalivedKeyword& keyword : keepalived_keywords()) {
    const auto [text, line] = file_with(keyword);
    expect_decided(migrate({{Kind::kKeepalived, "keepalived.conf", text}}), line, keyword.name);
  }
}

TEST(CorosyncKeywords, EachIsDecidedAbout) {
  for (const std::string_view word : corosync_words_known()) {
    // "quorum.device.net.host": the sections it stands in, then the key.
    std::string text = "nodelist {\n node {\n ring0_addr: 10.0.0.1\n nodeid: 1\n }\n}\n";
    std::string end;
    int line = 7;
    std::string_view rest = word;
    for (auto dot = rest.find('.'); dot != std::string_view::npos; dot = rest.find('.')) {
      text += std::string(rest.substr(0, dot)) + " {\n";
      end += "}\n";
      rest = rest.substr(dot + 1);
      ++line;
    }
    expect_decided(migrate({{Kind::kCorosync, "corosync.conf", text + std::string(rest) + ": 500\n" + end}}), line, word);
  }
}

}  // namespace
}  // namespace fairlead::migrate
