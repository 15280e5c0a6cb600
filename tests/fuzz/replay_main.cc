// Runs a fuzz program's function without libFuzzer: every file of the corpus folder given, then mutations of them, always the same ones.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "base/prng.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Bytes = std::vector<std::uint8_t>;

std::vector<Bytes> read_corpus(const std::string& folder) {
  std::vector<Bytes> out{Bytes{}};
  if (!std::filesystem::is_directory(folder)) return out;
  std::set<std::filesystem::path> paths;  // One order everywhere.
  for (const auto& entry : std::filesystem::directory_iterator(folder)) paths.insert(entry.path());
  for (const auto& path : paths) {
    std::ifstream in(path, std::ios::binary);
    out.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return out;
}

void mutate(Bytes& bytes, fairlead::Prng& prng) {
  for (std::uint32_t n = 1 + prng.below(4); n > 0; --n) {
    const auto at = bytes.empty() ? 0 : prng.below(static_cast<std::uint32_t>(bytes.size()));
    const auto where = bytes.begin() + static_cast<std::ptrdiff_t>(at);
    switch (prng.below(4)) {
      case 0: bytes.insert(where, static_cast<std::uint8_t>(prng.next())); break;
      case 1:
        if (!bytes.empty()) bytes.erase(where);
        break;
      case 2:
        if (!bytes.empty()) *where = static_cast<std::uint8_t>(prng.next());
        break;
      default:
        if (!bytes.empty()) *where ^= static_cast<std::uint8_t>(1U << prng.below(8));
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
    return 2;
  }
  const auto corpus = read_corpus(argv[1]);
  for (const Bytes& bytes : corpus) LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  fairlead::Prng prng(1);
  constexpr int kMutations = 5000;
  Bytes bytes;
  for (int i = 0; i < kMutations; ++i) {
    // Mostly from a seed; else the last one once more, so that changes add up.
    if (i % 4 == 0) bytes = corpus[prng.below(static_cast<std::uint32_t>(corpus.size()))];
    mutate(bytes, prng);
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  }
  std::printf("%zu files and %d mutations\n", corpus.size() - 1, kMutations);
  return 0;
}
