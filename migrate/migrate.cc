// fairlead: pure
#include "migrate/migrate.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "config/limits.h"
#include "config/load.h"
#include "migrate/corosync_reader.h"
#include "migrate/haproxy_reader.h"
#include "migrate/import_limits.h"
#include "migrate/keepalived_reader.h"
#include "migrate/ledger.h"
#include "migrate/pacemaker_reader.h"
#include "migrate/settle.h"
#include "migrate/wanted.h"
#include "migrate/words.h"
#include "migrate/yaml_writer.h"

namespace fairlead::migrate {
namespace {

config::Problem refusal(const std::string& file, std::string message, std::string hint) {
  return {file, 1, 1, config::Severity::kError, std::move(message), std::move(hint)};
}

std::vector<config::Problem> check_inputs(const std::vector<Input>& inputs) {
  std::vector<config::Problem> out;
  if (inputs.size() > kInputsMax)
    return {refusal(inputs.front().name, fmt::format("{} files", inputs.size()), fmt::format("at most {}", kInputsMax))};
  std::set<std::string> names;
  std::size_t lines = 0;
  std::size_t bytes = 0;
  for (const Input& input : inputs) {
    if (auto problem = check_input(input)) {
      out.push_back(*problem);
    } else if (!names.insert(input.name).second) {
      out.push_back(refusal(input.name, "the file is given twice", "name it once"));
    }
    bytes += input.text.size();
    lines += static_cast<std::size_t>(std::count(input.text.begin(), input.text.end(), '\n'));
  }
  if (out.empty() && bytes > kAllBytesMax)
    out.push_back(
        refusal(inputs.front().name, fmt::format("{} MiB in all files", bytes >> 20), fmt::format("at most {}", kAllBytesMax >> 20)));
  if (out.empty() && lines > kLinesMax)
    out.push_back(refusal(inputs.front().name, fmt::format("{} lines in all files", lines), fmt::format("at most {}", kLinesMax)));
  return out;
}

/// Each kind after what it may refer to.
std::vector<config::Problem> read_all(const std::vector<Input>& inputs, Ledger& ledger, Wanted& wanted) {
  std::vector<config::Problem> out;
  const auto add = [&](const std::vector<config::Problem>& more) { out.insert(out.end(), more.begin(), more.end()); };
  std::vector<const Input*> haproxy;
  std::vector<const Input*> keepalived;
  for (const Input& input : inputs) {
    if (input.kind == Kind::kHaproxy) haproxy.push_back(&input);
    if (input.kind == Kind::kKeepalived) keepalived.push_back(&input);
  }
  if (!haproxy.empty()) read_haproxy(haproxy, ledger, wanted);
  for (const Input& input : inputs) {
    if (input.kind != Kind::kCorosync) continue;
    if (auto problem = read_corosync(input.name, input.text, ledger, wanted)) out.push_back(*problem);
  }
  if (!wanted.nodes.empty()) wanted.fixed_nodes = wanted.nodes.size();
  for (const Input& input : inputs) {
    if (input.kind == Kind::kPacemaker) add(read_pacemaker(input.name, input.text, ledger, wanted));
  }
  if (!wanted.fixed_nodes && !wanted.nodes.empty()) wanted.fixed_nodes = wanted.nodes.size();
  if (!keepalived.empty()) add(read_keepalived(keepalived, ledger, wanted));
  return out;
}

std::string heading(const std::vector<Input>& inputs, const std::vector<LineFate>& lines) {
  std::string names;
  for (const Input& input : inputs) names += (names.empty() ? "" : ", ") + input.name;
  const auto carried = std::count_if(lines.begin(), lines.end(), [](const LineFate& line) { return line.fate == Fate::kCarried; });
  return fmt::format(
      "Made by `fairlead import` from {}.\n{} of {} lines were carried over as they are; it listed the others.\nThen: fairlead check FILE, "
      "and look for CHANGE.",
      names, carried, lines.size());
}

}  // namespace

Migration migrate(const std::vector<Input>& given) {
  Migration out;
  std::vector<Input> inputs = given;
  for (Input& input : inputs) input.name = printable(input.name);  // It stands in comments.
  out.problems = check_inputs(inputs);
  if (!out.problems.empty() || inputs.empty()) return out;
  Ledger ledger;
  for (const Input& input : inputs) ledger.know(input.name);
  Wanted wanted;
  out.problems = read_all(inputs, ledger, wanted);
  if (!out.problems.empty()) return out;
  const Settled settled = settle(std::move(wanted), ledger);
  ledger.close();
  out.notes = ledger.notes();
  out.lines = ledger.lines();
  const bool nothing =
      settled.snapshot.listeners.empty() && settled.snapshot.pools.empty() && settled.snapshot.vips.empty() && !settled.snapshot.cluster;
  if (nothing) {
    out.problems.push_back(
        refusal(inputs.front().name, "nothing of it can be carried over",
                fmt::format("is it a file of {}? The lines are listed with their reasons", to_string(inputs.front().kind))));
    return out;
  }
  std::string yaml = write_yaml(settled.snapshot, heading(inputs, out.lines), settled.remarks);
  if (yaml.size() > config::kFileBytesMax) {
    out.problems.push_back(refusal(inputs.front().name, fmt::format("what comes out has {} KiB", yaml.size() >> 10),
                                   fmt::format("fairlead.yaml has at most {}: split the input", config::kFileBytesMax >> 10)));
    return out;
  }
  out.problems = config::load_text(yaml, "fairlead.yaml", config::Environment{}).problems;
  out.yaml = std::move(yaml);
  return out;
}

}  // namespace fairlead::migrate
