#include "base/flight_recorder.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <linux/magic.h>
#include <mutex>
#include <optional>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <utility>

#include "base/assert.h"
#include "base/blackbox_file.h"
#include "base/crash_stack.h"
#include "base/fd.h"
#include "base/flight_files.h"
#include "base/flight_ring.h"
#include "base/log_format.h"
#include "base/priority_mutex.h"
#include "base/system_clock.h"

namespace fairlead {
namespace {

constexpr std::size_t kReadAtOnce = std::size_t{32} << 10;
constexpr std::array kFatal{SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL};
constexpr std::array<const char*, kFatal.size()> kFatalNames{"SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL"};
constexpr int kWriterPatience = 20;     ///< Milliseconds for another thread's entry to be whole.
constexpr int kCrasherPatience = 2000;  ///< Likewise for the thread that crashed first to have written the file.
constexpr unsigned kCrashSeconds = 2;   ///< For that file; after them the process ends without it.

// ---- what a signal handler may use ----

/// Text of bounded length without memory or stdio.
class ShortText {
 public:
  ShortText& add(std::string_view text) {
    for (const char c : text.substr(0, text_.size() - size_)) text_[size_++] = c;
    return *this;
  }
  ShortText& add_number(std::uint64_t value, unsigned base) {
    std::array<char, 24> digits{};
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

void wait_a_millisecond() {
  const timespec pause{.tv_sec = 0, .tv_nsec = 1'000'000};
  ::nanosleep(&pause, nullptr);
}

/// A disk may not answer, and the rest of the process must not go on meanwhile as if nothing were: SIGALRM then ends it, and the
/// other threads stop. Unblocked here, since most threads block every signal.
void limit_time() {
  struct sigaction usual {};
  usual.sa_handler = SIG_DFL;
  ::sigaction(SIGALRM, &usual, nullptr);
  sigset_t alone;
  ::sigemptyset(&alone);
  ::sigaddset(&alone, SIGALRM);
  ::pthread_sigmask(SIG_UNBLOCK, &alone, nullptr);
  ::alarm(kCrashSeconds);
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
  [[nodiscard]] BlackboxRing ring() const { return {.data = data, .size = options.bytes}; }
  std::byte* place(std::uint64_t position) const { return data + position % options.bytes; }
  void copy_in(std::uint64_t position, const std::byte* from, std::size_t size) const;
  void append_chunk(std::span<const std::byte> chunk) const;
  void crashed(int signal, const siginfo_t& info);
  bool write_file();
  static void on_fatal(int signal, siginfo_t* info, void* context);

  FlightRecorderOptions options;
  FlightPage* page = nullptr;
  std::byte* data = nullptr;
  bool has_file = false;
  Fd state_dir;
  std::string name_below;  ///< "blackbox/20261127T063323Z-1234.fdata"
  std::string crash_path;
  PriorityMutex mutex;  ///< Whoever writes entries, or reads them: the control thread, and `admin` for an operator.
  // Between writers and a signal handler, which cannot wait for `mutex`.
  std::atomic<bool> frozen{false};
  std::atomic<int> writer{0};  ///< Thread that is copying an entry in.
  std::atomic<int> crasher{0};
  std::atomic<bool> written{false};
  std::array<struct sigaction, kFatal.size()> before{};
  std::optional<CrashStack> stack;  ///< Of the thread that arms us.
  bool armed = false;
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
  const std::size_t size = kFlightPageBytes + options.bytes;
  void* mapped = MAP_FAILED;
  // All of it now: a page that a full tmpfs cannot give is SIGBUS.
  if (::fstatfs(file.get(), &where) == 0 && (where.f_type == TMPFS_MAGIC || where.f_type == RAMFS_MAGIC) &&
      ::posix_fallocate(file.get(), 0, static_cast<off_t>(size)) == 0)
    mapped = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (mapped == MAP_FAILED) {
    ::unlink(options.ring.c_str());
    return false;
  }
  page = static_cast<FlightPage*>(mapped);
  return true;
}

void FlightRecorder::Core::map_nameless() {
  void* mapped = ::mmap(nullptr, kFlightPageBytes + options.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  FL_ASSERT(mapped != MAP_FAILED);  // Two megabytes at the start of a process.
  page = static_cast<FlightPage*>(mapped);
}

void FlightRecorder::Core::begin() {
  data = reinterpret_cast<std::byte*>(page) + kFlightPageBytes;
  page->bytes = options.bytes;
  page->started = std::chrono::duration_cast<std::chrono::seconds>(SystemClock().wall().time_since_epoch()).count();
  page->pid = static_cast<std::uint32_t>(::getpid());
  page->magic = kFlightMagic;
  if (options.state_dir.empty()) return;
  state_dir.reset(::open(options.state_dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!state_dir.valid()) return;
  const std::string name = flight_name(page->started, page->pid);
  name_below = std::string(kFlightFolder) + "/" + name;
  crash_path = flight_folder(options.state_dir) + "/" + name;
}

void FlightRecorder::Core::copy_in(std::uint64_t position, const std::byte* from, std::size_t size) const {
  const std::size_t first = std::min<std::size_t>(size, options.bytes - position % options.bytes);
  std::memcpy(place(position), from, first);
  std::memcpy(data, from + first, size - first);
}

void FlightRecorder::Core::append_chunk(std::span<const std::byte> chunk) const {
  const std::uint64_t head = page->head.load(std::memory_order_relaxed);
  std::uint64_t tail = page->tail.load(std::memory_order_relaxed);
  while (head + chunk.size() - tail > options.bytes) {
    const std::size_t room = ring().room(tail, head);
    tail = room == 0 ? head : tail + room;  // Damaged: somebody wrote over our memory, and what follows cannot be found.
  }
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
  const bool whole = write_flight_bytes(file, head.data(), head.size()) && write_flight_bytes(file, place(tail), first) &&
                     write_flight_bytes(file, data, size - first) && write_flight_bytes(file, end.data(), end.size());
  ::close(file);
  // Half a file is none, and takes what room the disk has left.
  if (!whole) ::unlinkat(state_dir.get(), name_below.c_str(), 0);
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
    std::array<std::byte, kBlackboxChunkMax> chunk{};
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
      limit_time();
      core->crashed(signal, *info);
      core->written.store(true);
      ::alarm(0);  // A core dump may take longer.
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
  core_->stack.emplace();
  struct sigaction action {};
  action.sa_sigaction = &Core::on_fatal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (std::size_t i = 0; i < kFatal.size(); ++i) ::sigaction(kFatal[i], &action, &core_->before[i]);
}

// ---- life ----

FlightRecorder::FlightRecorder(FlightRecorderOptions options) : core_(std::make_unique<Core>(std::move(options))) {
  FL_ASSERT(core_->options.bytes % 4 == 0 && core_->options.bytes >= 4096 && core_->options.bytes <= kFlightBytesMax);
  core_->has_file = core_->map_file();
  if (!core_->has_file) core_->map_nameless();
  core_->begin();
}

FlightRecorder::~FlightRecorder() {
  retire();
  ::munmap(core_->page, kFlightPageBytes + core_->options.bytes);
}

void FlightRecorder::retire() {
  if (std::exchange(core_->armed, false)) {
    for (std::size_t i = 0; i < kFatal.size(); ++i) ::sigaction(kFatal[i], &core_->before[i], nullptr);
    g_armed.store(nullptr);
    core_->stack.reset();
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
  std::array<std::byte, kBlackboxChunkMax> chunk{};
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
      const std::size_t room = core_->ring().room(at, end);
      if (room == 0) return blackbox_file(chunks);
      core_->ring().copy(at, room, chunks);
      at += room;
    }
  }
  return blackbox_file(chunks);
}

}  // namespace fairlead
