#include "admin/api_watch_session.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/stream.hpp>

#include "admin/frame_counter.h"

namespace fairlead::admin {
namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;
using boost::system::error_code;

constexpr std::size_t kEventBatch = 32;
constexpr std::size_t kReadBytesPerSecond = 64 * 1024;
constexpr auto kFarewell = std::chrono::milliseconds(500);

class WatchSession final : public ApiSession, public Watcher, public std::enable_shared_from_this<WatchSession> {
 public:
  WatchSession(ApiStream stream, WatchHandshake handshake, const WatchRequest& request, SessionSetup setup)
      : setup_(std::move(setup)),
        request_(request),
        handshake_(std::move(handshake)),
        ws_(std::move(stream)),
        deadline_(*setup_.io),
        budget_(setup_.hub->now()),
        plan_(start_plan()) {
    ++*setup_.watchers;
  }
  /// Where an exception took the pending operations away, nothing else says so.
  ~WatchSession() override { end(); }

  void start() override {
    lowest().expires_never();  // The WebSocket has timeouts of its own.
    lowest().limit_reads(kReadBytesPerSecond);
    lowest().tap_reads([this](std::span<const std::byte> bytes) { count_frames(bytes); });
    ws_.set_option(websocket::stream_base::timeout{
        .handshake_timeout = setup_.limits.request, .idle_timeout = setup_.limits.idle, .keep_alive_pings = true});
    ws_.set_option(
        websocket::stream_base::decorator([](websocket::response_type& answer) { answer.set(beast::http::field::server, "fairlead"); }));
    ws_.read_message_max(kClientMessageBytesMax);
    ws_.text(true);
    ws_.auto_fragment(false);
    ws_.async_accept(handshake_, [self = self()](error_code failed) {
      if (failed) return self->end();
      if (self->leaving_) return self->say_farewell();
      self->listening_ = true;
      self->setup_.hub->add(self);
      self->listen();
      self->look();
    });
  }

  void close() override { leave(websocket::close_code::going_away, "the daemon is stopping"); }

  void retire() override { leave(websocket::close_code::going_away, "the certificates were replaced: connect again"); }

  void look() override {
    if (frame_ != nullptr || leaving_) return;
    frame_ = next_frame();
    if (frame_ == nullptr) return;
    const std::uint64_t number = ++frame_number_;
    deadline_.expires_after(setup_.limits.request);
    deadline_.async_wait([weak = std::weak_ptr<WatchSession>(self()), number](error_code cancelled) {
      const auto session = cancelled ? nullptr : weak.lock();
      if (session == nullptr || session->frame_number_ != number || session->frame_ == nullptr) return;
      ++session->setup_.counters->timeouts;
      session->end();
    });
    ws_.async_write(net::buffer(*frame_), [self = self(), frame = frame_](error_code failed, std::size_t) {
      self->frame_ = nullptr;
      if (!self->leaving_) self->deadline_.cancel();
      if (failed) return self->leaving_ ? void() : self->end();
      self->look();
    });
  }

 private:
  std::shared_ptr<WatchSession> self() { return this->shared_from_this(); }
  ApiStream& lowest() { return ws_.next_layer(); }

  /// The ring's first and last number, asked for one event at a time: whoever logs would wait while the whole ring is copied.
  WatchPlan start_plan() {
    const auto above = [&](std::uint64_t sequence) { return setup_.hub->events(sequence, 1); };
    const auto first = above(0);
    if (first.empty()) return {request_, 0, 0};
    const std::uint64_t oldest = first.front().sequence;
    std::uint64_t low = oldest - 1;  // Something is above it; nothing is above high.
    std::uint64_t high = oldest;
    for (std::uint64_t step = 1; !above(high).empty(); step *= 2) {
      low = high;
      high += step;
    }
    while (high - low > 1) {
      const std::uint64_t middle = low + (high - low) / 2;
      (above(middle).empty() ? high : low) = middle;
    }
    return {request_, oldest, high};
  }

  std::shared_ptr<const std::string> next_frame() {
    auto& hub = *setup_.hub;
    if (hub.report() == nullptr) return nullptr;
    if (next_event_ == events_.size()) {
      events_ = hub.events(plan_.after(), kEventBatch);
      next_event_ = 0;
    }
    WatchNews news{.digest = hub.digest(), .next_event = std::nullopt};
    if (next_event_ < events_.size()) news.next_event = events_[next_event_].sequence;
    const auto own = [](std::string text) { return std::make_shared<const std::string>(std::move(text)); };
    switch (plan_.next(news, hub.now())) {
      case WatchPlan::Send::kNothing: return nullptr;
      case WatchPlan::Send::kHello:
        return own(encode_hello({.node = hub.report()->node,
                                 .version = hub.report()->version,
                                 .life = hub.life(),
                                 .caller = setup_.caller.name,
                                 .role = setup_.caller.role},
                                plan_));
      case WatchPlan::Send::kStatus: return hub.status_frame();
      case WatchPlan::Send::kLost: return own(encode_lost(plan_.lost()));
      case WatchPlan::Send::kEvent: return own(encode_event_frame(events_[next_event_++]));
    }
    return nullptr;
  }

  /// Reads what the client says, for its pongs and its close; the rest is dropped.
  void listen() {
    ws_.async_read(said_, [self = self()](error_code failed, std::size_t) {
      self->said_.consume(self->said_.size());
      if (failed == beast::error::timeout) ++self->setup_.counters->timeouts;
      // A close of ours waits for this read to end; it ends the session then.
      if (failed) return self->leaving_ ? void() : self->end();
      self->listen();
    });
  }

  /// Here and not where messages arrive: the library puts together any number of empty frames to none.
  void count_frames(std::span<const std::byte> bytes) {
    const std::size_t frames = frames_.begun_in(bytes);
    bool within = true;
    for (std::size_t i = 0; within && i < frames; ++i) within = budget_.take(setup_.hub->now());
    if (leaving_ || within) return;
    // Not from within the stream's own read.
    net::post(*setup_.io, [self = self()] { self->leave(websocket::close_code::policy_error, "too many messages"); });
  }

  void leave(websocket::close_code code, const char* why) {
    if (std::exchange(leaving_, true)) return;
    reason_ = websocket::close_reason(code, why);
    deadline_.expires_after(kFarewell);
    deadline_.async_wait([weak = std::weak_ptr<WatchSession>(self())](error_code cancelled) {
      const auto session = cancelled ? nullptr : weak.lock();
      if (session != nullptr) session->end();
    });
    if (listening_) say_farewell();  // Else when the handshake is done.
  }

  void say_farewell() {
    ws_.async_close(reason_, [self = self()](error_code) { self->end(); });
  }

  void end() {
    leaving_ = true;
    if (!setup_.on_end) return;
    deadline_.cancel();
    lowest().tap_reads({});
    lowest().close();
    --*setup_.watchers;
    setup_.on_end();
  }

  SessionSetup setup_;
  const WatchRequest request_;
  WatchHandshake handshake_;
  websocket::stream<ApiStream, /*deflateSupported=*/false> ws_;
  beast::flat_buffer said_{kClientMessageBytesMax};
  net::steady_timer deadline_;  // Of the frame under way, or of the farewell.
  FrameBudget budget_;
  FrameCounter frames_;
  WatchPlan plan_;
  std::vector<EventInfo> events_;  // Read from the ring, not sent yet: from next_event_ on.
  std::size_t next_event_ = 0;
  std::shared_ptr<const std::string> frame_;  // Under way.
  std::uint64_t frame_number_ = 0;
  websocket::close_reason reason_;
  bool listening_ = false;
  bool leaving_ = false;
};

}  // namespace

std::shared_ptr<ApiSession> make_watch_session(ApiStream stream, WatchHandshake handshake, const WatchRequest& request,
                                               SessionSetup setup) {
  return std::make_shared<WatchSession>(std::move(stream), std::move(handshake), request, std::move(setup));
}

}  // namespace fairlead::admin
