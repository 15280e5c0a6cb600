// fairlead: pure
// Takes secrets out of what is handed to others. Two ways: what is known to be a secret (the contents of key and token files) wherever it
// stands, and what looks like one (a private key in PEM, a password behind its name).
#pragma once

#include <string>
#include <vector>

namespace fairlead::cli {

inline constexpr std::size_t kSecretBytesMin = 6;

/// Overwrites each secret with as many '*', so that a file's layout stays. Those below kSecretBytesMin are left out: they are everywhere.
void blot_out(std::string& text, const std::vector<std::string>& secrets);

/// Text only. Private keys become one line; behind `password`, `secret`, `token` and their like, a ':' or '=' (or, for an option, a
/// blank), what follows on the line becomes "(removed)". Times, numbers and paths stay: `token: 800ms` and `token_file: /etc/t` are none.
[[nodiscard]] std::string scrub(const std::string& text);

/// What is secret in the contents of a key or token file: the whole of it, and each of its longer lines.
[[nodiscard]] std::vector<std::string> secrets_in(const std::string& file);

/// Paths behind `key` and `token_file` in a configuration, valid or not: in one that is not, nobody else finds them.
[[nodiscard]] std::vector<std::string> secret_paths_in(const std::string& yaml);

}  // namespace fairlead::cli
