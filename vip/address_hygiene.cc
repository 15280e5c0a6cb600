#include "vip/address_hygiene.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/fd.h"

namespace fairlead::vip {
namespace {

struct Wanted {
  const char* key;
  int value;
};
constexpr Wanted kWanted[] = {{"arp_ignore", 1}, {"arp_announce", 2}, {"promote_secondaries", 1}};

// Only keys of ours, so that a journal can name no other file.
const Wanted* wanted(const std::string& key) {
  for (const Wanted& w : kWanted) {
    if (key == w.key) return &w;
  }
  return nullptr;
}

std::string path_of(const std::string& device, const std::string& key) { return "/proc/sys/net/ipv4/conf/" + device + "/" + key; }

Result<std::string> read_setting(const std::string& device, const std::string& key) {
  auto text = read_small_file(path_of(device, key));
  if (!text) return text.error();
  if (!*text) return Error{Errc::kNotFound, "interface " + device + " is not there"};
  std::string value = **text;
  while (!value.empty() && value.back() == '\n') value.pop_back();
  return value;
}

Status write_setting(const std::string& device, const std::string& key, const std::string& value) {
  const std::string path = path_of(device, key);
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid() || ::write(fd.get(), value.data(), value.size()) != static_cast<ssize_t>(value.size()))
    return errno_error("set " + path + " to " + value);
  return {};
}

}  // namespace

Result<std::vector<JournalSetting>> plan_hygiene(const std::string& device) {
  if (!is_device_name(device)) return Error{Errc::kInvalidArgument, "'" + device + "' is no name of an interface"};
  std::vector<JournalSetting> out;
  for (const Wanted& w : kWanted) {
    auto value = read_setting(device, w.key);
    if (!value) return value.error();
    if (std::atoi(value->c_str()) < w.value) out.push_back({device, w.key, *value});
  }
  return out;
}

Status apply_hygiene(const std::vector<JournalSetting>& before) {
  for (const JournalSetting& setting : before) {
    const Wanted* w = wanted(setting.key);
    if (w == nullptr || !is_device_name(setting.device))
      return Error{Errc::kInvalidArgument, "setting " + setting.key + " is none of ours"};
    if (auto status = write_setting(setting.device, setting.key, std::to_string(w->value)); !status) return status;
  }
  return {};
}

Status restore_settings(const std::vector<JournalSetting>& before) {
  Status first;
  for (auto setting = before.rbegin(); setting != before.rend(); ++setting) {
    const Wanted* w = wanted(setting->key);
    if (w == nullptr || !is_device_name(setting->device)) continue;
    auto now = read_setting(setting->device, setting->key);
    if (!now && now.error().code == Errc::kNotFound) continue;
    auto status = now ? Status{} : Status(now.error());
    if (now && *now == std::to_string(w->value)) status = write_setting(setting->device, setting->key, setting->value);
    if (!status && first) first = std::move(status);
  }
  return first;
}

}  // namespace fairlead::vip
