// fairlead: pure
// Values that exist only while a run lasts (plan.h: kPlaceholders) and those that must be shown nowhere: filled into texts, and masked in
// whatever is said, logged or written down.
//
//   S1  A text that was masked holds no value of the box of kMaskedBytesMin bytes or more, nor its base64.
//   S2  A placeholder without a value is an error; it never reaches a machine as it stands.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "base/result.h"
#include "k8s-bootstrap/plan/plan.h"

namespace fairlead::bootstrap {

/// Shorter values would mask half of every text; nothing so short is a secret worth the name.
inline constexpr std::size_t kMaskedBytesMin = 6;

class SecretBox {
 public:
  /// A placeholder's value: "join-token".
  void give(std::string_view placeholder, std::string value);
  /// To be masked, too.
  void hide(std::string value);

  /// `text` with every `${NAME}` of kPlaceholders filled in; other text, also other `${...}`, stays. Errors: kNotFound, naming it.
  [[nodiscard]] Result<std::string> fill(std::string_view text) const;
  [[nodiscard]] std::string mask(std::string_view text) const;

 private:
  std::map<std::string, std::string, std::less<>> values_;
  std::set<std::string> hidden_;
};

/// The plan as it may be shown: with every text of it masked. What has to be carried out is the other one.
[[nodiscard]] Plan masked(Plan plan, const SecretBox& secrets);

}  // namespace fairlead::bootstrap
