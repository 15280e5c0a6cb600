#include "cli/verb_tree.h"

#include <CLI/CLI.hpp>

#include "cli/invocation.h"

namespace fairlead::cli {

CLI::App* VerbTree::verb(CLI::App* parent, const std::string& name, const std::string& description, Action action) {
  CLI::App* out = (parent == nullptr ? &root_ : parent)->add_subcommand(name, description);
  out->group("Verbs");
  out->callback([this, action = std::move(action)] { chosen_ = action; });
  return out;
}

CLI::App* VerbTree::group(const std::string& name, const std::string& description) {
  CLI::App* out = root_.add_subcommand(name, description);
  out->group("Verbs");
  out->require_subcommand(1);
  return out;
}

void VerbTree::later(CLI::App* parent, const std::string& name) {
  const std::string whole = (parent == nullptr ? "" : parent->get_name() + " ") + name;
  CLI::App* out = verb(parent, name, "", [whole] { throw VerbFailure{kExitFailed, "'" + whole + "' is not in this version"}; });
  out->group("");
  out->set_help_flag();
  out->prefix_command();
  out->fallthrough(false);  // What follows belongs to the later verb: `fairlead storage expand --to x` is no wrong usage.
}

VerbModel model_of(const CLI::App& app) {
  VerbModel out;
  out.name = app.get_name();
  out.text = app.get_description();
  out.acts = app.get_require_subcommand_min() == 0;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;  // Understood, and not shown.
    OptionModel one;
    one.text = option->get_description();
    one.required = option->get_required();
    one.repeated = option->get_expected_max() > 1;
    if (option->get_positional()) {
      one.value = option->get_name(true);
      out.arguments.push_back(std::move(one));
      continue;
    }
    for (const std::string& name : option->get_snames()) one.names.push_back("-" + name);
    for (const std::string& name : option->get_lnames()) one.names.push_back("--" + name);
    if (option->get_expected_max() > 0) one.value = option->get_type_name();
    out.options.push_back(std::move(one));
  }
  for (const CLI::App* child : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!child->get_group().empty()) out.verbs.push_back(model_of(*child));
  }
  return out;
}

}  // namespace fairlead::cli
