// fairlead: pure
#include "k8s-bootstrap/site/site_reference.h"

#include <fmt/format.h>

#include "config/limits.h"
#include "config/reference.h"
#include "k8s-bootstrap/site/site_limits.h"
#include "k8s-bootstrap/site/site_schema.h"

namespace fairlead::bootstrap {

Result<std::string> explain_site(std::string_view path) { return config::schema::explain(schema::site(), path); }
std::vector<std::string> site_key_paths() { return config::schema::key_paths(schema::site()); }
std::string site_json_schema() { return config::schema::json_schema(schema::site(), "urn:fairlead:schema:v1:site", "site.yaml"); }

std::string site_reference_page() {
  std::string out =
      "<!-- Generated from the schema (k8s-bootstrap/site/site_schema*.cc); do not edit. `k8s-bootstrap_unit_tests` compares it, and "
      "renews "
      "it with FL_UPDATE_DOCS=1. -->\n"
      "# site.yaml\n\n"
      "One YAML file (`kind: Site`) describes a whole site: its networks, machines, gateways and the Kubernetes cluster. Every problem is "
      "reported at once, as `FILE:LINE:COLUMN: error|warning: message (hint)`.\n\n"
      "- **Durations, sizes, truth values, names, anchors**: as in [fairlead.yaml](config.md).\n"
      "- **`${env:NAME}`** in a value stands for an environment variable, so that no secret is in the file. A variable that is not set is "
      "an "
      "error. What was put in is hidden (`***`) in everything that is printed. Without quotes around it, a plain word or number reads as "
      "if it "
      "stood in the file; anything else is text. Inside `{ }` and `[ ]` it needs the quotes: `\"${env:NAME}\"`. `$${env:` stands for the "
      "text `${env:`.\n"
      "- **Paths** of manifests and files are relative to the site's file and stay below its folder; `state_dir`, `mirrors.bundle` and "
      "`ssh.key` may be anywhere.\n"
      "- **Not in this release**: `vms`, `image`, `storage`, the role `storage`, and the keys of a machine that describe a VM or a disk "
      "(`cpus`, `memory`, `disk`, `mac`, `uuid`, `bricks`). They are checked, and refused.\n";
  out += fmt::format("- **Limits**: {} KiB of text, {} machines, {} networks, {} VIPs with the networks' own.\n\n",
                     config::kFileBytesMax / 1024, kMachinesMax, config::kNetworksMax, config::kVipsMax);
  return out + config::schema::reference_tables(schema::site());
}

}  // namespace fairlead::bootstrap
