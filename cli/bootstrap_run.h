// What the files of `fairlead bootstrap` share: failures as the verbs end with them, and a site that is opened.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "base/result.h"
#include "cli/bootstrap_verbs.h"
#include "k8s-bootstrap/apply/site_session.h"
#include "k8s-bootstrap/site/site_load.h"

namespace fairlead::cli {

/// Throws VerbFailure: 3 for what is invalid, 5 for what is refused, else 1.
[[noreturn]] void bootstrap_fail(const Error& error);
template <class T>
T bootstrap_must(Result<T> result) {
  if (!result) bootstrap_fail(result.error());
  return std::move(*result);
}
/// `certs --sign-user`. Throws VerbFailure.
void bootstrap_sign_user(const BootstrapRequest& request, bootstrap::SiteSession& session, CliEnvironment& environment);
/// Problems go to standard error; those of a site that cannot be used end the verb.
[[nodiscard]] std::unique_ptr<bootstrap::SiteSession> open_loaded_site(bootstrap::SiteLoad load, const BootstrapRequest& request,
                                                                       CliEnvironment& environment);
/// Of the file that `request.site` names.
[[nodiscard]] std::unique_ptr<bootstrap::SiteSession> bootstrap_open_site(const BootstrapRequest& request, CliEnvironment& environment);

struct BootstrapWork {
  bootstrap::Planner planner;
  bool hooks = false;
  bool anew = false;             ///< ApplyWishes::anew and once
  std::function<void()> agreed;  ///< Before the first step of each plan; may be empty.
};
/// Reads, plans, shows, asks, does, and says how it ended; with --dry-run the plan alone.
void bootstrap_carry_out(const std::unique_ptr<bootstrap::SiteSession>& session, const BootstrapRequest& request,
                         const GlobalOptions& global, CliEnvironment& environment, const BootstrapWork& work);

}  // namespace fairlead::cli
