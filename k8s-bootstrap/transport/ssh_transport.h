// Machines over OpenSSH: one connection a machine (ssh -M), which every call shares, made at the first call and closed with this object.
// A connection's program reads from a pipe of this process, so it ends with it, however that ends.
//
//   ST1  A call is tried again only while it is certain that nothing of it ran: no connection, or one that was gone before.
//   ST2  Jump hosts have a connection of their own, which all machines behind them share.
// Threading: any; calls for one machine may overlap. Ownership: masters are children of this process.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "k8s-bootstrap/transport/shell_transport.h"
#include "k8s-bootstrap/transport/ssh_command.h"

namespace fairlead::bootstrap {

class SshTransport final : public ShellTransport {
 public:
  struct Options {
    std::string known_hosts;          ///< Made (0600) when it is not there.
    std::string host_authority;       ///< Public key of the site's SSH authority ("ssh-ed25519 AAAA..."); empty: none.
    std::string certificate;          ///< Of the user; empty: none.
    std::set<std::string> certified;  ///< See SshSettings.
  };
  /// Errors: kNotFound (no ssh, no key file), kInvalidConfig, those of making the folder for sockets below TMPDIR or /tmp.
  [[nodiscard]] static Result<std::unique_ptr<SshTransport>> make(const Site& site, const Options& options);
  ~SshTransport() override;
  /// Closes the machine's connection (it reboots): the next call makes a new one.
  void disconnect(const std::string& machine);

 protected:
  [[nodiscard]] Result<RemoteResult> hold(const std::string& machine, const Session& session) override;

 private:
  struct Line {
    SshHost host;
    std::mutex mutex;  ///< While it is being made: others wait for it.
    std::optional<HeldProgram> master;
  };
  SshTransport(const Site& site, SshSettings settings) : site_(site), settings_(std::move(settings)) {}
  [[nodiscard]] Status open(const std::string& name);
  [[nodiscard]] Status open_master(Line& line);

  Site site_;
  SshSettings settings_;
  std::string config_;
  std::map<std::string, std::unique_ptr<Line>> lines_;
};

}  // namespace fairlead::bootstrap
