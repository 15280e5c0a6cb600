#include "base/flight_recorder.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <linux/magic.h>
#include <mutex>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <utility>

#include "base/assert.h"
#include "base/atomic_file.h"
#include "base/blackbox_file.h"
#include "base/fd.h"
#include "base/log_format.h"
#include "base/system_clock.h"

namespace fairlead {
namespace {

constexpr std::array<char, 8> kMagic{'F', 'L', 'I', 'G', 'H', 'T', '0', '1'};
constexpr std::size_t kPageBytes = 4096;  ///< Before the ring's bytes.
constexpr std::size_t kBytesMax = std::size_t{64} << 20;
constexpr std::size_t kReadAtOnce = std::size_t{32} << 10;
constexpr std::array kFatal{SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL};
constexpr std::array<const char*, kFatal.size()> kFatalNames{"SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL"};
constexpr int kWriterPatience = 20;     ///< Milliseconds for another thread's entry to be whole.
constexpr int kCrasherPatience = 2000;  ///< Likewise for the thread that crashed first to have written the file.

/// The ring file's first page. Positions count the bytes ever written; their rest by `bytes` is the place.
struct RingPage {
  std::array<char, 8> magic;
  std::uint64_t bytes;
  std::int64_t started;  ///< Wall time in seconds.
  std::uint32_t pid;
  std::atomic<std::uint32_t> saved;
  std::atomic<std::uint64_t> tail;  ///< The oldest chunk; goes on before its bytes are written over.
  std::atomic<std::uint64_t> head;  ///< Goes on once a chunk is whole.
};
static_assert(sizeof(RingPage) <= kPageBytes);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::atomic<std::uint32_t>::is_always_lock_free);

/// "20261127T063323Z-1234.fdata": sorts by time.
std::string flight_name(std::int64_t started, std::uint32_t pid) {
  std::tm utc{};
  const std::time_t seconds = started;
  if (::gmtime_r(&seconds, &utc) == nullptr) utc = {};
  std::array<char, 64> text{};
  const std::size_t n = std::strftime(text.data(), text.size(), "%Y%m%dT%H%M%SZ", &utc);
  return std::string(text.data(), n) + "-" + std::to_string(pid) + ".fdata";
}

std::string folder_of(const std::string& state_dir) { return state_dir + "/" + std::string(kFlightFolder); }

// ---- what a signal handler may use ----

/// Text of bounded length without memory or stdio.
class ShortText {
 public:
  ShortText& add(std::string_view text) {
    for (const char c : text.substr(0, text_.size() - size_)) text_[size_++] = c;
    return *this;
  }
  ShortText& add_number(std::uint64_t value, unsigned base) {
    std::array<char, 24> digits;
    std::size_t at = digits.size();
    do {
      digits[--at] = "0123456789abcdef"[value % base];
      value /= base;
    } while (value != 0);
    return add({&digits[at], digits.size() - at});
  }
  [[nodiscard]] std::string_view text() const { return {text_.data(), size_}; }

 private:
  std::array<char, 160> text_{};
  std::size_t size_ = 0;
};

bool write_whole(int fd, const void* data, std::size_t size) {
  const auto* at = static_cast<const char*>(data);
  while (size > 0) {
    const auto n = ::write(fd, at, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

void wait_a_millisecond() {
  const timespec pause{.tv_sec = 0, .tv_nsec = 1'000'000};
  ::nanosleep(&pause, nullptr);
}

int own_tid() { return static_cast<int>(::syscall(SYS_gettid)); }

std::size_t index_of(int signal) {
  return static_cast<std::size_t>(std::find(kFatal.begin(), kFatal.end(), signal) - kFatal.begin()) % kFatal.size();
}

}  // namespace

struct FlightRecorder::Core {
  explicit Core(FlightRecorderOptions from) : options(std::move(from)) {}

  bool map_file();
  void map_nameless();
  void begin();
  std::byte* place(std::uint64_t position) const { return data + position % options.bytes; }
  void copy_in(std::uint64_t position, const std::byte* from, std::size_t size) const;
  void append_chunk(std::span<const std::byte> chunk) const;
  std::size_t room_at(std::uint64_t position) const;
  void crashed(int signal, const siginfo_t& info);
  bool write_file();
  static void on_fatal(int signal, siginfo_t* info, void* context);

  FlightRecorderOptions options;
  RingPage* page = nullptr;
  std::byte* data = nullptr;
  bool has_file = false;
  Fd state_dir;
  std::string name_below;  ///< "blackbox/20261127T063323Z-1234.fdata"
  std::string crash_path;
  std::mutex mutex;  ///< Whoever writes entries, or reads them.
  // Between writers and a signal handler, which cannot wait for `mutex`.
  std::atomic<bool> frozen{false};
  std::atomic<int> writer{0};  ///< Thread that is copying an entry in.
  std::atomic<int> crasher{0};
  std::atomic<bool> written{false};
  std::array<struct sigaction, kFatal.size()> before{};
  std::array<std::byte, 65536> stack;  ///< For a thread that overran its own.
  bool armed = false;
  bool has_stack = false;
};

namespace {
std::atomic<void*> g_armed{nullptr};  // The FlightRecorder::Core of dump_when_it_crashes().
}

/// False: no such file, or it would be on a disk.
bool FlightRecorder::Core::map_file() {
  if (options.ring.empty()) return false;
  ::unlink(options.ring.c_str());
  const Fd file(::open(options.ring.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.valid()) return false;
  struct statfs where {};
  const std::size_t size = kPageBytes + options.bytes;
  void* mapped = MAP_FAILED;
  // All of it now: a page that a full tmpfs cannot give is SIGBUS.
  if (::fstatfs(file.get(), &where) == 0 && (where.f_type == TMPFS_MAGIC || where.f_type == RAMFS_MAGIC) &&
      ::posix_fallocate(file.get(), 0, static_cast<off_t>(size)) == 0)
    mapped = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (mapped == MAP_FAILED) {
    ::unlink(options.ring.c_str());
    return false;
  }
  page = static_cast<RingPage*>(mapped);
  return true;
}

void FlightRecorder::Core::map_nameless() {
  void* mapped = ::mmap(nullptr, kPageBytes + options.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  FL_ASSERT(mapped != MAP_FAILED);  // Two megabytes at the start of a process.
  page = static_cast<RingPage*>(mapped);
}

void FlightRecorder::Core::begin() {
  data = reinterpret_cast<std::byte*>(page) + kPageBytes;
  page->bytes = options.bytes;
  page->started = std::chrono::duration_cast<std::chrono::seconds>(SystemClock().wall().time_since_epoch()).count();
  page->pid = static_cast<std::uint32_t>(::getpid());
  page->magic = kMagic;
  if (options.state_dir.empty()) return;
  state_dir.reset(::open(options.state_dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!state_dir.valid()) return;
  const std::string name = flight_name(page->started, page->pid);
  name_below = std::string(kFlightFolder) + "/" + name;
  crash_path = folder_of(options.state_dir) + "/" + name;
}

void FlightRecorder::Core::copy_in(std::uint64_t position, const std::byte* from, std::size_t size) const {
  const std::size_t first = std::min<std::size_t>(size, options.bytes - position % options.bytes);
  std::memcpy(place(position), from, first);
  std::memcpy(data, from + first, size - first);
}

/// Chunks begin at multiples of 4, so a word of one never wraps.
std::size_t FlightRecorder::Core::room_at(std::uint64_t position) const {
  std::uint32_t size = 0;
  std::memcpy(&size, place(position), sizeof size);
  return blackbox_chunk_room(size);
}

void FlightRecorder::Core::append_chunk(std::span<const std::byte> chunk) const {
  const std::uint64_t head = page->head.load(std::memory_order_relaxed);
  std::uint64_t tail = page->tail.load(std::memory_order_relaxed);
  while (head + chunk.size() - tail > options.bytes) tail += room_at(tail);
  page->tail.store(tail, std::memory_order_release);
  copy_in(head, chunk.data(), chunk.size());
  page->head.store(head + chunk.size(), std::memory_order_release);
}

// ---- crash ----

bool FlightRecorder::Core::write_file() {
  if (!state_dir.valid()) return false;
  ::mkdirat(state_dir.get(), kFlightFolder.data(), 0750);
  const int file = ::openat(state_dir.get(), name_below.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
  if (file < 0) return false;
  const std::uint64_t tail = page->tail.load(std::memory_order_acquire);
  const std::size_t size = page->head.load(std::memory_order_acquire) - tail;
  const std::size_t first = std::min<std::size_t>(size, options.bytes - tail % options.bytes);
  const auto head = blackbox_file_head(size);
  const std::array<std::byte, kBlackboxEndBytes> end{};
  const bool whole = write_whole(file, head.data(), head.size()) && write_whole(file, place(tail), first) &&
                     write_whole(file, data, size - first) && write_whole(file, end.data(), end.size());
  ::close(file);
  return whole;
}

void FlightRecorder::Core::crashed(int signal, const siginfo_t& info) {
  frozen.store(true);
  const int self = own_tid();
  const auto others_write = [&] { return writer.load() != 0 && writer.load() != self; };
  for (int i = 0; i < kWriterPatience && others_write(); ++i) wait_a_millisecond();
  if (writer.load() == 0) {
    std::array<char, 17> thread{};
    ::prctl(PR_GET_NAME, thread.data());
    ShortText text;
    text.add("signal=").add(kFatalNames[index_of(signal)]).add(" thread=").add(thread.data());
    if (info.si_code > 0)
      text.add(" address=0x").add_number(reinterpret_cast<std::uintptr_t>(info.si_addr), 16);
    else
      text.add(" sent_by=").add_number(static_cast<std::uint64_t>(info.si_pid), 10);
    std::array<std::byte, kBlackboxChunkMax> chunk;
    const std::size_t size =
        put_blackbox_chunk(chunk, SystemClock().wall(), LogLevel::kError, to_string(MessageId::DAEMON_CRASHED), text.text());
    append_chunk(std::span(chunk).first(size));
  }
  if (write_file()) page->saved.store(1);
}

void FlightRecorder::Core::on_fatal(int signal, siginfo_t* info, void* /*context*/) {
  const int saved_errno = errno;
  auto* core = static_cast<Core*>(g_armed.load());
  if (core != nullptr) {
    int nobody = 0;
    if (core->crasher.compare_exchange_strong(nobody, own_tid())) {
      core->crashed(signal, *info);
      core->written.store(true);
    } else if (nobody != own_tid()) {
      for (int i = 0; i < kCrasherPatience && !core->written.load(); ++i) wait_a_millisecond();
    }
    ::sigaction(signal, &core->before[index_of(signal)], nullptr);
  } else {
    struct sigaction usual {};
    usual.sa_handler = SIG_DFL;
    ::sigaction(signal, &usual, nullptr);
  }
  // A fault happens again when this returns, with the registers it had. What somebody sent has to be sent again; it waits until then.
  if (info->si_code <= 0) ::syscall(SYS_tgkill, ::getpid(), own_tid(), signal);
  errno = saved_errno;
}

void FlightRecorder::dump_when_it_crashes() {
  FL_ASSERT(g_armed.exchange(core_.get()) == nullptr);
  core_->armed = true;
  stack_t had{};
  ::sigaltstack(nullptr, &had);
  if ((had.ss_flags & SS_DISABLE) != 0) {
    const stack_t own{.ss_sp = core_->stack.data(), .ss_flags = 0, .ss_size = core_->stack.size()};
    core_->has_stack = ::sigaltstack(&own, nullptr) == 0;
  }
  struct sigaction action {};
  action.sa_sigaction = &Core::on_fatal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (std::size_t i = 0; i < kFatal.size(); ++i) ::sigaction(kFatal[i], &action, &core_->before[i]);
}

// ---- life ----

FlightRecorder::FlightRecorder(FlightRecorderOptions options) : core_(std::make_unique<Core>(std::move(options))) {
  FL_ASSERT(core_->options.bytes % 4 == 0 && core_->options.bytes >= 4096 && core_->options.bytes <= kBytesMax);
  core_->has_file = core_->map_file();
  if (!core_->has_file) core_->map_nameless();
  core_->begin();
}

FlightRecorder::~FlightRecorder() {
  retire();
  ::munmap(core_->page, kPageBytes + core_->options.bytes);
}

void FlightRecorder::retire() {
  if (std::exchange(core_->armed, false)) {
    for (std::size_t i = 0; i < kFatal.size(); ++i) ::sigaction(kFatal[i], &core_->before[i], nullptr);
    g_armed.store(nullptr);
    const stack_t none{.ss_sp = nullptr, .ss_flags = SS_DISABLE, .ss_size = 0};
    if (std::exchange(core_->has_stack, false)) ::sigaltstack(&none, nullptr);
  }
  if (std::exchange(core_->has_file, false)) ::unlink(core_->options.ring.c_str());
}

bool FlightRecorder::outlives() const { return core_->has_file; }
const std::string& FlightRecorder::crash_file() const { return core_->crash_path; }

void FlightRecorder::append(const LogEvent& event) noexcept {
  const std::string body = format_event_body(event);
  const std::string_view name = to_string(event.id);
  std::string_view text = body;
  text.remove_prefix(std::min(name.size() + 1, text.size()));
  std::array<std::byte, kBlackboxChunkMax> chunk;
  const std::size_t size = put_blackbox_chunk(chunk, event.time, level_of(event.id), name, text);
  const std::lock_guard lock(core_->mutex);
  core_->writer.store(own_tid());
  if (!core_->frozen.load()) core_->append_chunk(std::span(chunk).first(size));
  core_->writer.store(0);
}

std::string FlightRecorder::dump() const {
  std::string chunks;
  std::uint64_t at = 0;
  std::uint64_t end = 0;
  {
    const std::lock_guard lock(core_->mutex);
    at = core_->page->tail.load();
    end = core_->page->head.load();
  }
  chunks.reserve(end - at);
  while (at < end) {
    const std::lock_guard lock(core_->mutex);
    // What newer entries took the place of meanwhile is gone, and what had been read of before it stays.
    at = std::max(at, core_->page->tail.load());
    for (const std::uint64_t stop = at + kReadAtOnce; at < end && at < stop;) {
      const std::size_t room = core_->room_at(at);
      const std::size_t first = std::min<std::size_t>(room, core_->options.bytes - at % core_->options.bytes);
      chunks.append(reinterpret_cast<const char*>(core_->place(at)), first);
      chunks.append(reinterpret_cast<const char*>(core_->data), room - first);
      at += room;
    }
  }
  const auto head = blackbox_file_head(chunks.size());
  return std::string(reinterpret_cast<const char*>(head.data()), head.size()) + chunks + std::string(kBlackboxEndBytes, '\0');
}

// ---- what an earlier life left ----

Result<std::optional<LastFlight>> read_flight(const std::string& ring) {
  const Fd file(::open(ring.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file.valid() && errno == ENOENT) return std::optional<LastFlight>();
  if (!file.valid()) return errno_error("open " + ring);
  struct stat what {};
  if (::fstat(file.get(), &what) != 0) return errno_error("look at " + ring);
  const Error wrong{Errc::kInvalidArgument, ring + " is no ring of the flight recorder"};
  const auto size = static_cast<std::size_t>(what.st_size);
  if (!S_ISREG(what.st_mode) || size < kPageBytes + 4 || size > kPageBytes + kBytesMax) return wrong;

  std::string bytes(size, '\0');
  for (std::size_t got = 0; got < size;) {
    const auto n = ::pread(file.get(), bytes.data() + got, size - got, static_cast<off_t>(got));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("read " + ring);
    if (n == 0) return wrong;
    got += static_cast<std::size_t>(n);
  }
  // Its owner may run: what was written over while this was read is before the tail as it is now.
  alignas(RingPage) std::array<std::byte, sizeof(RingPage)> raw;
  if (::pread(file.get(), raw.data(), raw.size(), 0) != static_cast<ssize_t>(raw.size())) return wrong;
  const auto* now = reinterpret_cast<const RingPage*>(raw.data());
  alignas(RingPage) std::array<std::byte, sizeof(RingPage)> early;
  std::memcpy(early.data(), bytes.data(), early.size());
  const auto* page = reinterpret_cast<const RingPage*>(early.data());
  const std::uint64_t ring_bytes = page->bytes;
  const std::uint64_t end = page->head.load();
  std::uint64_t at = now->tail.load();
  if (page->magic != kMagic || ring_bytes != size - kPageBytes || ring_bytes % 4 != 0 || at % 4 != 0) return wrong;

  std::string chunks;
  const auto word_at = [&](std::uint64_t position) {
    std::uint32_t word = 0;
    std::memcpy(&word, bytes.data() + kPageBytes + position % ring_bytes, sizeof word);
    return word;
  };
  while (at < end && end - at <= ring_bytes) {
    const std::size_t room = blackbox_chunk_room(word_at(at));
    if (word_at(at + 4) != kBlackboxChunkMagic || room > end - at) break;
    const std::size_t first = std::min<std::size_t>(room, ring_bytes - at % ring_bytes);
    chunks.append(bytes, kPageBytes + at % ring_bytes, first);
    chunks.append(bytes, kPageBytes, room - first);
    at += room;
  }
  const auto head = blackbox_file_head(chunks.size());
  return std::optional(LastFlight{
      .dump = std::string(reinterpret_cast<const char*>(head.data()), head.size()) + chunks + std::string(kBlackboxEndBytes, '\0'),
      .name = flight_name(page->started, page->pid),
      .saved = page->saved.load() != 0});
}

std::vector<std::string> kept_flights(const std::string& state_dir) {
  std::vector<std::string> out;
  std::error_code failed;
  for (std::filesystem::directory_iterator at(folder_of(state_dir), failed), end; !failed && at != end; at.increment(failed)) {
    if (at->path().extension() == ".fdata") out.push_back(at->path().string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

namespace {

/// Not flushed to the disk: a start does not wait for it.
Status write_flight(const std::string& path, const std::string& dump) {
  const std::string beside = path + ".new";
  const Fd file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640));
  if (!file.valid()) return errno_error("create " + beside);
  if (!write_whole(file.get(), dump.data(), dump.size()) || ::rename(beside.c_str(), path.c_str()) != 0) {
    const Error failed = errno_error("write " + path);
    ::unlink(beside.c_str());
    return failed;
  }
  return {};
}

}  // namespace

Status keep_last_flight(const std::string& ring, const std::string& state_dir) {
  if (ring.empty()) return {};
  auto left = read_flight(ring);
  if (!left) {  // Not ours, or not to be read: it must not be in the way of the next ring.
    ::unlink(ring.c_str());
    return left.error();
  }
  if (!*left) return {};
  const std::string aside = ring + std::string(kFlightAsideSuffix);
  if (!(*left)->saved) {
    const std::string folder = folder_of(state_dir);
    const bool there = ::mkdir(folder.c_str(), 0750) == 0 || errno == EEXIST;
    const Status written = there ? write_flight(folder + "/" + (*left)->name, (*left)->dump) : Status(errno_error("create " + folder));
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
  const std::string mark = folder_of(state_dir) + "/told";
  const auto told = read_small_file(mark);
  if (told && *told && **told == kept.back()) return std::nullopt;
  (void)write_file_atomically(mark, kept.back());  // Where that fails it is said at the next start again.
  return std::move(kept.back());
}

}  // namespace fairlead
