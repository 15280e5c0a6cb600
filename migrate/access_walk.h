// fairlead: pure
// Who may connect. HAProxy walks rules in order and the first one that matches decides; Fairlead has a list of who may connect and one of
// who may not, which wins. A walk takes the rules of one set in their order and ends in lists that admit the same clients.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/ip_address.h"

namespace fairlead::migrate {

using Networks = std::vector<IpPrefix>;

/// Adds what is not there yet, host bits cleared. False: more than config::kAccessListMax.
[[nodiscard]] bool add_networks(Networks& list, const Networks& more);
/// `from` without `holes`, in networks; nullopt: more than config::kAccessListMax of them.
[[nodiscard]] std::optional<Networks> without(const Networks& from, const Networks& holes);
/// What is in both; nullopt as above.
[[nodiscard]] std::optional<Networks> in_both(const Networks& a, const Networks& b);

struct AccessLists {
  std::optional<Networks> allow;  ///< Absent: everybody but `deny`.
  Networks deny;                  ///< Wins.

  /// Nobody is left who may connect.
  [[nodiscard]] bool nobody() const;
};

class AccessWalk {
 public:
  enum class Effect : std::uint8_t {
    kSome,
    kNone,     ///< An earlier rule decided about all of them.
    kTooMany,  ///< Not representable within config::kAccessListMax; nothing was changed.
  };
  [[nodiscard]] Effect accept(const Networks& who);
  [[nodiscard]] Effect reject(const Networks& who);
  [[nodiscard]] Effect reject_all_but(const Networks& who);
  /// A rule without a condition: no later one is reached.
  void decide_rest(bool accept) {
    ended_ = true;
    rest_accepted_ = accept;
  }
  [[nodiscard]] bool ended() const { return ended_; }
  [[nodiscard]] bool accepts_some() const { return !accepted_.empty(); }
  /// Networks in all of its lists.
  [[nodiscard]] std::size_t size() const { return accepted_.size() + rejected_.size() + (undecided_ ? undecided_->size() : 0); }
  /// nullopt: too many networks.
  [[nodiscard]] std::optional<AccessLists> lists() const;

 private:
  Networks accepted_;                  ///< Less rejected_, which holds none that was accepted before it.
  std::optional<Networks> undecided_;  ///< Absent: everybody. Less the other two.
  Networks rejected_;
  bool ended_ = false;
  bool rest_accepted_ = true;
};

}  // namespace fairlead::migrate
