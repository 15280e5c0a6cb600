// The other end of dnsmasq's D-Bus: this process itself, on a socket of its own. Nothing here depends on a system bus or its policy.
//
//   dnsmasq --connect, AUTH, Hello, RequestName, signal Up--> DnsmasqBus --GetVersion--> dnsmasq --version--> on_ready
//                                                             add_lease(), delete_lease(), metrics() --> answers
//           --signals DhcpLeaseAdded, Updated, Deleted----->  on_lease
//
// dnsmasq believes to be on a system bus (DBUS_SYSTEM_BUS_ADDRESS in its environment, `enable-dbus` in its configuration); what it asks of
// org.freedesktop.DBus is answered here. It connects once in its life: a connection that is lost comes back with a new dnsmasq only.
//
// Invariants:
//   B1  Nothing here waits: what dnsmasq does not take now is kept and tried again; a call that it does not answer ends after kBusPatience.
//   B2  Every call is answered exactly once, by dnsmasq or by an error; never from inside the call itself.
//   B3  One dnsmasq at a time: a newer connection ends the older one, whose calls end with kUnavailable.
//   B4  on_ready comes once for a connection, when dnsmasq has answered: its main loop turns, so signals (SIGHUP) find their handlers.
// Rationale: answers to calls are given in their order, and dnsmasq acts on a call before it answers. So get_version() after other calls is
// a barrier: when it is answered they have been acted on.
// Threading: the loop's thread. Ownership: the loop outlives it. A callback must not destroy it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/ip_address.h"
#include "base/qb_loop.h"
#include "base/result.h"

struct sd_bus;
struct sd_bus_message;

namespace fairlead::dnsdhcp {

inline constexpr Duration kBusPatience = std::chrono::seconds(5);
inline constexpr std::size_t kBusCallsMax = 4096;  ///< Calls without an answer yet; further ones are refused (kLimitExceeded).
/// dnsmasq's name for a lease without end.
inline constexpr std::uint32_t kLeaseForever = 0xffffffff;

/// A lease to put into dnsmasq. What stands there for the address is replaced.
struct BusLease {
  IpAddress address;
  std::string hardware;                 ///< "52:54:00:00:01:01"; another type than Ethernet with its number: "20-80:00:...". Empty: none.
  std::string name;                     ///< Without domain. Empty: none; a name that is there stays.
  std::vector<std::uint8_t> client_id;  ///< IPv6: the DUID. Empty: none.
  std::uint32_t seconds = 0;            ///< From now on; kLeaseForever.
  std::uint32_t iaid = 0;               ///< IPv6 only.
  bool temporary = false;               ///< IPv6 only.
};

enum class LeaseSignalKind : std::uint8_t { kAdded, kUpdated, kDeleted };
[[nodiscard]] std::string_view to_string(LeaseSignalKind kind);

/// What dnsmasq says of a change, also of one that came through add_lease() or delete_lease().
struct LeaseSignal {
  LeaseSignalKind kind = LeaseSignalKind::kAdded;
  IpAddress address;
  std::string hardware;  ///< IPv6: the DUID.
  std::string name;      ///< With its domain, if dnsmasq knows one. Empty: none.
};

class DnsmasqBus {
 public:
  struct Callbacks {
    std::function<void(const std::string& version)> on_ready;
    std::function<void(const std::string& reason)> on_lost;  ///< Of a connection that was there; once for each.
    std::function<void(const LeaseSignal&)> on_lease;
  };
  template <class T>
  using Answer = std::function<void(Result<T>)>;

  /// Listens at `path`. Errors: those of listen_unix().
  [[nodiscard]] static Result<std::unique_ptr<DnsmasqBus>> open(QbLoop& loop, const std::string& path, Callbacks callbacks);
  ~DnsmasqBus();
  DnsmasqBus(const DnsmasqBus&) = delete;
  DnsmasqBus& operator=(const DnsmasqBus&) = delete;

  /// What DBUS_SYSTEM_BUS_ADDRESS has to say.
  [[nodiscard]] std::string address() const;
  /// on_ready came and on_lost did not.
  [[nodiscard]] bool is_ready() const { return ready_; }
  [[nodiscard]] std::size_t calls_open() const { return calls_.size(); }

  // Errors of all answers: kUnavailable (no dnsmasq, or it went), kTimeout, kLimitExceeded, kInvalidArgument (dnsmasq refuses it).
  void add_lease(const BusLease& lease, Answer<void> answer);
  /// The answer: whether it was there.
  void delete_lease(const IpAddress& address, Answer<bool> answer);
  void get_version(Answer<std::string> answer);
  /// dnsmasq's counters by its own names; which ones there are depends on its version.
  void get_metrics(Answer<std::map<std::string, std::uint32_t>> answer);

 private:
  /// Nothing: there is an error, which the caller gets instead.
  using Read = std::function<void(sd_bus_message* reply, const Error* error)>;
  struct Call {
    Read read;
    Instant deadline;
  };
  struct BusCloser {
    void operator()(sd_bus* bus) const;
  };
  struct MessageCloser {
    void operator()(sd_bus_message* message) const;
  };
  using Message = std::unique_ptr<sd_bus_message, MessageCloser>;

  DnsmasqBus(QbLoop& loop, std::string path, Fd listener, Callbacks callbacks);
  void accept();
  [[nodiscard]] Status adopt(Fd connection);
  void turn();
  void arm();
  void end(const std::string& reason);
  void expire();
  [[nodiscard]] Result<Message> new_call(const char* member);
  void send(Result<Message> call, Read read);
  void fail_later(Read read, Error error);
  static int on_message(sd_bus_message* message, void* self, void* error);
  void received(sd_bus_message* message);
  void answered(sd_bus_message* reply);
  int serve(sd_bus_message* call);
  void signalled(sd_bus_message* signal);

  QbLoop& loop_;
  std::string path_;
  Fd listener_;
  Callbacks callbacks_;
  std::unique_ptr<sd_bus, BusCloser> bus_;
  int fd_ = -1;  // The bus's.
  bool ready_ = false;
  std::string broken_;  // Why the connection is to end, once the bus is not in a call of ours.
  std::map<std::uint64_t, Call> calls_;
  std::map<std::uint64_t, std::pair<Read, Error>> failed_;  // To be answered in the next turn (B2).
  std::uint64_t last_failed_ = 0;
  QbLoop::TimerId again_ = 0;
  QbLoop::TimerId deadline_ = 0;
};

}  // namespace fairlead::dnsdhcp
