// The verbs of `fairlead image` in the tree.
#include <CLI/CLI.hpp>

#include "cli/local_commands.h"

namespace fairlead::cli {

void LocalCommands::add_image() {
  CLI::App* group = tree_.group("image", "Images that VMs of a site file are made from");
  ImageRequest& request = image_;
  const auto with_site = [&](CLI::App* verb) {
    verb->add_option("--site", request.site, "The site file (default site.yaml)")->type_name("FILE");
    return verb;
  };
  CLI::App* build = with_site(tree_.verb(group, "build", "Make the site's image: Debian on logical volumes, with cloud-init",
                                         [this] { image_build(image_, options_, environment_); }));
  build->add_flag("--dry-run", request.dry_run, "Only print the commands and files");
  with_site(tree_.verb(group, "list", "The images that are there", [this] { image_list(image_, options_, environment_); }));
  CLI::App* grow = with_site(tree_.verb(group, "grow", "Give the new space of a machine's disk to the volumes that image.grow names",
                                        [this] { image_grow(image_, options_, environment_); }));
  grow->add_option("MACHINE", request.machines, "Machines of the site whose disk is larger now")->required();
  grow->add_flag("--dry-run", request.dry_run, "Only print the script");
}

}  // namespace fairlead::cli
