// fairlead: pure
// The parts of adopt_site(): one for kubeadm's ConfigMaps, one for the gateways' file. Each fills in its part of `adopted`.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/document.h"
#include "k8s-bootstrap/adopt/adopt_input.h"

namespace fairlead::bootstrap {

// ---- texts ----
/// Null: not YAML, or none.
[[nodiscard]] config::DocNodePtr yaml_of(std::string_view text);
/// Of several documents in one text.
[[nodiscard]] std::vector<std::string> documents_of(std::string_view text);
/// The scalar at a path of keys; empty: there is none.
[[nodiscard]] std::string text_in(const config::DocNode* node, std::initializer_list<std::string_view> keys);
[[nodiscard]] const config::DocNode* node_in(const config::DocNode* node, std::initializer_list<std::string_view> keys);
/// Items of a list; of anything else none.
[[nodiscard]] const std::vector<config::DocNodePtr>& items_of(const config::DocNode* node);

// ---- kubeadm ----
/// The ConfigMaps, as documents.
struct KubeadmDocuments {
  config::DocNodePtr cluster;  ///< Never null.
  config::DocNodePtr kubelet;  ///< May be null.
  config::DocNodePtr proxy;    ///< May be null.
};
/// Errors: kNotFound.
[[nodiscard]] Result<KubeadmDocuments> kubeadm_documents(const AdoptAnswer& answer);
/// Name, networks, etcd, pki; `kubernetes.endpoint` as HOST:PORT until gateways or a control plane are known to be it.
[[nodiscard]] Status read_cluster_configuration(const KubeadmDocuments& documents, Adopted& adopted);
/// What the cluster has beyond what the site renders becomes `kubernetes.kubeadm`. Last: machines and gateways are in the site.
void read_kubeadm_keys(const KubeadmDocuments& documents, Adopted& adopted);
/// Flags of static pods that no kubeadm configuration says: `kubeadm upgrade` would drop them.
void tell_foreign_flags(const KubeadmDocuments& documents, const AdoptInput& input, Adopted& adopted);

// ---- gateways ----
inline constexpr std::string_view kGatewayFile = "/etc/fairlead/fairlead.yaml";
/// The first gateway's file; null: there is none.
[[nodiscard]] config::DocNodePtr gateway_document(const AdoptInput& input);
/// Networks that the gateways' file names, before machines get their addresses in them.
void read_gateway_networks(const config::DocNode& file, const AdoptInput& input, Site& site);
/// `gateways`, once machines are there.
void read_gateways(const config::DocNodePtr& file, const AdoptInput& input, Adopted& adopted);

// ---- machines ----
struct CardAddress {
  std::string device;
  IpPrefix prefix;
};
/// Addresses that are a machine's own: none of the CNI's, no VIP, none of pods and services; of `family` only.
[[nodiscard]] std::vector<CardAddress> own_addresses(const MachineFacts& facts, const Site& site, const std::vector<IpAddress>& vips,
                                                     IpAddress::Family family);
/// Every address that the gateways' file calls a VIP, routers and resolvers among them.
[[nodiscard]] std::vector<IpAddress> vips_of(const config::DocNode* gateway_file);

}  // namespace fairlead::bootstrap
