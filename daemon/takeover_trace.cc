#include "daemon/takeover_trace.h"

#include <array>
#include <boost/describe.hpp>
#include <boost/json.hpp>
#include <deque>
#include <memory>
#include <stdexcept>

#include "base/overloaded.h"
#include "daemon/flight_notes.h"
#include "membership/message_codec.h"

namespace json = boost::json;

// Conversions, found by the types' namespaces; so none can be in an unnamed one. Here: of types that belong to no namespace of ours.
namespace boost::json {
inline void tag_invoke(value_from_tag /*unused*/, value& out, const fairlead::Duration& duration) { out = duration.count(); }
inline fairlead::Duration tag_invoke(value_to_tag<fairlead::Duration> /*unused*/, const value& in) {
  return fairlead::Duration(in.to_number<std::int64_t>());
}
}  // namespace boost::json

namespace fairlead {
namespace {

const membership::MessageCodec kCodec("trace");

std::string to_hex(const std::vector<std::byte>& bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const std::byte b : bytes) {
    out += kDigits[std::to_integer<std::size_t>(b >> 4)];
    out += kDigits[std::to_integer<std::size_t>(b & std::byte{15})];
  }
  return out;
}

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  throw std::runtime_error("a message is no hexadecimal number");
}

/// What the codec refuses was never sent: such a line says why.
std::string to_text(const ClusterMessage& message) {
  std::vector<std::byte> bytes;
  const Status encoded = kCodec.encode(message, bytes);
  return encoded ? to_hex(bytes) : encoded.error().message();
}

std::vector<std::byte> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) throw std::runtime_error("a message is cut");
  std::vector<std::byte> out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) out.push_back(static_cast<std::byte>(digit_of(text[i]) << 4 | digit_of(text[i + 1])));
  return out;
}

ClusterMessage message_of(std::string_view text) {
  auto decoded = kCodec.decode(from_hex(text));
  if (!decoded.message) throw std::runtime_error("a message is " + std::string(to_string(decoded.outcome)));
  return std::move(*decoded.message);
}

}  // namespace

template <class Enum>
requires std::is_enum_v<Enum>
inline void tag_invoke(json::value_from_tag /*unused*/, json::value& out, Enum e) { out = static_cast<std::underlying_type_t<Enum>>(e); }
template <class Enum>
requires std::is_enum_v<Enum> Enum tag_invoke(json::value_to_tag<Enum> /*unused*/, const json::value& in) {
  return static_cast<Enum>(in.to_number<std::underlying_type_t<Enum>>());
}
inline void tag_invoke(json::value_from_tag /*unused*/, json::value& out, const Instant& at) { out = at.time_since_epoch().count(); }
inline Instant tag_invoke(json::value_to_tag<Instant> /*unused*/, const json::value& in) {
  return Instant(Duration(in.to_number<std::int64_t>()));
}
inline void tag_invoke(json::value_from_tag /*unused*/, json::value& out, const IpPrefix& prefix) { out = prefix.to_string(); }
inline IpPrefix tag_invoke(json::value_to_tag<IpPrefix> /*unused*/, const json::value& in) {
  const auto prefix = parse_ip_prefix(in.as_string());
  if (!prefix) throw std::runtime_error(prefix.error().message());
  return *prefix;
}
BOOST_DESCRIBE_STRUCT(RingId, (), (representative, sequence))
BOOST_DESCRIBE_STRUCT(ClusterProcess, (), (node, pid))
BOOST_DESCRIBE_STRUCT(ClusterView, (), (ring, nodes, processes, quorate))
BOOST_DESCRIBE_STRUCT(Stamp, (), (sequence, node))
BOOST_DESCRIBE_STRUCT(Override, (), (kind, name, on, stamp))

namespace config {
BOOST_DESCRIBE_STRUCT(Announce, (), (count, repeat, refresh))
}  // namespace config

namespace vip {
template <class Enum>
requires std::is_enum_v<Enum>
inline void tag_invoke(json::value_from_tag tag, json::value& out, Enum e) { fairlead::tag_invoke(tag, out, e); }
template <class Enum>
requires std::is_enum_v<Enum> Enum tag_invoke(json::value_to_tag<Enum> tag, const json::value& in) { return fairlead::tag_invoke(tag, in); }

BOOST_DESCRIBE_STRUCT(Timing, (), (token, consensus))
BOOST_DESCRIBE_STRUCT(NodeName, (), (id, name))
BOOST_DESCRIBE_STRUCT(VipSettings, (),
                      (name, address, group, prefer, preempt, preempt_delay, kernel_lease, takeover_probe, announce, placement,
                       config_hash))
BOOST_DESCRIBE_STRUCT(Settings, (),
                      (self, nodes, vips, qdevice_votes, has_tie_break, tie_needs_all, tie_targets, start_wait, serve_stable, cluster_hash,
                       version))
BOOST_DESCRIBE_STRUCT(LocalVip, (), (able, serves, gateway_ok, reason))
BOOST_DESCRIBE_STRUCT(KernelAnswer, (), (ok, error, unsure, foreign))
BOOST_DESCRIBE_STRUCT(TurnInput, (), (now, boot))
BOOST_DESCRIBE_STRUCT(TickInput, (), ())
BOOST_DESCRIBE_STRUCT(TimingInput, (), (timing))
BOOST_DESCRIBE_STRUCT(ViewInput, (), (view, self))
BOOST_DESCRIBE_STRUCT(LostInput, (), ())
inline void tag_invoke(json::value_from_tag /*unused*/, json::value& out, const DeliveredInput& input) {
  out = json::object{{"from", json::value_from(input.from)}, {"message", to_text(input.message)}};
}
inline DeliveredInput tag_invoke(json::value_to_tag<DeliveredInput> /*unused*/, const json::value& in) {
  const json::object& object = in.as_object();
  return {json::value_to<ClusterProcess>(object.at("from")), message_of(object.at("message").as_string())};
}
BOOST_DESCRIBE_STRUCT(LocalInput, (), (vip, facts))
BOOST_DESCRIBE_STRUCT(TieAnsweredInput, (), (target))
BOOST_DESCRIBE_STRUCT(ThirdVoteInput, (), (counted, asked))
BOOST_DESCRIBE_STRUCT(KernelDoneInput, (), (vip, what, answer))
BOOST_DESCRIBE_STRUCT(ResetDoneInput, (), (vip, epoch))
BOOST_DESCRIBE_STRUCT(KernelGoneInput, (), (vip))
BOOST_DESCRIBE_STRUCT(AnsweredInput, (), (vip, mac, gateway))
BOOST_DESCRIBE_STRUCT(ClaimedInput, (), (vip, mac))
BOOST_DESCRIBE_STRUCT(ProbedInput, (), (vip))
BOOST_DESCRIBE_STRUCT(ProbeFailedInput, (), (vip))
BOOST_DESCRIBE_STRUCT(ConfigureInput, (), (settings))
BOOST_DESCRIBE_STRUCT(LeaveInput, (), ())
BOOST_DESCRIBE_STRUCT(MoveInput, (), (vip, to))
BOOST_DESCRIBE_STRUCT(WishInput, (), (kind, name, on, force))
BOOST_DESCRIBE_STRUCT(ForceInput, (), (vip, fenced))
}  // namespace vip

namespace daemon {
namespace {

/// To be raised with every change of what is described above.
constexpr int kTraceVersion = 2;

/// In the variant's order.
constexpr std::array<std::string_view, std::variant_size_v<vip::TakeoverInput>> kInputNames{
    "turn",         "tick",         "timing",      "view",       "lost",        "delivered", "local",
    "tie_answered", "third_vote",   "kernel_done", "reset_done", "kernel_gone", "answered",  "claimed",
    "probed",       "probe_failed", "configure",   "leave",      "move",        "wish",      "force"};

json::array fields_of(const vip::TakeoverNote& note) {
  json::array out;
  for (const LogField& field : note.fields) out.push_back(json::array{field.key, field.value});
  return out;
}

template <std::size_t I = 0>
vip::TakeoverInput input_of(std::size_t index, const json::value& with) {
  if constexpr (I < std::variant_size_v<vip::TakeoverInput>) {
    if (index == I) return json::value_to<std::variant_alternative_t<I, vip::TakeoverInput>>(with);
    return input_of<I + 1>(index, with);
  }
  throw std::runtime_error("no such input");
}

/// One life after the other.
class Replay {
 public:
  /// Of a life that was cut off nothing more can be expected.
  static bool begins_a_life(const std::string& text) { return text.starts_with(R"({"trace":)"); }

  void line(const std::string& text) {
    const json::value parsed = json::parse(text);
    const json::object& object = parsed.as_object();
    if (object.contains("out")) return expect(text);
    if (begins_a_life(text)) return begin(object);
    if (!due_.empty()) throw std::runtime_error("before it, and not recorded: " + due_.front());
    play(object.at("in").as_string(), object.at("with"));
  }
  [[nodiscard]] const TraceReplay& report() const { return report_; }

 private:
  void begin(const json::object& object) {
    if (object.at("trace").to_number<int>() != kTraceVersion) throw std::runtime_error("a trace of another release");
    due_.clear();
    core_ = std::make_unique<vip::TakeoverCore>(
        json::value_to<vip::Settings>(object.at("settings")), object.at("incarnation").to_number<Incarnation>(),
        json::value_to<std::vector<Override>>(object.at("kept")), json::value_to<Instant>(object.at("now")));
    ++report_.lives;
  }
  void play(std::string_view name, const json::value& with) {
    const auto* found = std::find(kInputNames.begin(), kInputNames.end(), name);
    if (found == kInputNames.end()) throw std::runtime_error("no input is called " + std::string(name));
    if (!core_) throw std::runtime_error("an input before the beginning of a life");
    vip::TakeoverActions actions;
    // A refusal was the caller's affair, and is one again.
    (void)vip::apply(*core_, input_of(static_cast<std::size_t>(found - kInputNames.begin()), with), actions);
    for (const vip::TakeoverAction& action : actions) due_.push_back(trace_action(action));
    ++report_.inputs;
  }
  void expect(const std::string& text) {
    if (due_.empty()) throw std::runtime_error("recorded, and not answered now: " + text);
    if (due_.front() != text + "\n") throw std::runtime_error("recorded " + text + ", now " + due_.front());
    due_.pop_front();
    ++report_.actions;
  }

  std::unique_ptr<vip::TakeoverCore> core_;
  std::deque<std::string> due_;
  TraceReplay report_;
};

}  // namespace

std::string trace_begin(const vip::Settings& settings, Incarnation incarnation, const std::vector<Override>& kept, Instant now) {
  return "\n" +
         json::serialize(json::object{{"trace", kTraceVersion},
                                      {"settings", json::value_from(settings)},
                                      {"incarnation", incarnation},
                                      {"kept", json::value_from(kept)},
                                      {"now", json::value_from(now)}}) +
         "\n";
}

std::string trace_input(const vip::TakeoverInput& input) {
  const json::value with = std::visit([](const auto& i) { return json::value_from(i); }, input);
  return json::serialize(json::object{{"in", kInputNames[input.index()]}, {"with", with}}) + "\n";
}

std::string trace_action(const vip::TakeoverAction& action) {
  json::object line;
  std::visit(Overloaded{
                 [&](const vip::SendMessage& a) {
                   line = {{"out", "send"}, {"kind", membership::kind_name(a.message)}, {"message", to_text(a.message)}};
                 },
                 [&](const vip::VipAction& a) {
                   line = {{"out", step_name(a.kind)}, {"vip", a.vip}, {"epoch", a.epoch}};
                 },
                 [&](const vip::ProbeTie&) {
                   line = {{"out", "probe_tie"}};
                 },
                 [&](const vip::KeepOverrides& a) {
                   line = {{"out", "keep_overrides"}, {"overrides", json::value_from(a.overrides)}};
                 },
                 [&](const vip::TakeoverNote& a) {
                   line = {{"out", "note"}, {"id", to_string(a.id)}, {"fields", fields_of(a)}};
                 },
             },
             action);
  return json::serialize(line) + "\n";
}

Result<TraceReplay> replay_trace(std::istream& trace) {
  Replay replay;
  std::size_t number = 0;
  std::string cut;  ///< What is wrong with a line that may be the last of a life that was killed, or whose disk was full.
  for (std::string line; std::getline(trace, line) && !trace.eof();) {
    ++number;
    if (line.empty()) continue;
    if (Replay::begins_a_life(line)) cut.clear();
    if (!cut.empty()) return Error{Errc::kInvalidArgument, cut};
    try {
      replay.line(line);
    } catch (const boost::system::system_error& problem) {
      cut = "line " + std::to_string(number) + ": " + problem.what();
    } catch (const std::exception& problem) {
      return Error{Errc::kInvalidArgument, "line " + std::to_string(number) + ": " + problem.what()};
    }
  }
  if (!cut.empty() && replay.report().lives == 0) return Error{Errc::kInvalidArgument, cut};
  if (replay.report().lives == 0) return Error{Errc::kInvalidArgument, "no trace: no line begins a life"};
  return replay.report();
}

}  // namespace daemon
}  // namespace fairlead
