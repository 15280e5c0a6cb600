// A site with Gluster, and facts of its machines in the states that matter, for tests of k8s-bootstrap/storage.
#pragma once

#include <string>

#include "k8s-bootstrap/storage/storage_layout.h"
#include "tests/support/bootstrap_site.h"

namespace fairlead::bootstrap::test {

inline Brick disk_brick(const std::string& machine) {
  Brick out;
  out.name = "brick-1";
  out.device = "/dev/disk/by-id/ata-" + machine;
  out.serial = "S-" + machine;
  out.size = 500ULL << 30U;
  return out;
}

/// One control plane, two workers, `storage` machines stor-1, stor-2, ... in a network of their own; volume pods.
inline Site storage_site(int storage = 3) {
  Site out = lab_site({.control_planes = 1, .workers = 2, .gateways = 0});
  out.kubernetes.endpoint = "";
  Network network;
  network.name = "storage";
  network.cidr = prefix("192.168.3.0/24");
  out.networks.push_back(network);
  int host = 21;
  for (Machine& m : out.machines) {
    if (m.has(Role::kWorker)) m.addresses.emplace_back("storage", address("192.168.3." + std::to_string(host++)));
  }
  for (int i = 1; i <= storage; ++i) {
    Machine m = machine("stor-" + std::to_string(i), {Role::kStorage}, "storage", "192.168.3." + std::to_string(10 + i));
    m.bricks = {disk_brick(m.name)};
    out.machines.push_back(m);
  }
  Gluster gluster;
  GlusterVolume pods;
  pods.name = "pods";
  pods.bricks = "brick-1";
  pods.allow = {"storage"};
  pods.mount_path = "/srv/pods";
  gluster.volumes = {pods};
  gluster.persistent_volumes = {{"shared", "pods", 10ULL << 30U, "ReadWriteMany"}};
  out.gluster = gluster;
  return out;
}

inline std::string uuid_of(const std::string& machine) { return "uuid-" + machine; }

/// An empty disk, nothing of Gluster.
inline StorageFacts fresh_storage(const Machine& m) {
  StorageFacts out;
  out.installed = Known::kNo;
  out.running = Known::kNo;
  out.has_peers = out.has_volumes = Known::kNo;
  for (const Brick& brick : m.bricks) {
    BrickFact& fact = out.bricks[brick.name];
    fact.mounted = Known::kNo;
    fact.disk_there = Known::kYes;
    fact.disk = "/dev/sdb";
    fact.disk_serial = brick.serial;
    fact.disk_bytes = 500ULL << 30U;
    fact.disk_in_use = fact.disk_has_data = Known::kNo;
    fact.volume_there = fact.filesystem_there = Known::kNo;
  }
  return out;
}

inline Facts fresh_storage_facts(const Site& site) {
  Facts out = fresh_site_facts(site);
  for (const Machine& m : site.machines) {
    MachineFacts& f = out.machines[m.name];
    if (m.has(Role::kStorage)) f.storage = fresh_storage(m);
    if (mounts_of(site, m).empty()) continue;
    f.storage.emplace();
    for (const GlusterVolume* volume : mounts_of(site, m)) { f.storage->mounts[volume->mount_path].mounted = Known::kNo; }
  }
  return out;
}

inline GlusterVolumeInfo volume_info(const Site& site, const GlusterVolume& volume, std::size_t bricks) {
  GlusterVolumeInfo out;
  out.name = volume.name;
  out.id = "11112222-3333-4444-5555-666677778888";
  out.status = GlusterVolumeInfo::Status::kStarted;
  out.replica = 3;
  out.arbiter = volume.arbiter;
  for (const Machine* m : brick_owners(site, volume)) {
    if (out.bricks.size() < bricks) out.bricks.push_back({brick_name(site, *m, volume), uuid_of(m->name), false});
  }
  out.options = volume_options(site, volume);
  return out;
}
inline std::string volume_id() { return "11112222333344445555666677778888"; }

/// The first `members` storage machines are a pool with the site's volumes, all as it should be; the others are fresh.
inline Facts pool_facts(const Site& site, std::size_t members = 3) {
  Facts out = fresh_storage_facts(site);
  const auto storage = site.with(Role::kStorage);
  for (std::size_t i = 0; i < members; ++i) {
    MachineFacts& f = out.machines[storage[i]->name];
    StorageFacts& s = *f.storage;
    s.installed = s.running = s.has_peers = s.has_volumes = Known::kYes;
    s.version = "10.3";
    s.uuid = uuid_of(storage[i]->name);
    s.op_version = "100000";
    s.peers.emplace();
    for (std::size_t k = 0; k < members; ++k) {
      if (k != i) s.peers->push_back({uuid_of(storage[k]->name), {site.fqdn(*storage[k])}, true, kPeerInCluster, "Peer in Cluster"});
    }
    s.volumes.emplace();
    for (const GlusterVolume& volume : site.gluster->volumes) s.volumes->push_back(volume_info(site, volume, members));
    f.units["glusterd"] = "active enabled";
    BrickFact& brick = s.bricks["brick-1"];
    brick.mounted = Known::kYes;
    brick.source = "/dev/mapper/fl--brick--1-brick";
    brick.filesystem = "xfs";
    brick.directories = {{"pods", volume_id()}};
    brick.served = brick.filled = {"pods"};
    brick.directories_known = Known::kYes;
  }
  PoolFacts pool;
  pool.from = storage.front()->name;
  for (const GlusterVolume& volume : site.gluster->volumes) {
    VolumeFacts& v = pool.volumes[volume.name];
    v.processes.emplace();
    v.heal.emplace();
    for (const GlusterBrick& brick : volume_info(site, volume, members).bricks) {
      const auto colon = brick.name.find(':');
      v.processes->push_back({brick.name.substr(0, colon), brick.name.substr(colon + 1), true, 500ULL << 30U, 400ULL << 30U});
      v.heal->push_back({brick.name, true, 0, 0});
    }
    v.quotas = GlusterQuotas{true, {{"/shared", 10ULL << 30U, 0}}};
    v.rebalance = GlusterRebalance{"not started", 0, 0, 0, 0};
  }
  out.pool = pool;
  for (const Machine& m : site.machines) {
    for (const GlusterVolume* volume : mounts_of(site, m)) {
      MountFact& mount = out.machines[m.name].storage->mounts[volume->mount_path];
      mount.mounted = mount.answers = Known::kYes;
      mount.source = "stor-1.kube.demo:/" + volume->name;
      mount.filesystem = "fuse.glusterfs";
    }
  }
  return out;
}

}  // namespace fairlead::bootstrap::test
