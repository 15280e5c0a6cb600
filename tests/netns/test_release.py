"""How a VIP is given up (rule R18): what its clients see of it, and what is counted. Nobody may be left with a connection that is dead and
says nothing."""
import os
import select
import socket
import sys
import threading
import time
from collections import Counter

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support.cluster_probe import main                       # noqa: E402
from support.raw import TcpServer                            # noqa: E402
from support.vip_nodes import GatesTest, VIP, holders        # noqa: E402
from support.waiting import wait_for                         # noqa: E402

REFUSED = 5
USAGE = 2
VIP6 = "fd77::9901"
WHERE = (VIP, 6443)
WHERE6 = (VIP6, 6443)
CLOSED = 'fairlead_listener_vip_closed_connections_total{listener="front",how="%s"}'
TICK = b"t"


def greet(sock):
    """Says one byte at once: who has read it is being served. Then echoes; `ticks` asks for one more each 50 ms, until the end."""
    sock.sendall(b"!")
    while data := sock.recv(4096):
        if data != b"ticks":
            sock.sendall(data)
            continue
        while not select.select([sock], [], [], 0.05)[0]:
            sock.sendall(TICK)


def ending_of(sock, timeout=5):
    """How it ended: reset or fin; alive when nothing comes."""
    sock.settimeout(timeout)
    try:
        while data := sock.recv(4096):
            assert data.strip(b"!" + TICK) == b"", data
        return "fin"
    except ConnectionResetError:
        return "reset"
    except TimeoutError:
        return "alive"


class Callers(threading.Thread):
    """Opens connections one after the other and says nothing on them: only what the other side does can end one."""

    def __init__(self, node):
        super().__init__(daemon=True)
        self._node = node
        self._over = threading.Event()
        self.open = []
        self.reset = 0   # As soon as the handshake was over.
        self.refused = []

    def run(self):
        while not self._over.wait(0.004):
            try:
                self.open.append(self._node.connect(WHERE, timeout=3))
            except ConnectionResetError:
                self.reset += 1
            except OSError as why:
                self.refused.append(why)

    def stop(self):
        self._over.set()
        self.join()


class ReleaseTest(GatesTest):
    def serving_gates(self, count):
        def prepare(cluster):
            self.client = cluster.lab.node("client")
            self.backend = TcpServer(cluster.lab.node("backend"), greet)
            self.addCleanup(self.backend.close)

            def change(gate):
                gate.pool()["servers"][0]["address"] = self.backend.address
                del gate.listener()["max_connections"]
                gate.config["vips"][0]["group"] = "both"
                gate.config["vips"].append({"name": "api6", "address": f"{VIP6}/64", "interface": "eth0", "group": "both"})
                gate.listener()["bind"].append(f"[{VIP6}]:6443")
            return change
        gates = self.gates(count, prepare)
        self.all_able(gates)
        return gates

    @staticmethod
    def all_able(gates):
        """An overloaded machine's nodes may step back for a moment; that is another test's matter."""
        def able(gate):
            eligible = gate.status()["vips"][0]["eligible"]
            return len(eligible) == len(gates) and all(e["ok"] for e in eligible.values())
        wait_for(lambda: all(able(g) for g in gates), 20, "all could hold it")

    def call(self, where=WHERE):
        """A connection that is being served."""
        sock = self.client.connect(where, timeout=5)
        self.addCleanup(sock.close)
        sock.settimeout(5)
        self.assertEqual(sock.recv(1), b"!")
        return sock

    def closed(self, gate, how):
        return gate.metrics().get(CLOSED % how, 0)

    def test_nobody_is_let_in_and_forgotten_by_a_planned_move(self):
        gates = self.serving_gates(2)
        for turn in range(5):
            with self.subTest(turn=turn):
                self.all_able(gates)
                holder = holders(gates)[0]
                wait_for(lambda: holder.connections() == [], 20, "those of the turn before have ended")
                reset_before = self.closed(holder, "reset")
                callers = [Callers(self.client) for _ in range(4)]
                for caller in callers:
                    caller.start()
                wait_for(lambda: sum(len(c.open) for c in callers) > 100, 20, "they call")
                self.assertEqual(holder.cli("vip", "move", "api", as_json=False).returncode, 0)
                other = holders(gates)[0]
                self.assertIsNot(other, holder)
                over = time.monotonic() + 1.5   # Those whose SYN was dropped try again after a second.
                wait_for(lambda: time.monotonic() > over, 5, "they were answered")
                for caller in callers:
                    caller.stop()
                self.verdict(callers, holder, other, reset_before)

    def verdict(self, callers, holder, other, reset_before):
        served = {c["client"] for c in other.connections()}
        self.assertEqual(holder.connections(), [], "closed there, every one")
        found = {"reset": sum(c.reset for c in callers), "served": 0, "silent": 0}
        for sock in [sock for caller in callers for sock in caller.open]:
            address = "{}:{}".format(*sock.getsockname())
            sock.settimeout(0)
            try:
                while sock.recv(16) == b"!":
                    pass
                found["silent"] += 1   # An end of file: nobody meant it.
            except ConnectionResetError:
                found["reset"] += 1
            except BlockingIOError:
                found["served" if address in served else "silent"] += 1
            sock.close()
        refused = [why for c in callers for why in c.refused]
        print(f"planned move: {found}, refused {refused}, reset counted {self.closed(holder, 'reset') - reset_before}", flush=True)
        self.assertEqual(found["silent"], 0, "a connection that is dead and does not say so")
        self.assertEqual(refused, [], "a SYN is dropped and comes again at the next holder")
        self.assertGreater(found["served"], 0)
        self.assertGreaterEqual(found["reset"], self.closed(holder, "reset") - reset_before)
        self.assertEqual(self.closed(holder, "lost"), 0)

    def test_a_drain_waits_for_idle_moments_and_not_longer_than_it_may(self):
        gates = self.serving_gates(2)
        holder = holders(gates)[0]
        other = next(g for g in gates if g is not holder)

        with self.subTest("who does not hold it cannot drain it"):
            refused = other.cli("vip", "move", "api", "--drain", "5s", as_json=False, check=False)
            self.assertEqual(refused.returncode, REFUSED)
            self.assertIn(f"ask there: {holder.name} holds it", refused.stderr)
            self.assertEqual(other.cli("vip", "move", "api", "--drain", "2h", as_json=False, check=False).returncode, USAGE)

        with self.subTest("idle ones are closed in order, busy ones reset when the time is over, new ones served until then"):
            self.all_able(gates)
            idle, busy = self.call(), self.call()
            busy.sendall(b"ticks")
            begun = time.monotonic()
            moving = threading.Thread(target=holder.cli, args=("vip", "move", "api", "--drain", "3s"), kwargs={"as_json": False}, daemon=True)
            moving.start()
            self.assertEqual(ending_of(idle), "fin")
            self.assertLess(time.monotonic() - begun, 2)
            fresh = self.call()
            self.assertRegex(holder.cli("vip", "list", as_json=False).stdout, r"drains, moves within [123]s")
            again = holder.cli("vip", "move", "api", "--drain", "3s", as_json=False, check=False)
            self.assertEqual(again.returncode, REFUSED)
            self.assertIn("drains already", again.stderr)
            self.assertEqual(holders(gates), [holder])
            self.assertEqual(ending_of(busy), "reset")
            self.assertGreater(time.monotonic() - begun, 2.9)
            self.assertEqual(ending_of(fresh), "reset")
            moving.join(10)
            self.assertLess(time.monotonic() - begun, 5)
            self.assertEqual(holders(gates), [other])
            self.assertEqual((self.closed(holder, "drained"), self.closed(holder, "reset")), (1, 2))

        with self.subTest("it ends early when nobody is left"):
            self.all_able(gates)
            idle = self.call()
            begun = time.monotonic()
            done = other.cli("vip", "move", "api", "--drain", "1m", as_json=False)
            self.assertLess(time.monotonic() - begun, 3)
            self.assertRegex(done.stdout, rf"VIP api moved from {other.name} to {holder.name} in \d+ ms")
            self.assertEqual(ending_of(idle), "fin")

        with self.subTest("a move without a drain ends one that waits"):
            self.all_able(gates)
            idle, busy = self.call(), self.call()
            busy.sendall(b"ticks")
            results = []
            moving = threading.Thread(target=lambda: results.append(holder.cli("vip", "move", "api", "--drain", "1m", as_json=False)), daemon=True)
            moving.start()
            self.assertEqual(ending_of(idle), "fin", "it drains")
            other.cli("vip", "move", "api")
            moving.join(10)
            self.assertIn(f"to {other.name}", results[0].stdout)
            self.assertEqual(ending_of(busy), "reset")

    def test_a_forced_release_leaves_no_connection_half_open(self):
        gates = self.serving_gates(3)
        for name, force, end in (("Corosync is lost", lambda gate: gate.cluster_node.corosync.kill(), "reset"),
                                 ("the lease is lost", lambda gate: gate.cluster_node.vanish(), "alive")):
            with self.subTest(name):
                wait_for(lambda: len(holders(gates)) == 1, 20, "one holds it")
                holder = holders(gates)[0]
                calls = [self.call(where) for where in (WHERE, WHERE6) for _ in range(10)]
                wait_for(lambda: holder.listener_status()["connections"]["current"] == len(calls), 5, "it says so")
                force(holder)
                wait_for(lambda: not holder.has_vip(), 10, "the address is gone")
                wait_for(lambda: holder.listener_status()["connections"]["current"] == 0, 1, "its connections are closed")
                self.assertEqual(self.closed(holder, "lost"), len(calls))
                self.assertEqual(Counter(ending_of(sock, timeout=0.5) for sock in calls), {end: len(calls)})
                gates = [g for g in gates if g is not holder]

    def test_an_address_that_became_somebody_elses_is_left_with_its_connections_ended(self):
        gates = self.serving_gates(2)
        holder = holders(gates)[0]
        calls = [self.call() for _ in range(5)]
        mine = f"{VIP}/16 dev eth0"
        replace = ["sh", "-c", f"printf 'addr del {mine}\\naddr add {mine}\\n' | ip -batch -"]
        for _ in range(4):   # On a busy machine the repair may come in between.
            known = len(holder.events("VIP_REPAIRED"))
            holder.host.run(replace)
            wait_for(lambda: holder.events("VIP_ADD_FAILED") or len(holder.events("VIP_REPAIRED")) > known, 5, "it is repaired, or that is refused")
            if holder.events("VIP_ADD_FAILED"):
                break
        self.assertEqual(Counter(ending_of(sock, timeout=2) for sock in calls), {"reset": 5})
        wait_for(lambda: self.closed(holder, "lost") == 5, 5, "they are counted")
        other = next(g for g in gates if g is not holder)
        wait_for(lambda: other.events("VIP_FOREIGN_CLAIM"), 20, "the other node asks for it, and is answered")
        self.assertEqual(holders(gates), [holder], "it is not ours to remove, nor to take")

    def test_a_dead_daemons_clients_are_told(self):
        """The process is gone before its sockets are closed (io_uring ends later), and its guard deletes the address at once."""
        gates = self.serving_gates(3)
        for name, strike in (("killed", lambda gate: gate.kill()), ("hangs", lambda gate: gate.process.freeze())):
            with self.subTest(name):
                self.all_able(gates)
                holder = holders(gates)[0]
                wait_for(lambda: all(vip["held_here"] for vip in holder.status()["vips"]), 10, "it holds both")
                calls = [self.call() for _ in range(25)] + [self.call(WHERE6) for _ in range(25)]
                caller = Callers(self.client)
                caller.start()
                wait_for(lambda: len(caller.open) > 50, 20, "it calls")
                strike(holder)
                gates = [g for g in gates if g is not holder]
                ends = [ending_of(sock, timeout=5) for sock in calls]
                wait_for(lambda: len(holders(gates)) == 1, 10, "another holds it")
                caller.stop()
                served = {c["client"] for c in holders(gates)[0].connections()}
                others = [sock for sock in caller.open if "{}:{}".format(*sock.getsockname()) not in served]
                ends_of_others = [ending_of(sock, timeout=2) for sock in others]
                print(f"{name}: {Counter(ends)}, while it died {Counter(ends_of_others)}, at the next {len(served)}", flush=True)
                self.assertNotIn("alive", ends)
                self.assertNotIn("alive", ends_of_others)


if __name__ == "__main__":
    main()
