// fairlead: pure
// The one table of keepalived's words: what becomes of each.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace fairlead::migrate {

enum class KeepalivedPlace : std::uint8_t { kTop, kGlobal, kInstance, kScript, kSync, kVirtualServer, kRealServer };

enum class KeepalivedAct : std::uint8_t {
  kSoAnyway,
  kLeaveOut,
  // top
  kGlobalDefs,
  kInstanceBlock,
  kScriptBlock,
  kSyncBlock,
  kVirtualServerBlock,
  kInclude,
  // global_defs
  kRouterId,
  // vrrp_instance
  kState,
  kInterface,
  kPriority,
  kNopreempt,
  kPreemptDelay,
  kOwnAddress,
  kPeers,
  kAddresses,
  kRoutes,
  kRules,
  kWatch,
  kTrackInterface,
  kHook,
  kGarp,
  // vrrp_script
  kScriptLine,
  // vrrp_sync_group
  kMembers,
  // virtual_server, real_server
  kBalance,
  kForwarding,
  kProtocol,
  kDelayLoop,
  kPersistence,
  kRealServerBlock,
  kSorryServer,
  kWeight,
  kCheckBlock,
};

struct KeepalivedKeyword {
  KeepalivedPlace place = KeepalivedPlace::kTop;
  std::string_view name;  ///< A '*' at its end stands for anything.
  KeepalivedAct act = KeepalivedAct::kLeaveOut;
  std::string_view reason = {};
  std::string_view remedy = {};
};

[[nodiscard]] std::span<const KeepalivedKeyword> keepalived_keywords();
[[nodiscard]] const KeepalivedKeyword* find_keepalived_keyword(KeepalivedPlace place, std::string_view name);

}  // namespace fairlead::migrate
