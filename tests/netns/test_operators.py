"""What operators do to VIPs and nodes, by the command, on real Corosync; what came of it is asked of the kernels."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support.cluster_probe import main                       # noqa: E402
from support.vip_nodes import GatesTest, holders             # noqa: E402
from support.waiting import wait_for                         # noqa: E402

REFUSED = 5


class OperatorsTest(GatesTest):
    def all_agree(self, gates, key, value):
        wait_for(lambda: all(g.status()["cluster"][key] == value for g in gates), 5, f"every node says {key} is {value}")

    def test_three_nodes(self):
        gates = self.gates(3)
        wait_for(lambda: all(len(g.status()["vips"][0]["eligible"]) == 3 for g in gates), 20, "all three are members")
        first = holders(gates)[0]
        asked, target = [g for g in gates if g is not first]

        with self.subTest("a move returns when the address is there"):
            done = asked.cli("vip", "move", "api", "--to", target.name, as_json=False)
            self.assertEqual(holders(gates), [target])
            self.assertRegex(done.stdout, rf"VIP api moved from {first.name} to {target.name} in \d+ ms")
            self.assertEqual(target.cli("vip", "move", "api", "--to", target.name, as_json=False).stdout,
                             f"VIP api is on {target.name} already\n")

        with self.subTest("any node answers for all"):
            wait_for(lambda: all(self._digest(g, n.name).get("ready") for g in gates for n in gates), 10, "each has heard of each")
            shown = self._digest(asked, target.name)
            self.assertLess(shown["age_s"], 5, shown)
            self.assertEqual(shown["config_hash"], target.status()["config"]["hash"])
            self.assertEqual([p["up"] for p in shown["pools"]],
                             [sum(s["state"] == "up" for s in p["servers"]) for p in target.status()["pools"]])

        with self.subTest("explain names everybody's standing"):
            text = asked.cli("vip", "explain", "api", as_json=False).stdout
            self.assertIn(f"held by {target.name}", text)
            self.assertEqual(text.count("could hold it"), 2, text)

        with self.subTest("announce is for the holder"):
            target.cli("vip", "announce", "api")
            refused = asked.cli("vip", "announce", "api", as_json=False, check=False)
            self.assertEqual(refused.returncode, REFUSED)
            self.assertIn(f"ask {target.name}", refused.stderr)

        with self.subTest("a node in standby holds nothing, also after a restart"):
            target.cli("node", "standby", "--wait")
            self.assertEqual(len(holders(gates)), 1)
            self.assertNotEqual(holders(gates), [target])
            refused = asked.cli("vip", "move", "api", "--to", target.name, as_json=False, check=False)
            self.assertEqual(refused.returncode, REFUSED)
            self.assertIn("standby", refused.stderr)
            target.stop()
            target.start()
            wait_for(lambda: self._node(asked, target.name)["online"], 20, "it is a member again")
            self.assertTrue(self._node(asked, target.name)["standby"])
            asked.cli("node", "online", target.name)
            wait_for(lambda: not self._node(target, target.name)["standby"], 5, "it hears of it")

        with self.subTest("a disabled VIP is nowhere"):
            asked.cli("vip", "disable", "api")
            wait_for(lambda: holders(gates) == [], 5, "nobody holds it")
            wait_for(lambda: "disabled" in asked.cli("vip", "list", as_json=False).stdout, 5, "the list says so")
            asked.cli("vip", "enable", "api")
            wait_for(lambda: len(holders(gates)) == 1, 10, "somebody holds it")

        with self.subTest("a frozen cluster still answers the loss of a holder"):
            asked.cli("cluster", "freeze")
            self.all_agree(gates, "frozen", True)
            asked.cli("cluster", "unfreeze")
            self.all_agree(gates, "frozen", False)

        with self.subTest("without a majority nothing is changed, but by force with every missing node named"):
            wait_for(lambda: len(holders(gates)) == 1, 10, "somebody holds it")
            holder = holders(gates)[0]
            others = [g for g in gates if g is not holder]
            for gate in others:
                gate.cluster_node.vanish()
            wait_for(lambda: not holder.status()["cluster"]["quorate"], 20, "it is alone")
            wait_for(lambda: self._digest(holder, others[0].name)["age_s"] > 2.5, 10, "what is known of the others gets older")
            self.assertIn(" ago", holder.cli("node", "list", as_json=False).stdout)
            wait_for(lambda: not holder.has_vip(), 10, "its lease is over")
            refused = holder.cli("vip", "move", "api", as_json=False, check=False)
            self.assertEqual(refused.returncode, REFUSED)
            for gate in others:
                self.assertIn(gate.name, refused.stderr)
            refused = holder.cli("vip", "force", "api", "--i-have-fenced", others[0].name, as_json=False, check=False)
            self.assertEqual(refused.returncode, REFUSED)
            self.assertIn(others[1].name, refused.stderr)
            self.assertFalse(holder.has_vip())
            holder.cli("vip", "force", "api", "--i-have-fenced", *[g.name for g in others])
            wait_for(lambda: holder.has_vip(), 10, "it holds it by force")
            for gate in others:
                gate.cluster_node.come_back()
            wait_for(lambda: all(g.status()["cluster"]["quorate"] for g in gates), 30, "they are together again")
            wait_for(lambda: len(holders(gates)) == 1, 10, "one of them holds it")

    def test_a_node_out_of_the_cluster_goes_on_showing_itself(self):
        gate = self.gates(2)[0]
        wait_for(lambda: self._digest(gate, gate.name).get("ready"), 10, "it is in the cluster and shows itself")
        gate.cluster_node.corosync.kill()
        wait_for(lambda: gate.status()["cluster"]["problem"], 10, "it is out of it")
        shown = self._digest(gate, gate.name)
        wait_for(lambda: self._digest(gate, gate.name)["uptime_s"] > shown["uptime_s"] + 2, 10, "what it shows is of now")
        self.assertLess(self._digest(gate, gate.name)["age_s"], 2)

        with self.subTest("what force would not help with does not offer it"):
            status, body = gate.request("POST", f"/api/v1/nodes/{gate.name}/standby")
            self.assertEqual((status, json.loads(body)["code"]), (409, "refused"), body)
            self.assertNotIn("force", json.loads(body))

    def test_unknown_names_are_said(self):
        gates = self.gates(2)
        for arguments, says in ((("vip", "move", "nope"), "no VIP nope"), (("vip", "move", "api", "--to", "nope"), "no node nope"),
                                (("node", "standby", "nope"), "no node nope")):
            refused = gates[0].cli(*arguments, as_json=False, check=False)
            self.assertEqual(refused.returncode, 1, arguments)
            self.assertIn(says, refused.stderr)

    @staticmethod
    def _node(gate, name):
        return next(n for n in gate.status()["cluster"]["nodes"] if n["name"] == name)

    @classmethod
    def _digest(cls, gate, name):
        return cls._node(gate, name)["digest"] or {}


if __name__ == "__main__":
    main()
