#include "base/log_format.h"

#include <boost/json.hpp>
#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace fairlead {
namespace {

const WallTime kWhen{std::chrono::nanoseconds(1795486430123999999)};  // 2026-11-24T02:13:50.123Z

std::string text_value(std::string_view value) {
  std::string out;
  append_text_value(out, value);
  return out;
}

bool has_control(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x20 || c == 0x7f) return true;
    if (c == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0) return true;
  }
  return false;
}

/// Reads a text value back, as a log shipper would.
std::string unquote(std::string_view text) {
  if (!text.starts_with('"')) return std::string(text);
  std::string out;
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    switch (text[++i]) {
      case 'n': out += '\n'; break;
      case 'r': out += '\r'; break;
      case 't': out += '\t'; break;
      case 'x':
        out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
        i += 2;
        break;
      default: out += text[i];
    }
  }
  return out;
}

TEST(LogFormatTest, WritesUtcWithMilliseconds) {
  EXPECT_EQ(format_log_time(kWhen), "2026-11-24T02:13:50.123Z");
  EXPECT_EQ(format_log_time(WallTime{}), "1970-01-01T00:00:00.000Z");
}

TEST(LogFormatTest, WritesAnEventAsOneTextLine) {
  const LogEvent event{kWhen, MessageId::SERVER_DOWN, {{"pool", "masters"}, {"server", "mast-1"}, {"reason", "connection refused"}}};
  EXPECT_EQ(format_event(event, LogFormat::kText),
            "2026-11-24T02:13:50.123Z warning SERVER_DOWN pool=masters server=mast-1 reason=\"connection refused\"");
  EXPECT_EQ(format_event_body(event), "SERVER_DOWN pool=masters server=mast-1 reason=\"connection refused\"");
}

TEST(LogFormatTest, WritesAnEventAsOneJsonObject) {
  const LogEvent event{kWhen, MessageId::SERVER_DOWN, {{"pool", "mas\"ters"}, {"reason", "a\nb"}}};
  const auto object = boost::json::parse(format_event(event, LogFormat::kJson)).as_object();
  EXPECT_EQ(object.at("time").as_string(), "2026-11-24T02:13:50.123Z");
  EXPECT_EQ(object.at("level").as_string(), "warning");
  EXPECT_EQ(object.at("id").as_string(), "SERVER_DOWN");
  EXPECT_EQ(object.at("pool").as_string(), "mas\"ters");
  EXPECT_EQ(object.at("reason").as_string(), "a\nb");
}

TEST(LogFormatTest, LeavesHarmlessValuesBare) {
  EXPECT_EQ(text_value("192.168.4.20:6443"), "192.168.4.20:6443");
  EXPECT_EQ(text_value("m\xc3\xa4st"), "m\xc3\xa4st");
}

TEST(LogFormatTest, QuotesWhatWouldBreakTheLineApart) {
  EXPECT_EQ(text_value(""), "\"\"");
  EXPECT_EQ(text_value("a b"), "\"a b\"");
  EXPECT_EQ(text_value("a=b"), "\"a=b\"");
  EXPECT_EQ(text_value("say \"hi\""), "\"say \\\"hi\\\"\"");
  EXPECT_EQ(text_value("back\\slash"), "\"back\\\\slash\"");
}

TEST(LogFormatTest, EscapesNewlinesTerminalCodesAndBytesThatAreNoText) {
  EXPECT_EQ(text_value("x\n2026-11-24T02:13:50.123Z error FAKE"), "\"x\\n2026-11-24T02:13:50.123Z error FAKE\"");
  EXPECT_EQ(text_value("\x1b[31mred"), "\"\\x1b[31mred\"");
  EXPECT_EQ(text_value("\xc2\x9b"
                       "31m"),
            "\"\\xc2\\x9b31m\"");  // C1 CSI
  EXPECT_EQ(text_value(std::string_view("a\0b", 3)), "\"a\\x00b\"");
  EXPECT_EQ(text_value("\xc0\xaf"), "\"\\xc0\\xaf\"");           // overlong '/'
  EXPECT_EQ(text_value("\xed\xa0\x80"), "\"\\xed\\xa0\\x80\"");  // a surrogate
  EXPECT_EQ(text_value("\xe2\x82"), "\"\\xe2\\x82\"");           // cut off
}

TEST(LogFormatTest, CutsLongValuesBetweenCharacters) {
  std::string value(kLogValueBytesMax - 1, 'a');
  value += "\xc3\xa4\xc3\xa4";
  EXPECT_EQ(text_value(value), "\"" + std::string(kLogValueBytesMax - 1, 'a') + "...\"");
  std::string json;
  append_json_string(json, value);
  EXPECT_EQ(boost::json::parse(json).as_string(), std::string(kLogValueBytesMax - 1, 'a') + "...");
}

TEST(LogFormatTest, TextValuesOfAnyBytesAreSafeAndReadBackAsTheyWere) {
  rc::check([] {
    const auto bytes = *rc::gen::resize(300, rc::gen::container<std::string>(rc::gen::arbitrary<char>()));
    const std::string text = text_value(bytes);
    RC_ASSERT(!has_control(text));
    RC_ASSERT(text.starts_with('"') || text.find_first_of(" =\"") == std::string::npos);
    RC_ASSERT(unquote(text) == bytes);
  });
}

TEST(LogFormatTest, JsonOfAnyBytesIsValidAndFreeOfControls) {
  rc::check([] {
    const auto bytes = *rc::gen::resize(2000, rc::gen::container<std::string>(rc::gen::arbitrary<char>()));
    const LogEvent event{kWhen, MessageId::SERVER_DOWN, {{"reason", bytes}}};
    const std::string line = format_event(event, LogFormat::kJson);
    RC_ASSERT(!has_control(line));
    RC_ASSERT(boost::json::parse(line).as_object().contains("reason"));
  });
}

TEST(LogLineTest, WritesNumbersBareAndStringsQuotedInJson) {
  const std::string line = LogLine(LogFormat::kJson, kWhen, LogLevel::kInfo, "CONNECTION")
                               .add("client", "1.2.3.4:5")
                               .add("bytes", std::uint64_t{7})
                               .add("ms", 1.5)
                               .add("ok", true)
                               .add("nan", std::stod("nan"))
                               .take();
  const auto object = boost::json::parse(line).as_object();
  EXPECT_EQ(object.at("client").as_string(), "1.2.3.4:5");
  EXPECT_EQ(object.at("bytes").as_int64(), 7);
  EXPECT_EQ(object.at("ms").as_double(), 1.5);
  EXPECT_TRUE(object.at("ok").as_bool());
  EXPECT_EQ(object.at("nan").as_string(), "nan");
}

}  // namespace
}  // namespace fairlead
