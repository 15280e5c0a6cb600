// Reads what the running Corosync says of itself: cmap (timing, name, links) and votequorum. Every call waits for Corosync's answer.
#pragma once

#include <cstdint>
#include <memory>

#include "base/result.h"
#include "membership/cluster_sink.h"

namespace fairlead::membership {

class FactsReader {
 public:
  /// Errors: kUnavailable, kPermission.
  [[nodiscard]] static Result<std::unique_ptr<FactsReader>> open();
  ~FactsReader();
  FactsReader(const FactsReader&) = delete;
  FactsReader& operator=(const FactsReader&) = delete;

  /// Errors: kUnavailable.
  [[nodiscard]] Result<CorosyncFacts> read();
  /// The part that may change within milliseconds. Answered at once also while a change of membership waits for the qdevice. Errors: as
  /// read().
  [[nodiscard]] Status read_votes(CorosyncFacts& into);

 private:
  FactsReader() = default;
  void read_links(CorosyncFacts& into);

  std::uint64_t cmap_ = 0;
  std::uint64_t stats_ = 0;
  std::uint64_t votes_ = 0;
};

}  // namespace fairlead::membership
