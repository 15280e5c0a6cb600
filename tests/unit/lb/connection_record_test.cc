#include "lb/connection_record.h"

#include <algorithm>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace fairlead::lb {
namespace {

using namespace std::chrono_literals;

ConnectionRecord make_record() {
  ConnectionRecord record;
  record.ended = WallTime(1'795'486'430'123ms);
  record.client = parse_endpoint("10.0.0.7:51234").value();
  record.local = parse_endpoint("[fd00::4]:40000").value();
  record.connect_ms = 3;
  record.total_ms = 65'000;
  record.bytes_in = 1200;
  record.bytes_out = 18'446'744'073'709'551'615ULL;
  record.letters = letters_of(EndCause::kServerIdle);
  record.listener_connections = 12;
  record.server_connections = 4;
  record.retries = 1;
  set_name(record.listener, "kube-api");
  set_name(record.pool, "masters");
  set_name(record.server, "mast-1");
  return record;
}
std::string line_of(const ConnectionRecord& record, LogFormat format) {
  return format_connection_record(std::as_bytes(std::span(&record, 1)), format);
}

TEST(ConnectionRecord, BecomesALineOfText) {
  EXPECT_EQ(line_of(make_record(), LogFormat::kText),
            "2026-11-24T02:13:50.123Z info CONNECTION listener=kube-api client=10.0.0.7:51234 server=masters/mast-1 local=[fd00::4]:40000 "
            "connect_ms=3 total_ms=65000 bytes_in=1200 bytes_out=18446744073709551615 end=sD listener_connections=12 server_connections=4 "
            "retries=1");
}

TEST(ConnectionRecord, BecomesAJsonObject) {
  EXPECT_EQ(line_of(make_record(), LogFormat::kJson),
            R"({"time":"2026-11-24T02:13:50.123Z","level":"info","id":"CONNECTION","listener":"kube-api","client":"10.0.0.7:51234",)"
            R"("server":"masters/mast-1","local":"[fd00::4]:40000","connect_ms":3,"total_ms":65000,"bytes_in":1200,)"
            R"("bytes_out":18446744073709551615,"end":"sD","listener_connections":12,"server_connections":4,"retries":1})");
}

TEST(ConnectionRecord, ShowsThatNoServerWasReached) {
  ConnectionRecord record = make_record();
  record.connect_ms = -1;
  record.local = {};
  set_name(record.server, "");
  const std::string line = line_of(record, LogFormat::kText);

  EXPECT_NE(line.find(" server=masters/- local=- connect_ms=-1 "), std::string::npos) << line;
}

TEST(ConnectionRecord, FitsTheLogQueue) { EXPECT_LE(sizeof(ConnectionRecord), kLogLineBytesMax); }

TEST(ConnectionRecord, KeepsANameThatJustFitsAndMarksALongerOne) {
  ShortName<8> name{};
  set_name(name, "12345678");
  EXPECT_EQ(text_of(name), "12345678");
  set_name(name, "123456789");
  EXPECT_EQ(text_of(name), "1234567~");
  set_name(name, "12");
  EXPECT_EQ(text_of(name), "12");
  EXPECT_EQ(name, (ShortName<8>{'1', '2'}));
}

RC_GTEST_PROP(ConnectionRecordProperty, StaysOneLineWhateverTheNames, ()) {
  ConnectionRecord record = make_record();
  const auto name = *rc::gen::container<std::string>(
      rc::gen::weightedOneOf<char>({{3, rc::gen::inRange<char>(33, 126)}, {1, rc::gen::arbitrary<char>()}}));
  set_name(record.listener, name);
  set_name(record.server, name);
  for (const LogFormat format : {LogFormat::kText, LogFormat::kJson}) {
    const std::string line = line_of(record, format);
    RC_ASSERT(std::none_of(line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 32 || c == 127; }));
  }
}

}  // namespace
}  // namespace fairlead::lb
