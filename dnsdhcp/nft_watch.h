// Tells that somebody changed a table of nftables, this program's children included: the kernel says so (NFNLGRP_NFTABLES) as soon as it is
// done. What was changed is not read: whoever cares looks (NftTool::list_table()), which also serves where messages were lost.
// Threading: the loop's thread. Ownership: the loop outlives it. Rationale for no library: of a message nothing but its coming is used.
#pragma once

#include <functional>
#include <memory>

#include "base/fd.h"
#include "base/qb_loop.h"
#include "base/result.h"

namespace fairlead::dnsdhcp {

class NftWatch {
 public:
  /// `on_change` is called once for what came together. Errors: kPermission (CAP_NET_ADMIN), kUnsupported (a kernel without nftables).
  [[nodiscard]] static Result<std::unique_ptr<NftWatch>> open(QbLoop& loop, std::function<void()> on_change);
  ~NftWatch() { loop_.remove(fd_.get()); }
  NftWatch(const NftWatch&) = delete;
  NftWatch& operator=(const NftWatch&) = delete;

 private:
  NftWatch(QbLoop& loop, Fd fd, std::function<void()> on_change) : loop_(loop), fd_(std::move(fd)), on_change_(std::move(on_change)) {}
  void drain();

  QbLoop& loop_;
  Fd fd_;
  std::function<void()> on_change_;
};

}  // namespace fairlead::dnsdhcp
