// The kernel's clocks behind the Clock interface.
#pragma once

#include "base/time.h"

namespace fairlead {

class SystemClock final : public Clock {
 public:
  [[nodiscard]] Instant now() const override;
  [[nodiscard]] WallTime wall() const override;
};

}  // namespace fairlead
