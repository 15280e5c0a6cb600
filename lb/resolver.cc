#include "lb/resolver.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <pthread.h>
#include <thread>
#include <utility>

#include "base/crash_stack.h"

namespace fairlead::lb {

/// Shared with the threads, so that one stuck in the system's resolver may outlive the NameResolver.
struct NameResolver::State {
  State(ResultSink s, Options o) : sink(std::move(s)), options(std::move(o)) {}

  std::mutex mutex;
  std::condition_variable changed;
  std::deque<ResolveRequest> waiting;
  std::size_t pending = 0;  ///< Waiting and under way.
  std::size_t delivering = 0;
  bool stopping = false;
  const ResultSink sink;
  const Options options;

  void serve() {
    const CrashStack stack;
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [this] { return stopping || !waiting.empty(); });
      if (stopping) return;
      ResolveRequest request = std::move(waiting.front());
      waiting.pop_front();
      lock.unlock();
      ResolveAnswer answer = options.lookup(request.question);
      lock.lock();
      --pending;
      if (stopping) return;
      ++delivering;
      lock.unlock();
      sink({.server = request.server, .token = request.token, .answer = std::move(answer)});
      lock.lock();
      --delivering;
      changed.notify_all();
    }
  }
};

NameResolver::NameResolver(ResultSink sink) : NameResolver(std::move(sink), Options{}) {}

NameResolver::NameResolver(ResultSink sink, Options options) : state_(std::make_shared<State>(std::move(sink), std::move(options))) {
  for (std::size_t i = 0; i < state_->options.threads; ++i) {
    std::thread thread([state = state_] { state->serve(); });
    ::pthread_setname_np(thread.native_handle(), "resolve");
    // Rationale: getaddrinfo cannot be interrupted and may take half a minute; a daemon that ends does not wait for it.
    thread.detach();
  }
}

NameResolver::~NameResolver() {
  std::unique_lock lock(state_->mutex);
  state_->stopping = true;
  state_->changed.notify_all();
  // Only the sink belongs to our owner: no call of it may be under way when we return.
  state_->changed.wait(lock, [this] { return state_->delivering == 0; });
}

bool NameResolver::start(ResolveRequest request) {
  const std::scoped_lock lock(state_->mutex);
  if (state_->pending >= state_->options.pending_max) return false;
  ++state_->pending;
  state_->waiting.push_back(std::move(request));
  state_->changed.notify_one();
  return true;
}

}  // namespace fairlead::lb
