// fairlead: pure
// The table of a site, part 1: the root, and the sections that are small.
#include "k8s-bootstrap/site/site_schema.h"

#include <algorithm>

#include "k8s-bootstrap/site/site_limits.h"
#include "k8s-bootstrap/site/site_root.h"
#include "k8s-bootstrap/site/site_types.h"

namespace fairlead::bootstrap::schema {
namespace {

const Section& ssh_section() {
  static const Section of = make_section<SshAccess>(
      "ssh", "How the machines are reached, by OpenSSH from the operator's machine.",
      {
          field("user", &SshAccess::user, text({.rule = TextRule::kName, .may_be_empty = false, .example = "debian"}),
                "Who logs in. Anybody but root needs sudo without a password."),
          field("key", &SshAccess::key, text({.rule = TextRule::kFree, .may_be_empty = true, .example = "~/.ssh/id_ed25519"}),
                "Private key on the operator's machine; `~/` is the operator's home. Empty: ssh's own choice, agent included."),
          field("jump", &SshAccess::jump,
                list(text({.rule = TextRule::kHost, .may_be_empty = false, .example = "bastion"}), kJumpsMax, "hosts"),
                "Machines of the site, or other hosts (NAME or NAME:PORT), through which the rest is reached. The first is nearest."),
          field("port", &SshAccess::port, number<std::uint16_t>(1, 65535), "Port of sshd."),
          field("parallel", &SshAccess::parallel, number<unsigned>(1, kParallelMax), "Machines worked on at a time."),
          field("connect_timeout", &SshAccess::connect_timeout, duration({.min = 1s, .max = 5min, .zero = {}}),
                "How long a machine may take to answer before it counts as unreachable."),
      });
  return of;
}

const Section& containerd_section() {
  static const Section of = make_section<Containerd>(
      "versions.containerd", "The container runtime.",
      {
          field("version", &Containerd::version, version(), "Exact.", {.required = true}),
          field("source", &Containerd::source,
                choice<RuntimeSource>({{"upstream", RuntimeSource::kUpstream},
                                       {"docker-repository", RuntimeSource::kDockerRepository},
                                       {"debian", RuntimeSource::kDebian}}),
                "upstream: the project's archive, by its SHA-256. docker-repository: Docker's packages (containerd.io). debian: the "
                "distribution's package."),
          field("sha256", &Containerd::sha256, sha256(), "Of the upstream archive. Empty: the sum this release knows."),
      });
  return of;
}

const Section& cri_dockerd_section() {
  static const Section of = make_section<CriDockerd>("versions.cri_dockerd", "Docker Engine behind cri-dockerd, instead of containerd.",
                                                     {
                                                         field("version", &CriDockerd::version, version(), "Exact.", {.required = true}),
                                                         field("sha256", &CriDockerd::sha256, sha256(), "Of its archive."),
                                                     });
  return of;
}

const Section& versions_section() {
  static const Section of = make_section<Versions>(
      "versions", "What is installed. Only `fairlead bootstrap upgrade` changes the versions of a running cluster.",
      {
          field("kubernetes", &Versions::kubernetes, version(), "Of kubeadm, kubelet, kubectl and the control plane.", {.required = true}),
          field("containerd", &Versions::containerd, optional(section<Containerd>(containerd_section())),
                "The runtime; this or cri_dockerd."),
          field("cri_dockerd", &Versions::cri_dockerd, optional(section<CriDockerd>(cri_dockerd_section())),
                "The runtime, if it is Docker."),
      });
  return of;
}

bool is_registry(std::string_view text) {
  return !text.empty() && text.size() <= 253 && text.front() != '/' && text.back() != '/' && text.find("//") == std::string_view::npos &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' ||
                  c == ':' || c == '/';
         });
}

const Section& mirrors_section() {
  static const Section of = make_section<Mirrors>(
      "mirrors", "Where packages and images come from instead of the internet.",
      {
          field("debian", &Mirrors::debian, url(), "Mirror of the distribution. Empty: what the machine has."),
          field("kubernetes", &Mirrors::kubernetes, url(), "Mirror of Kubernetes' package repository."),
          field("images", &Mirrors::images,
                word_map({.described = "map of registries",
                          .example = "{registry.example: mirror.kube.demo:5000}",
                          .items_max = kMirrorsMax,
                          .key_obeys = is_registry,
                          .key_rule = "the registry as it stands in image names, as in registry.example",
                          .value_obeys = is_registry,
                          .value_rule = "HOST, HOST:PORT or HOST/PATH, without a scheme"}),
                "Registry: its mirror."),
          field("bundle", &Mirrors::bundle, text({.rule = TextRule::kFree, .may_be_empty = true, .example = "./demo.bundle"}),
                "Air-gap folder with packages.tar, images.tar and the runtime's archive: nothing is fetched from anywhere else."),
      });
  return of;
}

const Section& pki_section() {
  static const Section of =
      make_section<Pki>("pki", "Certificates.",
                        {
                            field("ca", &Pki::ca, choice<CaSource>({{"kubeadm", CaSource::kKubeadm}, {"site", CaSource::kSite}}),
                                  "kubeadm: the CA keys are made and stay on the control planes. site: they stay in state_dir only."),
                            field("algorithm", &Pki::algorithm,
                                  choice<std::string>({{"RSA-2048", "RSA-2048"},
                                                       {"RSA-3072", "RSA-3072"},
                                                       {"RSA-4096", "RSA-4096"},
                                                       {"ECDSA-P256", "ECDSA-P256"},
                                                       {"ECDSA-P384", "ECDSA-P384"}}),
                                  "Of all keys. ECDSA-P384 needs Kubernetes 1.34."),
                            field("validity", &Pki::validity, duration({.min = 24h, .max = kValidityMax, .zero = {}}),
                                  "Of certificates; `fairlead bootstrap renew-certs` renews them."),
                            field("ca_validity", &Pki::ca_validity, duration({.min = 24h, .max = kValidityMax, .zero = {}}), "Of the CAs."),
                            field("ssh_ca", &Pki::ssh_ca, flag(), "Sign host and user keys of SSH by a CA of the cluster's own."),
                        });
  return of;
}

const Section& preflight_section() {
  static const Section of =
      make_section<Site>("preflight", "Checks of the machines before anything is changed.",
                         {
                             field("ignore", &Site::ignored_checks,
                                   list(formatted({.name = "name of a check",
                                                   .range = "lower-case letters, digits and '-'",
                                                   .pattern = "^[a-z0-9][a-z0-9-]*$",
                                                   .example = "swap",
                                                   .length_max = 63,
                                                   .obeys =
                                                       [](std::string_view text) {
                                                         return text.front() != '-' && std::all_of(text.begin(), text.end(), [](char c) {
                                                                  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
                                                                });
                                                       }}),
                                        kIgnoredChecksMax, "checks"),
                                   "Exact names of checks whose findings are warnings only."),
                         });
  return of;
}

const Section& hooks_section() {
  const auto commands = [] {
    return list(list(text({.rule = TextRule::kFree, .may_be_empty = true, .example = "./notify"}), kHookWordsMax, "words"),
                kHookCommandsMax, "commands");
  };
  static const Section of = make_section<SiteHooks>(
      "hooks",
      "Programs of yours, run on the operator's machine by apply: lists of words, never by a shell. A path is beside the site file; a name "
      "is "
      "looked for on PATH. FAIRLEAD_SITE and FAIRLEAD_STATE_DIR are set.",
      {
          field("before_apply", &SiteHooks::before_apply, commands(),
                "Before the first step of apply; one that fails stops it with nothing changed."),
          field("after_machine", &SiteHooks::after_machine, commands(),
                "After a machine's last step; FAIRLEAD_MACHINE, FAIRLEAD_ADDRESS and FAIRLEAD_ROLES (with commas) are set. One that "
                "fails stops apply; the next one goes on."),
          field("after_apply", &SiteHooks::after_apply, commands(), "When apply has changed something and nothing is left to do."),
      });
  return of;
}

template <class M, class T>
Field site_field(std::string key, M Site::*member, const std::shared_ptr<T>& type, std::string doc, FieldFlags flags = {}) {
  Field out = field(std::move(key), member, type, std::move(doc), flags);
  out.member = [member](void* from) -> void* { return &(static_cast<SiteRoot*>(from)->site.*member); };
  return out;
}

/// A section of one of the site's own members.
template <class T>
class PartOfSite final : public TypeOf<T> {
 public:
  PartOfSite(const Section& of, T Site::*member) : of_(of), member_(member) {
    this->info_.shape = TypeInfo::Shape::kSection;
    this->info_.name = "section";
    this->info_.section = &of;
  }
  bool read_value(config::Reader& reader, const config::DocNode& node, T& into) const override {
    Site site;
    read_section(reader, of_, node, &site);
    into = std::move(site.*member_);
    return true;
  }
  [[nodiscard]] std::optional<config::DocNode> write_value(const T& from, bool with_defaults) const override {
    Site site;
    site.*member_ = from;
    return write_section(of_, &site, with_defaults);
  }

 private:
  const Section& of_;
  T Site::*member_;
};

Section build_site() {
  static constexpr FieldFlags kRequired{.required = true};
  return make_section<SiteRoot>(
      "", "One file describes a whole site: machines, networks, gateways, the cluster.",
      {
          field("apiVersion", &SiteRoot::api_version, constant(std::string(config::schema::kApiVersion), "this program reads fairlead/v1"),
                "Version of this format.", kRequired),
          field("kind", &SiteRoot::kind, constant(std::string(kSiteKind), "a gateway's own file is for fairleadd and `fairlead check`"),
                "What the file describes.", kRequired),
          site_field("name", &Site::name,
                     text({.rule = TextRule::kName, .may_be_empty = false, .example = "demo", .length_max = kSiteNameMax}),
                     "Names the cluster and its Corosync cluster.", kRequired),
          site_field("domain", &Site::domain, text({.rule = TextRule::kHost, .may_be_empty = false, .example = "kube.demo"}),
                     "Machine NAME is NAME.DOMAIN.", kRequired),
          site_field("state_dir", &Site::state_dir, some_path("./demo.state"),
                     "Folder on the operator's machine (0700): keys, known hosts, journal, backups. Relative to this file. Never in git.",
                     kRequired),
          site_field("ssh", &Site::ssh, section<SshAccess>(ssh_section()), "How the machines are reached."),
          site_field("versions", &Site::versions, section<Versions>(versions_section()), "What is installed.", kRequired),
          site_field("mirrors", &Site::mirrors, section<Mirrors>(mirrors_section()), "Where packages and images come from."),
          site_field("networks", &Site::networks, list(section<Network>(network_section()), config::kNetworksMax, "networks"),
                     "Networks, one L2 segment each.", kRequired),
          site_field("vms", &Site::vms, optional(section<Vms>(vms_section())), "Machines that Fairlead makes. Absent: the machines exist."),
          site_field("image", &Site::image, optional(section<Image>(image_section())),
                     "The disk that VMs are made from: fairlead image build."),
          site_field("machines", &Site::machines, list(section<Machine>(machine_section()), kMachinesMax, "machines"),
                     "Every machine of the site, whatever its roles.", kRequired),
          site_field("gateways", &Site::gateways, optional(section<Gateways>(gateways_section())),
                     "Becomes fairlead.yaml of every gateway. Absent: one control plane, reached at its own address."),
          site_field("kubernetes", &Site::kubernetes, section<Kubernetes>(kubernetes_section()), "The cluster.", kRequired),
          site_field("pki", &Site::pki, section<Pki>(pki_section()), "Certificates."),
          site_field("storage", &Site::gluster, std::make_shared<PartOfSite<std::optional<Gluster>>>(storage_section(), &Site::gluster),
                     "Volumes on machines of role storage."),
          site_field("preflight", &Site::ignored_checks,
                     std::make_shared<PartOfSite<std::vector<std::string>>>(preflight_section(), &Site::ignored_checks),
                     "Checks of the machines."),
          site_field("hooks", &Site::hooks, section<SiteHooks>(hooks_section()), "Programs of yours."),
      });
}

}  // namespace

const Section& site() {
  static const Section of = build_site();
  return of;
}

}  // namespace fairlead::bootstrap::schema
