// tests/golden/dnsdhcp/NAME.yaml is a site, NAME.files what dnsmasq gets. FL_UPDATE_GOLDEN=1 writes the latter.
#include "dnsdhcp/dnsmasq_conf.h"
#include "generated/source_dir.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <sstream>

#include "config/derived_vips.h"
#include "config/load.h"
#include "dnsdhcp/lease_book.h"
#include "tests/unit/dnsdhcp/any_site.h"

namespace fairlead::dnsdhcp {
namespace {

namespace fs = std::filesystem;

const RenderPlace kPlace{"/var/lib/fairlead/dhcp", "/usr/lib/fairlead/fairlead-dhcp-event", "fairlead", "fairlead", true};

std::string contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

config::Snapshot site(const std::string& name) {
  const fs::path path = fs::path(FL_SOURCE_DIR) / "tests/golden/dnsdhcp" / (name + ".yaml");
  config::LoadResult read = config::load_text(contents(path), name + ".yaml", {});
  EXPECT_FALSE(has_errors(read.problems)) << format(read.problems.front());
  return read.snapshot ? *read.snapshot : config::Snapshot{};
}

std::string all_files(const Rendered& rendered) {
  std::string out = "== dnsmasq.conf\n" + rendered.conf;
  for (const auto& [name, text] : rendered.hosts) out += "== hosts/" + name + "\n" + text;
  for (const auto& [name, text] : rendered.dhcp_hosts) out += "== dhcp-hosts/" + name + "\n" + text;
  return out;
}

class DnsmasqConfGolden : public ::testing::TestWithParam<const char*> {};

TEST_P(DnsmasqConfGolden, IsWhatTheModelMeans) {
  const auto rendered = render(site(GetParam()), kPlace);
  ASSERT_TRUE(rendered) << rendered.error().message();
  const fs::path expected = fs::path(FL_SOURCE_DIR) / "tests/golden/dnsdhcp" / (std::string(GetParam()) + ".files");
  if (std::getenv("FL_UPDATE_GOLDEN") != nullptr) std::ofstream(expected, std::ios::binary) << all_files(*rendered);
  EXPECT_EQ(contents(expected), all_files(*rendered));
}

INSTANTIATE_TEST_SUITE_P(Sites, DnsmasqConfGolden, ::testing::Values("classic-networks", "everything", "ipv6"), [](const auto& param) {
  std::string name = param.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(DnsmasqConf, MasksAndBroadcastAddressesOfTheClassicNetworksAreComputed) {
  const auto rendered = render(site("classic-networks"), kPlace);
  ASSERT_TRUE(rendered);
  std::vector<std::string> ranges;
  for (const std::string& line : lines_of(rendered->conf)) {
    if (line.starts_with("dhcp-range=")) ranges.push_back(line);
  }
  EXPECT_EQ(ranges, (std::vector<std::string>{
                        "dhcp-range=set:net-mast,192.168.1.2,192.168.1.253,255.255.255.0,192.168.1.255,43200",
                        "dhcp-range=set:net-node,192.168.2.130,192.168.2.253,255.255.255.0,192.168.2.255,43200",
                        "dhcp-range=set:net-glus,192.168.3.2,192.168.3.253,255.255.255.0,192.168.3.255,43200",
                        "dhcp-range=set:net-dmz-bastion,192.168.4.34,192.168.4.61,255.255.255.224,192.168.4.63,43200",
                        "dhcp-range=set:net-dmz-gateways,192.168.4.130,192.168.4.253,255.255.255.128,192.168.4.255,43200",
                    }));
}

TEST(DnsmasqConf, TheClassicNetworkWithoutDhcpHasItsMaskByItsVips) {
  const auto vips = config::derived_vips(site("classic-networks"));
  const auto router = std::find_if(vips.begin(), vips.end(), [](const config::Vip& v) { return v.name == "dmz-api-router"; });
  ASSERT_NE(router, vips.end());
  EXPECT_EQ(router->address.to_string(), "192.168.4.30/27");
  EXPECT_EQ(router->address.broadcast(), *parse_ip_address("192.168.4.31"));
  EXPECT_EQ(router->interface, "enp0s16.41");
}

TEST(DnsmasqConf, MasksOfEveryLength) {
  const std::array<std::pair<const char*, const char*>, 5> cases{{{"10.0.0.0/8", "255.0.0.0"},
                                                                  {"10.0.0.0/9", "255.128.0.0"},
                                                                  {"10.0.0.0/30", "255.255.255.252"},
                                                                  {"10.0.0.0/32", "255.255.255.255"},
                                                                  {"0.0.0.0/0", "0.0.0.0"}}};
  for (const auto& [network, mask] : cases) EXPECT_EQ(netmask_of(*parse_ip_prefix(network)).to_string(), mask) << network;
}

TEST(DnsmasqConf, EachLineSaysWhichKeyItComesFrom) {
  const auto rendered = render(site("everything"), kPlace);
  ASSERT_TRUE(rendered);
  const auto lines = lines_of(rendered->conf);
  ASSERT_EQ(lines.size(), rendered->conf_keys.size());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i] == "dhcp-option=tag:net-mast,114,https://portal.example/a,b") {
      EXPECT_EQ(rendered->conf_keys[i], "dnsdhcp.networks[0].options[0].value");
    }
    if (lines[i].starts_with("server=1.1.1.1")) { EXPECT_EQ(rendered->conf_keys[i], "dnsdhcp.upstream[0]"); }
  }
  EXPECT_NE(std::find(rendered->conf_keys.begin(), rendered->conf_keys.end(), "dnsdhcp.networks[0].options[0].value"),
            rendered->conf_keys.end());
}

TEST(DnsmasqConf, AnswersOnVipsOnly) {
  const auto rendered = render(site("everything"), kPlace);
  ASSERT_TRUE(rendered);
  EXPECT_NE(rendered->conf.find("\nlisten-address=192.168.1.254\nlisten-address=192.168.1.1\n"), std::string::npos);
  for (const std::string& line : lines_of(rendered->conf)) {
    EXPECT_FALSE(line.starts_with("interface=")) << line;
    EXPECT_FALSE(line.starts_with("bind-interfaces")) << line;
  }
  EXPECT_NE(rendered->conf.find("\nbind-dynamic\n"), std::string::npos);
}

// A dnsmasq that is told of more leases than it may have does not start: those of a pool that is smaller now, or of a larger one that
// another gateway has already, are told, too.
TEST(DnsmasqConf, HowManyLeasesThereMayBeIsAboveAllThatTheBookHoldsWhateverTheSite) {
  const auto line_of = [](const config::Snapshot& snapshot) {
    for (const std::string& line : lines_of(render(snapshot, kPlace)->conf)) {
      if (line.starts_with("dhcp-lease-max=")) return line;
    }
    return std::string("none");
  };
  auto small = site("everything");
  small.dnsdhcp->hosts.clear();
  for (config::DhcpNetwork& network : small.dnsdhcp->networks) {
    if (network.pool) network.pool->last = network.pool->first;
  }
  EXPECT_EQ(line_of(small), line_of(site("everything")));
  EXPECT_EQ(line_of(small), line_of(site("classic-networks")));
  EXPECT_EQ(line_of(small), line_of(site("ipv6")));
  EXPECT_GT(std::stoul(line_of(small).substr(15)), kRecordsMax + 1);
}

TEST(DnsmasqConf, APlaceThatNoLineCanSayIsAnError) {
  RenderPlace place = kPlace;
  place.directory = "/" + std::string(1000, 'x');
  EXPECT_EQ(render(site("everything"), place).error().code, Errc::kInvalidArgument);
  place = kPlace;
  place.script = "/x\ndhcp-script=/bin/evil";
  EXPECT_EQ(render(site("everything"), place).error().code, Errc::kInvalidArgument);
  EXPECT_EQ(render(config::Snapshot{}, kPlace).error().code, Errc::kInvalidArgument);
}

/// As dnsmasq reads a line: what stands between the quotes.
std::string unquoted(const std::string& text) {
  std::string out;
  for (std::size_t i = 1; i < text.size() && text[i] != '"'; ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && std::string_view("\"tnebr\\").find(text[i + 1]) != std::string_view::npos) {
      ++i;
      EXPECT_TRUE(text[i] == '"' || text[i] == '\\') << "would become another character: " << text;
    }
    out += text[i];
  }
  return out;
}

const std::set<std::string> kKeywords{"bind-dynamic",
                                      "bogus-priv",
                                      "cache-size",
                                      "dhcp-authoritative",
                                      "dhcp-boot",
                                      "dhcp-duid",
                                      "except-interface",
                                      "interface",
                                      "dhcp-hostsdir",
                                      "dhcp-ignore",
                                      "dhcp-ignore-names",
                                      "dhcp-lease-max",
                                      "dhcp-match",
                                      "dhcp-name-match",
                                      "dhcp-option",
                                      "dhcp-range",
                                      "dhcp-script",
                                      "dhcp-userclass",
                                      "domain",
                                      "domain-needed",
                                      "enable-dbus",
                                      "enable-ra",
                                      "enable-tftp",
                                      "group",
                                      "hostsdir",
                                      "keep-in-foreground",
                                      "leasefile-ro",
                                      "listen-address",
                                      "local",
                                      "log-facility",
                                      "no-hosts",
                                      "no-ping",
                                      "no-poll",
                                      "no-resolv",
                                      "pid-file",
                                      "ra-param",
                                      "script-on-renewal",
                                      "server",
                                      "tftp-no-fail",
                                      "tftp-root",
                                      "user"};

TEST(DnsmasqConfProperty, NoTextBreaksOutOfItsLine) {
  EXPECT_TRUE(rc::check("every line is one of ours", [] {
    const config::Snapshot snapshot = testing::any_site();
    const auto rendered = render(snapshot, kPlace);
    RC_ASSERT(rendered.has_value());
    const auto lines = lines_of(rendered->conf);
    RC_ASSERT(lines.size() == rendered->conf_keys.size());
    std::vector<std::string> roots;
    for (const std::string& line : lines) {
      RC_ASSERT(line.size() <= kConfLineMax);
      if (line.empty() || line.starts_with("# ")) continue;
      RC_ASSERT(kKeywords.contains(line.substr(0, line.find('='))));
      if (line.starts_with("tftp-root=")) roots.push_back(unquoted(line.substr(10)));
    }
    if (snapshot.dnsdhcp->netboot) RC_ASSERT(roots == std::vector<std::string>{snapshot.dnsdhcp->netboot->tftp_root});
    std::map<std::string, long> entries;
    for (const config::DhcpHost& host : snapshot.dnsdhcp->hosts) ++entries[host.name];
    for (const auto& [name, text] : rendered->dhcp_hosts) RC_ASSERT(std::count(text.begin(), text.end(), '\n') == entries[name]);
  }));
}

TEST(DnsmasqConfProperty, NoTwoMachinesHaveOneAddressAndNoneIsInARange) {
  EXPECT_TRUE(rc::check("addresses are apart", [] {
    const config::Snapshot snapshot = testing::any_site();
    const auto rendered = render(snapshot, kPlace);
    RC_ASSERT(rendered.has_value());
    std::vector<std::pair<IpAddress, IpAddress>> ranges;
    for (const std::string& line : lines_of(rendered->conf)) {
      if (!line.starts_with("dhcp-range=")) continue;
      std::vector<std::string> words;
      std::istringstream in(line);
      for (std::string word; std::getline(in, word, ',');) words.push_back(word);
      if (const auto last = parse_ip_address(words[2])) ranges.emplace_back(*parse_ip_address(words[1]), *last);
    }
    std::set<std::string> seen;
    for (const auto& [name, text] : rendered->dhcp_hosts) {
      for (const std::string& line : lines_of(text)) {
        const auto begin = line.find(',') + 1;
        std::string address = line.substr(begin, line.find(',', begin) - begin);
        if (address.starts_with('[')) address = address.substr(1, address.size() - 2);
        RC_ASSERT(seen.insert(address).second);
        const IpAddress value = *parse_ip_address(address);
        for (const auto& [first, last] : ranges) RC_ASSERT(value.family() != first.family() || value < first || value > last);
      }
    }
  }));
}

}  // namespace
}  // namespace fairlead::dnsdhcp
