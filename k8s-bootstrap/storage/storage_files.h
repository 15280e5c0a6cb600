// fairlead: pure
// Files of storage, as text: units that mount, what measures, what Kubernetes is given.
#pragma once

#include <string>
#include <vector>

#include "k8s-bootstrap/render/render.h"
#include "k8s-bootstrap/site/site.h"

namespace fairlead::bootstrap {

/// Mount units of bricks and volumes, the metrics of a storage machine, and what mounts again when servers came late.
[[nodiscard]] std::vector<RenderedFile> storage_files(const Site& site, const Machine& machine);

/// PersistentVolumes and StorageClasses of the site; empty: it has none.
[[nodiscard]] std::string storage_manifest(const Site& site);
/// Kadalu's, for volumes that the site names; empty: none.
[[nodiscard]] std::string kadalu_manifest(const Site& site);
/// The name under which storage_manifest is applied, as an addon's.
inline constexpr std::string_view kStorageAddon = "fairlead-storage";

}  // namespace fairlead::bootstrap
