// fairlead: pure
#include "k8s-bootstrap/plan/plan_json.h"

#include <array>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "k8s-bootstrap/plan/plan_text.h"

namespace fairlead::bootstrap {
namespace {

namespace json = boost::json;

constexpr std::array<std::string_view, 3> kHazards{"none", "reboots", "destroys data"};
constexpr std::array<std::string_view, 6> kWorks{"make cluster ca", "make ssh ca", "sign host key", "hook", "keep newest", "archive"};

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

json::array list_of(const std::vector<std::string>& words) {
  json::array out;
  for (const std::string& word : words) out.emplace_back(word);
  return out;
}

double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

json::object operation_json(const Operation& operation) {
  return std::visit(
      Overloaded{
          [](const WriteFile& o) {
            return json::object{{"kind", "write"}, {"path", o.path}, {"text", o.text}, {"mode", o.mode}, {"secret", o.secret}};
          },
          [](const CopyFile& o) {
            return json::object{{"kind", "copy"}, {"from", o.from},     {"path", o.path},
                                {"mode", o.mode}, {"secret", o.secret}, {"sha256", o.sha256}};
          },
          [](const FetchFile& o) {
            return json::object{{"kind", "fetch"}, {"path", o.path}, {"to", o.to}, {"secret", o.secret}, {"sha256", o.sha256}};
          },
          [](const RunScript& o) {
            return json::object{{"kind", "run"},
                                {"script", o.script},
                                {"input", o.input},
                                {"secret", o.secret},
                                {"timeout_s", seconds(o.timeout)},
                                {"gives", list_of(o.gives)},
                                {"again", o.again}};
          },
          [](const WaitFor& o) {
            return json::object{
                {"kind", "wait"}, {"what", o.what}, {"script", o.script}, {"every_s", seconds(o.every)}, {"timeout_s", seconds(o.timeout)}};
          },
          [](const LocalWork& o) {
            return json::object{{"kind", "local"}, {"work", kWorks[static_cast<std::size_t>(o.kind)]}, {"argv", list_of(o.argv)}};
          },
      },
      operation);
}

json::object step_json(const Step& step) {
  json::array operations;
  for (const Operation& operation : step.operations) operations.emplace_back(operation_json(operation));
  return {{"id", step.id},
          {"phase", to_string(step.phase)},
          {"machine", step.machine},
          {"title", step.title},
          {"because", step.because},
          {"needs", list_of(step.needs)},
          {"hazard", kHazards[static_cast<std::size_t>(step.hazard)]},
          {"concerns", list_of(step.concerns)},
          {"operations", std::move(operations)},
          {"usual_s", seconds(step.usual)}};
}

/// Reads members of one object; the first thing that is wrong is kept, with its place.
class Reader {
 public:
  Reader(const json::value& value, std::string place, std::string& wrong) : place_(std::move(place)), wrong_(wrong) {
    object_ = value.if_object();
    if (object_ == nullptr) fail("", "an object");
  }
  std::string text(std::string_view key) {
    const json::value* found = member(key);
    if (found == nullptr) return {};
    if (!found->is_string()) return fail(key, "a text"), std::string();
    return std::string(found->get_string());
  }
  bool truth(std::string_view key) {
    const json::value* found = member(key);
    if (found == nullptr) return false;
    if (!found->is_bool()) return fail(key, "true or false"), false;
    return found->get_bool();
  }
  std::uint32_t mode(std::string_view key) {
    const json::value* found = member(key);
    if (found == nullptr) return 0;
    if (!found->is_int64() || found->get_int64() < 0 || found->get_int64() > 07777) return fail(key, "a file's mode, 0 to 4095"), 0;
    return static_cast<std::uint32_t>(found->get_int64());
  }
  Duration span(std::string_view key) {
    constexpr double kDay = 86400;
    const json::value* found = member(key);
    if (found == nullptr) return {};
    const bool number = found->is_double() || found->is_int64();
    const double value = found->is_double() ? found->get_double() : found->is_int64() ? static_cast<double>(found->get_int64()) : -1;
    if (!number || !(value >= 0 && value <= kDay)) return fail(key, "seconds, at most a day"), Duration{};
    return std::chrono::round<Duration>(std::chrono::duration<double>(value));
  }
  std::vector<std::string> texts(std::string_view key) {
    std::vector<std::string> out;
    for (const json::value& value : items(key)) {
      if (!value.is_string()) return fail(key, "a list of texts"), out;
      out.emplace_back(value.get_string());
    }
    return out;
  }
  const json::array& items(std::string_view key) {
    static const json::array kNone;
    const json::value* found = member(key);
    if (found == nullptr) return kNone;
    if (!found->is_array()) return fail(key, "a list"), kNone;
    return found->get_array();
  }
  /// Index of one of `words`.
  template <std::size_t N>
  std::size_t word(std::string_view key, const std::array<std::string_view, N>& words) {
    const std::string found = text(key);
    for (std::size_t i = 0; i < N; ++i) {
      if (words[i] == found) return i;
    }
    fail(key, "a word that this release knows");
    return 0;
  }
  [[nodiscard]] std::string place(std::string_view key, std::size_t index) const { return fmt::format("{}{}[{}].", place_, key, index); }
  void fail(std::string_view key, std::string_view wanted) {
    if (wrong_.empty()) wrong_ = fmt::format("plan: {}{}: not {}", place_, key, wanted);
  }

 private:
  const json::value* member(std::string_view key) {
    if (object_ == nullptr) return nullptr;
    const json::value* found = object_->if_contains(key);
    if (found == nullptr) fail(key, "there");
    return found;
  }
  const json::object* object_ = nullptr;
  std::string place_;
  std::string& wrong_;
};

Operation read_operation(Reader& in) {
  static constexpr std::array<std::string_view, 6> kKinds{"write", "copy", "fetch", "run", "wait", "local"};
  switch (in.word("kind", kKinds)) {
    case 0: {
      WriteFile o;
      o.path = in.text("path");
      o.text = in.text("text");
      o.mode = in.mode("mode");
      o.secret = in.truth("secret");
      return o;
    }
    case 1: {
      CopyFile o;
      o.from = in.text("from");
      o.path = in.text("path");
      o.mode = in.mode("mode");
      o.secret = in.truth("secret");
      o.sha256 = in.text("sha256");
      return o;
    }
    case 2: {
      FetchFile o;
      o.path = in.text("path");
      o.to = in.text("to");
      o.secret = in.truth("secret");
      o.sha256 = in.text("sha256");
      return o;
    }
    case 3: {
      RunScript o;
      o.script = in.text("script");
      o.input = in.text("input");
      o.secret = in.truth("secret");
      o.timeout = in.span("timeout_s");
      o.gives = in.texts("gives");
      o.again = in.truth("again");
      return o;
    }
    case 4: {
      WaitFor o;
      o.what = in.text("what");
      o.script = in.text("script");
      o.every = in.span("every_s");
      o.timeout = in.span("timeout_s");
      return o;
    }
    default: {
      LocalWork o;
      o.kind = static_cast<LocalWork::Kind>(in.word("work", kWorks));
      o.argv = in.texts("argv");
      return o;
    }
  }
}

Step read_step(Reader& in, std::string& wrong) {
  static const auto kPhases = [] {
    std::array<std::string_view, static_cast<std::size_t>(Phase::kRestore) + 1> out{};
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = to_string(static_cast<Phase>(i));
    return out;
  }();
  Step step;
  step.id = in.text("id");
  step.phase = static_cast<Phase>(in.word("phase", kPhases));
  step.machine = in.text("machine");
  step.title = in.text("title");
  step.because = in.text("because");
  step.needs = in.texts("needs");
  step.hazard = static_cast<Hazard>(in.word("hazard", kHazards));
  step.concerns = in.texts("concerns");
  step.usual = in.span("usual_s");
  std::size_t index = 0;
  for (const json::value& value : in.items("operations")) {
    Reader operation(value, in.place("operations", index++), wrong);
    step.operations.push_back(read_operation(operation));
  }
  return step;
}

}  // namespace

std::string plan_json(const Plan& plan) {
  const Plan shown = without_secrets(plan);
  json::array steps;
  for (const Step& step : shown.steps) steps.emplace_back(step_json(step));
  json::array obstacles;
  for (const Obstacle& o : shown.obstacles)
    obstacles.emplace_back(json::object{{"machines", list_of(o.machines)}, {"reason", o.reason}, {"remedy", o.remedy}, {"check", o.check}});
  return json::serialize(json::object{{"summary", plan_summary(plan)},
                                      {"confirm", list_of(needs_confirmation(plan))},
                                      {"obstacles", std::move(obstacles)},
                                      {"warnings", list_of(shown.warnings)},
                                      {"steps", std::move(steps)}});
}

Result<Plan> plan_from_json(std::string_view text) {
  boost::system::error_code failed;
  const json::value root = json::parse(json::string_view(text.data(), text.size()), failed);
  if (failed) return Error{Errc::kInvalidArgument, "plan: no JSON: " + failed.message()};
  std::string wrong;
  Reader in(root, "", wrong);
  Plan out;
  out.warnings = in.texts("warnings");
  std::size_t index = 0;
  for (const json::value& value : in.items("obstacles")) {
    Reader reader(value, in.place("obstacles", index++), wrong);
    Obstacle o;
    o.machines = reader.texts("machines");
    o.reason = reader.text("reason");
    o.remedy = reader.text("remedy");
    o.check = reader.text("check");
    out.obstacles.push_back(std::move(o));
  }
  index = 0;
  for (const json::value& value : in.items("steps")) {
    Reader reader(value, in.place("steps", index++), wrong);
    out.steps.push_back(read_step(reader, wrong));
  }
  if (!wrong.empty()) return Error{Errc::kInvalidArgument, wrong};
  return out;
}

}  // namespace fairlead::bootstrap
