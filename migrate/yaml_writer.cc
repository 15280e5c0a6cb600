// fairlead: pure
#include "migrate/yaml_writer.h"

#include <fmt/format.h>

#include "base/assert.h"
#include "config/document.h"
#include "config/parse.h"
#include "config/print.h"
#include "migrate/words.h"

namespace fairlead::migrate {
namespace {

using config::DocNode;

class Writer {
 public:
  explicit Writer(const std::map<std::string, std::string>& remarks) : remarks_(remarks) {}

  void heading(const std::string& text) {
    for (const std::string_view line : split_lines(text)) out_ += fmt::format("# {}\n", line);
  }
  void map(const DocNode& node, const std::string& path, std::size_t indent, bool first_is_indented) {
    for (const config::DocEntry& entry : node.entries) {
      const std::string at = path.empty() ? entry.key : path + "." + entry.key;
      if (!first_is_indented) {
        remark(at, indent);
        out_.append(indent, ' ');
      }
      first_is_indented = false;
      out_ += entry.key + ":";
      value(*entry.value, at, indent);
    }
  }
  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  void remark(const std::string& path, std::size_t indent) {
    const auto found = remarks_.find(path);
    if (found == remarks_.end()) return;
    for (const std::string_view line : split_lines(found->second)) {
      out_.append(indent, ' ');
      out_ += fmt::format("# {}\n", line);
    }
  }
  void value(const DocNode& node, const std::string& path, std::size_t indent) {
    const bool list_of_maps = node.kind == DocNode::Kind::kList && !node.items.empty() && node.items.front()->kind == DocNode::Kind::kMap;
    if (list_of_maps) {
      out_ += "\n";
      for (std::size_t i = 0; i < node.items.size(); ++i) item(*node.items[i], fmt::format("{}[{}]", path, i), indent + 2);
      return;
    }
    if (node.kind != DocNode::Kind::kMap || fits(node)) {
      out_ += " " + config::render_flow(node) + "\n";
      return;
    }
    out_ += "\n";
    map(node, path, indent + 2, false);
  }
  void item(const DocNode& node, const std::string& path, std::size_t indent) {
    remark(path, indent);
    out_.append(indent, ' ');
    out_ += "- ";
    if (fits(node)) {
      out_ += config::render_flow(node) + "\n";
    } else {
      map(node, path, indent + 2, true);
    }
  }
  /// Short enough to be read in one line.
  static bool fits(const DocNode& node) {
    for (const config::DocEntry& entry : node.entries) {
      if (entry.value->kind == DocNode::Kind::kList && !entry.value->items.empty() &&
          entry.value->items.front()->kind != DocNode::Kind::kScalar)
        return false;
    }
    return config::render_flow(node).size() <= 100;
  }

  const std::map<std::string, std::string>& remarks_;
  std::string out_;
};

}  // namespace

std::string write_yaml(const config::Snapshot& snapshot, const std::string& heading, const std::map<std::string, std::string>& remarks) {
  const auto parsed = config::parse(config::print(snapshot), "fairlead.yaml");
  if (!parsed.document) return config::print(snapshot);  // Too large: load_text says so.
  Writer writer(remarks);
  writer.heading(heading);
  writer.map(*parsed.document->root, "", 0, false);
  return writer.take();
}

}  // namespace fairlead::migrate
