// Carries out what RouterApply decides: nft, settings below /proc/sys, and the files that remember both. Everything here blocks: for the
// jobs thread, in the daemon's network namespace, one call at a time.
//
// state_dir/router, each file by itself something to be read and fed to `nft -f`:
//   confirmed.nft   in force for good             before.nft   what was in force before the trial
//   trial.nft       on trial: its being there is the trial's mark, renamed at its end
//   refused.nft     tried and not confirmed       settings     dnsdhcp/router_sysctls.h
// Order: what leads back is on the disk before anything changes; rules come before forwarding is switched on, and go after it is off.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "dnsdhcp/nft_tool.h"
#include "dnsdhcp/router_apply.h"
#include "dnsdhcp/router_sysctls.h"

namespace fairlead::dnsdhcp {

struct RouterListing {
  std::string rules;  ///< As nft prints the table, without counters' values; empty: there is none.
};

class RouterJobs {
 public:
  /// `proc_sys`: where the kernel's settings are.
  RouterJobs(const std::string& state_dir, NftTool nft, std::string proc_sys = "/proc/sys")
      : folder_(state_dir + "/router"), nft_(std::move(nft)), proc_sys_(std::move(proc_sys)) {}

  /// Errors: those of reading; what could be read is used all the same (`problem`).
  struct Recalled {
    RouterMemory memory;
    std::string problem;
  };
  [[nodiscard]] Recalled recall() const;
  /// What is in force afterwards. Errors: nft's, the disk's, those of setting; then everything is as before, as far as that could be done.
  [[nodiscard]] Result<RouterListing> run(const RouterJob& job, RoutedVersions versions) const;
  [[nodiscard]] Result<RouterListing> list(bool counters) const;

 private:
  [[nodiscard]] std::string path(std::string_view name) const { return folder_ + "/" + std::string(name); }
  [[nodiscard]] Status make_folder() const;
  [[nodiscard]] Status remove(std::string_view name) const;
  [[nodiscard]] Status rename(std::string_view from, std::string_view to) const;
  [[nodiscard]] Result<SysctlValues> read_settings() const;
  [[nodiscard]] Status write_settings(const std::vector<SysctlWrite>& writes) const;
  [[nodiscard]] Status set_settings(RoutedVersions versions) const;
  [[nodiscard]] Status restore_settings() const;
  [[nodiscard]] Status change(const std::string& rules, RoutedVersions versions, const std::string& listing) const;
  void go_back(const std::string& listing) const;
  [[nodiscard]] Status put_in_force(const RouterJob& job, RoutedVersions versions) const;
  [[nodiscard]] Status try_rules(const RouterJob& job, RoutedVersions versions) const;
  [[nodiscard]] Status keep() const;
  [[nodiscard]] Status restore() const;
  [[nodiscard]] Status remove_all() const;

  std::string folder_;
  NftTool nft_;
  std::string proc_sys_;
};

}  // namespace fairlead::dnsdhcp
