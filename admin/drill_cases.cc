// fairlead: pure
#include "admin/drill_cases.h"

#include <algorithm>
#include <array>

namespace fairlead::admin {
namespace {

constexpr std::array kCases{
    DrillCase{"planned", DrillPlace::kCluster, true, "the VIP is moved to another node", "20 ms"},
    DrillCase{"kill-process", DrillPlace::kCluster, false, "the holder's daemon is killed", "50 ms"},
    DrillCase{"hang-process", DrillPlace::kCluster, false, "the holder's daemon hangs", "guard.hang + 300 ms"},
    DrillCase{"kill-both", DrillPlace::kLab, false, "the holder's daemon and its guard are killed", "lease + T + C + 500 ms"},
    DrillCase{"kill-node", DrillPlace::kLab, false, "the holder loses its power", "T + C + 350 ms"},
    DrillCase{"kill-standby", DrillPlace::kLab, false, "a node that holds nothing loses its power", "0"},
    DrillCase{"freeze-node", DrillPlace::kLab, false, "every process of the holder stops for some seconds", "lease + T + C + 500 ms"},
    DrillCase{"cut-link", DrillPlace::kLab, false, "the holder is cut off", "T + C + 350 ms"},
    DrillCase{"cut-link-oneway", DrillPlace::kLab, false, "the holder hears nothing, and is heard", "5 s"},
    DrillCase{"lose-carrier", DrillPlace::kLab, false, "the holder's service link goes down, its ring link stays", ""},
    DrillCase{"flap-carrier", DrillPlace::kLab, false, "the holder's service link goes down and up, again and again", ""},
    DrillCase{"stop-corosync", DrillPlace::kLab, false, "the holder's Corosync ends in order", ""},
    DrillCase{"kill-corosync", DrillPlace::kLab, false, "the holder's Corosync is killed", ""},
    DrillCase{"boot-both", DrillPlace::kLab, false, "every node starts at once", ""},
    DrillCase{"boot-alone", DrillPlace::kLab, false, "one node starts, the others stay off", ""},
    DrillCase{"gateway-silent", DrillPlace::kLab, false, "two nodes lose each other while the tie-break router is silent", ""},
    DrillCase{"qdevice-loss", DrillPlace::kLater, false, "the third vote goes away", ""},
    DrillCase{"delete-vip", DrillPlace::kCluster, false, "the address is deleted behind the daemon's back", ""},
    DrillCase{"double-failure", DrillPlace::kLab, false, "the holder loses its power, its successor too", ""},
    DrillCase{"merge", DrillPlace::kLab, false, "a node that was cut off comes back", "0"},
    DrillCase{"mixed-version", DrillPlace::kLater, false, "nodes of two releases", ""},
    DrillCase{"kill-server", DrillPlace::kLab, false, "a server behind the proxy is killed", "0"},
    DrillCase{"vanish-server", DrillPlace::kLab, false, "a server behind the proxy loses its power", ""},
    DrillCase{"reload", DrillPlace::kCluster, true, "the holder reads its configuration again", "0"},
    DrillCase{"upgrade", DrillPlace::kLater, false, "the daemon is replaced by a newer one", ""},
};

}  // namespace

std::span<const DrillCase> drill_cases() { return kCases; }

const DrillCase* find_drill(std::string_view name) {
  const auto* found = std::find_if(kCases.begin(), kCases.end(), [&](const DrillCase& c) { return c.name == name; });
  return found == kCases.end() ? nullptr : found;
}

}  // namespace fairlead::admin
