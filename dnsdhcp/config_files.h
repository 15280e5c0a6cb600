// dnsmasq's files on disk. Blocks on the disk and on a child for a moment: jobs thread.
// Each file is whole or not there: written as .NAME, which dnsmasq does not look at, then renamed. Nothing is flushed to the disk: after a
// loss of power they are compared with what the configuration makes of them, and written again.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "dnsdhcp/apply_plan.h"

namespace fairlead::dnsdhcp {

class ConfigFiles {
 public:
  /// `directory` is RenderPlace::directory; `dnsmasq` the program, looked for along PATH when it has no '/'.
  ConfigFiles(std::string directory, std::string dnsmasq) : directory_(std::move(directory)), dnsmasq_(std::move(dnsmasq)) {}

  /// Makes the directories (0700) and removes what an interrupted write left. Errors: those of mkdir(2) and unlink(2).
  [[nodiscard]] Status prepare() const;
  /// What lies there, whoever wrote it; absent: no dnsmasq.conf. Errors: those of open(2) and read(2).
  [[nodiscard]] Result<std::optional<Rendered>> read() const;
  /// `dnsmasq --test` with a copy in `scratch`, a directory of the caller's that is emptied; machines' lines are tested as dhcp-host.
  /// Nothing else is touched. Errors: kInvalidConfig with dnsmasq's words, its line and the key that made it; kNotFound (no such program);
  /// kTimeout; those of write(2).
  [[nodiscard]] Status test(const Rendered& rendered, const std::string& scratch, Duration time = std::chrono::seconds(10)) const;
  /// Carries out the files of a plan. All new texts are on disk before the first file changes: when the disk is full nothing has.
  /// Errors: those of write(2), rename(2), unlink(2).
  [[nodiscard]] Status write(const ApplyPlan& plan) const;

  [[nodiscard]] const std::string& directory() const { return directory_; }

 private:
  std::string directory_;
  std::string dnsmasq_;
};

/// Where dnsmasq's complaint points to: "bad dhcp-range at line 12 of /x/dnsmasq.conf" -> 12. Pure.
[[nodiscard]] std::optional<std::size_t> line_of_complaint(std::string_view said);

}  // namespace fairlead::dnsdhcp
