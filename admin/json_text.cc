// fairlead: pure
#include "admin/json_text.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <fmt/format.h>

namespace fairlead::admin {
namespace {

/// Length of the well-formed UTF-8 sequence at the start of `text`, 0 when there is none (overlong forms and surrogates are not).
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](std::size_t i) { return i < text.size() && (byte(i) & 0xC0U) == 0x80U; };
  const unsigned first = byte(0);
  if (first < 0x80U) return 1;
  if (first >= 0xC2U && first <= 0xDFU) return continues(1) ? 2 : 0;
  if (first >= 0xE0U && first <= 0xEFU) {
    if (!continues(1) || !continues(2)) return 0;
    if ((first == 0xE0U && byte(1) < 0xA0U) || (first == 0xEDU && byte(1) > 0x9FU)) return 0;
    return 3;
  }
  if (first >= 0xF0U && first <= 0xF4U) {
    if (!continues(1) || !continues(2) || !continues(3)) return 0;
    if ((first == 0xF0U && byte(1) < 0x90U) || (first == 0xF4U && byte(1) > 0x8FU)) return 0;
    return 4;
  }
  return 0;
}

}  // namespace

std::string valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    out.append(length == 0 ? std::string_view("\xEF\xBF\xBD") : text.substr(0, length));
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

namespace {

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const char c = text.front();
    const std::size_t length = utf8_length(text);
    if (length == 0) {
      out += "\xEF\xBF\xBD";
      text.remove_prefix(1);
      continue;
    }
    if (length > 1) {
      out.append(text.substr(0, length));
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (static_cast<unsigned char>(c) < 0x20U || c == 0x7F) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
    text.remove_prefix(length);
  }
  out += '"';
}

class Writer {
 public:
  explicit Writer(JsonStyle style) : pretty_(style == JsonStyle::kPretty) {}

  void write(const boost::json::value& value) {
    switch (value.kind()) {
      case boost::json::kind::null: out_ += "null"; return;
      case boost::json::kind::bool_: out_ += value.get_bool() ? "true" : "false"; return;
      case boost::json::kind::int64: fmt::format_to(std::back_inserter(out_), "{}", value.get_int64()); return;
      case boost::json::kind::uint64: fmt::format_to(std::back_inserter(out_), "{}", value.get_uint64()); return;
      case boost::json::kind::double_: out_ += json_number(value.get_double()); return;
      case boost::json::kind::string: append_quoted(out_, std::string_view(value.get_string().data(), value.get_string().size())); return;
      case boost::json::kind::array: write(value.get_array()); return;
      case boost::json::kind::object: write(value.get_object()); return;
    }
  }
  [[nodiscard]] std::string take() && { return std::move(out_); }

 private:
  void write(const boost::json::array& array) {
    out_ += '[';
    bool first = true;
    ++depth_;
    for (const auto& item : array) {
      separate(first);
      write(item);
    }
    --depth_;
    if (!first) line();
    out_ += ']';
  }
  void write(const boost::json::object& object) {
    out_ += '{';
    bool first = true;
    ++depth_;
    for (const auto& [key, item] : object) {
      separate(first);
      append_quoted(out_, std::string_view(key.data(), key.size()));
      out_ += pretty_ ? ": " : ":";
      write(item);
    }
    --depth_;
    if (!first) line();
    out_ += '}';
  }
  void separate(bool& first) {
    if (!first) out_ += ',';
    first = false;
    line();
  }
  void line() {
    if (!pretty_) return;
    out_ += '\n';
    out_.append(depth_ * 2, ' ');
  }

  const bool pretty_;
  std::size_t depth_ = 0;
  std::string out_;
};

}  // namespace

std::string json_number(double value) {
  if (!std::isfinite(value)) return "null";
  return fmt::format("{}", value);
}

std::string json_quoted(std::string_view text) {
  std::string out;
  append_quoted(out, text);
  return out;
}

std::string json_text(const boost::json::value& value, JsonStyle style) {
  Writer writer(style);
  writer.write(value);
  return std::move(writer).take();
}

}  // namespace fairlead::admin
