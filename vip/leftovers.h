// fairlead: pure
// What an earlier life left on this node, and what of it may be removed (ha-rules R13, R21).
//
// The journal says what this node is about to change, before it changes it: a file in `state_dir`, a line each, of one boot.
//
//   fairlead-vips 1
//   boot 0f7c2b9e-...
//   address eth0 2 192.168.4.20/24        an address this daemon may have added there
//   setting eth0 arp_ignore 0             the value before ours (vip/address_hygiene.h)
//   end
//
// An address is removed only when it is known to be ours:
//   - it carries our mark (IFA_PROTO, Linux 5.18 and later); or
//   - the kernel shows no marks at all, the journal of this boot names it on this very interface, and it has a lifetime, as ours all have.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip_address.h"
#include "base/result.h"
#include "vip/address_driver.h"
#include "vip/link_state.h"

namespace fairlead::vip {

struct JournalAddress {
  std::string device;
  std::uint32_t index = 0;
  IpPrefix address;
  friend auto operator<=>(const JournalAddress&, const JournalAddress&) = default;
};
/// A key of /proc/sys/net/ipv4/conf/DEVICE.
struct JournalSetting {
  std::string device;
  std::string key;
  std::string value;
  friend auto operator<=>(const JournalSetting&, const JournalSetting&) = default;
};
struct Journal {
  std::string boot_id;
  std::vector<JournalAddress> addresses;
  std::vector<JournalSetting> settings;
  bool operator==(const Journal&) const = default;
};

inline constexpr std::size_t kJournalEntriesMax = 1024;

/// A name that is safe in a line and in a path below /proc/sys: as the kernel allows for interfaces, and neither "." nor "..".
[[nodiscard]] bool is_device_name(std::string_view name);

[[nodiscard]] std::string render_journal(const Journal& journal);
/// The whole file or nothing: one that is cut short is refused. Errors: kInvalidArgument with the line.
[[nodiscard]] Result<Journal> parse_journal(std::string_view text);

/// What of `present` an earlier life left. `held`: what this one has.
[[nodiscard]] std::vector<PresentAddress> plan_leftovers(const std::vector<PresentAddress>& present, const Journal& journal,
                                                         const std::string& boot_id, const std::vector<LeasedAddress>& held);

}  // namespace fairlead::vip
