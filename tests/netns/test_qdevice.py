"""R12: two nodes and a real corosync-qnetd with TLS. Its decision takes time in which Corosync delivers nothing: a holder that has its vote
stays, and nobody else takes."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import corosync_lab, qnetd                                  # noqa: E402
from support.cluster_probe import main                                   # noqa: E402
from support.promises import TIMING                                      # noqa: E402
from support.vip_nodes import GatesTest, VipNode, holders                # noqa: E402
from support.waiting import wait_for                                     # noqa: E402


def online(gate, name):
    return next(n for n in gate.status()["cluster"]["nodes"] if n["name"] == name)["online"]


class QdeviceTest(GatesTest):
    def setUp(self):
        if reason := qnetd.why_unavailable():
            self.skipTest(reason)

    def pair(self, profile="vm"):
        """Two gateways and the third vote."""
        timing = TIMING[profile]

        def conf(hosts):
            text = corosync_lab.config(hosts[:2], token=timing.token, consensus=timing.consensus)
            return qnetd.with_qdevice(text, hosts[2].address)
        self.lab = corosync_lab.CorosyncLab(3, conf)
        self.addCleanup(self.lab.close)
        nodes = [self.lab.nodes[1], self.lab.nodes[2]]
        self.qnetd = qnetd.Qnetd(self.lab.nodes[3], nodes)
        self.qnetd.make_certificates()
        self.qnetd.start()
        self.lab.start([1, 2])
        self.qnetd.start_devices()
        gates = [VipNode(node, [n.host for n in nodes], self) for node in nodes]
        for gate in gates:
            gate.config["cluster"]["qdevice"] = {"host": self.lab.nodes[3].host.address}
            gate.write()
            gate.start()
        wait_for(lambda: len(holders(gates)) == 1, 30, "one node holds the VIP")
        wait_for(lambda: all(g.status()["cluster"]["qdevice"] == "votes" for g in gates), 20, "both have the device's vote")
        wait_for(lambda: all(len([e for e in g.status()["vips"][0]["eligible"].values() if e["ok"]]) == 2 for g in gates), 20,
                 "both could hold it")
        holder = holders(gates)[0]
        return gates, holder, next(g for g in gates if g is not holder)

    def cut_ring(self, gates):
        """They reach qnetd, and the LAN's ARP; not each other's Corosync."""
        for gate, other in ((gates[0], gates[1]), (gates[1], gates[0])):
            done = gate.host.run(["nft", "table ip cut {\nchain in {\ntype filter hook input priority 0; "
                                  f"ip saddr {other.host.address} drop;\n}}\n}}\n"])
            self.assertEqual(done.returncode, 0, done.stderr)

    def stays(self, gates, holder, while_not, what):
        """Until then nobody but the holder has it, without a break."""
        def checked():
            self.assertEqual(holders(gates), [holder])
            return while_not()
        wait_for(checked, 20, what)

    def death_of_the_other(self, profile):
        gates, holder, other = self.pair(profile)
        other.cluster_node.vanish()
        self.stays(gates, holder, lambda: not online(holder, other.name), "it is noticed")
        wait_for(lambda: holder.status()["cluster"]["quorate"], 10, "quorate by the device")
        self.assertEqual(len(holder.events("VIP_ACQUIRED")), 1, "it was never given up")
        self.assertFalse(holder.events("VIP_LEASE_LOST"))
        self.assertFalse(holder.events("CLUSTER_MEMBER_EXCLUDED"), "every process spoke in the new ring, the guard too")

    def test_the_death_of_the_other_costs_nothing(self):
        self.death_of_the_other("vm")

    def test_nor_when_the_ring_is_faster_than_qnetd(self):
        self.death_of_the_other("fast")   # It re-forms before qnetd has missed the dead node, and waits for its decision.

    def test_the_other_takes_over_when_the_holder_is_gone(self):
        _, holder, other = self.pair()
        holder.cluster_node.vanish()
        # Whom neither the other node nor qnetd reaches may keep its address 1.3 s longer than its lease (decision 0014): nobody hears it.
        wait_for(other.has_vip, 20, "the other one holds the VIP")
        wait_for(lambda: not holder.has_vip(), 3, "the one that is gone gives it up")
        self.assertFalse(other.events("CLUSTER_MEMBER_EXCLUDED"), "nobody had to be waited for: its guard spoke in the new ring at once")

    def test_apart_and_both_heard_by_qnetd_there_is_one(self):
        gates, holder, other = self.pair()
        self.cut_ring(gates)
        wait_for(lambda: not online(holder, other.name) and not online(other, holder.name), 20, "they miss each other")
        winner = self.one_of(gates)
        self.assertTrue(winner.status()["cluster"]["quorate"])
        loser = next(g for g in gates if g is not winner)
        self.assertFalse(loser.status()["cluster"]["quorate"])
        wait_for(lambda: loser.status()["cluster"]["qdevice"] == "lost", 5, "it knows that it goes without the vote")
        self.assertTrue(loser.events("QDEVICE_VOTE_LOST"))

    def one_of(self, gates):
        def found():
            now = holders(gates)
            self.assertLessEqual(len(now), 1, now)
            return now[0] if now and now[0].status()["cluster"]["quorate"] else None
        return wait_for(found, 20, "the half with the vote holds the VIP")

    def test_without_qnetd_two_nodes_go_on_and_one_alone_gives_up(self):
        gates, holder, other = self.pair()
        self.qnetd.process.kill()
        self.stays(gates, holder, lambda: all(g.events("QDEVICE_VOTE_LOST") for g in gates), "both say so")
        self.assertEqual(len(holder.events("VIP_ACQUIRED")), 1, "two of three votes are a majority")
        other.cluster_node.vanish()
        wait_for(lambda: not holders(gates), 20, "one of three votes is none")
        wait_for(lambda: not holder.status()["cluster"]["quorate"], 10, "and Corosync says so, once it no longer waits for the device")


if __name__ == "__main__":
    main()
