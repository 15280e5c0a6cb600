// fairlead: pure
// Text of a manual page, man(7): what is special to roff is escaped here and nowhere else.
#pragma once

#include <string>
#include <string_view>

namespace fairlead::cli {

/// One page while it is written. Every function takes plain text.
class ManPage {
 public:
  /// `date`: YYYY-MM-DD.
  ManPage(std::string_view name, std::string_view section, std::string_view date, std::string_view version);

  void heading(std::string_view text);  ///< NAME, SYNOPSIS ...
  void subheading(std::string_view text);
  void paragraph(std::string_view text);  ///< Blank lines in it begin further ones.
  /// A term and what is to be said of it. `value`: what an option takes, set apart; may be empty.
  void entry(std::string_view term, std::string_view value, std::string_view text);
  void example(std::string_view text);  ///< Kept as it is, line by line.
  /// "fairlead vip move VIP [OPTIONS]": `bold` as typed, the rest as it is.
  void synopsis(std::string_view bold, std::string_view rest);
  [[nodiscard]] const std::string& text() const { return out_; }

 private:
  void fill(std::string_view text);

  std::string out_;
};

/// `text` so that roff shows it as it is, also at the beginning of a line.
[[nodiscard]] std::string roff(std::string_view text);

}  // namespace fairlead::cli
