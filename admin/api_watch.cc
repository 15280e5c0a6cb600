#include "admin/api_watch.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "admin/watch_plan.h"

namespace fairlead::admin {

namespace net = boost::asio;

class WatchHub::Timer {
 public:
  explicit Timer(std::shared_ptr<net::io_context> io) : io_(std::move(io)), timer_(*io_) {}
  template <class Then>
  void start(Then then) {
    timer_.expires_after(kWatchTick);
    timer_.async_wait([then = std::move(then)](boost::system::error_code cancelled) {
      if (!cancelled) then();
    });
  }
  void cancel() { timer_.cancel(); }

 private:
  std::shared_ptr<net::io_context> io_;
  net::steady_timer timer_;
};

WatchHub::WatchHub(std::shared_ptr<net::io_context> io, NodePort& node) : node_(node), timer_(std::make_unique<Timer>(std::move(io))) {}
WatchHub::~WatchHub() = default;

void WatchHub::add(std::weak_ptr<Watcher> watcher) {
  watchers_.push_back(std::move(watcher));
  arm();
  refresh();
}

void WatchHub::stop() {
  stopped_ = true;
  timer_->cancel();
}

void WatchHub::arm() {
  if (ticking_ || stopped_) return;
  ticking_ = true;
  timer_->start([this] { tick(); });
}

void WatchHub::tick() {
  ticking_ = false;
  if (stopped_) return;
  std::erase_if(watchers_, [](const std::weak_ptr<Watcher>& watcher) { return watcher.expired(); });
  if (watchers_.empty()) {
    report_ = nullptr;
    frame_ = nullptr;
    return;
  }
  arm();  // First: whatever goes wrong with one report or one watcher, the next tick comes.
  refresh();
  const auto watchers = watchers_;  // look() may end one.
  for (const auto& weak : watchers) {
    if (const auto watcher = weak.lock()) watcher->look();
  }
}

void WatchHub::refresh() {
  auto newest = node_.report();
  if (newest == nullptr || newest == report_) return;
  report_ = std::move(newest);
  digest_ = watch_digest(*report_);
  frame_ = nullptr;
}

const std::shared_ptr<const NodeReport>& WatchHub::report() {
  if (report_ == nullptr) refresh();
  return report_;
}

std::shared_ptr<const std::string> WatchHub::status_frame() {
  if (report() == nullptr) return nullptr;
  if (frame_ == nullptr) frame_ = std::make_shared<const std::string>(encode_status_frame(*report_));
  return frame_;
}

}  // namespace fairlead::admin
