// fairlead: pure
// What takeover says, hears and does, in the flight recorder's words. Beats and what is renewed each second are left out: they would push
// out everything else within minutes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/cluster_message.h"
#include "vip/vip_holder.h"

namespace fairlead::daemon {

/// "add"
[[nodiscard]] std::string_view step_name(vip::HolderActionKind kind);
/// Nothing for a step that only renews.
[[nodiscard]] bool is_worth_a_note(vip::HolderActionKind kind);
/// What the message says of VIPs and nodes, in one line: "api: able serves holding epoch 7 owner 1". Nothing for beats.
[[nodiscard]] std::optional<std::string> note_of(const ClusterMessage& message);

}  // namespace fairlead::daemon
