// fairlead: pure
// What keepalived_*.cc know while they read. Private to them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "migrate/block_text.h"
#include "migrate/keepalived_keywords.h"
#include "migrate/wanted.h"

namespace fairlead::migrate {

struct KeepalivedFile {
  std::string name;  ///< As it was given.
  std::vector<Block> blocks;
  std::set<std::string> means{};  ///< Names of the files that its `include` lines could mean.
};
using KeepalivedFiles = std::vector<KeepalivedFile>;
/// Whether `pattern`, which stands in `from`, means `to`. A file does not include itself, and none that includes it.
[[nodiscard]] bool includes(const KeepalivedFile& from, const KeepalivedFile& to, std::string_view pattern);

/// One file with what it includes: one node.
class KeepalivedReader {
 public:
  /// `alone`: no other node's file was given.
  KeepalivedReader(const KeepalivedFiles& files, bool alone, Ledger& ledger, Wanted& wanted)
      : files_(files), alone_(alone), ledger_(ledger), wanted_(wanted) {}
  /// `name`: of this node, as far as its file says; may be empty.
  void read(const KeepalivedFile& file, const std::string& name);

 private:
  struct Instance {
    std::string name;
    Ledger::Line at = 0;
    std::size_t node = 0;
    bool master = false;
    bool nopreempt = false;
    std::int64_t priority = 100;
    std::optional<Ledger::Line> priority_at;
    std::optional<Ledger::Line> state_at, nopreempt_at, delay_at;
    std::optional<Duration> preempt_delay;
    std::string interface;
    std::vector<std::size_t> peers;
    std::vector<std::size_t> vips;  ///< Indices in wanted_.vips.
    std::vector<Ledger::Line> watches;
    std::vector<std::pair<config::Hook, Ledger::Line>> on_acquire, on_release;
    config::Announce announce;
  };

  // keepalived_reader.cc
  void flatten(const KeepalivedFile& file, std::vector<const Block*>& out, std::size_t depth);
  bool left_out_by_sign(const Block& block);
  void global_defs(const Block& block);
  void script(const Block& block);
  void sync_group(const Block& block);
  void instance(const Block& block);
  void instance_line(const Block& line, Instance& into);
  /// `kind`: what keepalived calls it to a script of `notify`.
  void hook(const Block& line, Instance& into, std::string_view kind);
  void watch(const Block& block, Instance& into);
  void track_interface(const Block& block, const Instance& of);
  void peers(const Block& block, Instance& into);
  void finish(Instance& done);
  void finish_preference(Instance& done);
  void leave_out(const Block& block, const KeepalivedKeyword& keyword);

  // keepalived_addresses.cc
  void addresses(const Block& block, Instance& into);
  void address(const Block& line, Instance& into);
  void routes(const Block& block, Instance& into);
  void route(const Block& line, Instance& into);
  void rules(const Block& block, Instance& into);

  // keepalived_lvs.cc
  void virtual_server(const Block& block);
  void virtual_server_line(const Block& line, PoolWish& pool);
  void real_server(const Block& block, PoolWish& pool);
  void check(const Block& block, PoolWish& pool);

  const KeepalivedFiles& files_;
  bool alone_;
  Ledger& ledger_;
  Wanted& wanted_;
  std::size_t node_ = 0;
  std::size_t includes_ = 0;
  std::map<std::string, std::string> group_of_;     ///< Instance -> sync group, by its own name.
  std::map<std::string, std::string> group_names_;  ///< Sync group -> its name in fairlead.yaml.
  std::map<std::string, Instance> of_group_;        ///< Sync group -> hooks and watches.
  std::set<std::string> group_hooks_given_;
};

}  // namespace fairlead::migrate
