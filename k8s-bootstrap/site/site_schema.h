// fairlead: pure
// The table of a site's keys, in the form of config/schema.h: site_schema.cc (the root and what is small), site_schema_machines.cc
// (networks, machines), site_schema_gateways.cc, site_schema_storage.cc, site_schema_vms.cc (VMs, images).
#pragma once

#include "config/schema.h"

namespace fairlead::bootstrap::schema {

inline constexpr std::string_view kSiteKind = "Site";

/// Belongs to SiteRoot (site_root.h). Built once, immutable.
[[nodiscard]] const config::schema::Section& site();

[[nodiscard]] const config::schema::Section& network_section();
[[nodiscard]] const config::schema::Section& machine_section();
[[nodiscard]] const config::schema::Section& gateways_section();
[[nodiscard]] const config::schema::Section& kubernetes_section();
[[nodiscard]] const config::schema::Section& vms_section();
[[nodiscard]] const config::schema::Section& image_section();
[[nodiscard]] const config::schema::Section& storage_section();
[[nodiscard]] const config::schema::Section& brick_section();

}  // namespace fairlead::bootstrap::schema
