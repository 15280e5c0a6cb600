// fairlead: pure
#include "k8s-bootstrap/apply/script_output.h"

#include <fmt/format.h>

#include "k8s-bootstrap/apply/kubeadm_help.h"

namespace fairlead::bootstrap {
namespace {

constexpr std::size_t kWordsMax = 300;

std::string_view last_line(std::string_view text) {
  const std::size_t end = text.find_last_not_of(" \t\r\n");
  if (end == std::string_view::npos) return {};
  text = text.substr(0, end + 1);
  const std::size_t begin = text.find_last_of('\n');
  return begin == std::string_view::npos ? text : text.substr(begin + 1);
}

}  // namespace

std::optional<std::string> given_value(std::string_view output, std::string_view name) {
  std::optional<std::string> value;
  while (!output.empty()) {
    const std::size_t end = output.find('\n');
    const std::string_view line = output.substr(0, end);
    output.remove_prefix(end == std::string_view::npos ? output.size() : end + 1);
    if (line.size() > name.size() + 1 && line.substr(0, name.size()) == name && line[name.size()] == '=') {
      value = std::string(line.substr(name.size() + 1));
    }
  }
  return value;
}

std::string last_words(const RemoteResult& result) {
  std::string_view words = last_line(result.errors);
  if (words.empty()) words = last_line(result.output);
  return std::string(words.substr(0, kWordsMax));
}

Error failure_of(const RemoteResult& result, bool secret) {
  const auto help = help_for(result.errors + "\n" + result.output);
  if (help) return Error{Errc::kUnavailable, fmt::format("{} ({})", help->cause, help->remedy)};
  if (secret) return Error{Errc::kUnavailable, fmt::format("the script ended with exit code {}", result.exit_code)};
  const std::string words = last_words(result);
  return Error{Errc::kUnavailable, fmt::format("exit code {}{}{}", result.exit_code, words.empty() ? "" : ": ", words)};
}

}  // namespace fairlead::bootstrap
