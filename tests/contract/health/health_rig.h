// What the prober is tested against: real servers on ephemeral loopback ports, certificates made by the openssl command, nginx.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <ostream>
#include <string>
#include <sys/types.h>
#include <thread>
#include <vector>

#include "base/event_fd.h"
#include "base/fd.h"
#include "lb/health_prober.h"
#include "tests/support/temp_dir.h"

namespace fairlead::lb::test {

using fairlead::test::TempDir;
using namespace std::chrono_literals;

inline constexpr std::chrono::seconds kPatience{20};  ///< Longest wait for anything in a test; only a failure waits that long.

void write_file(const std::string& path, const std::string& text);
/// Runs a program; its output is returned, a failure fails the test.
std::string run(const std::vector<std::string>& command);

/// A listening TCP socket on an ephemeral port of `ip`.
struct Listening {
  Fd fd;
  Endpoint endpoint;
};
[[nodiscard]] Listening listen_on(const char* ip = "127.0.0.1", int backlog = 128);

/// One behaviour per server: called on its own thread for each connection. The descriptor is closed afterwards (FIN) unless released.
class Connection {
 public:
  Connection(Fd fd, int stop_fd) : fd_(std::move(fd)), stop_fd_(stop_fd) {}
  std::string read_some();  ///< Empty: the end, or the server is stopped.
  std::string read_until(const std::string& end);
  bool write(const std::string& text);
  bool wait_closed(std::chrono::milliseconds at_most = kPatience);  ///< True when the other end has closed (or the test is over).
  void reset();                                                     ///< RST instead of FIN.

 private:
  Fd fd_;
  int stop_fd_;
};
class MiniServer {
 public:
  using Behaviour = std::function<void(Connection&)>;
  explicit MiniServer(Behaviour behaviour, const char* ip = "127.0.0.1");
  ~MiniServer();
  [[nodiscard]] Endpoint endpoint() const { return listening_.endpoint; }
  [[nodiscard]] int accepted() const { return accepted_; }

 private:
  void serve();
  Behaviour behaviour_;
  Listening listening_;
  EventFd stop_;
  std::atomic<int> accepted_{0};
  std::vector<std::thread> connections_;
  std::thread thread_;
};
/// Reads a request, sends `answer`, closes.
[[nodiscard]] MiniServer::Behaviour answering(std::string answer);

/// A certificate authority in a directory: files NAME.crt and NAME.key.
class Pki {
 public:
  explicit Pki(const TempDir& dir) : dir_(dir) {}
  struct Leaf {
    std::string name;
    std::string san = "IP:127.0.0.1,DNS:mast-1.test";
    std::string issuer = "ca";
    int days = 30;
  };
  void make_ca(const std::string& name, int days = 30);
  void make_leaf(const Leaf& leaf);
  [[nodiscard]] std::string crt(const std::string& name) const { return dir_.path(name + ".crt"); }
  [[nodiscard]] std::string key(const std::string& name) const { return dir_.path(name + ".key"); }

 private:
  const TempDir& dir_;
};

/// A child process, ended with the object.
class Child {
 public:
  Child() = default;
  Child(const std::vector<std::string>& command, const std::map<std::string, std::string>& environment, int pass_fd,
        const std::string& output);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  void stop();

 private:
  pid_t pid_ = -1;
};

[[nodiscard]] bool have_nginx();
/// nginx with one TLS server; it inherits a socket we bound, so no port is guessed and the first probe needs no waiting.
class Nginx {
 public:
  /// `server_lines` go into the server block, beside listen, certificate and locations /readyz (200) and /broken (500).
  Nginx(const TempDir& dir, const std::string& certificate, const std::string& key, const std::string& server_lines = "");
  [[nodiscard]] Endpoint endpoint() const { return endpoint_; }
  /// Ends nginx and returns its error log (level info).
  std::string stop_and_read_log();

 private:
  std::string log_;
  Endpoint endpoint_;
  std::unique_ptr<Child> child_;
};

/// A prober whose results can be waited for.
class ProbeRig {
 public:
  ProbeRig() : ProbeRig(HealthProber::Options{}) {}
  explicit ProbeRig(HealthProber::Options options);
  ~ProbeRig();
  [[nodiscard]] bool start(const Endpoint& endpoint, const config::Health& health, const std::string& host = "", ServerId server = 1);
  /// Starts a probe and waits for its result.
  ProbeResult probe(const Endpoint& endpoint, const config::Health& health, const std::string& host = "", ServerId server = 1);
  /// Waits until `count` results are in; all of them so far.
  std::vector<ProbeResult> wait_for(std::size_t count);
  /// Waits until the prober holds no socket: the polite ends are over.
  void wait_idle();
  [[nodiscard]] HealthProber& prober() { return *prober_; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<ProbeResult> results_;
  std::uint64_t tokens_ = 0;
  std::unique_ptr<HealthProber> prober_;
};

[[nodiscard]] config::Health health_of(config::HealthType type);

}  // namespace fairlead::lb::test

namespace fairlead::lb {
inline void PrintTo(ProbeOutcome outcome, std::ostream* out) { *out << word_of(outcome); }  // For GoogleTest's messages.
}  // namespace fairlead::lb
