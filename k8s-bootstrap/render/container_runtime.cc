// fairlead: pure
#include "k8s-bootstrap/render/container_runtime.h"

#include <charconv>

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

namespace fairlead::bootstrap {
namespace {

constexpr std::string_view kWritten = "# Written by fairlead bootstrap.\n";
constexpr std::string_view kRestartContainerd =
    "systemctl daemon-reload\nif systemctl is-active --quiet containerd; then systemctl restart containerd; fi\n";
constexpr std::string_view kRestartDocker =
    "systemctl daemon-reload\nfor unit in docker cri-docker; do if systemctl is-active --quiet $unit; then systemctl restart $unit; fi; "
    "done\n";

unsigned number_at(std::string_view version, int index) {
  for (; index > 0; --index) {
    const std::size_t dot = version.find('.');
    if (dot == std::string_view::npos) return 0;
    version.remove_prefix(dot + 1);
  }
  unsigned value = 0;
  std::from_chars(version.data(), version.data() + version.size(), value);
  return value;
}

/// The pause image that kubeadm of each minor version names (its constants.go); the newest known one for later versions.
std::string_view pause_tag(unsigned kubernetes_minor) {
  if (kubernetes_minor >= 36) return "3.10.2";
  if (kubernetes_minor >= 34) return "3.10.1";
  return kubernetes_minor >= 31 ? "3.10" : "3.9";
}

/// As TOML's basic strings have it.
std::string toml(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string config_v2(const Site& site) {
  return std::string(kWritten) + fmt::format(R"(version = 2

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = {}

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/opt/cni/bin"
    conf_dir = "/etc/cni/net.d"

  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/etc/containerd/certs.d"

  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = true
)",
                                             toml(pause_image(site)));
}

std::string config_v3(const Site& site) {
  return std::string(kWritten) + fmt::format(R"(version = 3

[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = {}

[plugins."io.containerd.cri.v1.images".registry]
  config_path = "/etc/containerd/certs.d"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
    SystemdCgroup = true
)",
                                             toml(pause_image(site)));
}

/// Where the registry itself answers: docker.io is a name of Docker's own making.
std::string server_of(std::string_view registry) {
  return registry == "docker.io" ? "https://registry-1.docker.io" : fmt::format("https://{}", registry);
}

std::string with_scheme(const std::string& mirror) { return mirror.find("://") == std::string::npos ? "https://" + mirror : mirror; }

/// "https://mirror" and the folder of a mirror below it, without the API's own "v2" that some people write: "k8s".
struct Mirror {
  std::string server;
  std::string folder;
};
Mirror mirror_of(const std::string& written) {
  std::string url = with_scheme(written);
  while (url.ends_with('/')) url.pop_back();
  const std::size_t slash = url.find('/', url.find("://") + 3);
  if (slash == std::string::npos) return {url, ""};
  std::string folder = url.substr(slash + 1);
  if (folder == "v2") folder.clear();
  if (folder.starts_with("v2/")) folder.erase(0, 3);
  return {url.substr(0, slash), folder};
}

RenderedFile hosts_toml(const std::string& registry, const std::string& written) {
  const Mirror mirror = mirror_of(written);
  // containerd asks SERVER/v2/IMAGE; for an image in a folder of the mirror it must be told the whole path.
  const std::string host = mirror.folder.empty() ? mirror.server : fmt::format("{}/v2/{}", mirror.server, mirror.folder);
  std::string out = std::string(kWritten) + fmt::format("server = {}\n\n[host.{}]\n  capabilities = [\"pull\", \"resolve\"]\n",
                                                        toml(server_of(registry)), toml(host));
  if (!mirror.folder.empty()) out += "  override_path = true\n";
  return {fmt::format("/etc/containerd/certs.d/{}/hosts.toml", registry), out, 0644, ""};
}

RenderedFile containerd_unit() {
  return {"/etc/systemd/system/containerd.service", std::string(kWritten) + R"([Unit]
Description=containerd, the container runtime
Documentation=https://containerd.io
After=network.target local-fs.target

[Service]
Type=notify
ExecStartPre=-/sbin/modprobe overlay
ExecStart=/usr/local/bin/containerd
# Containers outlive a restart of containerd, and their cgroups are its own business.
KillMode=process
Delegate=yes
Restart=always
RestartSec=5
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
OOMScoreAdjust=-999

[Install]
WantedBy=multi-user.target
)",
          0644, std::string(kRestartContainerd)};
}

RenderedFile crictl_yaml(const Site& site) {
  const std::string socket = cri_socket(site);
  return {"/etc/crictl.yaml",
          std::string(kWritten) + fmt::format("runtime-endpoint: {}\nimage-endpoint: {}\ntimeout: 10\ndebug: false\n", socket, socket),
          0644, ""};
}

std::vector<RenderedFile> containerd_files(const Site& site, const Containerd& containerd) {
  std::vector<RenderedFile> out;
  if (containerd.source == RuntimeSource::kUpstream) out.push_back(containerd_unit());
  out.push_back({"/etc/containerd/config.toml", major_number(containerd.version) >= 2 ? config_v3(site) : config_v2(site), 0644,
                 std::string(kRestartContainerd)});
  for (const auto& [registry, mirror] : site.mirrors.images) out.push_back(hosts_toml(registry, mirror));
  return out;
}

RenderedFile docker_daemon(const Site& site) {
  boost::json::object settings{{"exec-opts", {"native.cgroupdriver=systemd"}},
                               {"storage-driver", "overlay2"},
                               {"log-driver", "json-file"},
                               {"log-opts", {{"max-size", "100m"}, {"max-file", "3"}}}};
  if (const auto mirror = site.mirrors.images.find("docker.io"); mirror != site.mirrors.images.end())
    settings["registry-mirrors"] = boost::json::array{boost::json::value(with_scheme(mirror->second))};
  std::string out = "{\n";
  for (const auto& [key, value] : settings) {
    if (out.size() > 2) out += ",\n";
    out += fmt::format("  \"{}\": {}", std::string(key), boost::json::serialize(value));
  }
  return {"/etc/docker/daemon.json", out + "\n}\n", 0644, std::string(kRestartDocker)};
}

std::vector<RenderedFile> cri_dockerd_files(const Site& site) {
  const std::string service = std::string(kWritten) + fmt::format(R"([Unit]
Description=CRI for Docker
Documentation=https://mirantis.github.io/cri-dockerd
After=network-online.target docker.service
Wants=network-online.target
Requires=cri-docker.socket docker.service

[Service]
Type=notify
ExecStart=/usr/bin/cri-dockerd --container-runtime-endpoint fd:// --network-plugin cni --pod-infra-container-image {}
Restart=always
RestartSec=2
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
Delegate=yes
KillMode=process

[Install]
WantedBy=multi-user.target
)",
                                                                  pause_image(site));
  const std::string socket = std::string(kWritten) + R"([Unit]
Description=Socket of the CRI for Docker
PartOf=cri-docker.service

[Socket]
ListenStream=/run/cri-dockerd.sock
SocketMode=0660
SocketUser=root
SocketGroup=docker

[Install]
WantedBy=sockets.target
)";
  return {docker_daemon(site),
          {"/etc/systemd/system/cri-docker.socket", socket, 0644, std::string(kRestartDocker)},
          {"/etc/systemd/system/cri-docker.service", service, 0644, std::string(kRestartDocker)}};
}

}  // namespace

unsigned major_number(std::string_view version) { return number_at(version, 0); }
unsigned minor_number(std::string_view version) { return number_at(version, 1); }

std::string cri_socket(const Site& site) {
  return site.versions.cri_dockerd ? "unix:///run/cri-dockerd.sock" : "unix:///run/containerd/containerd.sock";
}

std::string image_repository(const Site& site) {
  if (const auto keys = site.kubernetes.kubeadm.find("ClusterConfiguration"); keys != site.kubernetes.kubeadm.end() && keys->second) {
    const config::DocNode* own = keys->second->find("imageRepository");
    if (own != nullptr && !own->text.empty()) return own->text;
  }
  const auto mirror = site.mirrors.images.find("registry.k8s.io");
  if (!site.versions.cri_dockerd || mirror == site.mirrors.images.end()) return "registry.k8s.io";
  const Mirror found = mirror_of(mirror->second);
  const std::string host = found.server.substr(found.server.find("://") + 3);
  return found.folder.empty() ? host : host + "/" + found.folder;
}

std::string pause_image(const Site& site) {
  return fmt::format("{}/pause:{}", image_repository(site), pause_tag(minor_number(site.versions.kubernetes)));
}

std::vector<RenderedFile> runtime_files(const Site& site) {
  std::vector<RenderedFile> out;
  if (site.versions.cri_dockerd) {
    out = cri_dockerd_files(site);
  } else if (site.versions.containerd) {
    out = containerd_files(site, *site.versions.containerd);
  }
  if (!out.empty()) out.push_back(crictl_yaml(site));
  return out;
}

}  // namespace fairlead::bootstrap
