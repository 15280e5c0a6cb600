// The verbs of `fairlead machine` in the tree.
#include <CLI/CLI.hpp>

#include "cli/local_commands.h"

namespace fairlead::cli {

void LocalCommands::add_machine() {
  CLI::App* group = tree_.group("machine", "VMs of a site file (vms), on this machine: made, started, stopped, destroyed");
  MachineRequest& request = machine_;
  const auto with_site = [&](CLI::App* verb) {
    verb->add_option("--site", request.site, "The site file (default site.yaml)")->type_name("FILE");
    return verb;
  };
  using Verb = void (*)(const MachineRequest&, const GlobalOptions&, CliEnvironment&);
  struct Entry {
    const char* name;
    const char* text;
    Verb verb;
    bool changes;
    bool waits;
  };
  static constexpr Entry kEntries[] = {
      {"list", "The VMs, and what the hypervisor says of them", machine_list, false, false},
      {"create", "Make the VMs that are missing, start those that are off", machine_create, true, true},
      {"start", "Start VMs that are off", machine_start, true, true},
      {"stop", "Shut VMs down and wait for it; with --force pull the plug", machine_stop, true, false},
      {"destroy", "Remove VMs with all data of their disks, and networks that none needs any more", machine_destroy, true, false},
  };
  for (const Entry& entry : kEntries) {
    CLI::App* verb = with_site(tree_.verb(group, entry.name, entry.text, [this, &entry] { entry.verb(machine_, options_, environment_); }));
    verb->add_option("MACHINE", request.machines, "Machines of the site; none named: all");
    if (entry.changes) verb->add_flag("--dry-run", request.dry_run, "Only print the commands");
    if (entry.waits) verb->add_flag("--wait", request.wait, "Until they answer SSH and cloud-init is through");
    if (entry.verb == machine_destroy)
      verb->add_option("--yes-destroy", request.yes_destroy, "Data of this machine may be destroyed; once for each")
          ->type_name("NAME")
          ->take_all()
          ->allow_extra_args(false);
  }
  CLI::App* seeds =
      with_site(tree_.verb(group, "seeds", "Write what VMs are told at their first boot into a folder, for a web server (vms.seed_url)",
                           [this] { machine_seeds(machine_, options_, environment_); }));
  seeds->add_option("FOLDER", request.folder, "For example /srv/www/seeds")->required();
  CLI::App* console = with_site(
      tree_.verb(group, "console", "Its serial console; Ctrl-] leaves it", [this] { machine_console(machine_, options_, environment_); }));
  console->add_option("MACHINE", request.machine, "For example gate-1")->required();
}

}  // namespace fairlead::cli
