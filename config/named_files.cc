// fairlead: pure
#include "config/named_files.h"

#include <fmt/format.h>

#include "config/reader.h"

namespace fairlead::config {

std::vector<NamedFile> named_files(const Snapshot& snapshot, const Places& places) {
  std::vector<NamedFile> out;
  const auto add = [&](std::string key, const std::string& path, NamedFile::Use use, Position at, std::size_t pool = 0) {
    if (!path.empty()) out.push_back({.key = std::move(key), .path = path, .use = use, .at = at, .pool = pool});
  };
  for (std::size_t i = 0; i < snapshot.vips.size(); ++i) {
    for (const auto& [list, hooks] :
         {std::pair{"on_acquire", &snapshot.vips[i].on_acquire}, std::pair{"on_release", &snapshot.vips[i].on_release}}) {
      for (std::size_t k = 0; k < hooks->size(); ++k) {
        const std::string path = fmt::format("vips[{}].{}[{}].command", i, list, k);
        if (!(*hooks)[k].command.empty()) add(list, (*hooks)[k].command.front(), NamedFile::Use::kRun, places.nearest(path));
      }
    }
  }
  for (std::size_t i = 0; i < snapshot.pools.size(); ++i) {
    const Health& health = snapshot.pools[i].health;
    for (const auto& [key, path] : {std::pair{"ca", &health.ca}, std::pair{"cert", &health.cert}, std::pair{"key", &health.key},
                                    std::pair{"token_file", &health.token_file}}) {
      const std::string own = fmt::format("pools[{}].health.{}", i, key);
      const std::string inherited = fmt::format("defaults.pool.health.{}", key);
      add(fmt::format("health.{}", key), *path, NamedFile::Use::kRead, places.nearest(places.has(own) ? own : inherited), i);
    }
  }
  const AdminTls& tls = snapshot.admin.tls;
  add("admin.tls.cert", tls.cert, NamedFile::Use::kRead, places.nearest("admin.tls.cert"));
  add("admin.tls.key", tls.key, NamedFile::Use::kRead, places.nearest("admin.tls.key"));
  add("admin.tls.client_ca", tls.client_ca, NamedFile::Use::kRead, places.nearest("admin.tls.client_ca"));
  add("admin.socket", snapshot.admin.socket, NamedFile::Use::kBeside, places.nearest("admin.socket"));
  if (snapshot.log.target == LogTarget::kFile) add("log.path", snapshot.log.path, NamedFile::Use::kAppend, places.nearest("log.path"));
  add("state_dir", snapshot.state_dir, NamedFile::Use::kOwn, places.nearest("state_dir"));
  return out;
}

}  // namespace fairlead::config
