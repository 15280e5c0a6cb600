#include "cli/local_commands.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "cli/lab_verbs.h"

namespace fairlead::cli {

void leave_lab_command_alone(std::vector<std::string>& arguments) {
  const auto lab = std::find(arguments.begin(), arguments.end(), "lab");
  auto at = std::find(lab, arguments.end(), "exec");
  if (at == arguments.end()) return;
  for (++at; at != arguments.end() && at->starts_with('-'); ++at) {
    if (*at == "--name" && at + 1 != arguments.end()) ++at;
  }
  if (at != arguments.end() && at + 1 != arguments.end() && !(at + 1)->starts_with('-')) arguments.insert(at + 1, "--");
}

void LocalCommands::add_init() {
  CLI::App* init = tree_.verb(nullptr, "init", "Write a first fairlead.yaml from a few flags: the same file for every node",
                              [this] { init_config(init_, options_, environment_); });
  init->add_option("--vip", init_.vips, "Address that clients use, with the prefix length of its network; once more for IPv6")
      ->type_name("ADDRESS/LENGTH")
      ->take_all();
  init->add_option("--peer", init_.peers, "A gateway, once for each. With a single one this machine is the other")
      ->type_name("NAME=ADDRESS")
      ->take_all();
  init->add_option("--server", init_.servers, "A server behind the gateways, once for each (port: default 6443)")
      ->type_name("NAME=HOST[:PORT]")
      ->take_all();
  init->add_option("--node", init_.node, "This machine among the gateways (default: host name, and its address in the VIP's network)")
      ->type_name("NAME[=ADDRESS]");
  init->add_option("--gateway", init_.gateway,
                   "Router that both of two gateways reach and that is none of them: who hears it may take over (default: this machine's "
                   "default route)")
      ->type_name("ADDRESS");
  init->add_option("--interface", init_.interface, "Device of the VIP on every node (default auto: the one with its network)")
      ->type_name("DEVICE");
  init->add_option("--port", init_.port, "Port that clients connect to (default 6443)")->type_name("N");
  init->add_option("--ca", init_.ca, "The Kubernetes cluster's CA on the gateways, absolute (default: checks do not verify who answers)")
      ->type_name("FILE");
  init->add_option("--cluster-name", init_.cluster_name, "Name of the cluster of gateways (default kube-gateways)")->type_name("TEXT");
  init->add_option("--profile", init_.profile, "Corosync's timing: vm, fast or min (default vm)")->type_name("PROFILE");
  init->add_option("--output", init_.output, "Where to write it; - for standard output (default /etc/fairlead/fairlead.yaml)")
      ->type_name("FILE");
}

void LocalCommands::add_bench() {
  CLI::App* bench =
      tree_.verb(nullptr, "bench", "Speed beside HAProxy, nginx and the kernel, measured on this machine: CPU time per unit of work", {});
  CLI::App* compare = tree_.verb(
      bench, "compare",
      "Two reports: what got dearer or cheaper beyond the noise; exit 1 when something of Fairlead's got dearer, or perhaps did", {});
  compare->add_option("BEFORE", before_, "report.json, or the folder it is in")->required();
  compare->add_option("AFTER", after_, "Likewise")->required();
  compare->add_option("--workloads", bench_.workloads, "Only these: fewer questions need fewer rounds")->type_name("NAME,...");
  compare->add_option("--contenders", bench_.contenders, "Likewise")->type_name("NAME,...");
  // The verb's own callback comes after its child's: it alone decides which of the two was meant.
  bench->callback([this, compare] {
    tree_.chosen() = compare->parsed() ? VerbTree::Action([this] { compare_bench(before_, after_, bench_, environment_); })
                                       : VerbTree::Action([this] { run_bench(bench_, environment_); });
  });
  bench->add_flag("--quick", bench_.quick, "Some workloads, short rounds: under 3 minutes");
  bench->add_flag("--fresh", bench_.fresh, "Begin anew where an interrupted run could be taken up");
  bench->add_flag("--list", bench_.list, "Show workloads and contenders, what is missing, and how long it takes");
  bench->add_option("--workloads", bench_.workloads, "Only these, of --list")->type_name("NAME,...");
  bench->add_option("--contenders", bench_.contenders, "Likewise")->type_name("NAME,...");
  bench->add_option("--rounds", bench_.rounds, "How often everything is measured (default 5 to 10, by workload)")->type_name("N");
  bench->add_option("--seconds", bench_.seconds, "How long each measurement takes (default 2 or 3, by workload)")->type_name("N");
  bench->add_option("--rate", bench_.rate, "Requests per second of lat (default: 15 % of what HAProxy reaches)")->type_name("N");
  bench->add_option("--haproxy3", bench_.haproxy3, "A newer HAProxy, to be measured as well")->type_name("FILE");
  bench->add_option("--out", bench_.out, "Folder of the report")->type_name("DIR");
}

void LocalCommands::add_lab() {
  CLI::App* lab = tree_.group("lab", "Gateways, servers and clients to try things out, in namespaces of this machine");
  lab->add_option("--name", lab_.name, "Of the lab, when there are several (default lab, or $FAIRLEAD_LAB)")
      ->envname("FAIRLEAD_LAB")
      ->type_name("NAME");
  CLI::App* up = tree_.verb(lab, "up", "Start one, or what is missing of it: nodes, programs, links",
                            [this] { lab_up(lab_, attach_, options_, environment_); });
  up->add_option("--nodes", lab_.nodes, "Gateways (default 3)")->type_name("N");
  up->add_option("--backends", lab_.backends, "TLS servers behind them (default 3)")->type_name("N");
  up->add_option("--clients", lab_.clients, "Clients: client, client-2 ... (default 1)")->type_name("N");
  up->add_option("--profile", lab_.profile, "Corosync's timing, vm or fast (default vm)")->type_name("PROFILE");
  up->add_flag("--attach", attach_, "Stay in the foreground; the lab ends with this command, however that ends");
  up->add_flag("--one-link", lab_.one_link, "Corosync shares the service network; else it has its own");
  up->add_flag("--dhcp", lab_.dhcp, "Gateways serve DNS and DHCP and route; machine-1 and machine-2 ask for their addresses");
  up->add_flag("--qdevice", lab_.qdevice, "A corosync-qnetd gives a third vote; with two gateways in place of the tie-break router");
  tree_.verb(lab, "down", "Remove it and everything that runs in it", [this] { lab_down(lab_.name, environment_); });
  tree_.verb(lab, "status", "Its nodes, what runs there, who holds the VIP", [this] { lab_status(lab_.name, options_, environment_); });
  CLI::App* exec = tree_.verb(lab, "exec", "Run a command in a node, or in 'switch', which has everybody's ports",
                              [this] { lab_exec(lab_.name, node_, command_, environment_); });
  exec->add_option("NODE", node_, "For example gate-1")->required();
  exec->add_option("CMD", command_, "The command and its arguments")->required();
}

CLI::App* LocalCommands::add_cluster() {
  CLI::App* cluster = tree_.group("cluster", "Nodes that share the VIPs");
  const auto file = [this](CLI::App* at) { at->add_option("FILE", file_, "The configuration (default /etc/fairlead/fairlead.yaml)"); };
  file(tree_.verb(cluster, "render", "Print the corosync.conf that belongs to the configuration",
                  [this] { render_cluster(file_, environment_); }));
  CLI::App* setup = tree_.verb(
      cluster, "setup", "Make this machine a node: write authkey and corosync.conf, start the services; let another node in", [this] {
        setup_.file = file_;
        setup_cluster(setup_, options_, environment_);
      });
  file(setup);
  setup->add_flag("--dry-run", setup_.dry_run, "Only show what would change");
  setup->add_flag("--invite", setup_.invite, "Then wait for one node that joins, and print the token it needs");
  setup->add_option("--listen", setup_.listen, "Where to wait (default: this node's first link, a free port)")->type_name("ADDRESS[:PORT]");
  setup->add_option("--ttl", setup_.ttl, "How long to wait: 1s to 1h (default 10m)")->type_name("DURATION");
  setup->add_option("--to-file", setup_.to_file, "Write what a joining node needs to a file (0600) instead")->type_name("FILE");
  setup->add_flag("--no-start", setup_.no_start, "Leave the start of Corosync and fairleadd to you");
  CLI::App* join =
      tree_.verb(cluster, "join", "Make this host a node of a cluster: take over its authkey and configuration, start the services",
                 [this] { join_cluster(join_, options_, environment_); });
  join->add_option("TOKEN", join_.token, "From `fairlead cluster setup --invite` on a node of the cluster; - reads it from standard input");
  join->add_option("--file", join_.file, "A file made by `fairlead cluster setup --to-file` instead")->type_name("FILE");
  join->add_option("--config", join_.config, "Where this node's configuration is, or goes (default /etc/fairlead/fairlead.yaml)")
      ->type_name("FILE");
  join->add_flag("--no-start", join_.no_start, "Leave the start of Corosync and fairleadd to you");
  CLI::App* advise = tree_.verb(cluster, "advise", "Measure this machine's pauses and say which timing suits it",
                                [this] { advise_cluster(duration_, file_, options_, environment_); });
  file(advise);
  advise->add_option("--duration", duration_, "How long to measure (default 60s)")->type_name("DURATION");
  return cluster;
}

}  // namespace fairlead::cli
