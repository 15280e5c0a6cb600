#include "k8s-bootstrap/apply/site_lock.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <future>

#include "k8s-bootstrap/apply/leftover_secrets.h"
#include "k8s-bootstrap/apply/lock_record.h"
#include "k8s-bootstrap/transport/shell_session.h"

namespace fairlead::bootstrap {
namespace {

constexpr Duration kCallTimeout = std::chrono::seconds(20);

/// what: take | beat | release | force. Prints "mine", "free", or "theirs OWNER on HOST, since TIME". Staleness as judge_lock() has it
/// (L1); here it is the shell's, since judging and writing must not be parted (L2).
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
  echo mine
}
stale=no
if [ -n "$there" ] && [ -n "$beat" ]; then
  [ "$its_boot" = "$boot" ] || beat=0
  [ $((up - beat)) -le "$stale_after" ] || stale=yes
fi
case " $former " in *" ${there:-none} "*) stale=yes ;; esac
case $what in
  take) if [ -z "$there" ] || [ "$there" = "$token" ] || [ $stale = yes ]; then sweep || exit 92; write; else theirs; fi ;;
  beat) if [ "$there" = "$token" ]; then write; elif [ -z "$there" ]; then echo free; else theirs; fi ;;
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

}  // namespace

Result<std::unique_ptr<SiteLock>> SiteLock::take(Transport& transport, std::vector<std::string> machines, const LockOwner& owner) {
  std::sort(machines.begin(), machines.end());
  machines.erase(std::unique(machines.begin(), machines.end()), machines.end());
  // The first decides (SL1); who has it takes the others side by side.
  std::vector<Result<Answer>> answers;
  if (!machines.empty()) answers.push_back(ask(transport, machines.front(), "take", owner));
  if (!machines.empty() && answers.front() && answers.front()->word == "mine") {
    std::vector<std::future<Result<Answer>>> all;
    for (std::size_t at = 1; at < machines.size(); ++at)
      all.push_back(std::async(std::launch::async, [&, at] { return ask(transport, machines[at], "take", owner); }));
    for (auto& one : all) answers.push_back(one.get());
  }
  for (std::size_t at = 0; at < answers.size(); ++at) {
    const auto& answer = answers[at];
    if (answer && answer->word == "mine") continue;
    // All or none. Also where it failed: it may have been taken before the connection was cut.
    for (std::size_t other = 0; other < answers.size(); ++other)
      if (!answers[other] || answers[other]->word == "mine") (void)ask(transport, machines[other], "release", owner);
    if (!answer) return answer.error();
    return Error{Errc::kConflict, fmt::format("{} is locked by {}. Wait until that is done; if it never will be: fairlead bootstrap unlock",
                                              machines[at], answer->who)};
  }
  std::unique_ptr<SiteLock> out(new SiteLock(transport, std::move(machines), owner));
  out->thread_ = std::thread([lock = out.get()] { lock->beat_until_stopped(); });
  return out;
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
  for (const std::string& machine : machines_)
    all.push_back(std::async(std::launch::async, [this, &machine] { (void)ask(transport_, machine, "release", owner_); }));
}

std::string SiteLock::lost_to() const {
  const std::lock_guard guard(mutex_);
  return lost_to_;
}

void SiteLock::beat_until_stopped() {
  std::unique_lock guard(mutex_);
  while (!stopped_.wait_for(guard, kLockBeat, [this] { return stop_; })) {
    guard.unlock();
    std::vector<std::future<void>> all;
    all.reserve(machines_.size());
    for (const std::string& machine : machines_) all.push_back(std::async(std::launch::async, [this, &machine] { beat(machine); }));
    all.clear();
    guard.lock();
  }
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
