"""router.sync on whole gateways: real Corosync, real conntrackd, connections from a network inside through `snat` to a machine outside.

`python3 tests/netns/test_router_sync.py measure [N]` prints how many of N connections outlived a planned move, by who speaks first.
"""
import json
import os
import pwd
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import corosync_lab, dnsmasq                          # noqa: E402
from support.cluster_probe import main                             # noqa: E402
from support.corosync_lab import CorosyncLab                       # noqa: E402
from support.router_site import Talk                               # noqa: E402
from support.vip_nodes import VIP, GatesTest, VipNode, holders     # noqa: E402
from support.waiting import wait_for                               # noqa: E402

INSIDE, ROUTER = "192.168.1.10", "192.168.1.254"
PORT = 7000
CAP_NET_ADMIN = 12
USER = "nobody"   # In place of root, where a test says so.


def why_unavailable():
    if shutil.which("conntrackd") is None:
        return "conntrackd is not installed"
    return dnsmasq.why_unavailable()


def with_router(gate, **router):
    gate.config["vips"][0]["group"] = "gateway"
    gate.config["dnsdhcp"] = {"follows": "gateway", "networks": [
        {"name": "mast", "interface": "eth1", "cidr": "192.168.1.0/24", "router": ROUTER, "dns": "192.168.1.1"}]}
    gate.config["router"] = {"uplink": "eth0", "snat": VIP, "sync": True, "forward": [{"from": "mast", "to": ["uplink"]}], **router}


class Push:
    """The end outside sends a number every 2 ms and is told nothing. `gap`: the longest silence in seconds; `error`: what ended it."""

    def __init__(self, client, server):
        self.client, self.server = client, server
        self.count, self.gap, self.error = 0, 0.0, None
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send), threading.Thread(target=self._read)]
        for thread in self._threads:
            thread.start()

    def _send(self):
        number = 0
        try:
            while not self._stop.wait(0.002):
                self.server.sendall(b"%08d" % number)
                number += 1
        except OSError as error:
            self.error = error

    def _read(self):
        last = time.monotonic()
        try:
            while data := self.client.recv(8, socket.MSG_WAITALL):
                if data != b"%08d" % self.count:
                    self.error = f"{data} in place of {self.count}"
                    return
                now = time.monotonic()
                self.gap, last, self.count = max(self.gap, now - last), now, self.count + 1
        except OSError as error:
            self.error = error

    def goes_on(self, more=50):
        wanted = self.count + more
        wait_for(lambda: self.error is not None or self.count >= wanted, 15, f"it goes on or ends (at {self.count})", 0.002)
        return self.error is None

    def end(self):
        self._stop.set()
        for sock in (self.client, self.server):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self._threads:
            thread.join()


class RouterSyncTest(GatesTest):
    def setUp(self):
        reason = why_unavailable()
        if reason:
            self.skipTest(reason)
        super().setUp()
        self.ports = {}   # On the bridge inside, by node.

    # ---- the site ----

    def ip(self, lab, node, *commands):
        """In the namespace of `node`; None: in the switch."""
        with (node or lab._switch).entered():
            done = subprocess.run(["ip", "-batch", "-"], input="\n".join(commands) + "\n", capture_output=True, text=True, timeout=20, check=False)
        self.assertEqual(done.returncode, 0, f"{commands}: {done.stderr}")

    def inside(self, lab, node, address):
        """An eth1 on the network inside."""
        port = self.ports[node.name] = f"in-{node.name}"
        self.ip(lab, None, f"link add name {port} type veth peer name eth1 netns {node.namespace_path}", f"link set {port} master br-in up")
        self.ip(lab, node, "link set eth1 up", f"addr add {address} dev eth1")

    def cluster(self, count, **options):
        return super().cluster(count, make_config=lambda hosts: corosync_lab.config(hosts) + f"uidgid {{\n  uid: {USER}\n}}\n", **options)

    def site(self, count, user=None, **router):
        """Gateways with router.sync, a machine inside, one in the world. `user`: whom the daemons become."""
        def prepare(cluster):
            lab = cluster.lab
            self.machine, self.world = lab.node("machine"), lab.node("world")
            self.ip(lab, None, "link add name br-in type bridge", "link set br-in up")
            for i, node in cluster.nodes.items():
                self.inside(lab, node.host, f"192.168.1.{250 + i}/24")
            self.inside(lab, self.machine, f"{INSIDE}/24")
            self.ip(lab, self.machine, "addr flush dev eth0", f"route add default via {ROUTER}")

            def change(gate):
                with_router(gate, **router)
                if count == 2:
                    gate.config["cluster"]["tie_break"] = {"targets": [self.world.address]}
                if user:
                    entry = pwd.getpwnam(user)
                    for path in (gate.dir, gate.config["state_dir"]):
                        os.chown(path, entry.pw_uid, entry.pw_gid)
            return change
        self.listener = None
        gates = self.gates(count, prepare=prepare)
        self.listener = self.world.listen(PORT)
        self.addCleanup(self.listener.close)
        return gates

    def shown(self, gate):
        return json.loads(gate.cli("router", "show").stdout)

    def synced(self, gates):
        """The one with the VIP and the others; conntrackd runs on all."""
        def roles():
            said = {gate: self.shown(gate)["sync"] for gate in gates}
            telling = [gate for gate in gates if "tells its connections" in said[gate]]
            known = [gate for gate in gates if "are known here" in said[gate]]
            return (telling[0], known) if len(telling) == 1 and len(known) == len(gates) - 1 else None
        return wait_for(roles, 30, f"conntrackd runs on all: {[self.shown(g)['sync'] for g in gates]}")

    def pair(self):
        client = self.machine.connect((self.world.address, PORT), timeout=15)
        self.addCleanup(client.close)
        end, peer = self.listener.accept()
        self.addCleanup(end.close)
        end.settimeout(15)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.assertEqual(peer[0], VIP)
        return client, end

    def connections(self):
        """Busy with the machine first, busy with the world first, idle."""
        talk, push = Talk(*self.pair()), Push(*self.pair())
        for busy in (talk, push):
            self.addCleanup(busy.end)
            self.assertTrue(busy.goes_on(), busy.error)
        return talk, push, self.pair()

    def known(self, gate):
        """Entries of connections of the machine inside in the kernel there, by state."""
        done = gate.host.run(["conntrack", "-L", "-p", "tcp", "--orig-src", INSIDE, "--dport", str(PORT)])
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.split().count("ESTABLISHED")

    def go_on(self, talk, push, idle):
        for busy in (talk, push):
            self.assertTrue(busy.goes_on(), f"{type(busy).__name__}: {busy.error}")
        client, end = idle
        for one, other in ((end, client), (client, end)):   # The world first.
            one.sendall(b"hello")
            self.assertEqual(other.recv(5), b"hello")

    def moved(self, gates, old):
        self.assertEqual(old.cli("vip", "move", "api", as_json=False).returncode, 0)
        return self.other_holder(gates, old)

    def lost(self, gates, gate):
        """A machine without power: network, daemon and Corosync at once."""
        gate.cluster_node.vanish()
        self.ip(self.lab.lab, None, f"link set {self.ports[gate.host.name]} down")
        gate.kill()
        gate.cluster_node.corosync.kill()
        left = [other for other in gates if other is not gate]
        wait_for(lambda: len(holders(left)) == 1, 20, "another gateway has the VIP")
        return left

    # ---- tests ----

    def test_connections_outlive_a_planned_move_and_a_lost_gateway_of_two(self):
        gates = self.site(2)
        first, (second,) = self.synced(gates)
        connections = self.connections()
        wait_for(lambda: self.known(second) == 3, 5, "the other gateway knows all three")

        with self.subTest("a planned move"):
            self.assertIs(self.moved(gates, first), second)
            self.go_on(*connections)
            self.assertEqual(self.synced(gates), (second, [first]))

        with self.subTest("a connection made since, and one that has ended, are known where the others are"):
            new = self.pair()
            for sock in connections[2]:
                sock.close()
            wait_for(lambda: self.known(first) == 3, 10, f"three are left there, not {self.known(first)}")

        with self.subTest("the gateway is lost"):
            self.lost(gates, second)
            self.go_on(connections[0], connections[1], new)
            for what, busy in (("machine first", connections[0]), ("world first", connections[1])):
                print(f"{what}: longest silence {busy.gap * 1000:.0f} ms")
        self.assertEqual(first.events("ROUTER_REFUSED"), [])

    def test_connections_outlive_a_lost_gateway_of_three(self):
        gates = self.site(3, user=USER)
        first, others = self.synced(gates)
        for gate in gates:
            with open(f"/proc/{self.conntrackd_of(gate)}/status", encoding="ascii") as file:
                said = dict(line.split(":\t", 1) for line in file.read().splitlines())
            self.assertEqual((said["Uid"].split()[0], int(said["CapEff"], 16)), (str(pwd.getpwnam(USER).pw_uid), 1 << CAP_NET_ADMIN))
        connections = self.connections()
        for gate in others:
            wait_for(lambda gate=gate: self.known(gate) == 3, 5, f"{gate.name} knows all three")
        left = self.lost(gates, first)
        self.go_on(*connections)

        second, (third,) = self.synced(left)
        self.assertIs(self.moved(left, second), third)
        self.go_on(*connections)

    def test_conntrackd_that_dies_or_stands_still_is_in_nobodys_way(self):
        gates = self.site(2)
        first, (second,) = self.synced(gates)
        connections = self.connections()
        wait_for(lambda: self.known(second) == 3, 5, "the other gateway knows all three")

        with self.subTest("killed"):
            pid = self.conntrackd_of(second)
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: self.conntrackd_of(second) not in (None, pid), 10, "another one runs")
            self.synced(gates)
            self.assertIn("conntrackd ended by signal 9", second.events("ROUTER_REFUSED")[-1]["fields"]["error"])

        with self.subTest("it stands still at the takeover"):
            frozen = self.conntrackd_of(second)
            os.kill(frozen, signal.SIGSTOP)
            start = time.monotonic()
            self.assertIs(self.moved(gates, first), second)
            self.assertLess(time.monotonic() - start, 3)
            self.go_on(*connections)
            wait_for(lambda: "did not answer in 5s" in second.events("ROUTER_REFUSED")[-1]["fields"]["error"], 20, "it is said")
            wait_for(lambda: self.conntrackd_of(second) not in (None, frozen), 20, "another one runs")
            self.assertEqual(self.synced(gates), (second, [first]))

        with self.subTest("the file has it no more"):
            for gate in gates:
                del gate.config["router"]["sync"]
                gate.write()
                gate.hang_up()
                wait_for(lambda gate=gate: self.conntrackd_of(gate) is None and self.shown(gate)["sync"] == "", 10, "it ends")
                wait_for(lambda gate=gate: not os.path.exists(os.path.join(gate.config["state_dir"], "sync")), 5, "its files are gone")
            self.go_on(*connections)

    def conntrackd_of(self, gate):
        """Its process in the gate's network, or None."""
        wanted = os.stat(gate.host.namespace_path).st_ino
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    words = file.read().split(b"\0")
                if words[0].endswith(b"/conntrackd") and len(words) == 4 and os.stat(f"/proc/{pid}/ns/net").st_ino == wanted:
                    return int(pid)
            except OSError:
                continue   # It has just ended.
        return None

    def test_without_conntrackd_the_router_goes_on_and_says_what_to_install(self):
        def without(gate):
            # All of /usr/sbin but the one program.
            script = ("mkdir /run/sbin && mount --bind /usr/sbin /run/sbin && mount -t tmpfs none /usr/sbin && "
                      "for p in /run/sbin/*; do [ ${p##*/} = conntrackd ] || ln -s $p /usr/sbin/; done")
            done = gate.node.run(["sh", "-c", script])
            self.assertEqual(done.returncode, 0, done.stderr)
        gate = self.one_of_two(without)
        told = wait_for(lambda: gate.events("ROUTER_REFUSED"), 10, "it is said")[0]["fields"]["error"]
        self.assertIn("/usr/sbin/conntrackd is not there: install the package conntrackd", told)
        self.assertIn("the router goes on without", told)
        line = "sync: conntrackd does not run, and the router goes on without: /usr/sbin/conntrackd is not there"
        shown = wait_for(lambda: (now := self.shown(gate))["sync"].startswith(line) and now, 10, "it is shown")   # Not while it is tried again.
        self.assertEqual(shown["state"], "in force")
        self.assertEqual(shown["sync_statistics"], "")
        wait_for(lambda: line in gate.cli("router", "show", as_json=False).stdout, 10, "the same for people")
        self.go_on(*self.connections())
        self.assertEqual(len([e for e in gate.events("ROUTER_REFUSED") if "times in a minute" not in e["fields"]["error"]]), 1, "said once")

    def one_of_two(self, change):
        """A gateway whose other one never comes."""
        cluster = CorosyncLab(2)
        self.addCleanup(cluster.close)
        lab = cluster.lab
        self.machine, self.world = lab.node("machine"), lab.node("world")
        self.ip(lab, None, "link add name br-in type bridge", "link set br-in up")
        self.inside(lab, cluster.nodes[1].host, "192.168.1.251/24")
        self.inside(lab, self.machine, f"{INSIDE}/24")
        self.ip(lab, self.machine, "addr flush dev eth0", f"route add default via {ROUTER}")
        cluster.start([1])
        gate = VipNode(cluster.nodes[1], [n.host for n in cluster.nodes.values()], self)
        with_router(gate)
        gate.config["cluster"]["tie_break"] = {"targets": [self.world.address]}
        gate.write()
        change(gate)
        gate.start()
        wait_for(gate.has_vip, 30, "it has the VIP")
        self.listener = self.world.listen(PORT)
        self.addCleanup(self.listener.close)
        return gate


def measure(times):
    """Planned moves there and back with three connections each time: which went on, and the longest silence of the busy ones."""
    for sync in (True, False):
        test = RouterSyncTest("test_connections_outlive_a_planned_move_and_a_lost_gateway_of_two")
        test.setUp()
        gaps, went_on = {"machine first": [], "world first": []}, {"machine first": 0, "world first": 0, "idle, world first": 0}
        try:
            gates = test.site(2, sync=sync)
            holder = holders(gates)[0]
            if sync:
                test.synced(gates)
            for _ in range(times):
                talk, push, (client, end) = test.connections()
                if sync:
                    other = next(g for g in gates if g is not holder)
                    wait_for(lambda other=other: test.known(other) >= 3, 5, "they are known there")
                holder = test.moved(gates, holder)
                for what, busy in (("machine first", talk), ("world first", push)):
                    went_on[what] += busy.goes_on()
                    gaps[what].append(busy.gap * 1000)
                    busy.end()
                try:
                    end.sendall(b"hello")
                    went_on["idle, world first"] += client.recv(5) == b"hello"
                except OSError:
                    pass
                if sync:
                    test.synced(gates)
        finally:
            test.doCleanups()
        for what, count in went_on.items():
            silence = f"; longest silence, ms: median {statistics.median(gaps[what]):.0f}, min {min(gaps[what]):.0f}, max {max(gaps[what]):.0f}" if what in gaps else ""
            print(f"sync: {sync}; {what}: {count} of {times} went on{silence}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        measure(int(sys.argv[2]) if len(sys.argv) > 2 else 10)
    else:
        main()
