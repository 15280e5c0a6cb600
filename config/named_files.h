// fairlead: pure
// Which files and folders a configuration names for the daemon to use, and where it does so. Whether they can be used is asked by who may
// touch them (daemon/file_check.h).
#pragma once

#include <string>
#include <vector>

#include "config/document.h"
#include "config/settings.h"

namespace fairlead::config {

class Places;

struct NamedFile {
  enum class Use : std::uint8_t {
    kRead,
    kRun,     ///< A hook's program.
    kAppend,  ///< The log.
    kOwn,     ///< state_dir: a folder whose files are the daemon's.
    kBeside,  ///< admin.socket: so are the files that are called like it.
  };
  std::string key;   ///< "health.ca"
  std::string path;  ///< Absolute.
  Use use = Use::kRead;
  Position at;
  std::size_t pool = 0;  ///< Of keys of a pool: its place in Snapshot::pools.
};
/// In the order of the sections. Empty names are left out: they mean that there is none.
[[nodiscard]] std::vector<NamedFile> named_files(const Snapshot& snapshot, const Places& places);

}  // namespace fairlead::config
