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
constexpr std::size_t kRanksMax = 256;

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

bool is_include(const Block& block) { return block.word(0).starts_with("include") && !block.is_block; }

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}
bool matches(const std::string& pattern, const std::string& text) { return fnmatch(pattern.c_str(), text.c_str(), 0) == 0; }

/// The files are given under other names than they had on their node: only the last folder and the name are compared.
bool means(const KeepalivedFile& from, const KeepalivedFile& to, const std::string& pattern) {
  if (from.name == to.name || !matches(base_name(pattern), base_name(to.name))) return false;
  const std::string folder = folder_of(pattern);
  if (folder.empty()) return folder_of(from.name) == folder_of(to.name);
  return folder_of(to.name).empty() || matches(base_name(folder), base_name(folder_of(to.name)));
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

bool includes(const KeepalivedFile& from, const KeepalivedFile& to, std::string_view pattern) {
  return !to.means.contains(from.name) && means(from, to, std::string(pattern));
}

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
void KeepalivedReader::flatten(const KeepalivedFile& file, std::vector<const Block*>& out, std::size_t depth) {
  for (const Block& block : file.blocks) {
    if (!is_include(block)) {
      out.push_back(&block);
      continue;
    }
    bool found = false;
    for (const KeepalivedFile& other : files_) {
      if (depth > 4 || includes_ >= kIncludesMax || !includes(file, other, block.word(1))) continue;
      found = true;
      ++includes_;
      flatten(other, out, depth + 1);
    }
    if (found) {
      ledger_.carried(block.at);
    } else {
      ledger_.left_out(block.at, fmt::format("{} was not given", shown(block.word(1))), "name the included files, too");
    }
  }
}

void KeepalivedReader::read(const KeepalivedFile& file, const std::string& name) {
  std::vector<const Block*> all;
  flatten(file, all, 0);
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
  const std::string name(block.word(1));
  if (!group_names_.contains(name)) {
    UniqueNames taken;
    for (const auto& known : group_names_) (void)taken.take(known.second);
    group_names_[name] = taken.take(name_from(name));
  }
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
    case Act::kNopreempt:
      into.nopreempt = true;
      into.nopreempt_at = line.at;
      return;
    case Act::kPreemptDelay:
      into.preempt_delay = parse_seconds(line.word(1));
      if (!into.preempt_delay) return ledger_.left_out(line.at, "not a time in seconds");
      into.delay_at = line.at;
      return;
    case Act::kOwnAddress:
      if (line.word(0) == "unicast_src_ip" && parse_ip_address(line.word(1))) return ledger_.carried(line.at);
      return ledger_.left_out(line.at, "nodes find each other by Corosync, not by VRRP", "cluster.nodes[].links");
    case Act::kPeers: return peers(line, into);
    case Act::kAddresses: return addresses(line, into);
    case Act::kRoutes:
    case Act::kRules: return;  // Later.
    case Act::kWatch: ledger_.carried(line.at); return watch(line, into);
    case Act::kTrackInterface: return track_interface(line, into);
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
  // "notify_master "/path with arguments" [user [group]]"
  const std::string command(line.word(1));
  if (line.words.size() > 2)
    ledger_.approximated(line.at, fmt::format("it runs as user fairlead, not as {}", shown(line.word(2))), "give that user what it needs");
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

/// Carrier of the VIP's own interface always counts.
void KeepalivedReader::track_interface(const Block& block, const Instance& of) {
  const KeepalivedKeyword* keyword = find_keepalived_keyword(Place::kInstance, "track_interface");
  if (!block.is_block) return leave_out(block, *keyword);
  ledger_.carried(block.at);
  for (const Block& line : block.children) {
    if (line.word(0) != of.interface) {
      leave_out(line, *keyword);
    } else if (line.words.size() > 1) {
      ledger_.approximated(line.at, "a weight lowers a priority in keepalived; here a node without carrier is unfit",
                           "vips[].carrier_delay");
    } else {
      ledger_.carried(line.at);
    }
  }
}

void KeepalivedReader::watch(const Block& block, Instance& into) {
  for (const Block& line : block.children) {
    if (std::find(line.words.begin(), line.words.end(), "weight") != line.words.end())
      ledger_.approximated(line.at, "a weight lowers a priority in keepalived; here a node that cannot serve is unfit", "vips[].prefer");
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
      vip.settings.group = group_names_[group->second];
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

/// keepalived: the higher priority holds it, and takes it back at once unless nopreempt. What comes of it is known when all files are
/// read: settle_ranks(). Of one file alone only this node's is known.
void KeepalivedReader::finish_preference(Instance& done) {
  if (done.state_at) ledger_.carried(*done.state_at);
  VrrpRank rank{done.node,        done.priority,     true,         done.master, done.nopreempt, done.preempt_delay,
                done.priority_at, done.nopreempt_at, done.delay_at};
  if (done.master && (done.nopreempt || done.preempt_delay)) {
    for (const auto& line : {done.nopreempt_at, done.delay_at}) {
      if (line) ledger_.approximated(*line, "keepalived takes no notice of it in a node that begins as MASTER", "vips[].preempt");
    }
    rank.nopreempt = false;
    rank.delay.reset();
  }
  for (const std::size_t at : done.vips) {
    VipWish& vip = wanted_.vips[at];
    if (vip.ranks.size() < kRanksMax) vip.ranks.push_back(rank);
    // A backup's one peer is its master.
    if (!alone_ || done.master || done.peers.size() != 1) continue;
    VrrpRank peer = rank;
    peer.node = done.peers.front();
    peer.priority = done.priority + 1;
    peer.told = false;
    vip.ranks.push_back(peer);
  }
  if (!done.vips.empty()) return;
  for (const auto& line : {done.priority_at, done.nopreempt_at, done.delay_at}) {
    if (line) ledger_.left_out(*line, "its instance has no address");
  }
}

namespace {

/// What the nodes say about one VIP: the one of the highest priority decides whether it is taken back, and when.
void settle_ranks(VipWish& vip, bool alone, Ledger& ledger) {
  std::stable_sort(vip.ranks.begin(), vip.ranks.end(), [](const VrrpRank& a, const VrrpRank& b) { return a.priority > b.priority; });
  const VrrpRank& first = vip.ranks.front();
  const bool differ = vip.ranks.size() > 1 ? first.priority != vip.ranks.back().priority : first.master;
  const std::string every_file = alone ? "give the keepalived.conf of every node" : "";
  if (differ) {
    for (const VrrpRank& rank : vip.ranks) vip.prefer.emplace_back(rank.node, rank.priority);
    vip.settings.preempt = !first.nopreempt;
    if (first.delay) vip.settings.preempt_delay = clamped(*first.delay, Duration{}, 24h);
  }
  for (const VrrpRank& rank : vip.ranks) {
    if (!rank.told) continue;
    const auto say = [&](const std::optional<Ledger::Line>& line, const std::string& reason, const std::string& remedy) {
      if (line) ledger.approximated(*line, reason, remedy);
    };
    const bool decides = rank.priority == first.priority || !first.told;
    const bool quick = differ && decides && !first.nopreempt && !first.delay;
    if (!differ && vip.ranks.size() > 1) {
      say(rank.priority_at, "all nodes have the same: there is no preference", "vips[].prefer");
    } else if (!differ) {
      say(rank.priority_at, "the others' priorities stand in their files: there is no preference", every_file);
    } else if (!alone) {
      say(rank.priority_at, "`prefer` lists the nodes by priority", "");
    } else {
      say(rank.priority_at, first.told ? "this node is in `prefer`" : "its peer is taken for the one of higher priority", every_file);
    }
    if (quick)
      say(rank.priority_at, "keepalived moves back at once, Fairlead once the node was fit for 30 s",
          "preempt_delay: 0, or preempt: false to stay");
    for (const auto& line : {rank.nopreempt_at, rank.delay_at}) {
      if (!line) continue;
      if (differ && !decides) {
        ledger.approximated(*line, "that of the node of the highest priority decides", "vips[].preempt");
      } else {
        ledger.carried(*line);
      }
    }
  }
}

}  // namespace

std::vector<config::Problem> read_keepalived(const std::vector<const Input*>& inputs, Ledger& ledger, Wanted& wanted) {
  std::vector<config::Problem> problems;
  KeepalivedFiles files;
  for (const Input* input : inputs) {
    BlockTree tree = read_blocks(BlockStyle::kKeepalived, input->name, input->text, ledger);
    if (tree.problem) {
      problems.push_back(*tree.problem);
      continue;
    }
    files.push_back({input->name, std::move(tree.blocks)});
  }
  if (!problems.empty()) return problems;
  for (KeepalivedFile& from : files) {
    std::size_t patterns = 0;
    for (const Block& block : from.blocks) {
      if (!is_include(block) || ++patterns > kIncludesMax) continue;
      for (const KeepalivedFile& to : files) {
        if (means(from, to, std::string(block.word(1)))) from.means.insert(to.name);
      }
    }
  }
  const auto is_included = [&](const KeepalivedFile& file) {
    return std::any_of(files.begin(), files.end(),
                       [&](const KeepalivedFile& from) { return from.means.contains(file.name) && !file.means.contains(from.name); });
  };
  std::vector<const KeepalivedFile*> roots;
  for (const KeepalivedFile& file : files) {
    if (!is_included(file)) roots.push_back(&file);
  }
  if (roots.empty()) {  // They include each other in a ring.
    for (const KeepalivedFile& file : files) roots.push_back(&file);
  }
  std::map<std::string, int> ids;
  for (const KeepalivedFile* root : roots) ++ids[router_id(root->blocks)];
  for (const KeepalivedFile* root : roots) {
    const std::string id = router_id(root->blocks);
    // "LVS_DEVEL" stands in half of all files and names nobody.
    const bool names_node = !id.empty() && ids[id] == 1 && !id.starts_with("LVS");
    KeepalivedReader(files, roots.size() == 1, ledger, wanted).read(*root, names_node ? name_from(id) : "");
  }
  for (VipWish& vip : wanted.vips) {
    if (!vip.ranks.empty()) settle_ranks(vip, roots.size() == 1, ledger);
  }
  return problems;
}

}  // namespace fairlead::migrate
