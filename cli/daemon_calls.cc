#include "cli/daemon_calls.h"

#include <algorithm>
#include <boost/json.hpp>
#include <ostream>

#include "admin/api_problem.h"
#include "admin/command_codec.h"
#include "admin/json_fields.h"
#include "admin/json_text.h"
#include "admin/status_codec.h"
#include "cli/progress.h"
#include "cli/text_table.h"
#include "cli/yaml_text.h"

namespace fairlead::cli {
namespace {

namespace json = boost::json;

int exit_code_of(Errc code) {
  if (code == Errc::kPermission || code == Errc::kRefused) return kExitRefused;
  if (code == Errc::kInvalidConfig) return kExitInvalidConfig;
  return kExitFailed;
}

std::string waited_for(const admin::Command& command) {
  if (const auto* move = std::get_if<admin::MoveVip>(&command))
    return "VIP " + move->vip + " moves" + (move->to.empty() ? "" : " to " + move->to);
  if (std::holds_alternative<admin::Reload>(command)) return "the daemon reads and applies its configuration";
  if (const auto* node = std::get_if<admin::SetNodeStandby>(&command)) return "every node hears of " + node->node;
  if (std::holds_alternative<admin::ApplyRouter>(command)) return "the daemon puts the router's rules in force";
  return "waiting for the daemon";
}

std::optional<Duration> limit_of(const admin::Command& command) {
  const auto* move = std::get_if<admin::MoveVip>(&command);
  if (move == nullptr || move->drain == Duration::zero()) return std::nullopt;
  return move->drain;
}

}  // namespace

void fail(int code, std::string message) { throw VerbFailure{code, std::move(message)}; }

ApiPort& DaemonCalls::api() {
  if (api_) return *api_;
  ConnectOptions connect = options_.connect;
  if (expects_hung_ && connect.server.empty()) connect.timeout = std::min(connect.timeout, kHungAfter);
  api_ = environment_.api(connect);
  return *api_;
}

std::string DaemonCalls::fetch(const std::string& target) {
  auto reply = api().call("GET", target, "");
  if (!reply) fail(reply.error().code == Errc::kInvalidArgument ? kExitUsage : kExitUnreachable, reply.error().message());
  if (reply->status != 200) {
    const Error error = admin::decode_problem(reply->status, reply->body);
    fail(exit_code_of(error.code), error.message());
  }
  return std::move(reply->body);
}

admin::NodeReport DaemonCalls::report() { return decoded(admin::decode_status(fetch("/api/v1/status"))); }

bool DaemonCalls::print_document(const std::string& document, const std::string& array, const std::string& key, const std::string& name) {
  if (options_.format == OutputFormat::kText) return false;
  auto value = decoded(admin::parse_json(document));
  if (!array.empty()) {
    const auto* list = value.is_object() ? value.get_object().if_contains(array) : nullptr;
    const json::value* found = nullptr;
    if (list != nullptr && list->is_array()) {
      for (const auto& item : list->get_array()) {
        const auto* text = item.is_object() ? item.get_object().if_contains(key) : nullptr;
        if (text != nullptr && text->is_string() && text->get_string() == name) found = &item;
      }
    }
    if (found == nullptr) fail(kExitFailed, "no '" + name + "' among the " + array);
    value = json::value(*found);
  }
  environment_.out << (options_.format == OutputFormat::kJson ? admin::json_text(value, admin::JsonStyle::kPretty) + "\n"
                                                              : yaml_text(value));
  return true;
}

void DaemonCalls::confirm(const std::string& question) {
  if (options_.yes || !environment_.interactive) return;
  environment_.err << question << " [y/N] " << std::flush;
  const std::string answer = environment_.read_line();
  if (answer != "y" && answer != "Y" && answer != "yes") fail(kExitFailed, "nothing was changed");
}

std::string DaemonCalls::send(const admin::Command& command, bool shown) {
  const auto call = admin::encode_command(command);
  std::unique_ptr<ApiPort> patient;
  if (const auto* move = std::get_if<admin::MoveVip>(&command); move != nullptr && move->drain > Duration::zero()) {
    auto connect = options_.connect;
    connect.timeout += move->drain;  // The answer comes after it.
    patient = environment_.api(connect);
  }
  std::optional<Progress> progress;
  if (shown) progress.emplace(environment_, waited_for(command), limit_of(command));
  auto reply = (patient ? *patient : api()).call(call.method, call.target, call.body);
  progress.reset();
  if (!reply) fail(reply.error().code == Errc::kInvalidArgument ? kExitUsage : kExitUnreachable, reply.error().message());
  if (reply->status != 200) {
    const Error error = admin::decode_problem(reply->status, reply->body);
    fail(exit_code_of(error.code), error.message());
  }
  return std::move(reply->body);
}

void DaemonCalls::execute(const admin::Command& command) {
  const std::string body = send(command);
  if (print_document(body)) return;
  const auto result = decoded(admin::decode_result(body));
  for (const auto& line : result.details) environment_.out << line << "\n";
  if (!result.summary.empty()) environment_.out << result.summary << "\n";
  for (const auto& key : result.needs_restart) environment_.out << paint("needs restart: ", Tone::kWarn, environment_.color) << key << "\n";
}

}  // namespace fairlead::cli
