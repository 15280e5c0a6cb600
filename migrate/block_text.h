// fairlead: pure
// Text in blocks with braces, as corosync.conf and keepalived.conf have it, as a tree.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/problem.h"
#include "migrate/ledger.h"

namespace fairlead::migrate {

struct Block {
  std::vector<std::string> words;  ///< "vrrp_instance VI_1"; corosync: the key, then its value's words. Never empty.
  Ledger::Line at = 0;
  std::vector<Block> children;
  bool is_block = false;

  [[nodiscard]] std::string_view word(std::size_t i) const { return i < words.size() ? std::string_view(words[i]) : std::string_view(); }
};

enum class BlockStyle : std::uint8_t {
  kCorosync,    ///< "key: value"; `#` begins a line that is a comment.
  kKeepalived,  ///< "key value"; `#` and `!` begin a comment anywhere; "quotes" keep words together.
};

struct BlockTree {
  std::vector<Block> blocks;
  std::optional<config::Problem> problem;  ///< Braces that do not match, or too deep.
};

/// Lines with nothing but braces and comments say nothing; every other one is entered into `ledger`.
[[nodiscard]] BlockTree read_blocks(BlockStyle style, const std::string& file, std::string_view text, Ledger& ledger);

/// Says the same about a block and all within it.
void leave_out_block(Ledger& ledger, const Block& block, const std::string& reason, const std::string& remedy = {});
void carry_block(Ledger& ledger, const Block& block);

}  // namespace fairlead::migrate
