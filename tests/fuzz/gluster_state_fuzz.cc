// Any bytes as what Gluster, a machine's disks and its pool say: no crash, bounds kept, and nothing that was not told becomes a value.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/assert.h"
#include "k8s-bootstrap/storage/gluster_state.h"
#include "k8s-bootstrap/storage/parse_storage.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using namespace fairlead;
using namespace fairlead::bootstrap;

void lists(std::string_view text) {
  if (const auto peers = read_gluster_peers(text)) {
    for (const GlusterPeer& peer : *peers) FL_ASSERT(!peer.uuid.empty() && !peer.names.empty() && !peer.names.front().empty());
  }
  if (const auto volumes = read_gluster_volumes(text)) {
    for (const GlusterVolumeInfo& volume : *volumes) {
      FL_ASSERT(!volume.name.empty() && !volume.id.empty());
      for (const GlusterBrick& brick : volume.bricks) FL_ASSERT(brick.name.find(":/") != std::string::npos);
    }
  }
  if (const auto processes = read_gluster_status(text)) {
    for (const GlusterProcess& process : *processes) FL_ASSERT(!process.host.empty());
  }
  if (const auto heal = read_gluster_heal(text)) FL_ASSERT(!heal->empty());
  if (const auto quotas = read_gluster_quotas(text)) FL_ASSERT(quotas->enabled || quotas->limits.empty());
  if (const auto rebalance = read_gluster_rebalance(text)) FL_ASSERT(!rebalance->status.empty());
}

void machine(std::string_view text) {
  static const StorageQuestions kQuestions = [] {
    StorageQuestions out;
    out.gluster = true;
    BrickQuestion brick;
    brick.name = "brick-1";
    brick.mount = "/srv/bricks/brick-1";
    brick.device = "/dev/sdb";
    brick.group = "fl-brick-1";
    brick.directories = {"pods"};
    out.bricks = {brick};
    out.mounts = {{"/srv/pods", {"shared"}}};
    return out;
  }();
  const auto answer = parse_storage(text, kQuestions);
  if (!answer) return;
  FL_ASSERT(text.find("@end") != std::string_view::npos);
  FL_ASSERT(answer->facts.bricks.size() <= 1 && answer->facts.mounts.size() <= 1 && answer->unread.size() <= 80);
  for (const auto& [name, brick] : answer->facts.bricks) {
    FL_ASSERT(brick.directories.size() <= 1);
    if (brick.disk_has_data == Known::kNo) FL_ASSERT(brick.disk_data.empty() && text.find("blkid 2") != std::string_view::npos);
  }
  if (!answer->facts.peers) FL_ASSERT(answer->facts.running != Known::kYes);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  lists(text);
  machine(text);
  (void)parse_pool(text, "stor-1", {"pods"});
  return 0;
}
