"""What a daemon with a VIP makes of a machine and a network that are not as they should be: it says so, holds nothing that it should not
hold, and gives up nothing that is rightly its."""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import arp                                     # noqa: E402
from support.cluster_probe import main                      # noqa: E402
from support.corosync_lab import CorosyncLab                # noqa: E402
from support.fairlead import BIN                            # noqa: E402
from support.vip_nodes import VIP, GatesTest, VipNode, holders   # noqa: E402
from support.waiting import wait_for                        # noqa: E402


class BadGroundTest(GatesTest):
    def alone(self, count=1, **vip):
        """A gateway without Corosync; its lab has `count` hosts."""
        lab = CorosyncLab(count)
        self.addCleanup(lab.close)
        return VipNode(lab.nodes[1], None, self, vip=vip), lab

    def test_an_interface_that_disappears_and_returns(self):
        gate, lab = self.alone(2, interface="eth7")

        def plug():
            """eth7 leads into the other host."""
            gate.host.run(["ip", "link", "add", "eth7", "type", "veth", "peer", "name", "eth7", "netns", lab.nodes[2].host.namespace_path])
            lab.nodes[2].host.run(["ip", "link", "set", "eth7", "up"])
            gate.host.run(["ip", "link", "set", "eth7", "up"])

        def has_vip():
            return f" {VIP}/" in gate.host.run(["ip", "-o", "addr", "show"]).stdout

        def arp_ignore():
            return gate.host.run(["cat", "/proc/sys/net/ipv4/conf/eth7/arp_ignore"]).stdout.strip()

        def open_files():
            return len(os.listdir(f"/proc/{gate.process.pid}/fd"))

        plug()
        gate.launch()
        wait_for(has_vip, 10, "the VIP is there")
        wait_for(lambda: gate.status()["vips"][0]["held_here"], 5, "and the daemon says so")
        at_first = None
        for _ in range(4):
            gate.host.run(["ip", "link", "del", "eth7"])
            wait_for(lambda: not gate.status()["vips"][0]["held_here"], 1, "it is known to be gone")
            wait_for(lambda: gate.events("VIP_INELIGIBLE"), 2, "the log says why")
            plug()
            wait_for(has_vip, 10, "it is back")
            wait_for(lambda: gate.status()["vips"][0]["held_here"], 5, "and the daemon says so")
            wait_for(lambda: arp_ignore() == "1", 5, "the interface that returned keeps the VIP to itself (R21)")
            at_first = at_first or open_files()
            wait_for(lambda: open_files() <= at_first, 5, "nothing of the interface that went stays open")
        self.assertIn("interface eth7 is not there", gate.events("VIP_INELIGIBLE")[0]["fields"]["reason"])
        gate.stop()
        self.assertEqual(arp_ignore(), "0", "as it was when it returned")

    def test_an_address_that_another_machine_has_is_reported_and_not_taken(self):
        gate, lab = self.alone(2)
        other = lab.nodes[2].host
        other.run(["ip", "addr", "add", f"{VIP}/16", "dev", "eth0"])
        gate.launch()
        wait_for(lambda: gate.log().count("VIP_FOREIGN_CLAIM") == 1, 10, "the log names the other machine")
        self.assertIn(gate.events("VIP_FOREIGN_CLAIM")[0]["fields"]["mac"], other.run(["ip", "-o", "link", "show", "eth0"]).stdout)
        self.assertFalse(gate.has_vip())
        vip = gate.status()["vips"][0]
        self.assertEqual((vip["holder"], vip["waits_for"]), (None, f"{arp.mac_of(other)} answers for the address"))
        said = gate.cli("vip", "explain", "api", as_json=False).stdout
        self.assertIn("held nowhere", said)
        self.assertIn(arp.mac_of(other), said)
        other.run(["ip", "addr", "del", f"{VIP}/16", "dev", "eth0"])
        wait_for(gate.has_vip, 10, "it is taken when the other is silent")

        other.run(["ip", "addr", "add", f"{VIP}/16", "dev", "eth0"])
        wait_for(lambda: len(gate.events("VIP_FOREIGN_CLAIM")) == 2, 10, "a machine that takes what is ours is reported, too")
        self.assertTrue(gate.has_vip())

    def test_a_probe_that_cannot_be_sent_is_no_silence(self):
        gate, lab = self.alone(2)
        lab.nodes[2].host.run(["ip", "addr", "add", f"{VIP}/16", "dev", "eth0"])
        full = ["dev", "eth0", "root", "tbf", "rate", "8bit", "burst", "43", "limit", "43"]
        self.assertEqual(gate.host.run(["tc", "qdisc", "add", *full]).returncode, 0)
        gate.launch()
        wait_for(lambda: gate.events("VIP_UNHEARD"), 10, "that nobody can be asked is said")
        self.assertEqual(gate.events("VIP_UNHEARD")[0]["fields"]["frame"], "probe")
        _pass(0.5)   # It took the VIP after 200 ms.
        self.assertFalse(gate.has_vip(), "another machine has it")
        self.assertEqual(gate.host.run(["tc", "qdisc", "del", "dev", "eth0", "root"]).returncode, 0)
        wait_for(lambda: gate.events("VIP_FOREIGN_CLAIM"), 10, "and now it is asked, and answers")
        self.assertFalse(gate.events("VIP_ACQUIRED"))

    def test_frames_of_this_machine_and_of_a_router_that_proxies_are_no_claims(self):
        gate, lab = self.alone(2)
        router = lab.nodes[2].host
        gate.config["vips"][0]["track"] = {"gateway": router.address}
        gate.write()
        gate.host.run(["ip", "link", "add", "eth9", "type", "veth", "peer", "name", "eth8"])
        gate.launch()
        wait_for(lambda: gate.status()["vips"][0]["held_here"], 10, "the VIP is held")
        wait_for(lambda: gate.status()["vips"][0]["eligible"]["node1"]["ok"], 10, "and the router answers")
        arp.claim(router, VIP, arp.mac_of(gate.host, "eth9"))                       # As a second port of this machine in the network would.
        arp.answer(router, VIP, arp.mac_of(router), to=arp.mac_of(gate.host))
        arp.claim(router, VIP, "02:00:00:00:66:01")                                 # Behind the others: when this is seen they were.
        wait_for(lambda: gate.events("VIP_FOREIGN_CLAIM"), 10, "a stranger's is a claim")
        self.assertEqual([e["fields"]["mac"] for e in gate.events("VIP_FOREIGN_CLAIM")], ["02:00:00:00:66:01"])

    def test_a_loss_of_carrier_that_is_ridden_out_moves_nothing(self):
        gate, lab = self.alone(2, interface="eth7", carrier_delay="10s")
        other = lab.nodes[2].host
        gate.host.run(["ip", "link", "add", "eth7", "type", "veth", "peer", "name", "eth7", "netns", other.namespace_path])
        for host in (other, gate.host):
            host.run(["ip", "link", "set", "eth7", "up"])
        gate.launch()
        wait_for(lambda: gate.status()["vips"][0]["held_here"], 10, "the VIP is held")
        wait_for(lambda: gate.status()["vips"][0]["eligible"]["node1"]["ok"], 10, "and could be")
        other.run(["ip", "link", "set", "eth7", "down"])
        _pass(2)   # The kernel tells of a carrier within a second.
        other.run(["ip", "link", "set", "eth7", "up"])
        until = time.monotonic() + 3.5   # So long a carrier that was lost is not believed.
        while time.monotonic() < until:
            self.assertTrue(gate.status()["vips"][0]["eligible"]["node1"]["ok"])
        self.assertFalse(gate.events("VIP_INELIGIBLE"))
        self.assertEqual(len(gate.events("VIP_ACQUIRED")), 1)

    def test_a_node_that_does_not_come_is_named(self):
        gates = self.gates(3)

        def links(gate):
            """To node3, as this gate sees them."""
            return next(n["links"] for n in gate.status()["cluster"]["nodes"] if n["name"] == "node3")
        wait_for(lambda: all(links(gate) == [{"link": 0, "up": True}] for gate in gates[:2]), 10, "the link is up")
        self.lab.nodes[3].vanish()
        left = gates[:2]
        wait_for(lambda: all(gate.events("CLUSTER_NODE_MISSING") for gate in left), 30, "both say so")
        for gate in left:
            fields = gate.events("CLUSTER_NODE_MISSING")[0]["fields"]
            self.assertEqual((fields["node"], fields["links"]), ("node3", "0:down"))
            self.assertGreaterEqual(int(fields["for_s"]), 10)
            self.assertEqual([e["fields"] for e in gate.events("CLUSTER_LINK_DOWN")], [{"node": "node3", "link": "0"}])
            self.assertEqual(links(gate), [{"link": 0, "up": False}])
        self.lab.nodes[3].come_back()
        wait_for(lambda: all(sum(n["online"] for n in gate.status()["cluster"]["nodes"]) == 3 for gate in left), 30, "it is back")
        self.assertEqual([len(gate.events("CLUSTER_NODE_MISSING")) for gate in left], [1, 1])
        wait_for(lambda: all(gate.events("CLUSTER_LINK_UP") and links(gate)[0]["up"] for gate in left), 10, "its link, too")

    def test_a_node_with_another_key_is_missing_and_holds_nothing(self):
        gates = self.gates(3)
        stranger = self.lab.nodes[3]
        stranger.corosync.stop()
        with open(f"{stranger.root}/etc/corosync/authkey", "wb") as file:
            file.write(os.urandom(256))
        stranger.start_corosync()
        for gate, names in zip(gates, (["node3"], ["node3"], ["node1", "node2"])):
            wait_for(lambda g=gate, n=names: sorted(e["fields"]["node"] for e in g.events("CLUSTER_NODE_MISSING")) == n, 40, f"{gate.name} says who is missing")
        self.assertEqual(len(holders(gates[:2])), 1)
        self.assertEqual(holders(gates[2:]), [])
        self.assertFalse(gates[2].status()["cluster"]["quorate"])

    def test_the_guards_voice_is_as_urgent_as_the_guard(self):
        gate = self.gates(2)[0]
        guards = [pid for pid in gate.processes() if pid != gate.process.pid and _threads(pid).get("guard-voice")]
        self.assertEqual(len(guards), 1, gate.processes())
        self.assertEqual(os.sched_getscheduler(guards[0]) & ~os.SCHED_RESET_ON_FORK, os.SCHED_RR)
        self.assertEqual(os.sched_getscheduler(_threads(guards[0])["guard-voice"]) & ~os.SCHED_RESET_ON_FORK, os.SCHED_RR)

    def test_an_address_that_comes_late_settles_auto_and_another_one_moves_nothing(self):
        gate, lab = self.alone(2, interface="auto", lease="30s")
        own = next(line.split()[3] for line in gate.host.run(["ip", "-o", "-4", "addr", "show", "dev", "eth0"]).stdout.splitlines())
        gate.host.run(["ip", "addr", "flush", "dev", "eth0"])
        gate.launch()
        wait_for(lambda: gate.events("VIP_INELIGIBLE"), 10, "the log says why")
        self.assertIn("none has an address in that network", gate.events("VIP_INELIGIBLE")[0]["fields"]["reason"])
        gate.host.run(["ip", "addr", "add", own, "dev", "eth0"])     # As DHCP does.
        wait_for(gate.has_vip, 10, "the VIP is there")

        gate.host.run(["ip", "link", "add", "eth7", "type", "veth", "peer", "name", "eth7", "netns", lab.nodes[2].host.namespace_path])
        lab.nodes[2].host.run(["ip", "link", "set", "eth7", "up"])
        gate.host.run(["ip", "link", "set", "eth7", "up"])
        gate.host.run(["ip", "addr", "add", "10.77.50.1/17", "dev", "eth7"])     # The longer prefix: a new choice would take this one.
        gate.host.run(["ip", "addr", "del", own, "dev", "eth0"])
        gate.host.run(["ip", "addr", "add", "10.77.50.2/17", "dev", "eth7"])
        wait_for(lambda: gate.status()["vips"][0]["held_here"], 5, "it is held")
        self.assertEqual(gate.status()["vips"][0]["interface"], "eth0")
        gate.cli("vip", "disable", "api")
        wait_for(lambda: not gate.has_vip(), 5, "removed where it was added")
        gate.cli("vip", "enable", "api")
        wait_for(lambda: gate.status()["vips"][0]["interface"] == "eth7", 10, "chosen anew")
        wait_for(lambda: f" {VIP}/" in gate.host.run(["ip", "-o", "addr", "show", "dev", "eth7"]).stdout, 10, "and held there")

    def test_another_mac_of_the_interface_is_announced(self):
        gate, lab = self.alone(2)
        gate.launch()
        wait_for(gate.has_vip, 10, "the VIP is there")
        other = lab.nodes[2].host
        other.run(["bash", "-c", f"exec 3<>/dev/tcp/{VIP}/6443"])   # So that it knows the MAC.

        def known_mac():
            return other.run(["ip", "neigh", "show", VIP]).stdout

        before = known_mac()
        self.assertIn("lladdr", before)
        gate.host.run(["ip", "link", "set", "eth0", "address", "02:00:00:00:77:01"])
        wait_for(lambda: "02:00:00:00:77:01" in known_mac(), 5, "the neighbours know")
        self.assertTrue(gate.has_vip())
        self.assertEqual(len(gate.events("VIP_ACQUIRED")), 1, "it was never given up")

    def test_a_stopped_journal_costs_no_address(self):
        gate, _ = self.alone()
        gate.config["log"] = {"target": "journal"}
        gate.write()
        journal = gate.node.spawn([sys.executable, "-c", _JOURNAL], "journal")   # It takes nothing out: a socket of that kind holds some ten lines.
        self.addCleanup(journal.kill)
        wait_for(lambda: "bound" in journal.stdout(), 5, "there is a journal")
        gate.launch()
        wait_for(gate.has_vip, 10, "the VIP is there")
        for number in range(40):
            began = time.monotonic()
            gate.cli("vip", "announce", "api")   # Each is a line for the audit.
            self.assertLess(time.monotonic() - began, 2, f"line {number}")
            self.assertTrue(gate.has_vip())
        self.assertFalse(gate.events("VIP_RELEASED") + gate.events("VIP_LEASE_LOST"))
        self.assertGreaterEqual(len(gate.events("COMMAND_DONE")), 40, "what the journal does not take is still told by the API")
        gate.stop()
        self.assertFalse(gate.has_vip(), "nor does it keep the daemon from ending")

    def test_a_full_disk_costs_no_address(self):
        gate, _ = self.alone()
        state = gate.config["state_dir"]
        gate.node.run(["mount", "-t", "tmpfs", "-o", "size=4k", "none", state])
        gate.node.run(["dd", "if=/dev/zero", f"of={state}/fill", "bs=4k", "count=1"])
        gate.launch()
        wait_for(gate.has_vip, 10, "the VIP is there")
        wait_for(lambda: gate.events("DAEMON_STARTED"), 5, "it serves")
        self.assertIn("No space left on device", gate.events("VIP_START_PROBLEM")[0]["fields"]["error"])
        gate.cli("vip", "disable", "api")
        wait_for(lambda: not gate.has_vip(), 5, "an operator's wish counts")
        wait_for(lambda: gate.events("WISHES_NOT_SAVED"), 5, "that it will not outlive this daemon is said")
        gate.node.run(["rm", f"{state}/fill"])
        gate.cli("vip", "enable", "api")
        wait_for(gate.has_vip, 5, "and the other way round")
        wait_for(lambda: os.path.exists(f"/proc/{gate.process.pid}/root{state}/wishes"), 5, "with room it is written")

    def test_without_the_capabilities_it_serves_and_says_what_is_missing(self):
        self.lacks("-net_admin,-net_raw", "CAP_NET_RAW")

    def test_without_the_right_to_add_addresses_it_offers_none(self):
        self.lacks("-net_admin", "fairleadd needs CAP_NET_ADMIN")

    def lacks(self, caps, missing):
        gate, _ = self.alone()
        gate.config["listeners"][0]["bind"] = [f"{gate.host.address}:6443"]
        gate.write()
        gate.process = gate.node.spawn(["setpriv", "--bounding-set", caps, "--inh-caps", caps, os.path.join(BIN, "fairleadd"), "--config", gate.config_path],
                                       "without-capabilities")
        wait_for(lambda: "VIP_INELIGIBLE" in gate.log(), 10, "the log says that it cannot hold the VIP")
        reason = gate.events("VIP_INELIGIBLE")[0]["fields"]["reason"]
        self.assertIn(missing, reason)
        self.assertEqual(gate.get("/livez")[0], 200)
        self.assertTrue(gate.listener_status("front")["accepting"], "the proxy serves on the node's own address")
        self.assertFalse(gate.has_vip())
        gate.process.kill()


_JOURNAL = """
import os, socket, time
os.makedirs("/run/systemd/journal", exist_ok=True)
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("/run/systemd/journal/socket")
print("bound", flush=True)
time.sleep(60)   # tidy: it is killed before
"""


def _threads(pid):
    """{name: thread id}"""
    out = {}
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/comm", encoding="utf-8") as file:
            out[file.read().strip()] = int(thread)
    return out


def _pass(seconds):
    time.sleep(seconds)   # tidy: what is measured is time


if __name__ == "__main__":
    main()
