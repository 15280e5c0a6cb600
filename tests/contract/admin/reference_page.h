// Compares a page of docs/reference/ with what the code says. FL_UPDATE_DOCS=1 writes it anew.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>
#include <string>

namespace fairlead::testing {

/// The source tree, looked for from the working directory upwards (CTest runs in the build folder inside it). Not __FILE__: a compiler
/// cache may make that relative.
inline std::filesystem::path source_tree() {
  for (auto at = std::filesystem::current_path();; at = at.parent_path()) {
    if (std::filesystem::exists(at / "CMakePresets.json") && std::filesystem::exists(at / "docs/reference")) return at;
    if (at == at.root_path()) return {};
  }
}

inline void expect_reference_page(const std::string& name, const std::string& wanted) {
  const auto tree = source_tree();
  ASSERT_FALSE(tree.empty()) << "run this test inside the source tree";
  const auto path = tree / "docs/reference" / name;
  if (std::getenv("FL_UPDATE_DOCS") != nullptr) std::ofstream(path) << wanted;
  std::ifstream in(path);
  std::stringstream found;
  found << in.rdbuf();
  EXPECT_EQ(found.str(), wanted) << path << " is behind the code: run this test with FL_UPDATE_DOCS=1";
}

}  // namespace fairlead::testing
