// Looks names up on threads of its own (`resolve`), because the system's resolver blocks.
//
// Decides nothing: when to ask and what an answer means is ResolveTracker's business on the control thread.
//
// Invariants:
//   I1  Every accepted request gets exactly one answer, unless the resolver is destroyed first.
//   I2  start() and the destructor never wait for a lookup: a thread that is stuck in one is left behind and touches nothing of ours.
// Threading: start() from any thread; the sink runs on a resolver thread and must not block. Limits: `threads`, `pending_max`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "lb/resolver_lookup.h"
#include "lb/resolver_tracker.h"
#include "lb/route_table.h"

namespace fairlead::lb {

struct ResolveRequest {
  ServerId server = 0;
  std::uint64_t token = 0;
  ResolveQuestion question;
};
struct ResolveResult {
  ServerId server = 0;
  std::uint64_t token = 0;
  ResolveAnswer answer;
};

class NameResolver {
 public:
  using ResultSink = std::function<void(ResolveResult)>;
  using Lookup = std::function<ResolveAnswer(const ResolveQuestion&)>;
  struct Options {
    std::size_t threads = 4;  ///< Names that hang delay the others only when this many hang at once.
    std::size_t pending_max = 4096;
    Lookup lookup = fairlead::lb::lookup;
  };

  explicit NameResolver(ResultSink sink);
  NameResolver(ResultSink sink, Options options);
  ~NameResolver();
  NameResolver(const NameResolver&) = delete;
  NameResolver& operator=(const NameResolver&) = delete;

  /// False: `pending_max` requests are under way already.
  [[nodiscard]] bool start(ResolveRequest request);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace fairlead::lb
