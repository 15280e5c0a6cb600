// fairlead: pure
// What `adopt` knows before it writes a site: the machines it was told of or found, what they said, and texts of theirs.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "k8s-bootstrap/facts/facts.h"
#include "k8s-bootstrap/site/site.h"
#include "k8s-bootstrap/site/site_text.h"

namespace fairlead::bootstrap {

struct Plan;

struct AdoptTarget {
  std::string name;
  IpAddress address;   ///< At which it answers SSH.
  bool named = false;  ///< By the operator: then something of a cluster must be on it.
  bool operator==(const AdoptTarget&) const = default;
};

/// Texts of one machine (adopt_probe.h).
struct AdoptAnswer {
  std::string fqdn;                                        ///< As it says itself; may be a name alone.
  std::vector<std::pair<std::string, std::string>> files;  ///< Path, text; addons' manifests by age, the oldest first.
  std::map<std::string, std::string> asked;                ///< Name of a ConfigMap of kube-system -> JSON.
  std::string ca_algorithm;                                ///< Of the cluster's CA, as `pki.algorithm`; filled in by the caller.
  [[nodiscard]] const std::string* file(std::string_view path) const;
};

struct AdoptInput {
  std::vector<AdoptTarget> targets;  ///< In the order they were named and found.
  SshAccess ssh;
  std::string state_dir;  ///< As it is to stand in the site.
  Facts facts;            ///< Of asking_site(): its machines are the targets.
  std::map<std::string, AdoptAnswer> answers;
};

/// A site of which nothing is true but names, addresses and access: every machine has every role, so that everything is asked.
[[nodiscard]] Site asking_site(const AdoptInput& input);

/// Machines that what was read tells of and that are no targets yet: the cluster's nodes, other gateways, names in the gateways' DNS.
[[nodiscard]] std::vector<AdoptTarget> more_targets(const AdoptInput& input);

struct Adopted {
  Site site;
  SiteRemarks remarks;
  std::vector<std::string> left;             ///< What was found and is not in the site, with the reason: a line each.
  std::map<std::string, std::string> files;  ///< Path beside the site's file -> text: addons' manifests.
};

/// Errors: kNotFound (no API answers, or its kubeadm configuration is not there), kUnsupported (CRI-O, an external etcd, ...),
/// kInvalidArgument (a machine is called otherwise), each with what to do.
[[nodiscard]] Result<Adopted> adopt_site(const AdoptInput& input);

/// Machines that the plan of the adopted site would prepare are left as they are: `prepare: false`, with a remark what would change.
/// Returns how many.
unsigned keep_as_prepared(Adopted& adopted, const Plan& plan);

}  // namespace fairlead::bootstrap
