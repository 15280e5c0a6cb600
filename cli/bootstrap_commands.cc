// The verbs of `fairlead bootstrap` in the tree.
#include <CLI/CLI.hpp>

#include "cli/local_commands.h"

namespace fairlead::cli {
namespace {

void site_option(CLI::App* verb, BootstrapRequest& request) { verb->add_option("SITE", request.site, "The site file (default site.yaml)"); }

void apply_options(CLI::App* verb, BootstrapRequest& request) {
  verb->add_flag("--dry-run", request.dry_run, "Only show what would be done, with every command and file");
  verb->add_option("--parallel", request.parallel, "Machines at work at once (default: ssh.parallel of the site)")->type_name("N");
  verb->add_option("--yes-destroy", request.yes_destroy, "Data of this machine may be destroyed; once for each")
      ->type_name("NAME")
      ->take_all()
      ->allow_extra_args(false);
  verb->add_option("--package", request.package, "Fairlead's own package, for gateways that lack it")->type_name("FILE");
}

}  // namespace

void LocalCommands::add_bootstrap() {
  CLI::App* group =
      tree_.group("bootstrap", "A Kubernetes cluster with its gateways from one site file, over SSH: planned, resumable, verified");
  BootstrapRequest& request = bootstrap_;

  CLI::App* init =
      tree_.verb(group, "init", "Write a commented site file to start from", [this] { bootstrap_init(bootstrap_, environment_); });
  init->add_option("--output", request.output, "Where to write it; - for standard output (default site.yaml)")->type_name("FILE");
  init->callback([this] {
    if (bootstrap_.output.empty()) bootstrap_.output = "site.yaml";
    tree_.chosen() = [this] { bootstrap_init(bootstrap_, environment_); };
  });

  CLI::App* adopt = tree_.verb(group, "adopt", "Write the site file of a kubeadm cluster that exists; changes nothing on its machines",
                               [this] { bootstrap_adopt(bootstrap_, options_, environment_); });
  adopt
      ->add_option("--machine", request.machines,
                   "A control plane, or a gateway of Fairlead's; once for each. The cluster's nodes are found")
      ->type_name("NAME=ADDRESS")
      ->required()
      ->take_all()
      ->allow_extra_args(false);
  adopt->add_option("--user", request.user, "Who logs in; anybody but root needs sudo without a password")->type_name("NAME");
  adopt->add_option("--key", request.key, "Private key (default: ssh's own choice)")->type_name("FILE");
  adopt->add_option("--port", request.port, "Port of sshd")->type_name("N");
  adopt->add_option("--jump", request.jump, "Host through which the machines are reached; once for each, the nearest first")
      ->type_name("HOST")
      ->take_all()
      ->allow_extra_args(false);
  adopt->add_option("--output", request.output, "Where to write the site (default site.yaml)")->type_name("FILE");

  CLI::App* plan = tree_.verb(group, "plan", "What apply would do, and why: reads every machine, changes nothing",
                              [this] { bootstrap_plan(bootstrap_, options_, environment_); });
  site_option(plan, request);
  plan->add_flag("--exit-code", request.exit_code, "End with 5 when there is something to do");
  plan->add_flag("--dry-run", request.dry_run, "With every command and file");
  plan->add_option("--show", request.show, "Print a rendered file instead: fairlead.yaml, MACHINE:PATH, MACHINE:init, MACHINE:join")
      ->type_name("FILE");
  plan->add_option("--package", request.package, "Fairlead's own package, for gateways that lack it")->type_name("FILE");

  CLI::App* apply = tree_.verb(group, "apply", "Do what is missing until the machines are as the site says; run again, it goes on",
                               [this] { bootstrap_apply(bootstrap_, options_, environment_); });
  site_option(apply, request);
  apply_options(apply, request);
  site_option(tree_.verb(group, "status", "Machines, nodes, etcd, and what differs from the site",
                         [this] { bootstrap_status(bootstrap_, options_, environment_); }),
              request);
  CLI::App* verify = tree_.verb(group, "verify", "Nodes ready, DNS and Services, the API through the VIP while a control plane is out",
                                [this] { bootstrap_verify(bootstrap_, options_, environment_); });
  site_option(verify, request);
  verify->add_flag("--dry-run", request.dry_run, "Only show what would be looked at");
  add_bootstrap_changes(group);
  add_bootstrap_backups(group);
  add_bootstrap_bundle(group);
  CLI::App* certs = tree_.verb(group, "certs", "Days that are left of every certificate; or a colleague's SSH key signed for a time",
                               [this] { bootstrap_certs(bootstrap_, options_, environment_); });
  site_option(certs, request);
  certs->add_option("--sign-user", request.sign_user, "Sign this public key by the site's SSH authority (pki.ssh_ca), and nothing else")
      ->type_name("KEY.pub");
  certs->add_option("--identity", request.identity, "Whose key it is, for the machines' logs")->type_name("NAME");
  certs->add_option("--for", request.valid_for, "How long the signature is good (default 8h)")->type_name("DURATION");
  certs->add_option("--output", request.output, "Where to write it (default: standard output)")->type_name("FILE");
  CLI::App* kubeconfig = tree_.verb(group, "kubeconfig", "The cluster's administrator's kubeconfig, from state_dir",
                                    [this] { bootstrap_kubeconfig(bootstrap_, environment_); });
  site_option(kubeconfig, request);
  kubeconfig->add_option("--output", request.output, "Where to write it, 0600 (default: standard output)")->type_name("FILE");
  CLI::App* logs = tree_.verb(group, "logs", "What was applied from here: the journal; of one machine what it recorded, too",
                              [this] { bootstrap_logs(bootstrap_, environment_); });
  site_option(logs, request);
  logs->add_option("--run", request.run, "Only this run")->type_name("ID");
  logs->add_option("--machine", request.machine, "Of this machine, with what its scripts said there")->type_name("NAME");
  site_option(tree_.verb(group, "unlock", "Take the site's lock away from whoever holds it",
                         [this] { bootstrap_unlock(bootstrap_, environment_); }),
              request);
  tree_.verb(group, "versions", "Kubernetes and containerd versions that are known, with their ends of life",
             [this] { bootstrap_versions(environment_); });
}

void LocalCommands::add_bootstrap_backups(CLI::App* group) {
  BootstrapRequest& request = bootstrap_;
  const auto keep_option = [&](CLI::App* verb, const char* text) { verb->add_option("--keep", request.keep, text)->type_name("N"); };
  CLI::App* etcd = group->add_subcommand("etcd", "Save etcd, and put it back");
  etcd->group("Verbs");
  etcd->require_subcommand(1);
  CLI::App* snapshot = tree_.verb(etcd, "snapshot", "Save etcd to state_dir/backups, from a healthy member, looked at and with its SHA-256",
                                  [this] { bootstrap_etcd_snapshot(bootstrap_, options_, environment_); });
  site_option(snapshot, request);
  snapshot->add_option("--machine", request.machine, "What this member has, also when etcd has no majority any more")->type_name("NAME");
  keep_option(snapshot, "How many stay, the newest; 0: all (default 10)");
  snapshot->add_flag("--list", request.list, "Only show those that there are");
  snapshot->add_flag("--dry-run", request.dry_run, "Only show what would be done");
  add_bootstrap_restores(group, etcd);
  CLI::App* backup = tree_.verb(group, "backup", "etcd, CAs, kubeadm's configuration, gateways' files and the site in one archive",
                                [this] { bootstrap_backup(bootstrap_, options_, environment_); });
  site_option(backup, request);
  backup->add_option("--passphrase-file", request.passphrase_file, "Encrypt it (openssl enc, AES-256) with the first line of this file")
      ->type_name("FILE");
  keep_option(backup, "How many archives stay, the newest; 0: all (default 10)");
  backup->add_flag("--list", request.list, "Only show those that there are");
  backup->add_flag("--dry-run", request.dry_run, "Only show what would be done");
}

void LocalCommands::add_bootstrap_restores(CLI::App* group, CLI::App* etcd) {
  BootstrapRequest& request = bootstrap_;
  CLI::App* put_back = tree_.verb(etcd, "restore", "Back to a snapshot, all members at once, when etcd has lost its majority",
                                  [this] { bootstrap_etcd_restore(bootstrap_, options_, environment_); });
  site_option(put_back, request);
  put_back->add_option("--from", request.from, "The snapshot (default: the newest in state_dir/backups)")->type_name("FILE");
  put_back->add_option("--lost", request.lost, "This machine is gone for good and stays off; once for each")
      ->type_name("NAME")
      ->take_all()
      ->allow_extra_args(false);
  put_back->add_option("--discard", request.discard, "Also from an etcd that lives: name the site whose data may go")->type_name("SITE");
  apply_options(put_back, request);
  CLI::App* restore =
      tree_.verb(group, "restore", "The cluster of an archive on machines that are empty: its keys, its data, then all join",
                 [this] { bootstrap_restore(bootstrap_, options_, environment_); });
  site_option(restore, request);
  restore->add_option("--from", request.from, "The archive")->type_name("FILE")->required();
  restore->add_option("--passphrase-file", request.passphrase_file, "Its first line is the passphrase of an encrypted archive")
      ->type_name("FILE");
  apply_options(restore, request);
}

void LocalCommands::add_bootstrap_bundle(CLI::App* group) {
  BootstrapRequest& request = bootstrap_;
  CLI::App* bundle =
      tree_.verb(group, "bundle", "All that machines take from the network, in a folder for sites without one (mirrors.bundle)",
                 [this] { bootstrap_bundle(bootstrap_, options_, environment_); });
  site_option(bundle, request);
  bundle->add_option("--output", request.output, "The folder (default: mirrors.bundle, or NAME.bundle beside the site file)")
      ->type_name("FOLDER");
  bundle
      ->add_option("--release", request.release,
                   "Of the machines' system: bookworm, trixie, jammy, noble (default: image.release, or bookworm)")
      ->type_name("NAME");
  bundle->add_option("--image", request.images, "One more container image; once for each")
      ->type_name("NAME")
      ->take_all()
      ->allow_extra_args(false);
  bundle->add_option("--package", request.package, "Fairlead's own package: what it depends on comes into the bundle")->type_name("FILE");
  bundle->add_flag("--dry-run", request.dry_run, "Only print the commands and files");
}

void LocalCommands::add_bootstrap_changes(CLI::App* group) {
  BootstrapRequest& request = bootstrap_;
  CLI::App* add = tree_.verb(group, "add-node", "One machine more: writes it into the site file and applies what concerns it",
                             [this] { bootstrap_add_node(bootstrap_, options_, environment_); });
  add->add_option("MACHINE", request.machine, "For example node-4")->required();
  site_option(add, request);
  const auto words = [&](const char* name, std::vector<std::string>& into, const char* text, const char* type) {
    add->add_option(name, into, text)->type_name(type)->take_all()->allow_extra_args(false);
  };
  words("--role", request.roles, "worker, control-plane, gateway, ...; once for each. Not for a machine that the file has", "ROLE");
  words("--address", request.addresses, "Its address in a network of the site; the first is the one for SSH and kubelet",
        "NETWORK=ADDRESS");
  words("--label", request.labels, "A label of its node", "NAME=VALUE");
  words("--taint", request.taints, "A taint of its node", "KEY=VALUE:EFFECT");
  apply_options(add, request);
  using Verb = void (*)(const BootstrapRequest&, const GlobalOptions&, CliEnvironment&);
  struct Change {
    const char* name;
    const char* text;
    Verb verb;
    bool one_machine;
  };
  static constexpr Change kChanges[] = {
      {"remove-node", "Drain a machine, take it out of etcd and the cluster, and reset it", bootstrap_remove_node, true},
      {"replace-node", "Remove a machine that is broken or was made anew, and let it join again", bootstrap_replace_node, true},
      {"upgrade", "To the site's Kubernetes version, one machine after the other", bootstrap_upgrade, false},
      {"renew-certs", "Renew the control planes' certificates that end in less than 120 days", bootstrap_renew_certs, false},
  };
  for (const Change& change : kChanges) {
    CLI::App* verb = tree_.verb(group, change.name, change.text, [this, &change] { change.verb(bootstrap_, options_, environment_); });
    if (change.one_machine) verb->add_option("MACHINE", request.machine, "For example mast-3")->required();
    site_option(verb, request);
    apply_options(verb, request);
  }
  CLI::App* reset = tree_.verb(group, "reset", "Back to machines without Kubernetes: destroys the cluster; the gateways stay",
                               [this] { bootstrap_reset(bootstrap_, options_, environment_); });
  site_option(reset, request);
  reset->add_option("--machine", request.machine, "Only this one")->type_name("NAME");
  apply_options(reset, request);
}

}  // namespace fairlead::cli
