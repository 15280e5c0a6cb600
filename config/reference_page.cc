// fairlead: pure
#include <fmt/format.h>
#include <set>

#include "config/limits.h"
#include "config/reference.h"
#include "config/schema.h"
#include "config/schema_words.h"

namespace fairlead::config {
namespace {

using schema::Field;
using schema::Section;

std::string cell(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

void append_section(const Section& section, std::set<const Section*>& done, std::string& out) {
  if (!done.insert(&section).second) return;
  out += fmt::format("## {}\n\n{}\n\n", section.title.empty() ? "The file" : "`" + section.title + "`", section.doc);
  if (section.title == "defaults.pool") {
    out += "The keys, their types and defaults are those of [`pools[]`](#pools).\n\n";
    for (const Field& field : section.fields) {
      if (const Section* inner = schema::section_within(field.type->info())) done.insert(inner);
    }
    return;
  }
  out += "| key | type | default | range | since | meaning |\n|---|---|---|---|---|---|\n";
  for (const Field& field : section.fields) {
    const auto& info = field.type->info();
    const std::string standard = schema::default_in_words(section, field);
    const std::string shown = standard.empty() ? "" : standard == "required" ? "**required**" : "`" + standard + "`";
    out += fmt::format("| `{}` | {} | {} | {} | {} | {}{} |\n", field.name, cell(schema::type_in_words(info)), cell(shown),
                       cell(info.range), field.since, cell(field.doc), field.restart ? " *Effective after a restart.*" : "");
  }
  out += "\n";
  for (const Field& field : section.fields) {
    const Section* inner = schema::section_within(field.type->info());
    if (inner != nullptr) append_section(*inner, done, out);
  }
}

}  // namespace

std::string reference_page() {
  std::string out =
      "<!-- Generated from the schema (config/schema_*.cc); do not edit. `config_unit_tests` compares it, and renews it with "
      "FL_UPDATE_GOLDEN=1. -->\n"
      "# fairlead.yaml\n\n"
      "One YAML file configures a node. `fairlead check FILE` reports every problem as `FILE:LINE:COLUMN: error|warning: message (hint)`; "
      "`fairlead explain KEY.PATH` prints what stands here; "
      "`fairlead schema` prints a JSON Schema for editors. `examples/` has files to start from.\n\n"
      "- **Durations** carry a unit: `ms`, `s`, `m`, `h` (`1500ms`, `1.5s`). **Sizes** too: `B`, `KiB`, `MiB`, `GiB`. A bare number is an "
      "error, `0` aside.\n"
      "- **Truth values** are `true` and `false`; `on`, `off`, `yes` and `no` mean the same. Quoted ones are text and refused.\n"
      "- **Addresses** with a port are quoted: `\"192.168.4.20:6443\"`, `\"[2001:db8::20]:6443\"`.\n"
      "- **Names** are lower-case letters, digits, `.`, `_` and `-`, at most 63.\n"
      "- **Anchors and aliases** work within bounds; merge keys (`<<`), tags and several documents in a file do not.\n"
      "- A key without a value is an error: leave the key out to keep its default.\n";
  out += fmt::format("- **Limits**: {} KiB of text, {} levels, {} listeners, {} pools of {} servers, {} VIPs, {} nodes.\n",
                     kFileBytesMax / 1024, kDepthMax, kListenersMax, kPoolsMax, kServersPerPoolMax, kVipsMax, kNodesMax);
  out +=
      "- A reload (SIGHUP, `fairlead reload`) that finds an error changes nothing. Keys marked *effective after a restart* are accepted "
      "and reported as `needs restart`.\n\n";
  return out + schema::reference_tables(schema::gateway());
}

std::string schema::reference_tables(const Section& root) {
  std::string out;
  std::set<const Section*> done;
  append_section(root, done, out);
  while (out.ends_with("\n\n")) out.pop_back();
  return out;
}

}  // namespace fairlead::config
