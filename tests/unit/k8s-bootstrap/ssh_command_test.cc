#include "k8s-bootstrap/transport/ssh_command.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>

namespace fairlead::bootstrap {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

Machine machine(const std::string& name, const std::string& address) {
  Machine out;
  out.name = name;
  out.addresses = {{"net", *parse_ip_address(address)}};
  return out;
}

Site site() {
  Site out;
  out.name = "demo";
  out.domain = "kube.demo";
  out.ssh.user = "debian";
  out.ssh.key = "/keys/id 100%";
  out.ssh.jump = {"admin@door.example:2222", "bastion"};
  out.machines = {machine("gate-1", "10.0.2.11"), machine("bastion", "10.0.2.13"), machine("mast-1", "fd00::11")};
  out.machines[2].ssh_port = 2022;
  out.machines[2].ssh_user = "root";
  return out;
}

SshSettings settings() {
  return {.known_hosts = "/state/known_hosts",
          .authority = "/tmp/x/authority",
          .certificate = "/state/user-cert.pub",
          .certified = {"mast-1"},
          .sockets = "/tmp/x"};
}

TEST(SshCommand, KnowsWhereEachMachineIsAndOverWhichOthers) {
  auto hosts = ssh_hosts(site());
  ASSERT_TRUE(hosts) << hosts.error().message();
  ASSERT_EQ(hosts->size(), 4U);
  EXPECT_EQ((*hosts)[0], (SshHost{"jump.1", "door.example", 2222, "admin", {}}));
  EXPECT_EQ((*hosts)[1], (SshHost{"gate-1", "10.0.2.11", 22, "debian", {"jump.1", "bastion"}}));
  EXPECT_EQ((*hosts)[2], (SshHost{"bastion", "10.0.2.13", 22, "debian", {"jump.1"}}));
  EXPECT_EQ((*hosts)[3], (SshHost{"mast-1", "fd00::11", 2022, "root", {"jump.1", "bastion"}}));
}

TEST(SshCommand, AJumpHostIsANameAnAddressOrOneWithAPort) {
  Site one = site();
  for (const auto& [jump, host, port] : std::vector<std::tuple<std::string, std::string, int>>{{"door", "door", 22},
                                                                                               {"192.0.2.1", "192.0.2.1", 22},
                                                                                               {"fd00::1", "fd00::1", 22},
                                                                                               {"[fd00::1]:23", "fd00::1", 23},
                                                                                               {"192.0.2.1:23", "192.0.2.1", 23}}) {
    one.ssh.jump = {jump};
    auto hosts = ssh_hosts(one);
    ASSERT_TRUE(hosts) << jump;
    EXPECT_EQ(hosts->front().host, host);
    EXPECT_EQ(hosts->front().port, port);
  }
  one.ssh.jump = {"door:x"};
  auto refused = ssh_hosts(one);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kInvalidConfig);
  EXPECT_THAT(refused.error().context, HasSubstr("door:x"));
}

TEST(SshCommand, TheConfigurationFileIsThisText) {
  auto text = ssh_config(site(), *ssh_hosts(site()), settings());
  ASSERT_TRUE(text) << text.error().message();
  EXPECT_EQ(*text, R"(# How fairlead bootstrap reaches the machines of demo. Made anew by each run.
Host jump.1
  HostName door.example
  Port 2222
  User admin
  HostKeyAlias jump.1
  StrictHostKeyChecking accept-new
  ControlPath "/tmp/x/0"
  ProxyJump none
Host gate-1
  HostName 10.0.2.11
  Port 22
  User debian
  HostKeyAlias gate-1
  StrictHostKeyChecking accept-new
  ControlPath "/tmp/x/1"
  ProxyJump jump.1,bastion
Host bastion
  HostName 10.0.2.13
  Port 22
  User debian
  HostKeyAlias bastion
  StrictHostKeyChecking accept-new
  ControlPath "/tmp/x/2"
  ProxyJump jump.1
Host mast-1
  HostName fd00::11
  Port 2022
  User root
  HostKeyAlias mast-1
  StrictHostKeyChecking yes
  ControlPath "/tmp/x/3"
  ProxyJump jump.1,bastion
Host *
  BatchMode yes
  ConnectTimeout 10
  ConnectionAttempts 1
  ServerAliveInterval 5
  ServerAliveCountMax 3
  UserKnownHostsFile "/state/known_hosts" "/tmp/x/authority"
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
  IdentityFile "/keys/id 100%%"
  IdentitiesOnly yes
  CertificateFile "/state/user-cert.pub"
)");
}

TEST(SshCommand, TheCommandLinesAreThese) {
  EXPECT_THAT(ssh_master_argv("/tmp/x/config", "mast-1"),
              ElementsAre("ssh", "-F", "/tmp/x/config", "-o", "ControlMaster=yes", "-T", "--", "mast-1", "echo fairlead:ready; exec cat"));
  EXPECT_THAT(ssh_session_argv("/tmp/x/config", "mast-1", "sh -c 'x'"),
              ElementsAre("ssh", "-F", "/tmp/x/config", "-o", "ProxyCommand=false", "-T", "--", "mast-1", "sh -c 'x'"));
}

TEST(SshCommand, WhatCannotBeWrittenInAConfigurationIsRefused) {
  Site one = site();
  one.ssh.key = "/keys/\"x";
  EXPECT_FALSE(ssh_config(one, *ssh_hosts(one), settings()));
  one = site();
  one.ssh.user = "a b";
  EXPECT_FALSE(ssh_config(one, *ssh_hosts(one), settings()));
  one = site();
  one.ssh.jump = {"-oProxyCommand=x"};
  EXPECT_FALSE(ssh_config(one, *ssh_hosts(one), settings()));
  SshSettings odd = settings();
  odd.known_hosts = "/a\nProxyCommand x";
  EXPECT_FALSE(ssh_config(site(), *ssh_hosts(site()), odd));
}

TEST(SshCommand, WordsOfSshBecomeCauseAndRemedy) {
  const SshHost host{"mast-1", "192.168.1.11", 22, "debian", {"bastion"}};
  SshAccess access;
  access.key = "/keys/id";
  struct Case {
    const char* words;
    Errc code;
    const char* said;
  };
  for (const Case& c : {
           Case{"ssh: connect to host 192.168.1.11 port 22: Connection refused\r\n", Errc::kUnavailable, "Is sshd running"},
           Case{"ssh: connect to host 192.168.1.11 port 22: No route to host\r\n", Errc::kUnavailable, "switched on"},
           Case{"ssh: connect to host 192.168.1.11 port 22: Network is unreachable\r\n", Errc::kUnavailable, "no route"},
           Case{"ssh: connect to host 192.168.1.11 port 22: Connection timed out\r\n", Errc::kUnavailable, "did not answer in 10s"},
           Case{"ssh: Could not resolve hostname x: Name or service not known\r\n", Errc::kUnavailable, "unknown here"},
           Case{"debian@192.168.1.11: Permission denied (publickey).\r\n", Errc::kPermission, "authorized_keys"},
           Case{"Received disconnect from 1.2.3.4 port 22:2: Too many authentication failures\n", Errc::kPermission, "authorized_keys"},
           Case{"@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nHost key verification failed.\r\n", Errc::kConflict,
                "ssh-keygen -R mast-1 -f /state/known_hosts"},
           Case{"No ED25519 host key is known for mast-1 and you have requested strict checking.\r\nHost key verification failed.\r\n",
                Errc::kConflict, "rm /state/ssh/hosts/mast-1-cert.pub, and the next apply signs its new key"},
           Case{"channel 0: open failed: connect failed: Connection timed out\nstdio forwarding failed\n", Errc::kUnavailable,
                "did not answer"},
           Case{"Stdio forwarding request failed: Session open refused by peer\nkex_exchange_identification: Connection closed by remote "
                "host\n",
                Errc::kUnavailable, "jump host bastion cannot reach 192.168.1.11"},
           Case{"kex_exchange_identification: Connection closed by remote host\n", Errc::kUnavailable, "MaxStartups"},
           Case{"Unable to negotiate with 1.2.3.4 port 22: no matching host key type found. Their offer: ssh-dss\n", Errc::kUnsupported,
                "ssh-dss"},
           Case{"@         WARNING: UNPROTECTED PRIVATE KEY FILE!          @\ndebian@x: Permission denied (publickey).\n",
                Errc::kPermission, "chmod 600"},
           Case{"This account is currently not available.\n", Errc::kPermission, "nologin"},
           Case{"something else\nquite new\n", Errc::kUnavailable, "ssh says: something else quite new"},
           Case{"", Errc::kUnavailable, "without a word"},
       }) {
    const Error error = ssh_connect_error(host, access, settings(), c.words);
    EXPECT_EQ(error.code, c.code) << c.words;
    EXPECT_THAT(error.context, HasSubstr(c.said));
    EXPECT_TRUE(error.context.starts_with("mast-1 (debian@192.168.1.11 port 22): ")) << error.context;
    EXPECT_THAT(error.context, Not(HasSubstr("\n")));
  }
  SshSettings certified = settings();
  certified.certified.insert("mast-1");
  EXPECT_THAT(ssh_connect_error(host, access, certified, "REMOTE HOST IDENTIFICATION HAS CHANGED!").context,
              HasSubstr("ssh-keygen -R mast-1 -f /state/known_hosts; rm /state/ssh/hosts/mast-1-cert.pub. If not"));
}

TEST(SshCommand, OnlyWhatCertainlyDidNotHappenIsTriedAgain) {
  EXPECT_TRUE(ssh_may_try_again("kex_exchange_identification: Connection closed by remote host\n"));
  EXPECT_TRUE(ssh_may_try_again("kex_exchange_identification: read: Connection reset by peer\nConnection reset by 10.0.0.1 port 22\n"));
  EXPECT_FALSE(ssh_may_try_again("ssh: connect to host x port 22: Connection refused\n"));
  EXPECT_FALSE(ssh_may_try_again("x@y: Permission denied (publickey).\n"));
  EXPECT_TRUE(ssh_connection_was_gone(
      "kex_exchange_identification: Connection closed by remote host\r\nConnection closed by UNKNOWN port 65535\r\n"));
  EXPECT_FALSE(ssh_connection_was_gone("Connection to 10.0.0.1 closed by remote host.\n"));
}

TEST(SshCommand, ARefusedSudoNamesTheUserAndTheLine) {
  const SshHost host{"mast-1", "192.168.1.11", 22, "debian", {}};
  Error error = session_refused_error(host, "sudo: a password is required\n");
  EXPECT_EQ(error.code, Errc::kPermission);
  EXPECT_THAT(error.context, HasSubstr("debian ALL=(ALL) NOPASSWD: ALL"));
  error = session_refused_error(host, "bash: line 1: sudo: command not found\n");
  EXPECT_THAT(error.context, HasSubstr("there is no sudo"));
  error = session_refused_error(host, "debian is not in the sudoers file.\n");
  EXPECT_EQ(error.code, Errc::kPermission);
  error = session_refused_error(host, "");
  EXPECT_EQ(error.code, Errc::kUnavailable);
}

}  // namespace
}  // namespace fairlead::bootstrap
