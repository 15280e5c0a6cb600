// fairlead: pure
#include "cli/status_text.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "admin/status_codec.h"
#include "cli/dhcp_text.h"
#include "cli/ha_text.h"
#include "cli/text_table.h"

namespace fairlead::cli {
namespace {

using admin::ServerState;

Cell state_cell(ServerState state) {
  Tone tone = Tone::kWarn;
  if (state == ServerState::kUp) tone = Tone::kGood;
  if (state == ServerState::kDown) tone = Tone::kBad;
  return {std::string(admin::to_string(state)), tone};
}

Cell number(std::uint64_t value, Tone tone = Tone::kPlain) { return {std::to_string(value), tone}; }
Cell yes_no(bool value) { return value ? Cell{"yes", Tone::kGood} : Cell{"no", Tone::kBad}; }

std::string weight_text(const admin::ServerStatus& s) {
  return s.effective_weight == s.weight ? std::to_string(s.weight) : fmt::format("{} of {}", s.effective_weight, s.weight);
}

std::string check_text(const admin::CheckStatus& check) {
  if (check.result.empty() || check.result == "none") return "-";
  std::string out = check.result;
  if (!check.detail.empty()) out += " " + check.detail;
  return check.duration_ms > 0 ? fmt::format("{} ({:.1f} ms)", out, check.duration_ms) : out;
}

std::string remarks(const admin::ServerStatus& s) {
  std::string out;
  if (s.backup) out += "backup";
  if (s.added_at_run_time) out += out.empty() ? "added" : ", added";
  return out;
}

const std::vector<std::string> kServerHeads{"STATE", ">FOR", ">WEIGHT", ">NOW", ">TOTAL", ">FAILS", "CHECK", "NOTE"};

std::vector<Cell> server_cells(const admin::ServerStatus& s) {
  return {state_cell(s.state),
          {age_text(s.state_since_s)},
          {weight_text(s), s.effective_weight == s.weight ? Tone::kPlain : Tone::kWarn},
          number(s.connections.current),
          number(s.connections.total),
          number(s.connect_failures),
          {check_text(s.check), s.check.result == "ok" ? Tone::kPlain : Tone::kWarn},
          {remarks(s)}};
}

std::string pool_head(const admin::PoolStatus& pool, bool color) {
  const auto up = std::count_if(pool.servers.begin(), pool.servers.end(), [](const auto& s) { return s.state == ServerState::kUp; });
  const auto all = static_cast<std::ptrdiff_t>(pool.servers.size());
  const Tone tone = up == 0 ? Tone::kBad : up == all ? Tone::kGood : Tone::kWarn;
  return fmt::format("{} ({}): {}", paint("pool " + pool.name, Tone::kStrong, color), pool.balance,
                     paint(fmt::format("{} of {} up", up, all), tone, color));
}

template <class Counts>
std::string counts_text(const Counts& counts) {
  std::string out;
  for (const auto& entry : counts) out += fmt::format("{}{} {}", out.empty() ? "" : ", ", entry.cause, entry.count);
  return out.empty() ? "none" : out;
}

}  // namespace

std::string status_text(const admin::NodeReport& r, bool color) {
  std::string out = fmt::format("{}  fairlead {}  {}  up {}  {}\n", paint(r.node, Tone::kStrong, color), r.version, r.engine,
                                age_text(r.uptime_s), r.ready ? paint("READY", Tone::kGood, color) : paint("NOT READY", Tone::kBad, color));
  for (const auto& reason : r.ready_reasons) {
    if (reason.ok) continue;  // One that serves may still have something to be looked at.
    out += fmt::format("  {} {}: {}\n", r.ready ? paint("problem:", Tone::kWarn, color) : paint("not ready:", Tone::kBad, color),
                       reason.what, reason.detail);
  }
  if (r.age_s > 1)
    out += paint(fmt::format("report   {:.1f} s old: the daemon's control thread makes no newer one\n", r.age_s), Tone::kBad, color);
  if (!r.engine_reason.empty()) out += fmt::format("engine   {}: {}\n", r.engine, r.engine_reason);
  out += fmt::format("config   {} ({}), reloads {}{}\n", r.config_file, r.config_hash, r.config_reloads,
                     r.config_last_reload_ok ? "" : paint(", the last one was refused: fairlead events", Tone::kBad, color));
  std::uint64_t connections = 0;
  for (const auto& worker : r.workers) connections += worker.connections;
  out += fmt::format("workers  {}, connections {} of {}{}\n", r.workers.size(), connections, r.max_connections,
                     r.log_lines_dropped == 0 ? "" : paint(fmt::format(", {} log lines dropped", r.log_lines_dropped), Tone::kWarn, color));
  if (r.cluster) out += "\n" + cluster_text(r, color);
  if (!r.vips.empty()) out += "\n" + vips_text(r, color);
  if (!r.listeners.empty()) out += "\n" + listeners_text(r.listeners, color);
  for (const auto& pool : r.pools) out += "\n" + pool_text(pool, color);
  if (r.dhcp) out += "\n" + dhcp_text(*r.dhcp, color);
  return out;
}

std::string listeners_text(const std::vector<admin::ListenerStatus>& listeners, bool color) {
  TextTable table({"LISTENER", "BIND", "POOL", "ACCEPTING", ">NOW", ">TOTAL", ">SHED", ">IN", ">OUT"});
  for (const auto& l : listeners) {
    table.row({{l.name},
               {fmt::format("{}", fmt::join(l.bind, ","))},
               {l.pool},
               yes_no(l.accepting),
               number(l.connections.current),
               number(l.connections.total),
               number(l.connections.shed, l.connections.shed > 0 ? Tone::kWarn : Tone::kPlain),
               {bytes_text(l.bytes.in)},
               {bytes_text(l.bytes.out)}});
  }
  return table.empty() ? "no listeners\n" : table.text(color);
}

std::string listener_text(const admin::ListenerStatus& l, bool color) {
  return listeners_text({l}, color) +
         fmt::format("\nshed by cause   {}\nended by code   {}\n", counts_text(l.shed_by_cause), counts_text(l.ended_by_code)) +
         (l.problem.empty() ? "" : "problem         " + paint(l.problem, Tone::kBad, color) + "\n");
}

std::string pools_text(const std::vector<admin::PoolStatus>& pools, bool color) {
  if (pools.empty()) return "no pools\n";
  TextTable table({"POOL", "BALANCE", ">SERVERS", ">UP", ">NOW", ">TOTAL"});
  for (const auto& pool : pools) {
    std::uint64_t up = 0;
    admin::ConnectionCounts sum;
    for (const auto& s : pool.servers) {
      up += s.state == ServerState::kUp ? 1U : 0U;
      sum.current += s.connections.current;
      sum.total += s.connections.total;
    }
    table.row({{pool.name},
               {pool.balance},
               number(pool.servers.size()),
               number(up, up == 0 ? Tone::kBad : Tone::kGood),
               number(sum.current),
               number(sum.total)});
  }
  return table.text(color);
}

std::string pool_text(const admin::PoolStatus& pool, bool color) {
  std::vector<std::string> heads{"SERVER", "ADDRESS"};
  heads.insert(heads.end(), kServerHeads.begin(), kServerHeads.end());
  TextTable table(heads);
  for (const auto& s : pool.servers) {
    std::vector<Cell> cells{{s.name}, {s.address}};
    for (auto& cell : server_cells(s)) cells.push_back(std::move(cell));
    table.row(std::move(cells));
  }
  return pool_head(pool, color) + "\n" + (table.empty() ? "  no servers\n" : table.text(color, "  "));
}

std::string servers_text(const std::vector<admin::PoolStatus>& pools, bool color) {
  std::vector<std::string> heads{"SERVER", "ADDRESS"};
  heads.insert(heads.end(), kServerHeads.begin(), kServerHeads.end());
  TextTable table(heads);
  for (const auto& pool : pools) {
    for (const auto& s : pool.servers) {
      std::vector<Cell> cells{{pool.name + "/" + s.name}, {s.address}};
      for (auto& cell : server_cells(s)) cells.push_back(std::move(cell));
      table.row(std::move(cells));
    }
  }
  return table.empty() ? "no servers\n" : table.text(color);
}

std::string server_text(const std::string& pool, const admin::ServerStatus& s, bool color) {
  const auto state = state_cell(s.state);
  return fmt::format(
             "server            {}/{}\naddress           {}\nendpoint          {}\nstate             {} for {}\nweight            "
             "{}\nconnections       {} now, {} in all\n"
             "connect failures  {}\ncheck             {}\n",
             pool, s.name, s.address, s.endpoint.empty() ? "not resolved" : s.endpoint, paint(state.text, state.tone, color),
             age_text(s.state_since_s), weight_text(s), s.connections.current, s.connections.total, s.connect_failures,
             check_text(s.check)) +
         (remarks(s).empty() ? "" : "note              " + remarks(s) + "\n");
}

std::string connections_text(const std::vector<admin::ConnectionInfo>& connections, bool color) {
  if (connections.empty()) return "no connections\n";
  TextTable table({"ID", "LISTENER", "CLIENT", "SERVER", "LOCAL", "STATE", ">AGE", ">IDLE", ">IN", ">OUT"});
  for (const auto& c : connections) {
    table.row({{c.id},
               {c.listener},
               {c.client},
               {c.server.empty() ? std::string() : c.pool + "/" + c.server},
               {c.local},
               {c.state},
               {age_text(c.age_s)},
               {age_text(c.idle_s)},
               {bytes_text(c.bytes.in)},
               {bytes_text(c.bytes.out)}});
  }
  return table.text(color);
}

std::string event_text(const admin::EventInfo& e, bool color) {
  Tone tone = Tone::kPlain;
  if (e.level == "error") tone = Tone::kBad;
  if (e.level == "warning") tone = Tone::kWarn;
  std::string out = fmt::format("{} {} {}", e.time, paint(fmt::format("{:<7}", e.level), tone, color), paint(e.id, Tone::kStrong, color));
  for (const auto& [key, value] : e.fields) {
    const bool quote = value.empty() || value.find_first_of(" \t\n\"=") != std::string::npos;
    out += quote ? fmt::format(" {}={:?}", key, value) : fmt::format(" {}={}", key, value);
  }
  return out;
}

}  // namespace fairlead::cli
