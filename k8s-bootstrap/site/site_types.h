// fairlead: pure
// Types of keys that only a site has. Included by the site_schema_*.cc tables only.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/schema_types.h"
#include "k8s-bootstrap/site/site.h"

namespace fairlead::bootstrap::schema {

using namespace fairlead::config::schema;  // NOLINT(google-build-using-namespace): the tables read like config's.
using namespace std::chrono_literals;

/// What a text must look like beyond its length. Empty texts pass where `may_be_empty`.
struct Format {
  std::string name;          ///< "version": for "must be a ..."
  std::string range = {};    ///< The rule in words.
  std::string pattern = {};  ///< The same as an ECMA expression.
  std::string example;
  bool may_be_empty = false;
  std::size_t length_max = 253;
  bool (*obeys)(std::string_view text) = nullptr;
};
[[nodiscard]] TypeOfPtr<std::string> formatted(Format format);
[[nodiscard]] TypeOfPtr<std::string> version();                       ///< "1.36.4"
[[nodiscard]] TypeOfPtr<std::string> sha256();                        ///< 64 hexadecimal digits, or empty.
[[nodiscard]] TypeOfPtr<std::string> url();                           ///< http or https, or empty.
[[nodiscard]] TypeOfPtr<std::string> some_path(std::string example);  ///< Absolute or relative, not empty.
[[nodiscard]] TypeOfPtr<std::string> lines(std::size_t length_max);   ///< Any text of several lines.
[[nodiscard]] TypeOfPtr<std::uint32_t> file_mode();                   ///< "0644"
[[nodiscard]] TypeOfPtr<std::string> percent(std::string example);    ///< "95%", of 1% to 100%.
[[nodiscard]] TypeOfPtr<std::uint64_t> disk_size();                   ///< Bytes; 0: not said.
[[nodiscard]] TypeOfPtr<Taint> taint();                               ///< "KEY=VALUE:EFFECT", as kubectl writes it.

/// A name of [a-z0-9._-], or HOST:PORT.
[[nodiscard]] bool is_endpoint_word(std::string_view text);

/// A map of texts with keys of the user's.
struct WordMap {
  std::string described;  ///< "map of labels"
  std::string example;
  std::size_t items_max = 64;
  bool (*key_obeys)(std::string_view key) = nullptr;
  std::string key_rule;
  bool (*value_obeys)(std::string_view value) = nullptr;
  std::string value_rule;
};
[[nodiscard]] TypeOfPtr<std::map<std::string, std::string>> word_map(WordMap options);

/// Keys of another program, taken as they stand: fairlead.yaml's, kubelet's.
[[nodiscard]] TypeOfPtr<config::DocNodePtr> foreign_map(std::string of, std::string example);
/// One foreign map for each of `kinds`.
[[nodiscard]] TypeOfPtr<std::map<std::string, config::DocNodePtr>> foreign_maps(std::vector<std::string> kinds, std::string example);

// ---- what Kubernetes calls a label; used by checks, too ----
[[nodiscard]] bool is_label_key(std::string_view key);
[[nodiscard]] bool is_label_value(std::string_view value);

/// A key whose keys belong to the struct around it: `to: {role, ports}` of a VIP.
template <class S>
[[nodiscard]] Field group(std::string key, const Section& of, std::string doc, FieldFlags flags = {}) {
  Field out;
  out.name = std::move(key);
  out.type = section<S>(of);
  out.doc = std::move(doc);
  out.required = flags.required;
  out.member = [](void* from) { return from; };
  return out;
}

}  // namespace fairlead::bootstrap::schema
