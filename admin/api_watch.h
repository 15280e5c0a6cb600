// What all watchers of /api/v1/watch share: the newest report, its one encoding, and the tick at which they look for news.
// It asks NodePort on the admin thread and nobody else; with no watcher there is no tick.
//
// Threading: `admin` only. Ownership: watchers are held weakly. Limits: one encoded status, and those that clients are still taking.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "admin/node_port.h"
#include "base/system_clock.h"

// Not included: only api_*.cc and tls_*.cc may see Asio.
namespace boost::asio {
class io_context;
}

namespace fairlead::admin {

class Watcher {
 public:
  virtual ~Watcher() = default;
  /// Time to look for news.
  virtual void look() = 0;
};

class WatchHub {
 public:
  /// `node` outlives the hub: the daemon owns both.
  WatchHub(std::shared_ptr<boost::asio::io_context> io, NodePort& node);
  ~WatchHub();
  WatchHub(const WatchHub&) = delete;
  WatchHub& operator=(const WatchHub&) = delete;

  void add(std::weak_ptr<Watcher> watcher);
  /// No further tick. Watchers are closed by their server.
  void stop();

  /// As of the last tick; the first one is asked for at once. Never nullptr after a report was there.
  [[nodiscard]] const std::shared_ptr<const NodeReport>& report();
  /// watch_digest() of it.
  [[nodiscard]] std::uint64_t digest() const { return digest_; }
  /// Its status frame; encoded when the first watcher wants it.
  [[nodiscard]] std::shared_ptr<const std::string> status_frame();
  [[nodiscard]] std::string life() const { return node_.event_stream().life; }
  [[nodiscard]] std::vector<EventInfo> events(std::uint64_t after, std::size_t limit) const { return node_.events(after, limit); }
  [[nodiscard]] Instant now() const { return clock_.now(); }

 private:
  class Timer;
  void arm();
  void tick();
  void refresh();

  NodePort& node_;
  SystemClock clock_;
  std::unique_ptr<Timer> timer_;
  std::vector<std::weak_ptr<Watcher>> watchers_;
  std::shared_ptr<const NodeReport> report_;
  std::uint64_t digest_ = 0;
  std::shared_ptr<const std::string> frame_;  ///< Of report_; nullptr: not encoded yet.
  bool ticking_ = false;
  bool stopped_ = false;
};

}  // namespace fairlead::admin
