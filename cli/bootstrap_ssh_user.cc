// `fairlead bootstrap certs --sign-user`: a colleague's SSH key, signed for a time by the site's own authority (pki.ssh_ca).
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ostream>
#include <set>

#include "base/atomic_file.h"
#include "base/units.h"
#include "cli/bootstrap_run.h"
#include "k8s-bootstrap/pki/run_keygen.h"
#include "k8s-bootstrap/pki/ssh_ca.h"

namespace fairlead::cli {
namespace {

constexpr Duration kValidityMax = std::chrono::hours(24 * 366);

Duration validity_of(const std::string& text) {
  const auto validity = parse_duration(text);
  if (!validity) throw VerbFailure{kExitUsage, "--for: " + validity.error().message()};
  if (*validity < std::chrono::minutes(1) || *validity > kValidityMax)
    throw VerbFailure{kExitUsage, "--for: from 1m to 8784h; a certificate cannot be called back, so let it be short"};
  return *validity;
}

/// Whom machines let log in: the site's user, and those of machines that have another.
std::vector<std::string> users_of(const bootstrap::Site& site) {
  std::set<std::string> out{site.ssh.user};
  for (const bootstrap::Machine& machine : site.machines)
    if (!machine.ssh_user.empty()) out.insert(machine.ssh_user);
  return {out.begin(), out.end()};
}

}  // namespace

void bootstrap_sign_user(const BootstrapRequest& request, bootstrap::SiteSession& session, CliEnvironment& environment) {
  const bootstrap::Site& site = session.site();
  if (!site.pki.ssh_ca)
    throw VerbFailure{kExitFailed, "pki.ssh_ca is false: machines of this site trust no SSH authority. Set it to true and apply"};
  const Duration validity = validity_of(request.valid_for);
  const auto key = bootstrap_must(read_small_file(request.sign_user));
  if (!key) throw VerbFailure{kExitFailed, request.sign_user + " is not there: it is to be a public key (id_ed25519.pub)"};
  const std::string line = key->substr(0, key->find_first_of("\r\n"));
  if (line.starts_with("-----BEGIN"))
    throw VerbFailure{kExitUsage, request.sign_user + " is a private key: keep it, and give its public half (.pub)"};
  const bootstrap::SshCertificate wanted{
      .public_key = line, .identity = request.identity, .principals = users_of(site), .validity = validity};
  const std::string certificate = bootstrap_must(sign_user_key(session.state(), wanted, bootstrap::run_keygen)) + "\n";
  if (request.output.empty() || request.output == "-") {
    environment.out << certificate;
    return;
  }
  if (auto written = write_file_atomically(request.output, certificate, 0644); !written) bootstrap_fail(written.error());
  environment.out << fmt::format("{}: {} may log in as {} for {}\n", request.output, request.identity, fmt::join(wanted.principals, ", "),
                                 request.valid_for);
}

}  // namespace fairlead::cli
