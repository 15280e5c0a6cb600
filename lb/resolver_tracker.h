// fairlead: pure
// Decides which address a server given by name has, and when its name is to be asked again.
//
// Invariants:
//   I1  A dead resolver takes no server away: failures (timeout, SERVFAIL, refused) never change the address, however long they last.
//   I2  An authoritative "no such name" takes the address away only after `hold` without a good answer.
//   I3  While the answers contain the present address it stays: a rotating order of records moves nobody.
//   I4  At most one question is outstanding, and one is asked at least every `interval` (plus the answer's time).
// Threading: control. Ownership: values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ip_address.h"
#include "base/time.h"
#include "config/settings.h"

namespace fairlead::lb {

/// A question whose answer never came is asked again after this.
inline constexpr Duration kResolveLostAfter = std::chrono::minutes(2);
/// Pause between questions until the first answer, if `interval` is longer.
inline constexpr Duration kResolveFirstPause = std::chrono::seconds(1);

enum class ResolveOutcome : std::uint8_t {
  kFound,
  kNotFound,  ///< The name server said so: no such name, or no address for it.
  kFailed,    ///< Nobody said anything reliable.
};
struct ResolveAnswer {
  ResolveOutcome outcome = ResolveOutcome::kFailed;
  std::vector<Endpoint> endpoints{};  ///< Best first; not empty when found.
  std::string error{};                ///< Otherwise: what went wrong, in words.
};

/// True for a name that is looked up as SRV: "_https._tcp.kube.demo". The port then comes from the record.
[[nodiscard]] bool is_srv_name(std::string_view host);

class ResolveTracker {
 public:
  /// What an answer changed. Several may be set.
  struct Change {
    bool endpoint_changed = false;  ///< See endpoint().
    bool failure_began = false;     ///< First failure since the last good answer: worth one log line. See error().
  };

  ResolveTracker(const config::Resolve& settings, Instant now);
  void change_settings(const config::Resolve& settings) { settings_ = settings; }

  [[nodiscard]] bool due(Instant now) const { return now >= next_; }
  [[nodiscard]] Instant next_deadline() const { return next_; }
  /// Only when due. Returns the token the answer must carry.
  [[nodiscard]] std::uint64_t start(Instant now);
  /// The resolver had no room.
  void refused(std::uint64_t token, Instant now);
  [[nodiscard]] Change answered(std::uint64_t token, const ResolveAnswer& answer, Instant now);

  [[nodiscard]] const std::optional<Endpoint>& endpoint() const { return endpoint_; }
  [[nodiscard]] const std::string& error() const { return error_; }  ///< Of the last answer; empty: it was good.

 private:
  config::Resolve settings_;
  std::optional<Endpoint> endpoint_;
  std::string error_;
  std::optional<Instant> good_at_;
  Instant next_;
  std::uint64_t token_ = 0;
  bool outstanding_ = false;
};

}  // namespace fairlead::lb
