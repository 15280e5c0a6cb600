// The control thread's outgoing mail for one worker: nothing that changes what the worker does is ever lost.
//
// A worker that is stalled for a while fills its inbox. What does not fit waits here, in order, and goes out later (flush() on every beat):
// a worker that missed a route table or a closed listener would keep the old one for ever.
//
// Invariants (tests/unit/daemon/worker_mail_test.cc):
//   I1  Every message is delivered in the order of send(), except that a newer route table takes the place of a waiting older one.
//   I2  Repeated orders do not pile up behind a worker that does not answer: route tables, options of one bind and closings of one
//       server's connections are there once. Listeners come and go only with reloads.
// Threading: control.
#pragma once

#include <deque>
#include <functional>
#include <utility>
#include <variant>

#include "lb/worker_messages.h"

namespace fairlead::daemon {

class WorkerMail {
 public:
  /// Takes the message and says true, or leaves it and says false: full.
  using Post = std::function<bool(lb::WorkerMessage&)>;
  explicit WorkerMail(Post post) : post_(std::move(post)) {}

  /// False: it waits; the first of them is worth an event.
  bool send(lb::WorkerMessage message) {
    if (waiting_.empty() && post_(message)) return true;
    for (lb::WorkerMessage& earlier : waiting_) {
      if (replaces(message, earlier)) {
        earlier = std::move(message);
        return false;
      }
    }
    waiting_.push_back(std::move(message));
    return false;
  }
  /// For a question or a ping: now or not at all. `message` is untouched when it answers false.
  [[nodiscard]] bool try_send(lb::WorkerMessage& message) { return waiting_.empty() && post_(message); }
  void flush() {
    while (!waiting_.empty() && post_(waiting_.front())) waiting_.pop_front();
  }
  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }

 private:
  static bool replaces(const lb::WorkerMessage& message, const lb::WorkerMessage& earlier) {
    if (message.index() != earlier.index()) return false;
    if (std::holds_alternative<lb::SetRoutes>(message)) return true;
    if (const auto* options = std::get_if<lb::SetLegOptions>(&message)) return options->bind == std::get<lb::SetLegOptions>(earlier).bind;
    if (const auto* close = std::get_if<lb::CloseServerConnections>(&message))
      return close->server == std::get<lb::CloseServerConnections>(earlier).server;
    return false;
  }

  Post post_;
  std::deque<lb::WorkerMessage> waiting_;
};

}  // namespace fairlead::daemon
