#include "daemon/file_check.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <optional>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include "admin/tls_context.h"
#include "base/fd.h"
#include "base/flight_files.h"
#include "base/system_clock.h"
#include "lb/health_tls.h"

namespace fairlead::daemon {
namespace {

namespace fs = std::filesystem;
using config::NamedFile;
using config::Severity;

struct Trouble {
  std::string text;  ///< "Permission denied"
  std::string hint;
};

std::string text_of(int number) { return std::generic_category().message(number); }

class FileCheck {
 public:
  FileCheck(const std::string& file, const std::string& user, CheckFor purpose, bool has_state)
      : file_(file), user_(user), purpose_(purpose), has_state_(has_state) {}

  void check(const NamedFile& named) {
    switch (named.use) {
      case NamedFile::Use::kRead: return report(named, severity_of(named), named.path, unreadable(named.path));
      case NamedFile::Use::kRun: return report(named, Severity::kWarning, named.path, not_runnable(named.path));
      case NamedFile::Use::kAppend:
        if (!user_.empty()) report(named, Severity::kWarning, named.path, not_writable(named.path, "it logs to standard error instead"));
        return;
      case NamedFile::Use::kOwn:
        if (!user_.empty()) check_own_folder(named);
        return;
      case NamedFile::Use::kBeside:
        if (!user_.empty()) check_beside(named);
    }
  }
  /// What whoever uses the file says of it: "health.ca /etc/ca.crt: holds no PEM certificate".
  void refused(const NamedFile& named, const std::string& why) {
    problems_.push_back(at(named, severity_of(named), why, "put the right file there"));
  }
  /// Whoever uses it goes on: it is the other side that refuses an expired one.
  void check_dates(const NamedFile& named) {
    const bool ours = named.key.ends_with(".cert");
    if (!ours && !named.key.ends_with("ca")) return;
    const auto use = ours ? admin::PemUse::kOurs : admin::PemUse::kAuthorities;
    const std::string trouble = admin::date_trouble(named.path, use, SystemClock().wall());
    if (!trouble.empty()) report(named, Severity::kWarning, named.path, Trouble{trouble, "renew it, then fairlead reload"});
  }
  [[nodiscard]] bool has_trouble(const NamedFile& named) const {
    return std::any_of(problems_.begin(), problems_.end(), [&](const config::Problem& p) {
      return p.line == named.at.line && p.column == named.at.column && p.message.starts_with(named.key + " ");
    });
  }
  std::vector<config::Problem> take() {
    config::sort_and_bound(problems_);
    return std::move(problems_);
  }

 private:
  [[nodiscard]] Severity unless_start_goes_on(bool goes_on) const {
    return purpose_ == CheckFor::kStart && goes_on ? Severity::kWarning : Severity::kError;
  }
  /// The admin address is not served without its files, and that is all.
  [[nodiscard]] Severity severity_of(const NamedFile& named) const { return unless_start_goes_on(named.key.starts_with("admin.tls.")); }
  [[nodiscard]] config::Problem at(const NamedFile& named, Severity severity, std::string message, std::string hint) const {
    return {.file = file_,
            .line = named.at.line,
            .column = named.at.column,
            .severity = severity,
            .message = std::move(message),
            .hint = std::move(hint)};
  }
  void report(const NamedFile& named, Severity severity, const std::string& path, const std::optional<Trouble>& trouble) {
    if (!trouble) return;
    const std::string who = user_.empty() ? "" : " (as user " + user_ + ")";
    problems_.push_back(at(named, severity, named.key + " " + path + ": " + trouble->text + who, trouble->hint));
  }
  [[nodiscard]] std::string who() const { return user_.empty() ? "the daemon's user" : user_; }

  [[nodiscard]] std::optional<Trouble> unreadable(const std::string& path) const {
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file.valid() && errno == ENOENT) return Trouble{text_of(ENOENT), "put it there, or take the key out of the file"};
    if (!file.valid())
      return Trouble{text_of(errno),
                     "make it readable, and its folders searchable, for " + who() + ": chgrp " + who() + " and chmod 640, say"};
    struct stat what {};
    if (::fstat(file.get(), &what) != 0) return Trouble{text_of(errno), ""};
    if (!S_ISREG(what.st_mode)) return Trouble{"is no plain file", "name a file"};
    return std::nullopt;
  }
  [[nodiscard]] std::optional<Trouble> not_runnable(const std::string& path) const {
    struct stat what {};
    if (::stat(path.c_str(), &what) != 0) return Trouble{text_of(errno), "this hook will fail: put its program there"};
    if (!S_ISREG(what.st_mode) || ::access(path.c_str(), X_OK) != 0)
      return Trouble{"cannot be run", "this hook will fail: chmod 755 it, and make its folders searchable for " + who()};
    return std::nullopt;
  }
  /// `otherwise`: what the daemon does then.
  [[nodiscard]] std::optional<Trouble> not_writable(const std::string& path, const std::string& otherwise) const {
    const std::string remedy = otherwise + ": make it writable for " + who();
    if (::access(path.c_str(), W_OK) == 0) return std::nullopt;
    if (errno != ENOENT) return Trouble{text_of(errno), remedy};
    const std::string folder = fs::path(path).parent_path().string();
    if (::access(folder.c_str(), W_OK | X_OK) == 0) return std::nullopt;
    return Trouble{"its folder: " + text_of(errno), remedy};
  }
  [[nodiscard]] Trouble of_another(int number, const std::string& what) const {
    return {text_of(number), "a daemon of another user has left it: chown -R " + who() + ": " + what + ", while no daemon runs"};
  }

  /// A folder that is not there yet is made by systemd, or by nobody: then the start says so. What else lies in it (lost+found, a copy) is
  /// not the daemon's.
  void check_own_folder(const NamedFile& named) {
    if (::access(named.path.c_str(), F_OK) != 0 && errno == ENOENT) return;
    if (::access(named.path.c_str(), R_OK | W_OK | X_OK) != 0)
      return report(named, unless_start_goes_on(!has_state_), named.path, of_another(errno, named.path));
    const std::string flights = named.path + "/" + std::string(kFlightFolder);
    std::vector<std::string> without = kept_flights(named.path);  // These the daemon does without.
    without.insert(without.begin(), {named.path + "/drills.json", flights});
    for (const char* name : {"lock", "vips.journal", "wishes"}) {
      if (is_of_another(named.path + "/" + name, R_OK | W_OK))
        return report(named, unless_start_goes_on(!has_state_), named.path + "/" + name, of_another(EACCES, named.path));
    }
    for (const std::string& path : without) {
      if (is_of_another(path, path == flights ? R_OK | W_OK | X_OK : R_OK | W_OK))
        return report(named, unless_start_goes_on(true), path, of_another(EACCES, named.path));
    }
  }
  static bool is_of_another(const std::string& path, int wanted) {
    return ::faccessat(AT_FDCWD, path.c_str(), wanted, AT_SYMLINK_NOFOLLOW) != 0 && (errno == EACCES || errno == EPERM);
  }
  void check_beside(const NamedFile& named) {
    for (const std::string& suffix : {std::string(".lock"), std::string(kFlightRingSuffix)}) {
      const std::string path = named.path + suffix;
      if (::access(path.c_str(), R_OK | W_OK) == 0 || errno == ENOENT) continue;
      report(named, unless_start_goes_on(suffix != ".lock"), path, of_another(errno, path));
    }
  }

  const std::string& file_;
  const std::string& user_;
  const CheckFor purpose_;
  const bool has_state_;  ///< VIPs or a cluster: the start takes a lock in state_dir, and reads what is written there.
  std::vector<config::Problem> problems_;
};

/// The key an error of lb/health_tls.h or admin/tls_context.h begins with.
const NamedFile* blamed(const std::vector<const NamedFile*>& files, const std::string& why) {
  const auto found = std::find_if(files.begin(), files.end(),
                                  [&](const NamedFile* one) { return why.starts_with(one->key + " ") || why.starts_with(one->key + ":"); });
  return found == files.end() ? files.front() : *found;
}

/// What is in them: read by what reads them in the daemon. `files` could all be opened.
template <class Value>
void check_content(FileCheck& check, const std::vector<const NamedFile*>& files, const Result<Value>& read) {
  if (!read) return check.refused(*blamed(files, read.error().message()), read.error().message());
  for (const NamedFile* one : files) check.check_dates(*one);
}

}  // namespace

std::vector<config::Problem> check_named_files(const std::string& file, const config::Snapshot& snapshot,
                                               const std::vector<NamedFile>& named, const std::string& user, CheckFor purpose) {
  FileCheck check(file, user, purpose, !snapshot.vips.empty() || snapshot.cluster.has_value());
  for (const NamedFile& one : named) check.check(one);
  const auto opened = [&](const auto& belongs) {
    std::vector<const NamedFile*> out;
    for (const NamedFile& one : named) {
      if (!belongs(one)) continue;
      if (check.has_trouble(one)) return std::vector<const NamedFile*>();
      out.push_back(&one);
    }
    return out;
  };
  lb::TlsContexts contexts;
  for (std::size_t i = 0; i < snapshot.pools.size(); ++i) {
    const config::Health& health = snapshot.pools[i].health;
    const auto is_of_pool = [i](const NamedFile& one) { return one.pool == i && one.key.starts_with("health."); };
    const auto tls = opened([&](const NamedFile& one) { return is_of_pool(one) && one.key != "health.token_file"; });
    if (!tls.empty()) check_content(check, tls, contexts.context_for({health.verify, health.ca, health.cert, health.key}));
    const auto token = opened([&](const NamedFile& one) { return is_of_pool(one) && one.key == "health.token_file"; });
    if (!token.empty()) check_content(check, token, lb::read_token(health.token_file));
  }
  const config::AdminTls& tls = snapshot.admin.tls;
  const auto ours = opened([](const NamedFile& one) { return one.key.starts_with("admin.tls."); });
  if (!tls.cert.empty() && !tls.key.empty() && !tls.client_ca.empty() && !ours.empty())
    check_content(check, ours, admin::make_tls_context(tls));
  return check.take();
}

}  // namespace fairlead::daemon
