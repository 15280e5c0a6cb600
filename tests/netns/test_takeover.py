"""Whole daemons with VIPs: alone, and on real Corosync. What holds an address is asked of the kernels, not of the daemons."""
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import arp                                      # noqa: E402
from support.corosync_lab import CorosyncLab                 # noqa: E402
from support.cluster_probe import main                      # noqa: E402
from support.fairlead import BIN                             # noqa: E402
from support.threads import held, thread_named               # noqa: E402
from support.vip_nodes import GatesTest, VipNode, holders    # noqa: E402
from support.waiting import wait_for                             # noqa: E402


class TakeoverTest(GatesTest):
    def test_a_daemon_alone_holds_its_vip_and_gives_it_back(self):
        cluster = CorosyncLab(1)
        self.addCleanup(cluster.close)
        gate = VipNode(cluster.nodes[1], None, self)
        gate.start()

        wait_for(lambda: gate.has_vip(), 10, "the VIP is there")
        wait_for(lambda: gate.status()["vips"][0]["state"] == "held", 5, "the daemon says so")
        self.assertEqual([len(gate.events(name)) for name in ("GUARD_UP", "VIP_ACQUIRED")], [1, 1])
        self.assertEqual(len(gate.processes()), 2, "the daemon and its guard")
        gate.stop()

        self.assertFalse(gate.has_vip())
        self.assertEqual(gate.processes(), [], "the guard ends with its daemon")

    def test_beside_a_daemon_nothing_else_touches_its_vip(self):
        cluster = CorosyncLab(1)
        self.addCleanup(cluster.close)
        gate = VipNode(cluster.nodes[1], None, self)
        gate.start()
        wait_for(lambda: gate.has_vip(), 10, "the VIP is there")
        first = gate.process

        released = gate.release_vips()
        self.assertEqual(released.returncode, 5, released.stderr)
        self.assertIn("another fairleadd runs", released.stderr)
        broken = os.path.join(os.path.dirname(gate.config_path), "broken.yaml")
        with open(broken, "w", encoding="utf-8") as file:
            file.write("vips: [")   # It does not say which daemon's addresses are meant, and these are somebody's.
        released = gate.node.run([os.path.join(BIN, "fairleadd"), "--config", broken, "--release-vips"])
        self.assertEqual(released.returncode, 5, released.stderr)
        self.assertIn("another fairleadd with virtual IPs runs in this network", released.stderr)
        gate.launch()
        self.assertEqual(gate.process.wait(10), 1)
        gate.process = first
        self.assertTrue(gate.has_vip())
        self.assertEqual(len(gate.events("VIP_ACQUIRED")), 1, "it was there all the time")

        os.kill(first.pid, signal.SIGKILL)
        first.wait(5)
        gate.start()
        wait_for(lambda: gate.has_vip(), 10, "the next life has it at once, whatever the guard still does")
        gate.stop()
        self.assertEqual(gate.release_vips().returncode, 0)

    def test_a_killed_daemons_guard_clears_the_address(self):
        cluster = CorosyncLab(1)
        self.addCleanup(cluster.close)
        gate = VipNode(cluster.nodes[1], None, self, vip={"lease": "1m"})
        gate.start()
        wait_for(lambda: gate.has_vip(), 10, "the VIP is there")

        gate.kill()

        wait_for(lambda: not gate.has_vip(), 5, "the guard removed it, long before the kernel would")
        wait_for(lambda: gate.processes() == [], 20, "the guard ends")

    def test_a_guard_that_dies_is_replaced_and_nothing_moves(self):
        gates = self.gates(3)
        holder = holders(gates)[0]
        for round in range(1, 4):
            os.kill(int(holder.events("GUARD_UP")[-1]["fields"]["pid"]), signal.SIGKILL)
            wait_for(lambda: len(holder.events("GUARD_UP")) == round + 1, 5, "the next guard is there")
        wait_for(lambda: len(holder.processes()) == 2, 5, "it and the daemon")
        self.assertEqual(holders(gates), [holder])
        for gate in gates:
            self.assertEqual([e["fields"] for e in gate.events("VIP_INELIGIBLE") if "guard" in e["fields"]["reason"]], [])
        self.assertEqual(len(holder.events("VIP_ACQUIRED")), 1, "it was never given up")

    def test_a_worker_that_stands_moves_the_vip_and_is_the_daemons_end_only_after_the_guards_patience(self):
        gates = self.gates(3, prepare=lambda _cluster: lambda gate: gate.config.update(guard={"hang": "5s"}))   # For a busy machine.
        holder = holders(gates)[0]

        with self.subTest("for a moment: another node holds the VIP, and the daemon lives"):
            with held(thread_named(holder.process.pid, "worker-0")):
                wait_for(lambda: holder.events("WORKER_STALLED"), 10, "the daemon notices")
            wait_for(lambda: holder.events("WORKER_TURNS"), 10, "it turns again")
            second = self.other_holder(gates, holder)
            self.assertIn("a worker does not turn", [e["fields"]["reason"] for e in holder.events("VIP_INELIGIBLE")])
            wait_for(lambda: holder.events("VIP_ELIGIBLE"), 10, "it may hold one again")
            self.assertIsNone(holder.process.returncode, "its guard waits longer")

        with self.subTest("for longer: its guard ends the daemon"):
            with held(thread_named(second.process.pid, "worker-0")) as worker:
                wait_for(worker.ended, 20, "it is killed")
            self.assertEqual(second.process.wait(10), -signal.SIGKILL)
            wait_for(lambda: second.processes() == [], 20, "the guard ends too")
            self.other_holder(gates, second)

    def test_three_nodes_take_over_from_each_other(self):
        gates = self.gates(3)
        first = holders(gates)[0]
        wait_for(lambda: all(g.status()["vips"][0]["holder"] == first.name for g in gates), 10, "all say who holds")

        with self.subTest("a killed daemon: its guard releases, another takes"):
            first.kill()
            second = self.other_holder(gates, first)
            wait_for(lambda: second.status()["vips"][0]["held_here"], 5, "it says so")

        with self.subTest("a daemon that ends in order"):
            first.start()
            wait_for(lambda: all(n["online"] for n in second.status()["cluster"]["nodes"]), 20, "all three are members")
            second.stop()
            third = self.other_holder(gates, second)

        with self.subTest("a node that is cut off gives up before another takes"):
            third.cluster_node.vanish()
            fourth = self.other_holder(gates, third)
            self.assertTrue(third.events("VIP_LEASE_LOST"))

        with self.subTest("it comes back and takes nothing"):
            third.cluster_node.come_back()
            wait_for(lambda: any(n["name"] == third.name and n["online"] for n in fourth.status()["cluster"]["nodes"]), 30, "it is a member")
            self.assertEqual(holders(gates), [fourth])

        with self.subTest("corosync ends under the holder"):
            fourth.cluster_node.corosync.kill()
            self.other_holder(gates, fourth)

    def test_two_vips_of_two_families_are_spread_and_one_moves_without_the_other(self):
        six = "fd77::99:1"

        def one_more(_cluster):
            return lambda gate: gate.config["vips"].append({"name": "six", "address": f"{six}/64", "interface": "eth0"})
        gates = self.gates(3, prepare=one_more)

        def having(address):
            return [gate for gate in gates if f" {address}/" in gate.host.run(["ip", "-o", "addr", "show", "dev", "eth0"]).stdout]
        wait_for(lambda: len(having(six)) == 1, 20, "one node holds the other one")
        (four,), (old,) = holders(gates), having(six)
        self.assertIsNot(four, old, "each has a node of its own")

        client = self.lab.lab.node("client")
        client.run(["bash", "-c", f"exec 3<>/dev/tcp/{six}/6443"])   # Nobody listens; but now it knows the MAC.

        def known_mac():
            return client.run(["ip", "-6", "neigh", "show", six]).stdout
        wait_for(lambda: arp.mac_of(old.host) in known_mac(), 5, "a client has the MAC of the node that holds it")

        old.cluster_node.vanish()
        left = [gate for gate in gates if gate is not old]
        wait_for(lambda: [gate for gate in having(six) if gate in left], 20, "another node holds it")
        (new,) = [gate for gate in having(six) if gate in left]
        wait_for(lambda: arp.mac_of(new.host) in known_mac(), 5, "and the client was told")
        wait_for(lambda: having(six) == [new], 5, "the lost one gave it up by itself")
        self.assertEqual(holders(gates), [four], "the first one's holder was not lost")
        self.assertEqual(len([e for e in four.events("VIP_ACQUIRED") if e["fields"]["vip"] == "api"]), 1)

    def test_the_death_of_a_standby_costs_nothing(self):
        gates = self.gates(3)
        holder = holders(gates)[0]
        standby = next(g for g in gates if g is not holder)
        epoch = holder.status()["vips"][0]["epoch"]

        standby.cluster_node.vanish()
        wait_for(lambda: len([n for n in holder.status()["cluster"]["nodes"] if n["online"]]) == 2, 30, "the others notice")

        self.assertEqual(holders(gates), [holder])
        self.assertEqual(holder.status()["vips"][0]["epoch"], epoch)
        self.assertEqual(len(holder.events("VIP_ACQUIRED")), 1, "it was never given up")


if __name__ == "__main__":
    main()
