// Verbs that work in this process and need no daemon, added to the tree with the variables their options fill: init, bench, lab, cluster,
// bootstrap, image, machine, storage.
#pragma once

#include <string>
#include <vector>

#include "cli/bench_verbs.h"
#include "cli/bootstrap_verbs.h"
#include "cli/cluster_verbs.h"
#include "cli/image_verbs.h"
#include "cli/init_verb.h"
#include "cli/invocation.h"
#include "cli/machine_verbs.h"
#include "cli/storage_verbs.h"
#include "cli/verb_tree.h"
#include "lab/lab_plan.h"

namespace fairlead::cli {

class LocalCommands {
 public:
  /// All outlive it.
  LocalCommands(VerbTree& tree, const GlobalOptions& options, CliEnvironment& environment)
      : tree_(tree), options_(options), environment_(environment) {}

  void add_init();
  void add_bench();
  void add_lab();
  void add_bootstrap();
  void add_image();
  void add_machine();
  void add_storage();
  /// Those of `cluster` that write and measure; returns the group, for the ones that ask the daemon.
  CLI::App* add_cluster();

 private:
  void add_bootstrap_changes(CLI::App* group);
  void add_bootstrap_backups(CLI::App* group);
  void add_bootstrap_bundle(CLI::App* group);
  void add_bootstrap_restores(CLI::App* group, CLI::App* etcd);

  VerbTree& tree_;
  const GlobalOptions& options_;
  CliEnvironment& environment_;
  InitRequest init_;
  BenchRequest bench_;
  std::string before_;
  std::string after_;
  lab::LabOptions lab_;
  bool attach_ = false;
  std::string node_;
  std::vector<std::string> command_;
  std::string file_;
  std::string duration_ = "60s";
  SetupOptions setup_;
  JoinOptions join_;
  BootstrapRequest bootstrap_;
  ImageRequest image_;
  MachineRequest machine_;
  StorageRequest storage_;
};

/// `lab exec NODE CMD -x`: a "--" goes behind NODE, so that what follows belongs to the command.
void leave_lab_command_alone(std::vector<std::string>& arguments);

}  // namespace fairlead::cli
