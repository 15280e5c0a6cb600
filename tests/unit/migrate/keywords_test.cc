// Whatever word stands in a table is decided about, and a word that stands in none is said to be unknown.
#include <algorithm>
#include <array>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

#include "generated/source_dir.h"
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

struct TheirWord {
  std::string place, name;
  int arguments = 0;
};
/// tests/golden/import_words/FILE: what the other program itself says that it knows.
std::vector<TheirWord> their_words(const std::string& file) {
  std::ifstream in(std::string(FL_SOURCE_DIR) + "/tests/golden/import_words/" + file);
  std::vector<TheirWord> out;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with('#')) continue;
    TheirWord word;
    std::istringstream(line) >> word.place >> word.name >> word.arguments;
    out.push_back(std::move(word));
  }
  EXPECT_GT(out.size(), 100U) << file;
  return out;
}
bool matches(std::string_view pattern, std::string_view name) {
  return pattern.ends_with('*') ? name.starts_with(pattern.substr(0, pattern.size() - 1)) : name == pattern;
}

constexpr std::array<std::pair<std::string_view, Place>, 7> kHaproxyPlaces{{{"global", Place::kGlobal},
                                                                            {"proxy", Place::kProxy},
                                                                            {"option", Place::kOption},
                                                                            {"timeout", Place::kTimeout},
                                                                            {"bind", Place::kBind},
                                                                            {"server", Place::kServer},
                                                                            {"resolvers", Place::kResolvers}}};
/// Of versions before and after 2.6.
constexpr std::array<std::string_view, 21> kOtherVersions{"nbproc",
                                                          "setcap",
                                                          "redispatch",
                                                          "monitor-net",
                                                          "guid",
                                                          "grace",
                                                          "appsession",
                                                          "req*",
                                                          "rsp*",
                                                          "max-session-srv-conns",
                                                          "block",
                                                          "forwarded",
                                                          "forceclose",
                                                          "http_proxy",
                                                          "rdp-cookie",
                                                          "client-hs",
                                                          "freebind",
                                                          "quiet",
                                                          "close-spread-time",
                                                          "no-send-proxy-v2-*",
                                                          "monitor"};

TEST(HaproxyKeywords, EachOfHaproxysOwnIsInTheTable) {
  for (const TheirWord& word : their_words("haproxy-2.6")) {
    const auto place =
        std::find_if(kHaproxyPlaces.begin(), kHaproxyPlaces.end(), [&](const auto& known) { return known.first == word.place; });
    ASSERT_NE(place, kHaproxyPlaces.end()) << word.place;
    const HaproxyKeyword* keyword = find_haproxy_keyword(place->second, word.name);
    ASSERT_NE(keyword, nullptr) << word.place << " " << word.name;
    const bool counts = place->second == Place::kBind || place->second == Place::kServer;
    EXPECT_TRUE(!counts || keyword->arguments == word.arguments) << word.name;
  }
}

TEST(HaproxyKeywords, NoneIsInTheTableThatHaproxyDoesNotHave) {
  const auto theirs = their_words("haproxy-2.6");
  for (const HaproxyKeyword& keyword : haproxy_keywords()) {
    const auto place =
        std::find_if(kHaproxyPlaces.begin(), kHaproxyPlaces.end(), [&](const auto& known) { return known.second == keyword.place; });
    const bool known = std::any_of(theirs.begin(), theirs.end(),
                                   [&](const TheirWord& word) { return word.place == place->first && matches(keyword.name, word.name); });
    const bool other = std::find(kOtherVersions.begin(), kOtherVersions.end(), keyword.name) != kOtherVersions.end();
    EXPECT_TRUE(known || other) << place->first << " " << keyword.name;
  }
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

constexpr std::array<std::pair<std::string_view, KeepalivedPlace>, 7> kKeepalivedPlaces{
    {{"top", KeepalivedPlace::kTop},
     {"global", KeepalivedPlace::kGlobal},
     {"instance", KeepalivedPlace::kInstance},
     {"sync", KeepalivedPlace::kSync},
     {"script", KeepalivedPlace::kScript},
     {"virtual_server", KeepalivedPlace::kVirtualServer},
     {"real_server", KeepalivedPlace::kRealServer}}};

TEST(KeepalivedKeywords, EachOfKeepalivedsOwnIsInTheTable) {
  for (const TheirWord& word : their_words("keepalived-2.2")) {
    const auto place =
        std::find_if(kKeepalivedPlaces.begin(), kKeepalivedPlaces.end(), [&](const auto& known) { return known.first == word.place; });
    ASSERT_NE(place, kKeepalivedPlaces.end()) << word.place;
    EXPECT_NE(find_keepalived_keyword(place->second, word.name), nullptr) << word.place << " " << word.name;
  }
}

TEST(KeepalivedKeywords, NoneIsInTheTableThatKeepalivedDoesNotHave) {
  // Of other versions, or not in its manual.
  constexpr std::array<std::string_view, 5> kOthers{"net_namespace*", "use_pid_dir", "lvs_sync_daemon_interface", "thread_timer_expired",
                                                    "linkbeat_use_polling"};
  const auto theirs = their_words("keepalived-2.2");
  for (const KeepalivedKeyword& keyword : keepalived_keywords()) {
    const auto place =
        std::find_if(kKeepalivedPlaces.begin(), kKeepalivedPlaces.end(), [&](const auto& known) { return known.second == keyword.place; });
    const bool known = std::any_of(theirs.begin(), theirs.end(),
                                   [&](const TheirWord& word) { return word.place == place->first && matches(keyword.name, word.name); });
    EXPECT_TRUE(known || std::find(kOthers.begin(), kOthers.end(), keyword.name) != kOthers.end()) << place->first << " " << keyword.name;
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
