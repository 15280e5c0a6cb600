#include "cli/init_verb.h"

#include <algorithm>
#include <boost/json.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ostream>
#include <sstream>

#include "admin/json_text.h"
#include "cli/cluster_files.h"
#include "cli/cluster_verbs.h"
#include "cli/first_config.h"
#include "config/load.h"

namespace fairlead::cli {
namespace {

constexpr std::uint16_t kApiPort = 6443;
constexpr const char* kExample =
    "for example\n  fairlead init --vip 192.168.4.20/24 --gateway 192.168.4.254 --peer gate-1=192.168.4.130 --peer gate-2=192.168.4.131 "
    "--server mast-1=192.168.1.11:6443";

struct NameAndValue {
  std::string name;
  std::string value;
};

/// Turns flags into values, and collects everything that is wrong with them.
class FlagReader {
 public:
  void problem(std::string what) { problems_.push_back(std::move(what)); }
  [[nodiscard]] const std::vector<std::string>& problems() const { return problems_; }

  std::optional<NameAndValue> pair(const std::string& flag, const std::string& text, const char* form) {
    const auto equals = text.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
      problem(fmt::format("{} {}: write {}", flag, quote(text), form));
      return std::nullopt;
    }
    return NameAndValue{text.substr(0, equals), text.substr(equals + 1)};
  }
  std::optional<IpAddress> address(const std::string& flag, const std::string& text) {
    const auto parsed = parse_ip_address(text);
    if (parsed) return *parsed;
    problem(fmt::format("{} {}: {}", flag, quote(text), parsed.error().message()));
    return std::nullopt;
  }
  std::optional<IpPrefix> vip(const std::string& text) {
    const auto parsed = parse_ip_prefix(text);
    if (!parsed) {
      problem(fmt::format("--vip {}: {}", quote(text), parsed.error().message()));
    } else if (text.find('/') == std::string::npos) {
      problem(fmt::format("--vip {}: the prefix length of its network is missing, as in {}/{}", quote(text), text,
                          parsed->address.is_v4() ? 24 : 64));
    } else {
      return *parsed;
    }
    return std::nullopt;
  }
  std::optional<FirstNode> node(const std::string& flag, const std::string& text) {
    const auto both = pair(flag, text, "NAME=ADDRESS, as in gate-2=192.168.4.131");
    if (!both) return std::nullopt;
    const auto parsed = address(flag, both->value);
    if (!parsed) return std::nullopt;
    return FirstNode{both->name, *parsed};
  }
  std::optional<FirstServer> server(const std::string& text) {
    const auto both = pair("--server", text, "NAME=HOST:PORT, as in mast-1=192.168.1.11:6443");
    if (!both) return std::nullopt;
    if (const auto bare = parse_ip_address(both->value)) return FirstServer{both->name, {both->value, kApiPort}};
    const bool has_port = both->value.find(':') != std::string::npos;
    const auto place = parse_host_port(has_port ? both->value : fmt::format("{}:{}", both->value, kApiPort));
    if (place && place->port != 0) return FirstServer{both->name, *place};
    problem(fmt::format("--server {}: {}", quote(text), place ? "port 0 is none" : place.error().message()));
    return std::nullopt;
  }
  std::uint16_t port(const std::string& text) {
    if (text.empty()) return kApiPort;
    const auto parsed = parse_host_port("x:" + text);
    if (parsed && parsed->port != 0) return parsed->port;
    problem(fmt::format("--port {}: write a number from 1 to 65535", quote(text)));
    return kApiPort;
  }

 private:
  static std::string quote(const std::string& text) { return config::quoted(text); }
  std::vector<std::string> problems_;
};

bool is_here(const IpAddress& address, const config::Environment& host) {
  const auto here = host.local_addresses.value_or(std::vector<IpAddress>{});
  return std::find(here.begin(), here.end(), address) != here.end();
}

/// This machine's address in the VIP's network, or in nobody's.
std::optional<IpAddress> address_beside(const std::vector<IpPrefix>& vips, const config::Environment& host) {
  const auto here = host.local_addresses.value_or(std::vector<IpAddress>{});
  for (const IpPrefix& vip : vips) {
    const auto found =
        std::find_if(here.begin(), here.end(), [&](const IpAddress& own) { return own != vip.address && vip.contains(own); });
    if (found != here.end()) return *found;
  }
  return std::nullopt;
}

std::string addresses_text(const config::Environment& host) {
  std::vector<std::string> out;
  for (const IpAddress& address : host.local_addresses.value_or(std::vector<IpAddress>{})) {
    if (!address.is_loopback()) out.push_back(address.to_string());
  }
  return out.empty() ? "no address" : fmt::format("{}", fmt::join(out, ", "));
}

/// This machine among the nodes: found by an address, named by --node, or added beside a single peer.
void place_this_machine(const std::string& named, const config::Environment& host, FirstConfig& config, FlagReader& flags) {
  auto& nodes = config.nodes;
  auto me = std::find_if(nodes.begin(), nodes.end(), [&](const FirstNode& node) { return is_here(node.address, host); });
  if (!named.empty()) {
    const std::string name = named.substr(0, named.find('='));
    me = std::find_if(nodes.begin(), nodes.end(), [&](const FirstNode& node) { return node.name == name; });
    if (named.find('=') != std::string::npos) {
      const auto given = flags.node("--node", named);
      if (given && me == nodes.end()) me = nodes.insert(nodes.begin(), *given);
      if (given && me->address != given->address)
        flags.problem(fmt::format("--node {} and --peer {}={} differ", named, me->name, me->address.to_string()));
    }
  }
  const bool lone_peer = nodes.size() == 1 && me == nodes.end();
  if (me == nodes.end() && (!named.empty() || lone_peer) && flags.problems().empty()) {
    const auto address = address_beside(config.vips, host);
    const std::string name = named.empty() ? host.host_name : named;
    if (!address) {
      flags.problem(fmt::format("no address of this machine ({}) is in the VIP's network: name it with --node {}=ADDRESS",
                                addresses_text(host), name.empty() ? "NAME" : name));
      return;
    }
    me = nodes.insert(nodes.begin(), FirstNode{name, *address});
  }
  if (nodes.size() == 1)
    flags.problem(fmt::format("{} is the only gateway: name another one with --peer NAME=ADDRESS, or leave --peer and --node out",
                              nodes.front().name));
  if (me != nodes.end() && me->name != host.host_name) config.own_name = me->name;
}

/// The default route's router, where it can break the tie.
std::optional<IpAddress> found_router(const FirstConfig& config, const CliEnvironment& environment) {
  const auto router = environment.default_router();
  if (!router || config.nodes.size() != 2) return std::nullopt;
  const bool beside = std::any_of(config.vips.begin(), config.vips.end(), [&](const IpPrefix& vip) { return vip.contains(*router); });
  const bool ours = std::any_of(config.nodes.begin(), config.nodes.end(), [&](const FirstNode& node) { return node.address == *router; }) ||
                    std::any_of(config.vips.begin(), config.vips.end(), [&](const IpPrefix& vip) { return vip.address == *router; });
  return beside && !ours ? router : std::nullopt;
}

FirstConfig read_flags(const InitRequest& request, const config::Environment& host, FlagReader& flags) {
  FirstConfig out;
  for (const std::string& text : request.vips) {
    if (auto vip = flags.vip(text)) out.vips.push_back(*vip);
  }
  for (const std::string& text : request.peers) {
    if (auto node = flags.node("--peer", text)) out.nodes.push_back(std::move(*node));
  }
  for (const std::string& text : request.servers) {
    if (auto server = flags.server(text)) out.servers.push_back(std::move(*server));
  }
  if (!request.gateway.empty()) out.router = flags.address("--gateway", request.gateway);
  out.port = flags.port(request.port);
  if (!request.interface.empty()) out.interface = request.interface;
  if (!request.cluster_name.empty()) out.cluster_name = request.cluster_name;
  if (!request.profile.empty()) out.profile = request.profile;
  out.ca = request.ca;
  if (request.servers.empty()) flags.problem("no --server: name at least one, as in --server mast-1=192.168.1.11:6443");
  const bool cluster = !request.peers.empty() || !request.node.empty();
  if (cluster && request.vips.empty()) flags.problem("no --vip: gateways share an address, as in --vip 192.168.4.20/24");
  if (!cluster && !request.gateway.empty()) flags.problem("--gateway breaks the tie of two gateways: name them with --peer");
  if (cluster && flags.problems().empty()) place_this_machine(request.node, host, out, flags);
  return out;
}

/// What is legal, and still looks wrong.
std::vector<std::string> doubts(const FirstConfig& config, const InitRequest& request, const config::Environment& host) {
  std::vector<std::string> out;
  const bool among =
      std::any_of(config.nodes.begin(), config.nodes.end(), [&](const FirstNode& node) { return is_here(node.address, host); });
  if (!config.nodes.empty() && !among) {
    out.push_back(fmt::format("this machine, {} ({}), is none of the gateways; if it shall be one, name it with --node NAME=ADDRESS",
                              host.host_name, addresses_text(host)));
  }
  for (const FirstNode& node : config.nodes) {
    for (const FirstServer& server : config.servers) {
      if (server.address.host != node.address.to_string() || server.address.port != config.port) continue;
      out.push_back(
          fmt::format("{} is gateway and server: an API server that takes port {} on every address leaves none for the VIP; use "
                      "another --port, as in --port 8443",
                      node.name, config.port));
    }
  }
  if (config.router && config.nodes.size() == 2 &&
      std::none_of(config.vips.begin(), config.vips.end(), [&](const IpPrefix& vip) { return vip.contains(*config.router); })) {
    out.push_back(fmt::format("the router {} lies outside the VIP's network: it is heard only where a device has an address of its network",
                              config.router->to_string()));
  }
  if (config.nodes.size() > 2 && !request.gateway.empty())
    out.push_back(fmt::format("--gateway {} is not used: it breaks the tie of two gateways, and of {} the majority decides",
                              request.gateway, config.nodes.size()));
  if (config.nodes.size() == 2 && request.gateway.empty() && config.router)
    out.push_back(fmt::format("no --gateway: took {}, this machine's default route, to break a tie", config.router->to_string()));
  return out;
}

std::string with_hint(const config::Problem& problem) {
  return problem.hint.empty() ? problem.message : problem.message + " (" + problem.hint + ")";
}

[[noreturn]] void refuse(const std::vector<std::string>& problems, const std::string& more = "") {
  throw VerbFailure{kExitUsage, fmt::format("{}\nfairlead: nothing was written{}", fmt::join(problems, "\nfairlead: "), more)};
}

std::vector<std::string> next_steps(const FirstConfig& config, const std::string& file, bool standard_place) {
  const std::string named = standard_place ? "" : " " + file;
  if (config.nodes.empty()) return {standard_place ? "systemctl enable --now fairleadd" : "fairleadd --config " + file, "fairlead status"};
  return {"fairlead cluster setup --invite" + named + "    on this machine; it prints a token",
          "fairlead cluster join TOKEN    on each other gateway, with a token of its own", "fairlead status"};
}

/// The questions of a first time. Answers become the flags they stand for.
class Interview {
 public:
  Interview(CliEnvironment& environment, const config::Environment& host) : environment_(environment), host_(host) {}

  /// `given`: flags that no question is about.
  InitRequest ask(InitRequest given) {
    InitRequest out = std::move(given);
    environment_.err << "A first configuration; Enter takes what stands in brackets, Ctrl-C ends this and writes nothing.\n";
    if (const auto vip = line("Address that clients use, with the length of its network, as in 192.168.4.20/24"); !vip.empty())
      out.vips.push_back(vip);
    const auto vip = out.vips.empty() ? Result<IpPrefix>(Error{}) : parse_ip_prefix(out.vips.front());
    if (vip) {
      out.peers = words("The other gateways, as in gate-2=192.168.4.131; empty: there is none");
      if (!out.peers.empty()) ask_of_cluster(*vip, out);
    }
    out.servers = words("API servers, as in mast-1=192.168.1.11 mast-2=192.168.1.12");
    out.ca = line("File with the Kubernetes cluster's CA on the gateways; empty: do not verify the servers");
    return out;
  }

 private:
  void ask_of_cluster(const IpPrefix& vip, InitRequest& out) {
    const auto own = address_beside({vip}, host_);
    out.node = line("This machine", own ? host_.host_name + "=" + own->to_string() : "");
    if (out.peers.size() > 1) return;  // A majority needs no router.
    const auto router = environment_.default_router();
    out.gateway = line("A router that both reach and that is neither of them", router ? router->to_string() : "");
  }
  std::vector<std::string> words(const std::string& question) {
    std::istringstream answer(line(question));
    std::vector<std::string> out;
    for (std::string word; answer >> word;) out.push_back(word);
    return out;
  }
  std::string line(const std::string& question, const std::string& standard = "") {
    environment_.err << question << (standard.empty() ? "" : " [" + standard + "]") << ": " << std::flush;
    std::string answer = environment_.read_line();
    const auto begin = answer.find_first_not_of(" \t\r");
    const auto end = answer.find_last_not_of(" \t\r");
    answer = begin == std::string::npos ? "" : answer.substr(begin, end - begin + 1);
    return answer.empty() ? standard : answer;
  }
  CliEnvironment& environment_;
  const config::Environment& host_;
};

bool has_no_flag(const InitRequest& r) {
  return r.vips.empty() && r.peers.empty() && r.servers.empty() && r.node.empty() && r.gateway.empty() && r.ca.empty() && r.port.empty();
}

void report(const PlannedFile& file, const std::vector<std::string>& notes, const std::vector<std::string>& next, OutputFormat format,
            CliEnvironment& environment) {
  const std::string change = file.change == FileChange::kUnchanged ? "unchanged"
                             : file.change == FileChange::kCreate  ? "created"
                                                                   : "replaced";
  if (format == OutputFormat::kText) {
    environment.out << file.path << ": " << change << (file.backup.empty() ? "" : "; the earlier one kept as " + file.backup)
                    << "\n\nnext:\n";
    for (const std::string& step : next) environment.out << "  " << step << "\n";
    return;
  }
  const auto list = [](const std::vector<std::string>& lines) {
    boost::json::array out;
    for (const std::string& one : lines) out.emplace_back(admin::json_string(one));
    return out;
  };
  boost::json::object out{{"file", admin::json_string(file.path)}, {"change", admin::json_string(change)}};
  if (!file.backup.empty()) out["backup"] = admin::json_string(file.backup);
  out["warnings"] = list(notes);
  out["next"] = list(next);
  print_document(out, format, environment);
}

}  // namespace

void init_config(InitRequest request, const GlobalOptions& options, CliEnvironment& environment) {
  const auto host = environment.host();
  if (has_no_flag(request) && environment.interactive && !options.yes) { request = Interview(environment, host).ask(std::move(request)); }
  FlagReader flags;
  FirstConfig config = read_flags(request, host, flags);
  if (!flags.problems().empty()) refuse(flags.problems(), std::string("; ") + kExample);
  if (!config.router) config.router = found_router(config, environment);

  const std::string text = render_first_config(config);
  // Of this machine only its addresses matter: the file is every node's.
  config::Environment known;
  known.local_addresses = host.local_addresses;
  const auto loaded = config::load_text(text, "fairlead.yaml", known);
  std::vector<std::string> errors;
  std::vector<std::string> notes = doubts(config, request, host);
  for (const auto& problem : loaded.problems) (problem.severity == config::Severity::kError ? errors : notes).push_back(with_hint(problem));
  if (!loaded.snapshot) refuse(errors);
  for (const std::string& note : notes) environment.err << "warning: " << note << "\n";
  if (request.output == "-") {
    environment.out << text;
    return;
  }
  const bool standard_place = request.output.empty();
  auto planned = plan_first_config(standard_place ? environment.cluster_paths.config : request.output, text);
  if (!planned) throw VerbFailure{kExitFailed, planned.error().message()};
  if (!planned->refusal.empty() && !options.force)
    throw VerbFailure{kExitRefused,
                      fmt::format("{}. Nothing was written; --force keeps it as {} and writes the new one, --output FILE writes elsewhere",
                                  planned->refusal, planned->backup)};
  if (const Status written = apply_files({*planned}); !written)
    throw VerbFailure{kExitFailed, written.error().message() + (standard_place ? "; --output FILE writes elsewhere" : "")};
  report(*planned, notes, next_steps(config, planned->path, standard_place), options.format, environment);
}

}  // namespace fairlead::cli
