// fairlead: pure
// OpenSSH's client as this program uses it: one configuration file for all machines of a site, two command lines, and the meaning of its
// words. Nothing of the user's own configuration applies; what a site needs of it stands in the site.
//
//   SSH1  A host key that changed is refused. One that is new is taken only for a machine that was never seen (its name is not in the known
//         hosts) and that the site's SSH authority has not certified.
//   SSH2  Keys are filed under the machine's name, so an address that went to another machine says so.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "k8s-bootstrap/site/site.h"

namespace fairlead::bootstrap {

struct SshSettings {
  std::string known_hosts;          ///< Path; ours alone.
  std::string authority;            ///< Path of a second one, with the site's SSH authority; empty: none.
  std::string certificate;          ///< Path of the user's certificate; empty: none.
  std::set<std::string> certified;  ///< Machines whose host keys the site's SSH authority has signed: nothing else is taken from them.
  std::string sockets;              ///< Folder of control sockets; short, since a socket's path has at most 108 bytes.
};

/// A machine to connect to, or a jump host that is no machine of the site.
struct SshHost {
  std::string name;  ///< "mast-1"; of others "jump.1", which no machine can be called.
  std::string host;  ///< Address or name.
  std::uint16_t port = 22;
  std::string user;
  std::vector<std::string> jumps;  ///< Names, the nearest to the operator first.
  bool operator==(const SshHost&) const = default;
};
/// All of a site: first the jump hosts that are no machines, then the machines in its order. Errors: kInvalidConfig (a jump that is neither
/// a machine nor host[:port]).
[[nodiscard]] Result<std::vector<SshHost>> ssh_hosts(const Site& site);

/// The text of the configuration file. Errors: kInvalidArgument (a path or name that cannot be written in one).
[[nodiscard]] Result<std::string> ssh_config(const Site& site, const std::vector<SshHost>& hosts, const SshSettings& settings);
/// Where the host's control socket lies.
[[nodiscard]] std::string ssh_socket(const SshSettings& settings, const std::vector<SshHost>& hosts, std::string_view name);

/// The connection that the others go over. It says "fairlead:ready" and stays until its input ends.
[[nodiscard]] std::vector<std::string> ssh_master_argv(const std::string& config, const std::string& name);
/// One call over it. It never connects by itself.
[[nodiscard]] std::vector<std::string> ssh_session_argv(const std::string& config, const std::string& name, const std::string& command);

/// Why there is no connection, from what ssh said.
[[nodiscard]] Error ssh_connect_error(const SshHost& host, const SshAccess& access, const SshSettings& settings, std::string_view words);
/// The server cut it off before it looked at who asks, as one does that is asked by too many at once: worth another try.
[[nodiscard]] bool ssh_may_try_again(std::string_view words);
/// The session never reached the machine: its connection was gone already.
[[nodiscard]] bool ssh_connection_was_gone(std::string_view words);
/// Why the script did not begin although the machine was reached.
[[nodiscard]] Error session_refused_error(const SshHost& host, std::string_view words);

}  // namespace fairlead::bootstrap
