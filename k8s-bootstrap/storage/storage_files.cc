// fairlead: pure
#include "k8s-bootstrap/storage/storage_files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "k8s-bootstrap/site/versions.h"
#include "k8s-bootstrap/storage/metrics_text.h"
#include "k8s-bootstrap/storage/storage_layout.h"

namespace fairlead::bootstrap {
namespace {

constexpr std::string_view kWritten = "# Written by fairlead bootstrap.\n";
constexpr std::string_view kUnits = "/etc/systemd/system/";
constexpr std::string_view kPrograms = "/usr/local/lib/fairlead/";

RenderedFile unit(std::string_view name, std::string text, std::string applies) {
  return {std::string(kUnits) + std::string(name), std::string(kWritten) + std::move(text), 0644, std::move(applies)};
}

/// glusterd waits for the attempt, and not for its success: the other bricks of the machine serve without it.
RenderedFile brick_unit(const Brick& brick) {
  return unit(mount_unit(brick_mount(brick)),
              fmt::format("[Unit]\nDescription=Brick {0} of Gluster\nBefore=glusterd.service\n\n[Mount]\nWhat={1}\nWhere={2}\nType=xfs\n"
                          "Options=rw,noatime,inode64,nofail\n\n[Install]\nWantedBy=multi-user.target glusterd.service\n",
                          brick.name, brick_device(brick), brick_mount(brick)),
              "systemctl daemon-reload\n");
}

/// One server tells the client of all bricks; any of them can.
RenderedFile volume_unit(const Site& site, const GlusterVolume& volume) {
  std::vector<std::string> servers;
  for (const Machine* owner : brick_owners(site, volume)) servers.push_back(site.fqdn(*owner));
  const std::string first = servers.empty() ? std::string() : servers.front();
  if (!servers.empty()) servers.erase(servers.begin());
  const std::string name = mount_unit(volume.mount_path);
  return unit(
      name,
      fmt::format(
          "[Unit]\nDescription=Gluster volume {0}\nWants=network-online.target\nAfter=network-online.target\n\n[Mount]\nWhat={1}:/{0}\n"
          "Where={2}\nType=glusterfs\nOptions=_netdev,nofail,backup-volfile-servers={3},log-level=WARNING\nTimeoutSec=60\n\n"
          "[Install]\nWantedBy=remote-fs.target\n",
          volume.name, first, volume.mount_path, fmt::join(servers, ":")),
      fmt::format("mkdir -p '{}'\nsystemctl daemon-reload\nsystemctl enable '{}'\n", volume.mount_path, name));
}

/// A mount that failed at boot, since too few servers were there yet, is not tried again by systemd itself.
std::vector<RenderedFile> late_mounts(const std::vector<const GlusterVolume*>& volumes) {
  std::string script = "#!/bin/sh\n" + std::string(kWritten) + "# Starts the mounts of Gluster volumes that are not there.\n";
  for (const GlusterVolume* volume : volumes)
    script += fmt::format("systemctl is-active --quiet '{0}' || systemctl start '{0}' || true\n", mount_unit(volume->mount_path));
  return {
      {std::string(kPrograms) + "storage-mounts", script, 0755, ""},
      unit("fairlead-storage-mounts.service",
           fmt::format("[Unit]\nDescription=Mounts of Gluster volumes whose servers came late\nAfter=network-online.target\n\n[Service]\n"
                       "Type=oneshot\nExecStart={}storage-mounts\n",
                       kPrograms),
           "systemctl daemon-reload\n"),
      unit("fairlead-storage-mounts.timer",
           "[Unit]\nDescription=Every 15 s: are Gluster volumes "
           "mounted?\n\n[Timer]\nOnBootSec=15s\nOnUnitInactiveSec=15s\nAccuracySec=1s\n\n"
           "[Install]\nWantedBy=timers.target\n",
           "systemctl daemon-reload\nsystemctl enable fairlead-storage-mounts.timer\nsystemctl start fairlead-storage-mounts.timer\n")};
}

std::vector<RenderedFile> metrics() {
  return {
      {std::string(kPrograms) + "gluster-metrics", std::string(kMetricsText), 0755, ""},
      unit("fairlead-gluster-metrics.service",
           fmt::format("[Unit]\nDescription=State of Gluster for node_exporter\nAfter=glusterd.service\n\n[Service]\nType=oneshot\n"
                       "ExecStart={}gluster-metrics\nTimeoutStartSec=55s\n",
                       kPrograms),
           "systemctl daemon-reload\n"),
      unit("fairlead-gluster-metrics.timer",
           "[Unit]\nDescription=Every minute: the state of "
           "Gluster\n\n[Timer]\nOnBootSec=60s\nOnUnitInactiveSec=60s\nRandomizedDelaySec=15s\n\n"
           "[Install]\nWantedBy=timers.target\n",
           "systemctl daemon-reload\nsystemctl enable fairlead-gluster-metrics.timer\nsystemctl start fairlead-gluster-metrics.timer\n")};
}

/// The nodes on which the directory is to be had: a pod comes to no other.
std::string node_names(const Site& site, const GlusterVolume& volume) {
  std::vector<std::string> names;
  for (const Machine* machine : mounting_machines(site, volume)) names.push_back(fmt::format("\"{}\"", machine->name));
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string persistent_volume(const Site& site, const PersistentVolume& each) {
  const GlusterVolume* volume = site.volume(each.volume);
  if (volume == nullptr) return {};
  // A directory below the mount: without the mount it is not there, and a pod waits instead of writing to the node's own disk.
  return fmt::format(R"yaml(---
apiVersion: v1
kind: PersistentVolume
metadata:
  name: "{0}"
  labels: {{"fairlead/volume": "{1}"}}
spec:
  capacity: {{storage: "{2}"}}
  accessModes: ["{3}"]
  volumeMode: Filesystem
  persistentVolumeReclaimPolicy: Retain
  storageClassName: ""
  local: {{path: "{4}/{0}"}}
  nodeAffinity:
    required:
      nodeSelectorTerms:
        - matchExpressions:
            - {{key: kubernetes.io/hostname, operator: In, values: [{5}]}}
)yaml",
                     each.name, each.volume, each.size, each.access, volume->mount_path, node_names(site, *volume));
}

/// local-path-provisioner knows one shared file system per class by `storageClassConfigs`.
std::string shared_classes(const Site& site) {
  std::string classes;
  std::string configs;
  for (const SharedClass& each : site.gluster->storage_classes) {
    const GlusterVolume* volume = site.volume(each.volume);
    if (volume == nullptr) continue;
    configs += fmt::format("{}\"{}\": {{\"sharedFileSystemPath\": \"{}/{}\"}}", configs.empty() ? "" : ", ", each.name, volume->mount_path,
                           kSharedFolder);
    classes += fmt::format(
        "---\napiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata:\n  name: \"{}\"\nprovisioner: rancher.io/local-path\n"
        "reclaimPolicy: Delete\nvolumeBindingMode: Immediate\n",
        each.name);
  }
  if (classes.empty()) return {};
  return fmt::format(R"yaml(---
apiVersion: v1
kind: ConfigMap
metadata: {{name: local-path-config, namespace: local-path-storage}}
data:
  config.json: |
    {{"storageClassConfigs": {{{0}}}}}
  setup: |
    #!/bin/sh
    set -eu
    mkdir -m 0777 -p "$VOL_DIR"
  teardown: |
    #!/bin/sh
    set -eu
    rm -rf "$VOL_DIR"
  helperPod.yaml: |
    apiVersion: v1
    kind: Pod
    metadata: {{name: helper-pod}}
    spec:
      containers:
        - {{name: helper-pod, image: {1}, imagePullPolicy: IfNotPresent}}
)yaml",
                     configs, kBusybox) +
         classes;
}

}  // namespace

std::vector<RenderedFile> storage_files(const Site& site, const Machine& machine) {
  std::vector<RenderedFile> out;
  if (!has_storage(site, machine)) return out;
  if (machine.has(Role::kStorage)) {
    for (const Brick& brick : machine.bricks) {
      if (is_on_disk(brick)) out.push_back(brick_unit(brick));
    }
    for (RenderedFile& file : metrics()) out.push_back(std::move(file));
  }
  const auto volumes = mounts_of(site, machine);
  for (const GlusterVolume* volume : volumes) out.push_back(volume_unit(site, *volume));
  if (!volumes.empty()) {
    for (RenderedFile& file : late_mounts(volumes)) out.push_back(std::move(file));
  }
  return out;
}

std::string storage_manifest(const Site& site) {
  if (!site.gluster) return {};
  std::string out;
  for (const PersistentVolume& each : site.gluster->persistent_volumes) out += persistent_volume(site, each);
  out += shared_classes(site);
  return out.empty() ? out : std::string(kWritten) + out;
}

std::string kadalu_manifest(const Site& site) {
  if (!site.gluster || site.gluster->kadalu.empty()) return {};
  std::string out =
      "# Written by fairlead. Kadalu's last change is of January 2024: nobody mends it when Kubernetes changes. Not tested by us, and not\n"
      "# applied by `fairlead bootstrap apply`. persistent_volumes and storage_classes of the site need nothing of it.\n";
  for (const std::string& name : site.gluster->kadalu) {
    const GlusterVolume* volume = site.volume(name);
    if (volume == nullptr) continue;
    const auto owners = brick_owners(site, *volume);
    out += fmt::format(
        "---\napiVersion: kadalu-operator.storage/v1alpha1\nkind: KadaluStorage\nmetadata: {{name: \"{0}\"}}\nspec:\n  type: External\n"
        "  pvReclaimPolicy: retain\n  single_pv_per_pool: false\n  details:\n    gluster_host: \"{1}\"\n    gluster_volname: \"{0}\"\n"
        "    gluster_options: log-level=WARNING\n",
        name, owners.empty() ? std::string() : site.fqdn(*owners.front()));
  }
  return out;
}

}  // namespace fairlead::bootstrap
