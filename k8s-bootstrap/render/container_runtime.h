// fairlead: pure
// The container runtime's files: containerd (configuration version 2 for 1.x, 3 for 2.x), or Docker with cri-dockerd.
//
// Registries' mirrors stand in hosts.toml files below /etc/containerd/certs.d, one folder a registry, which containerd reads anew by
// itself; Docker knows a mirror for docker.io only. Nothing is written to /etc/cni/net.d: that is the CNI's.
#pragma once

#include <string>
#include <vector>

#include "k8s-bootstrap/render/render.h"
#include "k8s-bootstrap/site/site.h"

namespace fairlead::bootstrap {

/// "unix:///run/containerd/containerd.sock"
[[nodiscard]] std::string cri_socket(const Site& site);
/// Where kubeadm takes its images from: what ClusterConfiguration says; else registry.k8s.io. containerd is led to a mirror by hosts.toml
/// and keeps the images' own names; Docker has no such thing, so with cri-dockerd the mirror itself stands here.
[[nodiscard]] std::string image_repository(const Site& site);
/// "registry.k8s.io/pause:3.10.2", of the registry that kubeadm uses; the tag is that of the Kubernetes version.
[[nodiscard]] std::string pause_image(const Site& site);
/// The second number of "1.36.4"; 0 when it has none.
[[nodiscard]] unsigned minor_number(std::string_view version);
/// The first number.
[[nodiscard]] unsigned major_number(std::string_view version);

[[nodiscard]] std::vector<RenderedFile> runtime_files(const Site& site);

}  // namespace fairlead::bootstrap
