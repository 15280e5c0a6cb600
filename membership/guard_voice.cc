#include "membership/guard_voice.h"

#include <utility>

namespace fairlead::membership {

GuardVoice::GuardVoice(QbLoop& loop, std::string cluster_name) : client_(loop, {std::move(cluster_name), kNoNode, true}, *this) {}

void GuardVoice::on_view(const ClusterView& view) {
  if (view.round() == greeted_) return;
  // Refused only when the queue is full, and then the client connects anew and greets again.
  if (client_.send(GuardHello{view.round()})) greeted_ = view.round();
}

void GuardVoice::on_message(const ClusterProcess& from, const ClusterMessage& message) {
  if (listener_) listener_(from, message);
}

}  // namespace fairlead::membership
