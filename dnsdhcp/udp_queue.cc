// fairlead: pure
#include "dnsdhcp/udp_queue.h"

#include <charconv>
#include <cstring>
#include <string>
#include <system_error>
#include <vector>

#include <fmt/format.h>

namespace fairlead::dnsdhcp {
namespace {

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> out;
  while (true) {
    const auto begin = line.find_first_not_of(' ');
    if (begin == std::string_view::npos) return out;
    line.remove_prefix(begin);
    const auto end = line.find(' ');
    out.push_back(line.substr(0, end));
    if (end == std::string_view::npos) return out;
    line.remove_prefix(end);
  }
}

/// What stands after the last colon, hexadecimal; 0 where that is no number.
std::uint64_t after_colon(std::string_view word) {
  const auto colon = word.rfind(':');
  if (colon == std::string_view::npos) return 0;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(word.data() + colon + 1, word.data() + word.size(), value, 16);
  return error == std::errc() && end == word.data() + word.size() ? value : 0;
}

/// Calls `use` with the words of each line: sl  local_address rem_address   st tx_queue rx_queue ...
template <class Use>
void each_line(std::string_view text, Use&& use) {
  while (!text.empty()) {
    const auto end = text.find('\n');
    if (const auto words = words_of(text.substr(0, end)); words.size() > 4) use(words);
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

std::uint64_t udp_queue_of(std::string_view text, std::uint16_t port) {
  std::uint64_t sum = 0;
  each_line(text, [&](const auto& words) {
    if (after_colon(words[1]) == port) sum += after_colon(words[4]);
  });
  return sum;
}

bool udp_is_bound_to_all(std::string_view text, std::uint16_t port) {
  bool found = false;
  each_line(text, [&](const auto& words) {
    found = found || (after_colon(words[1]) == port && words[1].substr(0, words[1].find(':')) == "00000000");
  });
  return found;
}

bool udp_is_bound(std::string_view text, const IpAddress& address, std::uint16_t port) {
  // As the kernel prints it: the bytes as a number of the machine's own order.
  std::uint32_t number = 0;
  std::memcpy(&number, address.bytes().data(), sizeof number);
  const std::string wanted = fmt::format("{:08X}", number);
  bool found = false;
  each_line(text, [&](const auto& words) {
    const std::string_view local = words[1].substr(0, words[1].find(':'));
    found = found || (after_colon(words[1]) == port && (local == wanted || local == "00000000"));
  });
  return found;
}

}  // namespace fairlead::dnsdhcp
