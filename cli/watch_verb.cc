#include "cli/watch_verb.h"

#include <boost/json.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <ostream>

#include "admin/json_fields.h"
#include "admin/json_text.h"
#include "admin/status_codec.h"
#include "admin/watch_plan.h"
#include "cli/noted_signals.h"
#include "cli/status_text.h"
#include "cli/text_screen.h"
#include "cli/text_table.h"
#include "cli/yaml_text.h"

namespace fairlead::cli {
namespace {

constexpr Duration kInterval = std::chrono::seconds(1);

/// The other screen of the terminal, while it lives.
class OwnScreen {
 public:
  OwnScreen(CliEnvironment& environment, bool wanted) : environment_(environment), wanted_(wanted) {
    if (wanted_) environment_.out << kEnterScreen << std::flush;
  }
  ~OwnScreen() {
    if (wanted_) environment_.out << kLeaveScreen << std::flush;
  }
  OwnScreen(const OwnScreen&) = delete;
  OwnScreen& operator=(const OwnScreen&) = delete;

 private:
  CliEnvironment& environment_;
  const bool wanted_;
};

std::string clock_text(const Clock& clock) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(clock.wall());
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)));
}

/// What is printed where nothing can be drawn anew: a block, or a line of JSON, for each change.
class ChangePrinter {
 public:
  ChangePrinter(DaemonCalls& calls, const Watched& what) : calls_(calls), what_(what), environment_(calls.environment()) {}
  void answered(const std::string& document) {
    std::string now = what_.settled(document);
    if (now == last_ && !lost_) return;
    last_ = std::move(now);
    lost_ = false;
    switch (calls_.options().format) {
      case OutputFormat::kText: environment_.out << "--- " << clock_text(environment_.clock) << "\n" << what_.text(document) << "\n"; break;
      case OutputFormat::kJson: environment_.out << admin::json_text(decoded(admin::parse_json(document))) << "\n"; break;
      case OutputFormat::kYaml: environment_.out << "---\n" << yaml_text(decoded(admin::parse_json(document))); break;
    }
    environment_.out << std::flush;
  }
  void unanswered(const std::string& why) {
    if (!lost_) environment_.err << clock_text(environment_.clock) << " no answer: " << why << std::endl;
    lost_ = true;
  }

 private:
  DaemonCalls& calls_;
  const Watched& what_;
  CliEnvironment& environment_;
  std::string last_;
  bool lost_ = false;
};

void draw(const std::string& text, const std::string& lost, CliEnvironment& environment) {
  const bool color = environment.color;
  std::string head = paint(clock_text(environment.clock) + "  every second; Ctrl-C ends", Tone::kDim, color);
  if (!lost.empty()) head += "\n" + paint("no answer, this was the last one: ", Tone::kBad, color) + lost;
  environment.out << screen_of(head + "\n" + text, environment.screen()) << std::flush;
}

}  // namespace

void watch(DaemonCalls& calls, const Watched& what) {
  CliEnvironment& environment = calls.environment();
  std::string document = calls.fetch(what.target);
  const bool draws = environment.redraw && calls.options().format == OutputFormat::kText;
  const NotedSignals noted;
  ChangePrinter printer(calls, what);
  std::string text;
  {
    const OwnScreen screen(environment, draws);
    std::string lost;
    do {
      try {
        if (document.empty()) document = calls.fetch(what.target);
        lost.clear();
        if (draws) text = what.text(document);
        if (!draws) printer.answered(document);
      } catch (const VerbFailure& failure) {
        if (failure.exit_code != kExitUnreachable) throw;  // It answers, and something else is wrong.
        lost = failure.message;
        if (!draws) printer.unanswered(lost);
      }
      document.clear();
      if (draws) draw(text, lost, environment);
    } while (!NotedSignals::came() && environment.pause(kInterval) && !NotedSignals::came());
  }
  if (draws) environment.out << text << std::flush;
}

void watch_status(DaemonCalls& calls) {
  const bool color = calls.environment().color;
  watch(calls,
        {.target = "/api/v1/status",
         .text = [color](const std::string& document) { return status_text(decoded(admin::decode_status(document)), color); },
         .settled =
             [](const std::string& document) { return std::to_string(admin::watch_digest(decoded(admin::decode_status(document)))); }});
}

}  // namespace fairlead::cli
