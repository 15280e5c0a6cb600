// fairlead: pure
#include "migrate/keepalived_reader.h"

#include <algorithm>
#include <fnmatch.h>

#include <fmt/format.h>

#include "config/limits.h"
#include "migrate/keepalived_state.h"
#include "migrate/words.h"

namespace fairlead::migrate {
namespace {

using Act = KeepalivedAct;
using Place = KeepalivedPlace;
using namespace std::chrono_literals;

constexpr std::size_t kIncludesMax = 64;
constexpr std::size_t kWatchesMax = 256;

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

/// Seconds, with a part of one as in "1.5".
std::optional<Duration> parse_seconds(std::string_view text) {
  const auto dot = text.find('.');
  const auto whole = parse_number(text.substr(0, dot));
  if (!whole || *whole > 1'000'000) return std::nullopt;
  std::int64_t ms = static_cast<std::int64_t>(*whole) * 1000;
  if (dot != std::string_view::npos) {
    const std::string digits = (std::string(text.substr(dot + 1)) + "000").substr(0, 3);
    const auto part = parse_number(digits);
    if (!part) return std::nullopt;
    ms += static_cast<std::int64_t>(*part);
  }
  return std::chrono::milliseconds(ms);
}

/// Names of the files that a file includes: "include FILE", "includer FILE" ...
void collect_includes(const std::vector<Block>& blocks, std::vector<std::string>& out) {
  for (const Block& block : blocks) {
    if (block.word(0).starts_with("include") && !block.is_block) out.push_back(base_name(std::string(block.word(1))));
  }
}

std::string router_id(const std::vector<Block>& blocks) {
  for (const Block& block : blocks) {
    if (block.word(0) != "global_defs") continue;
    for (const Block& line : block.children) {
      if (line.word(0) == "router_id") return std::string(line.word(1));
    }
  }
  return "";
}

}  // namespace

void KeepalivedReader::leave_out(const Block& block, const KeepalivedKeyword& keyword) {
  const bool known = !keyword.reason.empty();  // Else the word is carried over in another form than this one.
  leave_out_block(ledger_, block,
                  known ? std::string(keyword.reason) : fmt::format("{} is not understood in this form", shown(block.word(0))),
                  std::string(keyword.remedy));
}

/// "$NAME=value", "@id keyword": definitions and conditions, which are not evaluated.
bool KeepalivedReader::left_out_by_sign(const Block& block) {
  const std::string_view word = block.word(0);
  if (word.starts_with('$')) {
    leave_out_block(ledger_, block, "variables are not replaced", "write the value where it is used");
  } else if (word.starts_with('@')) {
    leave_out_block(ledger_, block, "conditions are not evaluated", fmt::format("write the line without {} if it holds", shown(word)));
  } else if (word == "include") {
    leave_out_block(ledger_, block, "an include within a block is not read", "put its lines here");
  } else {
    return false;
  }
  return true;
}

/// Included files stand where they are included.
void KeepalivedReader::flatten(const std::vector<Block>& blocks, std::vector<const Block*>& out, std::size_t depth) {
  for (const Block& block : blocks) {
    if (!block.word(0).starts_with("include") || block.is_block) {
      out.push_back(&block);
      continue;
    }
    bool found = false;
    const std::string pattern = base_name(std::string(block.word(1)));
    for (const auto& [name, content] : included_) {
      if (depth > 4 || includes_ >= kIncludesMax || fnmatch(pattern.c_str(), base_name(name).c_str(), 0) != 0) continue;
      found = true;
      ++includes_;
      flatten(*content, out, depth + 1);
    }
    if (found) {
      ledger_.carried(block.at);
    } else {
      ledger_.left_out(block.at, fmt::format("{} was not given", shown(block.word(1))), "name the included files, too");
    }
  }
}

void KeepalivedReader::read(const std::vector<Block>& blocks, const std::string& name) {
  std::vector<const Block*> all;
  flatten(blocks, all, 0);
  std::optional<IpAddress> own;
  for (const Block* block : all) {
    for (const Block& line : block->children) {
      if (block->word(0) == "vrrp_instance" && line.word(0) == "unicast_src_ip" && !own) {
        const auto address = parse_ip_address(line.word(1));
        if (address) own = *address;
      }
    }
  }
  const bool has_instance = std::any_of(all.begin(), all.end(), [](const Block* block) { return block->word(0) == "vrrp_instance"; });
  if (has_instance) node_ = wanted_.node(name, own, all.front()->at);
  for (const Block* block : all) {
    if (block->word(0) == "vrrp_sync_group" && block->is_block) sync_group(*block);
  }
  for (const Block* block : all) {
    const KeepalivedKeyword* keyword = find_keepalived_keyword(Place::kTop, block->word(0));
    if (keyword == nullptr) {
      if (!left_out_by_sign(*block)) leave_out_block(ledger_, *block, fmt::format("unknown in keepalived.conf: {}", shown(block->word(0))));
      continue;
    }
    switch (keyword->act) {
      case Act::kGlobalDefs: global_defs(*block); break;
      case Act::kScriptBlock: script(*block); break;
      case Act::kInstanceBlock: instance(*block); break;
      case Act::kVirtualServerBlock: virtual_server(*block); break;
      case Act::kSyncBlock:
        if (!block->is_block) ledger_.left_out(block->at, "a group without its members");
        break;  // Read before.
      default: leave_out(*block, *keyword);
    }
  }
}

void KeepalivedReader::global_defs(const Block& block) {
  ledger_.carried(block.at);
  for (const Block& line : block.children) {
    const KeepalivedKeyword* keyword = find_keepalived_keyword(Place::kGlobal, line.word(0));
    if (keyword->act != Act::kRouterId) {
      leave_out(line, *keyword);
      continue;
    }
    const bool taken = node_ < wanted_.nodes.size() && !wanted_.nodes.empty() && wanted_.nodes[node_].name == name_from(line.word(1));
    if (taken) {
      ledger_.approximated(line.at, "taken for the node's name", "cluster.nodes[].name must be its host name");
    } else {
      ledger_.left_out(line.at, "nodes are known by their host names", "cluster.nodes[].name");
    }
  }
}

void KeepalivedReader::script(const Block& block) {
  ledger_.approximated(block.at, "no script decides: a VIP that `requires` a listener is held where that listener can serve",
                       "vips[].requires");
  for (const Block& line : block.children) {
    if (line.word(0) == "script" || line.word(0) == "process" || line.word(0) == "file") {
      leave_out_block(ledger_, line, "no program is run to decide", "health checks of the listener's pool decide");
    } else {
      leave_out_block(ledger_, line, "the health check has times of its own", "pools[].health");
    }
  }
}

void KeepalivedReader::sync_group(const Block& block) {
  const std::string name = name_from(block.word(1));
  Instance& group = of_group_[name];
  group.name = block.word(1);
  ledger_.carried(block.at);
  for (const Block& line : block.children) {
    const KeepalivedKeyword* keyword = find_keepalived_keyword(Place::kSync, line.word(0));
    switch (keyword->act) {
      case Act::kMembers:
        ledger_.carried(line.at);
        for (std::size_t i = 1; i < line.words.size(); ++i) group_of_[line.words[i]] = name;
        for (const Block& member : line.children) {
          for (const std::string& word : member.words) group_of_[word] = name;
          ledger_.carried(member.at);
        }
        break;
      case Act::kWatch:
        ledger_.carried(line.at);
        watch(line, group);
        break;
      case Act::kHook: hook(line, group, "GROUP"); break;
      default: leave_out(line, *keyword);
    }
  }
}

void KeepalivedReader::instance(const Block& block) {
  Instance into;
  into.name = block.word(1);
  into.at = block.at;
  into.node = node_;
  ledger_.carried(block.at);
  for (const Block& line : block.children) {
    if (line.word(0) == "interface") into.interface = line.word(1);  // Addresses need it, wherever it stands.
  }
  for (const Block& line : block.children) instance_line(line, into);
  // Rules refer to routes.
  for (const Block& line : block.children) {
    if (line.word(0) == "virtual_routes") routes(line, into);
  }
  for (const Block& line : block.children) {
    if (line.word(0) == "virtual_rules") rules(line, into);
  }
  finish(into);
}

void KeepalivedReader::instance_line(const Block& line, Instance& into) {
  const KeepalivedKeyword* keyword = find_keepalived_keyword(Place::kInstance, line.word(0));
  if (keyword == nullptr) {
    if (!left_out_by_sign(line)) leave_out_block(ledger_, line, fmt::format("unknown in vrrp_instance: {}", shown(line.word(0))));
    return;
  }
  const auto number = parse_number(line.word(1));
  switch (keyword->act) {
    case Act::kSoAnyway: return carry_block(ledger_, line);
    case Act::kState:
      into.master = line.word(1) == "MASTER";
      into.state_at = line.at;
      return;
    case Act::kInterface:
      if (is_device(line.word(1))) return ledger_.carried(line.at);
      into.interface.clear();
      return ledger_.left_out(line.at, "no name of a network device", "vips[].interface");
    case Act::kPriority:
      if (!number || *number > 255) return ledger_.left_out(line.at, "not a number up to 255");
      into.priority = static_cast<std::int64_t>(*number);
      into.priority_at = line.at;
      return;
    case Act::kNopreempt: into.nopreempt = true; return ledger_.carried(line.at);
    case Act::kPreemptDelay:
      into.preempt_delay = parse_seconds(line.word(1));
      if (!into.preempt_delay) return ledger_.left_out(line.at, "not a time in seconds");
      return ledger_.carried(line.at);
    case Act::kOwnAddress:
      if (line.word(0) == "unicast_src_ip" && parse_ip_address(line.word(1))) return ledger_.carried(line.at);
      return ledger_.left_out(line.at, "nodes find each other by Corosync, not by VRRP", "cluster.nodes[].links");
    case Act::kPeers: return peers(line, into);
    case Act::kAddresses: return addresses(line, into);
    case Act::kRoutes:
    case Act::kRules: return;  // Later.
    case Act::kWatch: ledger_.carried(line.at); return watch(line, into);
    case Act::kHook: return hook(line, into, "INSTANCE");
    case Act::kGarp:
      if (line.word(0) == "garp_master_repeat" && number && *number >= 1 && *number <= 100) {
        into.announce.count = static_cast<std::uint32_t>(*number);
        return ledger_.carried(line.at);
      }
      if (line.word(0) == "garp_master_refresh" && number && *number <= 86400) {
        into.announce.refresh = std::chrono::seconds(*number);
        return ledger_.carried(line.at);
      }
      return ledger_.left_out(line.at, "not a number that vips[].announce takes", "vips[].announce");
    default: return leave_out(line, *keyword);
  }
}

void KeepalivedReader::hook(const Block& line, Instance& into, std::string_view kind) {
  if (line.is_block) return leave_out_block(ledger_, line, "a hook is one line", "on_acquire, on_release");
  std::string command;
  for (std::size_t i = 1; i < line.words.size(); ++i) command += (i > 1 ? " " : "") + line.words[i];
  config::Hook run;
  run.command = split_words(command);
  const bool fine = !run.command.empty() && run.command.front().starts_with('/') && is_plain(command) &&
                    run.command.size() + 4 <= config::kHookArgumentsMax && command.size() <= config::kTextLengthMax;
  if (!fine) return ledger_.left_out(line.at, "a hook is a program by its absolute path, with its arguments", "on_acquire, on_release");
  const std::string_view name = line.word(0);
  const std::string remedy = "FAIRLEAD_EVENT, FAIRLEAD_VIP, FAIRLEAD_ADDRESS and FAIRLEAD_INTERFACE are in its environment";
  const auto add = [&](auto& list, const config::Hook& what) {
    const bool known = std::any_of(list.begin(), list.end(), [&](const auto& hook) { return hook.first == what; });
    if (!known && list.size() < config::kHooksMax) list.emplace_back(what, line.at);
  };
  if (name == "notify") {
    // keepalived adds TYPE NAME STATE PRIORITY.
    const auto with = [&](std::string_view state) {
      config::Hook out = run;
      for (const std::string_view word : {kind, std::string_view(into.name), state, std::string_view("100")})
        out.command.emplace_back(word);
      return out;
    };
    if (!is_plain(into.name) || into.name.empty())
      return ledger_.left_out(line.at, "it belongs to nothing that has a name", "on_acquire, on_release");
    add(into.on_acquire, with("MASTER"));
    add(into.on_release, with("BACKUP"));
    return ledger_.approximated(
        line.at, "called as keepalived calls it, after a VIP was taken (MASTER) or released (BACKUP); there is no FAULT", remedy);
  }
  if (name == "notify_master") {
    add(into.on_acquire, run);
    return ledger_.approximated(line.at, "on_acquire: it runs once the VIP was taken", remedy);
  }
  add(into.on_release, run);
  ledger_.approximated(line.at, "on_release: it runs once the VIP was released", remedy);
}

void KeepalivedReader::watch(const Block& block, Instance& into) {
  for (const Block& line : block.children) {
    if (into.watches.size() < kWatchesMax) {
      into.watches.push_back(line.at);
    } else {
      ledger_.left_out(line.at, fmt::format("more than {} scripts", kWatchesMax));
    }
  }
}

void KeepalivedReader::peers(const Block& block, Instance& into) {
  ledger_.carried(block.at);
  for (const Block& line : block.children) {
    const auto address = parse_ip_address(line.word(0));
    if (!address) {
      ledger_.left_out(line.at, "no IP address", "cluster.nodes[].links");
      continue;
    }
    into.peers.push_back(wanted_.node("", address->unmapped(), line.at));
    ledger_.carried(line.at);
  }
}

void KeepalivedReader::finish(Instance& done) {
  const auto group = group_of_.find(done.name);
  if (group != group_of_.end()) {
    Instance& shared = of_group_[group->second];
    done.watches.insert(done.watches.end(), shared.watches.begin(), shared.watches.end());
    if (!done.vips.empty() && group_hooks_given_.insert(group->second).second) {
      done.on_acquire.insert(done.on_acquire.end(), shared.on_acquire.begin(), shared.on_acquire.end());
      done.on_release.insert(done.on_release.end(), shared.on_release.begin(), shared.on_release.end());
    }
  }
  for (std::size_t i = 0; i < done.vips.size(); ++i) {
    VipWish& vip = wanted_.vips[done.vips[i]];
    if (group != group_of_.end()) {
      vip.settings.group = group->second;
    } else if (done.vips.size() > 1) {
      vip.settings.group = name_from(done.name);
    }
    vip.watches.insert(vip.watches.end(), done.watches.begin(), done.watches.end());
    vip.settings.announce = done.announce;
    if (i > 0) continue;  // Hooks are the instance's, and run once.
    const auto add = [](std::vector<config::Hook>& to, const auto& from) {
      for (const auto& [hook, at] : from) {
        if (to.size() < config::kHooksMax && std::find(to.begin(), to.end(), hook) == to.end()) to.push_back(hook);
      }
    };
    add(vip.settings.on_acquire, done.on_acquire);
    add(vip.settings.on_release, done.on_release);
  }
  if (done.vips.empty()) {
    for (const Ledger::Line line : done.watches) ledger_.left_out(line, "it watches no VIP");
    ledger_.approximated(done.at, "an instance without an address does nothing here");
  }
  finish_preference(done);
}

/// keepalived: the higher priority holds it, and takes it back at once unless nopreempt. Of one file alone only this node's is known.
void KeepalivedReader::finish_preference(Instance& done) {
  const auto say = [&](const std::optional<Ledger::Line>& line, const std::string& reason, const std::string& remedy) {
    if (line) ledger_.approximated(*line, reason, remedy);
  };
  std::vector<std::pair<std::size_t, std::int64_t>> prefer;
  if (!alone_) {
    prefer.emplace_back(done.node, done.priority);
    say(done.priority_at, "`prefer` lists the nodes by priority", "");
    if (done.state_at) ledger_.carried(*done.state_at);
  } else if (done.master) {
    prefer.emplace_back(done.node, done.priority);
    say(done.priority_at, "this node is in `prefer`; the others' priorities stand in their files",
        "give the keepalived.conf of every node");
    if (done.state_at) ledger_.carried(*done.state_at);
  } else {
    if (done.peers.size() == 1) prefer.emplace_back(done.peers.front(), done.priority + 1);
    const std::string reason = done.peers.size() == 1 ? "its peer is in `prefer`" : "the others' priorities stand in their files";
    say(done.priority_at, reason, "give the keepalived.conf of every node");
    if (done.state_at) ledger_.carried(*done.state_at);
  }
  for (const std::size_t at : done.vips) {
    VipWish& vip = wanted_.vips[at];
    vip.prefer.insert(vip.prefer.end(), prefer.begin(), prefer.end());
    vip.settings.preempt = !done.nopreempt && (vip.prefer.size() == prefer.size() || vip.settings.preempt);
    if (done.preempt_delay) vip.settings.preempt_delay = clamped(*done.preempt_delay, Duration{}, 24h);
  }
  if (!done.nopreempt && !done.preempt_delay && !done.vips.empty() && !prefer.empty())
    say(done.priority_at, "keepalived moves back at once, Fairlead once the node was fit for 30 s",
        "preempt_delay: 0, or preempt: false to stay");
}

std::vector<config::Problem> read_keepalived(const std::vector<const Input*>& inputs, Ledger& ledger, Wanted& wanted) {
  std::vector<config::Problem> problems;
  std::map<std::string, std::vector<Block>> trees;
  std::vector<std::string> order;
  std::vector<std::string> patterns;
  for (const Input* input : inputs) {
    BlockTree tree = read_blocks(BlockStyle::kKeepalived, input->name, input->text, ledger);
    if (tree.problem) {
      problems.push_back(*tree.problem);
      continue;
    }
    collect_includes(tree.blocks, patterns);
    if (trees.emplace(input->name, std::move(tree.blocks)).second) order.push_back(input->name);
  }
  if (!problems.empty()) return problems;
  const auto is_included = [&](const std::string& name) {
    return std::any_of(patterns.begin(), patterns.end(),
                       [&](const std::string& p) { return fnmatch(p.c_str(), base_name(name).c_str(), 0) == 0; });
  };
  std::map<std::string, const std::vector<Block>*> included;
  std::vector<std::string> roots;
  for (const std::string& name : order) {
    if (is_included(name)) {
      included[name] = &trees[name];
    } else {
      roots.push_back(name);
    }
  }
  std::map<std::string, int> ids;
  for (const std::string& root : roots) ++ids[router_id(trees[root])];
  for (const std::string& root : roots) {
    const std::string id = router_id(trees[root]);
    // "LVS_DEVEL" stands in half of all files and names nobody.
    const bool names_node = !id.empty() && ids[id] == 1 && !id.starts_with("LVS");
    KeepalivedReader(included, roots.size() == 1, ledger, wanted).read(trees[root], names_node ? name_from(id) : "");
  }
  return problems;
}

}  // namespace fairlead::migrate
