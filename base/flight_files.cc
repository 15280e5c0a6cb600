#include "base/flight_files.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <tuple>

#include "base/atomic_file.h"
#include "base/blackbox_file.h"
#include "base/fd.h"
#include "base/flight_ring.h"

namespace fairlead {
namespace {

constexpr std::size_t kStampBytes = sizeof "20261127T063323Z" - 1;
constexpr std::string_view kSuffix = ".fdata";

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
}

/// As flight_name() makes them.
bool is_flight_name(std::string_view name) {
  if (name.size() <= kStampBytes + 1 + kSuffix.size() || !name.ends_with(kSuffix)) return false;
  const std::string_view pid = name.substr(kStampBytes + 1, name.size() - kStampBytes - 1 - kSuffix.size());
  return all_digits(name.substr(0, 8)) && name[8] == 'T' && all_digits(name.substr(9, 6)) && name[15] == 'Z' && name[16] == '-' &&
         all_digits(pid);
}

/// Not flushed to the disk: a start does not wait for it.
Status write_flight(const std::string& path, const std::string& dump) {
  const std::string beside = path + ".new";
  const Fd file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640));
  if (!file.valid()) return errno_error("create " + beside);
  if (!write_flight_bytes(file.get(), dump.data(), dump.size()) || ::rename(beside.c_str(), path.c_str()) != 0) {
    const Error failed = errno_error("write " + path);
    ::unlink(beside.c_str());
    return failed;
  }
  return {};
}

/// `bytes`: the file's, page and ring. `tail_now`: as it is after they were read.
std::optional<std::string> dump_of(std::string_view bytes, std::uint64_t tail_now) {
  alignas(FlightPage) std::array<std::byte, sizeof(FlightPage)> raw{};
  std::memcpy(raw.data(), bytes.data(), raw.size());
  const auto* page = reinterpret_cast<const FlightPage*>(raw.data());
  if (page->magic != kFlightMagic || page->bytes != bytes.size() - kFlightPageBytes || page->bytes % 4 != 0 || tail_now % 4 != 0)
    return std::nullopt;
  const BlackboxRing ring{.data = bytes.data() + kFlightPageBytes, .size = page->bytes};
  const std::uint64_t end = page->head.load();
  std::string chunks;
  for (std::uint64_t at = tail_now; at < end && end - at <= ring.size;) {
    const std::size_t room = ring.room(at, end);
    if (room == 0) break;
    ring.copy(at, room, chunks);
    at += room;
  }
  return blackbox_file(chunks);
}

}  // namespace

std::string flight_name(std::int64_t started, std::uint32_t pid) {
  std::tm utc{};
  const std::time_t seconds = started;
  if (::gmtime_r(&seconds, &utc) == nullptr) utc = {};
  std::array<char, 64> text{};
  const std::size_t n = std::strftime(text.data(), text.size(), "%Y%m%dT%H%M%SZ", &utc);
  return std::string(text.data(), n) + "-" + std::to_string(pid) + std::string(kSuffix);
}

std::string flight_folder(const std::string& state_dir) { return state_dir + "/" + std::string(kFlightFolder); }

Result<std::optional<LastFlight>> read_flight(const std::string& ring) {
  const Fd file(::open(ring.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file.valid() && errno == ENOENT) return std::optional<LastFlight>();
  if (!file.valid()) return errno_error("open " + ring);
  struct stat what {};
  if (::fstat(file.get(), &what) != 0) return errno_error("look at " + ring);
  const Error wrong{Errc::kInvalidArgument, ring + " is no ring of the flight recorder"};
  const auto size = static_cast<std::size_t>(what.st_size);
  if (!S_ISREG(what.st_mode) || size < kFlightPageBytes + 4 || size > kFlightPageBytes + kFlightBytesMax) return wrong;

  std::string bytes(size, '\0');
  for (std::size_t got = 0; got < size;) {
    const auto n = ::pread(file.get(), bytes.data() + got, size - got, static_cast<off_t>(got));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("read " + ring);
    if (n == 0) return wrong;
    got += static_cast<std::size_t>(n);
  }
  // Its owner may run: what was written over while this was read is before the tail as it is now.
  alignas(FlightPage) std::array<std::byte, sizeof(FlightPage)> raw{};
  if (::pread(file.get(), raw.data(), raw.size(), 0) != static_cast<ssize_t>(raw.size())) return wrong;
  const auto* page = reinterpret_cast<const FlightPage*>(raw.data());
  auto dump = dump_of(bytes, page->tail.load());
  if (!dump) return wrong;
  return std::optional(
      LastFlight{.dump = std::move(*dump), .name = flight_name(page->started, page->pid), .saved = page->saved.load() != 0});
}

std::vector<std::string> kept_flights(const std::string& state_dir) {
  // By the second a life began. Two of one second: the one written first ended first; ids of processes begin anew.
  std::vector<std::tuple<std::string, std::filesystem::file_time_type, std::string>> found;
  std::error_code failed;
  for (std::filesystem::directory_iterator at(flight_folder(state_dir), failed), end; !failed && at != end; at.increment(failed)) {
    const std::string name = at->path().filename().string();
    std::error_code unknown;
    if (is_flight_name(name)) found.emplace_back(name.substr(0, kStampBytes), at->last_write_time(unknown), at->path().string());
  }
  std::sort(found.begin(), found.end());
  std::vector<std::string> out;
  out.reserve(found.size());
  for (auto& one : found) out.push_back(std::move(std::get<2>(one)));
  return out;
}

Status keep_last_flight(const std::string& ring, const std::string& state_dir) {
  if (ring.empty()) return {};
  const std::string aside = ring + std::string(kFlightAsideSuffix);
  const auto left = read_flight(ring);
  if (!left && left.error().code == Errc::kInvalidArgument) {
    ::unlink(ring.c_str());
    return left.error();
  }
  if (!left) {  // Another user's, or a disk that fails: who may read it still can.
    const Error& why = left.error();
    if (::rename(ring.c_str(), aside.c_str()) != 0) return why;
    return Error{why.code, why.context + " (it lies at " + aside + " now)", why.sys_errno};
  }
  if (!*left) return {};
  if (!(*left)->saved) {
    const std::string folder = flight_folder(state_dir);
    const bool there = ::mkdir(folder.c_str(), 0750) == 0 || errno == EEXIST;
    Status written = there ? write_flight(folder + "/" + (*left)->name, (*left)->dump) : Status(errno_error("create " + folder));
    if (!written) {
      ::rename(ring.c_str(), aside.c_str());
      return written;
    }
  }
  ::unlink(ring.c_str());
  ::unlink(aside.c_str());
  return {};
}

std::optional<std::string> take_untold_flight(const std::string& state_dir) {
  auto kept = kept_flights(state_dir);
  for (std::size_t i = 0; i + kFlightsKept < kept.size(); ++i) ::unlink(kept[i].c_str());
  if (kept.empty()) return std::nullopt;
  const std::string mark = flight_folder(state_dir) + "/told";
  const auto told = read_small_file(mark);
  if (told && *told && **told == kept.back()) return std::nullopt;
  (void)write_file_atomically(mark, kept.back());  // Where that fails it is said at the next start again.
  return std::move(kept.back());
}

}  // namespace fairlead
