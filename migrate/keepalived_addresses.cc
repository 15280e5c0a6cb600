// fairlead: pure
// virtual_ipaddress, virtual_routes, virtual_rules.
#include <algorithm>

#include <fmt/format.h>

#include "config/limits.h"
#include "migrate/keepalived_state.h"
#include "migrate/words.h"

namespace fairlead::migrate {
namespace {

/// The word after `key`, or "".
std::string_view after(const Block& line, std::string_view key) {
  const auto found = std::find(line.words.begin(), line.words.end(), key);
  return found == line.words.end() || found + 1 == line.words.end() ? std::string_view() : std::string_view(*(found + 1));
}

}  // namespace

void KeepalivedReader::addresses(const Block& block, Instance& into) {
  ledger_.carried(block.at);
  for (const Block& line : block.children) address(line, into);
}

void KeepalivedReader::address(const Block& line, Instance& into) {
  const auto prefix = parse_ip_prefix(line.word(0));
  if (!prefix) return leave_out_block(ledger_, line, fmt::format("{} is no IP address", shown(line.word(0))), "vips[].address");
  std::string device(after(line, "dev"));
  if (device.empty()) device = into.interface;
  if (!device.empty() && !is_device(device)) return leave_out_block(ledger_, line, "no name of a network device", "vips[].interface");
  for (std::size_t i = 1; i < line.words.size(); ++i) {
    const std::string_view word = line.word(i);
    if (word == "no_track") {
      ledger_.approximated(line.at, "carrier of its interface always counts", "vips[].carrier_delay");
    } else if (word == "label") {
      ledger_.approximated(line.at, "an address has no label");
    } else if (word == "scope" && line.word(i + 1) != "global") {
      ledger_.approximated(line.at, "its scope is global");
    }
    if (word == "dev" || word == "label" || word == "scope" || word == "brd" || word == "peer") ++i;
  }
  const auto same = std::find_if(wanted_.vips.begin(), wanted_.vips.end(),
                                 [&](const VipWish& vip) { return vip.settings.address.address == prefix->address; });
  std::size_t at = static_cast<std::size_t>(same - wanted_.vips.begin());
  if (same == wanted_.vips.end()) {
    if (wanted_.vips.size() >= config::kVipsMax) return leave_out_block(ledger_, line, fmt::format("more than {} VIPs", config::kVipsMax));
    VipWish vip;
    vip.at = line.at;
    vip.settings.name = name_from(into.name);
    vip.settings.address = *prefix;
    if (vip.settings.name != into.name) ledger_.approximated(into.at, fmt::format("its VIP is called {}", vip.settings.name));
    if (line.word(0).find('/') == std::string_view::npos) {
      ledger_.approximated(line.at, fmt::format("no prefix length: /{}, as in keepalived", static_cast<int>(prefix->length)),
                           "write that of its network in vips[].address, as in /24");
    }
    wanted_.vips.push_back(std::move(vip));
  } else if (std::find(into.vips.begin(), into.vips.end(), at) != into.vips.end()) {
    return leave_out_block(ledger_, line, "the address stands there twice");
  }
  if (!device.empty()) wanted_.vips[at].devices.emplace(into.node, device);
  into.vips.push_back(at);
  ledger_.carried(line.at);
}

void KeepalivedReader::routes(const Block& block, Instance& into) {
  ledger_.carried(block.at);
  for (const Block& line : block.children) route(line, into);
}

void KeepalivedReader::route(const Block& line, Instance& into) {
  const std::string remedy = "a route of the system's own, or a hook in on_acquire";
  const auto gateway = parse_ip_address(after(line, "via").empty() ? after(line, "gw") : after(line, "via"));
  const auto table = parse_number(after(line, "table"));
  const std::string_view to = after(line, "to").empty() ? line.word(0) : after(line, "to");
  if (to != "default" && to != "0.0.0.0/0" && to != "::/0" && to != "0/0")
    return leave_out_block(ledger_, line, "a VIP has a default route of its own, and no other", remedy);
  if (!gateway) return leave_out_block(ledger_, line, "a route without a next hop", remedy);
  if (!table || *table == 0 || *table > 0xffffffffU || (*table >= 253 && *table <= 255))
    return leave_out_block(ledger_, line, "a VIP's route has a table of its own, by number", "vips[].route: {gateway: ..., table: 120}");
  const auto source = parse_ip_address(after(line, "src"));
  bool used = false;
  for (const std::size_t at : into.vips) {
    config::Vip& vip = wanted_.vips[at].settings;
    if (vip.address.address.family() != gateway->family() || (source && *source != vip.address.address)) continue;
    vip.route = config::VipRoute{*gateway, static_cast<std::uint32_t>(*table)};
    used = true;
  }
  if (!used) return leave_out_block(ledger_, line, "no VIP of this instance goes with it", remedy);
  ledger_.carried(line.at);
}

void KeepalivedReader::rules(const Block& block, Instance& into) {
  ledger_.carried(block.at);
  for (const Block& line : block.children) {
    const auto from = parse_ip_prefix(after(line, "from"));
    const auto table = parse_number(after(line, "table").empty() ? after(line, "lookup") : after(line, "table"));
    const bool known = from && table && std::any_of(into.vips.begin(), into.vips.end(), [&](std::size_t at) {
                         const config::Vip& vip = wanted_.vips[at].settings;
                         return vip.address.address == from->address && vip.route && vip.route->table == *table;
                       });
    if (known) {
      ledger_.carried(line.at);  // vips[].route brings its rule.
    } else {
      leave_out_block(ledger_, line, "the only rule is `from VIP` with the VIP's route", "vips[].route");
    }
  }
}

}  // namespace fairlead::migrate
