// fairlead: pure
#include "migrate/block_text.h"

#include <fmt/format.h>

#include "migrate/import_limits.h"
#include "migrate/words.h"

namespace fairlead::migrate {
namespace {

/// The words of a line; braces are words of their own in keepalived's style, and at a line's end in Corosync's.
std::vector<std::string> corosync_words(std::string_view line) {
  line = trimmed(line);
  if (line.empty() || line.front() == '#') return {};
  if (line == "}") return {"}"};
  if (line.ends_with('{')) {
    auto out = split_words(line.substr(0, line.size() - 1));
    out.emplace_back("{");
    return out;
  }
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return split_words(line);
  std::vector<std::string> out{std::string(trimmed(line.substr(0, colon)))};
  for (std::string& word : split_words(line.substr(colon + 1))) out.push_back(std::move(word));
  return out;
}

std::vector<std::string> keepalived_words(std::string_view line) {
  std::vector<std::string> out;
  std::string word;
  bool in_word = false;
  char quote = 0;
  const auto end = [&] {
    if (in_word) out.push_back(std::move(word));
    word.clear();
    in_word = false;
  };
  for (const char c : line) {
    if (quote != 0) {
      if (c == quote) {
        quote = 0;
      } else {
        word += c;
      }
    } else if (c == '"' || c == '\'') {
      quote = c;
      in_word = true;
    } else if (c == '#' || c == '!') {
      break;
    } else if (c == '{' && in_word && word.ends_with('$')) {
      word += c;  // ${NAME}
    } else if (c == '}' && word.find("${") != std::string::npos) {
      word += c;
    } else if (c == '{' || c == '}') {
      end();
      out.emplace_back(1, c);
    } else if (c == ' ' || c == '\t' || c == '\r' || c == '\f') {
      end();
    } else {
      word += c;
      in_word = true;
    }
  }
  end();
  return out;
}

bool is_brace(const std::string& word) { return word == "{" || word == "}"; }

}  // namespace

BlockTree read_blocks(BlockStyle style, const std::string& file, std::string_view text, Ledger& ledger) {
  BlockTree out;
  Block root;
  std::vector<Block*> open{&root};
  std::vector<int> opened_at{1};
  int number = 0;
  std::size_t statements = 0;
  const auto problem = [&](int line, std::string message, std::string hint) {
    out.problem = config::Problem{file, line, 1, config::Severity::kError, std::move(message), std::move(hint)};
    return std::move(out);
  };
  for (const std::string_view raw : split_lines(text)) {
    ++number;
    const auto words = style == BlockStyle::kCorosync ? corosync_words(raw) : keepalived_words(raw);
    if (words.size() > kWordsMax)
      return problem(number, fmt::format("more than {} words on a line", kWordsMax), "write it on several lines");
    std::optional<Ledger::Line> at;
    Block* statement = nullptr;  // The one that this line's words go to.
    for (const std::string& word : words) {
      if (!is_brace(word)) {
        if (!at) at = ledger.add(file, number, raw);
        if (statement == nullptr) {
          if (++statements > kBlocksMax) return problem(number, fmt::format("more than {} statements", kBlocksMax), "split the file");
          open.back()->children.push_back({{}, *at, {}, false});
          statement = &open.back()->children.back();
        }
        statement->words.push_back(word);
        continue;
      }
      if (word == "{") {
        if (open.back()->children.empty()) return problem(number, "a { without a name before it", "write the name of the block");
        if (open.size() > kDepthMax) return problem(number, "blocks too deep", fmt::format("at most {}", kDepthMax));
        open.push_back(&open.back()->children.back());
        open.back()->is_block = true;
        opened_at.push_back(number);
      } else {
        if (open.size() == 1) return problem(number, "a } without its {", "remove it");
        open.pop_back();
        opened_at.pop_back();
      }
      statement = nullptr;
    }
  }
  if (open.size() > 1) return problem(opened_at.back(), "a { without its }", "close the block");
  out.blocks = std::move(root.children);
  return out;
}

void leave_out_block(Ledger& ledger, const Block& block, const std::string& reason, const std::string& remedy) {
  ledger.left_out(block.at, reason, remedy);
  for (const Block& child : block.children) leave_out_block(ledger, child, reason, {});
}

void carry_block(Ledger& ledger, const Block& block) {
  ledger.carried(block.at);
  for (const Block& child : block.children) carry_block(ledger, child);
}

}  // namespace fairlead::migrate
