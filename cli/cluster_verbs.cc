#include "cli/cluster_verbs.h"

#include <algorithm>
#include <boost/json.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ostream>
#include <unistd.h>

#include "admin/handover.h"
#include "admin/json_text.h"
#include "base/atomic_file.h"
#include "base/units.h"
#include "cli/cluster_bundle.h"
#include "cli/cluster_files.h"
#include "cli/progress.h"
#include "cli/qdevice_steps.h"
#include "cli/services.h"
#include "cli/text_diff.h"
#include "cli/text_table.h"
#include "cli/yaml_text.h"
#include "config/load.h"
#include "membership/corosync_conf.h"

namespace fairlead::cli {
namespace {

using namespace std::chrono_literals;

constexpr Duration kInvitationMin = 1s;
constexpr Duration kInvitationMax = 1h;

[[noreturn]] void fail(const Error& error) {
  throw VerbFailure{error.code == Errc::kRefused ? kExitRefused : kExitFailed, error.message()};
}
template <class T>
T must(Result<T> result) {
  if (!result) fail(result.error());
  return std::move(*result);
}
void must(const Status& status) {
  if (!status) fail(status.error());
}

void print_problems(const std::vector<config::Problem>& problems, CliEnvironment& environment) {
  for (const auto& problem : problems) environment.err << config::format(problem) << "\n";
}

membership::RenderedConf rendered(const config::Cluster& cluster, CliEnvironment& environment) {
  auto out = membership::render_corosync_conf(cluster);
  for (const std::string& warning : out.warnings) environment.err << "warning: " << warning << "\n";
  return out;
}

std::string joined(const std::vector<IpAddress>& addresses) {
  std::vector<std::string> out;
  for (const IpAddress& address : addresses) {
    if (!address.is_loopback()) out.push_back(address.to_string());
  }
  return out.empty() ? "no address" : fmt::format("{}", fmt::join(out, ", "));
}

/// Which of the nodes this machine is. `named`: what a configuration of its own says. An address says more than a host name: a copied
/// machine keeps its name.
const config::Node* own_node(const config::Cluster& cluster, const std::string& named, const config::Environment& host) {
  const auto by_name = [&](const std::string& name) -> const config::Node* {
    const auto found =
        std::find_if(cluster.nodes.begin(), cluster.nodes.end(), [&](const config::Node& node) { return node.name == name; });
    return found == cluster.nodes.end() ? nullptr : &*found;
  };
  if (!named.empty()) return by_name(named);
  const auto here = host.local_addresses.value_or(std::vector<IpAddress>{});
  for (const config::Node& node : cluster.nodes) {
    const bool own = std::any_of(node.links.begin(), node.links.end(),
                                 [&](const IpAddress& link) { return std::find(here.begin(), here.end(), link) != here.end(); });
    if (own) return &node;
  }
  return by_name(host.host_name);
}

std::string no_node(const config::Cluster& cluster, const config::Environment& host, const std::string& remedy) {
  std::vector<std::string> nodes;
  for (const config::Node& node : cluster.nodes) nodes.push_back(fmt::format("{} ({})", node.name, joined(node.links)));
  return fmt::format("this host, {} ({}), is none of the nodes of {}: {}. {}", host.host_name,
                     joined(host.local_addresses.value_or(std::vector<IpAddress>{})), cluster.name, fmt::join(nodes, ", "), remedy);
}

/// Links that `fairlead import` wrote because no file told them, from 192.0.2.0/24: for documents, no machine has them (RFC 5737).
void refuse_placeholders(const config::Cluster& cluster, const std::string& file) {
  const IpPrefix documents{IpAddress::v4({192, 0, 2, 0}), 24};
  std::vector<std::string> found;
  for (const config::Node& node : cluster.nodes) {
    for (const IpAddress& link : node.links) {
      if (documents.contains(link)) found.push_back(fmt::format("{} of {}", link.to_string(), node.name));
    }
  }
  if (found.empty()) return;
  throw VerbFailure{kExitFailed, fmt::format("{}: cluster.nodes[].links has {}, which stands for an address that was not known: no machine "
                                             "has one of {}. Write each node's own address there, and its host name as name "
                                             "(`grep -n CHANGE: {}` finds what else to look at). Nothing was written",
                                             file, fmt::join(found, ", "), documents.to_string(), file)};
}

std::string_view word_of(FileChange change) {
  switch (change) {
    case FileChange::kUnchanged: return "unchanged";
    case FileChange::kCreate: return "created";
    case FileChange::kReplace: return "replaced";
    case FileChange::kMode: return "mode corrected";
  }
  return "unchanged";
}

struct SetupReport {
  std::vector<PlannedFile> files;
  ServiceReport services;
  std::vector<std::string> next;
  bool dry_run = false;
};

/// Says what was done, or with `dry_run` what would be.
void print_report(const SetupReport& report, OutputFormat format, CliEnvironment& environment) {
  const auto& [files, services, next, dry_run] = report;
  if (format != OutputFormat::kText) {
    boost::json::array list;
    for (const PlannedFile& file : files) {
      boost::json::object entry{{"path", admin::json_string(file.path)}, {"change", admin::json_string(word_of(file.change))}};
      if (!file.backup.empty()) entry["backup"] = admin::json_string(file.backup);
      if (!file.refusal.empty()) entry["wants_force"] = admin::json_string(file.refusal);
      list.emplace_back(std::move(entry));
    }
    boost::json::array steps;
    for (const std::string& step : next) steps.emplace_back(admin::json_string(step));
    boost::json::array units;
    for (const auto& unit : services.done)
      units.push_back(boost::json::object{{"unit", admin::json_string(unit.unit)}, {"is", admin::json_string(unit.what)}});
    print_document(
        boost::json::object{{"dry_run", dry_run}, {"files", std::move(list)}, {"services", std::move(units)}, {"next", std::move(steps)}},
        format, environment);
    return;
  }
  TextTable table({"file", "mode", dry_run ? "would be" : "is"});
  for (const PlannedFile& file : files) {
    std::string change(word_of(file.change));
    if (!file.backup.empty()) change += "; the earlier one kept as " + file.backup;
    if (dry_run && !file.refusal.empty()) change += " (with --force only: " + file.refusal + ")";
    table.row(
        {{file.path}, {fmt::format("{:04o}", file.mode)}, {change, file.change == FileChange::kUnchanged ? Tone::kDim : Tone::kGood}});
  }
  environment.out << table.text(environment.color);
  if (dry_run) {
    for (const PlannedFile& file : files) {
      // The key's bytes are never shown, nor how they differ.
      if (file.mode == 0400 || file.change == FileChange::kUnchanged) continue;
      environment.out << "\n" << file.path << ":\n" << text_diff(file.before, file.text);
    }
  }
  if (!services.done.empty()) environment.out << "\n";
  for (const auto& unit : services.done) environment.out << unit.unit << ": " << unit.what << "\n";
  if (!next.empty()) environment.out << "\nnext:\n";
  for (const std::string& step : next) environment.out << "  " << step << "\n";
}

void refuse_without_force(const std::vector<PlannedFile>& files, bool force, const std::string& consequence) {
  std::vector<std::string> why;
  std::vector<std::string> kept;
  for (const PlannedFile& file : files) {
    if (file.refusal.empty() || force) continue;
    why.push_back(file.refusal);
    kept.push_back(file.backup);
  }
  if (why.empty()) return;
  fail({Errc::kRefused, fmt::format("{}. {}; --force keeps {} as {} and writes the new one{}", fmt::join(why, "; "), consequence,
                                    why.size() == 1 ? "it" : "them", fmt::join(kept, ", "), why.size() == 1 ? "" : "s")});
}

void write_files(const std::vector<PlannedFile>& files, bool force) {
  refuse_without_force(files, force, "Nothing was written");
  must(apply_files(files));
}

/// What Corosync has to be told of files that were written now.
enum class CorosyncNeed : std::uint8_t { kNothing, kReadAgain, kStart };
/// A file of ours that has changed is read again by a running Corosync: no restart, which would cost a holder its VIPs.
CorosyncNeed corosync_need(const std::vector<PlannedFile>& files) {
  CorosyncNeed out = CorosyncNeed::kNothing;
  for (const PlannedFile& file : files) {
    if (file.change != FileChange::kCreate && file.change != FileChange::kReplace) continue;
    const bool conf = file.path.ends_with("/corosync.conf");
    const bool ours = conf && file.change == FileChange::kReplace && file.backup.empty();
    if (!ours && (conf || file.path.ends_with("/authkey"))) return CorosyncNeed::kStart;
    if (ours) out = CorosyncNeed::kReadAgain;
  }
  return out;
}

/// How Corosync comes to run with files that were written now, where it is left to the operator.
std::vector<std::string> start_steps(CorosyncNeed need, CliEnvironment& environment) {
  if (need == CorosyncNeed::kReadAgain)
    return {"the same on every other node, then on one of them: corosync-cfgtool -R   (Corosync reads the file again; no restart)"};
  if (need == CorosyncNeed::kNothing) return {};
  if (environment.systemd_runs()) return {"systemctl enable corosync && systemctl restart corosync"};
  return {"(re)start Corosync on this node (there is no systemd here: corosync -f, or your own way)"};
}

/// Starts the services, or says how.
void start_or_say(SetupReport& report, bool may_start, bool standard_place, CliEnvironment& environment) {
  const CorosyncNeed need = corosync_need(report.files);
  if (need == CorosyncNeed::kStart && may_start && environment.systemd_runs()) {
    report.services = start_services(standard_place, environment);
    report.next = report.services.next;
  } else {
    report.next = start_steps(need, environment);
  }
}

/// What a joining node is given. Errors end the verb.
ClusterBundle make_bundle(const std::string& file, const std::string& conf, const ClusterPaths& paths) {
  ClusterBundle out;
  out.authkey = must(read_authkey(paths));
  out.corosync_conf = conf;
  const auto text = must(read_small_file(file));
  if (!text) fail({Errc::kNotFound, file + " has gone meanwhile"});
  out.fairlead_yaml = *text;
  return out;
}

Endpoint invitation_place(const std::string& listen, const config::Node& node) {
  if (listen.empty()) return {node.links.front(), 0};
  Endpoint out;
  if (const auto address = parse_ip_address(listen)) {
    out.address = *address;
  } else if (const auto place = parse_endpoint(listen)) {
    out = *place;
  } else {
    throw VerbFailure{kExitUsage, "--listen '" + listen + "': write ADDRESS or ADDRESS:PORT"};
  }
  if (out.address.is_unspecified())
    throw VerbFailure{kExitUsage, "--listen " + listen + ": the token carries the address, so name one that the other node reaches"};
  return out;
}

void invite(const SetupOptions& setup, const config::Node& node, const ClusterBundle& bundle, OutputFormat format,
            CliEnvironment& environment) {
  const Duration ttl = must(parse_duration(setup.ttl));
  const auto host = must(admin::HandoverHost::open(invitation_place(setup.listen, node), environment.clock.wall() + ttl));
  const std::string token = admin::encode_invitation(host->invitation());
  const std::string place = host->invitation().at.to_string();
  if (format == OutputFormat::kText) {
    environment.out << "\nwithin " << format_duration(ttl) << ", on the node that joins:\n  fairlead cluster join " << token
                    << "\nwaiting at " << place << ", for one node; Ctrl-C ends the invitation" << std::endl;
  } else {
    print_document(
        boost::json::object{{"token", admin::json_string(token)}, {"address", admin::json_string(place)}, {"ttl_s", to_seconds(ttl)}},
        format, environment);
    environment.out.flush();
  }
  std::optional<Progress> progress(std::in_place, environment, "waiting for a node that joins", ttl);
  auto served = host->serve(encode_bundle(bundle), ttl, [&](const std::string& why) { progress->say("not served: " + why); });
  progress.reset();
  const auto guest = must(std::move(served));
  if (format == OutputFormat::kText) {
    environment.out << "handed over to " << guest.name << " (" << guest.from.address.to_string() << "); the token is used\n";
  } else {
    print_document(
        boost::json::object{{"joined", admin::json_string(guest.name)}, {"from", admin::json_string(guest.from.address.to_string())}},
        format, environment);
  }
}

void check_setup_options(const SetupOptions& setup) {
  const bool both = setup.invite && !setup.to_file.empty();
  if (both) throw VerbFailure{kExitUsage, "--invite and --to-file are two ways of one hand-over: choose one"};
  if (setup.dry_run && (setup.invite || !setup.to_file.empty())) throw VerbFailure{kExitUsage, "--dry-run hands nothing over"};
  const auto ttl = parse_duration(setup.ttl);
  if (!ttl) throw VerbFailure{kExitUsage, "--ttl: " + ttl.error().message()};
  if (*ttl < kInvitationMin || *ttl > kInvitationMax) throw VerbFailure{kExitUsage, "--ttl: between 1s and 1h"};
}

void check_to_file(const std::string& path, bool force) {
  if (::access(path.c_str(), F_OK) == 0 && !force)
    fail({Errc::kRefused, path + " is there already. Nothing was written; --force replaces it"});
  if (const Status tried = try_writing({path}); !tried) fail({tried.error().code, tried.error().message() + ". Nothing was written"});
}

/// What is left to do after a setup, beyond the services.
void add_setup_steps(SetupReport& report, const config::Cluster& cluster, bool handed_over) {
  const bool first = std::any_of(report.files.begin(), report.files.end(),
                                 [](const PlannedFile& file) { return file.change == FileChange::kCreate || !file.backup.empty(); });
  if (first && cluster.nodes.size() > 1 && !handed_over)
    report.next.emplace_back("for each other node: fairlead cluster setup --invite, here; fairlead cluster join TOKEN, there");
  if (!report.next.empty()) report.next.emplace_back("fairlead status, once fairleadd runs");
}

/// The token's or the file's content.
std::string fetch(const JoinOptions& join, const config::Environment& host, CliEnvironment& environment) {
  if (!join.file.empty()) {
    auto text = must(read_small_file(join.file));
    if (!text) fail({Errc::kNotFound, join.file + " is not there"});
    return std::move(*text);
  }
  const auto invitation = must(admin::decode_invitation(join.token == "-" ? environment.read_line() : join.token));
  std::optional<Progress> progress(std::in_place, environment, "the inviting node hands over key and configuration");
  auto text = admin::fetch_handover(invitation, host.host_name);
  progress.reset();
  if (text) return std::move(*text);
  Error error = text.error();
  const WallTime expires{std::chrono::seconds(invitation.expires_s)};
  const Duration late = environment.clock.wall() - expires;
  if (late > Duration{}) error.context += fmt::format(". By this machine's clock the token expired {} ago", age_text(to_seconds(late)));
  error.context += ". Make a new one: fairlead cluster setup --invite";
  fail(error);
}

/// The name by which this machine's own configuration calls it; empty: it has none that says so.
std::string named_here(const std::optional<config::Snapshot>& own) { return own ? own->node : std::string(); }

std::optional<config::Snapshot> own_configuration(const ClusterPaths& paths, const config::Environment& host, CliEnvironment& environment) {
  if (::access(paths.config.c_str(), F_OK) != 0) return std::nullopt;
  auto loaded = config::load_file(paths.config, host);
  if (loaded.snapshot) return std::move(loaded.snapshot);  // Its warnings are `fairlead check`'s to say.
  print_problems(loaded.problems, environment);
  throw VerbFailure{kExitInvalidConfig,
                    fmt::format("{} is there and not valid, and it would be kept. Nothing was written: mend it, or move "
                                "it away to get the one that is handed over",
                                paths.config)};
}

/// What stands in the way on this machine, said before the token is used up. Whether the key that is here is the cluster's is known only
/// afterwards, so that any key asks for --force.
void check_before_token(const JoinOptions& join, const ClusterPaths& paths, bool has_config, bool force) {
  std::vector<PlannedFile> standing{must(plan_corosync_conf(paths, ""))};
  if (join.file.empty()) {
    PlannedFile key = must(plan_authkey(paths, ""));
    if (!key.refusal.empty()) key.refusal = key.path + " is there already: this machine has the key of a cluster, perhaps of another one";
    standing.push_back(std::move(key));
  }
  refuse_without_force(standing, force, join.file.empty() ? "Nothing was written and the token is not used" : "Nothing was written");
  std::vector<std::string> written{paths.corosync + "/authkey", paths.corosync + "/corosync.conf"};
  if (!has_config) written.push_back(paths.config);
  if (const Status tried = try_writing(written); !tried)
    fail({tried.error().code, tried.error().message() + ". Nothing was written" + (join.file.empty() ? " and the token is not used" : "")});
}

/// fairlead.yaml for this node: the text that was handed over, with its own name where the host's does not do.
std::string config_for(const std::string& yaml, const config::Snapshot& theirs, const config::Node& me, const ClusterPaths& paths,
                       const config::Environment& host, CliEnvironment& environment) {
  const bool named = !theirs.node.empty() || host.host_name != me.name;
  std::string out = named && theirs.node != me.name ? with_node_name(yaml, me.name) : yaml;
  config::Environment nothing_of_this_machine;
  nothing_of_this_machine.host_name = host.host_name;
  const auto loaded = config::load_text(out, paths.config, nothing_of_this_machine);
  print_problems(loaded.problems, environment);
  if (!loaded.snapshot)
    throw VerbFailure{kExitInvalidConfig, "the configuration that was handed over is not valid here. Nothing was written"};
  return out;
}

}  // namespace

void print_document(const boost::json::value& document, OutputFormat format, CliEnvironment& environment) {
  environment.out << (format == OutputFormat::kJson ? admin::json_text(document, admin::JsonStyle::kPretty) + "\n" : yaml_text(document));
}

config::Snapshot load_cluster(const std::string& file, CliEnvironment& environment) {
  auto loaded = config::load_file(file, config::Environment{});  // What this host lacks for a daemon is `fairlead check`'s to say.
  print_problems(loaded.problems, environment);
  if (!loaded.snapshot) throw VerbFailure{kExitInvalidConfig, file + ": not valid"};
  if (!loaded.snapshot->cluster) throw VerbFailure{kExitFailed, file + " has no `cluster`: this node stands alone and needs no Corosync"};
  return std::move(*loaded.snapshot);
}

void render_cluster(const std::string& file, CliEnvironment& environment) {
  const auto snapshot = load_cluster(file.empty() ? environment.cluster_paths.config : file, environment);
  environment.out << rendered(*snapshot.cluster, environment).text;
}

void setup_cluster(const SetupOptions& setup, const GlobalOptions& options, CliEnvironment& environment) {
  check_setup_options(setup);
  const ClusterPaths& paths = environment.cluster_paths;
  const std::string file = setup.file.empty() ? paths.config : setup.file;
  const auto snapshot = load_cluster(file, environment);
  refuse_placeholders(*snapshot.cluster, file);
  const auto host = environment.host();
  const config::Node* me = own_node(*snapshot.cluster, snapshot.node, host);
  if (me == nullptr && !setup.dry_run)
    throw VerbFailure{kExitFailed,
                      no_node(*snapshot.cluster, host, "Run it on one of them, or add this host to cluster.nodes. Nothing was written")};
  if (!setup.to_file.empty()) check_to_file(setup.to_file, options.force);
  const auto conf = rendered(*snapshot.cluster, environment);
  const std::vector<PlannedFile> files{must(plan_authkey(paths, std::nullopt)), must(plan_corosync_conf(paths, conf.text))};
  const bool handed_over = setup.invite || !setup.to_file.empty();
  SetupReport report{.files = files, .services = {}, .next = {}, .dry_run = setup.dry_run};
  if (!setup.dry_run) {
    write_files(files, options.force);
    start_or_say(report, !setup.no_start, file == paths.config, environment);
    add_setup_steps(report, *snapshot.cluster, handed_over);
  }
  print_report(report, options.format, environment);
  if (!report.services.failure.empty()) fail({Errc::kUnavailable, report.services.failure});
  if (options.format == OutputFormat::kText && snapshot.cluster->qdevice) {
    const bool store = ::access((paths.corosync + "/" + kQdeviceStore).c_str(), F_OK) == 0;
    environment.out << "\n" << qdevice_steps(*snapshot.cluster, me == nullptr ? "one node" : me->name, store);
  }
  if (!handed_over) return;
  const auto bundle = make_bundle(file, conf.text, paths);
  if (setup.invite) return invite(setup, *me, bundle, options.format, environment);
  must(write_file_atomically(setup.to_file, encode_bundle(bundle), 0600));
  environment.err << "wrote " << setup.to_file
                  << " (0600). It holds the cluster's key: bring it to the other node by a safe way, run there\n"
                  << "  fairlead cluster join --file " << setup.to_file << "\nand remove it on both\n";
}

void join_cluster(const JoinOptions& join, const GlobalOptions& options, CliEnvironment& environment) {
  if (join.token.empty() == join.file.empty()) throw VerbFailure{kExitUsage, "give either TOKEN or --file FILE"};
  ClusterPaths paths = environment.cluster_paths;
  if (!join.config.empty()) paths.config = join.config;
  const auto host = environment.host();
  const auto own = own_configuration(paths, host, environment);
  check_before_token(join, paths, own.has_value(), options.force);

  const auto bundle = must(decode_bundle(fetch(join, host, environment)));
  const auto theirs = config::load_text(bundle.fairlead_yaml, "the configuration that was handed over", config::Environment{});
  if (!theirs.snapshot || !theirs.snapshot->cluster || membership::origin_of_conf(bundle.corosync_conf) != membership::ConfOrigin::kOurs) {
    print_problems(theirs.problems, environment);
    throw VerbFailure{kExitFailed, "the configuration that was handed over is not understood. Is fairlead of one version on both nodes?"};
  }
  const config::Cluster& cluster = *theirs.snapshot->cluster;
  const config::Node* me = own_node(cluster, named_here(own), host);
  if (me == nullptr) {
    throw VerbFailure{kExitFailed, no_node(cluster, host,
                                           "Add it to cluster.nodes on a node of the cluster, run `fairlead cluster setup --invite` there "
                                           "again. Nothing was written")};
  }
  const std::string yaml = own ? std::string() : config_for(bundle.fairlead_yaml, *theirs.snapshot, *me, paths, host, environment);
  const std::vector<PlannedFile> files{must(plan_authkey(paths, bundle.authkey)), must(plan_corosync_conf(paths, bundle.corosync_conf)),
                                       must(plan_config(paths, yaml))};
  write_files(files, options.force);
  SetupReport report{.files = files, .services = {}, .next = {}};
  start_or_say(report, !join.no_start, paths.config == environment.cluster_paths.config, environment);
  const bool daemon_started = report.services.done.size() > 1;
  if (!daemon_started) report.next.emplace_back("fairleadd --check --config " + paths.config + ", then systemctl enable --now fairleadd");
  if (daemon_started) report.next.emplace_back("fairlead status");
  if (!join.file.empty()) report.next.emplace_back("rm " + join.file + "   (it holds the cluster's key)");
  print_report(report, options.format, environment);
  if (!report.services.failure.empty()) fail({Errc::kUnavailable, report.services.failure});
  if (options.format == OutputFormat::kText) environment.out << "\nthis host is " << me->name << " of " << cluster.name << "\n";
  if (options.format == OutputFormat::kText && cluster.qdevice) {
    const bool store = ::access((paths.corosync + "/" + kQdeviceStore).c_str(), F_OK) == 0;
    environment.out << "\n" << qdevice_steps(cluster, me->name, store);
  }
  if (own && own->cluster != theirs.snapshot->cluster)
    environment.err << "warning: " << paths.config
                    << " was kept, and its `cluster` differs from the one of the inviting node: no VIP moves by "
                    << "choice until they are the same\n";
}

}  // namespace fairlead::cli
