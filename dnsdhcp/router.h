// The router of this gateway, as the control thread has it: RouterApply decides, the jobs thread carries out, nothing waits here.
//
//   start(), reload(), apply(), confirm() --> RouterApply --> RouterJob --> jobs: RouterJobs --> control: RouterJobDone --> answers
//
// Rules stay in force when the daemon ends: a gateway that restarts is no open one. They go when the file has no router any more.
// Threading: control; callbacks run there. Ownership: loop and host outlive it, and its jobs may end after it (they own what they need).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/qb_loop.h"
#include "base/result.h"
#include "config/settings.h"
#include "dnsdhcp/router_apply.h"
#include "dnsdhcp/router_jobs.h"

namespace fairlead::dnsdhcp {

struct RouterHost {
  /// Runs it on a thread that may wait, whose children get CAP_NET_ADMIN. Jobs run one after the other. False: too many wait there.
  std::function<bool(std::function<void()>)> post_job;
  /// Runs it on the control thread; may be called on any.
  std::function<void(std::function<void()>)> on_control;
  /// For the log and its events.
  std::function<void(const RouterNotice&)> notice;
};

/// What `fairlead router show` tells.
struct RouterView {
  std::string state;     ///< "off", "in force", "on trial", "not those of the file", "refused", "changed", "missing", "failed".
  std::string summary;   ///< One sentence: what that means, and what to do.
  std::string in_force;  ///< As nft lists the table, with counters; empty: there is none.
  std::string of_file;   ///< What the active configuration would put in force; empty: it has no router.
  std::int64_t trial_left_s = 0;
};

class Router {
 public:
  using Done = std::function<void(Result<std::string>)>;

  Router(QbLoop& loop, RouterHost host, const std::string& state_dir, NftTool nft = NftTool(), Duration trial_time = kTrialTime);
  ~Router();
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  /// Once, before anything else; also where the file has no router (an earlier one may have left something).
  void start(const config::Snapshot& snapshot);
  /// A configuration that is active from now on.
  void reload(const config::Snapshot& snapshot);
  /// `snapshot`: of the file as it is now. `session`: of SSH_CONNECTION, or another text that tells the caller's connections apart, or
  /// empty. Errors: kRefused (the file has no router), kConflict, kInvalidConfig, those of the jobs.
  void apply(const config::Snapshot& snapshot, bool sure, const std::string& session, Done done);
  /// Errors: kNotFound (nothing is on trial), kRefused (the same connection), kConflict (too late).
  void confirm(const std::string& session, Done done);
  /// Somebody, perhaps this program, changed an nftables table.
  void tables_changed();
  void show(const config::Snapshot& active, std::function<void(Result<RouterView>)> done);

  [[nodiscard]] RouterState state() const { return core_.state(); }

 private:
  struct Alive {};

  void recall();
  void look();
  void feed(const RouterInput& input);
  void carry_out(const RouterJob& job);
  [[nodiscard]] std::optional<std::string> wanted_of(const config::Snapshot& snapshot);
  [[nodiscard]] std::uint64_t ticket_for(Done done);
  [[nodiscard]] RouterView view(const std::string& of_file, const std::string& stateless, const std::string& listing) const;

  QbLoop& loop_;
  RouterHost host_;
  std::shared_ptr<const RouterJobs> jobs_;
  RouterApply core_;
  RoutedVersions versions_;
  std::string listed_;  ///< What nft showed after our last change.
  std::optional<std::string> wanted_;
  std::map<std::uint64_t, Done> waiting_;
  std::map<std::uint64_t, std::function<void(Result<RouterView>)>> shown_;
  std::uint64_t last_ticket_ = 0;
  QbLoop::TimerId timer_ = 0;
  QbLoop::TimerId look_ = 0;
  Instant looked_{};
  std::shared_ptr<Alive> alive_ = std::make_shared<Alive>();
  bool started_ = false;
};

}  // namespace fairlead::dnsdhcp
