// In dnsmasq's place for tests: serves nothing (it has dnsmasq's sockets, for who looks), and refuses what it is told over its bus as often
// as a file says.
//
//   stubborn_dnsmasq --version | --test | --conf-file=DIR/dnsmasq.conf ...
//
// DIR/refusals: how often each AddDhcpLease is refused before it is taken, but for the fence (none: 0).
// DIR/told: a line for each: "refused 10.77.8.40", "taken 10.77.8.40".
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <string_view>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <systemd/sd-bus.h>

namespace {

constexpr const char* kName = "uk.org.thekelleys.dnsmasq";
constexpr const char* kPath = "/uk/org/thekelleys/dnsmasq";
constexpr std::string_view kFence = "127.0.0.67";

struct Stubborn {
  std::string folder;
  std::string script;
  std::map<std::string, int> asked;

  [[nodiscard]] int refusals() const {
    int out = 0;
    std::ifstream(folder + "/refusals") >> out;
    return out;
  }
  void tell(const std::string& line) const { std::ofstream(folder + "/told", std::ios::app) << line << std::endl; }
};

/// DNS at an address that may come later.
void bind_dns(const std::string& address) {
  const int one = 1;
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(53);
  if (fd < 0 || ::inet_pton(AF_INET, address.c_str(), &at.sin_addr) != 1) std::exit(2);
  if (::setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof one) != 0) std::exit(2);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) std::exit(2);
}

/// What of its configuration it needs: dhcp-script="PATH", listen-address=ADDRESS.
std::string read_conf(const std::string& conf) {
  constexpr std::string_view kScript = "dhcp-script=\"";
  constexpr std::string_view kListen = "listen-address=";
  std::string script;
  std::ifstream file(conf);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(kScript)) script = line.substr(kScript.size(), line.size() - kScript.size() - 1);
    if (line.starts_with(kListen)) bind_dns(line.substr(kListen.size()));
  }
  return script;
}

int add_lease(Stubborn& self, sd_bus_message* call) {
  const char* address = nullptr;
  const char* hardware = nullptr;
  if (const int r = sd_bus_message_read(call, "ss", &address, &hardware); r < 0) return r;
  const bool fence = address == kFence;
  if (!fence && self.asked[address]++ < self.refusals()) {
    self.tell("refused " + std::string(address));
    return sd_bus_reply_method_errorf(call, SD_BUS_ERROR_FAILED, "Not now");
  }
  self.tell("taken " + std::string(address));
  if (const int r = sd_bus_reply_method_return(call, ""); r < 0) return r;
  const std::string event = self.script + (fence ? " old " : " add ") + hardware + " " + address;
  return std::system(("DNSMASQ_TIME_REMAINING=120 " + event).c_str()) == 0 ? 1 : -1;  // NOLINT(cert-env33-c): all of it is the test's.
}

int on_call(sd_bus_message* call, void* data, sd_bus_error* /*error*/) {
  const char* text = sd_bus_message_get_member(call);
  const std::string_view member = text == nullptr ? std::string_view() : text;
  int r = 0;
  if (member == "GetVersion") r = sd_bus_reply_method_return(call, "s", "2.90");
  if (member == "GetMetrics") r = sd_bus_reply_method_return(call, "a{su}", 0);
  if (member == "DeleteDhcpLease") r = sd_bus_reply_method_return(call, "b", 1);
  if (member == "AddDhcpLease") r = add_lease(*static_cast<Stubborn*>(data), call);
  return r < 0 ? r : 1;
}

int serve(Stubborn& self) {
  const char* address = std::getenv("DBUS_SYSTEM_BUS_ADDRESS");
  sd_bus* bus = nullptr;
  if (address == nullptr || std::system((self.script + " init > /dev/null").c_str()) != 0) return 11;  // NOLINT(cert-env33-c)
  if (sd_bus_new(&bus) < 0 || sd_bus_set_address(bus, address) < 0 || sd_bus_set_bus_client(bus, 1) < 0 || sd_bus_start(bus) < 0) return 5;
  if (sd_bus_add_object(bus, nullptr, kPath, on_call, &self) < 0 || sd_bus_request_name(bus, kName, 0) < 0) return 5;
  if (sd_bus_emit_signal(bus, kPath, kName, "Up", "") < 0) return 5;
  for (;;) {
    const int r = sd_bus_process(bus, nullptr);
    if (r < 0) return 1;
    if (r == 0 && sd_bus_wait(bus, UINT64_MAX) < 0) return 1;
  }
}

}  // namespace

int main(int argc, char** argv) {
  Stubborn self;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--version") std::puts("Dnsmasq version 2.90  Copyright");
    if (word == "--version" || word == "--test") return 0;
    if (!word.starts_with("--conf-file=")) continue;
    const std::string conf = word.substr(word.find('=') + 1);
    self.folder = conf.substr(0, conf.rfind('/'));
    self.script = read_conf(conf);
  }
  return serve(self);
}
