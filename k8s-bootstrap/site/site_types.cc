// fairlead: pure
#include "k8s-bootstrap/site/site_types.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "config/nearest.h"

namespace fairlead::bootstrap::schema {
namespace {

using config::DocEntry;
using config::DocNode;
using config::DocNodePtr;
using config::quoted;
using config::Reader;

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
constexpr bool is_alnum(char c) { return is_digit(c) || is_lower(c) || (c >= 'A' && c <= 'Z'); }
constexpr bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
constexpr bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

class FormattedType final : public TypeOf<std::string> {
 public:
  explicit FormattedType(Format format) : format_(std::move(format)) {
    info_.name = format_.name;
    info_.range = format_.range;
    info_.pattern = format_.may_be_empty && !format_.pattern.empty() ? "^$|" + format_.pattern : format_.pattern;
    info_.examples = {format_.example};
    info_.min = format_.may_be_empty ? 0 : 1;
    info_.max = static_cast<std::int64_t>(format_.length_max);
  }
  bool read_value(Reader& reader, const DocNode& node, std::string& into) const override {
    const std::string* text = scalar_text(reader, node, info_);
    if (text == nullptr) return false;
    if (text->size() > format_.length_max) {
      reader.error(node.at, fmt::format("'{}' has {} characters", reader.key(), text->size()), fmt::format("at most {}", info_.max));
      return false;
    }
    if (text->empty() ? !format_.may_be_empty : format_.obeys != nullptr && !format_.obeys(*text)) {
      reader.error(node.at, fmt::format("'{}' must be {}, found {}", reader.key(), with_article(info_.name), quoted(*text)),
                   fmt::format("{}{}as in {}", info_.range, info_.range.empty() ? "" : ", ", format_.example));
      return false;
    }
    into = *text;
    return true;
  }
  [[nodiscard]] std::optional<DocNode> write_value(const std::string& from, bool) const override { return config::text_node(from); }

 private:
  Format format_;
};

class ModeType final : public TypeOf<std::uint32_t> {
 public:
  ModeType() {
    info_.name = "file mode";
    info_.range = "octal, 0 to 07777";
    info_.pattern = "^0?[0-7]{3,4}$";
    info_.examples = {"\"0644\""};
  }
  bool read_value(Reader& reader, const DocNode& node, std::uint32_t& into) const override {
    const std::string* text = scalar_text(reader, node, info_);
    if (text == nullptr) return false;
    std::uint32_t value = 0;
    const auto [end, ec] = std::from_chars(text->data(), text->data() + text->size(), value, 8);
    if (ec != std::errc{} || end != text->data() + text->size() || text->size() < 3 || value > 07777U) {
      reader.error(node.at, fmt::format("'{}' must be a file mode, found {}", reader.key(), quoted(*text)), "octal, as in \"0644\"");
      return false;
    }
    into = value;
    return true;
  }
  [[nodiscard]] std::optional<DocNode> write_value(const std::uint32_t& from, bool) const override {
    return config::text_node(fmt::format("{:04o}", from));
  }
};

constexpr std::array<std::string_view, 3> kTaintEffects = {"NoSchedule", "PreferNoSchedule", "NoExecute"};

class TaintType final : public TypeOf<Taint> {
 public:
  TaintType() {
    info_.name = "taint";
    info_.range = "KEY:EFFECT or KEY=VALUE:EFFECT; NoSchedule, PreferNoSchedule or NoExecute";
    info_.pattern = "^[A-Za-z0-9][A-Za-z0-9._/-]*(=[A-Za-z0-9._-]*)?:(NoSchedule|PreferNoSchedule|NoExecute)$";
    info_.examples = {"\"dedicated=storage:NoSchedule\""};
  }
  bool read_value(Reader& reader, const DocNode& node, Taint& into) const override {
    const std::string* text = scalar_text(reader, node, info_);
    if (text == nullptr) return false;
    const auto colon = text->rfind(':');
    const std::string head = text->substr(0, colon);
    const auto equals = head.find('=');
    Taint value;
    value.key = head.substr(0, equals);
    if (equals != std::string::npos) value.value = head.substr(equals + 1);
    if (colon != std::string::npos) value.effect = text->substr(colon + 1);
    if (std::find(kTaintEffects.begin(), kTaintEffects.end(), value.effect) == kTaintEffects.end()) {
      const std::vector<std::string> known(kTaintEffects.begin(), kTaintEffects.end());
      reader.error(node.at, fmt::format("the taint {} has no effect that Kubernetes knows", quoted(*text)),
                   value.effect.empty() ? "write KEY=VALUE:EFFECT, as in " + info_.examples.front() : config::suggest(value.effect, known));
      return false;
    }
    if (!is_label_key(value.key) || !is_label_value(value.value)) {
      reader.error(node.at, fmt::format("the taint {} has a key or value that Kubernetes refuses", quoted(*text)),
                   "letters, digits, '-', '_' and '.', at most 63, as in " + info_.examples.front());
      return false;
    }
    into = std::move(value);
    return true;
  }
  [[nodiscard]] std::optional<DocNode> write_value(const Taint& from, bool) const override {
    return config::text_node(fmt::format("{}{}{}:{}", from.key, from.value.empty() ? "" : "=", from.value, from.effect));
  }
};

class WordMapType final : public TypeOf<std::map<std::string, std::string>> {
 public:
  explicit WordMapType(WordMap options) : options_(std::move(options)) {
    info_.shape = TypeInfo::Shape::kMap;
    info_.name = options_.described;
    info_.range = fmt::format("at most {}", options_.items_max);
    info_.max = static_cast<std::int64_t>(options_.items_max);
    info_.element = text({.rule = TextRule::kFree, .may_be_empty = true, .example = "value"});
    info_.examples = {options_.example};
  }
  bool read_value(Reader& reader, const DocNode& node, std::map<std::string, std::string>& into) const override {
    if (!check_map(reader, node, info_)) return false;
    std::map<std::string, std::string> values;
    bool fine = true;
    for (const DocEntry& entry : node.entries) {
      const Reader::Enter enter(reader, entry.key, entry.value->at);
      if (!options_.key_obeys(entry.key)) {
        reader.error(entry.key_at, fmt::format("{} cannot be a key here", quoted(entry.key)), options_.key_rule);
        fine = false;
        continue;
      }
      std::string value;
      if (!info_.element->read(reader, *entry.value, &value)) {
        fine = false;
      } else if (!options_.value_obeys(value)) {
        reader.error(entry.value->at, fmt::format("{} cannot be the value of {}", quoted(value), quoted(entry.key)), options_.value_rule);
        fine = false;
      }
      values.emplace(entry.key, std::move(value));
    }
    into = std::move(values);
    return fine;
  }
  [[nodiscard]] std::optional<DocNode> write_value(const std::map<std::string, std::string>& from, bool) const override {
    DocNode map;
    map.kind = DocNode::Kind::kMap;
    for (const auto& [key, value] : from) map.entries.push_back({key, {}, std::make_shared<DocNode>(config::text_node(value))});
    return map;
  }

 private:
  WordMap options_;
};

class ForeignMapType final : public TypeOf<DocNodePtr> {
 public:
  ForeignMapType(std::string of, std::string example) {
    info_.shape = TypeInfo::Shape::kMap;
    info_.name = "map of " + of;
    info_.examples = {std::move(example)};
  }
  bool read_value(Reader& reader, const DocNode& node, DocNodePtr& into) const override {
    if (node.kind != DocNode::Kind::kMap) {
      wrong_shape(reader, node, info_);
      return false;
    }
    into = std::make_shared<const DocNode>(node);
    return true;
  }
  [[nodiscard]] std::optional<DocNode> write_value(const DocNodePtr& from, bool) const override {
    if (from == nullptr) return std::nullopt;
    return *from;
  }
};

class ForeignMapsType final : public TypeOf<std::map<std::string, DocNodePtr>> {
 public:
  ForeignMapsType(std::vector<std::string> kinds, std::string example)
      : one_(std::make_shared<ForeignMapType>("keys of kubeadm", example)) {
    info_.shape = TypeInfo::Shape::kMap;
    info_.name = "map of documents";
    info_.max = static_cast<std::int64_t>(kinds.size());
    info_.choices = std::move(kinds);
    info_.element = one_;
    info_.examples = {std::move(example)};
  }
  bool read_value(Reader& reader, const DocNode& node, std::map<std::string, DocNodePtr>& into) const override {
    if (node.kind != DocNode::Kind::kMap) {
      wrong_shape(reader, node, info_);
      return false;
    }
    bool fine = true;
    for (const DocEntry& entry : node.entries) {
      const Reader::Enter enter(reader, entry.key, entry.value->at);
      DocNodePtr value;
      fine = check_map_key(reader, entry, info_) && one_->read_value(reader, *entry.value, value) && fine;
      if (value != nullptr) into.emplace(entry.key, std::move(value));
    }
    return fine;
  }
  [[nodiscard]] std::optional<DocNode> write_value(const std::map<std::string, DocNodePtr>& from, bool) const override {
    DocNode map;
    map.kind = DocNode::Kind::kMap;
    for (const auto& [kind, keys] : from) map.entries.push_back({kind, {}, keys});
    return map;
  }

 private:
  TypeOfPtr<DocNodePtr> one_;
};

bool is_version(std::string_view text) {
  int parts = 0;
  for (std::size_t at = 0; at <= text.size(); ++parts) {
    const auto end = std::min(text.find('.', at), text.size());
    const std::string_view part = text.substr(at, end - at);
    if (part.empty() || part.size() > 4 || !std::all_of(part.begin(), part.end(), is_digit)) return false;
    if (part.size() > 1 && part.front() == '0') return false;
    at = end + 1;
  }
  return parts == 3;
}

bool is_url(std::string_view text) {
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (text.starts_with(scheme) && text.size() > scheme.size() && is_alnum(text[scheme.size()]))
      return std::none_of(text.begin(), text.end(), [](char c) { return is_control(c) || c == ' ' || c == '"' || c == '\''; });
  }
  return false;
}

}  // namespace

TypeOfPtr<std::string> formatted(Format format) { return std::make_shared<FormattedType>(std::move(format)); }
TypeOfPtr<std::string> version() {
  return formatted({.name = "version",
                    .range = "MAJOR.MINOR.PATCH, without a 'v'",
                    .pattern = "^[0-9]{1,4}\\.[0-9]{1,4}\\.[0-9]{1,4}$",
                    .example = "1.36.4",
                    .length_max = 14,
                    .obeys = is_version});
}
TypeOfPtr<std::string> sha256() {
  return formatted({.name = "SHA-256 sum",
                    .range = "64 hexadecimal digits",
                    .pattern = "^[0-9a-fA-F]{64}$",
                    .example = "\"\"",
                    .may_be_empty = true,
                    .length_max = 64,
                    .obeys = [](std::string_view text) { return text.size() == 64 && std::all_of(text.begin(), text.end(), is_hex); }});
}
TypeOfPtr<std::string> url() {
  return formatted({.name = "URL",
                    .range = "http or https",
                    .pattern = "^https?://[A-Za-z0-9][^ \"']*$",
                    .example = "\"http://mirror.kube.demo/debian\"",
                    .may_be_empty = true,
                    .length_max = 1024,
                    .obeys = is_url});
}
TypeOfPtr<std::string> some_path(std::string example) {
  return formatted({.name = "path", .example = std::move(example), .length_max = 1024, .obeys = [](std::string_view text) {
                      return std::none_of(text.begin(), text.end(), is_control);
                    }});
}
TypeOfPtr<std::string> lines(std::size_t length_max) {
  return formatted({.name = "text", .example = "\"one line\\n\"", .may_be_empty = true, .length_max = length_max});
}
TypeOfPtr<std::uint32_t> file_mode() { return std::make_shared<ModeType>(); }
TypeOfPtr<std::string> percent(std::string example) {
  return formatted({.name = "share",
                    .range = "1% to 100%",
                    .pattern = "^([1-9]|[1-9][0-9]|100)%$",
                    .example = std::move(example),
                    .length_max = 4,
                    .obeys = [](std::string_view text) {
                      if (text.size() < 2 || text.back() != '%') return false;
                      text.remove_suffix(1);
                      if (text == "100") return true;
                      return text.size() <= 2 && text.front() != '0' && text.find_first_not_of("0123456789") == std::string_view::npos;
                    }});
}
TypeOfPtr<std::uint64_t> disk_size() { return size(0, 1ULL << 50U); }

TypeOfPtr<Taint> taint() { return std::make_shared<TaintType>(); }
TypeOfPtr<std::map<std::string, std::string>> word_map(WordMap options) { return std::make_shared<WordMapType>(std::move(options)); }
TypeOfPtr<DocNodePtr> foreign_map(std::string of, std::string example) {
  return std::make_shared<ForeignMapType>(std::move(of), std::move(example));
}
TypeOfPtr<std::map<std::string, DocNodePtr>> foreign_maps(std::vector<std::string> kinds, std::string example) {
  return std::make_shared<ForeignMapsType>(std::move(kinds), std::move(example));
}

bool is_endpoint_word(std::string_view text) {
  if (text.find(':') != std::string_view::npos) {
    const auto parsed = parse_host_port(text);
    return parsed && parsed->port != 0;
  }
  const auto inner = [](char c) { return is_lower(c) || is_digit(c) || c == '-' || c == '_' || c == '.'; };
  const auto edge = [](char c) { return is_lower(c) || is_digit(c); };
  return !text.empty() && text.size() <= 63 && edge(text.front()) && edge(text.back()) && std::all_of(text.begin(), text.end(), inner);
}

bool is_label_value(std::string_view value) {
  if (value.empty()) return true;
  return value.size() <= 63 && is_alnum(value.front()) && is_alnum(value.back()) &&
         std::all_of(value.begin(), value.end(), [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; });
}

bool is_label_key(std::string_view key) {
  const auto slash = key.find('/');
  if (slash != std::string_view::npos) {
    const std::string_view prefix = key.substr(0, slash);
    const auto allowed = [](char c) { return is_lower(c) || is_digit(c) || c == '-' || c == '.'; };
    const auto edge = [](char c) { return is_lower(c) || is_digit(c); };
    if (prefix.empty() || prefix.size() > 253 || !edge(prefix.front()) || !edge(prefix.back())) return false;
    if (!std::all_of(prefix.begin(), prefix.end(), allowed) || prefix.find("..") != std::string_view::npos) return false;
    key.remove_prefix(slash + 1);
  }
  return !key.empty() && is_label_value(key);
}

}  // namespace fairlead::bootstrap::schema
