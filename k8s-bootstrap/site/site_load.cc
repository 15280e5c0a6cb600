// fairlead: pure
#include "k8s-bootstrap/site/site_load.h"

#include <algorithm>

#include "config/parse.h"
#include "config/reader.h"
#include "k8s-bootstrap/machines/vm_names.h"
#include "k8s-bootstrap/site/site_checks.h"
#include "k8s-bootstrap/site/site_schema.h"

namespace fairlead::bootstrap {
namespace {

using config::Problem;

std::vector<Problem> wrong_kind(const config::Document& document) {
  const config::DocNode* kind = document.root->find("kind");
  if (kind == nullptr || kind->text != config::schema::kKind) return {};
  return {{document.file, kind->at.line, kind->at.column, config::Severity::kError,
           "this is a gateway's file (kind: Gateway), not a site's", "`fairlead check` reads it; `fairlead bootstrap init` writes a site"}};
}

/// What is wrong with a value of the environment is said without it: a message may repeat a part of what it refuses.
void hide_values(std::vector<Problem>& problems, const Substitution& substituted) {
  for (Problem& problem : problems) {
    const config::Position at{problem.line, problem.column};
    const auto& places = substituted.places;
    if (std::find(places.begin(), places.end(), at) != places.end()) {
      problem.message = problem.severity == config::Severity::kError ? "a value with a part from the environment is refused here"
                                                                     : "a value with a part from the environment is doubtful here";
      problem.hint = "it is not shown; see docs/reference/site.md for what this key takes";
      continue;
    }
    problem.message = hide_secrets(std::move(problem.message), substituted.secrets);
    problem.hint = hide_secrets(std::move(problem.hint), substituted.secrets);
  }
}

/// The mistake that YAML itself cannot name: braces of ours inside braces of its own.
void hint_at_quotes(std::vector<Problem>& problems, std::string_view text) {
  for (Problem& problem : problems) {
    std::string_view rest = text;
    for (int line = 1; line < problem.line && !rest.empty(); ++line) rest.remove_prefix(std::min(rest.find('\n'), rest.size() - 1) + 1);
    const std::string_view here = rest.substr(0, rest.find('\n'));
    if (here.find("${env:") != std::string_view::npos) problem.hint = "inside { } and [ ] write it in quotes, as in \"${env:NAME}\"";
  }
}

}  // namespace

SiteLoad load_site(std::string_view text, std::string file, const SiteContext& context) {
  SiteLoad result;
  config::ParseResult parsed = config::parse(text, std::move(file));
  result.problems = std::move(parsed.problems);
  if (!parsed.document) {
    hint_at_quotes(result.problems, text);
    return result;
  }
  if (auto wrong = wrong_kind(*parsed.document); !wrong.empty()) {  // One problem is enough: every other key would be unknown.
    result.problems = std::move(wrong);
    return result;
  }
  Substitution substituted = substitute_environment(*parsed.document, context.environment);
  config::Reader reader(substituted.document.file, &schema::site());
  SiteRoot root;
  // A variable that is not set leaves its name in place: no second problem about that.
  const auto unset = substituted.problems;
  config::schema::read_section(reader, schema::site(), *substituted.document.root, &root);
  if (substituted.document.root->kind == config::DocNode::Kind::kMap && reader.sound("kind") && reader.sound("apiVersion") &&
      !reader.full()) {
    SiteChecks checks(root, context.today, reader);
    check_site(checks);
  }
  std::vector<Problem> found = std::move(reader.problems());
  hide_values(found, substituted);
  std::erase_if(found, [&](const Problem& problem) {
    return std::any_of(unset.begin(), unset.end(), [&](const Problem& p) { return p.line == problem.line && p.column == problem.column; });
  });
  for (auto* more : {&substituted.problems, &found})
    result.problems.insert(result.problems.end(), std::make_move_iterator(more->begin()), std::make_move_iterator(more->end()));
  config::sort_and_bound(result.problems);
  result.secrets = std::move(substituted.secrets);
  if (!config::has_errors(result.problems)) {
    result.site = std::move(root.site);
    if (result.site->vms) name_vm_disks(*result.site);
  }
  return result;
}

}  // namespace fairlead::bootstrap
