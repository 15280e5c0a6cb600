"""What a daemon with a VIP makes of a machine and a network that are not as they should be: it says so, holds nothing that it should not
hold, and gives up nothing that is rightly its."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support.cluster_probe import main                      # noqa: E402
from support.corosync_lab import CorosyncLab                # noqa: E402
from support.fairlead import BIN                            # noqa: E402
from support.vip_nodes import VIP, GatesTest, VipNode       # noqa: E402
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
        other.run(["ip", "addr", "del", f"{VIP}/16", "dev", "eth0"])
        wait_for(gate.has_vip, 10, "it is taken when the other is silent")

        other.run(["ip", "addr", "add", f"{VIP}/16", "dev", "eth0"])
        wait_for(lambda: len(gate.events("VIP_FOREIGN_CLAIM")) == 2, 10, "a machine that takes what is ours is reported, too")
        self.assertTrue(gate.has_vip())

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


if __name__ == "__main__":
    main()
