#include "dnsdhcp/dnsmasq_bus.h"

#include <algorithm>
#include <cerrno>
#include <poll.h>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include <systemd/sd-bus.h>

#include "dnsdhcp/unix_listener.h"

namespace fairlead::dnsdhcp {
namespace {

constexpr const char* kName = "uk.org.thekelleys.dnsmasq";  // Also the interface.
constexpr const char* kPath = "/uk/org/thekelleys/dnsmasq";
constexpr std::string_view kDriver = "org.freedesktop.DBus";
constexpr const char* kUniqueName = ":1.1";
constexpr int kMessagesPerTurn = 256;
constexpr std::uint32_t kPrimaryOwner = 1;  // Of DBus's RequestName and ReleaseName: granted.
/// QbLoop watches for reading only. A socket whose peer does not read is looked at again after this time.
constexpr Duration kWriteAgain = std::chrono::milliseconds(10);
constexpr std::size_t kMetricsMax = 256;

std::string_view text(const char* value) { return value == nullptr ? std::string_view() : std::string_view(value); }

/// Bytes that may stand in a D-Bus address as they are; the others are written %41.
std::string escaped(std::string_view path) {
  constexpr std::string_view kHex = "0123456789abcdef";
  constexpr std::string_view kPlain = "-_/.";
  std::string out;
  for (const char c : path) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || kPlain.find(c) != std::string_view::npos;
    if (plain) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kHex[byte >> 4U];
    out += kHex[byte & 15U];
  }
  return out;
}

Error bus_error(const std::string& what, int negative_errno) { return errno_error("dnsmasq's bus: " + what, -negative_errno); }

Error error_of(sd_bus_message* reply) {
  const sd_bus_error* said = sd_bus_message_get_error(reply);
  const std::string name(said == nullptr ? std::string_view() : text(said->name));
  const std::string words(said == nullptr ? std::string_view() : text(said->message));
  Errc code = Errc::kUnavailable;
  if (name.ends_with(".InvalidArgs")) code = Errc::kInvalidArgument;
  if (name.ends_with(".UnknownMethod")) code = Errc::kUnsupported;
  return {code, "dnsmasq says: " + (words.empty() ? name : words)};
}

const Error kNoAnswer{Errc::kTimeout, "dnsmasq does not answer on its bus"};
const Error kStrangeAnswer{Errc::kUnavailable, "dnsmasq's answer is of another type than expected"};

}  // namespace

std::string_view to_string(LeaseSignalKind kind) {
  if (kind == LeaseSignalKind::kAdded) return "added";
  return kind == LeaseSignalKind::kUpdated ? "updated" : "deleted";
}

void DnsmasqBus::BusCloser::operator()(sd_bus* bus) const { sd_bus_close_unref(bus); }
void DnsmasqBus::MessageCloser::operator()(sd_bus_message* message) const { sd_bus_message_unref(message); }

Result<std::unique_ptr<DnsmasqBus>> DnsmasqBus::open(QbLoop& loop, const std::string& path, Callbacks callbacks) {
  auto listener = listen_unix(path, SOCK_STREAM);
  if (!listener) return listener.error();
  const int fd = listener->get();
  std::unique_ptr<DnsmasqBus> out(new DnsmasqBus(loop, path, std::move(*listener), std::move(callbacks)));
  if (auto watched = loop.add_readable(fd, [self = out.get()] { self->accept(); }); !watched) return watched.error();
  return out;
}

DnsmasqBus::DnsmasqBus(QbLoop& loop, std::string path, Fd listener, Callbacks callbacks)
    : loop_(loop), path_(std::move(path)), listener_(std::move(listener)), callbacks_(std::move(callbacks)) {}

DnsmasqBus::~DnsmasqBus() {
  loop_.cancel(again_);
  loop_.cancel(deadline_);
  loop_.remove(listener_.get());
  if (fd_ >= 0) loop_.remove(fd_);
  (void)::unlink(path_.c_str());  // The next life removes it, too.
}

std::string DnsmasqBus::address() const { return "unix:path=" + escaped(path_); }

void DnsmasqBus::accept() {
  Fd connection = accept_own(listener_.get());
  if (!connection.valid()) return;
  if (bus_) end("another dnsmasq has connected");
  if (auto adopted = adopt(std::move(connection)); !adopted) callbacks_.on_lost(adopted.error().message());
}

Status DnsmasqBus::adopt(Fd connection) {
  sd_bus* made = nullptr;
  if (const int r = sd_bus_new(&made); r < 0) return bus_error("make it", r);
  std::unique_ptr<sd_bus, BusCloser> bus(made);
  const int fd = connection.get();
  if (const int r = sd_bus_set_fd(made, fd, fd); r < 0) return bus_error("give it the connection", r);
  (void)connection.release();
  sd_id128_t id{};
  if (const int r = sd_id128_randomize(&id); r < 0) return bus_error("make its id", r);
  if (const int r = sd_bus_set_server(made, 1, id); r < 0) return bus_error("make it a server", r);
  if (const int r = sd_bus_negotiate_fds(made, 0); r < 0) return bus_error("refuse descriptors", r);
  if (const int r = sd_bus_add_filter(made, nullptr, reinterpret_cast<sd_bus_message_handler_t>(&DnsmasqBus::on_message), this); r < 0)
    return bus_error("listen to it", r);
  if (const int r = sd_bus_start(made); r < 0) return bus_error("start it", r);
  if (auto watched = loop_.add_readable(fd, [this] { turn(); }); !watched) return watched.error();
  bus_ = std::move(bus);
  fd_ = fd;
  turn();
  return {};
}

/// Takes what is there and gives what can be given.
void DnsmasqBus::turn() {
  loop_.cancel(std::exchange(again_, 0));
  auto failed = std::exchange(failed_, {});
  for (auto& [number, one] : failed) one.first(nullptr, &one.second);
  int handled = 0;
  while (bus_ && broken_.empty() && handled < kMessagesPerTurn) {
    const int r = sd_bus_process(bus_.get(), nullptr);
    if (r < 0) broken_ = bus_error("read it", r).message();
    if (r <= 0) break;
    ++handled;
  }
  if (bus_ && broken_.empty() && sd_bus_is_open(bus_.get()) <= 0) broken_ = "dnsmasq has closed its bus";
  if (!broken_.empty()) end(std::exchange(broken_, {}));
  if (handled == kMessagesPerTurn || !failed_.empty()) {
    loop_.cancel(again_);
    again_ = loop_.after(Duration::zero(), [this] { turn(); });
  }
  arm();
}

/// Timers: for the oldest call without an answer, and for bytes that dnsmasq has not taken yet.
void DnsmasqBus::arm() {
  if (bus_ && again_ == 0) {
    const int events = sd_bus_get_events(bus_.get());
    if (events > 0 && (events & POLLOUT) != 0) again_ = loop_.after(kWriteAgain, [this] { turn(); });
  }
  // All have the same patience: the first one sent is the first one due. Of one that is answered meanwhile the timer comes for nothing.
  if (deadline_ == 0 && !calls_.empty()) deadline_ = loop_.at(calls_.begin()->second.deadline, [this] { expire(); });
}

void DnsmasqBus::expire() {
  deadline_ = 0;
  const Instant now = loop_.now();
  std::vector<Read> late;
  std::erase_if(calls_, [&](auto& one) {
    if (one.second.deadline > now) return false;
    late.push_back(std::move(one.second.read));
    return true;
  });
  for (const Read& read : late) read(nullptr, &kNoAnswer);
  arm();
}

void DnsmasqBus::end(const std::string& reason) {
  if (fd_ >= 0) loop_.remove(std::exchange(fd_, -1));
  bus_.reset();
  ready_ = false;
  loop_.cancel(std::exchange(again_, 0));
  const auto calls = std::exchange(calls_, {});
  const Error gone{Errc::kUnavailable, reason};
  for (const auto& [cookie, call] : calls) call.read(nullptr, &gone);
  callbacks_.on_lost(reason);
}

int DnsmasqBus::on_message(sd_bus_message* message, void* self, void* /*error*/) {
  static_cast<DnsmasqBus*>(self)->received(message);
  return 1;  // Nothing else looks at it.
}

void DnsmasqBus::received(sd_bus_message* message) {
  std::uint8_t type = 0;
  if (sd_bus_message_get_type(message, &type) < 0) return;
  switch (type) {
    case SD_BUS_MESSAGE_METHOD_CALL:
      if (const int r = serve(message); r < 0) broken_ = bus_error("answer dnsmasq", r).message();
      return;
    case SD_BUS_MESSAGE_SIGNAL: return signalled(message);
    case SD_BUS_MESSAGE_METHOD_RETURN:
    case SD_BUS_MESSAGE_METHOD_ERROR: return answered(message);
    default: return;
  }
}

/// What dnsmasq's library asks of a bus. Whatever else is asked is refused, as a bus would.
int DnsmasqBus::serve(sd_bus_message* call) {
  const std::string_view member = text(sd_bus_message_get_member(call));
  const std::string_view interface = text(sd_bus_message_get_interface(call));
  if (interface == kDriver) {
    if (member == "Hello") return sd_bus_reply_method_return(call, "s", kUniqueName);
    if (member == "RequestName" || member == "ReleaseName") return sd_bus_reply_method_return(call, "u", kPrimaryOwner);
    if (member == "AddMatch" || member == "RemoveMatch") return sd_bus_reply_method_return(call, "");
    if (member == "NameHasOwner" || member == "GetNameOwner") {
      const char* name = nullptr;
      if (sd_bus_message_read(call, "s", &name) < 0) return sd_bus_reply_method_errorf(call, SD_BUS_ERROR_INVALID_ARGS, "Expected a name");
      const bool known = text(name) == kName || text(name) == kUniqueName || text(name) == kDriver;
      if (member == "NameHasOwner") return sd_bus_reply_method_return(call, "b", static_cast<int>(known));
      if (known) return sd_bus_reply_method_return(call, "s", text(name) == kDriver ? name : kUniqueName);
      return sd_bus_reply_method_errorf(call, SD_BUS_ERROR_NAME_HAS_NO_OWNER, "There is nobody but dnsmasq here");
    }
  }
  return sd_bus_reply_method_errorf(call, SD_BUS_ERROR_UNKNOWN_METHOD, "Not on this bus");
}

void DnsmasqBus::signalled(sd_bus_message* signal) {
  if (text(sd_bus_message_get_interface(signal)) != kName) return;
  const std::string_view member = text(sd_bus_message_get_member(signal));
  if (member == "Up") {
    if (ready_) return;
    return get_version([this](const Result<std::string>& version) {
      if (!version) {
        broken_ = version.error().message();
        if (bus_ && again_ == 0) again_ = loop_.after(Duration::zero(), [this] { turn(); });
        return;
      }
      if (std::exchange(ready_, true)) return;
      callbacks_.on_ready(*version);
    });
  }
  LeaseSignal out;
  if (member == "DhcpLeaseUpdated") {
    out.kind = LeaseSignalKind::kUpdated;
  } else if (member == "DhcpLeaseDeleted") {
    out.kind = LeaseSignalKind::kDeleted;
  } else if (member != "DhcpLeaseAdded") {
    return;
  }
  const char* address = nullptr;
  const char* hardware = nullptr;
  const char* name = nullptr;
  if (sd_bus_message_read(signal, "sss", &address, &hardware, &name) < 0) return;
  const auto parsed = parse_ip_address(text(address));
  if (!parsed) return;
  out.address = *parsed;
  out.hardware = text(hardware);
  out.name = text(name);
  callbacks_.on_lease(out);
}

void DnsmasqBus::answered(sd_bus_message* reply) {
  std::uint64_t cookie = 0;
  if (sd_bus_message_get_reply_cookie(reply, &cookie) < 0) return;
  auto call = calls_.extract(cookie);
  if (call.empty()) return;  // Given up.
  if (sd_bus_message_is_method_error(reply, nullptr) > 0) {
    const Error error = error_of(reply);
    return call.mapped().read(nullptr, &error);
  }
  call.mapped().read(reply, nullptr);
}

Result<DnsmasqBus::Message> DnsmasqBus::new_call(const char* member) {
  if (!bus_) return Error{Errc::kUnavailable, "dnsmasq is not on its bus"};
  if (calls_.size() >= kBusCallsMax) return Error{Errc::kLimitExceeded, "too many calls wait for dnsmasq"};
  sd_bus_message* made = nullptr;
  if (const int r = sd_bus_message_new_method_call(bus_.get(), &made, kName, kPath, kName, member); r < 0) return bus_error(member, r);
  return Message(made);
}

void DnsmasqBus::send(Result<Message> call, Read read) {
  if (!call) return fail_later(std::move(read), call.error());
  std::uint64_t cookie = 0;
  if (const int r = sd_bus_send(bus_.get(), call->get(), &cookie); r < 0) return fail_later(std::move(read), bus_error("send", r));
  calls_.emplace(cookie, Call{std::move(read), loop_.now() + kBusPatience});
  arm();
}

void DnsmasqBus::fail_later(Read read, Error error) {
  failed_.emplace(++last_failed_, std::pair{std::move(read), std::move(error)});
  if (again_ == 0) again_ = loop_.after(Duration::zero(), [this] { turn(); });
}

void DnsmasqBus::add_lease(const BusLease& lease, Answer<void> answer) {
  auto call = new_call("AddDhcpLease");
  if (call) {
    sd_bus_message* m = call->get();
    // dnsmasq reads the name up to a zero byte, which it wants counted.
    const std::size_t name_bytes = lease.name.empty() ? 0 : lease.name.size() + 1;
    int r = sd_bus_message_append(m, "ss", lease.address.to_string().c_str(), lease.hardware.c_str());
    if (r >= 0) r = sd_bus_message_append_array(m, 'y', lease.name.c_str(), name_bytes);
    if (r >= 0) r = sd_bus_message_append_array(m, 'y', lease.client_id.data(), lease.client_id.size());
    if (r >= 0) r = sd_bus_message_append(m, "uub", lease.seconds, lease.iaid, static_cast<int>(lease.temporary));
    if (r < 0) call = bus_error("AddDhcpLease", r);
  }
  send(std::move(call), [answer = std::move(answer)](sd_bus_message*, const Error* error) { answer(error ? Status(*error) : Status()); });
}

void DnsmasqBus::delete_lease(const IpAddress& address, Answer<bool> answer) {
  auto call = new_call("DeleteDhcpLease");
  if (call) {
    if (const int r = sd_bus_message_append(call->get(), "s", address.to_string().c_str()); r < 0) call = bus_error("DeleteDhcpLease", r);
  }
  send(std::move(call), [answer = std::move(answer)](sd_bus_message* reply, const Error* error) {
    int there = 0;
    if (error) return answer(*error);
    if (sd_bus_message_read(reply, "b", &there) < 0) return answer(kStrangeAnswer);
    answer(there != 0);
  });
}

void DnsmasqBus::get_version(Answer<std::string> answer) {
  send(new_call("GetVersion"), [answer = std::move(answer)](sd_bus_message* reply, const Error* error) {
    const char* version = nullptr;
    if (error) return answer(*error);
    if (sd_bus_message_read(reply, "s", &version) < 0) return answer(kStrangeAnswer);
    answer(std::string(text(version)));
  });
}

void DnsmasqBus::get_metrics(Answer<std::map<std::string, std::uint32_t>> answer) {
  send(new_call("GetMetrics"), [answer = std::move(answer)](sd_bus_message* reply, const Error* error) {
    if (error) return answer(*error);
    std::map<std::string, std::uint32_t> out;
    if (sd_bus_message_enter_container(reply, 'a', "{su}") < 0) return answer(kStrangeAnswer);
    const char* name = nullptr;
    std::uint32_t value = 0;
    int r = 0;
    while (out.size() < kMetricsMax && (r = sd_bus_message_read(reply, "{su}", &name, &value)) > 0) out.emplace(text(name), value);
    if (r < 0) return answer(kStrangeAnswer);
    answer(std::move(out));
  });
}

}  // namespace fairlead::dnsdhcp
