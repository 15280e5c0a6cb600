// fairlead: pure
// The cluster's part of the status as JSON, both ways (status_codec.h).
#pragma once

#include <boost/json/value.hpp>
#include <optional>

#include "admin/json_fields.h"
#include "admin/status.h"

namespace fairlead::admin {

[[nodiscard]] boost::json::object node_json(const NodeStatus& node);
/// null: there is none.
[[nodiscard]] boost::json::value cluster_json(const std::optional<ClusterStatus>& cluster);
void read_cluster(JsonFields& fields, ClusterStatus& cluster);

}  // namespace fairlead::admin
