// Runs a program for a test and gives what it said: for reading back with openssl and ssh-keygen what the code under test made.
#pragma once

#include <array>
#include <cstdio>
#include <string>
#include <sys/wait.h>
#include <vector>

#include "base/result.h"

namespace fairlead::test {

/// Standard output and error together. Errors: kUnavailable with them when it did not exit with 0.
inline Result<std::string> run_tool(const std::vector<std::string>& argv) {
  std::string command;
  for (const std::string& word : argv) {
    std::string quoted = "'";
    for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    command += quoted + "' ";
  }
  FILE* pipe = ::popen((command + "2>&1 < /dev/null").c_str(), "re");
  if (pipe == nullptr) return errno_error("popen");
  std::string out;
  std::array<char, 4096> buffer{};
  for (std::size_t n = 0; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) out.append(buffer.data(), n);
  const int status = ::pclose(pipe);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return Error{Errc::kUnavailable, argv.front() + ": " + out};
  return out;
}

}  // namespace fairlead::test
