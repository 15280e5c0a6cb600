"""VIPs come, go and change by a reload. What holds an address is asked of the kernels."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support.cluster_probe import main                      # noqa: E402
from support.corosync_lab import CorosyncLab                # noqa: E402
from support.vip_nodes import VIP, GatesTest, VipNode, holders    # noqa: E402
from support.waiting import wait_for                        # noqa: E402

SECOND = "10.77.99.2"


def addresses(gate):
    return [a for a in (VIP, SECOND, "10.77.99.3") if f" {a}/" in gate.host.run(["ip", "-o", "addr", "show"]).stdout]


def reload(gate, vips):
    """The reload's answer."""
    gate.config["vips"] = vips
    gate.write()
    return json.loads(gate.reload().stdout)


class VipReloadTest(GatesTest):
    def test_a_daemon_alone_follows_its_file(self):
        cluster = CorosyncLab(1)
        self.addCleanup(cluster.close)
        gate = VipNode(cluster.nodes[1], None, self)
        gate.start()
        wait_for(lambda: addresses(gate) == [VIP], 10, "the VIP is there")
        first = dict(gate.config["vips"][0])

        with self.subTest("one more"):
            answer = reload(gate, [first, {"name": "ingress", "address": f"{SECOND}/16", "interface": "eth0"}])
            self.assertEqual(answer["needs_restart"], [])
            wait_for(lambda: addresses(gate) == [VIP, SECOND], 5, "both are there")
        with self.subTest("another address"):
            reload(gate, [first, {"name": "ingress", "address": "10.77.99.3/16", "interface": "eth0"}])
            wait_for(lambda: addresses(gate) == [VIP, "10.77.99.3"], 5, "the second one has changed")
        with self.subTest("another interface"):
            gate.host.run(["ip", "link", "add", "eth7", "type", "veth", "peer", "name", "eth8"])
            gate.host.run(["ip", "link", "set", "eth8", "up"])
            gate.host.run(["ip", "addr", "add", "10.78.0.1/16", "dev", "eth7"])
            gate.host.run(["ip", "link", "set", "eth7", "up"])
            reload(gate, [first, {"name": "ingress", "address": "10.77.99.3/16", "interface": "eth7"}])
            wait_for(lambda: " 10.77.99.3/" in gate.host.run(["ip", "-o", "addr", "show", "dev", "eth7"]).stdout, 8, "it is on the other interface")
            self.assertNotIn(" 10.77.99.3/", gate.host.run(["ip", "-o", "addr", "show", "dev", "eth0"]).stdout)
            self.assertEqual(gate.host.run(["cat", "/proc/sys/net/ipv4/conf/eth7/arp_ignore"]).stdout.strip(), "1", "R21 there, too")
        with self.subTest("away"):
            reload(gate, [first])
            wait_for(lambda: addresses(gate) == [VIP], 5, "the second one is gone")
            wait_for(lambda: [v["name"] for v in gate.status()["vips"]] == ["api"], 5, "and forgotten")
        self.assertEqual(len([e for e in gate.events("VIP_ACQUIRED") if e["fields"]["vip"] == "api"]), 1, "the first one was never touched")
        gate.stop()
        self.assertEqual(addresses(gate), [])
        self.assertEqual(gate.host.run(["cat", "/proc/sys/net/ipv4/conf/eth7/arp_ignore"]).stdout.strip(), "0", "as it was before")

    def test_nodes_follow_their_files_one_after_the_other(self):
        gates = self.gates(3)
        one, two, three = gates
        with_both = [dict(one.config["vips"][0]), {"name": "ingress", "address": f"{SECOND}/16", "interface": "eth0"}]
        holder = holders(gates)[0]

        def has_second():
            return [g for g in gates if SECOND in addresses(g)]

        reload(two, with_both)
        reload(three, with_both)
        wait_for(lambda: len(has_second()) == 1, 10, "a VIP that node 1, which plans, does not know is held")
        self.assertIsNot(has_second()[0], one)
        second = has_second()[0]
        reload(one, with_both)
        wait_for(lambda: len(one.status()["vips"]) == 2 and one.status()["vips"][1]["eligible"].get("node1", {}).get("ok"), 10, "node 1 could have it now")
        self.assertEqual(has_second(), [second], "nothing moves by a rollout")

        reload(second, with_both[:1])
        wait_for(lambda: len(has_second()) == 1 and has_second() != [second], 10, "taken out of its holder's file, another has it")
        self.assertEqual(holders(gates), [holder], "the first one stayed where it was")


if __name__ == "__main__":
    main()
