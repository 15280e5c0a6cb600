#include "lb/proxy_protocol.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace fairlead::lb {
namespace {

using config::SendProxy;
using namespace std::string_literals;

ProxyParse parse(std::string_view text) { return parse_proxy_header(std::as_bytes(std::span(text))); }
std::string text_of(const ProxyHeaderBytes& header) { return {reinterpret_cast<const char*>(header.view().data()), header.view().size()}; }
Endpoint endpoint(std::string_view text) { return parse_endpoint(text).value(); }
std::string build(SendProxy version, std::string_view source, std::string_view destination) {
  return text_of(build_proxy_header(version, endpoint(source), endpoint(destination)));
}

const std::string kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
std::string v2(std::uint8_t version_and_command, std::uint8_t family, std::string_view payload) {
  std::string out = kSignature;
  out += static_cast<char>(version_and_command);
  out += static_cast<char>(family);
  out += static_cast<char>(payload.size() >> 8);
  out += static_cast<char>(payload.size() & 0xff);
  return out.append(payload);
}
const std::string kV4Payload("\x0a\x00\x00\x01\xc0\xa8\x04\x14\xd4\x31\x19\x2b", 12);  // 10.0.0.1:54321 -> 192.168.4.20:6443

// Every beginning of a header needs more bytes; the whole, and the whole with data behind it, gives the same.
void expect_at_every_length(const std::string& whole, const ProxyHeader& expected) {
  for (std::size_t n = 0; n < whole.size(); ++n) EXPECT_EQ(parse(whole.substr(0, n)), ProxyParse{ProxyNeedMore{}}) << n;
  EXPECT_EQ(parse(whole), ProxyParse{expected});
  EXPECT_EQ(parse(whole + "\x16\x03\x01 and data\r\n"), ProxyParse{expected});
}

bool refused(const std::string& bytes) { return std::holds_alternative<ProxyError>(parse(bytes)); }

TEST(ProxyProtocolV1, ReadsBothFamilies) {
  const std::string v4 = "PROXY TCP4 10.0.0.1 192.168.4.20 54321 6443\r\n";
  expect_at_every_length(v4, {v4.size(), false, endpoint("10.0.0.1:54321"), endpoint("192.168.4.20:6443")});

  const std::string v6 = "PROXY TCP6 2001:db8::1 ::1 0 65535\r\n";
  expect_at_every_length(v6, {v6.size(), false, endpoint("[2001:db8::1]:0"), endpoint("[::1]:65535")});
}

TEST(ProxyProtocolV1, TakesUnknownWithoutAddresses) {
  for (const std::string line : {"PROXY UNKNOWN\r\n", "PROXY UNKNOWN ffff::1 whatever 1 2 3\r\n"}) {
    expect_at_every_length(line, {line.size(), false, std::nullopt, std::nullopt});
  }
}

TEST(ProxyProtocolV1, AcceptsALineOf107BytesAndRefusesALongerOne) {
  const std::string longest = "PROXY UNKNOWN " + std::string(107 - 14 - 2, 'x') + "\r\n";
  ASSERT_EQ(longest.size(), kProxyV1BytesMax);
  expect_at_every_length(longest, {107, false, std::nullopt, std::nullopt});

  const std::string longer = "PROXY UNKNOWN " + std::string(107 - 14 - 1, 'x') + "\r\n";
  EXPECT_TRUE(refused(longer));
  EXPECT_TRUE(refused(longer.substr(0, 107)));
}

TEST(ProxyProtocolV1, RefusesWhatTheSpecificationForbids) {
  for (const std::string line : {
           "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\n",  // no CR
           "PROXY \n",
           "PROXY \r\n",
           "PROXY\r\n",
           "PROXY TCP4 10.0.0.1 10.0.0.2 1\r\n",      // a field short
           "PROXY TCP4 10.0.0.1 10.0.0.2 1 2 3\r\n",  // a field more
           "PROXY TCP4 10.0.0.1 10.0.0.2 1 2 \r\n",
           "PROXY TCP4  10.0.0.1 10.0.0.2 1 2\r\n",  // two spaces
           "PROXY TCP4 10.0.0.1 10.0.0.2 01 2\r\n",  // leading zeros
           "PROXY TCP4 10.0.0.01 10.0.0.2 1 2\r\n",
           "PROXY TCP4 10.0.0.1 10.0.0.2 1 65536\r\n",
           "PROXY TCP4 10.0.0.1 10.0.0.2 -1 2\r\n",
           "PROXY TCP4 10.0.0.1 10.0.0.2 +1 2\r\n",
           "PROXY TCP4 ::1 10.0.0.2 1 2\r\n",  // family and address disagree
           "PROXY TCP6 ::1 10.0.0.2 1 2\r\n",
           "PROXY TCP6 ::1%lo ::1 1 2\r\n",
           "PROXY TCP 10.0.0.1 10.0.0.2 1 2\r\n",
           "PROXY UDP4 10.0.0.1 10.0.0.2 1 2\r\n",
           "PROXY tcp4 10.0.0.1 10.0.0.2 1 2\r\n",
           "PROXY UNKNOWNX\r\n",
       }) {
    EXPECT_TRUE(refused(line)) << line;
  }
  EXPECT_TRUE(refused("PROXY TCP4 10.0.0.1\0 10.0.0.2 1 2\r\n"s));
}

TEST(ProxyProtocol, RefusesAtTheFirstByteThatCannotBegin) {
  for (const std::string bytes : {"G", "GET / HTTP/1.1\r\n", "PROXX", "proxy ", "\x16\x03\x01", "\r\n\r\n\r", " PROXY TCP4"}) {
    EXPECT_TRUE(refused(bytes)) << bytes;
  }
}

TEST(ProxyProtocolV2, ReadsBothFamilies) {
  const std::string v4 = v2(0x21, 0x11, kV4Payload);
  expect_at_every_length(v4, {28, false, endpoint("10.0.0.1:54321"), endpoint("192.168.4.20:6443")});

  std::string payload(36, '\0');
  payload[0] = '\x20';
  payload[1] = '\x01';
  payload[15] = '\x01';
  payload[31] = '\x02';
  payload[33] = '\x07';
  payload[35] = '\x08';
  expect_at_every_length(v2(0x21, 0x21, payload), {52, false, endpoint("[2001::1]:7"), endpoint("[::2]:8")});
}

TEST(ProxyProtocolV2, SkipsExtensionsUnread) {
  const std::string with_tlv = v2(0x21, 0x11, kV4Payload + std::string("\x04\x00\x03xyz\xff\xff\xff", 9));
  expect_at_every_length(with_tlv, {37, false, endpoint("10.0.0.1:54321"), endpoint("192.168.4.20:6443")});
}

TEST(ProxyProtocolV2, TakesLocalWhateverItsAddresses) {
  for (const std::string& bytes : {v2(0x20, 0x00, ""), v2(0x20, 0x11, kV4Payload), v2(0x20, 0x21, "short")}) {
    expect_at_every_length(bytes, {bytes.size(), true, std::nullopt, std::nullopt});
  }
}

TEST(ProxyProtocolV2, TakesUnspecUnixAndDatagramWithoutAddresses) {
  for (const int family : {0x00, 0x01, 0x02, 0x10, 0x12, 0x20, 0x22, 0x30, 0x31, 0x32}) {
    const std::string bytes = v2(0x21, static_cast<std::uint8_t>(family), std::string(216, '\xaa'));
    expect_at_every_length(bytes, {bytes.size(), false, std::nullopt, std::nullopt});
  }
}

TEST(ProxyProtocolV2, RefusesWhatItDoesNotKnowAsSoonAsItSeesIt) {
  for (const int version_and_command : {0x00, 0x11, 0x22, 0x2f, 0x31, 0xff}) {
    EXPECT_TRUE(refused(kSignature + static_cast<char>(version_and_command))) << version_and_command;
  }
  for (const int family : {0x03, 0x13, 0x40, 0x41, 0xff}) EXPECT_TRUE(refused(kSignature + "\x21" + static_cast<char>(family))) << family;
}

TEST(ProxyProtocolV2, RefusesALengthBelowItsAddressesAndAboveTheBound) {
  EXPECT_TRUE(refused(v2(0x21, 0x11, std::string(11, 'x')).substr(0, 16)));
  EXPECT_TRUE(refused(v2(0x21, 0x21, std::string(35, 'x')).substr(0, 16)));

  const std::string longest = v2(0x21, 0x00, std::string(kProxyV2BytesMax - 16, 'x'));
  EXPECT_EQ(parse(longest), (ProxyParse{ProxyHeader{kProxyV2BytesMax, false, std::nullopt, std::nullopt}}));
  EXPECT_TRUE(refused(v2(0x21, 0x00, std::string(kProxyV2BytesMax - 15, 'x')).substr(0, 16)));
}

TEST(ProxyProtocolWriting, WritesTheTextForm) {
  EXPECT_EQ(build(SendProxy::kV1, "10.0.0.1:54321", "192.168.4.20:6443"), "PROXY TCP4 10.0.0.1 192.168.4.20 54321 6443\r\n");
  EXPECT_EQ(build(SendProxy::kV1, "[2001:db8::1]:1", "[::1]:2"), "PROXY TCP6 2001:db8::1 ::1 1 2\r\n");
}

TEST(ProxyProtocolWriting, WritesTheBinaryForm) {
  EXPECT_EQ(build(SendProxy::kV2, "10.0.0.1:54321", "192.168.4.20:6443"), v2(0x21, 0x11, kV4Payload));
}

TEST(ProxyProtocolWriting, WritesNothingWhenOff) { EXPECT_EQ(build(SendProxy::kOff, "10.0.0.1:1", "10.0.0.2:2"), ""); }

TEST(ProxyProtocolWriting, WritesMappedAddressesAsIpv4) {
  EXPECT_EQ(build(SendProxy::kV1, "[::ffff:10.0.0.1]:1", "10.0.0.2:2"), "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n");
  EXPECT_EQ(build(SendProxy::kV2, "[::ffff:10.0.0.1]:54321", "[::ffff:192.168.4.20]:6443"), v2(0x21, 0x11, kV4Payload));
}

TEST(ProxyProtocolWriting, WritesMixedFamiliesAsUnknownOrMapped) {
  EXPECT_EQ(build(SendProxy::kV1, "10.0.0.1:1", "[::1]:2"), "PROXY UNKNOWN\r\n");
  const ProxyParse parsed = parse(build(SendProxy::kV2, "10.0.0.1:1", "[::1]:2"));
  EXPECT_EQ(parsed, (ProxyParse{ProxyHeader{52, false, endpoint("[::ffff:10.0.0.1]:1"), endpoint("[::1]:2")}}));
}

TEST(ProxyProtocolWriting, FitsItsBufferWithTheLongestAddresses) {
  const std::string longest = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535";
  EXPECT_EQ(build(SendProxy::kV1, longest, longest).size(), 104U);
}

Endpoint any_endpoint(bool v6) {
  const auto port = *rc::gen::arbitrary<std::uint16_t>();
  if (!v6) return {IpAddress::v4(*rc::gen::arbitrary<std::array<std::uint8_t, 4>>()), port};
  return {IpAddress::v6(*rc::gen::arbitrary<std::array<std::uint8_t, 16>>()), port};
}

RC_GTEST_PROP(ProxyProtocolProperty, ReadsWhatItWrites, ()) {
  const bool v6 = *rc::gen::arbitrary<bool>();
  const Endpoint source = any_endpoint(v6);
  const Endpoint destination = any_endpoint(v6);
  for (const SendProxy version : {SendProxy::kV1, SendProxy::kV2}) {
    const std::string bytes = text_of(build_proxy_header(version, source, destination));
    const auto mixed = source.address.unmapped().family() != destination.address.unmapped().family();
    if (mixed) continue;
    for (std::size_t n = 0; n < bytes.size(); ++n) RC_ASSERT(parse(bytes.substr(0, n)) == ProxyParse{ProxyNeedMore{}});
    const Endpoint from{source.address.unmapped(), source.port};
    const Endpoint to{destination.address.unmapped(), destination.port};
    RC_ASSERT(parse(bytes + "data") == (ProxyParse{ProxyHeader{bytes.size(), false, from, to}}));
  }
}

RC_GTEST_PROP(ProxyProtocolProperty, NeverChangesItsMindAsBytesArrive, ()) {
  // A valid header with a few bytes changed: once an answer other than "more" is given, longer input gives the same one.
  std::string bytes = *rc::gen::elementOf(std::vector<std::string>{"PROXY TCP4 10.0.0.1 192.168.4.20 54321 6443\r\nrest",
                                                                   v2(0x21, 0x11, kV4Payload) + "rest", v2(0x20, 0x21, "x")});
  const auto changes = *rc::gen::inRange(0, 4);
  for (int i = 0; i < changes; ++i) bytes[*rc::gen::inRange<std::size_t>(0, bytes.size())] = *rc::gen::arbitrary<char>();
  ProxyParse answer = ProxyNeedMore{};
  for (std::size_t n = 0; n <= bytes.size(); ++n) {
    const ProxyParse next = parse(bytes.substr(0, n));
    if (std::holds_alternative<ProxyHeader>(answer)) RC_ASSERT(next == answer);
    if (std::holds_alternative<ProxyError>(answer)) RC_ASSERT(std::holds_alternative<ProxyError>(next));
    if (const auto* header = std::get_if<ProxyHeader>(&next)) RC_ASSERT(header->length <= n);
    answer = next;
  }
}

}  // namespace
}  // namespace fairlead::lb
