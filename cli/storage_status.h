// fairlead: pure
// What `fairlead storage` shows: the pool, its volumes and bricks, mounts, and how far healing or spreading is.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <vector>

#include "k8s-bootstrap/facts/facts.h"
#include "k8s-bootstrap/plan/plan.h"
#include "k8s-bootstrap/site/site.h"

namespace fairlead::cli {

/// `plan`: what apply would do.
[[nodiscard]] std::string storage_status_text(const bootstrap::Site& site, const bootstrap::Facts& facts, const bootstrap::Plan& plan,
                                              bool color);
[[nodiscard]] boost::json::value storage_status_json(const bootstrap::Site& site, const bootstrap::Facts& facts,
                                                     const bootstrap::Plan& plan);

/// One look at a volume while a verb waits.
struct StorageProgress {
  std::string line;     ///< "pods: 12 entries to heal, 5 of 6 bricks serve"
  bool done = false;    ///< Nothing is left to wait for.
  std::string failure;  ///< It will not end by itself: why, and what to do.
};
/// `bricks`: how many the volume has.
[[nodiscard]] StorageProgress heal_progress(const std::string& volume, std::size_t bricks, const bootstrap::VolumeFacts& facts);
[[nodiscard]] StorageProgress rebalance_progress(const std::string& volume, const bootstrap::VolumeFacts& facts);

}  // namespace fairlead::cli
