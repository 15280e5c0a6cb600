// fairlead: pure
#include "daemon/listener_counts.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "lb/admission.h"
#include "lb/termination.h"

namespace fairlead::daemon {
namespace {

/// Names to count under, each once; several causes may have one.
class CauseNames {
 public:
  static constexpr std::size_t kNone = ~std::size_t{0};
  std::size_t place_of(std::string_view name) {
    if (name.empty()) return kNone;
    const auto found = std::find(names_.begin(), names_.end(), name);
    if (found != names_.end()) return static_cast<std::size_t>(found - names_.begin());
    names_.emplace_back(name);
    return names_.size() - 1;
  }
  [[nodiscard]] std::vector<admin::CauseCount> zeros() const {
    std::vector<admin::CauseCount> out;
    out.reserve(names_.size());
    for (const std::string& name : names_) out.push_back({name, 0});
    return out;
  }

 private:
  std::vector<std::string> names_;
};

struct CauseTable {
  CauseNames shed;
  CauseNames codes;
  CauseNames vip;
  struct End {
    std::size_t code = CauseNames::kNone;
    std::size_t vip = CauseNames::kNone;
    std::size_t shed = CauseNames::kNone;
  };
  std::array<std::size_t, lb::kShedCauses> refusals;  ///< By Refusal.
  std::array<End, lb::kEndCauses> ends{};             ///< By EndCause.

  CauseTable() {
    refusals.fill(CauseNames::kNone);
    for (auto why = lb::Refusal::kDenied; why <= lb::kRefusalLast; why = static_cast<lb::Refusal>(static_cast<int>(why) + 1))
      refusals[static_cast<std::size_t>(why)] = shed.place_of(lb::to_string(why));
    for (auto end = lb::EndCause::kFinished; end <= lb::kEndCauseLast; end = static_cast<lb::EndCause>(static_cast<int>(end) + 1)) {
      ends[static_cast<std::size_t>(end)] = {.code = codes.place_of(lb::text_of(lb::letters_of(end))),
                                             .vip = vip.place_of(lb::vip_end_name_of(end)),
                                             .shed = shed.place_of(lb::shed_name_of(end))};
    }
  }
};

/// Worked out once: reports are made ten times a second while somebody reads them.
const CauseTable& cause_table() {
  static const CauseTable table;
  return table;
}

}  // namespace

std::vector<admin::CauseCount> ended_by_code(const lb::ServerCounters& counters) {
  const CauseTable& table = cause_table();
  auto out = table.codes.zeros();
  for (const lb::ServerShare& share : counters.shares) {
    for (std::size_t end = 0; end < table.ends.size(); ++end) {
      if (table.ends[end].code != CauseNames::kNone) out[table.ends[end].code].count += share.ended[end].get();
    }
  }
  return out;
}

void add_counts(std::span<const lb::ListenerStats* const> of_workers, admin::ListenerStatus& to) {
  const CauseTable& table = cause_table();
  to.shed_by_cause = table.shed.zeros();
  to.ended_by_code = table.codes.zeros();
  to.vip_closed = table.vip.zeros();
  for (const lb::ListenerStats* from : of_workers) {
    to.bytes.in += from->bytes_in.get();
    to.bytes.out += from->bytes_out.get();
    to.retries += from->retries.get();
    for (std::size_t why = 0; why < table.refusals.size(); ++why) {
      if (table.refusals[why] != CauseNames::kNone) to.shed_by_cause[table.refusals[why]].count += from->shed[why].get();
    }
    for (std::size_t end = 0; end < table.ends.size(); ++end) {
      const CauseTable::End& names = table.ends[end];
      const std::uint64_t n = from->ended[end].get();
      if (names.code != CauseNames::kNone) to.ended_by_code[names.code].count += n;
      if (names.vip != CauseNames::kNone) to.vip_closed[names.vip].count += n;
      if (names.shed != CauseNames::kNone) to.shed_by_cause[names.shed].count += n;
    }
  }
}

}  // namespace fairlead::daemon
