// fairlead: pure
#include "k8s-bootstrap/facts/facts.h"

namespace fairlead::bootstrap {

const MachineFacts* Facts::find(std::string_view machine) const {
  const auto found = machines.find(std::string(machine));
  return found == machines.end() ? nullptr : &found->second;
}

}  // namespace fairlead::bootstrap
