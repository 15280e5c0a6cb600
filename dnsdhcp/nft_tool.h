// nft as a child: a text goes in, what it prints comes out. Waits for it, so it belongs to a thread that may block (jobs).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace fairlead::dnsdhcp {

class NftTool {
 public:
  static constexpr std::string_view kProgram = "/usr/sbin/nft";
  static constexpr Duration kTimeout = std::chrono::seconds(10);

  /// The child has the capabilities that the calling thread passes on (it needs CAP_NET_ADMIN).
  explicit NftTool(std::string program = std::string(kProgram), Duration timeout = kTimeout)
      : program_(std::move(program)), timeout_(timeout) {}

  /// `nft -f -`: all of it or nothing. Errors: kUnavailable (no nft, or it cannot be started), kTimeout (killed), kInvalidArgument (nft
  /// refuses: with its own line), kPermission (no CAP_NET_ADMIN).
  [[nodiscard]] Status apply(std::string_view text) const;
  /// What `nft list table` prints; empty: there is no such table. Without `counters` their values are left out, so that two listings of the
  /// same rules are the same text. Errors: as apply().
  [[nodiscard]] Result<std::string> list_table(std::string_view family, std::string_view name, bool counters) const;

 private:
  [[nodiscard]] Result<std::string> run(const std::vector<std::string>& arguments, std::string_view input) const;

  std::string program_;
  Duration timeout_;
};

}  // namespace fairlead::dnsdhcp
