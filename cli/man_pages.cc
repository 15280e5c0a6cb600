// fairlead: pure
#include "cli/man_pages.h"

#include <array>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>
#include <vector>

#include "base/daemon_options.h"
#include "cli/man_text.h"
#include "config/schema.h"
#include "config/schema_words.h"
#include "generated/version.h"

namespace fairlead::cli {
namespace {

using config::schema::Field;
using config::schema::Section;

struct Example {
  std::string_view text;
  std::string_view command;
};
constexpr std::array kExamples{
    Example{"A first configuration for two gateways in front of three API servers:",
            "fairlead init --vip 192.168.4.20/24 --gateway 192.168.4.254 \\\n"
            "  --peer gate-1=192.168.4.130 --peer gate-2=192.168.4.131 \\\n"
            "  --server mast-1=192.168.1.11:6443 --server mast-2=192.168.1.12:6443 \\\n"
            "  --server mast-3=192.168.1.13:6443"},
    Example{"Every problem of a configuration, before it is used:", "fairlead check /etc/fairlead/fairlead.yaml"},
    Example{"The node at a glance, redrawn every second:", "fairlead status --watch"},
    Example{"Take a server out for an upgrade, and put it back:",
            "fairlead server drain masters/mast-1 --wait\nfairlead server ready masters/mast-1"},
    Example{"Move a virtual IP, and see why it is where it is:", "fairlead vip move api --to gate-2\nfairlead vip explain api"},
    Example{"For scripts: one document, whatever the terminal:", "fairlead --json status"},
};
struct Code {
  std::string_view code;
  std::string_view text;
};
constexpr std::array kExits{Code{"0", "Done."},
                            Code{"1", "Failed; the message says why and what to do next."},
                            Code{"2", "Wrong usage: nothing was sent or changed."},
                            Code{"3", "Invalid configuration: nothing was changed."},
                            Code{"4", "The daemon is not reachable."},
                            Code{"5", "Refused: the caller is no operator, the cluster is not quorate, or it wants --force."}};

void add_options(ManPage& page, const VerbModel& verb) {
  for (const OptionModel& argument : verb.arguments) page.entry(argument.value, "", argument.text);
  for (const OptionModel& option : verb.options) page.entry(fmt::format("{}", fmt::join(option.names, ", ")), option.value, option.text);
}

void add_verb(ManPage& page, const std::string& path, const VerbModel& verb) {
  page.subheading(path + arguments_text(verb));
  page.paragraph(verb.text + ".");
  VerbModel without_help = verb;
  std::erase_if(without_help.options, [](const OptionModel& option) { return long_name(option) == "--help"; });
  add_options(page, without_help);
  for (const VerbModel& child : verb.verbs) add_verb(page, path + " " + child.name, child);
}

/// One line for each verb that acts, however deep it is.
void add_synopsis(ManPage& page, const std::string& path, const VerbModel& verb) {
  if (verb.acts) page.synopsis(path, arguments_text(verb) + (verb.options.size() > 1 ? " [OPTIONS]" : ""));
  for (const VerbModel& child : verb.verbs) add_synopsis(page, path + " " + child.name, child);
}

void add_exits(ManPage& page) {
  page.heading("exit status");
  for (const Code& one : kExits) page.entry(one.code, "", one.text);
}

std::string file_of(const VerbModel& group) { return "fairlead-" + group.name + ".1"; }

std::string program_page(const VerbModel& program, const std::string& date) {
  ManPage page("fairlead", "1", date, kVersion);
  page.heading("name");
  page.paragraph("fairlead - operates fairleadd, the L4 proxy for API gateways");
  page.heading("synopsis");
  page.synopsis("fairlead", " [OPTIONS] VERB [ARGUMENTS]");
  page.heading("description");
  page.paragraph(
      "One command for the node, its cluster and its configuration. Verbs about the running node ask its daemon over a unix socket, or "
      "another node's over HTTP or HTTPS (--server); verbs about files, the first configuration, the lab and the benchmark need no daemon. "
      "Results go to standard output, as text for people or as JSON or YAML for scripts; questions, progress and errors go to standard "
      "error.");
  page.heading("options");
  page.paragraph("They stand before or after the verb.");
  add_options(page, program);
  page.heading("verbs");
  for (const VerbModel& verb : program.verbs) {
    if (verb.acts) add_verb(page, verb.name, verb);
  }
  page.heading("verbs with pages of their own");
  for (const VerbModel& verb : program.verbs) {
    if (verb.acts) continue;
    std::vector<std::string> names;
    for (const VerbModel& child : verb.verbs) names.push_back(child.name);
    const std::string text = fmt::format("{}: see fairlead-{}(1).", verb.text, verb.name);
    // A long list without spaces would have no place where a line may end.
    if (names.size() > 8) {
      page.entry(verb.name, "VERB", fmt::format("{} Verbs: {}.", text, fmt::join(names, ", ")));
    } else {
      page.entry(verb.name, fmt::format("{}", fmt::join(names, "|")), text);
    }
  }
  add_exits(page);
  page.heading("environment");
  page.entry("FAIRLEAD_SOCKET", "", "Socket of the daemon, where --socket is not given.");
  page.entry("NO_COLOR", "", "Not empty: no colour, unless --color always.");
  page.heading("files");
  page.entry("/etc/fairlead/fairlead.yaml", "", "The node's configuration: fairlead.yaml(5).");
  page.entry("/run/fairlead/fairlead.sock", "",
             "Where the daemon is asked. Root and the group fairlead may change things, others may read.");
  page.heading("examples");
  for (const Example& one : kExamples) {
    page.paragraph(one.text);
    page.example(one.command);
  }
  page.heading("see also");
  std::string also = "fairleadd(8), fairlead.yaml(5)";
  for (const VerbModel& verb : program.verbs) {
    if (!verb.acts) also += ", fairlead-" + verb.name + "(1)";
  }
  page.paragraph(also);
  return page.text();
}

std::string group_page(const VerbModel& group, const std::string& date) {
  const std::string name = "fairlead-" + group.name;
  ManPage page(name, "1", date, kVersion);
  page.heading("name");
  page.paragraph(name + " - " + group.text);
  page.heading("synopsis");
  for (const VerbModel& verb : group.verbs) add_synopsis(page, "fairlead " + group.name + " " + verb.name, verb);
  page.heading("verbs");
  for (const VerbModel& verb : group.verbs) add_verb(page, verb.name, verb);
  page.heading("options");
  VerbModel without_help = group;
  std::erase_if(without_help.options, [](const OptionModel& option) { return long_name(option) == "--help"; });
  if (!without_help.options.empty()) add_options(page, without_help);
  page.paragraph("Those of every verb, exit codes, environment and files: fairlead(1).");
  page.heading("see also");
  page.paragraph("fairlead(1), fairleadd(8), fairlead.yaml(5)");
  return page.text();
}

std::string daemon_page(const std::string& date) {
  ManPage page("fairleadd", "8", date, kVersion);
  page.heading("name");
  page.paragraph("fairleadd - L4 proxy and virtual IPs for the API servers of a Kubernetes cluster");
  page.heading("synopsis");
  page.synopsis("fairleadd --config", " FILE [--check | --check-start | --release-vips]");
  page.heading("description");
  page.paragraph(kDaemonSummary);
  page.paragraph(
      "It relays TCP connections to the servers that pass their checks, and holds virtual IPs that move between the nodes of a cluster; "
      "membership is Corosync's. systemd starts it as fairleadd.service, which waits until it serves. It is operated with fairlead(1).");
  page.heading("options");
  for (const DaemonOption& one : kDaemonOptions) page.entry(one.name, one.value, std::string(one.text) + ".");
  page.heading("signals");
  page.paragraph(kDaemonSignals);
  page.heading("exit status");
  page.paragraph(kDaemonExits);
  page.heading("files");
  page.entry("/etc/fairlead/fairlead.yaml", "", "Its configuration: fairlead.yaml(5).");
  page.entry("/run/fairlead/fairlead.sock", "", "Where fairlead(1) asks it.");
  page.entry("/var/lib/fairlead", "", "What it keeps over a restart: the VIPs it holds, and what operators wished of VIPs and nodes.");
  page.heading("see also");
  page.paragraph("fairlead(1), fairlead.yaml(5), corosync.conf(5)");
  return page.text();
}

/// "duration, 1ms to 24h, default 1s; effective after a restart"
std::string facts_of(const Section& section, const Field& field) {
  const auto& info = field.type->info();
  std::string out = config::schema::type_in_words(info);
  if (!info.range.empty()) out += ", " + info.range;
  const std::string standard = config::schema::default_in_words(section, field);
  if (standard == "required") {
    out += "; required";
  } else if (!standard.empty()) {
    out += "; default " + standard;
  }
  return out + (field.restart ? "; effective after a restart" : "");
}

void add_section(ManPage& page, const Section& section, std::set<const Section*>& done) {
  if (!done.insert(&section).second) return;
  page.subheading(section.title.empty() ? "The file" : section.title);
  page.paragraph(section.doc);
  if (section.title == "defaults.pool") {
    page.paragraph("The keys, their types and defaults are those of pools[].");
    for (const Field& field : section.fields) {
      if (const Section* inner = config::schema::section_within(field.type->info())) done.insert(inner);
    }
    return;
  }
  for (const Field& field : section.fields) page.entry(field.name, "", "(" + facts_of(section, field) + ") " + field.doc);
  for (const Field& field : section.fields) {
    if (const Section* inner = config::schema::section_within(field.type->info())) add_section(page, *inner, done);
  }
}

std::string file_page(const std::string& date) {
  ManPage page("fairlead.yaml", "5", date, kVersion);
  page.heading("name");
  page.paragraph("fairlead.yaml - configuration of a gateway");
  page.heading("description");
  page.paragraph(
      "One YAML file configures a node; the same file may be used on all nodes of a cluster. fairlead init writes a first one, fairlead "
      "check FILE reports every problem with line, column and hint, fairlead explain KEY.PATH prints what stands here.");
  page.paragraph(
      "Durations carry a unit (ms, s, m, h), sizes too (B, KiB, MiB, GiB); a bare number is an error, 0 aside. Truth values are true and "
      "false; on, off, yes and no mean the same. Addresses with a port are quoted. Names are lower-case letters, digits, dots, underscores "
      "and hyphens, at most 63. A key without a value is an error: leave the key out to keep its default.");
  page.paragraph(
      "SIGHUP or fairlead reload applies a changed file, if it is valid as a whole; else nothing is changed. Keys that are effective after "
      "a "
      "restart are accepted and reported.");
  page.heading("keys");
  std::set<const Section*> done;
  add_section(page, config::schema::gateway(), done);
  page.heading("examples");
  page.paragraph("One gateway in front of two API servers:");
  page.example(
      "apiVersion: fairlead/v1\nlisteners:\n  - name: kube-api\n    bind: [\"0.0.0.0:6443\"]\n    pool: masters\npools:\n  - name: "
      "masters\n"
      "    health: {type: https, path: /readyz, ca: /etc/fairlead/ca.crt}\n    servers:\n"
      "      - {name: mast-1, address: \"192.168.1.11:6443\"}\n      - {name: mast-2, address: \"192.168.1.12:6443\"}");
  page.heading("see also");
  page.paragraph("fairlead(1), fairleadd(8), corosync.conf(5)");
  return page.text();
}

}  // namespace

std::map<std::string, std::string> manual_pages(const VerbModel& program, const std::string& date) {
  std::map<std::string, std::string> out{
      {"fairlead.1", program_page(program, date)}, {"fairleadd.8", daemon_page(date)}, {"fairlead.yaml.5", file_page(date)}};
  for (const VerbModel& verb : program.verbs) {
    if (!verb.acts) out.emplace(file_of(verb), group_page(verb, date));
  }
  return out;
}

}  // namespace fairlead::cli
