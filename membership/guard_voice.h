// The guard's place in the group (R10): it answers each change of view with a GuardHello, so that the others know it from a daemon, and
// can say Released for a daemon that no longer can. CPG alone; it needs no quorum and no vote.
//
// Threading and ownership: as CorosyncClient.
#pragma once

#include <functional>
#include <string>

#include "membership/corosync_client.h"

namespace fairlead::membership {

class GuardVoice final : private ClusterSink {
 public:
  GuardVoice(QbLoop& loop, std::string cluster_name);

  void start() { client_.start(); }
  void stop() { client_.stop(); }
  /// Errors: kUnavailable (not in the group: the kernel's lease and R5's probes have to do), kLimitExceeded.
  [[nodiscard]] Status say(const Released& released) { return client_.send(released); }
  [[nodiscard]] bool in_group() const { return client_.self().has_value(); }
  /// Everything said was delivered: it may end.
  [[nodiscard]] bool settled() const { return client_.settled(); }
  /// What the group says, for a guard that wants to follow its daemon (Beat, Released). May be empty.
  void listen(std::function<void(const ClusterProcess&, const ClusterMessage&)> listener) { listener_ = std::move(listener); }

 private:
  void on_view(const ClusterView& view) override;
  void on_message(const ClusterProcess& from, const ClusterMessage& message) override;
  void on_lost(const std::string& /*reason*/) override {}
  void on_facts(const CorosyncFacts& /*facts*/, Instant /*asked*/) override {}

  CorosyncClient client_;
  RoundId greeted_;
  std::function<void(const ClusterProcess&, const ClusterMessage&)> listener_;
};

}  // namespace fairlead::membership
