// fairlead: pure
#include "k8s-bootstrap/apply/lock_record.h"

#include <fmt/format.h>
#include <map>

#include "k8s-bootstrap/facts/fact_words.h"

namespace fairlead::bootstrap {

LockJudgement judge_lock(std::string_view text, std::optional<std::int64_t> uptime_seconds, std::string_view boot_id) {
  if (text.empty()) return {};
  std::map<std::string, std::string> values;
  while (!text.empty()) {
    const auto end = text.find('\n');
    Words words(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const std::string_view key = words.next();
    if (!key.empty() && values.size() < 16) values[printable(key)] = printable(words.rest());
  }
  const auto beat = number<std::int64_t>(values["beat"]);
  if (values["owner"].empty() || values["token"].empty() || !beat || *beat < 0)
    return {.owner = "somebody unknown", .problem = fmt::format("{} is damaged: fairlead bootstrap unlock removes it", kLockFile)};
  const std::int64_t last = values["boot_id"] == boot_id ? *beat : 0;  // L1
  if (uptime_seconds && *uptime_seconds - last > kLockStale.count()) return {};
  return {.owner = fmt::format("{} on {}, since {}", values["owner"], values["host"], values["since"]), .problem = {}};
}

}  // namespace fairlead::bootstrap
