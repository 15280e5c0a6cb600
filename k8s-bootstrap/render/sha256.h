// SHA-256 as 64 hexadecimal digits: of files rendered here and files read there.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace fairlead::bootstrap {

[[nodiscard]] std::string sha256(std::string_view bytes);

/// Of what comes in pieces: files that are too large to be held.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void add(std::string_view bytes);
  /// Once, at the end.
  [[nodiscard]] std::string text();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fairlead::bootstrap
