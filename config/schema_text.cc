// fairlead: pure
// The types that are written as text: names, paths, addresses.
#include <algorithm>

#include "base/host_name.h"
#include "config/schema_types.h"

namespace fairlead::config::schema {
namespace {

constexpr bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
constexpr bool is_alnum(char c) { return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z'); }

struct RuleInfo {
  std::string_view name;  ///< "must be a ..."
  std::string_view range;
  std::string_view pattern;
  std::string_view example;
  std::size_t length_max;
};
RuleInfo info_of(TextRule rule) {
  switch (rule) {
    case TextRule::kFree: return {"text", "", "", "text", kTextLengthMax};
    case TextRule::kName:
      return {"name", "lower-case letters, digits, '.', '_' and '-'; begins with a letter or digit", "^[a-z0-9][a-z0-9._-]*$", "kube-api",
              kNameLengthMax};
    case TextRule::kHost: return {"host name or address", "", "^[A-Za-z0-9._:-]{1,253}$", "gw.kube.demo", kHostLengthMax};
    case TextRule::kDevice:
      return {"network device", "as `ip link` shows it, at most 15 characters", "^[^/\\s]{1,15}$", "ens192", kDeviceLengthMax};
    case TextRule::kAbsolutePath: return {"path", "absolute", "^/", "/etc/fairlead/file", kPathLengthMax};
    case TextRule::kUrlPath: return {"URL path", "begins with '/', without blanks", "^/\\S*$", "/readyz", kTextLengthMax};
    case TextRule::kMac:
      return {"MAC address", "six bytes with colons", "^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$", "\"52:54:00:00:01:01\"", 17};
    case TextRule::kListen:
      return {"address with a port", "ADDRESS:PORT, IPv6 in brackets; port 0 = the kernel's choice", "", "\"127.0.0.1:9440\"", 64};
    case TextRule::kStatic: return {"text", "", "", "", kTextLengthMax};
  }
  return {"text", "", "", "text", kTextLengthMax};
}

bool is_mac(std::string_view text) {
  if (text.size() != 17) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    if (i % 3 == 2 ? c != ':' : !hex) return false;
  }
  return true;
}

bool obeys(TextRule rule, std::string_view text) {
  const auto all = [&](auto allowed) { return std::all_of(text.begin(), text.end(), allowed); };
  const auto printable = [](char c) { return static_cast<unsigned char>(c) > 0x20 && c != 0x7f; };
  switch (rule) {
    case TextRule::kFree:
    case TextRule::kStatic: return true;
    case TextRule::kName:
      return is_lower_or_digit(text.front()) && all([](char c) { return is_lower_or_digit(c) || c == '.' || c == '_' || c == '-'; });
    case TextRule::kHost: return all([](char c) { return is_alnum(c) || c == '.' || c == '_' || c == '-' || c == ':'; });
    case TextRule::kDevice: return text != "." && text != ".." && all([&](char c) { return printable(c) && c != '/' && c != ':'; });
    case TextRule::kAbsolutePath: return text.front() == '/';
    case TextRule::kUrlPath: return text.front() == '/' && all(printable);
    case TextRule::kMac: return is_mac(text);
    case TextRule::kListen: return parse_endpoint(text).has_value();
  }
  return true;
}

class TextType final : public TypeOf<std::string> {
 public:
  explicit TextType(TextOptions options) : options_(std::move(options)) {
    const RuleInfo rule = info_of(options_.rule);
    if (options_.length_max == 0) options_.length_max = rule.length_max;
    info_.name = rule.name;
    info_.range = rule.range;
    std::string pattern(rule.pattern);
    if (options_.rule == TextRule::kName) {
      info_.range += fmt::format("; at most {}", options_.length_max);
      pattern = fmt::format("^[a-z0-9][a-z0-9._-]{{0,{}}}$", options_.length_max - 1);
    }
    info_.pattern = options_.may_be_empty && !pattern.empty() ? "^$|" + pattern : pattern;
    info_.examples = {options_.example.empty() ? std::string(rule.example) : options_.example};
    info_.min = options_.may_be_empty ? 0 : 1;
    info_.max = static_cast<std::int64_t>(options_.length_max);
  }
  bool read_value(Reader& reader, const DocNode& node, std::string& into) const override {
    const std::string* text = scalar_text(reader, node, info_);
    if (text == nullptr) return false;
    if (text->empty()) {
      if (options_.may_be_empty) {
        into.clear();
        return true;
      }
      reader.error(node.at, fmt::format("'{}' must not be empty", reader.key()), "as in " + info_.examples.front());
      return false;
    }
    if (text->size() > options_.length_max) {
      reader.error(node.at, fmt::format("'{}' has {} characters", reader.key(), text->size()),
                   fmt::format("at most {}", options_.length_max));
      return false;
    }
    if (std::any_of(text->begin(), text->end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; })) {
      reader.error(node.at, fmt::format("'{}' holds a control character: {}", reader.key(), quoted(*text)), "one line of plain text");
      return false;
    }
    if (!obeys(options_.rule, *text)) {
      std::string hint =
          info_.range.empty() ? "as in " + info_.examples.front() : fmt::format("{}, as in {}", info_.range, info_.examples.front());
      reader.error(node.at, fmt::format("'{}' must be {}, found {}", reader.key(), with_article(info_.name), quoted(*text)),
                   std::move(hint));
      return false;
    }
    into = *text;
    if (options_.rule == TextRule::kMac)
      std::transform(into.begin(), into.end(), into.begin(),
                     [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c; });
    return true;
  }
  [[nodiscard]] std::optional<DocNode> write_value(const std::string& from, bool) const override { return text_node(from); }

 private:
  TextOptions options_;
};

/// apiVersion and kind: one value only.
class ConstantType final : public TypeOf<std::string> {
 public:
  ConstantType(std::string value, std::string hint) : value_(std::move(value)), hint_(std::move(hint)) {
    info_.shape = TypeInfo::Shape::kChoice;
    info_.name = "word";
    info_.choices = {value_};
    info_.examples = {value_};
  }
  bool read_value(Reader& reader, const DocNode& node, std::string& into) const override {
    const std::string* text = scalar_text(reader, node, info_);
    if (text == nullptr) return false;
    if (*text != value_) {
      reader.error(node.at, fmt::format("'{}' must be {}, found {}", reader.key(), value_, quoted(*text)), hint_);
      return false;
    }
    into = *text;
    return true;
  }
  [[nodiscard]] std::optional<DocNode> write_value(const std::string& from, bool) const override {
    return scalar_node(from.empty() ? value_ : from);
  }

 private:
  std::string value_;
  std::string hint_;
};

/// A type whose text a parser of base/ understands. The parser's own words say what is wrong.
template <class T>
class ParsedType : public TypeOf<T> {
 public:
  bool read_value(Reader& reader, const DocNode& node, T& into) const override {
    const std::string* text = scalar_text(reader, node, this->info_);
    if (text == nullptr) return false;
    auto value = parse(*text);
    if (!value) {
      reader.error(node.at, fmt::format("'{}': {}", reader.key(), value.error().context), "as in " + this->info_.examples.front());
      return false;
    }
    into = std::move(*value);
    return true;
  }
  [[nodiscard]] virtual Result<T> parse(std::string_view text) const = 0;
};

class AddressType final : public ParsedType<IpAddress> {
 public:
  AddressType() {
    info_.name = "IP address";
    info_.examples = {"192.168.4.20", "\"2001:db8::20\""};
  }
  [[nodiscard]] Result<IpAddress> parse(std::string_view text) const override { return parse_ip_address(text); }
  [[nodiscard]] std::optional<DocNode> write_value(const IpAddress& from, bool) const override {
    return from.is_v4() ? scalar_node(from.to_string()) : text_node(from.to_string());
  }
};

class PrefixType final : public ParsedType<IpPrefix> {
 public:
  explicit PrefixType(bool length_required) : length_required_(length_required) {
    info_.name = length_required ? "IP address with a prefix length" : "IP network or address";
    info_.examples = {length_required ? "192.168.4.20/24" : "10.0.0.0/8", "\"2001:db8::20/64\""};
  }
  [[nodiscard]] Result<IpPrefix> parse(std::string_view text) const override {
    if (length_required_ && text.find('/') == std::string_view::npos && parse_ip_address(text)) {
      return Error{Errc::kInvalidArgument, fmt::format("{} lacks its prefix length", quoted(text))};
    }
    return parse_ip_prefix(text);
  }
  [[nodiscard]] std::optional<DocNode> write_value(const IpPrefix& from, bool) const override {
    return from.address.is_v4() ? scalar_node(from.to_string()) : text_node(from.to_string());
  }

 private:
  bool length_required_;
};

class EndpointType final : public ParsedType<Endpoint> {
 public:
  EndpointType() {
    info_.name = "address with a port";
    info_.range = "ADDRESS:PORT, IPv6 in brackets, port 1 to 65535";
    info_.examples = {"\"192.168.4.20:6443\"", "\"[2001:db8::20]:6443\""};
  }
  [[nodiscard]] Result<Endpoint> parse(std::string_view text) const override {
    auto value = parse_endpoint(text);
    if (value && value->port == 0) return Error{Errc::kInvalidArgument, fmt::format("{} has port 0", quoted(text))};
    return value;
  }
  [[nodiscard]] std::optional<DocNode> write_value(const Endpoint& from, bool) const override { return text_node(from.to_string()); }
};

class ServerAddressType final : public ParsedType<HostPort> {
 public:
  ServerAddressType() {
    info_.name = "server address";
    info_.range = "ADDRESS:PORT, NAME:PORT, or the name of an SRV record (_SERVICE._tcp.DOMAIN) without a port";
    info_.examples = {"\"192.168.1.11:6443\"", "\"mast-1.kube.demo:6443\"", "_kube-api._tcp.kube.demo"};
  }
  [[nodiscard]] Result<HostPort> parse(std::string_view text) const override {
    const auto wrong = [&](std::string_view what) { return Error{Errc::kInvalidArgument, fmt::format("{} {}", quoted(text), what)}; };
    const bool bare = text.starts_with('_') && text.find(':') == std::string_view::npos;
    if (bare && !is_srv_name(text)) return wrong("is neither the name of an SRV record (_SERVICE._tcp.DOMAIN) nor does it have a port");
    auto value = parse_host_port(bare ? std::string(text) + ":0" : std::string(text));
    if (!value) return value;
    if (!bare && value->port == 0) return wrong("has port 0");
    if (!parse_ip_address(value->host) && !is_dns_name(value->host))
      return wrong("is not a host name: its labels have 1 to 63 letters, digits, '-' and '_', and no '-' at an end");
    return value;
  }
  [[nodiscard]] std::optional<DocNode> write_value(const HostPort& from, bool) const override {
    return text_node(from.port == 0 ? from.host : to_string(from));
  }
};

class AddressRangeType final : public TypeOf<DhcpPool> {
 public:
  AddressRangeType() {
    info_.shape = TypeInfo::Shape::kList;
    info_.name = "range of addresses";
    info_.range = "[FIRST, LAST]";
    info_.examples = {"[192.168.1.100, 192.168.1.200]"};
    info_.max = 2;
    info_.element = address();
  }
  bool read_value(Reader& reader, const DocNode& node, DhcpPool& into) const override {
    if (node.kind != DocNode::Kind::kList || node.items.size() != 2) {
      reader.error(node.at, fmt::format("'{}' must be two addresses, the first and the last", reader.key()),
                   "as in " + info_.examples.front());
      return false;
    }
    const auto element = address();
    DhcpPool value;
    const bool first = element->read_value(reader, *node.items[0], value.first);
    const bool last = element->read_value(reader, *node.items[1], value.last);
    if (!first || !last) return false;
    into = value;
    return true;
  }
  [[nodiscard]] std::optional<DocNode> write_value(const DhcpPool& from, bool with_defaults) const override {
    const auto element = address();
    std::vector<DocNodePtr> items;
    for (const IpAddress& bound : {from.first, from.last})
      items.push_back(std::make_shared<DocNode>(*element->write_value(bound, with_defaults)));
    return list_node(std::move(items));
  }
};

}  // namespace

TypeOfPtr<std::string> text(TextOptions options) { return std::make_shared<TextType>(std::move(options)); }
TypeOfPtr<std::string> name() { return text({.rule = TextRule::kName, .may_be_empty = false, .example = {}}); }
TypeOfPtr<std::string> congestion_control_name() {
  return text({.rule = TextRule::kName, .may_be_empty = true, .example = "cubic", .length_max = 15});
}
TypeOfPtr<std::string> optional_name() { return text({.rule = TextRule::kName, .may_be_empty = true, .example = {}}); }
TypeOfPtr<std::string> path(std::string example) {
  return text({.rule = TextRule::kAbsolutePath, .may_be_empty = true, .example = std::move(example)});
}
TypeOfPtr<std::string> constant(std::string value, std::string hint) {
  return std::make_shared<ConstantType>(std::move(value), std::move(hint));
}
TypeOfPtr<IpAddress> address() {
  static const auto type = std::make_shared<AddressType>();
  return type;
}
TypeOfPtr<IpPrefix> prefix(bool length_required) { return std::make_shared<PrefixType>(length_required); }
TypeOfPtr<Endpoint> endpoint() {
  static const auto type = std::make_shared<EndpointType>();
  return type;
}
TypeOfPtr<HostPort> server_address() {
  static const auto type = std::make_shared<ServerAddressType>();
  return type;
}
TypeOfPtr<DhcpPool> address_range() { return std::make_shared<AddressRangeType>(); }

}  // namespace fairlead::config::schema
