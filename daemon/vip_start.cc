#include "daemon/vip_start.h"

#include <algorithm>
#include <set>

#include "base/atomic_file.h"
#include "daemon/guard_main.h"
#include "daemon/takeover_settings.h"
#include "daemon/wishes_file.h"
#include "vip/address_hygiene.h"
#include "vip/interface_choice.h"
#include "vip/leftover_sweep.h"
#include "vip/netlink_address_driver.h"

namespace fairlead::daemon {
namespace {

std::string wishes_path(const std::string& state_dir) { return state_dir + "/wishes"; }

/// R21. The journal knows what was there before it is changed, so that a killed daemon's successor puts it back.
/// `journal`: what was changed before.
void keep_vips_to_themselves(const config::Snapshot& snapshot, vip::Journal journal, vip::AddressDriver& driver,
                             std::vector<Error>& problems) {
  const auto links = driver.links();
  const auto addresses = driver.addresses();
  if (!links || !addresses) return problems.push_back(links ? addresses.error() : links.error());
  std::set<std::string> devices;
  std::vector<vip::JournalSetting> settings;
  for (const config::Vip& vip : snapshot.vips) {
    const auto link = vip::choose_interface(device_of(snapshot, vip), vip.address, *links, *addresses);
    if (!link) continue;  // Said when the VIP is placed; it may come later.
    journal.addresses.push_back({.device = link->name, .index = link->index, .address = vip.address});
    if (!devices.insert(link->name).second) continue;
    auto plan = vip::plan_hygiene(link->name);
    if (!plan) {
      problems.push_back(plan.error());
      continue;
    }
    settings.insert(settings.end(), plan->begin(), plan->end());
  }
  std::sort(journal.addresses.begin(), journal.addresses.end());
  journal.addresses.erase(std::unique(journal.addresses.begin(), journal.addresses.end()), journal.addresses.end());
  // Of an interface that went and came back the newer value is the one to put back.
  std::erase_if(journal.settings, [&](const vip::JournalSetting& old) {
    return std::any_of(settings.begin(), settings.end(), [&](const auto& s) { return s.device == old.device && s.key == old.key; });
  });
  journal.settings.insert(journal.settings.end(), settings.begin(), settings.end());
  if (auto saved = vip::save_journal(snapshot.state_dir, journal); !saved) {
    problems.push_back(saved.error());
    return;  // What could not be written down is not changed.
  }
  if (auto applied = vip::apply_hygiene(settings); !applied) problems.push_back(applied.error());
}

/// Of this boot, without addresses.
vip::Journal journal_of(const std::string& state_dir) {
  std::string why;
  vip::Journal journal = vip::load_journal(state_dir, why);
  const std::string boot = vip::read_boot_id();
  if (journal.boot_id != boot) journal = {.boot_id = boot, .addresses = {}, .settings = {}};
  journal.addresses.clear();
  return journal;
}

}  // namespace

VipStart start_vips(const config::Snapshot& snapshot) {
  VipStart out;
  if (snapshot.vips.empty() && !snapshot.cluster) return out;  // What an earlier life with VIPs left ends with its lifetime.
  out.problems = release_vips(snapshot.state_dir, out.removed);
  auto guard = start_guard(snapshot.cluster ? snapshot.cluster->name : "");
  if (guard)
    out.guard = std::move(*guard);
  else
    out.problems.push_back(guard.error());
  auto driver = vip::NetlinkAddressDriver::open(vip::NetlinkAddressDriver::Events::kNone);
  if (driver)
    keep_vips_to_themselves(snapshot, {.boot_id = vip::read_boot_id(), .addresses = {}, .settings = {}}, **driver, out.problems);
  else
    out.problems.push_back(driver.error());
  auto text = read_small_file(wishes_path(snapshot.state_dir));
  if (!text) {
    out.problems.push_back(text.error());
  } else if (*text) {
    auto wishes = parse_wishes(**text);
    if (wishes)
      out.wishes = std::move(*wishes);
    else
      out.problems.push_back({wishes.error().code, wishes_path(snapshot.state_dir) + ": " + wishes.error().context});
  }
  return out;
}

std::vector<Error> prepare_vips(const config::Snapshot& active, const config::Snapshot& next) {
  std::vector<Error> problems;
  auto driver = vip::NetlinkAddressDriver::open(vip::NetlinkAddressDriver::Events::kNone);
  if (!driver) return {driver.error()};
  config::Snapshot both = next;
  both.vips.insert(both.vips.end(), active.vips.begin(), active.vips.end());
  keep_vips_to_themselves(both, journal_of(active.state_dir), **driver, problems);
  return problems;
}

std::vector<Error> release_vips(const std::string& state_dir, std::vector<std::string>& removed) {
  auto driver = vip::NetlinkAddressDriver::open(vip::NetlinkAddressDriver::Events::kNone);
  if (!driver) return {driver.error()};
  const vip::SweepReport report = vip::sweep_leftovers(**driver, state_dir);
  for (const vip::PresentAddress& a : report.removed) removed.push_back(a.address.to_string() + " on " + a.device);
  return report.problems;
}

Status save_wishes(const std::string& state_dir, const std::vector<Override>& wishes) {
  return write_file_atomically(wishes_path(state_dir), render_wishes(wishes));
}

}  // namespace fairlead::daemon
