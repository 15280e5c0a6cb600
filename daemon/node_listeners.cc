// fairlead: pure
// The controller's listeners: which addresses are open, which are wanted, and those that could not be bound.
//
//   wanted --BindOpen--> open           failed --1 s, 2 s, ... 10 s--> BindOpen again
//              |                           ^          (at once when a reload or an operator touches the listener)
//              +--bind_failed--------------+          one event when it fails, one when it works
#include <algorithm>
#include <tuple>

#include "base/assert.h"
#include "config/limits.h"
#include "daemon/node_controller.h"

namespace fairlead::daemon {
namespace {

lb::LegOptions leg_options_of(const config::Pool& pool) { return {.keepalive = pool.keepalive, .tcp_user_timeout = pool.tcp_user_timeout}; }

std::string hint_for(const Error& error) {
  switch (error.code) {
    case Errc::kConflict: return "another program has this address: find it with ss -ltnp and stop it; it is tried again every few seconds";
    case Errc::kPermission: return "ports below 1024 need root or CAP_NET_BIND_SERVICE; it is tried again every few seconds";
    case Errc::kLimitExceeded: return "raise LimitNOFILE; it is tried again every few seconds";
    default: return "correct the listener's bind and reload; it is tried again every few seconds";
  }
}

}  // namespace

void NodeController::apply_listeners(const config::Snapshot& snapshot, ControlActions& out) {
  std::vector<ListenerRecord> next;
  for (const config::Listener& settings : snapshot.listeners) {
    const auto known =
        std::find_if(listeners_.begin(), listeners_.end(), [&](const ListenerRecord& l) { return l.settings.name == settings.name; });
    ListenerRecord record;
    if (known != listeners_.end()) {
      record = std::move(*known);
      known->settings.name.clear();
    } else {
      std::tie(record.id, record.counters) = listener_identity(settings.name, snapshot);
    }
    record.settings = settings;
    if (const PoolRecord* pool = pool_named(settings.pool)) {
      record.options = leg_options_of(pool->settings);
      if (may_use(settings.congestion_control)) record.options.congestion_control = settings.congestion_control;
    }
    next.push_back(std::move(record));
  }
  for (ListenerRecord& gone : listeners_) {
    if (!gone.settings.name.empty()) gone.enabled = false;
  }
  for (ListenerRecord& listener : next) take_over_binds(listener, next, out);
  for (ListenerRecord& gone : listeners_) {
    if (!gone.settings.name.empty()) settle_binds(gone, out);
  }
  listeners_ = std::move(next);
  for (ListenerRecord& listener : listeners_) settle_binds(listener, out);
}

/// Ids stay below kListenersMax, because workers count in arrays of that size: when all were given out, a name that is gone gives its own
/// up.
std::pair<lb::ListenerId, std::shared_ptr<lb::ListenerCounters>> NodeController::listener_identity(const std::string& name,
                                                                                                   const config::Snapshot& next) {
  if (const auto known = listener_ids_.find(name); known != listener_ids_.end()) return known->second;
  auto id = static_cast<lb::ListenerId>(listener_ids_.size());
  if (listener_ids_.size() >= config::kListenersMax) {
    const auto named = [](const config::Snapshot& s, const std::string& n) {
      return std::any_of(s.listeners.begin(), s.listeners.end(), [&](const config::Listener& l) { return l.name == n; });
    };
    // Better one that has been gone for longer: its sockets are closed.
    auto gone = std::find_if(listener_ids_.begin(), listener_ids_.end(),
                             [&](const auto& l) { return !named(next, l.first) && !named(active_, l.first); });
    if (gone == listener_ids_.end())
      gone = std::find_if(listener_ids_.begin(), listener_ids_.end(), [&](const auto& l) { return !named(next, l.first); });
    FL_ASSERT(gone != listener_ids_.end());  // Validation admits kListenersMax listeners, and `name` is one of them.
    id = gone->second.first;
    listener_ids_.erase(gone);
  }
  return listener_ids_.try_emplace(name, id, std::make_shared<lb::ListenerCounters>()).first->second;
}

bool NodeController::wants(const ListenerRecord& listener, const Endpoint& address) {
  return listener.enabled &&
         std::find(listener.settings.bind.begin(), listener.settings.bind.end(), address) != listener.settings.bind.end();
}

/// I2: an address that another listener had open, and wants no more, keeps its sockets and the clients in their queues. The new table tells
/// the workers whose they are.
void NodeController::take_over_binds(ListenerRecord& to, std::vector<ListenerRecord>& next, ControlActions& out) {
  for (const Endpoint& address : to.settings.bind) {
    const auto open_there = [&](const BindRecord& b) { return b.address == address && b.error.empty(); };
    if (!to.enabled || std::any_of(to.binds.begin(), to.binds.end(), open_there)) continue;
    for (std::vector<ListenerRecord>* owners : {&listeners_, &next}) {
      for (ListenerRecord& from : *owners) {
        const auto found = std::find_if(from.binds.begin(), from.binds.end(), open_there);
        if (found == from.binds.end() || wants(from, address)) continue;
        to.binds.push_back(std::move(*found));
        from.binds.erase(found);
        out.notices.push_back(notice(MessageId::LISTENER_OPEN, {{"listener", to.settings.name}, {"bind", address.to_string()}}));
      }
    }
  }
}

/// Opens what is missing, closes what is not wanted, tells the rest its options.
void NodeController::settle_binds(ListenerRecord& listener, ControlActions& out) {
  std::vector<BindRecord> kept;
  for (BindRecord& bind : listener.binds) {
    if (!bind.error.empty()) continue;  // Tried again below, at once: something may have been done about it.
    if (wants(listener, bind.address)) {
      out.change.push_back({bind.id, listener.options});
      kept.push_back(std::move(bind));
    } else {
      out.close.emplace_back(
          bind.id, notice(MessageId::LISTENER_CLOSED, {{"listener", listener.settings.name}, {"bind", bind.address.to_string()}}));
    }
  }
  listener.binds = std::move(kept);
  if (!listener.enabled) return;
  for (const Endpoint& address : listener.settings.bind) {
    const bool open = std::any_of(listener.binds.begin(), listener.binds.end(), [&](const BindRecord& b) { return b.address == address; });
    if (open) continue;
    listener.binds.push_back({.id = ++last_bind_, .address = address, .error = {}, .pause = {}, .retry_at = {}});
    out.open.push_back(bind_open(listener, listener.binds.back()));
  }
}

BindOpen NodeController::bind_open(const ListenerRecord& listener, const BindRecord& bind) {
  return {.listener = listener.id, .bind = bind.id, .name = listener.settings.name, .address = bind.address, .options = listener.options};
}

ControlActions NodeController::bind_opened(lb::BindId bind) {
  ControlActions out;
  for (ListenerRecord& listener : listeners_) {
    for (BindRecord& b : listener.binds) {
      if (b.id != bind) continue;
      b.error.clear();
      out.notices.push_back(notice(MessageId::LISTENER_OPEN, {{"listener", listener.settings.name}, {"bind", b.address.to_string()}}));
    }
  }
  return out;
}

ControlActions NodeController::bind_failed(lb::BindId bind, const Error& error, Instant now) {
  ControlActions out;
  for (ListenerRecord& listener : listeners_) {
    for (BindRecord& b : listener.binds) {
      if (b.id != bind) continue;
      const bool first = b.error.empty();
      b.error = error.message();
      b.pause = first ? kBindPauseMin : std::min(2 * b.pause, kBindPauseMax);
      b.retry_at = now + b.pause;
      if (!first) continue;  // Said already.
      out.notices.push_back(
          notice(MessageId::LISTENER_FAILED,
                 {{"listener", listener.settings.name}, {"bind", b.address.to_string()}, {"error", b.error}, {"hint", hint_for(error)}}));
    }
  }
  return out;
}

void NodeController::retry_binds(Instant now, ControlActions& out) {
  for (ListenerRecord& listener : listeners_) {
    for (const BindRecord& b : listener.binds) {
      if (!b.error.empty() && b.retry_at <= now) out.open.push_back(bind_open(listener, b));
    }
  }
}

std::vector<std::string> NodeController::bind_problems() const {
  std::vector<std::string> out;
  for (const ListenerRecord& listener : listeners_) {
    if (const std::string problem = problem_of(listener); !problem.empty())
      out.push_back("listener " + listener.settings.name + ": " + problem);
  }
  return out;
}

std::string NodeController::problem_of(const ListenerRecord& listener) {
  std::string out;
  for (const BindRecord& b : listener.binds) {
    if (!b.error.empty()) out += (out.empty() ? "" : "; ") + b.error;
  }
  return out;
}

}  // namespace fairlead::daemon
