// fairlead: pure
#include "dnsdhcp/files_on_trial.h"

#include <utility>

namespace fairlead::dnsdhcp {

void FilesOnTrial::applied(const Rendered& files) {
  if (!std::exchange(returning_, false)) problem_.clear();
  ends_ = 0;
  if (good_ && good_->conf == files.conf) good_ = files;  // X2
  running_ = files;
}

bool FilesOnTrial::ready() {
  const bool again = !problem_.empty() && ends_ > 0;
  if (again) problem_.clear();
  ends_ = 0;
  good_ = running_;
  return again;
}

std::optional<Rendered> FilesOnTrial::ended(const std::string& why) {
  ++ends_;
  if (ends_ < kStartsTried || !good_ || !running_ || good_->conf == running_->conf) return std::nullopt;  // X1
  returning_ = true;
  problem_ = "dnsmasq does not start with it, and has the files of before again: " + why;
  return good_;
}

}  // namespace fairlead::dnsdhcp
