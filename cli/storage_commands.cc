// The verbs of `fairlead storage` in the tree.
#include <CLI/CLI.hpp>
#include <cstdlib>

#include "cli/local_commands.h"

namespace fairlead::cli {

void LocalCommands::add_storage() {
  CLI::App* group = tree_.group("storage", "Gluster volumes of a site, over SSH: how they are, healed, larger, with other bricks");
  StorageRequest& request = storage_;
  const auto site = [&](CLI::App* verb) { verb->add_option("SITE", request.site.site, "The site file (default site.yaml)"); };
  const auto changes = [&](CLI::App* verb, const char* until) {
    verb->add_flag("--dry-run", request.site.dry_run, "Only show what would be done, with every command and file");
    verb->add_flag("--no-wait", request.no_wait, until);
  };
  const auto destroys = [&](CLI::App* verb) {
    verb->add_option("--yes-destroy", request.site.yes_destroy, "Data of this machine's disks may be destroyed; once for each")
        ->type_name("NAME")
        ->take_all()
        ->allow_extra_args(false);
  };

  site(tree_.verb(group, "status", "Pool, volumes, bricks, what is to be healed, quotas, mounts, and what differs from the site",
                  [this] { storage_status(storage_, options_, environment_); }));

  CLI::App* heal = tree_.verb(group, "heal", "Have copies brought in line, and tell how far it is until nothing is left",
                              [this] { storage_heal(storage_, options_, environment_); });
  site(heal);
  heal->add_option("--volume", request.volume, "Only this one")->type_name("NAME");
  heal->add_flag("--full", request.full, "Look at every file, not only at those known to differ");
  changes(heal, "Do not wait until nothing is left to heal");

  // They change volumes that have data, and were not seen to end in the lab yet: only their own test has them (FL_UNRELEASED).
  if (std::getenv("FL_UNRELEASED") == nullptr) {
    tree_.later(group, "expand");
    tree_.later(group, "replace");
    return;
  }
  CLI::App* expand =
      tree_.verb(group, "expand", "Add the bricks that the site has and its volumes have not, and spread the files over them",
                 [this] { storage_expand(storage_, options_, environment_); });
  site(expand);
  changes(expand, "Do not wait until the files are spread");
  destroys(expand);

  CLI::App* replace =
      tree_.verb(group, "replace", "Give a machine that was installed anew, or has a new disk, its bricks back; or move them to another",
                 [this] { storage_replace(storage_, options_, environment_); });
  replace->add_option("MACHINE", request.site.machine, "For example stor-2")->required();
  site(replace);
  replace->add_option("--with", request.with, "The machine of the site that takes the bricks over")->type_name("NAME");
  changes(replace, "Do not wait until the new bricks are healed");
  destroys(replace);
}

}  // namespace fairlead::cli
