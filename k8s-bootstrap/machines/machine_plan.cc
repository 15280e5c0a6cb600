// fairlead: pure
#include "k8s-bootstrap/machines/machine_plan.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

namespace fairlead::bootstrap {
namespace {

void append(std::vector<HostStep>& to, std::vector<HostStep> more) {
  to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

HostStep await_off(const Vm& vm) {
  HostStep out = path_step(HostStep::Kind::kAwait, vm, "waits until it is off", "");
  out.timeout = kShutdownMax;
  return out;
}

class Planner {
 public:
  Planner(const VmSite& site, const HostFacts& facts, const VmDriver& driver, const MachineNames& names)
      : site_(site), facts_(facts), driver_(driver), names_(names) {}

  HostPlan create() {
    for (const Vm& vm : wanted()) {
      if (refuse_foreign(vm) || !networks_are_fine(vm)) continue;
      const VmFound& found = found_of(vm);
      if (found.state == VmState::kAbsent || found.state == VmState::kHalfMade) {
        make(vm, found);
      } else {
        bool differs = renew_seed(vm, found);
        bring_up_networks(vm);
        if (found.state != VmState::kRunning) append(out_.steps, driver_.start(vm, found));
        differs = differs && found.state == VmState::kRunning;
        if (differs) out_.remarks.push_back(fmt::format("{} has a new seed: it is read at its next boot", vm.machine));
      }
    }
    return std::move(out_);
  }

  HostPlan start() {
    for (const Vm& vm : wanted()) {
      if (refuse_foreign(vm) || !networks_are_fine(vm)) continue;
      const VmFound& found = found_of(vm);
      if (found.state == VmState::kAbsent || found.state == VmState::kHalfMade) {
        out_.obstacles.push_back({vm.machine, fmt::format("there is no VM {}", vm.name), "fairlead machine create makes it"});
      } else if (found.state != VmState::kRunning) {
        bring_up_networks(vm);
        append(out_.steps, driver_.start(vm, found));
      }
    }
    return std::move(out_);
  }

  HostPlan stop(bool now) {
    std::vector<HostStep> waits;
    for (const Vm& vm : wanted()) {
      if (refuse_foreign(vm)) continue;
      const VmState state = found_of(vm).state;
      if (state == VmState::kPaused && !now) {
        out_.obstacles.push_back(
            {vm.machine, "it is paused, and cannot shut down", "fairlead machine start lets it run; --force pulls the plug"});
      } else if (state == VmState::kRunning || state == VmState::kPaused) {
        append(out_.steps, driver_.stop(vm, now));
        waits.push_back(await_off(vm));
      }
    }
    append(out_.steps, std::move(waits));  // All are asked before one is waited for.
    return std::move(out_);
  }

  HostPlan destroy() {
    for (const Vm& vm : wanted()) {
      if (refuse_foreign(vm)) continue;
      const VmFound& found = found_of(vm);
      if (found.state == VmState::kRunning || found.state == VmState::kPaused) {
        append(out_.steps, driver_.stop(vm, true));
        out_.steps.push_back(await_off(vm));
      }
      append(out_.steps, driver_.destroy(vm, found));
    }
    if (out_.obstacles.empty()) take_down_networks();
    return std::move(out_);
  }

 private:
  [[nodiscard]] std::vector<Vm> wanted() const {
    std::vector<Vm> out;
    std::copy_if(site_.vms.begin(), site_.vms.end(), std::back_inserter(out), [&](const Vm& vm) { return names_.contains(vm.machine); });
    return out;
  }
  [[nodiscard]] const VmFound& found_of(const Vm& vm) const { return facts_.vms.at(vm.machine); }

  bool refuse_foreign(const Vm& vm) {
    const VmFound& found = found_of(vm);
    if (found.state != VmState::kForeign) return false;
    out_.obstacles.push_back({vm.machine, found.detail + ": it is not this site's and left alone",
                              "remove it yourself if it is of no use, or give the site another name (a VM is called SITE-MACHINE)"});
    return true;
  }

  bool networks_are_fine(const Vm& vm) {
    bool fine = true;
    for (const VmNic& nic : vm.nics) {
      const NetworkFound& found = facts_.networks.at(nic.network.name);
      const std::string what = "network " + nic.network.name;
      const bool told = std::any_of(out_.obstacles.begin(), out_.obstacles.end(), [&](const HostObstacle& o) { return o.machine == what; });
      if (found.state == NetworkState::kForeign) {
        fine = false;
        if (!told)
          out_.obstacles.push_back({what, found.detail + ": it is not this site's and left alone", "remove it, or rename the site"});
      } else if (!nic.network.ours && found.state == NetworkState::kAbsent) {
        fine = false;
        if (!told)
          out_.obstacles.push_back({what, fmt::format("this machine has no bridge {}", nic.network.device),
                                    fmt::format("make it, or name another one in attach of network {}", nic.network.name)});
      }
    }
    return fine;
  }

  void bring_up_networks(const Vm& vm) {
    for (const VmNic& nic : vm.nics) {
      const NetworkFound& found = facts_.networks.at(nic.network.name);
      if (nic.network.ours && found.state != NetworkState::kUp && brought_up_.insert(nic.network.name).second)
        append(out_.steps, driver_.bring_up(nic.network, found));
    }
  }

  void make(const Vm& vm, const VmFound& found) {
    const bool has_disk = std::find(found.disks.begin(), found.disks.end(), vm.disks.front().name) != found.disks.end();
    if (!facts_.image && (!has_disk || found.state == VmState::kHalfMade)) {
      out_.obstacles.push_back({vm.machine, fmt::format("there is no image {}", vm.image),
                                "fairlead image build makes the site's; or put a cloud image there: Debian's genericcloud (amd64, qcow2)"});
      return;
    }
    VmFound left = found;
    if (found.state == VmState::kHalfMade) {
      append(out_.steps, driver_.destroy(vm, found));
      left = VmFound{};
    }
    append(out_.steps, seed_steps(vm, site_.seeds.at(vm.machine)));
    append(out_.steps, driver_.create(vm, left));
    bring_up_networks(vm);
    append(out_.steps, driver_.start(vm, left));
  }

  /// True: it was another one.
  bool renew_seed(const Vm& vm, const VmFound& found) {
    const Seed& seed = site_.seeds.at(vm.machine);
    if (found.meta_data == seed.meta_data) return false;
    append(out_.steps, seed_steps(vm, seed));
    return true;
  }

  void take_down_networks() {
    for (const VmNetwork& network : site_.networks) {
      const NetworkFound& found = facts_.networks.at(network.name);
      if (!network.ours || found.state == NetworkState::kForeign || found.state == NetworkState::kAbsent) continue;
      const bool used = std::any_of(site_.vms.begin(), site_.vms.end(), [&](const Vm& vm) {
        const VmState state = found_of(vm).state;
        const bool stays = !names_.contains(vm.machine) && state != VmState::kAbsent && state != VmState::kForeign;
        return stays && std::any_of(vm.nics.begin(), vm.nics.end(), [&](const VmNic& nic) { return nic.network.name == network.name; });
      });
      if (!used) append(out_.steps, driver_.take_down(network, found));
    }
  }

  const VmSite& site_;
  const HostFacts& facts_;
  const VmDriver& driver_;
  const MachineNames& names_;
  HostPlan out_;
  std::set<std::string> brought_up_;
};

}  // namespace

const Vm* VmSite::find(std::string_view machine) const {
  const auto found = std::find_if(vms.begin(), vms.end(), [&](const Vm& vm) { return vm.machine == machine; });
  return found == vms.end() ? nullptr : &*found;
}

HostPlan plan_create(const VmSite& site, const HostFacts& facts, const VmDriver& driver, const MachineNames& names) {
  return Planner(site, facts, driver, names).create();
}
HostPlan plan_start(const VmSite& site, const HostFacts& facts, const VmDriver& driver, const MachineNames& names) {
  return Planner(site, facts, driver, names).start();
}
HostPlan plan_stop(const VmSite& site, const HostFacts& facts, const VmDriver& driver, const MachineNames& names, bool now) {
  return Planner(site, facts, driver, names).stop(now);
}
HostPlan plan_destroy(const VmSite& site, const HostFacts& facts, const VmDriver& driver, const MachineNames& names) {
  return Planner(site, facts, driver, names).destroy();
}

}  // namespace fairlead::bootstrap
