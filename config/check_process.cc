// fairlead: pure
#include "config/checks.h"

namespace fairlead::config {
namespace {

void check_admin(Checks& checks) {
  const Admin& admin = checks.snapshot.admin;
  const bool any = !admin.tls.cert.empty() || !admin.tls.key.empty() || !admin.tls.client_ca.empty();
  const bool complete = !admin.tls.cert.empty() && !admin.tls.key.empty() && !admin.tls.client_ca.empty();
  const auto listen = parse_endpoint(admin.listen);
  if (any && !complete) {
    checks.error("admin.tls",
                 fmt::format("admin.tls lacks {}", admin.tls.cert.empty()  ? "cert"
                                                   : admin.tls.key.empty() ? "key"
                                                                           : "client_ca"),
                 "TLS needs cert, key and client_ca");
  }
  if (listen && !listen->address.is_loopback() && !any && checks.sound("admin.tls")) {
    checks.error("admin.listen", fmt::format("admin.listen {} is not on loopback and has no TLS with client certificates", admin.listen),
                 "listen on 127.0.0.1, or set admin.tls: {cert, key, client_ca}");
  }
  if (!admin.operators.empty() && !complete)
    checks.warning("admin.operators", "admin.operators has no effect without admin.tls", "operators are names in client certificates");
}

}  // namespace

void check_process(Checks& checks) {
  const Snapshot& snapshot = checks.snapshot;
  check_admin(checks);
  if (snapshot.log.target == LogTarget::kFile && snapshot.log.path.empty())
    checks.error("log.path", "log.target is file, and log.path is missing", "as in path: /var/log/fairlead/fairlead.log");
  if (snapshot.log.target != LogTarget::kFile && !snapshot.log.path.empty())
    checks.warning("log.path", "log.path has no effect without target: file", "add target: file, or remove it");
  if (snapshot.state_dir == "/") checks.error("state_dir", "state_dir must not be the root directory", "as in /var/lib/fairlead");
  const auto& wanted = snapshot.proxy.max_connections;
  if (const auto fit = checks.connections_max(); wanted && fit && *wanted > *fit) {
    checks.warning(
        "proxy.max_connections",
        fmt::format("{} connections need two descriptors each; the {} descriptors of this process are enough for {}, and so many are taken",
                    *wanted, *checks.environment.descriptors_max, *fit),
        "raise LimitNOFILE, or write auto");
  }
}

}  // namespace fairlead::config
