// fairlead: pure
#include "membership/corosync_conf.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include <fmt/format.h>

namespace fairlead::membership {
namespace {

using namespace std::chrono_literals;

/// knet looks at its links each 200 ms: a shorter interval has no effect, a shorter timeout is an error (libknet 1.27).
constexpr Duration kKnetTick = 200ms;
/// origin_of_conf() knows our files by it: it never changes.
constexpr std::string_view kHeader = "# Written by `fairlead cluster render` from fairlead.yaml";

/// fast and min: a link must not be called dead before the token is.
constexpr Duration ping_timeout_of(config::TimingProfile profile) { return profile == config::TimingProfile::kVm ? 400ms : 800ms; }

std::optional<Duration> given(const config::Cluster& cluster, std::string_view name) {
  const auto found =
      std::find_if(cluster.timing.begin(), cluster.timing.end(), [&](const config::TimingKey& key) { return key.name == name; });
  if (found == cluster.timing.end()) return std::nullopt;
  return found->value;
}

/// Corosync knows whole milliseconds; a part of one counts as one.
std::int64_t ms(Duration d) { return std::chrono::ceil<std::chrono::milliseconds>(d).count(); }

class Text {
 public:
  void open(std::string_view name) {
    line(fmt::format("{} {{", name));
    ++depth_;
  }
  void close() {
    --depth_;
    line("}");
  }
  template <class T>
  void set(std::string_view key, const T& value) {
    line(fmt::format("{}: {}", key, value));
  }
  void line(std::string_view text) { text_ += fmt::format("{:{}}{}\n", "", depth_ * 4, text); }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  std::string text_;
  int depth_ = 0;
};

void render_totem(Text& out, const config::Cluster& cluster, const CorosyncTiming& timing) {
  const std::size_t links = cluster.nodes.empty() ? 0 : cluster.nodes.front().links.size();
  out.open("totem");
  out.set("version", 2);
  out.set("cluster_name", cluster.name);
  out.set("transport", "knet");
  if (links > 1) out.set("link_mode", "active");
  out.set("crypto_cipher", "aes256");
  out.set("crypto_hash", "sha256");
  out.set("token", ms(timing.token));
  out.set("token_coefficient", ms(given(cluster, "token_coefficient").value_or(0ms)));
  out.set("consensus", ms(timing.consensus));
  for (const std::string_view key : {"token_retransmit", "hold", "join", "send_join", "merge", "downcheck", "max_network_delay"}) {
    if (const auto value = given(cluster, key)) out.set(key, ms(*value));
  }
  out.set("seqno_unchanged_const", 10);
  for (std::size_t i = 0; i < links; ++i) {
    out.open("interface");
    out.set("linknumber", i);
    out.set("knet_ping_interval", ms(timing.knet_ping_interval));
    out.set("knet_ping_timeout", ms(timing.knet_ping_timeout));
    out.close();
  }
  out.close();
}

std::string_view text_of(config::QdeviceTls tls) {
  switch (tls) {
    case config::QdeviceTls::kOff: return "off";
    case config::QdeviceTls::kOn: return "on";
    case config::QdeviceTls::kRequired: return "required";
  }
  return "required";
}

void render_qdevice(Text& out, const config::Qdevice& qdevice, std::size_t nodes) {
  const bool ffsplit = qdevice.algorithm == config::QdeviceAlgorithm::kFfsplit;
  out.open("device");
  out.set("model", "net");
  out.set("votes", ffsplit ? 1 : std::max<std::size_t>(nodes, 2) - 1);
  out.set("timeout", ms(qdevice.timeout));
  out.set("sync_timeout", ms(qdevice.sync_timeout));
  out.open("net");
  out.set("host", qdevice.host);
  out.set("port", qdevice.port);
  out.set("algorithm", ffsplit ? "ffsplit" : "lms");
  out.set("tls", text_of(qdevice.tls));
  out.close();
  out.close();
}

void render_quorum(Text& out, const config::Cluster& cluster) {
  out.open("quorum");
  out.set("provider", "corosync_votequorum");
  if (cluster.nodes.size() == 2 && !cluster.qdevice) out.set("two_node", 1);
  out.set("wait_for_all", 0);
  if (cluster.qdevice) render_qdevice(out, *cluster.qdevice, cluster.nodes.size());
  out.close();
}

void render_nodes(Text& out, const config::Cluster& cluster) {
  out.open("nodelist");
  for (const config::Node& node : cluster.nodes) {
    out.open("node");
    out.set("name", node.name);
    out.set("nodeid", node.id);
    for (std::size_t i = 0; i < node.links.size(); ++i) out.set(fmt::format("ring{}_addr", i), node.links[i].to_string());
    out.close();
  }
  out.close();
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  const auto begin = text.find_first_not_of(kBlanks);
  return begin == std::string_view::npos ? std::string_view() : text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}
/// "key: value" of a line; a comment and anything else has no key.
std::pair<std::string_view, std::string_view> setting_of(std::string_view line) {
  line = trimmed(line);
  const auto colon = line.find(':');
  if (line.starts_with('#') || colon == std::string_view::npos) return {};
  return {trimmed(line.substr(0, colon)), trimmed(line.substr(colon + 1))};
}

}  // namespace

CorosyncTiming timing_of(const config::Cluster& cluster) {
  CorosyncTiming out;
  out.token = given(cluster, "token").value_or(config::token_of(cluster.profile));
  out.consensus = given(cluster, "consensus").value_or(out.token * 12 / 10);
  out.knet_ping_interval = std::max(given(cluster, "knet_ping_interval").value_or(kKnetTick), kKnetTick);
  const Duration timeout = given(cluster, "knet_ping_timeout").value_or(std::max(ping_timeout_of(cluster.profile), out.token / 2));
  out.knet_ping_timeout = std::max(timeout, kKnetTick);
  return out;
}

RenderedConf render_corosync_conf(const config::Cluster& cluster) {
  const CorosyncTiming timing = timing_of(cluster);
  RenderedConf out;
  for (const std::string_view key : {"knet_ping_interval", "knet_ping_timeout"}) {
    const auto value = given(cluster, key);
    if (value && *value < kKnetTick) {
      out.warnings.push_back(
          fmt::format("{} {} ms is written as {} ms: knet looks at its links no more often", key, ms(*value), ms(kKnetTick)));
    }
  }
  if (given(cluster, "token_coefficient").value_or(0ms) > 0ms && cluster.nodes.size() > 2) {
    out.warnings.emplace_back("token_coefficient makes the token longer than `token` with each node above two, and every takeover with it");
  }
  const bool experimental = cluster.profile == config::TimingProfile::kMin;
  if (experimental) {
    out.warnings.emplace_back(
        "profile min is experimental: for machines of your own without live migration, after `fairlead cluster advise` has found them "
        "quiet");
  }
  Text text;
  text.line(fmt::format("{}, the same for every node. Change that file, not this one.", kHeader));
  if (experimental) text.line("# Profile min is experimental.");
  render_totem(text, cluster, timing);
  render_quorum(text, cluster);
  render_nodes(text, cluster);
  text.open("logging");
  text.set("to_logfile", "no");
  text.set("to_stderr", "no");
  text.set("to_syslog", "yes");
  text.close();
  out.text = text.take();
  return out;
}

ConfOrigin origin_of_conf(std::string_view text) {
  if (text.starts_with(kHeader)) return ConfOrigin::kOurs;
  bool loopback = false;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const auto [key, value] = setting_of(line);
    const bool address = (key.starts_with("ring") && key.ends_with("_addr")) || key == "bindnetaddr" || key == "mcastaddr";
    if (!address) continue;
    if (!value.starts_with("127.")) return ConfOrigin::kForeign;
    loopback = true;
  }
  return loopback ? ConfOrigin::kExample : ConfOrigin::kForeign;
}

}  // namespace fairlead::membership
