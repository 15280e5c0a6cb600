#include "tests/contract/health/health_rig.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sockaddr.h"

namespace fairlead::lb::test {
namespace {

/// Waits until `fd` is readable; false: `stop_fd` was, or the time is over.
bool readable(int fd, int stop_fd, std::chrono::milliseconds at_most) {
  std::array<pollfd, 2> fds{pollfd{fd, POLLIN, 0}, pollfd{stop_fd, POLLIN, 0}};
  return ::poll(fds.data(), fds.size(), static_cast<int>(at_most.count())) > 0 && fds[1].revents == 0;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> out;
  for (std::string& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

}  // namespace

void write_file(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  ASSERT_TRUE(out.good()) << path;
}

std::string run(const std::vector<std::string>& command) {
  std::string line;
  for (const std::string& word : command) line += "'" + word + "' ";
  FILE* pipe = ::popen((line + "2>&1").c_str(), "r");
  std::string output;
  std::array<char, 4096> chunk{};
  while (pipe != nullptr) {
    const std::size_t n = ::fread(chunk.data(), 1, chunk.size(), pipe);
    if (n == 0) break;
    output.append(chunk.data(), n);
  }
  const int status = pipe != nullptr ? ::pclose(pipe) : -1;
  EXPECT_EQ(status, 0) << line << "\n" << output;
  return output;
}

Listening listen_on(const char* ip, int backlog) {
  const auto address = parse_ip_address(ip);
  SocketAddress a = to_sockaddr({address.value(), 0});
  Listening out{.fd = Fd(::socket(a.get()->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0)), .endpoint = {}};
  EXPECT_EQ(::bind(out.fd.get(), a.get(), a.size), 0) << ip << errno;
  EXPECT_EQ(::listen(out.fd.get(), backlog), 0);
  out.endpoint = local_of(out.fd.get());
  return out;
}

std::string Connection::read_some() {
  std::array<char, 16384> chunk{};
  if (!readable(fd_.get(), stop_fd_, kPatience)) return {};
  const ssize_t n = ::recv(fd_.get(), chunk.data(), chunk.size(), 0);
  return n > 0 ? std::string(chunk.data(), static_cast<std::size_t>(n)) : std::string();
}

std::string Connection::read_until(const std::string& end) {
  std::string all;
  while (all.find(end) == std::string::npos) {
    const std::string some = read_some();
    if (some.empty()) break;
    all += some;
  }
  return all;
}

bool Connection::write(const std::string& text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = ::send(fd_.get(), text.data() + done, text.size() - done, MSG_NOSIGNAL);
    if (n <= 0) return false;
    done += static_cast<std::size_t>(n);
  }
  return true;
}

bool Connection::wait_closed(std::chrono::milliseconds at_most) {
  std::array<char, 16384> chunk{};
  while (readable(fd_.get(), stop_fd_, at_most)) {
    if (::recv(fd_.get(), chunk.data(), chunk.size(), 0) <= 0) return true;
  }
  std::array<pollfd, 1> stop{pollfd{stop_fd_, POLLIN, 0}};
  return ::poll(stop.data(), 1, 0) > 0;
}

void Connection::reset() {
  const linger now{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  fd_.reset();
}

MiniServer::MiniServer(Behaviour behaviour, const char* ip)
    : behaviour_(std::move(behaviour)), listening_(listen_on(ip)), thread_([this] { serve(); }) {}

MiniServer::~MiniServer() {
  stop_.signal();
  thread_.join();
  for (std::thread& t : connections_) t.join();
}

void MiniServer::serve() {
  for (;;) {
    std::array<pollfd, 2> fds{pollfd{listening_.fd.get(), POLLIN, 0}, pollfd{stop_.get(), POLLIN, 0}};
    if (::poll(fds.data(), fds.size(), -1) < 0 || fds[1].revents != 0) return;
    Fd fd(::accept4(listening_.fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd.valid()) continue;
    ++accepted_;
    connections_.emplace_back([this, c = Connection(std::move(fd), stop_.get())]() mutable { behaviour_(c); });
  }
}

MiniServer::Behaviour answering(std::string answer) {
  return [text = std::move(answer)](Connection& c) {
    (void)c.read_until("\r\n\r\n");
    (void)c.write(text);
  };
}

void Pki::make_ca(const std::string& name, int days) {
  const std::string csr = dir_.path(name + ".csr");
  const std::string ext = dir_.path(name + ".ext");
  write_file(ext, "basicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash\n");
  run({"openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key(name), "-out", csr, "-subj",
       "/CN=" + name});
  run({"openssl", "x509", "-req", "-in", csr, "-signkey", key(name), "-extfile", ext, "-out", crt(name), "-days", std::to_string(days)});
}

void Pki::make_leaf(const Leaf& leaf) {
  const std::string csr = dir_.path(leaf.name + ".csr");
  const std::string ext = dir_.path(leaf.name + ".ext");
  write_file(ext, "subjectAltName=" + leaf.san + "\n");
  run({"openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key(leaf.name), "-out", csr, "-subj",
       "/CN=" + leaf.name});
  run({"openssl", "x509", "-req", "-in", csr, "-CA", crt(leaf.issuer), "-CAkey", key(leaf.issuer), "-CAcreateserial", "-extfile", ext,
       "-out", crt(leaf.name), "-days", std::to_string(leaf.days)});
}

Child::Child(const std::vector<std::string>& command, const std::map<std::string, std::string>& environment, int pass_fd,
             const std::string& output) {
  std::vector<std::string> words = command;
  std::vector<std::string> variables{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"};
  for (const auto& [key, value] : environment) variables.push_back(key + "=" + value);
  const std::vector<char*> argv = pointers(words);
  const std::vector<char*> envp = pointers(variables);
  pid_ = ::fork();
  if (pid_ != 0) return;
  const int out = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  ::dup2(out, 1);
  ::dup2(out, 2);
  if (pass_fd >= 0) ::fcntl(pass_fd, F_SETFD, 0);
  ::execvpe(argv[0], argv.data(), envp.data());
  ::_exit(127);
}

Child::~Child() { stop(); }

void Child::stop() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGTERM);
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
}

bool have_nginx() { return ::access("/usr/sbin/nginx", X_OK) == 0; }

Nginx::Nginx(const TempDir& dir, const std::string& certificate, const std::string& key, const std::string& server_lines)
    : log_(dir.path("nginx-error.log")) {
  const Listening listening = listen_on();
  endpoint_ = listening.endpoint;
  const std::string conf = dir.path("nginx.conf");
  std::string temp_paths;
  for (const char* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"})
    temp_paths += std::string(kind) + "_temp_path " + dir.path(kind) + ";\n";
  write_file(conf, "daemon off;\nuser root;\nworker_processes 1;\npid " + dir.path("nginx.pid") + ";\nerror_log " + log_ +
                       " info;\nevents {}\nhttp {\naccess_log off;\n" + temp_paths + "server {\nlisten " + endpoint_.to_string() +
                       " ssl;\nssl_certificate " + certificate + ";\nssl_certificate_key " + key + ";\n" +
                       (server_lines.find("ssl_protocols") == std::string::npos ? "ssl_protocols TLSv1.2 TLSv1.3;\n" : "") + server_lines +
                       "\nlocation /readyz { return 200 ok; }\nlocation /broken { return 500 broken; }\n}\n}\n");
  child_ = std::make_unique<Child>(std::vector<std::string>{"/usr/sbin/nginx", "-e", log_, "-c", conf, "-p", dir.path("")},
                                   std::map<std::string, std::string>{{"NGINX", std::to_string(listening.fd.get()) + ";"}},
                                   listening.fd.get(), dir.path("nginx.out"));
}

std::string Nginx::stop_and_read_log() {
  child_->stop();
  return TempDir::read(log_);
}

ProbeRig::ProbeRig(HealthProber::Options options)
    : prober_(std::make_unique<HealthProber>(
          [this](ProbeResult result) {
            const std::scoped_lock lock(mutex_);
            results_.push_back(std::move(result));
            changed_.notify_all();
          },
          options)) {}

ProbeRig::~ProbeRig() { prober_.reset(); }

bool ProbeRig::start(const Endpoint& endpoint, const config::Health& health, const std::string& host, ServerId server) {
  return prober_->start(
      {.server = server, .token = ++tokens_, .endpoint = endpoint, .host = host, .health = std::make_shared<const config::Health>(health)});
}

ProbeResult ProbeRig::probe(const Endpoint& endpoint, const config::Health& health, const std::string& host, ServerId server) {
  const std::size_t before = wait_for(0).size();
  EXPECT_TRUE(start(endpoint, health, host, server));
  auto results = wait_for(before + 1);
  if (results.size() <= before) return {};
  EXPECT_EQ(results.back().token, tokens_);
  EXPECT_EQ(results.back().server, server);
  return results.back();
}

std::vector<ProbeResult> ProbeRig::wait_for(std::size_t count) {
  std::unique_lock lock(mutex_);
  EXPECT_TRUE(changed_.wait_for(lock, kPatience, [&] { return results_.size() >= count; }))
      << "only " << results_.size() << " of " << count << " results";
  return results_;
}

void ProbeRig::wait_idle() {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (prober_->counters().open != 0 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  EXPECT_EQ(prober_->counters().open, 0U);
}

config::Health health_of(config::HealthType type) {
  config::Health health;
  health.type = type;
  health.path = "/readyz";
  health.timeout = 5s;  // Far above what a loaded machine needs; tests of the timeout set their own.
  return health;
}

}  // namespace fairlead::lb::test
