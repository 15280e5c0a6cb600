// fairlead: pure
#include "vip/takeover_input.h"

#include "base/overloaded.h"

namespace fairlead::vip {

Status apply(TakeoverCore& core, const TakeoverInput& input, TakeoverActions& out) {
  Status status;
  std::visit(Overloaded{
                 [&](const TurnInput& i) { core.turn(i.now, i.boot, out); },
                 [&](const TickInput&) { core.tick(out); },
                 [&](const TimingInput& i) { core.timing(i.timing); },
                 [&](const ViewInput& i) { core.view(i.view, i.self, out); },
                 [&](const LostInput&) { core.lost(out); },
                 [&](const DeliveredInput& i) { core.delivered(i.from, i.message, out); },
                 [&](const LocalInput& i) { core.local(i.vip, i.facts, out); },
                 [&](const TieAnsweredInput& i) { core.tie_answered(i.target); },
                 [&](const ThirdVoteInput& i) { core.third_vote(i.counted, i.asked, out); },
                 [&](const KernelDoneInput& i) { core.kernel_done(i.vip, i.what, i.answer, out); },
                 [&](const ResetDoneInput& i) { core.reset_done(i.vip, i.epoch, out); },
                 [&](const KernelGoneInput& i) { core.kernel_gone(i.vip, out); },
                 [&](const AnsweredInput& i) { core.answered(i.vip, i.mac, i.gateway, out); },
                 [&](const ClaimedInput& i) { core.claimed(i.vip, i.mac, out); },
                 [&](const ProbedInput& i) { core.probed(i.vip); },
                 [&](const ProbeFailedInput& i) { core.probe_failed(i.vip); },
                 [&](const ConfigureInput& i) { core.configure(i.settings, out); },
                 [&](const LeaveInput&) { core.leave(out); },
                 [&](const MoveInput& i) { status = core.move(i.vip, i.to, out); },
                 [&](const WishInput& i) { status = core.wish(i.kind, i.name, i.on, i.force, out); },
                 [&](const ForceInput& i) { status = core.force(i.vip, i.fenced, out); },
             },
             input);
  return status;
}

}  // namespace fairlead::vip
