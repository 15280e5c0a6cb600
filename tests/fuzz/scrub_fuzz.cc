// Any text: scrub() ends, and what stands behind a password's name on a line of its own never comes out, whatever surrounds it.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/assert.h"
#include "cli/scrub.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fairlead::cli;
  const std::string text(data, data + size);
  const std::string secret = "PLANTED-4711-SECRET";
  if (text.find(secret) != std::string::npos) return 0;
  const std::size_t middle = text.size() / 2;
  for (const char* name : {"password: ", "X-Api-Key=", "\"private_key\": \""}) {
    const std::string planted = text.substr(0, middle) + "\n" + name + secret + "\n" + text.substr(middle);
    FL_ASSERT(scrub(planted).find(secret) == std::string::npos);
  }
  std::string known = text + secret + text;
  blot_out(known, secrets_in(secret + "\n"));
  FL_ASSERT(known.find(secret) == std::string::npos);
  (void)secret_paths_in(text);
  return 0;
}
