#include "membership/corosync_facts.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <tuple>

#include <corosync/cmap.h>
#include <corosync/votequorum.h>

#include "membership/corosync_error.h"

namespace fairlead::membership {
namespace {

constexpr char kLinkKeys[] = "stats.knet.node";
constexpr std::size_t kLinksMax = 1024;  // 128 nodes with 8 links: Corosync's own bound.

}  // namespace

Result<std::unique_ptr<FactsReader>> FactsReader::open() {
  std::unique_ptr<FactsReader> self(new FactsReader);
  cmap_handle_t handle = 0;
  cs_error_t rc = cmap_initialize(&handle);
  if (rc != CS_OK) return corosync_error("cmap_initialize", rc);
  self->cmap_ = handle;
  handle = 0;
  rc = cmap_initialize_map(&handle, CMAP_MAP_STATS);
  if (rc != CS_OK) return corosync_error("cmap_initialize_map", rc);
  self->stats_ = handle;
  votequorum_handle_t votes = 0;
  rc = votequorum_initialize(&votes, nullptr);
  if (rc != CS_OK) return corosync_error("votequorum_initialize", rc);
  self->votes_ = votes;
  return self;
}

FactsReader::~FactsReader() {
  if (cmap_ != 0) cmap_finalize(cmap_);
  if (stats_ != 0) cmap_finalize(stats_);
  if (votes_ != 0) votequorum_finalize(votes_);
}

Result<CorosyncFacts> FactsReader::read() {
  CorosyncFacts out;
  cs_error_t rc = cmap_get_uint32(cmap_, "runtime.config.totem.token", &out.token_ms);
  if (rc != CS_OK) return corosync_error("cmap_get runtime.config.totem.token", rc);
  rc = cmap_get_uint32(cmap_, "runtime.config.totem.consensus", &out.consensus_ms);
  if (rc != CS_OK) return corosync_error("cmap_get runtime.config.totem.consensus", rc);
  char* name = nullptr;
  rc = cmap_get_string(cmap_, "totem.cluster_name", &name);
  if (rc == CS_OK) {
    out.cluster_name = name;
    std::free(name);
  } else if (rc != CS_ERR_NOT_EXIST) {
    return corosync_error("cmap_get totem.cluster_name", rc);
  }
  if (const Status votes = read_votes(out); !votes) return votes.error();
  read_links(out);
  return out;
}

Status FactsReader::read_votes(CorosyncFacts& into) {
  votequorum_info info{};
  const cs_error_t rc = votequorum_getinfo(votes_, 0, &info);  // 0: this node.
  if (rc != CS_OK) return corosync_error("votequorum_getinfo", rc);
  into.node = NodeId{info.node_id};
  into.votes = info.total_votes;
  into.expected_votes = info.highest_expected;
  into.quorum = info.quorum;
  into.two_node = (info.flags & VOTEQUORUM_INFO_TWONODE) != 0;
  into.wait_for_all = (info.flags & VOTEQUORUM_INFO_WAIT_FOR_ALL) != 0;
  into.qdevice_registered = (info.flags & VOTEQUORUM_INFO_QDEVICE_REGISTERED) != 0;
  into.qdevice_alive = (info.flags & VOTEQUORUM_INFO_QDEVICE_ALIVE) != 0;
  into.qdevice_votes = (info.flags & VOTEQUORUM_INFO_QDEVICE_CAST_VOTE) != 0;
  return {};
}

/// For status only: what cannot be read is left out.
void FactsReader::read_links(CorosyncFacts& into) {
  cmap_iter_handle_t iterator = 0;
  if (cmap_iter_init(stats_, kLinkKeys, &iterator) != CS_OK) return;
  char key[CMAP_KEYNAME_MAXLEN + 1];
  std::size_t length = 0;
  cmap_value_types_t type{};
  while (into.links.size() < kLinksMax && cmap_iter_next(stats_, iterator, key, &length, &type) == CS_OK) {
    unsigned node = 0;
    unsigned link = 0;
    int used = 0;
    if (std::sscanf(key, "stats.knet.node%u.link%u.connected%n", &node, &link, &used) != 2 || used == 0 || key[used] != '\0') continue;
    std::uint8_t connected = 0;
    if (cmap_get_uint8(stats_, key, &connected) != CS_OK) continue;
    if (NodeId{node} != into.node) into.links.push_back({NodeId{node}, link, connected != 0});
  }
  cmap_iter_finalize(stats_, iterator);
  std::sort(into.links.begin(), into.links.end(),
            [](const LinkState& a, const LinkState& b) { return std::tie(a.node, a.link) < std::tie(b.node, b.link); });
}

}  // namespace fairlead::membership
