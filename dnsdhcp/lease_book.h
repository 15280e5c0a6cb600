// fairlead: pure
// The DHCP leases of all networks as this gateway knows them. dnsmasq gives leases out; the books of all gateways remember them alike, so
// that the next holder's dnsmasq knows what the last one's gave. docs/internals/leases.md has the story and the promise.
//
//   script event --local_event()--> holder? --yes--> record with a higher stamp --> SendUpdate
//                                     +--no---> an echo of what dnsmasq was fed: nothing
//   delivered message --delivered()--> newer than what is here? --> record --> FeedAdd, FeedDelete (the dnsmasq of this node)
//
// A network's holding and its gate:
//
//   hold() --> fence --> [synchronised(), sweep, adopt()] --> open() --word back--> may_open()
//                        not when handed_over()
//   close() --> fence --word back--> may_release()
//
//   has_news() --> a pause: close() .. may_release(), in which tick() feeds the news, then open()
//
// Invariants (asserted in tests/sim/leases on every seed):
//   I1  Only events of a dnsmasq whose node holds the network, and that it told after the fence of this holding, become records. Anything
//       else is an echo, or of an earlier holding, and is neither kept nor sent.
//   I2  Of two records of one address the one with the higher (epoch, sequence, holder, content) stays, on every node, in whatever order
//       they came: after the same records all books are equal (but for ends, which differ by seconds).
//   I3  A holding's epoch is above that of every record made before it that this node has heard of. What the holder knows from its own
//       holding stands against any record from elsewhere: it is stamped anew, above that one.
//   I4  A copy of a lease never ends before the lease does: seconds left are rounded up, and kCopyMargin is added.
//   I5  The note that a lease is over (kReleased) stays as long as an older record of that address could be held by anybody.
//   I6  dnsmasq is fed an address only while the record is held and not over, and never more than kLeasesHeldMax.
//   I7  may_open() only after every member has heard that the gate opens; handed_over() only when the last word heard in this view is that
//       the other holder's gate is closed and all it gave is said, and the books are equal: records that were on their way when the view
//       changed come with its book alone. Any change of the view forgets the words.
//   I8  A dnsmasq whose gate may be open is fed nothing that others tell: it may have given that address to somebody a moment ago, and
//       its event be on the way. Such news waits until the gate is closed and all that was given is told: has_news(), then a pause.
// Threading: control thread. Ownership: values only. Limits: kLeasesHeldMax, kRecordsMax; at most kChunkRecordsMax records per message.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/cluster_message.h"
#include "base/time.h"
#include "config/dhcp_pool.h"
#include "dnsdhcp/dhcp_lease.h"
#include "dnsdhcp/lease_event.h"

namespace fairlead::dnsdhcp {

using namespace std::chrono_literals;

inline constexpr std::size_t kLeasesHeldMax = config::kDhcpLeasesMax;  ///< About 4 MB with short names. See kDnsmasqLeasesMax.
inline constexpr std::size_t kRecordsMax = 12'000;                     ///< With the notes of leases that are over. Larger.
inline constexpr std::size_t kChunkRecordsMax = 256;
inline constexpr std::size_t kBatchRecordsMax = 40;  ///< Of what happens in one step: even the longest go into one message.
inline constexpr std::size_t kChunkBytesMax = std::size_t{32} * 1024;
inline constexpr Duration kChunkGap = 20ms;     ///< Between two parts of a book: the beats of the holders go between them.
inline constexpr Duration kCopyMargin = 2s;     ///< I4: a renewal within kEchoSlack of the one before is not told, and rounding.
inline constexpr Duration kEchoSlack = 1500ms;  ///< An event whose end is this near the book's says nothing new.
inline constexpr Duration kSameEnd = 5s;        ///< Two copies of one record whose ends are nearer than that agree.
inline constexpr Duration kExpiryScan = 1s;
inline constexpr std::uint64_t kEpochMax = std::uint64_t{1} << 48;  ///< No cluster gets there; a record beyond it is damaged.

struct BookNetwork {
  std::string name;
  IpPrefix prefix;  ///< IPv4 or IPv6; a network with both is there twice.
  bool operator==(const BookNetwork&) const = default;
};

// ---- what is to be done ----
struct SendUpdate {
  LeaseUpdate update;
  bool operator==(const SendUpdate&) const = default;
};
struct SendDigest {
  LeaseDigest digest;
  bool operator==(const SendDigest&) const = default;
};
/// AddDhcpLease at the dnsmasq of this node.
struct FeedAdd {
  Lease lease;
  bool operator==(const FeedAdd&) const = default;
};
/// DeleteDhcpLease.
struct FeedDelete {
  IpAddress address;
  bool operator==(const FeedDelete&) const = default;
};
/// AddDhcpLease of kFenceAddress with fence_mac(number) and no end, after all that was fed before.
struct FeedFence {
  std::uint32_t number = 0;
  bool operator==(const FeedFence&) const = default;
};
/// Two clients were given one address; `dropped` may be in use.
struct LeaseConflict {
  Lease kept;
  Lease dropped;
  bool operator==(const LeaseConflict&) const = default;
};
/// Every member's book is known here, and ours there. Once in a view.
struct BooksEqual {
  std::size_t members = 0;   ///< Besides this one.
  std::size_t received = 0;  ///< Records that were news.
  Duration took{};
  bool operator==(const BooksEqual&) const = default;
};
/// The book is full: this lease is not remembered.
struct BookFull {
  Lease lease;
  bool operator==(const BookFull&) const = default;
};
using BookAction = std::variant<SendUpdate, SendDigest, FeedAdd, FeedDelete, FeedFence, LeaseConflict, BooksEqual, BookFull>;
using BookActions = std::vector<BookAction>;

enum class Adoption : std::uint8_t {
  kNothing,  ///< Known as it is, or the network is not held here.
  kLonger,   ///< A known lease lasts longer now.
  kNew,      ///< Nothing was known of it, or something else.
};

class LeaseBook {
 public:
  explicit LeaseBook(NodeId self) : self_(self) {}

  /// Records of other networks are kept and passed on, but not fed. dnsmasq is restarted by such a change and asks for a snapshot.
  void configure(std::vector<BookNetwork> networks) { networks_ = std::move(networks); }
  /// What was on disk, before anything else. `epoch`: the newest one then.
  void load(const std::vector<Lease>& leases, Epoch epoch, Instant now);

  // ---- what happens ----
  void local_event(const LeaseEvent& event, Instant now, BookActions& out);
  void delivered(NodeId from, const LeaseUpdate& update, Instant now, BookActions& out);
  void delivered(NodeId from, const LeaseDigest& theirs, Instant now, BookActions& out);
  /// `members`: the nodes whose daemons are in the group, this one included or not.
  void view_changed(const std::vector<NodeId>& members, Instant now, BookActions& out);
  /// dnsmasq ended by itself: what it gave last may be untold. Until the pool was swept again and open() nothing is handed over.
  void dnsmasq_ended();
  /// A dnsmasq was started, and asked for snapshot(): what an earlier one owes will not come.
  void dnsmasq_started(BookActions& out);
  /// A fence that was asked for did not come: another one.
  void fence_again(BookActions& out);
  /// Early or extra ones do no harm.
  void tick(Instant now, BookActions& out);
  [[nodiscard]] Instant next_tick() const { return next_tick_; }

  // ---- holding a network's VIPs ----
  void hold(const std::string& network, Epoch vip_epoch, Instant now, BookActions& out);
  void let_go(const std::string& network);
  /// Who answered at an address of the network's pool (dnsdhcp/pool_sweep.h). `lease_time`, the network's, is as long as whoever has the
  /// address can have it from now on, since it was given or renewed before now.
  ///   - the book says that one of `macs` has it: for that long now, as the last renewal may not have been told
  ///   - else the first of `macs` has it: a lease that the book has of it is an old one, and the gateway that gave the address anew died
  ///     before it could tell
  [[nodiscard]] Adoption adopt(const std::string& network, const IpAddress& address, const std::vector<MacAddress>& macs,
                               Duration lease_time, Instant now, BookActions& out);
  /// The dnsmasq of this node did not take what it was fed of `address`: what makes it know what the book knows now. `deletion`: it was to
  /// forget a lease of it. Nothing to do: the record is over or another network's. Not while may_give().
  void feed_again(const IpAddress& address, bool deletion, Instant now, BookActions& out);
  /// The dnsmasq of this node had no lease of an address that it was told to forget: no event will come of it.
  void had_none(const IpAddress& address) { static_cast<void>(deletion_was_fed(address)); }
  /// The gate is about to open: tells everybody. It may be opened when may_open().
  void open(const std::string& network, BookActions& out);
  /// The gate is closed and nothing more comes in: fence, then the word, then may_release(). This is the barrier of a planned move, and
  /// of a restart of dnsmasq. open() takes it back.
  void close(const std::string& network, BookActions& out);

  [[nodiscard]] bool holds(const std::string& network) const { return holdings_.contains(network); }
  /// I7: nothing can be missing here. No sweep is needed. Of a word that came in a new view it may become true when synchronised().
  [[nodiscard]] bool handed_over(const std::string& network) const;
  /// dnsmasq has told all from before hold().
  [[nodiscard]] bool fenced(const std::string& network) const;
  [[nodiscard]] bool may_open(const std::string& network) const;
  [[nodiscard]] bool may_release(const std::string& network) const;
  /// I8: the dnsmasq of this node may give `address` to somebody, or gave it and did not tell yet.
  [[nodiscard]] bool may_give(const IpAddress& address) const;
  /// I8: others told of addresses of this network what dnsmasq is not fed as long as it gives addresses.
  [[nodiscard]] bool has_news(const std::string& network) const;
  /// The book of every other member is in this one.
  [[nodiscard]] bool synchronised() const;

  // ---- what is in it ----
  /// Held leases that are not over, by address.
  [[nodiscard]] std::vector<Lease> leases(Instant now) const;
  [[nodiscard]] std::optional<Lease> find(const IpAddress& address) const;
  /// For a starting dnsmasq: the fence first (it has to be the last in dnsmasq's own order), then leases of configured networks.
  [[nodiscard]] std::vector<Lease> snapshot(Instant now) const;
  /// For the disk: everything, notes of what is over included.
  [[nodiscard]] std::vector<Lease> records() const;
  [[nodiscard]] LeaseDigest digest() const;
  [[nodiscard]] Epoch newest_epoch() const { return newest_epoch_; }
  /// Grows with each change of what records() returns.
  [[nodiscard]] std::uint64_t revision() const { return revision_; }

 private:
  struct Record {
    Lease lease;
    bool own = false;  ///< Of the present holding of this node (I3).
  };
  using Records = std::map<IpAddress, Record>;
  /// Who holds which addresses of one network (IPv4).
  struct Clients {
    std::map<std::string, std::set<IpAddress>> addresses;  ///< By what dnsmasq knows a client by.
    std::set<std::string> crowded;                         ///< Of them who hold more than one.
  };
  enum class Gate : std::uint8_t { kClosed, kOpening, kOpen, kFencing, kClosing, kReleasable };
  struct Holding {
    Epoch epoch = 0;
    std::uint64_t sequence = 0;
    std::uint32_t fence = 0;  ///< Events before it are of another time.
    bool fenced = false;
    Gate gate = Gate::kClosed;
    std::uint32_t closing_fence = 0;
    bool handed_over = false;  ///< When it began; after that nobody else can have opened.
  };

  [[nodiscard]] const BookNetwork* network_of(const IpAddress& address) const;
  [[nodiscard]] bool network_named(const std::string& name) const;
  [[nodiscard]] bool is_fed(const Lease& lease) const;
  [[nodiscard]] static bool may_give(const Holding& holding) { return holding.gate != Gate::kClosed && holding.gate != Gate::kReleasable; }
  [[nodiscard]] LeaseStamp stamp(Holding& holding) const;
  void say(const std::string& network, Holding& holding, bool closed, BookActions& out);
  void say_again(BookActions& out);
  void word_back(const LeaseGate& word);
  void fence_came(const MacAddress& mac, BookActions& out);
  void given(const LeaseEvent& event, const BookNetwork& network, Holding& holding, Instant now, BookActions& out);
  void ended(const LeaseEvent& event, Holding& holding, Instant now, BookActions& out);
  /// Keeps it and tells everybody. False: the book is full.
  bool write_own(Lease lease, Instant now, BookActions& out);
  /// True: it was news.
  bool merge(const LeaseRecord& record, Instant now, BookActions& out);
  void defend(Record& mine, const Lease& theirs, Holding& holding, Instant now, BookActions& out);
  bool put(const Lease& lease, bool own, BookActions& out);
  [[nodiscard]] bool make_room(bool held);
  void index(const Lease& lease);
  void forget(const Lease& lease);
  void one_lease_per_client(const std::string& network, Holding& holding, Instant now, BookActions& out);
  /// What others told: now, or when no address is given any more (I8).
  void feed_news(const Lease& lease, const Lease* before, Instant now, BookActions& out);
  void feed_waiting(Instant now, BookActions& out);
  /// `before`: what the book had of the address; nullptr: nothing.
  void feed(const Lease& lease, const Lease* before, Instant now, BookActions& out);
  void feed_deletion(const IpAddress& address, Instant now, BookActions& out);
  /// One of them: this is its echo.
  [[nodiscard]] bool deletion_was_fed(const IpAddress& address);
  static void send_own(const Lease& lease, Instant now, BookActions& out);
  void send_chunk(Instant now, BookActions& out);
  void heard_whole(NodeId from, Instant now, BookActions& out);
  void tell_when_equal(Instant now, BookActions& out);
  void expire(Instant now);

  NodeId self_;
  std::vector<BookNetwork> networks_;
  Records book_;
  std::map<std::string, Clients> clients_;  // By network; of all held records of IPv4 in book_.
  std::size_t held_ = 0;
  std::uint64_t revision_ = 0;
  Epoch newest_epoch_ = 0;
  std::map<std::string, Holding> holdings_;
  std::map<std::string, bool> gates_closed_;             // The last word on each, of this view (I7).
  std::map<std::string, std::size_t> words_on_the_way_;  // Our own, not delivered yet.
  bool unheard_ = false;                                 // Out of the group since the last one was said.
  std::uint32_t fences_ = 0;
  std::set<std::string> untold_;                     // Networks that were let go while dnsmasq might give.
  std::multimap<IpAddress, Instant> deletes_fed_;    // Each whose echo has not come; until when it is waited for.
  std::map<std::string, std::set<IpAddress>> news_;  // By network; what waits (I8).
  // Synchronisation, of this view.
  std::set<NodeId> others_;
  std::set<NodeId> equal_;
  std::optional<IpAddress> sent_up_to_;
  bool sending_ = false;
  bool sent_ = false;
  bool told_ = false;
  std::size_t received_ = 0;
  Instant view_since_{};
  Instant next_chunk_{};
  Instant next_scan_{};
  Instant next_tick_{};
};

/// As it goes over the wire.
[[nodiscard]] LeaseRecord to_record(const Lease& lease, Instant now);
/// Nothing when no lease can be like that.
[[nodiscard]] std::optional<Lease> from_record(const LeaseRecord& record, Instant now);

}  // namespace fairlead::dnsdhcp
