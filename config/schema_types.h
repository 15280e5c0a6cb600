// fairlead: pure
// The types a key can have, and the templates that bind keys to members. Included by the schema_*.cc tables only.
#pragma once

#include <concepts>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "config/limits.h"
#include "config/reader.h"
#include "config/schema.h"

namespace fairlead::config::schema {

/// A Type for values of T.
template <class T>
class TypeOf : public Type {
 public:
  using Value = T;
  bool read(Reader& reader, const DocNode& node, void* into) const final { return read_value(reader, node, *static_cast<T*>(into)); }
  [[nodiscard]] std::optional<DocNode> write(const void* from, bool with_defaults) const final {
    return write_value(*static_cast<const T*>(from), with_defaults);
  }
  [[nodiscard]] bool equal(const void* a, const void* b) const final { return *static_cast<const T*>(a) == *static_cast<const T*>(b); }

  virtual bool read_value(Reader& reader, const DocNode& node, T& into) const = 0;
  [[nodiscard]] virtual std::optional<DocNode> write_value(const T& from, bool with_defaults) const = 0;
};
template <class T>
using TypeOfPtr = std::shared_ptr<const TypeOf<T>>;

// ---- messages shared by all types ----
/// "an IP address", "a duration"
[[nodiscard]] std::string with_article(std::string_view noun);
/// "'idle_timeout' must be a duration, found a list"
void wrong_shape(Reader& reader, const DocNode& node, const TypeInfo& wanted);
void out_of_range(Reader& reader, const DocNode& node, const TypeInfo& wanted);
/// The scalar's text, or nullptr after a report.
[[nodiscard]] const std::string* scalar_text(Reader& reader, const DocNode& node, const TypeInfo& wanted);
/// A whole number, or nullopt after a report. `text` is that of `node` or a part of it.
[[nodiscard]] std::optional<std::int64_t> read_number(Reader& reader, const DocNode& node, std::string_view text, const TypeInfo& wanted);

// ---- text ----
enum class TextRule : std::uint8_t { kFree, kName, kHost, kDevice, kAbsolutePath, kUrlPath, kMac, kListen, kStatic };
struct TextOptions {
  TextRule rule = TextRule::kFree;
  bool may_be_empty = true;
  std::string example;
  std::size_t length_max = 0;  ///< 0: the rule's.
};
[[nodiscard]] TypeOfPtr<std::string> text(TextOptions options);
[[nodiscard]] TypeOfPtr<std::string> name();                     ///< [a-z0-9._-], not empty.
[[nodiscard]] TypeOfPtr<std::string> optional_name();            ///< The same, or empty.
[[nodiscard]] TypeOfPtr<std::string> congestion_control_name();  ///< The same; the kernel takes 15 characters.
[[nodiscard]] TypeOfPtr<std::string> path(std::string example);  ///< Absolute, or empty.
[[nodiscard]] TypeOfPtr<std::string> constant(std::string value, std::string hint);

// ---- truth, numbers, quantities ----
[[nodiscard]] TypeOfPtr<bool> flag();
struct DurationRange {
  Duration min{};
  Duration max = kDurationMax;
  std::string zero;  ///< Meaning of 0; empty: 0 only if `min` is 0.
  bool whole_seconds = false;
};
[[nodiscard]] TypeOfPtr<Duration> duration(DurationRange range);
[[nodiscard]] TypeOfPtr<std::uint64_t> size(std::uint64_t min, std::uint64_t max);
[[nodiscard]] TypeOfPtr<std::uint32_t> rate(std::uint32_t min, std::uint32_t max);  ///< "10/s"
[[nodiscard]] TypeOfPtr<std::optional<std::uint32_t>> number_or_auto(std::uint32_t min, std::uint32_t max,
                                                                     const std::string& meaning_of_auto);

template <std::unsigned_integral T>
class NumberType final : public TypeOf<T> {
 public:
  NumberType(T min, T max, const std::string& zero) {
    this->info_.shape = TypeInfo::Shape::kNumber;
    this->info_.name = "number";
    this->info_.range = fmt::format("{} to {}", min, max) + (zero.empty() ? "" : "; 0 = " + zero);
    this->info_.examples = {std::to_string(max < 100 ? max : (min > 3 ? min : 3))};
    this->info_.min = static_cast<std::int64_t>(min);
    this->info_.max = static_cast<std::int64_t>(max);
  }
  bool read_value(Reader& reader, const DocNode& node, T& into) const override {
    const std::string* text = scalar_text(reader, node, this->info_);
    if (text == nullptr) return false;
    const auto value = read_number(reader, node, *text, this->info_);
    if (!value) return false;
    into = static_cast<T>(*value);
    return true;
  }
  [[nodiscard]] std::optional<DocNode> write_value(const T& from, bool) const override { return scalar_node(std::to_string(from)); }
};
/// `zero`: meaning of 0, for documents.
template <std::unsigned_integral T>
[[nodiscard]] TypeOfPtr<T> number(T min, T max, const std::string& zero = "") {
  return std::make_shared<NumberType<T>>(min, max, zero);
}

// ---- words ----
/// Index of the choice `text` names, or nullopt after a report. `off` and `on` may also be written as YAML truth values.
[[nodiscard]] std::optional<std::size_t> read_choice(Reader& reader, const DocNode& node, const TypeInfo& wanted);

template <class E>
class ChoiceType final : public TypeOf<E> {
 public:
  explicit ChoiceType(std::vector<std::pair<std::string, E>> choices) : choices_(std::move(choices)) {
    this->info_.shape = TypeInfo::Shape::kChoice;
    this->info_.name = "word";
    for (const auto& choice : choices_) this->info_.choices.push_back(choice.first);
    this->info_.examples = this->info_.choices;
  }
  bool read_value(Reader& reader, const DocNode& node, E& into) const override {
    const auto index = read_choice(reader, node, this->info_);
    if (!index) return false;
    into = choices_[*index].second;
    return true;
  }
  [[nodiscard]] std::optional<DocNode> write_value(const E& from, bool) const override {
    for (const auto& [word, value] : choices_) {
      if (value == from) return scalar_node(word);
    }
    return std::nullopt;
  }

 private:
  std::vector<std::pair<std::string, E>> choices_;
};
template <class E>
[[nodiscard]] TypeOfPtr<E> choice(std::vector<std::pair<std::string, E>> choices) {
  return std::make_shared<ChoiceType<E>>(std::move(choices));
}

// ---- addresses ----
[[nodiscard]] TypeOfPtr<IpAddress> address();
[[nodiscard]] TypeOfPtr<IpPrefix> prefix(bool length_required);
[[nodiscard]] TypeOfPtr<Endpoint> endpoint();
[[nodiscard]] TypeOfPtr<HostPort> server_address();  ///< address:port, name:port, or an SRV name beginning with '_'
[[nodiscard]] TypeOfPtr<DhcpPool> address_range();   ///< [first, last]

// ---- made of others ----
template <class T>
class OptionalType final : public TypeOf<std::optional<T>> {
 public:
  explicit OptionalType(TypeOfPtr<T> inner) : inner_(std::move(inner)) { this->info_ = inner_->info(); }
  bool read_value(Reader& reader, const DocNode& node, std::optional<T>& into) const override {
    T value = into.value_or(T{});
    const bool fine = inner_->read_value(reader, node, value);
    if (fine) into = std::move(value);
    return fine;
  }
  [[nodiscard]] std::optional<DocNode> write_value(const std::optional<T>& from, bool with_defaults) const override {
    if (!from) return std::nullopt;
    return inner_->write_value(*from, with_defaults);
  }

 private:
  TypeOfPtr<T> inner_;
};
template <class T>
[[nodiscard]] TypeOfPtr<std::optional<T>> optional(TypeOfPtr<T> inner) {
  return std::make_shared<OptionalType<T>>(std::move(inner));
}

/// Reports what is not a list or too long a one.
[[nodiscard]] bool check_list(Reader& reader, const DocNode& node, const TypeInfo& wanted);

template <class T>
class ListType final : public TypeOf<std::vector<T>> {
 public:
  using Begin = std::function<T(const Reader&)>;
  ListType(TypeOfPtr<T> element, std::size_t items_max, const std::string& plural, Begin begin)
      : element_(std::move(element)), begin_(std::move(begin)) {
    this->info_.shape = TypeInfo::Shape::kList;
    this->info_.name = "list of " + plural;
    this->info_.range = fmt::format("at most {}", items_max);
    if (!element_->info().range.empty()) this->info_.range += "; each " + element_->info().range;
    this->info_.max = static_cast<std::int64_t>(items_max);
    this->info_.element = element_;
    if (!element_->info().examples.empty()) this->info_.examples = {"[" + element_->info().examples.front() + "]"};
  }
  bool read_value(Reader& reader, const DocNode& node, std::vector<T>& into) const override {
    if (!check_list(reader, node, this->info_)) return false;
    std::vector<T> values;
    bool fine = true;
    for (std::size_t i = 0; i < node.items.size() && !reader.full(); ++i) {
      const Reader::Enter enter(reader, i, node.items[i]->at);
      T value = begin_ ? begin_(reader) : T{};
      fine = element_->read_value(reader, *node.items[i], value) && fine;
      values.push_back(std::move(value));  // Also a faulty one: indices must match the file's.
    }
    into = std::move(values);
    return fine;
  }
  [[nodiscard]] std::optional<DocNode> write_value(const std::vector<T>& from, bool with_defaults) const override {
    std::vector<DocNodePtr> items;
    for (const T& value : from) {
      if (auto node = element_->write_value(value, with_defaults)) items.push_back(std::make_shared<DocNode>(std::move(*node)));
    }
    return list_node(std::move(items));
  }

 private:
  TypeOfPtr<T> element_;
  Begin begin_;
};
/// `begin`: what an item is before its keys are read.
template <class T>
[[nodiscard]] TypeOfPtr<std::vector<T>> list(TypeOfPtr<T> element, std::size_t items_max, std::string plural,
                                             typename ListType<T>::Begin begin = nullptr) {
  return std::make_shared<ListType<T>>(std::move(element), items_max, std::move(plural), std::move(begin));
}

template <class S>
class SectionType final : public TypeOf<S> {
 public:
  explicit SectionType(const Section& section) : section_(section) {
    this->info_.shape = TypeInfo::Shape::kSection;
    this->info_.name = "section";
    this->info_.section = &section;
  }
  bool read_value(Reader& reader, const DocNode& node, S& into) const override {
    read_section(reader, section_, node, &into);
    return true;  // What failed inside has its own path.
  }
  [[nodiscard]] std::optional<DocNode> write_value(const S& from, bool with_defaults) const override {
    return write_section(section_, &from, with_defaults);
  }
  [[nodiscard]] bool is_plain_section() const override { return true; }

 private:
  const Section& section_;
};
template <class S>
[[nodiscard]] TypeOfPtr<S> section(const Section& of) {
  return std::make_shared<SectionType<S>>(of);
}

/// Reports what is not a map; a key that is none of `wanted.choices` (when there are any), or breaks the rule of names.
[[nodiscard]] bool check_map(Reader& reader, const DocNode& node, const TypeInfo& wanted);
[[nodiscard]] bool check_map_key(Reader& reader, const DocEntry& entry, const TypeInfo& wanted);

/// A map with keys of the user's: {lan: ens192}. Kept in the file's order.
template <class T, class V>
class MapType final : public TypeOf<std::vector<T>> {
 public:
  // NOLINTNEXTLINE(performance-unnecessary-value-param): moved into the base, which a template hides from the check
  MapType(std::string T::*key, V T::*value, TypeOfPtr<V> element, std::size_t items_max, std::string described,
          std::vector<std::string> keys, std::string example)  // NOLINT(performance-unnecessary-value-param)
      : key_(key), value_(value), element_(std::move(element)) {
    this->info_.shape = TypeInfo::Shape::kMap;
    this->info_.name = std::move(described);
    this->info_.max = static_cast<std::int64_t>(items_max);
    this->info_.choices = std::move(keys);
    this->info_.element = element_;
    this->info_.examples = {std::move(example)};
  }
  bool read_value(Reader& reader, const DocNode& node, std::vector<T>& into) const override {
    if (!check_map(reader, node, this->info_)) return false;
    std::vector<T> values;
    bool fine = true;
    for (const DocEntry& entry : node.entries) {
      const Reader::Enter enter(reader, entry.key, entry.value->at);
      T item;
      item.*key_ = entry.key;
      fine = check_map_key(reader, entry, this->info_) && element_->read_value(reader, *entry.value, item.*value_) && fine;
      values.push_back(std::move(item));
    }
    into = std::move(values);
    return fine;
  }
  [[nodiscard]] std::optional<DocNode> write_value(const std::vector<T>& from, bool with_defaults) const override {
    DocNode map;
    map.kind = DocNode::Kind::kMap;
    for (const T& item : from) {
      if (auto node = element_->write_value(item.*value_, with_defaults))
        map.entries.push_back({item.*key_, {}, std::make_shared<DocNode>(std::move(*node))});
    }
    return map;
  }

 private:
  std::string T::*key_;
  V T::*value_;
  TypeOfPtr<V> element_;
};

// ---- fields ----
struct FieldFlags {
  bool required = false;
  bool restart = false;
  bool input_only = false;
};
template <class S, class M, class T>
[[nodiscard]] Field field(std::string key, M S::*member, const std::shared_ptr<T>& type, std::string doc, FieldFlags flags = {}) {
  static_assert(std::is_same_v<typename T::Value, M>, "the key's type does not fit the member");
  Field out;
  out.name = std::move(key);
  out.type = type;
  out.doc = std::move(doc);
  out.required = flags.required;
  out.restart = flags.restart;
  out.input_only = flags.input_only;
  out.member = [member](void* from) -> void* { return &(static_cast<S*>(from)->*member); };
  return out;
}
template <class S>
[[nodiscard]] Section make_section(std::string title, std::string doc, std::vector<Field> fields) {
  return {std::move(title), std::move(doc), std::move(fields), [] { return std::static_pointer_cast<void>(std::make_shared<S>()); }};
}

}  // namespace fairlead::config::schema
