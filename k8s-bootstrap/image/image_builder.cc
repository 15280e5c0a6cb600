#include "k8s-bootstrap/image/image_builder.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/fd.h"
#include "k8s-bootstrap/machines/drivers.h"

namespace fairlead::bootstrap {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kConsoleTail = 1500;

const std::vector<LocalProgram> kNeeded{{"mmdebstrap", "mmdebstrap"},
                                        {"qemu-system-x86_64", "qemu-system-x86"},
                                        {"qemu-img", "qemu-utils"},
                                        {"mke2fs", "e2fsprogs"},
                                        {"tar", "tar"},
                                        {"dpkg-query", "dpkg"}};

/// The builder's own words, where it had no end that it vouches for.
Status check_result(const ImageBuild& build) {
  const Fd result(::open(build.result.c_str(), O_RDONLY | O_CLOEXEC));
  std::string word(kBuilderWord.size(), '\0');
  if (result.valid() && ::read(result.get(), word.data(), word.size()) == static_cast<ssize_t>(word.size()) && word == kBuilderWord)
    return {};
  std::string said;
  if (auto console = read_small_file(build.console); console && *console) said = **console;
  if (said.size() > kConsoleTail) said = "..." + said.substr(said.size() - kConsoleTail);
  return Error{Errc::kUnavailable, fmt::format("the builder VM did not finish ({} has it all): {}", build.console, said)};
}

}  // namespace

bool has_kvm(const LocalWorld& world) {
  if (::access("/dev/kvm", R_OK | W_OK) != 0) return false;
  std::string path = (fs::temp_directory_path() / "fairlead.XXXXXX").string();
  const Fd fd(::mkstemp(path.data()));
  if (!fd.valid()) return false;
  HostQuestion probe = ask_kvm();
  const bool written = ::write(fd.get(), probe.file.data(), probe.file.size()) == static_cast<ssize_t>(probe.file.size());
  for (std::string& word : probe.argv) {
    if (const auto at = word.find("{file}"); at != std::string::npos) word.replace(at, 6, path);
  }
  ProgramCall call;
  call.argv = probe.argv;
  call.timeout = probe.timeout;
  const auto ran = written ? world.run(call) : Result<ProgramResult>(Error{Errc::kUnavailable, path});
  ::unlink(path.c_str());
  return ran && ran->exit_code == kProbeExit;
}

Status build_image(const Image& image, const ImagePlaces& places, const LocalWorld& world) {
  if (::geteuid() != 0) return Error{Errc::kPermission, "image build unpacks a system with its owners and devices: run it as root"};
  if (auto there = need_programs(kNeeded); !there) return there;
  std::error_code wrong;
  fs::create_directories(places.images, wrong);
  if (wrong) return errno_error(places.images, wrong.value());
  const Fd lock(::open((places.images + "/.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock.valid()) return errno_error(places.images + "/.lock");
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
    return Error{Errc::kConflict, "another image build is at work in " + places.images + ": wait until it has ended"};
  const ImageBuild build = plan_image(image, places);
  if (auto made = carry_out(build.make, world); !made) return made;
  if (auto fine = check_result(build); !fine) return fine;
  return carry_out(build.finish, world);
}

Result<std::vector<ImageFound>> list_images(const std::string& folder) {
  std::vector<ImageFound> out;
  std::error_code wrong;
  if (!fs::exists(folder, wrong)) return out;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, wrong)) {
    if (entry.path().extension() != ".qcow2") continue;
    ImageFound found;
    found.name = entry.path().stem().string();
    found.file = entry.path().string();
    struct stat about {};
    if (::stat(found.file.c_str(), &about) == 0) found.bytes = static_cast<std::uint64_t>(about.st_blocks) * 512;
    auto manifest = read_small_file(fmt::format("{}/{}.manifest", folder, found.name));
    if (!manifest) return manifest.error();
    if (*manifest) {
      const std::string& text = **manifest;
      found.packages = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
      for (const std::string_view kernel : {kCloudKernel, kWholeKernel}) {
        const auto at = text.find(fmt::format("{} ", kernel));
        if (at == std::string::npos) continue;
        const auto from = at + kernel.size() + 1;
        found.kernel = text.substr(from, text.find_first_of(" \n", from) - from);
      }
    }
    out.push_back(std::move(found));
  }
  if (wrong) return errno_error(folder, wrong.value());
  std::sort(out.begin(), out.end(), [](const ImageFound& a, const ImageFound& b) { return a.name < b.name; });
  return out;
}

}  // namespace fairlead::bootstrap
