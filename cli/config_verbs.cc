#include "cli/config_verbs.h"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <filesystem>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fstream>
#include <ostream>

#include "admin/json_text.h"
#include "admin/status_codec.h"
#include "base/atomic_file.h"
#include "cli/event_guide.h"
#include "cli/text_table.h"
#include "cli/yaml_text.h"
#include "config/diff.h"
#include "config/host_environment.h"
#include "config/limits.h"
#include "config/load.h"
#include "config/parse.h"
#include "config/print.h"
#include "config/reference.h"
#include "k8s-bootstrap/render/check_rendered.h"
#include "k8s-bootstrap/site/site_load.h"
#include "k8s-bootstrap/site/site_reference.h"

namespace fairlead::cli {
namespace {

boost::json::object problem_json(const config::Problem& p) {
  return {{"file", admin::json_string(p.file)},
          {"line", p.line},
          {"column", p.column},
          {"severity", admin::json_string(to_string(p.severity))},
          {"message", admin::json_string(p.message)},
          {"hint", admin::json_string(p.hint)}};
}

std::string problem_lines(const std::vector<config::Problem>& problems, bool color) {
  std::string out;
  for (const auto& p : problems)
    out += paint(config::format(p), p.severity == config::Severity::kError ? Tone::kBad : Tone::kWarn, color) + "\n";
  return out;
}

/// For -o json and -o yaml.
void print_document(const boost::json::value& document, const GlobalOptions& options, CliEnvironment& environment) {
  environment.out << (options.format == OutputFormat::kJson ? admin::json_text(document, admin::JsonStyle::kPretty) + "\n"
                                                            : yaml_text(document));
}

boost::json::value json_of(const config::DocNode& node) {
  switch (node.kind) {
    case config::DocNode::Kind::kNull: break;
    case config::DocNode::Kind::kScalar: {
      if (node.is_text) return admin::json_string(node.text);
      if (node.text == "true" || node.text == "false") return node.text == "true";
      std::int64_t number = 0;
      const auto [end, failed] = std::from_chars(node.text.data(), node.text.data() + node.text.size(), number);
      if (failed == std::errc() && end == node.text.data() + node.text.size()) return number;
      return admin::json_string(node.text);
    }
    case config::DocNode::Kind::kList: {
      boost::json::array out;
      for (const auto& item : node.items) out.emplace_back(json_of(*item));
      return out;
    }
    case config::DocNode::Kind::kMap: {
      boost::json::object out;
      for (const auto& entry : node.entries) out.insert_or_assign(entry.key, json_of(*entry.value));
      return out;
    }
  }
  return nullptr;
}

boost::json::array json_list(const std::vector<std::string>& lines) {
  boost::json::array out;
  for (const std::string& line : lines) out.emplace_back(admin::json_string(line));
  return out;
}

/// The daemon's configuration, read back. It was valid when it was applied, so a problem here means another version.
config::Snapshot active_config(DaemonCalls& calls) {
  auto loaded = config::load_text(calls.fetch("/api/v1/config"), "the active configuration", config::Environment{});
  if (!loaded.snapshot)
    throw VerbFailure{kExitFailed, problem_lines(loaded.problems, false) +
                                       "the active configuration is not understood. Are fairlead and fairleadd of one version?"};
  return std::move(*loaded.snapshot);
}

std::string standard_input() {
  std::ifstream in("/dev/stdin", std::ios::binary);
  std::string text(config::kFileBytesMax + 1, '\0');  // What is longer is refused as too long.
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

/// False: `name` is no event.
bool explain_event(const std::string& name, const GlobalOptions& options, CliEnvironment& environment) {
  const auto guide = find_event_guide(name);
  if (!guide && looks_like_event(name)) throw VerbFailure{kExitFailed, "no event '" + name + "' (" + nearest_event(name) + ")"};
  if (!guide) return false;
  if (options.format == OutputFormat::kText) {
    environment.out << event_guide_text(*guide, environment.color);
    return true;
  }
  print_document(boost::json::object{{"event", admin::json_string(guide->id)},
                                     {"level", admin::json_string(guide->level)},
                                     {"fields", json_list(guide->fields)},
                                     {"explanation", admin::json_string(guide->text)}},
                 options, environment);
  return true;
}

/// It says `kind: Site`. What cannot be read or understood does not, and is a gateway's to complain about.
bool is_site(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return false;  // A pipe is read once.
  const auto text = read_small_file(path, config::kFileBytesMax);
  if (!text || !*text) return false;
  const auto parsed = config::parse(**text, path);
  const config::DocNode* kind = parsed.document ? parsed.document->root->find("kind") : nullptr;
  return kind != nullptr && kind->text == "Site";
}

struct Checked {
  bool valid = false;
  std::vector<config::Problem> problems;
};

/// The site, and by the rules of their readers the texts it renders: those problems have no place in the site's own file.
Checked check_site(const std::string& path) {
  auto loaded = bootstrap::load_site_file(path);
  Checked out{loaded.site.has_value(), std::move(loaded.problems)};
  if (!loaded.site) return out;
  for (const auto& problem : bootstrap::check_rendered(*loaded.site)) {
    config::Problem told;
    told.file = path;
    told.severity = problem.error ? config::Severity::kError : config::Severity::kWarning;
    told.message = fmt::format("it renders {}: {}", problem.where, problem.text);
    told.hint = fmt::format("fairlead bootstrap plan {} --show NAME prints what is rendered", path);
    out.problems.push_back(std::move(told));
    out.valid = out.valid && !problem.error;
  }
  return out;
}

Checked check_gateway(const std::string& path) {
  auto loaded = config::load_file(path, config::host_environment());
  return {loaded.snapshot.has_value(), std::move(loaded.problems)};
}

}  // namespace

void check_file(const std::string& path, const GlobalOptions& options, CliEnvironment& environment) {
  const auto [valid, problems] = is_site(path) ? check_site(path) : check_gateway(path);
  const auto errors = std::count_if(problems.begin(), problems.end(), [](const auto& p) { return p.severity == config::Severity::kError; });
  const auto warnings = static_cast<std::ptrdiff_t>(problems.size()) - errors;
  if (options.format == OutputFormat::kText) {
    environment.out << problem_lines(problems, environment.color);
    if (valid)
      environment.out << path << ": valid" << (warnings == 0 ? "" : fmt::format(", {} warning{}", warnings, warnings == 1 ? "" : "s"))
                      << "\n";
  } else {
    boost::json::array list;
    for (const auto& problem : problems) list.emplace_back(problem_json(problem));
    print_document(boost::json::object{{"file", admin::json_string(path)}, {"valid", valid}, {"problems", std::move(list)}}, options,
                   environment);
  }
  if (!valid) throw VerbFailure{kExitInvalidConfig, fmt::format("{}: not valid, {} error{}", path, errors, errors == 1 ? "" : "s")};
}

void print_schema(const std::string& kind, CliEnvironment& environment) {
  environment.out << (kind == "site" ? bootstrap::site_json_schema() : config::json_schema()) << "\n";
}

void explain_key(const std::string& path, bool of_site, const GlobalOptions& options, CliEnvironment& environment) {
  if (!of_site && explain_event(path, options, environment)) return;
  const auto text = of_site ? bootstrap::explain_site(path) : config::explain(path);
  if (!text) throw VerbFailure{kExitFailed, text.error().message()};
  if (options.format != OutputFormat::kText) {
    return print_document(boost::json::object{{"key", admin::json_string(path)}, {"explanation", admin::json_string(*text)}}, options,
                          environment);
  }
  environment.out << *text << (text->ends_with('\n') ? "" : "\n");
}

void show_config(bool with_defaults, const GlobalOptions& options, DaemonCalls& calls, CliEnvironment& environment) {
  const std::string yaml = with_defaults ? config::print(active_config(calls), true) : calls.fetch("/api/v1/config");
  if (options.format != OutputFormat::kJson) {
    environment.out << yaml;
    return;
  }
  const auto parsed = config::parse(yaml, "the active configuration");
  if (!parsed.document) throw VerbFailure{kExitFailed, problem_lines(parsed.problems, false)};
  print_document(json_of(*parsed.document->root), options, environment);
}

void diff_config(std::string file, const GlobalOptions& options, DaemonCalls& calls, CliEnvironment& environment) {
  const auto active = active_config(calls);
  if (file.empty()) {
    const auto status = admin::decode_status(calls.fetch("/api/v1/status"));
    if (!status || status->config_file.empty())
      throw VerbFailure{kExitFailed, "the daemon does not say which file it reads: name it (fairlead config diff FILE)"};
    file = status->config_file;
  }
  // What comes on standard input is another node's: nothing of this machine is held against it.
  const bool piped = file == "-";
  auto loaded = piped ? config::load_text(standard_input(), "standard input", config::Environment{})
                      : config::load_file(file, config::host_environment());
  if (piped) file = "standard input";
  environment.err << problem_lines(loaded.problems, environment.color);
  if (!loaded.snapshot) throw VerbFailure{kExitInvalidConfig, file + ": not valid; a reload would change nothing"};
  // The daemon fills in the host name when the file has none.
  if (piped || loaded.snapshot->node.empty()) loaded.snapshot->node = active.node;
  const auto changes = config::diff(active, *loaded.snapshot);
  std::vector<std::string> lines;
  lines.reserve(changes.size());
  for (const auto& change : changes) lines.push_back(config::describe(change));
  const auto restart = config::needs_restart(active, *loaded.snapshot);
  if (options.format != OutputFormat::kText) {
    return print_document(
        boost::json::object{{"file", admin::json_string(file)}, {"changes", json_list(lines)}, {"needs_restart", json_list(restart)}},
        options, environment);
  }
  for (const auto& line : lines) environment.out << line << "\n";
  for (const auto& key : restart) environment.out << paint("needs restart: ", Tone::kWarn, environment.color) << key << "\n";
  if (changes.empty()) environment.out << "no difference between the daemon and " << file << "\n";
}

void diff_nodes(const std::string& file, const GlobalOptions& options, DaemonCalls& calls, CliEnvironment& environment) {
  if (!file.empty()) throw VerbFailure{kExitUsage, "--nodes compares the running nodes, not a file: leave FILE out"};
  const auto report = calls.report();
  if (!report.cluster) throw VerbFailure{kExitFailed, report.node + " stands alone: there is no other node to compare with"};
  boost::json::array list;
  TextTable table({"NODE", "ONLINE", "CONFIGURATION", "HASH"});
  std::vector<std::string> other;
  std::vector<std::string> next;
  for (const auto& node : report.cluster->nodes) {
    const std::string hash = node.name == report.node ? report.config_hash : node.online && node.digest ? node.digest->config_hash : "";
    const std::string standing = !node.online                                  ? "not known"
                                 : !node.config_match                          ? "differs"
                                 : !hash.empty() && hash != report.config_hash ? "rest differs"
                                                                               : "same";
    if (standing == "differs") other.push_back(node.name);
    if (standing == "differs" || standing == "rest differs")
      next.push_back(fmt::format("what differs on {}: ssh {} fairlead config show | fairlead config diff -\n", node.name, node.name));
    list.push_back({{"name", admin::json_string(node.name)},
                    {"online", node.online},
                    {"config", admin::json_string(standing)},
                    {"hash", admin::json_string(hash)}});
    const Tone tone = standing == "same" ? Tone::kGood : Tone::kWarn;
    table.row({{node.name}, {node.online ? "yes" : "no", node.online ? Tone::kPlain : Tone::kBad}, {standing, tone}, {hash}});
  }
  if (options.format != OutputFormat::kText) {
    print_document(boost::json::object{{"node", admin::json_string(report.node)}, {"nodes", std::move(list)}}, options, environment);
  } else {
    environment.out << table.text(environment.color) << fmt::format("{}", fmt::join(next, ""));
  }
  if (other.empty()) return;
  throw VerbFailure{kExitFailed,
                    fmt::format("{}: another configuration of cluster and VIPs than {}, so no VIP moves by choice. Bring the right "
                                "file to every node, and `fairlead reload` there",
                                fmt::join(other, ", "), report.node)};
}

}  // namespace fairlead::cli
