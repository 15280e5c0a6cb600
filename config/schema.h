// fairlead: pure
// The schema: one table of every key with its type, default, range, meaning and flags. Everything that knows keys is driven by it:
// reading and type checks (schema_types.cc), hints (nearest.h), `explain`, JSON Schema, the reference page, printing, comparing.
//
// A `Section` is a map of keys and belongs to one struct of settings.h; a `Field` binds a key to a member of it; a `Type` reads, writes
// and compares values of one C++ type. Structs are handed around as void* between Section and Field only; the templates in
// schema_types.h make sure that a field's type fits its member. Defaults are not stated here: they are those of settings.h.
//
// The tables: schema_gateway.cc (root, process, listeners), schema_pools.cc, schema_cluster.cc (cluster, vips), schema_dnsdhcp.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/document.h"
#include "config/settings.h"

namespace fairlead::config {
class Reader;
}

namespace fairlead::config::schema {

struct Section;

/// What a type looks like from outside: for messages, documents and JSON Schema.
struct TypeInfo {
  enum class Shape : std::uint8_t { kText, kFlag, kNumber, kChoice, kList, kMap, kSection };
  Shape shape = Shape::kText;
  std::string name;                           ///< "duration", "list of addresses"
  std::string range;                          ///< "1ms to 720h; 0 = never"; may be empty.
  std::vector<std::string> examples;          ///< Valid values as written in the file; the first one also serves messages.
  std::vector<std::string> choices;           ///< kChoice; kMap: the keys there are, empty when free.
  std::string pattern;                        ///< kText: an ECMA regular expression for editors; may be empty.
  std::int64_t min = 0;                       ///< Numbers; durations in ms; sizes in bytes; characters of text.
  std::int64_t max = 0;                       ///< Likewise; items of lists and maps.
  bool or_one = false;                        ///< kList: one item may stand without brackets.
  bool or_auto = false;                       ///< kNumber: the word `auto` is allowed too.
  std::shared_ptr<const class Type> element;  ///< kList, kMap
  const Section* section = nullptr;           ///< kSection
};

class Type {
 public:
  virtual ~Type() = default;
  [[nodiscard]] const TypeInfo& info() const { return info_; }

  /// False (and a problem in the reader) when `node` is not such a value; `into` is then unchanged or partly filled.
  virtual bool read(Reader& reader, const DocNode& node, void* into) const = 0;
  /// nullopt: absent, print no key.
  [[nodiscard]] virtual std::optional<DocNode> write(const void* from, bool with_defaults) const = 0;
  [[nodiscard]] virtual bool equal(const void* a, const void* b) const = 0;
  /// The member is the section's struct itself (not an optional one).
  [[nodiscard]] virtual bool is_plain_section() const { return false; }

 protected:
  TypeInfo info_;
};
using TypePtr = std::shared_ptr<const Type>;

struct Field {
  std::string name;
  TypePtr type;
  std::string doc;  ///< Sentences.
  bool required = false;
  bool restart = false;     ///< Accepted by a reload, effective after a restart.
  bool input_only = false;  ///< Merged elsewhere while reading; never printed or compared.
  std::string since = "0.1";
  std::function<void*(void*)> member;  ///< The struct -> its member.

  [[nodiscard]] const void* get(const void* from) const { return member(const_cast<void*>(from)); }
};

struct Section {
  std::string title;  ///< "pools[]": as in explain and the reference page.
  std::string doc;
  std::vector<Field> fields;
  std::function<std::shared_ptr<void>()> make;  ///< A struct with its defaults.

  [[nodiscard]] const Field* find(std::string_view name) const;
};

/// The root of the table. Built once, immutable.
[[nodiscard]] const Section& gateway();

/// `defaults`: read for its effect on the pools.
struct Defaults {
  Pool pool;
  bool operator==(const Defaults&) const = default;
};
/// What the root section fills.
struct Root {
  std::string api_version;
  std::string kind = "Gateway";
  Defaults defaults;
  Snapshot snapshot;
};
inline constexpr std::string_view kApiVersion = "fairlead/v1";
inline constexpr std::string_view kKind = "Gateway";

[[nodiscard]] const Section& node_section();
[[nodiscard]] const Section& cluster_section();
[[nodiscard]] const Section& guard_section();
[[nodiscard]] const Section& vip_section();
[[nodiscard]] const Section& listener_section();
[[nodiscard]] const Section& pool_section();
[[nodiscard]] const Section& pool_defaults_section();  ///< A pool without name and servers.
[[nodiscard]] const Section& server_section();
[[nodiscard]] const Section& proxy_section();
[[nodiscard]] const Section& admin_section();
[[nodiscard]] const Section& log_section();
[[nodiscard]] const Section& dnsdhcp_section();
[[nodiscard]] const Section& router_section();

/// Reads the keys of `node` into the struct of `section`, reporting unknown, missing and wrong ones.
void read_section(Reader& reader, const Section& section, const DocNode& node, void* into);
/// Only keys that differ from the default, unless `with_defaults`; required ones always.
[[nodiscard]] DocNode write_section(const Section& section, const void* from, bool with_defaults);
[[nodiscard]] bool equal_section(const Section& section, const void* a, const void* b);

/// One key whose value differs between two structs.
struct FieldChange {
  std::string path;  ///< Below the section: "health.interval".
  std::string from;  ///< One line of YAML; empty: absent.
  std::string to;
  bool restart = false;
};
[[nodiscard]] std::vector<FieldChange> changed_fields(const Section& section, const void* a, const void* b);

}  // namespace fairlead::config::schema
