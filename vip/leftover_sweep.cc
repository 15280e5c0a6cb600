#include "vip/leftover_sweep.h"

#include <cerrno>
#include <unistd.h>

#include "base/atomic_file.h"
#include "vip/address_hygiene.h"

namespace fairlead::vip {

std::string journal_path(const std::string& state_dir) { return state_dir + "/vips.journal"; }

std::string read_boot_id() {
  auto text = read_small_file("/proc/sys/kernel/random/boot_id");
  if (!text || !*text) return {};
  std::string id = **text;
  while (!id.empty() && id.back() == '\n') id.pop_back();
  return id;
}

Status save_journal(const std::string& state_dir, const Journal& journal) {
  return write_file_atomically(journal_path(state_dir), render_journal(journal));
}

Journal load_journal(const std::string& state_dir, std::string& why) {
  why.clear();
  auto text = read_small_file(journal_path(state_dir));
  if (!text) {
    why = text.error().message();
    return {};
  }
  if (!*text) return {};
  auto journal = parse_journal(**text);
  if (journal) return std::move(*journal);
  why = journal_path(state_dir) + ": " + journal.error().message();
  return {};
}

SweepReport sweep_leftovers(AddressDriver& driver, const std::string& state_dir) {
  SweepReport out;
  std::string why;
  const std::string boot_id = read_boot_id();
  const Journal journal = load_journal(state_dir, why);
  if (!why.empty()) out.problems.push_back(Error{Errc::kInvalidArgument, why});
  if (auto present = driver.addresses(); !present) {
    out.problems.push_back(present.error());
  } else {
    for (const PresentAddress& left : plan_leftovers(*present, journal, boot_id, /*held=*/{})) {
      const LeasedAddress what{.device = left.device, .index = left.index, .address = left.address, .lease = std::chrono::seconds(1)};
      if (auto status = driver.remove(what); status)
        out.removed.push_back(left);
      else
        out.problems.push_back(status.error());
    }
  }
  if (auto status = driver.remove_stray_routes({}); !status) out.problems.push_back(status.error());
  if (journal.boot_id == boot_id) {
    if (auto status = restore_settings(journal.settings); !status) out.problems.push_back(status.error());
  }
  // With a problem left the next start has to know what this one knew.
  if (out.problems.empty() && ::unlink(journal_path(state_dir).c_str()) != 0 && errno != ENOENT)
    out.problems.push_back(errno_error("remove " + journal_path(state_dir)));
  return out;
}

}  // namespace fairlead::vip
