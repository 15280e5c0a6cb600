"""Two nodes with a router that breaks the tie (R11), the rule and the route of a VIP, and a VIP that tracks its router."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import arp                                          # noqa: E402
from support.cluster_probe import main                           # noqa: E402
from support.vip_nodes import VIP, GatesTest, VipNode, holders   # noqa: E402
from support.waiting import wait_for                             # noqa: E402

TABLE = 120


class TwoNodesTest(GatesTest):
    def pair(self, track_router=False, **vip):
        """Two gateways and a router in their network."""
        self.lab = cluster = self.cluster(2)
        self.router = cluster.lab.node("router")
        hosts = [n.host for n in cluster.nodes.values()]
        gates = [VipNode(cluster.nodes[i], hosts, self) for i in sorted(cluster.nodes)]
        for gate in gates:
            gate.config["cluster"]["tie_break"] = {"targets": [self.router.address]}
            gate.config["vips"][0].update(vip)
            if track_router:
                gate.config["vips"][0]["track"] = {"gateway": self.router.address}
            gate.write()
            gate.start()
        wait_for(lambda: len(holders(gates)) == 1, 30, "one node holds the VIP")
        wait_for(lambda: all(g.status()["cluster"]["tie_break"] == "armed" for g in gates), 20, "both hear the router")
        wait_for(lambda: all(len([e for e in g.status()["vips"][0]["eligible"].values() if e["ok"]]) == 2 for g in gates), 20, "both could hold it")
        holder = holders(gates)[0]
        return gates, holder, next(g for g in gates if g is not holder)

    def silence_router(self):
        self.router.run(["ip", "link", "set", "dev", "eth0", "down"])

    def wake_router(self):
        self.router.run(["ip", "link", "set", "dev", "eth0", "up"])

    def test_the_other_takes_over_when_the_holder_is_gone(self):
        gates, holder, other = self.pair()
        holder.cluster_node.vanish()
        self.other_holder(gates, holder)
        self.assertTrue(other.has_vip())
        self.assertTrue(holder.events("VIP_LEASE_LOST") or not holder.has_vip())

    def test_the_holder_stays_when_the_other_is_gone(self):
        gates, holder, other = self.pair()
        epoch = holder.status()["vips"][0]["epoch"]
        other.cluster_node.vanish()
        wait_for(lambda: not next(n for n in holder.status()["cluster"]["nodes"] if n["name"] == other.name)["online"], 20, "it is noticed")
        self.assertEqual(holders(gates), [holder])
        self.assertEqual(holder.status()["vips"][0]["epoch"], epoch)
        self.assertEqual(len(holder.events("VIP_ACQUIRED")), 1, "it was never given up")

    def test_with_a_silent_router_the_holder_stays_and_the_other_never_takes(self):
        gates, holder, other = self.pair()
        self.silence_router()
        wait_for(lambda: all(g.status()["cluster"]["tie_break"] == "disarmed" for g in gates), 30, "the tie break is disarmed on both")
        other.cluster_node.vanish()
        wait_for(lambda: not next(n for n in holder.status()["cluster"]["nodes"] if n["name"] == other.name)["online"], 20, "it is noticed")
        wait_for(lambda: not next(n for n in other.status()["cluster"]["nodes"] if n["name"] == holder.name)["online"], 20, "on both sides")
        self.assertEqual(holders(gates), [holder])
        self.assertFalse(other.has_vip())

    def test_a_router_that_talks_and_does_not_answer_is_silent(self):
        gates, *_ = self.pair()
        mac = arp.mac_of(self.router)
        silent = "table arp mute {\nchain out { type filter hook output priority 0; arp operation reply drop; }\n}\n"
        self.assertEqual(self.router.run(["nft", silent]).returncode, 0)

        def disarmed():
            arp.ask(self.router, "10.77.200.1", self.router.address, mac)   # What a router says all day; whoever hears it need not be heard.
            return all(g.status()["cluster"]["tie_break"] == "disarmed" for g in gates)
        wait_for(disarmed, 30, "it has answered nobody for 10 s")

    def test_a_vips_rule_and_route_come_and_go_with_it(self):
        _, holder, other = self.pair(route={"gateway": "10.77.0.250", "table": TABLE})
        self.assertIn(f"from {VIP} lookup {TABLE}", holder.host.run(["ip", "rule"]).stdout)
        self.assertIn("default via 10.77.0.250", holder.host.run(["ip", "route", "show", "table", str(TABLE)]).stdout)
        self.assertNotIn(str(TABLE), other.host.run(["ip", "rule"]).stdout)
        holder.cli("vip", "move", "api")
        wait_for(lambda: f"from {VIP} lookup {TABLE}" in other.host.run(["ip", "rule"]).stdout, 5, "the rule is on the other node")
        wait_for(lambda: str(TABLE) not in holder.host.run(["ip", "rule"]).stdout, 5, "and gone here")
        self.assertEqual(holder.host.run(["ip", "route", "show", "table", str(TABLE)]).stdout.strip(), "")

    def test_a_router_that_one_node_does_not_hear_moves_the_vip_there_where_it_is_heard(self):
        gates, holder, other = self.pair(track_router=True)
        drop = f"table arp deaf {{\nchain in {{ type filter hook input priority 0; arp saddr ip {holder.host.address} drop; }}\n}}\n"
        done = self.router.run(["nft", drop])
        self.assertEqual(done.returncode, 0, done.stderr)
        wait_for(lambda: holders(gates) == [other], 10, "the VIP is where the router answers")
        wait_for(lambda: other.status()["vips"][0]["eligible"][holder.name]["reason"] == "its gateway does not answer", 5, "it is said why")
        self.router.run(["nft", "delete table arp deaf"])
        wait_for(lambda: other.status()["vips"][0]["eligible"][holder.name]["ok"], 10, "it hears the router again")
        self.assertEqual(holders(gates), [other], "it comes back and takes nothing")

    def test_a_router_that_nobody_hears_moves_nothing(self):
        gates, holder, _ = self.pair(track_router=True)
        epoch = holder.status()["vips"][0]["epoch"]
        self.silence_router()
        wait_for(lambda: all(g.status()["cluster"]["tie_break"] == "disarmed" for g in gates), 30, "nobody has heard it for 10 s")
        self.assertEqual((holders(gates), holder.status()["vips"][0]["epoch"]), ([holder], epoch))
        self.wake_router()
        wait_for(lambda: all(g.status()["cluster"]["tie_break"] == "armed" for g in gates), 30, "everybody hears it again")
        wait_for(lambda: all(e["ok"] for g in gates for e in g.status()["vips"][0]["eligible"].values()), 10, "it counts again")
        self.assertEqual((holders(gates), holder.status()["vips"][0]["epoch"]), ([holder], epoch))


if __name__ == "__main__":
    main()
