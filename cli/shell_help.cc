#include "cli/shell_help.h"

#include <cstdlib>
#include <filesystem>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <optional>
#include <ostream>

#include "admin/status_codec.h"
#include "base/atomic_file.h"
#include "cli/completion.h"
#include "cli/man_pages.h"

namespace fairlead::cli {
namespace {

constexpr Duration kNamesWithin = std::chrono::milliseconds(500);  ///< Nobody waits longer for a TAB.

ConnectOptions connect_of(const CompletionLine& line) {
  ConnectOptions out;
  out.timeout = kNamesWithin;
  if (const char* socket = std::getenv("FAIRLEAD_SOCKET"); socket != nullptr && *socket != '\0') out.socket = socket;
  const auto take = [&](const char* name, std::string& into) {
    if (const auto found = line.options.find(name); found != line.options.end()) into = found->second;
  };
  take("--socket", out.socket);
  take("--server", out.server);
  take("--ca", out.ca);
  take("--cert", out.cert);
  take("--key", out.key);
  return out;
}

std::optional<admin::NodeReport> report_of(const CompletionLine& line, CliEnvironment& environment) {
  const auto reply = environment.api(connect_of(line))->call("GET", "/api/v1/status", "");
  if (!reply || reply->status != 200) return std::nullopt;
  auto report = admin::decode_status(reply->body);
  if (!report) return std::nullopt;
  return std::move(*report);
}

std::vector<std::string> names_in(const admin::NodeReport& report, Named what) {
  std::vector<std::string> out;
  switch (what) {
    case Named::kPool:
      for (const auto& pool : report.pools) out.push_back(pool.name);
      break;
    case Named::kServer:
      for (const auto& pool : report.pools) {
        for (const auto& server : pool.servers) out.push_back(pool.name + "/" + server.name);
      }
      break;
    case Named::kListener:
      for (const auto& listener : report.listeners) out.push_back(listener.name);
      break;
    case Named::kVip:
      for (const auto& vip : report.vips) out.push_back(vip.name);
      break;
    case Named::kNetwork:
      if (report.dhcp) {
        for (const auto& network : report.dhcp->networks) out.push_back(network.name);
      }
      break;
    case Named::kNode:
      if (!report.cluster) out.push_back(report.node);
      if (report.cluster) {
        for (const auto& node : report.cluster->nodes) out.push_back(node.name);
      }
      break;
  }
  return out;
}

}  // namespace

int answer_completion(const VerbModel& program, const std::vector<std::string>& arguments, CliEnvironment& environment) {
  if (arguments.size() < 3 || arguments[2] != "--") return kExitUsage;
  CompletionRequest request{.shell = arguments[1], .words = {arguments.begin() + 3, arguments.end()}};
  environment.out << complete(program, request, [&](const CompletionLine& line, Named what) {
    const auto report = report_of(line, environment);
    return report ? names_in(*report, what) : std::vector<std::string>();
  });
  environment.out.flush();
  return kExitDone;
}

void write_manual(const VerbModel& program, const std::vector<std::string>& arguments, CliEnvironment& environment) {
  if (arguments.size() < 2) throw VerbFailure{kExitUsage, "__man wants the folder to write to"};
  const auto today = std::chrono::system_clock::to_time_t(std::chrono::floor<std::chrono::seconds>(environment.clock.wall()));
  const std::string date = arguments.size() > 2 ? arguments[2] : fmt::format("{:%Y-%m-%d}", fmt::gmtime(today));
  std::error_code failed;
  std::filesystem::create_directories(arguments[1], failed);
  if (failed) throw VerbFailure{kExitFailed, arguments[1] + ": " + failed.message()};
  for (const auto& [name, text] : manual_pages(program, date)) {
    const Status written = write_file_atomically((std::filesystem::path(arguments[1]) / name).string(), text, 0644);
    if (!written) throw VerbFailure{kExitFailed, written.error().message()};
  }
}

}  // namespace fairlead::cli
