// fairlead: pure
// How packages, the runtime's archive and images come to a machine: from the network, or from the site's air-gap bundle, which is copied
// there first. What `bootstrap bundle` (bundle/bundle_plan.h) fetches is what stands here.
//
// A bundle's packages.tar is a repository (apt-ftparchive), not a heap: each machine installs from it what it lacks and no more.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "k8s-bootstrap/plan/plan_builder.h"

namespace fairlead::bootstrap {

/// Obstacles where the site's bundle is not whole or is of another version. Nothing without one.
void check_bundle(PlanBuilder& plan);

/// What has to be on the machine before package_script: the bundle's packages; nothing without a bundle.
[[nodiscard]] std::vector<Operation> package_operations(const PlanInput& in);
/// `apt-get install` of these words: of the network's sources, read anew with `update`, or of the bundle alone.
[[nodiscard]] std::string package_script(const Site& site, std::string_view words, bool update = true);
/// Whether the machine has imported other images than the bundle's, or none; false without a bundle.
[[nodiscard]] bool lacks_images(const PlanInput& in, const MachineFacts& facts);
/// Imports the bundle's, and notes which.
[[nodiscard]] std::vector<Operation> image_operations(const PlanInput& in);
/// The note, on the machine: SHA-256 of the images.tar that was imported last.
[[nodiscard]] std::string imported_images_path();

/// Debian repacks containerd: 1.6.20~ds1-1+deb12u3. Everybody else has the build behind a dash.
[[nodiscard]] std::string_view version_separator(std::string_view package, std::string_view os_id);

/// A runtime that comes as an archive, not as a package.
struct RuntimeArchive {
  std::string program;
  std::string version;
  std::string url;
  std::string install;                     ///< Script, with the archive at in_work(file()).
  [[nodiscard]] std::string file() const;  ///< "containerd-2.3.5.tar.gz"; of that name in a bundle.
};
[[nodiscard]] std::optional<RuntimeArchive> runtime_archive(const Versions& versions);

/// Keys of the package sources, as files at `path`.
[[nodiscard]] AptKeyring kubernetes_keyring(const Site& site, std::string path);
[[nodiscard]] AptKeyring docker_keyring(std::string path);
/// Fetches it by curl and compares its fingerprint by gpg.
[[nodiscard]] std::string fetch_keyring_script(const AptKeyring& key);

}  // namespace fairlead::bootstrap
