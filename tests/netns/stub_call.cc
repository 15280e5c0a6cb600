// A program of a machine of the tests (kubeadm, kubectl, systemctl, ...) that is a stub: what it was called with goes to the machine's stub
// server (support/kube_stub/stub_server.py), which forks: a Python that is there already costs a few milliseconds, one that starts 60 to
// 200. Called by the program's name (a link), or as `stub_call NAME ARGUMENT...`. Ends as the stub ends; when it is killed, so is the stub.
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

extern char** environ;

namespace {

constexpr std::string_view kSocket = "/run/stub/calls.sock";
constexpr int kStubLost = 125;

/// No server, as before the machine's boot is over: the stub by itself.
int run_alone(const std::string& program, char** arguments) {
  std::vector<char*> argv;
  for (const char* word : {"/usr/bin/python3", "-B", "/opt/kube_stub/stub_node.py", program.c_str()})
    argv.push_back(const_cast<char*>(word));
  for (; *arguments != nullptr; ++arguments) argv.push_back(*arguments);
  argv.push_back(nullptr);
  ::execv(argv.front(), argv.data());
  return 127;
}

int connected() {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  kSocket.copy(to.sun_path, sizeof(to.sun_path) - 1);
  if (fd < 0 || ::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0) return -1;
  return fd;
}

/// Length, then: umask, number of words, the words, the environment; each ends with a NUL.
std::string payload(const std::string& program, char** arguments) {
  const mode_t mask = ::umask(0);
  ::umask(mask);
  std::vector<std::string> words = {program};
  for (; *arguments != nullptr; ++arguments) words.emplace_back(*arguments);
  std::string body = std::to_string(mask) + '\0' + std::to_string(words.size()) + '\0';
  for (const std::string& word : words) body += word + '\0';
  for (char** each = environ; *each != nullptr; ++each) body += std::string(*each) + '\0';
  const auto size = static_cast<std::uint32_t>(body.size());
  return std::string(reinterpret_cast<const char*>(&size), sizeof(size)) + body;
}

/// With standard input, output, error and the folder it was called in.
bool send_all(int fd, const std::string& text) {
  std::array<int, 4> files = {0, 1, 2, ::open(".", O_PATH | O_CLOEXEC)};
  for (std::size_t i = 0; i < 3; ++i)
    if (::fcntl(files[i], F_GETFD) < 0) files[i] = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(files))> control{};
  iovec part{const_cast<char*>(text.data()), text.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(files));
  std::memcpy(CMSG_DATA(header), files.data(), sizeof(files));
  ssize_t sent = ::sendmsg(fd, &message, MSG_NOSIGNAL);
  for (std::size_t done = 0; sent > 0;) {
    done += static_cast<std::size_t>(sent);
    if (done == text.size()) return true;
    sent = ::send(fd, text.data() + done, text.size() - done, MSG_NOSIGNAL);
  }
  return false;
}

}  // namespace

int main(int, char** argv) {
  std::string program = argv[0];
  program.erase(0, program.rfind('/') + 1);
  char** arguments = argv + 1;
  if (program == "stub_call") {
    if (*arguments == nullptr) return 64;
    program = *arguments++;
  }
  const int fd = connected();
  if (fd < 0) return run_alone(program, arguments);
  if (!send_all(fd, payload(program, arguments))) return kStubLost;
  std::int32_t status = 0;
  ssize_t got = 0;
  do got = ::recv(fd, &status, sizeof(status), MSG_WAITALL);
  while (got < 0 && errno == EINTR);
  if (got != sizeof(status)) return kStubLost;
  if (!WIFSIGNALED(status)) return WEXITSTATUS(status);
  ::signal(WTERMSIG(status), SIG_DFL);
  ::raise(WTERMSIG(status));
  return 128 + WTERMSIG(status);
}
