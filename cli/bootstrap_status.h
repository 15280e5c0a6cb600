// fairlead: pure
// What `fairlead bootstrap status` and `certs` show of a site: what was read, machine by machine.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>

#include "k8s-bootstrap/facts/facts.h"
#include "k8s-bootstrap/plan/plan.h"
#include "k8s-bootstrap/site/site.h"

namespace fairlead::cli {

/// `plan`: what apply would do; files that differ are drift.
[[nodiscard]] std::string bootstrap_status_text(const bootstrap::Site& site, const bootstrap::Facts& facts, const bootstrap::Plan& plan,
                                                bool color);
[[nodiscard]] boost::json::value bootstrap_status_json(const bootstrap::Site& site, const bootstrap::Facts& facts,
                                                       const bootstrap::Plan& plan);
/// One line a certificate, the one that ends first on top.
[[nodiscard]] std::string bootstrap_certs_text(const bootstrap::Facts& facts, bool color);
[[nodiscard]] boost::json::value bootstrap_certs_json(const bootstrap::Facts& facts);

}  // namespace fairlead::cli
