#include "cli/import_verbs.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <fmt/format.h>
#include <fstream>
#include <ostream>

#include "admin/json_text.h"
#include "base/result.h"
#include "cli/text_table.h"
#include "cli/yaml_text.h"
#include "migrate/import_limits.h"
#include "migrate/migrate.h"

namespace fairlead::cli {
namespace {

migrate::Input read_input(migrate::Kind kind, const std::string& path) {
  migrate::Input out{kind, path == "-" ? "standard input" : path, ""};
  const std::string real = path == "-" ? "/dev/stdin" : path;
  errno = 0;
  std::ifstream file(real, std::ios::binary);
  std::string text(migrate::kInputBytesMax + 1, '\0');
  if (file) file.read(text.data(), static_cast<std::streamsize>(text.size()));
  // A directory opens and cannot be read.
  if (!file.is_open() || file.bad() || (file.fail() && !file.eof()))
    throw VerbFailure{kExitFailed, errno_error(fmt::format("cannot read {}", path)).message()};
  text.resize(static_cast<std::size_t>(file.gcount()));
  out.text = std::move(text);
  return out;
}

std::vector<migrate::Input> read_inputs(const ImportRequest& request) {
  std::vector<migrate::Input> out;
  const auto add = [&](migrate::Kind kind, const std::vector<std::string>& files) {
    if (out.size() + files.size() > migrate::kInputsMax)
      throw VerbFailure{kExitUsage, fmt::format("at most {} files", migrate::kInputsMax)};
    for (const std::string& path : files) out.push_back(read_input(kind, path));
  };
  add(*migrate::parse_kind(request.kind), request.files);
  add(migrate::Kind::kHaproxy, request.haproxy);
  add(migrate::Kind::kKeepalived, request.keepalived);
  add(migrate::Kind::kCorosync, request.corosync);
  add(migrate::Kind::kPacemaker, request.pacemaker);
  return out;
}

std::size_t count(const migrate::Migration& made, migrate::Fate fate) {
  return static_cast<std::size_t>(std::count_if(made.lines.begin(), made.lines.end(), [&](const auto& line) { return line.fate == fate; }));
}

std::string summary(const migrate::Migration& made) {
  return fmt::format("{} lines: {} carried over, {} approximated, {} left out", made.lines.size(), count(made, migrate::Fate::kCarried),
                     count(made, migrate::Fate::kApproximated), count(made, migrate::Fate::kLeftOut));
}

boost::json::object json_of(const migrate::Migration& made) {
  boost::json::array notes;
  for (const auto& note : made.notes) {
    notes.emplace_back(boost::json::object{{"file", admin::json_string(note.file)},
                                           {"line", note.line},
                                           {"text", admin::json_string(note.text)},
                                           {"fate", admin::json_string(to_string(note.fate))},
                                           {"reason", admin::json_string(note.reason)},
                                           {"remedy", admin::json_string(note.remedy)}});
  }
  return {{"fairlead_yaml", admin::json_string(made.yaml.value_or(""))}, {"notes", std::move(notes)}};
}

}  // namespace

void import_files(const ImportRequest& request, const GlobalOptions& options, CliEnvironment& environment) {
  const migrate::Migration made = migrate::migrate(read_inputs(request));
  const bool text = options.format == OutputFormat::kText;
  if (text || !made.yaml) {
    for (const auto& note : made.notes)
      environment.err << paint(migrate::format(note), note.fate == migrate::Fate::kLeftOut ? Tone::kWarn : Tone::kDim, environment.color)
                      << "\n";
  }
  if (!made.yaml) {
    for (const auto& problem : made.problems) environment.err << paint(config::format(problem), Tone::kBad, environment.color) << "\n";
    throw VerbFailure{kExitInvalidConfig, "no fairlead.yaml can be made of it"};
  }
  if (config::has_errors(made.problems)) {
    for (const auto& problem : made.problems) environment.err << config::format(problem) << "\n";
    throw VerbFailure{kExitFailed,
                      "what was made is no valid fairlead.yaml, which is an error of this program: please report it with the input"};
  }
  if (options.format == OutputFormat::kJson) {
    environment.out << admin::json_text(json_of(made), admin::JsonStyle::kPretty) << "\n";
  } else if (options.format == OutputFormat::kYaml) {
    environment.out << yaml_text(json_of(made));
  } else {
    environment.out << *made.yaml;
  }
  environment.err << "fairlead: " << summary(made);
  const std::size_t warnings = made.problems.size();
  if (warnings > 0) environment.err << fmt::format("; `fairlead check` has {} warning{}", warnings, warnings == 1 ? "" : "s");
  environment.err << "\n";
}

}  // namespace fairlead::cli
