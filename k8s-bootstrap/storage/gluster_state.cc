// fairlead: pure
#include "k8s-bootstrap/storage/gluster_state.h"

#include <charconv>
#include <fmt/format.h>
#include <optional>
#include <pugixml.hpp>

#include "k8s-bootstrap/facts/fact_words.h"

namespace fairlead::bootstrap {
namespace {

constexpr std::size_t kItemsMax = 4096;
constexpr std::size_t kTextMax = std::size_t{16} << 20U;

std::string text_of(const pugi::xml_node& node, const char* child) { return printable(trimmed(node.child(child).child_value())); }

template <class N>
std::optional<N> number_of(const pugi::xml_node& node, const char* child) {
  return number<N>(trimmed(node.child(child).child_value()));
}

struct Answer {
  pugi::xml_document document;
  pugi::xml_node root;
  std::string refusal;  ///< Not empty: opRet is not 0.
};

/// Errors: GS1.
Status read(std::string_view xml, std::string_view command, Answer& into) {
  if (xml.size() > kTextMax) return Error{Errc::kLimitExceeded, fmt::format("gluster {}: {} bytes", command, xml.size())};
  // No entities are made, no file is fetched: pugixml knows neither.
  const auto parsed = into.document.load_buffer(xml.data(), xml.size(), pugi::parse_default, pugi::encoding_utf8);
  into.root = into.document.child("cliOutput");
  if (!parsed || !into.root) {
    std::string said = printable(trimmed(xml.substr(0, 200)));
    return Error{Errc::kUnavailable, fmt::format("gluster {}: {}", command, said.empty() ? "no answer" : said)};
  }
  const auto code = number_of<int>(into.root, "opRet");
  if (!code) return Error{Errc::kUnavailable, fmt::format("gluster {}: an answer without its result", command)};
  if (*code == 0) return {};
  into.refusal = text_of(into.root, "opErrstr");
  if (into.refusal.empty()) into.refusal = text_of(into.root, "output");
  if (into.refusal.empty()) into.refusal = fmt::format("result {}", *code);
  return {};
}

Error refused(std::string_view command, const Answer& answer) {
  return {Errc::kRefused, fmt::format("gluster {}: {}", command, answer.refusal)};
}
Error odd(std::string_view command, std::string_view what) {
  return {Errc::kUnavailable, fmt::format("gluster {}: {} is not understood", command, what)};
}

/// Of a part that must be there.
Result<pugi::xml_node> part(const Answer& answer, std::string_view command, const char* name) {
  if (!answer.refusal.empty()) return refused(command, answer);
  const pugi::xml_node node = answer.root.child(name);
  if (!node) return odd(command, "an answer without <" + std::string(name) + ">");
  return node;
}

std::string word(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

Result<GlusterVolumeInfo> volume_of(const pugi::xml_node& node) {
  GlusterVolumeInfo out;
  out.name = text_of(node, "name");
  out.id = text_of(node, "id");
  const auto status = number_of<unsigned>(node, "status");
  const auto replica = number_of<std::uint32_t>(node, "replicaCount");
  const auto arbiter = number_of<std::uint32_t>(node, "arbiterCount");
  const auto count = number_of<std::size_t>(node, "brickCount");
  if (out.name.empty() || out.id.empty() || !status || *status > 2 || !replica || !arbiter || !count)
    return odd("volume info", "volume " + (out.name.empty() ? std::string("?") : out.name));
  out.status = static_cast<GlusterVolumeInfo::Status>(*status);
  out.replica = *replica;
  out.arbiter = *arbiter;
  for (const pugi::xml_node& each : node.child("bricks").children("brick")) {
    if (out.bricks.size() >= kItemsMax) break;
    GlusterBrick brick;
    brick.name = text_of(each, "name");
    brick.host_uuid = text_of(each, "hostUuid");
    brick.arbiter = text_of(each, "isArbiter") == "1";
    if (brick.name.find(":/") == std::string::npos) return odd("volume info", "a brick of volume " + out.name);
    out.bricks.push_back(std::move(brick));
  }
  if (out.bricks.size() != *count)
    return odd("volume info", fmt::format("{} bricks of volume {} that are {}", *count, out.name, out.bricks.size()));
  for (const pugi::xml_node& each : node.child("options").children("option")) {
    if (out.options.size() < kItemsMax) out.options[text_of(each, "name")] = text_of(each, "value");
  }
  return out;
}

}  // namespace

Result<std::vector<GlusterPeer>> read_gluster_peers(std::string_view xml) {
  constexpr std::string_view kCommand = "peer status";
  Answer answer;
  if (auto fine = read(xml, kCommand, answer); !fine) return fine.error();
  auto list = part(answer, kCommand, "peerStatus");
  if (!list) return list.error();
  std::vector<GlusterPeer> out;
  for (const pugi::xml_node& node : list->children("peer")) {
    if (out.size() >= kItemsMax) return Error{Errc::kLimitExceeded, "gluster peer status: too many peers"};
    GlusterPeer peer;
    peer.uuid = text_of(node, "uuid");
    const auto connected = number_of<unsigned>(node, "connected");
    const auto state = number_of<int>(node, "state");
    peer.names.push_back(text_of(node, "hostname"));
    for (const pugi::xml_node& name : node.child("hostnames").children("hostname")) {
      const std::string text = printable(trimmed(name.child_value()));
      if (text != peer.names.front() && peer.names.size() < kItemsMax) peer.names.push_back(text);
    }
    if (peer.uuid.empty() || peer.names.front().empty() || !connected || !state) return odd(kCommand, "a peer");
    peer.connected = *connected == 1;
    peer.state = *state;
    peer.state_text = text_of(node, "stateStr");
    out.push_back(std::move(peer));
  }
  return out;
}

Result<std::vector<GlusterVolumeInfo>> read_gluster_volumes(std::string_view xml) {
  constexpr std::string_view kCommand = "volume info";
  Answer answer;
  if (auto fine = read(xml, kCommand, answer); !fine) return fine.error();
  auto info = part(answer, kCommand, "volInfo");
  if (!info) return info.error();
  const pugi::xml_node volumes = info->child("volumes");
  const auto count = number_of<std::size_t>(volumes, "count");
  if (!count) return odd(kCommand, "an answer without the number of volumes");
  std::vector<GlusterVolumeInfo> out;
  for (const pugi::xml_node& node : volumes.children("volume")) {
    if (out.size() >= kItemsMax) return Error{Errc::kLimitExceeded, "gluster volume info: too many volumes"};
    auto volume = volume_of(node);
    if (!volume) return volume.error();
    out.push_back(std::move(*volume));
  }
  if (out.size() != *count) return odd(kCommand, fmt::format("{} volumes that are {}", *count, out.size()));
  return out;
}

Result<std::vector<GlusterProcess>> read_gluster_status(std::string_view xml) {
  constexpr std::string_view kCommand = "volume status";
  Answer answer;
  if (auto fine = read(xml, kCommand, answer); !fine) return fine.error();
  auto status = part(answer, kCommand, "volStatus");
  if (!status) return status.error();
  std::vector<GlusterProcess> out;
  for (const pugi::xml_node& volume : status->child("volumes").children("volume")) {
    for (const pugi::xml_node& node : volume.children("node")) {
      if (out.size() >= kItemsMax) return Error{Errc::kLimitExceeded, "gluster volume status: too many processes"};
      GlusterProcess process;
      process.host = text_of(node, "hostname");
      process.path = text_of(node, "path");
      const auto online = number_of<int>(node, "status");
      if (process.host.empty() || process.path.empty() || !online) return odd(kCommand, "a process");
      process.online = *online == 1;
      process.size_bytes = number_of<std::uint64_t>(node, "sizeTotal").value_or(0);  // Not told of one that is offline.
      process.free_bytes = number_of<std::uint64_t>(node, "sizeFree").value_or(0);
      out.push_back(std::move(process));
    }
  }
  return out;
}

Result<std::vector<GlusterHeal>> read_gluster_heal(std::string_view xml) {
  constexpr std::string_view kCommand = "volume heal info summary";
  Answer answer;
  if (auto fine = read(xml, kCommand, answer); !fine) return fine.error();
  auto info = part(answer, kCommand, "healInfo");
  if (!info) return info.error();
  std::vector<GlusterHeal> out;
  for (const pugi::xml_node& node : info->child("bricks").children("brick")) {
    if (out.size() >= kItemsMax) return Error{Errc::kLimitExceeded, "gluster volume heal info: too many bricks"};
    GlusterHeal heal;
    heal.brick = text_of(node, "name");
    if (heal.brick.empty()) return odd(kCommand, "a brick");
    heal.connected = word(text_of(node, "status")) == "connected";
    // "-" where the brick is not connected (GS2).
    heal.pending = number_of<std::uint64_t>(node, "totalNumberOfEntries");
    heal.split_brain = number_of<std::uint64_t>(node, "numberOfEntriesInSplitBrain");
    out.push_back(std::move(heal));
  }
  if (out.empty()) return odd(kCommand, "an answer without bricks");
  return out;
}

Result<GlusterQuotas> read_gluster_quotas(std::string_view xml) {
  constexpr std::string_view kCommand = "volume quota list";
  Answer answer;
  if (auto fine = read(xml, kCommand, answer); !fine) return fine.error();
  GlusterQuotas out;
  if (word(answer.refusal).find("quota is disabled") != std::string::npos ||
      word(answer.refusal).find("quota is not enabled") != std::string::npos)
    return out;
  if (!answer.refusal.empty() && word(answer.refusal).find("no quota configured") == std::string::npos) return refused(kCommand, answer);
  out.enabled = true;
  for (const pugi::xml_node& node : answer.root.child("volQuota").children("limit")) {
    if (out.limits.size() >= kItemsMax) return Error{Errc::kLimitExceeded, "gluster volume quota list: too many limits"};
    GlusterQuota quota;
    quota.path = text_of(node, "path");
    const auto limit = number_of<std::uint64_t>(node, "hard_limit");
    if (quota.path.empty() || !limit) return odd(kCommand, "a limit");
    quota.limit_bytes = *limit;
    quota.used_bytes = number_of<std::uint64_t>(node, "used_space");
    out.limits.push_back(std::move(quota));
  }
  return out;
}

Result<GlusterRebalance> read_gluster_rebalance(std::string_view xml) {
  constexpr std::string_view kCommand = "volume rebalance status";
  Answer answer;
  if (auto fine = read(xml, kCommand, answer); !fine) return fine.error();
  GlusterRebalance out;
  out.status = "not started";
  const std::string why = word(answer.refusal);
  if (why.find("not started") != std::string::npos || why.find("not a distribute volume") != std::string::npos) return out;
  auto info = part(answer, kCommand, "volRebalance");
  if (!info) return info.error();
  const pugi::xml_node sum = info->child("aggregate");
  out.status = word(text_of(sum, "statusStr"));
  if (out.status.empty()) return odd(kCommand, "an answer without a status");
  for (const auto& [name, into] :
       {std::pair{"files", &out.files}, {"size", &out.bytes}, {"failures", &out.failures}, {"skipped", &out.skipped}}) {
    const auto value = number_of<std::uint64_t>(sum, name);
    if (!value) return odd(kCommand, fmt::format("an answer without <{}>", name));
    *into = *value;
  }
  return out;
}

}  // namespace fairlead::bootstrap
