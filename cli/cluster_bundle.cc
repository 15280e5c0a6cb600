// fairlead: pure
#include "cli/cluster_bundle.h"

#include <boost/json.hpp>
#include <optional>
#include <vector>

#include "admin/json_text.h"

namespace fairlead::cli {
namespace {

constexpr int kVersion = 1;

std::string to_hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += kDigits[byte >> 4U];
    out += kDigits[byte & 15U];
  }
  return out;
}

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  return std::nullopt;
}

std::optional<std::string> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const auto high = hex_digit(text[i]);
    const auto low = hex_digit(text[i + 1]);
    if (!high || !low) return std::nullopt;
    out += static_cast<char>(*high << 4U | *low);
  }
  return out;
}

std::optional<std::string> text_at(const boost::json::object& object, const char* key) {
  const auto* value = object.if_contains(key);
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return std::string(value->get_string().c_str(), value->get_string().size());
}

}  // namespace

std::string encode_bundle(const ClusterBundle& bundle) {
  return admin::json_text(boost::json::object{{"fairlead_cluster", kVersion},
                                              {"authkey", admin::json_string(to_hex(bundle.authkey))},
                                              {"corosync_conf", admin::json_string(bundle.corosync_conf)},
                                              {"fairlead_yaml", admin::json_string(bundle.fairlead_yaml)}}) +
         "\n";
}

Result<ClusterBundle> decode_bundle(std::string_view text) {
  const auto wrong = [](const char* why) {
    return Error{Errc::kInvalidArgument, std::string("this is not what `fairlead cluster setup` hands over: ") + why};
  };
  boost::system::error_code failed;
  const auto document = boost::json::parse({text.data(), text.size()}, failed);
  if (failed || !document.is_object()) return wrong("no JSON object");
  const auto& object = document.get_object();
  const auto* version = object.if_contains("fairlead_cluster");
  if (version == nullptr || !version->is_int64()) return wrong("it has no version");
  if (version->get_int64() != kVersion) return wrong("it is of another version; use the same fairlead on both nodes");
  const auto key = text_at(object, "authkey");
  const auto conf = text_at(object, "corosync_conf");
  const auto yaml = text_at(object, "fairlead_yaml");
  if (!key || !conf || !yaml) return wrong("a part is missing");
  auto bytes = from_hex(*key);
  if (!bytes || bytes->size() < kAuthkeyBytesMin || bytes->size() > kAuthkeyBytesMax) return wrong("its key is none");
  return ClusterBundle{std::move(*bytes), *conf, *yaml};
}

std::string with_node_name(std::string_view yaml, const std::string& name) {
  std::vector<std::string> lines;
  std::size_t below = 0;
  bool replaced = false;
  while (!yaml.empty()) {
    std::string line(yaml.substr(0, yaml.find('\n')));
    yaml.remove_prefix(std::min(yaml.size(), line.size() + 1));
    if (line.starts_with("node:")) {
      line = "node: " + name;
      replaced = true;
    }
    lines.push_back(std::move(line));
    if (lines.back().starts_with("apiVersion:")) below = lines.size();
  }
  if (!replaced) lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(below), "node: " + name);
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

}  // namespace fairlead::cli
