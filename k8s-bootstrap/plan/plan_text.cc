// fairlead: pure
#include "k8s-bootstrap/plan/plan_text.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>
#include <set>

#include "base/units.h"

namespace fairlead::bootstrap {
namespace {

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

constexpr std::string_view kMasked = "(secret)";

std::string_view hazard_word(Hazard hazard) {
  switch (hazard) {
    case Hazard::kNone: return "";
    case Hazard::kReboots: return "~ reboots";
    case Hazard::kDestroysData: return "! destroys data";
  }
  return "";
}

/// Each line behind a bar, so that blanks and what is no text of ours can be told.
std::string barred(std::string_view text, std::string_view indent) {
  std::string out;
  while (!text.empty()) {
    const auto end = text.find('\n');
    out += fmt::format("{}| {}\n", indent, text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return out;
}

std::string operation_text(const Operation& operation) {
  constexpr std::string_view kIndent = "        ";
  const auto note = [](bool secret) { return secret ? ", secret" : ""; };
  return std::visit(
      Overloaded{
          [&](const WriteFile& o) {
            const std::string head = fmt::format("      write {} ({:04o}{})\n", o.path, o.mode, note(o.secret));
            return o.secret ? head : head + barred(o.text, kIndent);
          },
          [&](const CopyFile& o) {
            return fmt::format("      copy {} to {} ({:04o}{}{})\n", o.from, o.path, o.mode, note(o.secret),
                               o.sha256.empty() ? "" : ", sha256 " + o.sha256);
          },
          [&](const FetchFile& o) {
            const std::string notes = fmt::format("{}{}{}", o.secret ? "secret" : "", o.secret && !o.sha256.empty() ? ", " : "",
                                                  o.sha256.empty() ? "" : "sha256 " + o.sha256);
            return fmt::format("      fetch {} to {}{}\n", o.path, o.to, notes.empty() ? "" : " (" + notes + ")");
          },
          [&](const RunScript& o) {
            std::string out = fmt::format("      run (at most {})\n{}", format_duration(o.timeout), barred(o.script, kIndent));
            if (!o.input.empty())
              out +=
                  o.secret ? fmt::format("        standard input: {}\n", kMasked) : "        standard input:\n" + barred(o.input, kIndent);
            return out;
          },
          [&](const WaitFor& o) {
            return fmt::format("      wait until {} (at most {})\n{}", o.what, format_duration(o.timeout), barred(o.script, kIndent));
          },
          [&](const LocalWork& o) {
            switch (o.kind) {
              case LocalWork::Kind::kMakeClusterCa:
                return std::string("      here: make the pairs of the CAs in state_dir that are missing\n");
              case LocalWork::Kind::kMakeSshCa: return std::string("      here: make the SSH CA in state_dir\n");
              case LocalWork::Kind::kSignHostKey: return std::string("      here: sign the host key with the SSH CA\n");
              case LocalWork::Kind::kHook: return fmt::format("      here: {}\n", fmt::join(o.argv, " "));
              case LocalWork::Kind::kKeepNewest:
                return fmt::format("      here: of {}/{}*{} keep the newest {}\n", o.argv[0], o.argv[1], o.argv[2], o.argv[3]);
              case LocalWork::Kind::kArchive:
                return fmt::format("      here: pack {} into {}{}\n", o.argv[0], o.argv[1], o.argv.back().empty() ? "" : ", encrypted");
            }
            return std::string();
          },
      },
      operation);
}

std::string_view owner(const Step& step) { return std::string_view(step.id).substr(0, step.id.find('/')); }

std::string joined(const std::vector<std::string>& words) { return fmt::format("{}", fmt::join(words, ", ")); }

std::string place_text(const Step& step) {
  return step.machine.empty() ? "here" : step.machine == owner(step) ? step.machine : fmt::format("{} (on {})", owner(step), step.machine);
}

std::string step_text(const Step& step, const std::string& where, bool operations) {
  std::string out = fmt::format("  {}: {}", where, step.title);
  if (step.hazard != Hazard::kNone) out += fmt::format("   {}", hazard_word(step.hazard));
  out += fmt::format("\n    because: {}\n", step.because);
  if (!operations) return out;
  out += fmt::format("    step {}{}\n", step.id, step.needs.empty() ? "" : ", after " + joined(step.needs));
  for (const Operation& operation : step.operations) out += operation_text(operation);
  return out;
}

/// Phases whose machines are worked on side by side: what is done on many of them alike is one entry.
bool at_once(Phase phase) { return phase == Phase::kPrepare || phase == Phase::kWorkers; }

std::string grouped_text(const std::vector<const Step*>& steps) {
  std::vector<std::pair<const Step*, std::vector<std::string>>> groups;
  for (const Step* step : steps) {
    auto same = std::find_if(groups.begin(), groups.end(), [&](const auto& group) {
      return group.first->title == step->title && group.first->because == step->because && group.first->hazard == step->hazard;
    });
    if (same == groups.end()) same = groups.insert(groups.end(), {step, {}});
    same->second.push_back(place_text(*step));
  }
  std::string out;
  for (const auto& [step, places] : groups) out += step_text(*step, joined(places), false);
  return out;
}

std::string obstacles_text(const Plan& plan) {
  if (plan.obstacles.empty()) return {};
  std::string out = "\nin the way\n";
  for (const Obstacle& obstacle : plan.obstacles) {
    out += fmt::format("  {}{}{}{}\n", joined(obstacle.machines), obstacle.machines.empty() ? "" : ": ",
                       obstacle.check.empty() ? "" : "[" + obstacle.check + "] ", obstacle.reason);
    out += fmt::format("    remedy: {}\n", obstacle.remedy);
  }
  return out;
}

std::string plural(std::size_t count, std::string_view word) { return fmt::format("{} {}{}", count, word, count == 1 ? "" : "s"); }

}  // namespace

std::vector<std::string> needs_confirmation(const Plan& plan) {
  std::vector<std::string> out;
  for (const Step& step : plan.steps) {
    if (step.hazard != Hazard::kDestroysData) continue;
    const std::string name(owner(step));
    if (std::find(out.begin(), out.end(), name) == out.end()) out.push_back(name);
  }
  return out;
}

std::string confirmation_text(const Plan& plan) {
  const auto machines = needs_confirmation(plan);
  if (machines.empty()) return {};
  return fmt::format("data of {} {} destroyed. To go on type {}, or say --yes-destroy {}", joined(machines),
                     machines.size() == 1 ? "is" : "are", machines.size() == 1 ? "the name" : "each name",
                     fmt::join(machines, " --yes-destroy "));
}

Duration estimate(const Plan& plan) {
  std::map<std::string_view, Duration> ends;
  Duration longest{};
  for (const Step& step : plan.steps) {
    Duration begins{};
    for (const std::string& id : step.needs) {
      const auto found = ends.find(id);
      if (found != ends.end()) begins = std::max(begins, found->second);
    }
    longest = std::max(longest, ends[step.id] = begins + step.usual);
  }
  return longest;
}

std::string plan_summary(const Plan& plan) {
  if (plan.steps.empty())
    return plan.obstacles.empty() ? "nothing to do"
                                  : fmt::format("{} in the way, no step can be done", plural(plan.obstacles.size(), "obstacle"));
  std::set<std::string_view> machines;
  std::size_t reboot = 0;
  std::size_t destroy = 0;
  for (const Step& step : plan.steps) {
    if (!step.machine.empty()) machines.insert(step.machine);
    if (step.hazard == Hazard::kReboots) ++reboot;
    if (step.hazard == Hazard::kDestroysData) ++destroy;
  }
  const auto minutes = std::chrono::ceil<std::chrono::minutes>(estimate(plan));
  std::string out = fmt::format("{}: {}, {} reboot, {} destroy data, about {}m", plural(machines.size(), "machine"),
                                plural(plan.steps.size(), "step"), reboot, destroy, minutes.count());
  if (!plan.obstacles.empty()) out += fmt::format("; {} in the way of more", plural(plan.obstacles.size(), "obstacle"));
  return out;
}

std::string plan_text(const Plan& plan, bool operations) {
  std::string out = plan_summary(plan) + "\n" + obstacles_text(plan);
  if (!plan.warnings.empty()) out += "\nwarnings\n";
  for (const std::string& warning : plan.warnings) out += "  " + warning + "\n";
  // Steps keep their order within a phase.
  std::map<Phase, std::vector<const Step*>> phases;
  for (const Step& step : plan.steps) phases[step.phase].push_back(&step);
  for (const auto& [phase, steps] : phases) {
    out += fmt::format("\n{}\n", to_string(phase));
    if (operations || !at_once(phase)) {
      for (const Step* step : steps) out += step_text(*step, place_text(*step), operations);
    } else {
      out += grouped_text(steps);
    }
  }
  if (const std::string confirm = confirmation_text(plan); !confirm.empty()) out += "\n" + confirm + "\n";
  return out;
}

Plan without_secrets(Plan plan) {
  for (Step& step : plan.steps) {
    for (Operation& operation : step.operations) {
      if (auto* written = std::get_if<WriteFile>(&operation); written != nullptr && written->secret) written->text = kMasked;
      if (auto* run = std::get_if<RunScript>(&operation); run != nullptr && run->secret && !run->input.empty()) run->input = kMasked;
    }
  }
  return plan;
}

}  // namespace fairlead::bootstrap
