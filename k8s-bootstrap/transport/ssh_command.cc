// fairlead: pure
#include "k8s-bootstrap/transport/ssh_command.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/ip_address.h"
#include "base/units.h"

namespace fairlead::bootstrap {
namespace {

bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

/// A word or path as ssh_config(5) takes it: in double quotes, % doubled, since a single one begins a token there.
Result<std::string> config_path(std::string_view path) {
  if (std::any_of(path.begin(), path.end(), [](char c) { return c == '"' || static_cast<unsigned char>(c) < ' '; }) || has(path, "${"))
    return Error{Errc::kInvalidArgument,
                 fmt::format("ssh cannot be told of the path '{}': it has a quote, a control character or ${{ in it", path)};
  std::string out = "\"";
  for (const char c : path) out += c == '%' ? "%%" : std::string(1, c);
  return out + "\"";
}

bool plain_word(std::string_view word) {
  return !word.empty() && word.front() != '-' && std::all_of(word.begin(), word.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' || c == ':' ||
           c == '[' || c == ']' || c == '@' || c == '\\' || c == '+';
  });
}

/// "fe80::1%eth0" aside, which no site has, an IPv6 address with a port stands in brackets.
Result<SshHost> outside_jump(const std::string& jump, std::string name, const Site& site) {
  SshHost out{.name = std::move(name), .host = jump, .port = 22, .user = site.ssh.user, .jumps = {}};
  if (const auto at = out.host.find('@'); at != std::string::npos) {
    out.user = out.host.substr(0, at);
    out.host.erase(0, at + 1);
  }
  if (parse_ip_address(out.host) || out.host.find(':') == std::string::npos) return out;
  auto parts = parse_host_port(out.host);
  if (!parts)
    return Error{Errc::kInvalidConfig, fmt::format("ssh.jump: '{}' is neither a machine of the site nor [USER@]HOST[:PORT]", jump)};
  out.host = parts->host;
  out.port = parts->port;
  return out;
}

std::string first_line_with(std::string_view words, std::string_view part) {
  const auto at = words.find(part);
  if (at == std::string_view::npos) return {};
  const auto begin = words.rfind('\n', at);
  std::string_view line = words.substr(begin == std::string_view::npos ? 0 : begin + 1);
  return std::string(line.substr(0, line.find_first_of("\r\n")));
}

/// All of it in one line, the end of it when it is long.
std::string in_one_line(std::string_view words) {
  constexpr std::size_t kShown = 400;
  std::string out;
  for (const char c : words) {
    const bool blank = static_cast<unsigned char>(c) <= ' ';
    if (!blank) {
      out += c;
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out.size() > kShown ? "..." + out.substr(out.size() - kShown) : out;
}

std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

std::string where(const SshHost& host) { return fmt::format("{}@{} port {}", host.user, host.host, host.port); }

}  // namespace

Result<std::vector<SshHost>> ssh_hosts(const Site& site) {
  std::vector<SshHost> out;
  std::vector<std::string> jumps;
  for (const std::string& jump : site.ssh.jump) {
    jumps.push_back(jump);
    if (site.find(jump) != nullptr) continue;
    jumps.back() = fmt::format("jump.{}", out.size() + 1);
    auto host = outside_jump(jump, jumps.back(), site);
    if (!host) return host.error();
    out.push_back(std::move(*host));
  }
  for (const Machine& machine : site.machines)
    out.push_back({.name = machine.name,
                   .host = (machine.ssh_address ? *machine.ssh_address : machine.address()).to_string(),
                   .port = machine.ssh_port != 0 ? machine.ssh_port : site.ssh.port,
                   .user = machine.ssh_user.empty() ? site.ssh.user : machine.ssh_user,
                   .jumps = {}});
  for (SshHost& host : out) {
    // A jump host is itself reached over those before it.
    host.jumps.assign(jumps.begin(), std::find(jumps.begin(), jumps.end(), host.name));
  }
  return out;
}

std::string ssh_socket(const SshSettings& settings, const std::vector<SshHost>& hosts, std::string_view name) {
  const auto at = std::find_if(hosts.begin(), hosts.end(), [&](const SshHost& host) { return host.name == name; });
  return fmt::format("{}/{}", settings.sockets, at - hosts.begin());
}

Result<std::string> ssh_config(const Site& site, const std::vector<SshHost>& hosts, const SshSettings& settings) {
  std::string out = fmt::format("# How fairlead bootstrap reaches the machines of {}. Made anew by each run.\n", site.name);
  for (const SshHost& host : hosts) {
    for (const std::string* word : {&host.name, &host.host, &host.user})
      if (!plain_word(*word))
        return Error{Errc::kInvalidArgument, fmt::format("{}: '{}' is no name that ssh can be told", host.name, *word)};
    auto socket = config_path(ssh_socket(settings, hosts, host.name));
    if (!socket) return socket.error();
    out += fmt::format("Host {}\n  HostName {}\n  Port {}\n  User {}\n  HostKeyAlias {}\n  StrictHostKeyChecking {}\n  ControlPath {}\n",
                       host.name, host.host, host.port, host.user, host.name,
                       settings.certified.count(host.name) > 0 ? "yes" : "accept-new", *socket);
    out += fmt::format("  ProxyJump {}\n", host.jumps.empty() ? "none" : fmt::format("{}", fmt::join(host.jumps, ",")));
  }
  auto known_hosts = config_path(settings.known_hosts);
  if (!known_hosts) return known_hosts.error();
  if (!settings.authority.empty()) {
    auto authority = config_path(settings.authority);
    if (!authority) return authority.error();
    *known_hosts = *known_hosts + " " + *authority;  // New keys go into the first one.
  }
  const auto seconds = std::max<std::int64_t>(1, to_ms(site.ssh.connect_timeout) / 1000);
  out += fmt::format(R"(Host *
  BatchMode yes
  ConnectTimeout {}
  ConnectionAttempts 1
  ServerAliveInterval 5
  ServerAliveCountMax 3
  UserKnownHostsFile {}
  GlobalKnownHostsFile /dev/null
  HashKnownHosts no
  UpdateHostKeys no
  CheckHostIP no
  VerifyHostKeyDNS no
  PreferredAuthentications publickey
  ControlMaster no
  ControlPersist no
  RequestTTY no
  EscapeChar none
  ForwardAgent no
  ForwardX11 no
  PermitLocalCommand no
  LogLevel ERROR
)",
                     seconds, *known_hosts);
  if (!site.ssh.key.empty()) {
    auto key = config_path(site.ssh.key);
    if (!key) return key.error();
    out += fmt::format("  IdentityFile {}\n  IdentitiesOnly yes\n", *key);
  }
  if (!settings.certificate.empty()) {
    auto certificate = config_path(settings.certificate);
    if (!certificate) return certificate.error();
    out += fmt::format("  CertificateFile {}\n", *certificate);
  }
  return out;
}

std::vector<std::string> ssh_master_argv(const std::string& config, const std::string& name) {
  return {"ssh", "-F", config, "-o", "ControlMaster=yes", "-T", "--", name, "echo fairlead:ready; exec cat"};
}

std::vector<std::string> ssh_session_argv(const std::string& config, const std::string& name, const std::string& command) {
  // A client that finds no control socket would connect itself, unseen; this one then has nothing to connect by.
  return {"ssh", "-F", config, "-o", "ProxyCommand=false", "-T", "--", name, command};
}

bool ssh_may_try_again(std::string_view words) {
  return (has(words, "kex_exchange_identification") || has(words, "Connection reset by") || has(words, "banner exchange")) &&
         !has(words, "timed out") && !has(words, "UNKNOWN port") && !has(words, "tdio forwarding");
}

bool ssh_connection_was_gone(std::string_view words) {
  return has(words, "UNKNOWN port 65535") || has(words, "Control socket connect") || has(words, "mux_client_request_session");
}

Error ssh_connect_error(const SshHost& host, const SshAccess& access, const SshSettings& settings, std::string_view words) {
  const std::string at = fmt::format("{} ({})", host.name, where(host));
  const std::string forget = fmt::format("rm {}/ssh/hosts/{}-cert.pub", folder_of(settings.known_hosts), host.name);
  const auto error = [&](Errc code, const std::string& cause) { return Error{code, at + ": " + cause}; };
  if (has(words, "REMOTE HOST IDENTIFICATION HAS CHANGED") || has(words, "HOST IDENTIFICATION"))
    return error(Errc::kConflict,
                 fmt::format("its host key is not the one it had before. If it was installed anew: ssh-keygen -R {} -f {}{}. If "
                             "not, something else answers at its address",
                             host.name, settings.known_hosts, settings.certified.count(host.name) > 0 ? "; " + forget : ""));
  if (has(words, "you have requested strict checking"))
    return error(Errc::kConflict,
                 fmt::format("it shows no host key that the site's SSH authority has signed, and it had one. If it was installed anew: "
                             "{}, and the next apply signs its new key. If not, something else answers at its address",
                             forget));
  if (has(words, "Host key verification failed"))
    return error(Errc::kConflict, fmt::format("its host key could not be checked: {}", in_one_line(words)));
  if (has(words, "UNPROTECTED PRIVATE KEY") || has(words, "bad permissions"))
    return error(Errc::kPermission, fmt::format("ssh does not use the key {}: others may read it. chmod 600 it", access.key));
  if (has(words, "Permission denied") || has(words, "Too many authentication failures"))
    return error(
        Errc::kPermission,
        fmt::format("it refuses {} as user {}. Put the public key into ~{}/.ssh/authorized_keys there, or name another one in ssh.key",
                    access.key.empty() ? "the keys that ssh has" : "the key " + access.key, host.user, host.user));
  if (has(words, "Could not resolve hostname"))
    return error(Errc::kUnavailable, fmt::format("the name {} is unknown here. Check the name, or give its address", host.host));
  if (has(words, "Connection refused"))
    return error(
        Errc::kUnavailable,
        fmt::format("nothing listens at port {} of {}. Is sshd running there, is it the right port (ssh.port)?", host.port, host.host));
  if (has(words, "No route to host") || has(words, "Network is unreachable") || has(words, "Host is unreachable"))
    return error(Errc::kUnavailable,
                 fmt::format("no route to {}. Is it switched on, is the network there, is a jump host (ssh.jump) needed?", host.host));
  if (has(words, "timed out"))
    return error(Errc::kUnavailable, fmt::format("{} did not answer in {}. Is it switched on, does a firewall drop port {}?", host.host,
                                                 format_duration(access.connect_timeout), host.port));
  if (has(words, "no matching")) return error(Errc::kUnsupported, first_line_with(words, "no matching"));
  if (has(words, "tdio forwarding") && !host.jumps.empty())
    return error(
        Errc::kUnavailable,
        fmt::format("the jump host {} cannot reach {} port {}. Is the machine switched on, does its sshd run? Does the jump host's "
                    "sshd forward (AllowTcpForwarding)?",
                    host.jumps.back(), host.host, host.port));
  if (ssh_may_try_again(words))
    return error(
        Errc::kUnavailable,
        "its sshd closes the connection at once. Too many at the same time (MaxStartups; lower ssh.parallel), or does its log say why?");
  if (has(words, "account is currently not available") || has(words, "nologin"))
    return error(Errc::kPermission, fmt::format("user {} may not log in there (its shell is nologin)", host.user));
  const std::string said = in_one_line(words);
  return error(Errc::kUnavailable, said.empty() ? "ssh ended without a word" : "ssh says: " + said);
}

Error session_refused_error(const SshHost& host, std::string_view words) {
  const std::string at = fmt::format("{} ({})", host.name, where(host));
  if (has(words, "sudo:") && (has(words, "command not found") || has(words, "not found")))
    return Error{Errc::kPermission,
                 fmt::format("{}: {} is not root, and there is no sudo. Install sudo there, or let ssh.user be root", at, host.user)};
  if (has(words, "sudo:") || has(words, "sudoers"))
    return Error{
        Errc::kPermission,
        fmt::format("{}: sudo refuses {}: {}. Allow it without a password: echo '{} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/fairlead", at,
                    host.user, in_one_line(words), host.user)};
  if (has(words, "sudo")) return Error{Errc::kPermission, fmt::format("{}: no root rights there: {}", at, in_one_line(words))};
  if (has(words, "account is currently not available") || has(words, "nologin"))
    return Error{Errc::kPermission, fmt::format("{}: user {} may not log in there (its shell is nologin)", at, host.user)};
  const std::string said = in_one_line(words);
  return Error{Errc::kUnavailable, fmt::format("{}: no shell began there: {}", at, said.empty() ? "without a word" : said)};
}

}  // namespace fairlead::bootstrap
