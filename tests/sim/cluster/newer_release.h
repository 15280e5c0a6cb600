// Mixed versions: what this release understands of a message as a newer release writes it, with fields that are unknown here.
#pragma once

#include "base/cluster_message.h"

namespace fairlead::vip::sim {

/// The same, through the codec. Fails the program when the codec makes anything else of it.
[[nodiscard]] ClusterMessage as_newer_release_says(const ClusterMessage& message);

}  // namespace fairlead::vip::sim
