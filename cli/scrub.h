// fairlead: pure
// Takes secrets out of what is handed to others. Two ways: what is known to be a secret (the contents of key and token files) wherever it
// stands, and what looks like one. When in doubt it takes out: a line too few can be asked for, a password that was sent is out for good.
#pragma once

#include <string>
#include <vector>

namespace fairlead::cli {

inline constexpr std::size_t kSecretBytesMin = 6;

/// Overwrites each secret with as many '*', so that a file's layout stays, also where it stands as JSON or a log line writes it. Those
/// below kSecretBytesMin are left out: they are everywhere.
void blot_out(std::string& text, const std::vector<std::string>& secrets);

/// Text only. What is taken out:
///   private keys in PEM, also in one line of JSON
///   what follows on the line behind the name of a secret (password, X-Api-Key, private_key, psk, auth_pass, token, ...) and ':', '=', '>',
///     a blank (behind an option and behind the names of passwords), or the next item of a list; and lines that go on deeper than that one
///   user:password@ of a URL or behind curl's -u; what follows Bearer and Basic; tokens of JWT's and kubeadm's form
/// Truth values, paths behind the name of a file and Corosync's times stay: `token: 800ms` and `token_file: /etc/t` are none.
[[nodiscard]] std::string scrub(const std::string& text);

/// What is secret in the contents of a key or token file: the whole of it, and each of its longer lines.
[[nodiscard]] std::vector<std::string> secrets_in(const std::string& file);

/// Paths behind `key` and `token_file` in a configuration, valid or not: in one that is not, nobody else finds them.
[[nodiscard]] std::vector<std::string> secret_paths_in(const std::string& yaml);

}  // namespace fairlead::cli
