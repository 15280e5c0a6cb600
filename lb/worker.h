// One core's share of the data plane: a thread with its own engine, buffer pool and connections.
//
// Shares nothing with other workers but the counters of the route table (lb/route_table.h), the per-source counts and the process's
// connection places. Everything else arrives as a WorkerMessage between two turns of its loop.
//
// Threading: the object belongs to the control thread; post(), stats() may be used from any thread. Ownership: `shared` outlives it.
#pragma once

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "base/inbox.h"
#include "base/result.h"
#include "base/time.h"
#include "config/settings.h"
#include "lb/process_places.h"
#include "lb/source_counts.h"
#include "lb/worker_messages.h"
#include "lb/worker_stats.h"

namespace fairlead::lb {

struct WorkerOptions {
  std::uint32_t index = 0;
  bool uring = false;          ///< The engine, the same for all workers.
  std::size_t pool_bytes = 0;  ///< Its share of proxy.buffer_pool.
  std::uint32_t connections_max = 0;
  std::size_t pipes_max = 0;                         ///< For bulk directions, two descriptors each; 0: everything goes through buffers.
  int cpu = -1;                                      ///< Pin to this CPU; -1: not pinned.
  Duration stop_patience = std::chrono::seconds(5);  ///< How long its thread may take to end.
};
struct WorkerShared {
  SourceCounts& sources;
  ProcessPlaces& process;
  std::function<void(WorkerReport)> report;  ///< From worker threads; must not block.
};

class Worker {
 public:
  Worker(const WorkerOptions& options, WorkerShared shared);
  /// Stops and joins. A thread that does not end within `stop_patience` hangs; it uses what would be freed now, so the process is ended
  /// with a line on stderr and a core dump that shows where it hangs.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Starts the thread and waits until its engine stands. Errors: those of make_uring_engine.
  [[nodiscard]] Status start();
  /// False when the worker's inbox is full (it is stalled): the caller decides.
  [[nodiscard]] bool post(WorkerMessage message) { return inbox_.post(std::move(message)); }
  /// Likewise; `message` is untouched when it answers false.
  [[nodiscard]] bool try_post(WorkerMessage& message) { return inbox_.try_post(message); }
  [[nodiscard]] const WorkerStats& stats() const { return *stats_; }
  [[nodiscard]] WorkerStats& stats() { return *stats_; }

 private:
  class Loop;
  void run(const std::function<void(Status)>& started);

  WorkerOptions options_;
  WorkerShared shared_;
  std::unique_ptr<WorkerStats> stats_;
  Inbox<WorkerMessage> inbox_;
  std::atomic<bool> stopping_{false};  ///< As StopWorker, where the inbox has no room for it.
  std::future<void> ended_;
  std::thread thread_;
};

}  // namespace fairlead::lb
