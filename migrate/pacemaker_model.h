// fairlead: pure
// A Pacemaker configuration as a value, whether it came as `crm configure show` or as CIB XML.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/problem.h"
#include "migrate/ledger.h"

namespace fairlead::migrate {

struct CibValue {
  std::string text;
  Ledger::Line at = 0;
};
struct CibNode {
  std::string id, name;
  std::map<std::string, CibValue> attributes;
  Ledger::Line at = 0;
};
struct CibResource {
  std::string id, standard, provider, type;  ///< "ocf", "heartbeat", "IPaddr2"
  std::map<std::string, CibValue> params, meta;
  std::vector<Ledger::Line> operations;
  std::vector<Ledger::Line> lines;
  Ledger::Line at = 0;
};
struct CibCollection {
  enum class Kind : std::uint8_t { kGroup, kClone };
  Kind kind = Kind::kGroup;
  std::string id;
  std::vector<std::string> members;
  std::map<std::string, CibValue> meta;
  std::vector<Ledger::Line> lines;
  Ledger::Line at = 0;
};
struct CibLocation {
  std::string id, resource, node, score;
  std::string attribute;  ///< A rule refers to this node attribute ("pingd"); empty: none.
  bool rule = false;
  std::vector<Ledger::Line> lines;
  Ledger::Line at = 0;
};
struct CibConstraint {
  enum class Kind : std::uint8_t { kColocation, kOrder };
  Kind kind = Kind::kColocation;
  std::string id, score;
  std::vector<std::string> resources;
  std::vector<Ledger::Line> lines;
  Ledger::Line at = 0;
};
struct CibProperty {
  enum class Scope : std::uint8_t { kCluster, kResourceDefaults, kOperationDefaults };
  Scope scope = Scope::kCluster;
  std::string name, value;
  Ledger::Line at = 0;
};
struct Cib {
  std::vector<CibNode> nodes;
  std::vector<CibResource> resources;
  std::vector<CibCollection> collections;
  std::vector<CibLocation> locations;
  std::vector<CibConstraint> constraints;
  std::vector<CibProperty> properties;
  std::vector<config::Problem> problems;
};

/// `crm configure show`. What has no place in a Cib is left out by it.
[[nodiscard]] Cib read_crm(const std::string& file, std::string_view text, Ledger& ledger);
/// The XML of `cibadmin --query`. Lines are those on which elements begin.
[[nodiscard]] Cib read_cib_xml(const std::string& file, std::string_view text, Ledger& ledger);

}  // namespace fairlead::migrate
