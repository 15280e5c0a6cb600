// fairlead: pure
#include "cli/storage_status.h"

#include <algorithm>
#include <boost/json.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "admin/json_text.h"
#include "cli/text_table.h"
#include "k8s-bootstrap/storage/pool_view.h"
#include "k8s-bootstrap/storage/storage_layout.h"

namespace fairlead::cli {
namespace {

using bootstrap::Facts;
using bootstrap::GlusterVolumeInfo;
using bootstrap::Known;
using bootstrap::Machine;
using bootstrap::PoolState;
using bootstrap::Site;
using bootstrap::VolumeFacts;

constexpr double kFullPercent = 85;

Cell state_of(PoolState state) {
  switch (state) {
    case PoolState::kUnread: return {"not read", Tone::kBad};
    case PoolState::kBlank: return {"in no pool", Tone::kWarn};
    case PoolState::kDown: return {"glusterd is down", Tone::kBad};
    case PoolState::kMember: return {"member", Tone::kGood};
    case PoolState::kRenewed: return {"installed anew", Tone::kBad};
    case PoolState::kRejected: return {"rejected", Tone::kBad};
    case PoolState::kStranger: return {"in another pool", Tone::kBad};
  }
  return {"?", Tone::kBad};
}

const VolumeFacts* pool_facts(const Facts& facts, const std::string& volume) {
  if (!facts.pool) return nullptr;
  const auto found = facts.pool->volumes.find(volume);
  return found == facts.pool->volumes.end() ? nullptr : &found->second;
}

std::string_view status_word(GlusterVolumeInfo::Status status) {
  switch (status) {
    case GlusterVolumeInfo::Status::kCreated: return "created, not started";
    case GlusterVolumeInfo::Status::kStarted: return "started";
    case GlusterVolumeInfo::Status::kStopped: return "stopped";
  }
  return "?";
}

std::string kind_of(const GlusterVolumeInfo& info) {
  const std::string copies = info.arbiter > 0 ? "2 copies and an arbiter" : fmt::format("{} copies", info.replica);
  const std::size_t sets = info.replica > 0 ? info.bricks.size() / info.replica : 0;
  return sets > 1 ? fmt::format("{}, {} sets", copies, sets) : copies;
}

const bootstrap::GlusterHeal* heal_of(const VolumeFacts* facts, const std::string& brick) {
  if (facts == nullptr || !facts->heal) return nullptr;
  for (const auto& heal : *facts->heal) {
    if (heal.brick == brick) return &heal;
  }
  return nullptr;
}

const bootstrap::GlusterProcess* process_of(const VolumeFacts* facts, const std::string& brick) {
  if (facts == nullptr || !facts->processes) return nullptr;
  for (const auto& process : *facts->processes) {
    if (process.host + ":" + process.path == brick) return &process;
  }
  return nullptr;
}

std::string count_text(const std::optional<std::uint64_t>& count) { return count ? std::to_string(*count) : "?"; }

std::string machines_text(const Site& site, const Facts& facts, const bootstrap::PoolView& view, bool color) {
  TextTable table({"MACHINE", "POOL", "GLUSTER", ">THIN POOL", ">METADATA"});
  for (const Machine* machine : site.with(bootstrap::Role::kStorage)) {
    const auto* read = facts.find(machine->name);
    std::optional<double> data;
    std::optional<double> metadata;
    for (const auto& [name, brick] :
         read != nullptr && read->storage ? read->storage->bricks : std::map<std::string, bootstrap::BrickFact>{}) {
      if (brick.pool_data_percent) data = std::max(data.value_or(0), *brick.pool_data_percent);
      if (brick.pool_metadata_percent) metadata = std::max(metadata.value_or(0), *brick.pool_metadata_percent);
    }
    const auto percent = [](const std::optional<double>& value) {
      return Cell{value ? fmt::format("{:.0f}%", *value) : "", value && *value >= kFullPercent ? Tone::kBad : Tone::kPlain};
    };
    table.row({{machine->name, Tone::kStrong},
               state_of(view.of(*machine)),
               {read != nullptr && read->storage ? read->storage->version : ""},
               percent(data),
               percent(metadata)});
  }
  return table.text(color, "  ");
}

std::string volume_text(const Facts& facts, const GlusterVolumeInfo& info, bool color) {
  const VolumeFacts* pool = pool_facts(facts, info.name);
  std::string out = fmt::format("Volume {}: {}, {}", info.name, status_word(info.status), kind_of(info));
  if (const auto pending = bootstrap::heal_pending(facts, info.name))
    out += *pending == 0 ? ", nothing to heal" : fmt::format(", {} entries to heal", *pending);
  if (const auto split = bootstrap::split_brains(facts, info.name); split > 0) out += fmt::format(", {} in split brain", split);
  if (pool != nullptr && pool->rebalance && pool->rebalance->status != "not started")
    out += fmt::format(", rebalance {}: {} files", pool->rebalance->status, pool->rebalance->files);
  out += "\n";
  TextTable table({"BRICK", "SERVES", ">TO HEAL", ">SPLIT", ">FREE", ">OF"});
  for (const auto& brick : info.bricks) {
    const Known online = bootstrap::brick_online(facts, info.name, brick.name);
    const auto* heal = heal_of(pool, brick.name);
    const auto* process = process_of(pool, brick.name);
    const bool sized = process != nullptr && process->size_bytes > 0;
    table.row({{brick.name + (brick.arbiter ? " (arbiter)" : ""), Tone::kStrong},
               online == Known::kYes  ? Cell{"yes", Tone::kGood}
               : online == Known::kNo ? Cell{"no", Tone::kBad}
                                      : Cell{"unknown", Tone::kWarn},
               {heal == nullptr ? "?" : count_text(heal->pending)},
               {heal == nullptr ? "?" : count_text(heal->split_brain)},
               {sized ? bytes_text(process->free_bytes) : ""},
               {sized ? bytes_text(process->size_bytes) : ""}});
  }
  out += table.text(color, "  ");
  if (pool == nullptr || !pool->quotas || pool->quotas->limits.empty()) return out;
  TextTable limits({"DIRECTORY", ">USED", ">LIMIT"});
  for (const auto& quota : pool->quotas->limits) {
    const bool full = quota.used_bytes && *quota.used_bytes >= quota.limit_bytes;
    limits.row({{quota.path, Tone::kStrong},
                {quota.used_bytes ? bytes_text(*quota.used_bytes) : "?", full ? Tone::kBad : Tone::kPlain},
                {bytes_text(quota.limit_bytes)}});
  }
  return out + limits.text(color, "  ");
}

Cell mount_cell(const Facts& facts, const Machine& machine, const std::string& path) {
  const auto* read = facts.find(machine.name);
  if (read == nullptr || !read->storage) return {"not read", Tone::kBad};
  const auto found = read->storage->mounts.find(path);
  if (found == read->storage->mounts.end() || found->second.mounted == Known::kUnknown) return {"unknown", Tone::kWarn};
  if (found->second.mounted == Known::kNo) return {"not mounted", Tone::kBad};
  if (found->second.answers != Known::kYes) return {"mounted, does not answer", Tone::kBad};
  return {"mounted", Tone::kGood};
}

std::string mounts_text(const Site& site, const Facts& facts, bool color) {
  TextTable table({"MACHINE", "VOLUME", "AT", "STATE"});
  for (const Machine& machine : site.machines) {
    for (const auto* volume : bootstrap::mounts_of(site, machine))
      table.row({{machine.name, Tone::kStrong}, {volume->name}, {volume->mount_path}, mount_cell(facts, machine, volume->mount_path)});
  }
  return table.empty() ? std::string() : "Mounts\n" + table.text(color, "  ");
}

boost::json::value optional_number(const std::optional<std::uint64_t>& value) {
  return value ? boost::json::value(*value) : boost::json::value(nullptr);
}
boost::json::value known_json(Known known) {
  return known == Known::kUnknown ? boost::json::value(nullptr) : boost::json::value(known == Known::kYes);
}

boost::json::object volume_json(const Facts& facts, const GlusterVolumeInfo& info) {
  const VolumeFacts* pool = pool_facts(facts, info.name);
  boost::json::array bricks;
  for (const auto& brick : info.bricks) {
    const auto* heal = heal_of(pool, brick.name);
    const auto* process = process_of(pool, brick.name);
    bricks.push_back({{"name", admin::json_string(brick.name)},
                      {"arbiter", brick.arbiter},
                      {"online", known_json(bootstrap::brick_online(facts, info.name, brick.name))},
                      {"heal_pending", optional_number(heal == nullptr ? std::nullopt : heal->pending)},
                      {"split_brain", optional_number(heal == nullptr ? std::nullopt : heal->split_brain)},
                      {"size_bytes", process == nullptr ? 0 : process->size_bytes},
                      {"free_bytes", process == nullptr ? 0 : process->free_bytes}});
  }
  boost::json::array quotas;
  if (pool != nullptr && pool->quotas) {
    for (const auto& quota : pool->quotas->limits)
      quotas.push_back({{"path", admin::json_string(quota.path)},
                        {"limit_bytes", quota.limit_bytes},
                        {"used_bytes", optional_number(quota.used_bytes)}});
  }
  boost::json::object out{{"name", admin::json_string(info.name)},
                          {"status", admin::json_string(status_word(info.status))},
                          {"replica", info.replica},
                          {"arbiter", info.arbiter},
                          {"heal_pending", optional_number(bootstrap::heal_pending(facts, info.name))},
                          {"bricks", std::move(bricks)},
                          {"quotas", std::move(quotas)}};
  if (pool != nullptr && pool->rebalance)
    out["rebalance"] = {{"status", admin::json_string(pool->rebalance->status)},
                        {"files", pool->rebalance->files},
                        {"failures", pool->rebalance->failures}};
  return out;
}

}  // namespace

std::string storage_status_text(const Site& site, const Facts& facts, const bootstrap::Plan& plan, bool color) {
  const auto view = bootstrap::pool_view(site, facts);
  std::string out = machines_text(site, facts, view, color);
  for (const auto& volume : site.gluster ? site.gluster->volumes : std::vector<bootstrap::GlusterVolume>{}) {
    const auto* info = bootstrap::find_volume(view, facts, volume.name);
    out += info != nullptr
               ? volume_text(facts, *info, color)
               : fmt::format("Volume {}: {}\n", volume.name,
                             bootstrap::volume_absent(view, facts, volume.name) ? "not there yet"
                                                                                : "not known: not every storage machine could be read");
  }
  out += mounts_text(site, facts, color);
  for (const auto& [name, cause] : facts.unread) out += fmt::format("{}: {}\n", name, cause);
  for (const auto& [name, machine] : facts.machines) {
    for (const std::string& problem : machine.unsuitable) out += fmt::format("{}: {}\n", name, problem);
  }
  for (const auto& obstacle : plan.obstacles)
    out += fmt::format("{}{}{} ({})\n", fmt::join(obstacle.machines, ", "), obstacle.machines.empty() ? "" : ": ", obstacle.reason,
                       obstacle.remedy);
  for (const std::string& warning : plan.warnings) out += fmt::format("warning: {}\n", warning);
  return out;
}

boost::json::value storage_status_json(const Site& site, const Facts& facts, const bootstrap::Plan& plan) {
  const auto view = bootstrap::pool_view(site, facts);
  boost::json::array machines;
  for (const Machine* machine : site.with(bootstrap::Role::kStorage)) {
    const auto* read = facts.find(machine->name);
    machines.push_back({{"name", admin::json_string(machine->name)},
                        {"state", admin::json_string(state_of(view.of(*machine)).text)},
                        {"version", admin::json_string(read != nullptr && read->storage ? read->storage->version : "")}});
  }
  boost::json::array volumes;
  boost::json::array mounts;
  for (const auto& volume : site.gluster ? site.gluster->volumes : std::vector<bootstrap::GlusterVolume>{}) {
    if (const auto* info = bootstrap::find_volume(view, facts, volume.name)) volumes.push_back(volume_json(facts, *info));
    for (const Machine* machine : bootstrap::mounting_machines(site, volume))
      mounts.push_back({{"machine", admin::json_string(machine->name)},
                        {"volume", admin::json_string(volume.name)},
                        {"path", admin::json_string(volume.mount_path)},
                        {"state", admin::json_string(mount_cell(facts, *machine, volume.mount_path).text)}});
  }
  boost::json::array problems;
  for (const auto& obstacle : plan.obstacles)
    problems.push_back(admin::json_string(fmt::format("{} ({})", obstacle.reason, obstacle.remedy)));
  for (const std::string& warning : plan.warnings) problems.push_back(admin::json_string(warning));
  return boost::json::object{
      {"machines", std::move(machines)}, {"volumes", std::move(volumes)}, {"mounts", std::move(mounts)}, {"problems", std::move(problems)}};
}

StorageProgress heal_progress(const std::string& volume, std::size_t bricks, const VolumeFacts& facts) {
  StorageProgress out;
  std::uint64_t pending = 0;
  std::uint64_t split = 0;
  bool known = facts.heal.has_value() && facts.processes.has_value();
  for (const auto& heal : facts.heal ? *facts.heal : std::vector<bootstrap::GlusterHeal>{}) {
    known = known && heal.pending && heal.split_brain;
    pending += heal.pending.value_or(0);
    split += heal.split_brain.value_or(0);
  }
  std::size_t online = 0;
  for (const auto& process : facts.processes ? *facts.processes : std::vector<bootstrap::GlusterProcess>{}) {
    if (process.online && process.path.starts_with('/')) ++online;
  }
  out.line = fmt::format("{}: {}{} entries to heal, {} of {} bricks serve", volume, known ? "" : "at least ", pending, online, bricks);
  out.done = known && pending == 0 && online == bricks;
  if (known && split > 0 && pending == split && online == bricks)
    out.failure = fmt::format("volume {}: what is left is in split brain: copies contradict one another. {}", volume,
                              bootstrap::split_brain_remedy(volume));
  return out;
}

StorageProgress rebalance_progress(const std::string& volume, const VolumeFacts& facts) {
  StorageProgress out;
  if (!facts.rebalance) {
    out.line = fmt::format("{}: how far the rebalance is could not be read", volume);
    return out;
  }
  const auto& state = *facts.rebalance;
  out.line = fmt::format("{}: rebalance {}, {} files of {} moved", volume, state.status, state.files, bytes_text(state.bytes));
  out.done = state.status == "completed" && state.failures == 0;
  if (state.status == "failed" || state.status == "stopped" || (state.status == "completed" && state.failures > 0))
    out.failure = fmt::format(
        "volume {}: the rebalance {} with {} failures; nothing is lost, some files lie where they were: gluster volume rebalance {} start "
        "tries again",
        volume, state.status, state.failures, volume);
  return out;
}

}  // namespace fairlead::cli
