// fairlead: pure
#include "config/parse.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <istream>
#include <streambuf>
#include <unordered_set>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "base/assert.h"
#include "config/limits.h"

namespace fairlead::config {
namespace {

/// Thrown by the handler to leave yaml-cpp when a bound is reached; caught in parse().
struct BoundReached {};

Position position_of(const YAML::Mark& mark) { return {std::max(mark.line, 0) + 1, std::max(mark.column, 0) + 1}; }

/// The bytes as a stream, without a copy.
class ViewBuffer final : public std::streambuf {
 public:
  explicit ViewBuffer(std::string_view text) {
    char* begin = const_cast<char*>(text.data());  // Get area only; never written through.
    setg(begin, begin, begin + text.size());
  }
};

/// Builds the tree from events.
///   I1  `open_` holds the collections being read, outermost first. No value lies deeper than kDepthMax, aliases followed.
///   I2  Aliases counted as often as they are used, the document has at most kDocumentNodesMax values.
class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(const std::string& file, std::vector<Problem>& problems) : file_(file), problems_(problems) {}

  [[nodiscard]] DocNodePtr root() const { return root_; }
  [[nodiscard]] bool started() const { return started_; }
  [[nodiscard]] Position start() const { return start_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    started_ = true;
    start_ = position_of(mark);
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    auto node = std::make_shared<DocNode>();
    node->at = position_of(mark);
    finish(anchor, std::move(node), Extent{});
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value) override {
    check_tag(mark, tag);
    auto node = std::make_shared<DocNode>();
    node->kind = DocNode::Kind::kScalar;
    node->at = position_of(mark);
    node->text = value;
    node->is_text = tag == "!";
    finish(anchor, std::move(node), Extent{});
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const Anchored* target = find(anchor);
    if (target == nullptr) {
      error(position_of(mark), "an alias inside the value it stands for", "an alias may only name a finished value above it");
      throw BoundReached{};
    }
    place(position_of(mark), target->node, target->extent);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, DocNode::Kind::kList);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, DocNode::Kind::kMap);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Extent {
    std::size_t values = 1;  ///< Itself and everything in it, aliases followed.
    std::size_t height = 1;
  };
  struct Anchored {
    DocNodePtr node;
    Extent extent;
  };
  struct Open {
    std::shared_ptr<DocNode> node;
    YAML::anchor_t anchor = 0;
    Extent extent;
    bool awaits_value = false;  ///< Maps: a key was read.
    std::string key;
    Position key_at;
    std::unordered_set<std::string> keys;
  };

  void error(Position at, std::string message, std::string hint) {
    problems_.push_back({file_, at.line, at.column, Severity::kError, std::move(message), std::move(hint)});
    if (problems_.size() > kProblemsMax) throw BoundReached{};
  }

  void check_tag(const YAML::Mark& mark, const std::string& tag) {
    if (tag.empty() || tag == "?" || tag == "!") return;
    error(position_of(mark), fmt::format("the YAML tag {} is not used here", quoted(tag)), "remove the tag");
  }

  [[nodiscard]] const Anchored* find(YAML::anchor_t anchor) const {
    return anchor < anchors_.size() && anchors_[anchor].node != nullptr ? &anchors_[anchor] : nullptr;
  }

  void check_depth(Position at, std::size_t height) {
    if (open_.size() + height <= static_cast<std::size_t>(kDepthMax)) return;
    error(at, fmt::format("nested deeper than {} levels", kDepthMax), "is a bracket or an indentation wrong?");
    throw BoundReached{};
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, DocNode::Kind kind) {
    check_tag(mark, tag);
    check_depth(position_of(mark), 1);
    Open entered;
    entered.node = std::make_shared<DocNode>();
    entered.node->kind = kind;
    entered.node->at = position_of(mark);
    entered.anchor = anchor;
    open_.push_back(std::move(entered));
  }

  void close() {
    FL_ASSERT(!open_.empty());
    Open done = std::move(open_.back());
    open_.pop_back();
    finish(done.anchor, std::move(done.node), done.extent);
  }

  void finish(YAML::anchor_t anchor, DocNodePtr node, Extent extent) {
    if (anchor != 0) {
      if (anchors_.size() <= anchor) anchors_.resize(anchor + 1);
      anchors_[anchor] = {node, extent};
    }
    const Position at = node->at;
    place(at, std::move(node), extent);
  }

  /// Puts a finished value (or an alias of one) where the document has it.
  void place(Position at, DocNodePtr node, Extent extent) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    check_depth(at, extent.height);
    Open& parent = open_.back();
    parent.extent.values += extent.values;
    parent.extent.height = std::max(parent.extent.height, extent.height + 1);
    std::size_t total = 0;
    for (const Open& level : open_) total += level.extent.values;
    if (total > kDocumentNodesMax) {
      error(at, fmt::format("the document has more than {} values, aliases counted as often as they are used", kDocumentNodesMax),
            "use fewer aliases");
      throw BoundReached{};
    }
    if (parent.node->kind == DocNode::Kind::kList) {
      parent.node->items.push_back(std::move(node));
    } else if (!parent.awaits_value) {
      take_key(parent, at, *node);
    } else {
      parent.awaits_value = false;
      if (!parent.key.empty()) parent.node->entries.push_back({std::move(parent.key), parent.key_at, std::move(node)});
    }
  }

  void take_key(Open& parent, Position at, const DocNode& key) {
    parent.awaits_value = true;
    parent.key.clear();  // Empty: the value that follows is dropped, the problem is reported.
    parent.key_at = at;
    if (key.kind != DocNode::Kind::kScalar || key.text.empty()) {
      error(at, fmt::format("a key must be a word, found {}", describe_node(key)), "write KEY: VALUE");
    } else if (key.text == "<<") {
      error(at, "merge keys ('<<') are not supported", "settings common to all pools go under defaults.pool");
    } else if (!parent.keys.insert(key.text).second) {
      error(at, fmt::format("the key {} stands here twice", quoted(key.text)), "keep one of them");
    } else {
      parent.key = key.text;
    }
  }

  const std::string& file_;
  std::vector<Problem>& problems_;
  std::vector<Open> open_;
  std::vector<Anchored> anchors_;
  DocNodePtr root_;
  bool started_ = false;
  Position start_;
};

struct Remedy {
  std::string_view said;  ///< How yaml-cpp's message begins.
  std::string_view message;
  std::string_view hint;
};
constexpr std::array kRemedies{
    Remedy{"illegal tab", "a tab in the indentation", "YAML is indented with spaces only"},
    Remedy{"end of map flow not found", "a '{' is not closed, or a comma is missing between two entries",
           "close it with '}'; entries are separated by commas"},
    Remedy{"end of sequence flow not found", "a '[' is not closed, or a comma is missing between two items",
           "close it with ']'; items are separated by commas"},
    Remedy{"end of map not found", "this line does not fit the map it stands in",
           "indent it like the other keys of the map, or write KEY: VALUE"},
    Remedy{"end of sequence not found", "this line does not fit the list it stands in",
           "indent it like the other items, each beginning with '- '"},
    Remedy{"illegal EOF in scalar", "a quoted string is not closed", "close it with the quote it began with"},
    Remedy{"illegal map value", "a ':' where no value may begin", "quote text that contains ': ', and check the indentation"},
    Remedy{"illegal map key", "a key where none may stand", "check the indentation"},
    Remedy{"illegal block entry", "a '-' where no list item may stand", "check the indentation"},
    Remedy{"illegal flow end", "a closing bracket that matches no open one", "is a '[', a '{' or a quote before it not closed?"},
    Remedy{"the referenced anchor is not defined", "an alias (*name) without its anchor (&name)",
           "define the anchor above, or quote text that begins with '*'"},
    Remedy{"alias not found after *", "a '*' begins an alias and none follows", "quote text that begins with '*'"},
    Remedy{"anchor not found after &", "a '&' begins an anchor and none follows", "quote text that begins with '&'"},
    Remedy{"unknown escape character", "an unknown escape in a double-quoted string", "write a backslash as \\\\, or use single quotes"},
    Remedy{"unknown token", "a character that cannot begin a value", "quote text that begins with '@', '`' or '%'"},
    Remedy{"illegal document indicator in scalar", "'---' or '...' inside a quoted string", "close the string first"},
};

Problem syntax_problem(const YAML::Exception& exception, const std::string& file) {
  const Position at = position_of(exception.mark);
  for (const Remedy& remedy : kRemedies) {
    if (std::string_view(exception.msg).starts_with(remedy.said)) {
      return {file, at.line, at.column, Severity::kError, std::string(remedy.message), std::string(remedy.hint)};
    }
  }
  return {file,
          at.line,
          at.column,
          Severity::kError,
          fmt::format("not valid YAML: {}", exception.msg),
          "check quotes, brackets and indentation around here"};
}

}  // namespace

ParseResult parse(std::string_view text, std::string file) {
  static constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  ParseResult result;
  result.problems = check_text(text, file);
  if (has_errors(result.problems)) return result;
  DocNodePtr root;
  try {
    ViewBuffer buffer(text);
    std::istream stream(&buffer);
    YAML::Parser parser(stream);
    TreeBuilder builder(file, result.problems);
    parser.HandleNextDocument(builder);
    root = builder.root();
    TreeBuilder second(file, result.problems);
    if (parser.HandleNextDocument(second) || second.started()) {
      const Position at = second.start();
      result.problems.push_back({file, at.line, at.column, Severity::kError, "a second YAML document begins here",
                                 "one file holds one document; remove the '---' above"});
    }
  } catch (const BoundReached&) { FL_ASSERT(has_errors(result.problems)); } catch (const YAML::Exception& exception) {
    result.problems.push_back(syntax_problem(exception, file));
  }
  if (root == nullptr && !has_errors(result.problems)) {
    result.problems.push_back(
        {file, 1, 1, Severity::kError, "the file has no settings, only comments", "examples/minimal.yaml is one to start from"});
  }
  sort_and_bound(result.problems);
  if (!has_errors(result.problems)) result.document = Document{std::move(file), std::move(root)};
  return result;
}

}  // namespace fairlead::config
