#include "k8s-bootstrap/apply/site_session.h"

#include <array>
#include <fmt/format.h>
#include <map>
#include <optional>
#include <pwd.h>
#include <random>
#include <sstream>
#include <unistd.h>
#include <utility>

#include "base/atomic_file.h"
#include "base/utc_text.h"
#include "k8s-bootstrap/apply/own_locks.h"
#include "k8s-bootstrap/apply/remote_hands.h"
#include "k8s-bootstrap/apply/step_record.h"
#include "k8s-bootstrap/apply/step_runner.h"
#include "k8s-bootstrap/render/sha256.h"
#include "k8s-bootstrap/transport/ssh_transport.h"

namespace fairlead::bootstrap {
namespace {

constexpr std::size_t kManifestBytesMax = std::size_t{16} << 20U;
constexpr std::size_t kExtraFileBytesMax = std::size_t{256} << 20U;
constexpr std::size_t kPackageBytesMax = std::size_t{256} << 20U;

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string(".") : path.substr(0, slash);
}

std::string beside(const std::string& site_file, const std::string& path) {
  return path.starts_with("/") ? path : folder_of(site_file) + "/" + path;
}

std::string random_id() {
  std::random_device device;
  return fmt::format("{:08x}{:08x}", device(), device());
}

LockOwner lock_owner(const Clock& clock, const std::string& token) {
  const passwd* user = ::getpwuid(::geteuid());
  LockOwner owner;
  owner.user = user == nullptr ? std::to_string(::geteuid()) : user->pw_name;
  std::array<char, 256> host{};
  owner.host = ::gethostname(host.data(), host.size() - 1) == 0 ? host.data() : "?";
  owner.since = utc_text(clock.wall());
  owner.token = token;
  return owner;
}

/// "20261127T164937Z-1a2b3c4d"
std::string run_id(const Clock& clock, const std::string& attempt) {
  std::string text = utc_text(clock.wall()).substr(0, 19);
  std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
  return fmt::format("{}Z-{}", text, attempt.substr(0, 8));
}

/// Whose host keys the site's authority has signed: from then on nothing else is taken from them.
Status trust_authority(const Site& site, const StateDir& state, SshTransport::Options& options) {
  if (!site.pki.ssh_ca) return {};
  auto authority = state.read_public("ssh/host_ca.pub");
  if (!authority) return authority.error();
  if (!*authority) return {};  // It is made by the first apply.
  options.host_authority = (*authority)->substr(0, (*authority)->find('\n'));
  for (const Machine& machine : site.machines) {
    auto certificate = state.read_public(fmt::format("ssh/hosts/{}-cert.pub", machine.name));
    if (!certificate) return certificate.error();
    if (*certificate) options.certified.insert(machine.name);
  }
  return {};
}

/// What a site takes from files beside its own.
struct SiteFiles {
  std::map<std::string, std::vector<CopyFile>> copies;  ///< Machine -> its `files` with a source.
  std::map<std::string, std::string> manifests;
  std::optional<FairleadPackage> fairlead;
  std::optional<BundleFacts> bundle;
};

class Session final : public SiteSession {
 public:
  Session(Site site, StateDir state, SiteFiles files, SessionOptions options, const Clock& clock)
      : site_(std::move(site)),
        state_(std::move(state)),
        files_(std::move(files)),
        render_problems_(check_rendered(site_)),
        options_(std::move(options)),
        clock_(clock),
        attempt_(random_id()) {
    for (const std::string& secret : options_.secrets) secrets_.hide(secret);
    if (options_.parallel > 0) site_.ssh.parallel = options_.parallel;
  }

  [[nodiscard]] const Site& site() const override { return site_; }
  [[nodiscard]] const StateDir& state() const override { return state_; }
  [[nodiscard]] Rendered texts(const Facts& facts) const override {
    Rendered out = render_site(site_, facts);
    for (const auto& [machine, copies] : files_.copies) out.machines[machine].copies = copies;
    out.manifests = files_.manifests;
    out.fairlead = files_.fairlead;
    out.bundle = files_.bundle;
    // Read each time: steps change it. One that cannot be read stays unknown here; whoever uses it is told why.
    if (const auto kubeconfig = state_.read_secret("kubeconfig"))
      out.kubeconfig_sha256 = *kubeconfig ? sha256(**kubeconfig) : std::string();
    return out;
  }
  [[nodiscard]] Plan plan(const Planner& planner, const Facts& facts, unsigned rounds) const override {
    const Rendered rendered = texts(facts);
    return planner(PlanInput{site_, facts, rendered}, rounds);
  }
  [[nodiscard]] const std::vector<RenderProblem>& render_problems() const override { return render_problems_; }
  [[nodiscard]] SecretBox& secrets() override { return secrets_; }

  [[nodiscard]] Result<Transport*> transport() override {
    if (transport_) return static_cast<Transport*>(transport_.get());
    SshTransport::Options options;
    options.known_hosts = state_.path("known_hosts");
    if (auto trusted = trust_authority(site_, state_, options); !trusted) return trusted.error();
    auto made = SshTransport::make(site_, options);
    if (!made) return made.error();
    transport_ = std::move(*made);
    return static_cast<Transport*>(transport_.get());
  }

  [[nodiscard]] Result<Facts> read(const std::function<void(const std::string&, const Error*)>& on_answer) override {
    auto way = transport();
    if (!way) return way.error();
    CollectOptions wishes;
    const Rendered rendered = texts(Facts{});
    wishes.files = [&](const Machine& machine) { return files_to_ask(site_, machine, rendered); };
    wishes.packages = [this](const Machine& machine) {
      std::vector<std::string> names;
      for (const auto& [name, version] : wanted_packages(site_, machine)) names.push_back(name);
      return names;
    };
    wishes.on_answer = on_answer;
    wishes.on_lock_takes = [this](const std::string& machine, std::uint64_t takes) { lock_takes_[machine] = takes; };
    return collect_facts(site_, **way, clock_, wishes);
  }

  [[nodiscard]] Result<ApplyOutcome> apply(const Planner& planner, Watcher& watcher, ApplyWishes wishes) override {
    if (auto fine = refuse_rendered(render_problems_, options_.site_file); !fine) return fine.error();
    auto first = read({});
    if (!first) return first.error();
    std::vector<std::string> machines;
    for (const auto& [name, facts] : first->machines) machines.push_back(name);
    // A plan without steps changes nothing: it needs neither lock nor journal. What is still at work will leave something to do.
    if (plan(planner, *first, 0).steps.empty() && steps_at_work(*first).empty()) machines.clear();
    std::optional<OwnLocks> own;  // Outlives the lock.
    auto lock = machines.empty() ? Result<std::unique_ptr<SiteLock>>(std::unique_ptr<SiteLock>()) : take_lock(machines, own);
    if (!lock) return lock.error();
    auto journal = JournalFile::open(state_.path("journal.jsonl"));
    if (!journal) return journal.error();
    RemoteHands hands({site_, *transport_, state_, clock_, attempt_, [&lock] { return *lock == nullptr || (*lock)->holds(); }});
    // What was read before the lock may be another's work in the middle: read again, unless nobody had the lock since, or nothing is to
    // be done.
    bool use_first = machines.empty() || nobody_had_it_since(*first, **lock);
    ApplyWorld world{[&] {
                       if (!std::exchange(use_first, false)) *first = read_locked(lock->get());
                       return *first;
                     },
                     [&](const Facts& facts, unsigned rounds) { return plan(planner, facts, rounds); },
                     hands,
                     *journal,
                     secrets_,
                     watcher,
                     clock_};
    wishes.run.parallel = site_.ssh.parallel;
    wishes.fresh_run = run_id(clock_, attempt_);
    auto outcome = bootstrap::apply(site_, world, wishes);
    if (outcome && outcome->end == ApplyOutcome::End::kDone) forget_superseded(*first);
    return outcome;
  }

 private:
  /// The lock, since `facts` were read: they are as good as what would be read now.
  [[nodiscard]] bool nobody_had_it_since(const Facts& facts, const SiteLock& lock) const {
    for (const auto& [machine, takes] : lock.takes_before()) {
      const auto read = facts.machines.find(machine);
      const auto then = lock_takes_.find(machine);
      if (read == facts.machines.end() || !read->second.lock_owner.empty() || then == lock_takes_.end() || then->second != takes)
        return false;
    }
    return steps_at_work(facts).empty();
  }

  /// SR3. Where it cannot be done it is done another time.
  void forget_superseded(const Facts& facts) {
    for (const auto& [name, machine] : facts.machines)
      if (const auto runs = superseded_runs(machine.steps); !runs.empty())
        static_cast<void>(StepRunner(*transport_).forget_runs(name, runs));
  }

  /// Every machine that is planned for is locked: one that answers only now, too. It is read once more then; one that is not to be had
  /// counts as not read.
  Facts read_locked(SiteLock* lock) {
    while (true) {
      auto facts = read({});
      if (!facts) return {};
      if (lock == nullptr) return *facts;
      bool more = false;
      const auto locked = lock->takes_before();
      for (auto it = facts->machines.begin(); it != facts->machines.end();) {
        const std::string name = it->first;
        if (locked.contains(name)) {
          ++it;
          continue;
        }
        if (auto taken = lock->extend(name); taken) {
          more = true;
          ++it;
        } else {
          facts->unread[name] = taken.error().message();
          it = facts->machines.erase(it);
        }
      }
      if (!more) return *facts;
    }
  }

  Result<std::unique_ptr<SiteLock>> take_lock(const std::vector<std::string>& machines, std::optional<OwnLocks>& own) {
    auto boot_id = read_small_file("/proc/sys/kernel/random/boot_id");
    if (!boot_id) return boot_id.error();
    std::string boot = boot_id->value_or("");
    while (boot.ends_with('\n')) boot.pop_back();
    auto locks = OwnLocks::open(state_.path("locks"), boot, attempt_);
    if (!locks) return locks.error();
    own.emplace(std::move(*locks));
    LockOwner owner = lock_owner(clock_, attempt_);
    owner.former = own->former();
    return SiteLock::take(*transport_, machines, owner);
  }

  Site site_;
  StateDir state_;
  SiteFiles files_;
  std::vector<RenderProblem> render_problems_;
  SessionOptions options_;
  const Clock& clock_;
  const std::string attempt_;
  SecretBox secrets_;
  std::unique_ptr<SshTransport> transport_;
  std::map<std::string, std::uint64_t> lock_takes_;  ///< As each machine was read last.
};

Result<std::string> read_file(const std::string& path, std::size_t bytes_max) {
  auto text = read_small_file(path, bytes_max);
  if (!text) return text.error();
  if (!*text) return Error{Errc::kNotFound, fmt::format("{}: there is no such file", path)};
  return std::move(**text);
}

/// "fairlead_0.1.0_amd64.deb" -> "0.1.0"
std::string version_of_package(const std::string& path) {
  const std::string name = path.substr(path.rfind('/') + 1);
  const std::size_t begin = name.find('_');
  const std::size_t end = name.find('_', begin + 1);
  return begin == std::string::npos || end == std::string::npos ? std::string("?") : name.substr(begin + 1, end - begin - 1);
}

/// One that is not whole is none: `bundle` opens the site, too, and a plan says what is missing.
std::optional<BundleFacts> read_bundle(const std::string& folder) {
  if (folder.empty()) return std::nullopt;
  const auto sums = read_file(folder + "/SHA256SUMS", kManifestBytesMax);
  const auto packages = read_file(folder + "/packages.txt", kManifestBytesMax);
  if (!sums || !packages) return std::nullopt;
  BundleFacts out;
  std::istringstream lines(*sums);
  for (std::string sum, name; lines >> sum >> name;) out.sums[name] = sum;
  std::istringstream names(*packages);
  for (std::string name; names >> name;) out.packages.push_back(name);
  if (!out.sums.contains("packages.tar")) return std::nullopt;
  return out;
}

/// Errors: those of reading, with the place in the site that names the file.
Result<SiteFiles> read_files(const Site& site, const SessionOptions& options) {
  SiteFiles out;
  const auto at = [](const std::string& place, const Error& error) {
    return Error{error.code, place + ": " + error.context, error.sys_errno};
  };
  for (const Addon& addon : site.kubernetes.addons) {
    auto text = read_file(beside(options.site_file, addon.manifest), kManifestBytesMax);
    if (!text) return at("addon " + addon.name, text.error());
    out.manifests.emplace(addon.name, std::move(*text));
  }
  for (const Machine& machine : site.machines) {
    for (const ExtraFile& file : machine.files) {
      if (file.source.empty()) continue;
      CopyFile copied;
      copied.from = beside(options.site_file, file.source);
      copied.path = file.path;
      copied.mode = file.mode;
      copied.secret = (file.mode & 0077U) == 0;
      auto bytes = read_file(copied.from, kExtraFileBytesMax);
      if (!bytes) return at(fmt::format("{} of {}", file.path, machine.name), bytes.error());
      copied.sha256 = sha256(*bytes);
      out.copies[machine.name].push_back(std::move(copied));
    }
  }
  out.bundle = read_bundle(site.mirrors.bundle);
  if (!options.package.empty()) {
    auto bytes = read_file(options.package, kPackageBytesMax);
    if (!bytes) return bytes.error();
    out.fairlead = FairleadPackage{options.package, version_of_package(options.package), sha256(*bytes)};
  }
  return out;
}

/// A program with a slash in its name lies beside the site's file, as manifests and sources do; one without is looked for on PATH.
void place_hooks(SiteHooks& hooks, const std::string& site_file) {
  for (auto* commands : {&hooks.before_apply, &hooks.after_machine, &hooks.after_apply}) {
    for (auto& argv : *commands) {
      if (!argv.empty() && argv.front().find('/') != std::string::npos) argv.front() = beside(site_file, argv.front());
    }
  }
}

}  // namespace

Status refuse_rendered(const std::vector<RenderProblem>& problems, const std::string& site_file) {
  std::string text;
  for (const RenderProblem& problem : problems) {
    if (problem.error) text += fmt::format("\n  {}: {}", problem.where, problem.text);
  }
  if (text.empty()) return {};
  return Error{Errc::kInvalidConfig,
               fmt::format("{}: what it renders would be refused (fairlead bootstrap plan --show NAME prints it):{}", site_file, text)};
}

Result<std::unique_ptr<SiteSession>> SiteSession::open(Site site, const SessionOptions& options, const Clock& clock) {
  site.state_dir = state_dir_path(options.site_file, site.state_dir);
  auto state = StateDir::open(site.state_dir);
  if (!state) return state.error();
  if (!site.mirrors.bundle.empty()) site.mirrors.bundle = beside(options.site_file, site.mirrors.bundle);
  auto files = read_files(site, options);
  if (!files) return files.error();
  place_hooks(site.hooks, options.site_file);
  return std::unique_ptr<SiteSession>(new Session(std::move(site), std::move(*state), std::move(*files), options, clock));
}

}  // namespace fairlead::bootstrap
