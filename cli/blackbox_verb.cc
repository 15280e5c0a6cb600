#include "cli/blackbox_verb.h"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <fmt/format.h>
#include <ostream>

#include "admin/json_text.h"
#include "base/atomic_file.h"
#include "base/flight_files.h"
#include "base/log_format.h"
#include "base/units.h"
#include "cli/text_table.h"
#include "cli/yaml_text.h"

namespace fairlead::cli {
namespace {

constexpr std::size_t kFileBytesMax = std::size_t{80} << 20;

/// How many entries at the end are wanted.
std::size_t wanted(const std::string& last, const std::vector<BlackboxEntry>& entries) {
  std::size_t count = 0;
  const auto [end, failed] = std::from_chars(last.data(), last.data() + last.size(), count);
  if (failed == std::errc() && end == last.data() + last.size() && count > 0) return std::min(count, entries.size());
  const auto stretch = parse_duration(last);
  if (!stretch || *stretch <= Duration::zero())
    fail(kExitUsage, "--last '" + last + "': write a number of entries (200) or how far back (10m)");
  if (entries.empty()) return 0;
  const WallTime from = entries.back().time - *stretch;
  const auto first = std::find_if(entries.begin(), entries.end(), [&](const BlackboxEntry& e) { return e.time >= from; });
  return static_cast<std::size_t>(entries.end() - first);
}

/// The ring of a daemon that died or hangs, and the one put aside when it could not be written out.
std::vector<Flight> rings_of(const std::string& socket) {
  std::vector<Flight> out;
  const std::string ring = socket + std::string(kFlightRingSuffix);
  for (const std::string& path : {ring, ring + std::string(kFlightAsideSuffix)}) {
    auto left = read_flight(path);
    if (left && *left) out.push_back({.origin = path, .file = std::move((*left)->dump)});
  }
  return out;
}

WallTime newest_time(const std::string& file) {
  const auto entries = parse_blackbox(file);
  return entries && !entries->empty() ? entries->back().time : WallTime{};
}

/// Nothing: no daemon answers on this machine; that was said.
std::optional<Flight> live_flight(DaemonCalls& calls) {
  calls.expect_a_hung_daemon();
  try {
    return Flight{.origin = "the daemon", .file = calls.fetch("/api/v1/blackbox"), .live = true};
  } catch (const VerbFailure& failure) {
    if (failure.exit_code != kExitUnreachable || !calls.options().connect.server.empty()) throw;
    calls.environment().err << failure.message << "\n";
    return std::nullopt;
  }
}

Flight find_flight(const BlackboxRequest& request, DaemonCalls& calls) {
  if (!request.file.empty()) {
    auto file = read_file(request.file, kFileBytesMax);
    if (!file) fail(kExitFailed, file.error().message());
    return {.origin = request.file, .file = std::move(*file)};
  }
  if (auto live = live_flight(calls)) return std::move(*live);
  auto left = newest_local_flight(look_at_local_node(request.config, calls.options(), calls.environment()));
  if (!left) fail(kExitUnreachable, "no daemon answers, and " + left.error().message());
  return std::move(*left);
}

void print_document(const Flight& flight, const std::vector<BlackboxEntry>& entries, std::size_t count, DaemonCalls& calls) {
  boost::json::array list;
  for (auto at = entries.end() - static_cast<std::ptrdiff_t>(count); at != entries.end(); ++at) {
    list.emplace_back(boost::json::object{{"time", format_log_time(at->time)},
                                          {"level", admin::json_string(to_string(at->level))},
                                          {"id", admin::json_string(at->name)},
                                          {"text", admin::json_string(at->text)}});
  }
  const boost::json::object document{
      {"source", admin::json_string(flight.origin)}, {"total", entries.size()}, {"entries", std::move(list)}};
  calls.environment().out << (calls.options().format == OutputFormat::kJson ? admin::json_text(document, admin::JsonStyle::kPretty) + "\n"
                                                                            : yaml_text(document));
}

}  // namespace

std::string entry_text(const BlackboxEntry& entry, bool color) {
  Tone tone = Tone::kPlain;
  if (entry.level == LogLevel::kError) tone = Tone::kBad;
  if (entry.level == LogLevel::kWarning) tone = Tone::kWarn;
  if (entry.level >= LogLevel::kDebug) tone = Tone::kDim;
  std::string name;
  std::string text;
  for (const auto& [from, to] : {std::pair{&entry.name, &name}, {&entry.text, &text}}) {
    for (const char c : *from) *to += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;  // Of a file that is not ours.
  }
  return fmt::format("{} {} {}{}{}\n", format_log_time(entry.time), paint(fmt::format("{:<7}", to_string(entry.level)), tone, color),
                     paint(name, entry.level >= LogLevel::kDebug ? Tone::kDim : Tone::kStrong, color), text.empty() ? "" : " ", text);
}

Result<Flight> newest_local_flight(const LocalNode& node) {
  std::vector<Flight> found = rings_of(node.socket);
  if (const auto kept = kept_flights(node.state_dir); !kept.empty()) {
    auto file = read_file(kept.back(), kFileBytesMax, Links::kRefuse);
    if (!file && found.empty()) return file.error();
    if (file) found.push_back({.origin = kept.back(), .file = std::move(*file)});
  }
  const auto newest = std::max_element(found.begin(), found.end(),
                                       [](const Flight& a, const Flight& b) { return newest_time(a.file) < newest_time(b.file); });
  if (newest != found.end()) return std::move(*newest);
  return Error{Errc::kNotFound, "none left a flight recorder here: neither " + node.socket + std::string(kFlightRingSuffix) +
                                    " nor a file in " + node.state_dir + "/" + std::string(kFlightFolder) +
                                    " can be read (root may; --config names another node's file)"};
}

void show_blackbox(const BlackboxRequest& request, DaemonCalls& calls) {
  CliEnvironment& environment = calls.environment();
  (void)wanted(request.last, {});  // Refused before anybody is asked.
  const Flight flight = find_flight(request, calls);
  auto parsed = parse_blackbox(flight.file);
  if (!parsed) fail(kExitFailed, flight.origin + ": " + parsed.error().message());
  const auto& entries = *parsed;
  const std::size_t count = wanted(request.last, entries);
  if (!request.out.empty()) {
    if (auto written = write_file_atomically(request.out, flight.file); !written) fail(kExitFailed, written.error().message());
    environment.err << "wrote " << request.out << " (qb-blackbox reads it, too)\n";
  }
  if (calls.options().format != OutputFormat::kText) return print_document(flight, entries, count, calls);
  for (auto at = entries.end() - static_cast<std::ptrdiff_t>(count); at != entries.end(); ++at)
    environment.out << entry_text(*at, environment.color);
  if (!flight.live) {
    const std::string ended =
        entries.empty() ? "" : "; its last entry is " + age_text(to_seconds(environment.clock.wall() - entries.back().time)) + " old";
    environment.err << "from " << flight.origin << ended << "\n";
  }
  if (count < entries.size()) environment.err << "the newest " << count << " of " << entries.size() << " entries; --last shows more\n";
}

}  // namespace fairlead::cli
