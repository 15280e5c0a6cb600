#include "k8s-bootstrap/apply/site_lock.h"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <future>
#include <optional>

#include "base/assert.h"
#include "k8s-bootstrap/apply/leftover_secrets.h"
#include "k8s-bootstrap/apply/lock_record.h"
#include "k8s-bootstrap/transport/shell_session.h"

namespace fairlead::bootstrap {
namespace {

constexpr Duration kCallTimeout = std::chrono::seconds(20);

/// what: take | beat | release | force. Prints "mine", "free", or "theirs OWNER on HOST, since TIME"; take: "mine TAKES" (SL5). Staleness
/// as judge_lock() has it (L1); here it is the shell's, since judging and writing must not be parted (L2).
constexpr std::string_view kLockScript = R"SH(
lock=$folder/lock
mkdir -p "$folder" && chmod 700 "$folder" || exit 92
exec 9>"$folder/lock.guard" || exit 92
flock -w 5 9 || { echo "theirs somebody who holds lock.guard"; exit 0; }
read -r boot </proc/sys/kernel/random/boot_id
read -r up rest </proc/uptime
up=${up%.*}
there=; owner=; host=; since=; beat=; its_boot=
if [ -f "$lock" ]; then
  there=damaged
  while read -r key value; do
    case $key in
      token) there=$value ;; owner) owner=$value ;; host) host=$value ;;
      since) since=$value ;; beat) beat=$value ;; boot_id) its_boot=$value ;;
    esac
  done <"$lock"
  case $beat in '' | *[!0-9]*) beat=; there=damaged; owner="somebody unknown (the file is damaged)" ;; esac
fi
theirs() { printf 'theirs %s on %s, since %s\n' "$owner" "${host:-?}" "${since:-?}"; exit 0; }
write() {
  printf 'token %s\nowner %s\nhost %s\nsince %s\nboot_id %s\nbeat %s\n' \
    "$token" "$my_owner" "$my_host" "$my_since" "$boot" "$up" >"$lock.new" ||
    { dd if=/dev/zero of="$lock.new" bs=4096 count=1 >&2; exit 92; }   # The shell itself does not say that a disk is full.
  mv "$lock.new" "$lock" || exit 92
}
count() {
  takes=0
  if [ -f "$lock.takes" ]; then read -r takes <"$lock.takes" || :; fi
  case $takes in '' | *[!0-9]* | 0?* | ????????????????*) takes=0 ;; esac
  echo $((takes + 1)) >"$lock.takes.new" && mv "$lock.takes.new" "$lock.takes" || exit 92
}
stale=no
if [ -n "$there" ] && [ -n "$beat" ]; then
  [ "$its_boot" = "$boot" ] || beat=0
  [ $((up - beat)) -le "$stale_after" ] || stale=yes
fi
case " $former " in *" ${there:-none} "*) stale=yes ;; esac
case $what in
  take) if [ -z "$there" ] || [ "$there" = "$token" ] || [ $stale = yes ]; then sweep || exit 92; write; count; echo mine $takes
    else theirs; fi ;;
  beat) if [ "$there" = "$token" ]; then write; echo mine; elif [ -z "$there" ]; then echo free; else theirs; fi ;;
  release) if [ "$there" = "$token" ]; then rm -f "$lock" && sweep || exit 92; fi; echo free ;;
  force) [ -n "$there" ] || { echo free; exit 0; }; rm -f "$lock" || exit 92; theirs ;;
esac
)SH";

std::string lock_script(std::string_view what, const LockOwner& owner) {
  // One word or line each: a name with a newline in it would write another key.
  const auto line = [](std::string text) {
    for (char& c : text)
      if (static_cast<unsigned char>(c) < ' ') c = ' ';
    return shell_quote(text.empty() ? "?" : text);
  };
  const std::string folder(kLockFile.substr(0, kLockFile.rfind('/')));
  return fmt::format("set -u\numask 077\nfolder={}\nwhat={}\ntoken={}\nmy_owner={}\nmy_host={}\nmy_since={}\nformer={}\nstale_after={}\n",
                     shell_quote(folder), what, line(owner.token), line(owner.user), line(owner.host), line(owner.since),
                     shell_quote(fmt::format("{}", fmt::join(owner.former, " "))), kLockStale.count()) +
         sweep_function() + std::string(kLockScript);
}

struct Answer {
  std::string word;  ///< mine | free | theirs
  std::string who;
};
Result<Answer> ask(Transport& transport, const std::string& machine, std::string_view what, const LockOwner& owner) {
  auto result = transport.run(machine, {.script = lock_script(what, owner), .input = {}, .timeout = kCallTimeout, .secret = false});
  if (!result) return result.error();
  std::string line = result->output.substr(0, result->output.find('\n'));
  const auto blank = line.find(' ');
  Answer out{line.substr(0, blank), blank == std::string::npos ? "" : line.substr(blank + 1)};
  if (result->exit_code != 0 || (out.word != "mine" && out.word != "free" && out.word != "theirs")) {
    const bool full = result->errors.find("No space left on device") != std::string::npos;
    return Error{full ? Errc::kLimitExceeded : Errc::kUnavailable,
                 fmt::format("{}: cannot lock it: {}{}", machine, full ? "the disk is full: " : "", result->errors)};
  }
  return out;
}

std::uint64_t takes_of(const Answer& answer) {
  std::uint64_t out = 0;
  std::from_chars(answer.who.data(), answer.who.data() + answer.who.size(), out);
  return out;
}

Error held_error(const std::string& machine, const Answer& answer) {
  return Error{Errc::kConflict, fmt::format("{} is locked by {}. Wait until that is done; if it never will be: fairlead bootstrap unlock",
                                            machine, answer.who)};
}

}  // namespace

Duration time_since_boot() {
  timespec at{};
  FL_ASSERT(::clock_gettime(CLOCK_BOOTTIME, &at) == 0);
  return std::chrono::seconds(at.tv_sec) + std::chrono::nanoseconds(at.tv_nsec);
}

Result<std::unique_ptr<SiteLock>> SiteLock::take(Transport& transport, std::vector<std::string> machines, const LockOwner& owner,
                                                 std::function<Duration()> clock) {
  std::sort(machines.begin(), machines.end());
  machines.erase(std::unique(machines.begin(), machines.end()), machines.end());
  std::unique_ptr<SiteLock> out(new SiteLock(transport, owner, std::move(clock)));
  out->beaten_ = out->clock_();
  // The first decides (SL1); who has it takes the others side by side.
  std::vector<Result<Answer>> answers;
  if (!machines.empty()) answers.push_back(ask(transport, machines.front(), "take", owner));
  if (!machines.empty() && answers.front() && answers.front()->word == "mine") {
    std::vector<std::future<Result<Answer>>> all;
    for (std::size_t at = 1; at < machines.size(); ++at)
      all.push_back(std::async(std::launch::async, [&, at] { return ask(transport, machines[at], "take", owner); }));
    for (auto& one : all) answers.push_back(one.get());
  }
  std::optional<Error> problem;
  for (std::size_t at = 0; at < answers.size(); ++at) {
    const auto& answer = answers[at];
    // All or none. Also where it failed: it may have been taken before the connection was cut.
    if (!answer || answer->word == "mine") out->machines_[machines[at]] = answer ? takes_of(*answer) : 0;
    if (answer && answer->word == "mine") continue;
    if (!problem) problem = answer ? held_error(machines[at], *answer) : answer.error();
  }
  if (problem) return *problem;  // What was taken is given back.
  out->thread_ = std::thread([lock = out.get()] { lock->beat_until_stopped(); });
  return out;
}

Status SiteLock::extend(const std::string& machine) {
  auto answer = ask(transport_, machine, "take", owner_);
  if (answer && answer->word != "mine") return held_error(machine, *answer);
  if (!answer) {
    (void)ask(transport_, machine, "release", owner_);
    return answer.error();
  }
  const std::lock_guard guard(mutex_);
  machines_[machine] = takes_of(*answer);
  return {};
}

std::map<std::string, std::uint64_t> SiteLock::takes_before() const {
  const std::lock_guard guard(mutex_);
  return machines_;
}

SiteLock::~SiteLock() {
  {
    const std::lock_guard guard(mutex_);
    stop_ = true;
  }
  stopped_.notify_all();
  if (thread_.joinable()) thread_.join();
  std::vector<std::future<void>> all;  // Side by side: one that is away would hold up the others.
  all.reserve(machines_.size());
  for (const auto& [machine, takes] : machines_)
    all.push_back(std::async(std::launch::async, [this, name = machine] { (void)ask(transport_, name, "release", owner_); }));
}

std::string SiteLock::lost_to() const {
  const std::lock_guard guard(mutex_);
  return lost_to_;
}

bool SiteLock::holds() {
  const auto recent = [this] {
    const std::lock_guard guard(mutex_);
    return clock_() - beaten_ <= kLockRecent;
  };
  if (!lost() && !recent()) {
    const std::lock_guard one(beating_);
    if (!recent()) beat_all();
  }
  return !lost();
}

void SiteLock::beat_until_stopped() {
  std::unique_lock guard(mutex_);
  while (!stopped_.wait_for(guard, kLockBeat, [this] { return stop_; })) {
    guard.unlock();
    {
      const std::lock_guard one(beating_);
      beat_all();
    }
    guard.lock();
  }
}

/// Called with beating_ held.
void SiteLock::beat_all() {
  const Duration begun = clock_();
  std::vector<std::future<void>> all;
  for (const auto& [machine, takes] : takes_before()) all.push_back(std::async(std::launch::async, [this, name = machine] { beat(name); }));
  all.clear();
  const std::lock_guard guard(mutex_);
  beaten_ = begun;
}

/// A beat that does not arrive is no loss: the machine may boot. One that finds somebody else's lock, or none, is.
void SiteLock::beat(const std::string& machine) {
  auto answer = ask(transport_, machine, "beat", owner_);
  if (!answer || answer->word == "mine") return;
  const std::lock_guard guard(mutex_);
  lost_to_ = fmt::format("{}: {}", machine, answer->word == "free" ? "it was unlocked" : answer->who);
  lost_.store(true);
}

Result<std::string> force_unlock(Transport& transport, const std::string& machine) {
  auto answer = ask(transport, machine, "force", {});
  if (!answer) return answer.error();
  return answer->word == "theirs" ? answer->who : std::string();
}

}  // namespace fairlead::bootstrap
