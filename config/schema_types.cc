// fairlead: pure
#include "config/schema_types.h"

#include <algorithm>
#include <charconv>

#include "base/units.h"
#include "config/nearest.h"

namespace fairlead::config::schema {

std::string with_article(std::string_view noun) {
  const bool vowel = std::string_view("aeiouAEIO").find(noun.front()) != std::string_view::npos;
  return fmt::format("{} {}", vowel ? "an" : "a", noun);
}

void wrong_shape(Reader& reader, const DocNode& node, const TypeInfo& wanted) {
  const bool list_missing = wanted.shape == TypeInfo::Shape::kList && node.kind != DocNode::Kind::kMap;
  std::string hint;
  if (!wanted.examples.empty())
    hint = (list_missing ? "lists stand in brackets or one item a line with '- ', as in " : "as in ") + wanted.examples.front();
  reader.error(node.at, fmt::format("'{}' must be {}, found {}", reader.key(), with_article(wanted.name), describe_node(node)),
               std::move(hint));
}

void out_of_range(Reader& reader, const DocNode& node, const TypeInfo& wanted) {
  reader.error(node.at, fmt::format("'{}' is out of range: {}", reader.key(), node.text.substr(0, kQuotedTextMax)),
               "allowed: " + wanted.range);
}

const std::string* scalar_text(Reader& reader, const DocNode& node, const TypeInfo& wanted) {
  if (node.kind == DocNode::Kind::kScalar) return &node.text;
  wrong_shape(reader, node, wanted);
  return nullptr;
}

std::optional<std::int64_t> read_number(Reader& reader, const DocNode& node, std::string_view text, const TypeInfo& wanted) {
  std::int64_t value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool canonical = text == "0" || (!text.empty() && text.front() != '0' && !text.starts_with("-0"));  // 010 is octal to YAML 1.1.
  if (ec == std::errc::result_out_of_range) {
    out_of_range(reader, node, wanted);
    return std::nullopt;
  }
  if (ec != std::errc{} || end != text.data() + text.size() || !canonical) {
    std::string hint = "a whole number without a unit";
    if (!wanted.range.empty()) hint += ", " + wanted.range;
    reader.error(node.at, fmt::format("'{}' must be a number, found {}", reader.key(), describe_node(node)), std::move(hint));
    return std::nullopt;
  }
  if (value < wanted.min || value > wanted.max) {
    out_of_range(reader, node, wanted);
    return std::nullopt;
  }
  return value;
}

std::optional<std::size_t> read_choice(Reader& reader, const DocNode& node, const TypeInfo& wanted) {
  const std::string* text = scalar_text(reader, node, wanted);
  if (text == nullptr) return std::nullopt;
  const auto index_of = [&](std::string_view word) -> std::optional<std::size_t> {
    const auto found = std::find(wanted.choices.begin(), wanted.choices.end(), word);
    if (found == wanted.choices.end()) return std::nullopt;
    return static_cast<std::size_t>(found - wanted.choices.begin());
  };
  if (const auto index = index_of(*text)) return index;
  // Tools that read YAML 1.1 turn off and on into truth values; what they write back still means the same.
  if (!node.is_text && (*text == "false" || *text == "no")) {
    if (const auto index = index_of("off")) return index;
  }
  if (!node.is_text && (*text == "true" || *text == "yes")) {
    if (const auto index = index_of("on")) return index;
  }
  std::string all;
  for (const std::string& word : wanted.choices) all += (all.empty() ? "" : ", ") + word;
  std::string hint = "one of: " + all;
  if (const auto near = nearest(*text, wanted.choices)) hint = fmt::format("did you mean '{}'? {}", *near, hint);
  reader.error(node.at, fmt::format("'{}' cannot be {}", reader.key(), quoted(*text)), std::move(hint));
  return std::nullopt;
}

bool check_list(Reader& reader, const DocNode& node, const TypeInfo& wanted) {
  if (node.kind != DocNode::Kind::kList) {
    wrong_shape(reader, node, wanted);
    return false;
  }
  if (node.items.size() > static_cast<std::size_t>(wanted.max)) {
    reader.error(node.at, fmt::format("'{}' has {} items", reader.key(), node.items.size()), fmt::format("at most {}", wanted.max));
    return false;
  }
  return true;
}

bool check_map(Reader& reader, const DocNode& node, const TypeInfo& wanted) {
  if (node.kind != DocNode::Kind::kMap) {
    wrong_shape(reader, node, wanted);
    return false;
  }
  if (node.entries.size() > static_cast<std::size_t>(wanted.max)) {
    reader.error(node.at, fmt::format("'{}' has {} keys", reader.key(), node.entries.size()), fmt::format("at most {}", wanted.max));
    return false;
  }
  return true;
}

bool check_map_key(Reader& reader, const DocEntry& entry, const TypeInfo& wanted) {
  if (!wanted.choices.empty()) {
    if (std::find(wanted.choices.begin(), wanted.choices.end(), entry.key) != wanted.choices.end()) return true;
    reader.error(entry.key_at, fmt::format("unknown key {}", quoted(entry.key)), suggest(entry.key, wanted.choices));
    return false;
  }
  const auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.'; };
  if (!entry.key.empty() && entry.key.size() <= kNameLengthMax && std::all_of(entry.key.begin(), entry.key.end(), allowed)) return true;
  reader.error(entry.key_at, fmt::format("{} is not a name", quoted(entry.key)),
               fmt::format("lower-case letters, digits, '.', '_' and '-', at most {}", kNameLengthMax));
  return false;
}

namespace {

class FlagType final : public TypeOf<bool> {
 public:
  FlagType() {
    info_.shape = TypeInfo::Shape::kFlag;
    info_.name = "truth value";
    info_.range = "true or false; on, off, yes and no mean the same";
    info_.examples = {"true", "false"};
  }
  bool read_value(Reader& reader, const DocNode& node, bool& into) const override {
    const std::string* text = scalar_text(reader, node, info_);
    if (text == nullptr) return false;
    const bool yes = *text == "true" || *text == "on" || *text == "yes";
    const bool no = *text == "false" || *text == "off" || *text == "no";
    if ((!yes && !no) || node.is_text) {
      reader.error(node.at, fmt::format("'{}' must be true or false, found {}", reader.key(), quoted(*text)),
                   node.is_text && (yes || no) ? "write it without quotes" : "on, off, yes and no mean the same; lower case");
      return false;
    }
    into = yes;
    return true;
  }
  [[nodiscard]] std::optional<DocNode> write_value(const bool& from, bool) const override { return scalar_node(from ? "true" : "false"); }
};

/// A bare number where a unit is needed: what was probably meant.
std::string unit_hint(std::string_view text, std::string_view examples) {
  const bool digits = !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
  return digits ? fmt::format("add a unit, as in {}", examples) : fmt::format("write {}", examples);
}

class DurationType final : public TypeOf<Duration> {
 public:
  explicit DurationType(DurationRange range) : range_(std::move(range)) {
    info_.name = range_.whole_seconds ? "duration in whole seconds" : "duration";
    info_.range = fmt::format("{} to {}", format_duration(range_.min), format_duration(range_.max)) +
                  (range_.zero.empty() ? "" : "; 0 = " + range_.zero);
    info_.min = to_ms(range_.min);
    info_.max = to_ms(range_.max);
    info_.pattern = range_.whole_seconds ? "^(0|[0-9]+(s|m|h))$" : "^(0|[0-9]+(\\.[0-9]+)?(ms|s|m|h))$";
    info_.examples = {format_duration(std::clamp<Duration>(2s, range_.min, range_.max)), format_duration(range_.max)};
    if (range_.min > Duration{}) info_.examples.push_back(format_duration(range_.min));
    if (!range_.zero.empty()) info_.examples.emplace_back("0");
  }
  bool read_value(Reader& reader, const DocNode& node, Duration& into) const override {
    const std::string* text = scalar_text(reader, node, info_);
    if (text == nullptr) return false;
    const auto value = parse_duration(*text);
    if (!value) {
      reader.error(node.at, fmt::format("'{}' must be a duration, found {}", reader.key(), quoted(*text)),
                   unit_hint(*text, "500ms, 30s, 10m or 1h"));
      return false;
    }
    const bool zero_allowed = *value == Duration{} && !range_.zero.empty();
    if (!zero_allowed && (*value < range_.min || *value > range_.max)) {
      out_of_range(reader, node, info_);
      return false;
    }
    if (range_.whole_seconds && *value % Duration(1s) != Duration{}) {
      reader.error(node.at, fmt::format("'{}' must be whole seconds, found {}", reader.key(), quoted(*text)),
                   "the kernel counts the lifetime of an address in seconds");
      return false;
    }
    into = *value;
    return true;
  }
  [[nodiscard]] std::optional<DocNode> write_value(const Duration& from, bool) const override { return scalar_node(format_duration(from)); }

 private:
  DurationRange range_;
};

class SizeType final : public TypeOf<std::uint64_t> {
 public:
  SizeType(std::uint64_t min, std::uint64_t max) : min_(min), max_(max) {
    info_.name = "size";
    info_.range = fmt::format("{} to {}", format_size(min), format_size(max));
    info_.min = static_cast<std::int64_t>(min);
    info_.max = static_cast<std::int64_t>(max);
    info_.pattern = "^(0|[0-9]+(\\.[0-9]+)?(B|KiB|MiB|GiB))$";
    info_.examples = {"64MiB", format_size(min), format_size(max)};
  }
  bool read_value(Reader& reader, const DocNode& node, std::uint64_t& into) const override {
    const std::string* text = scalar_text(reader, node, info_);
    if (text == nullptr) return false;
    const auto value = parse_size(*text);
    if (!value) {
      reader.error(node.at, fmt::format("'{}' must be a size, found {}", reader.key(), quoted(*text)),
                   unit_hint(*text, "512KiB, 64MiB or 1GiB"));
      return false;
    }
    if (*value < min_ || *value > max_) {
      out_of_range(reader, node, info_);
      return false;
    }
    into = *value;
    return true;
  }
  [[nodiscard]] std::optional<DocNode> write_value(const std::uint64_t& from, bool) const override {
    return scalar_node(format_size(from));
  }

 private:
  std::uint64_t min_;
  std::uint64_t max_;
};

class RateType final : public TypeOf<std::uint32_t> {
 public:
  RateType(std::uint32_t min, std::uint32_t max) {
    info_.name = "rate";
    info_.range = fmt::format("{}/s to {}/s", min, max);
    info_.pattern = "^[0-9]+/s$";
    info_.examples = {"10/s"};
    info_.min = min;
    info_.max = max;
  }
  bool read_value(Reader& reader, const DocNode& node, std::uint32_t& into) const override {
    const std::string* text = scalar_text(reader, node, info_);
    if (text == nullptr) return false;
    if (!text->ends_with("/s")) {
      reader.error(node.at, fmt::format("'{}' must be a rate, found {}", reader.key(), quoted(*text)), "per second, as in 10/s");
      return false;
    }
    const auto value = read_number(reader, node, std::string_view(*text).substr(0, text->size() - 2), info_);
    if (!value) return false;
    into = static_cast<std::uint32_t>(*value);
    return true;
  }
  [[nodiscard]] std::optional<DocNode> write_value(const std::uint32_t& from, bool) const override {
    return scalar_node(fmt::format("{}/s", from));
  }
};

class NumberOrAutoType final : public TypeOf<std::optional<std::uint32_t>> {
 public:
  NumberOrAutoType(std::uint32_t min, std::uint32_t max, const std::string& meaning) {
    info_.shape = TypeInfo::Shape::kNumber;
    info_.name = "number or 'auto'";
    info_.range = fmt::format("{} to {}; auto = {}", min, max, meaning);
    info_.min = min;
    info_.max = max;
    info_.or_auto = true;
    info_.examples = {"auto", std::to_string(min), std::to_string(max)};
  }
  bool read_value(Reader& reader, const DocNode& node, std::optional<std::uint32_t>& into) const override {
    const std::string* text = scalar_text(reader, node, info_);
    if (text == nullptr) return false;
    if (*text == "auto") {
      into = std::nullopt;
      return true;
    }
    const auto value = read_number(reader, node, *text, info_);
    if (!value) return false;
    into = static_cast<std::uint32_t>(*value);
    return true;
  }
  [[nodiscard]] std::optional<DocNode> write_value(const std::optional<std::uint32_t>& from, bool) const override {
    return scalar_node(from ? std::to_string(*from) : "auto");
  }
};

}  // namespace

TypeOfPtr<bool> flag() {
  static const auto type = std::make_shared<FlagType>();
  return type;
}
TypeOfPtr<Duration> duration(DurationRange range) { return std::make_shared<DurationType>(std::move(range)); }
TypeOfPtr<std::uint64_t> size(std::uint64_t min, std::uint64_t max) { return std::make_shared<SizeType>(min, max); }
TypeOfPtr<std::uint32_t> rate(std::uint32_t min, std::uint32_t max) { return std::make_shared<RateType>(min, max); }
TypeOfPtr<std::optional<std::uint32_t>> number_or_auto(std::uint32_t min, std::uint32_t max, const std::string& meaning_of_auto) {
  return std::make_shared<NumberOrAutoType>(min, max, meaning_of_auto);
}

}  // namespace fairlead::config::schema
