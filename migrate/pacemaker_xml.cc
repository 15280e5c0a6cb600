// fairlead: pure
#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <pugixml.hpp>

#include "migrate/import_limits.h"
#include "migrate/pacemaker_model.h"
#include "migrate/words.h"

namespace fairlead::migrate {
namespace {

std::string attribute(const pugi::xml_node& node, const char* name) { return node.attribute(name).value(); }

class XmlReader {
 public:
  XmlReader(const std::string& file, std::string_view text, Ledger& ledger, Cib& cib)
      : file_(file), lines_(split_lines(text)), ledger_(ledger), cib_(cib) {
    for (std::size_t at = 0; at < text.size(); ++at) {
      if (text[at] == '\n') ends_.push_back(at);
    }
  }

  void read(const pugi::xml_node& cib) {
    ledger_.carried(line_of(cib));
    for (const pugi::xml_node& part : cib.children()) {
      if (part.type() != pugi::node_element) continue;
      const std::string_view name = part.name();
      if (name == "status") {
        leave_out(part, "what happened on the old cluster's nodes is no configuration", "");
      } else if (name != "configuration") {
        leave_out(part, fmt::format("unknown in a CIB: {}", shown(name)), "");
      } else {
        ledger_.carried(line_of(part));
        for (const pugi::xml_node& section : part.children()) configuration(section);
      }
    }
  }

  [[nodiscard]] int number_of(std::ptrdiff_t offset) const {
    const auto end = std::lower_bound(ends_.begin(), ends_.end(), static_cast<std::size_t>(std::max<std::ptrdiff_t>(offset, 0)));
    return static_cast<int>(end - ends_.begin()) + 1;
  }

 private:
  Ledger::Line line_of(const pugi::xml_node& node) {
    const int number = number_of(node.offset_debug());
    const auto known = by_number_.find(number);
    if (known != by_number_.end()) return known->second;
    const auto index = static_cast<std::size_t>(number - 1);
    const Ledger::Line line = ledger_.add(file_, number, index < lines_.size() ? lines_[index] : std::string_view());
    by_number_.emplace(number, line);
    return line;
  }

  /// Every element below `node`, itself included. Iterative: depth costs nothing.
  template <class Visit>
  void each(const pugi::xml_node& node, Visit visit) {
    std::vector<pugi::xml_node> open{node};
    while (!open.empty()) {
      const pugi::xml_node at = open.back();
      open.pop_back();
      visit(at);
      for (pugi::xml_node child = at.last_child(); child; child = child.previous_sibling()) {
        if (child.type() == pugi::node_element) open.push_back(child);
      }
    }
  }
  void leave_out(const pugi::xml_node& node, const std::string& reason, const std::string& remedy) {
    each(node, [&](const pugi::xml_node& at) { ledger_.left_out(line_of(at), reason, remedy); });
  }
  std::vector<Ledger::Line> lines_below(const pugi::xml_node& node) {
    std::vector<Ledger::Line> out;
    each(node, [&](const pugi::xml_node& at) { out.push_back(line_of(at)); });
    return out;
  }
  /// Every nvpair below: name -> value.
  std::map<std::string, CibValue> pairs(const pugi::xml_node& node) {
    std::map<std::string, CibValue> out;
    each(node, [&](const pugi::xml_node& at) {
      if (std::string_view(at.name()) == "nvpair") out[attribute(at, "name")] = {attribute(at, "value"), line_of(at)};
    });
    return out;
  }

  void configuration(const pugi::xml_node& section) {
    if (section.type() != pugi::node_element) return;
    const std::string_view name = section.name();
    if (name == "crm_config" || name == "rsc_defaults" || name == "op_defaults") {
      each(section, [&](const pugi::xml_node& at) { ledger_.carried(line_of(at)); });
      const auto scope = name == "crm_config"     ? CibProperty::Scope::kCluster
                         : name == "rsc_defaults" ? CibProperty::Scope::kResourceDefaults
                                                  : CibProperty::Scope::kOperationDefaults;
      for (const auto& [key, value] : pairs(section)) cib_.properties.push_back({scope, key, value.text, value.at});
    } else if (name == "nodes") {
      ledger_.carried(line_of(section));
      for (const pugi::xml_node& node : section.children("node")) {
        cib_.nodes.push_back({attribute(node, "id"), attribute(node, "uname"), pairs(node), line_of(node)});
        each(node, [&](const pugi::xml_node& at) { ledger_.carried(line_of(at)); });
      }
    } else if (name == "resources") {
      ledger_.carried(line_of(section));
      for (const pugi::xml_node& node : section.children()) {
        if (node.type() == pugi::node_element) resource(node, 0);
      }
    } else if (name == "constraints") {
      ledger_.carried(line_of(section));
      for (const pugi::xml_node& node : section.children()) {
        if (node.type() == pugi::node_element) constraint(node);
      }
    } else {
      leave_out(section, fmt::format("fairlead.yaml has nothing like {}", shown(name)), "");
    }
  }

  void resource(const pugi::xml_node& node, std::size_t depth) {
    const std::string_view name = node.name();
    if (name == "primitive") return primitive(node);
    if ((name != "group" && name != "clone" && name != "master") || depth > kDepthMax)
      return leave_out(node, fmt::format("fairlead.yaml has nothing like {}", shown(name)), "");
    CibCollection out;
    out.kind = name == "group" ? CibCollection::Kind::kGroup : CibCollection::Kind::kClone;
    out.id = attribute(node, "id");
    out.at = line_of(node);
    out.lines.push_back(out.at);
    for (const pugi::xml_node& child : node.children()) {
      if (child.type() != pugi::node_element) continue;
      const std::string_view inner = child.name();
      if (inner == "primitive" || inner == "group" || inner == "clone" || inner == "master") {
        out.members.push_back(attribute(child, "id"));
        resource(child, depth + 1);
      } else {
        for (const Ledger::Line line : lines_below(child)) out.lines.push_back(line);
        if (inner == "meta_attributes") out.meta.merge(pairs(child));
      }
    }
    cib_.collections.push_back(std::move(out));
  }

  void primitive(const pugi::xml_node& node) {
    CibResource out;
    out.id = attribute(node, "id");
    out.standard = attribute(node, "class");
    out.provider = attribute(node, "provider");
    out.type = attribute(node, "type");
    out.at = line_of(node);
    out.lines = lines_below(node);
    for (const pugi::xml_node& child : node.children()) {
      const std::string_view inner = child.name();
      if (inner == "instance_attributes") out.params.merge(pairs(child));
      if (inner == "meta_attributes") out.meta.merge(pairs(child));
      if (inner == "operations") {
        for (const Ledger::Line line : lines_below(child)) out.operations.push_back(line);
      }
    }
    cib_.resources.push_back(std::move(out));
  }

  void constraint(const pugi::xml_node& node) {
    const std::string_view name = node.name();
    if (name == "rsc_location") {
      CibLocation out{attribute(node, "id"), attribute(node, "rsc"), attribute(node, "node"), attribute(node, "score"), "", false,
                      lines_below(node),     line_of(node)};
      each(node, [&](const pugi::xml_node& at) {
        if (std::string_view(at.name()) == "rule") {
          out.rule = true;
          if (out.score.empty()) out.score = attribute(at, "score");
        }
        if (std::string_view(at.name()) == "expression") out.attribute = attribute(at, "attribute");
      });
      cib_.locations.push_back(std::move(out));
    } else if (name == "rsc_colocation" || name == "rsc_order") {
      CibConstraint out;
      out.kind = name == "rsc_order" ? CibConstraint::Kind::kOrder : CibConstraint::Kind::kColocation;
      out.id = attribute(node, "id");
      out.score = attribute(node, node.attribute("kind") ? "kind" : "score");
      out.lines = lines_below(node);
      out.at = line_of(node);
      for (const char* key : {"rsc", "with-rsc", "first", "then"}) {
        if (node.attribute(key)) out.resources.push_back(attribute(node, key));
      }
      each(node, [&](const pugi::xml_node& at) {
        if (std::string_view(at.name()) == "resource_ref") out.resources.push_back(attribute(at, "id"));
      });
      cib_.constraints.push_back(std::move(out));
    } else {
      leave_out(node, fmt::format("fairlead.yaml has nothing like {}", shown(name)), "");
    }
  }

  std::string file_;
  std::vector<std::string_view> lines_;
  std::vector<std::size_t> ends_;
  std::map<int, Ledger::Line> by_number_;
  Ledger& ledger_;
  Cib& cib_;
};

}  // namespace

Cib read_cib_xml(const std::string& file, std::string_view text, Ledger& ledger) {
  Cib out;
  pugi::xml_document document;
  // No entities are made, no file is fetched: pugixml knows neither.
  const auto parsed = document.load_buffer(text.data(), text.size(), pugi::parse_default, pugi::encoding_utf8);
  XmlReader reader(file, text, ledger, out);
  const auto problem = [&](std::ptrdiff_t offset, std::string message, std::string hint) {
    out.problems.push_back({file, reader.number_of(offset), 1, config::Severity::kError, std::move(message), std::move(hint)});
  };
  if (!parsed) {
    problem(parsed.offset, fmt::format("no well-formed XML: {}", parsed.description()), "give the output of `cibadmin --query`");
    return out;
  }
  const pugi::xml_node cib = document.child("cib");
  if (!cib) {
    problem(0, "XML without a <cib>", "give the output of `cibadmin --query`");
    return out;
  }
  reader.read(cib);
  return out;
}

}  // namespace fairlead::migrate
