#include "cli/ssh_session.h"

#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string_view>
#include <unistd.h>

namespace fairlead::cli {
namespace {

constexpr std::string_view kName = "SSH_CONNECTION=";
constexpr int kAncestorsMax = 64;

std::string read_all(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// Who started `pid`; 0: nobody, or it cannot be told.
pid_t parent_of(pid_t pid) {
  const std::string stat = read_all("/proc/" + std::to_string(pid) + "/stat");
  const auto name_end = stat.rfind(')');  // A name may have blanks and parentheses itself.
  if (name_end == std::string::npos || name_end + 4 >= stat.size()) return 0;
  pid_t out = 0;
  (void)std::from_chars(stat.data() + name_end + 4, stat.data() + stat.size(), out);
  return out;
}

}  // namespace

std::string ssh_session() {
  if (const char* own = std::getenv("SSH_CONNECTION"); own != nullptr && *own != '\0') return own;
  pid_t pid = ::getppid();
  for (int i = 0; i < kAncestorsMax && pid > 1; ++i, pid = parent_of(pid)) {
    const std::string environment = read_all("/proc/" + std::to_string(pid) + "/environ");  // Empty where we may not look.
    for (std::size_t at = 0; at < environment.size();) {
      const std::string_view entry(environment.c_str() + at);
      if (entry.starts_with(kName) && entry.size() > kName.size()) return std::string(entry.substr(kName.size()));
      at += entry.size() + 1;
    }
  }
  return {};
}

}  // namespace fairlead::cli
