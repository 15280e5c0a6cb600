#!/usr/bin/env python3
"""`make run`: one gateway, three TLS servers, clients that count. A server is killed, brought back, drained; the daemon is reloaded.

Everything runs in network namespaces (or, without them, on loopback) and is gone afterwards. Exit code 0: all went as promised.
"""
import argparse
import os
import signal
import sys
import time
from datetime import datetime

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests"))

from support import raw                       # noqa: E402
from support.backends import Nginx            # noqa: E402
from support.fairlead import BIN, Gateway     # noqa: E402
from support.lab import Lab                   # noqa: E402
from support.load import Load                 # noqa: E402
from support.pki import Authority             # noqa: E402
from support.waiting import Timeout, wait_for  # noqa: E402

KEEP_ALIVE = 9
PER_REQUEST = 7
PORT = 6443
# A request that began up to this long after the kill on a connection to the dead server was on its way when the news reached the client.
NEWS_S = 0.25


class Demo:
    """The demonstration, step by step. Each step prints one line of the table and notes what was not as promised."""

    def __init__(self, lab):
        self.lab = lab
        self.failures = []
        self.gate_node = lab.node("gate")
        self.client = lab.node("client")
        self.authority = Authority(lab.dir)
        nodes = [lab.node(f"mast-{i}") for i in (1, 2, 3)]
        self.servers = [Nginx(node, self.authority.issue(node.name, [node.address, self.gate_node.address], [node.name])) for node in nodes]
        admin_port = 9440 if lab.has_namespaces else self.gate_node.free_port()
        self.admin = (self.gate_node.loopback, admin_port)
        self.gate = Gateway(self.gate_node, {
            "listeners": [{"name": "kube-api", "bind": [f"{self.gate_node.address}:{PORT}"], "pool": "masters", "max_connections": 1000}],
            "pools": [{"name": "masters", "balance": "least_connections",
                       "health": {"type": "https", "path": "/readyz", "ca": self.authority.cert},
                       "servers": [{"name": s.name, "address": s.address} for s in self.servers]}],
            "admin": {"socket": os.path.join(lab.dir, "fairlead.sock"), "listen": "{}:{}".format(*self.admin)},
        }, name="gate-1")
        self.gate.socket_path = self.gate.config["admin"]["socket"]
        self.load = None

    def run(self):
        for server in self.servers:
            server.start()
        self.gate.start()
        self.gate.wait_all_up()
        status = self.gate.status()
        where = "network namespaces" if self.lab.has_namespaces else f"loopback addresses ({self.lab.loopback_reason})"
        print(f"fairleadd {status['version']} ({status['engine']}), 3 nginx servers with TLS checked by https, {KEEP_ALIVE + PER_REQUEST} clients; in {where}.")
        print(f"{KEEP_ALIVE} clients keep their connection, {PER_REQUEST} open one for each request; every answer is checked.\n")
        print(f"  {'what was done':<26}{'what the clients saw':<46}measured")
        with Load(self.client, (self.gate_node.address, PORT), keep_alive=KEEP_ALIVE, per_request=PER_REQUEST, ca=self.authority.cert) as self.load:
            self.balance()
            self.kill()
            self.bring_back()
            self.drain()
            self.reload()
        self.total()
        return not self.failures

    # ---- steps ----
    def balance(self):
        since = self.await_requests(1500, "the first requests")
        shares = self.shares(since)
        self.line("nothing: 3 servers up", since, "  ".join(f"{name} {share:.0f} %" for name, share in shares.items()))
        self.promise(not self.load.errors(since), "requests failed before anything was done")
        self.promise(len(shares) == 3 and min(shares.values()) > 20, f"the three servers do not share the work: {shares}")

    def kill(self):
        victim = self.servers[1]
        since, wall = time.monotonic(), time.time()
        victim.kill()
        dead, dead_wall = time.monotonic(), time.time()
        ejected = wait_for(lambda: self.event_time("SERVER_DOWN", victim.name, wall), 10, "the killed server is ejected") - dead_wall
        self.await_requests(800, "requests after the kill")
        errors = [e for e in self.load.errors() if e.end >= since]   # In flight: begun before the kill, ended after it.
        after = [e for e in errors if e.connected_at > dead or e.start > dead + NEWS_S]
        self.line("mast-2 killed (SIGKILL)", since, f"out of rotation after {max(ejected, 0) * 1000:.0f} ms", f"{len(errors) - len(after)} in flight failed, {len(after)} after")
        self.promise(not after, f"{len(after)} requests failed after the server was dead: {after[:3]}")
        self.promise(victim.name not in self.load.by_backend(dead), "the dead server answered")

    def bring_back(self):
        server = self.servers[1]
        since = time.monotonic()
        server.start()
        wait_for(lambda: self.load.by_backend(since)[server.name], 15, "the server gets requests again")
        first = min(o.end for o in self.load.outcomes(since) if o.backend == server.name) - since
        self.await_requests(800, "requests after the return")
        self.line("mast-2 started again", since, f"first request after {first:.1f} s (2 good checks)")
        self.promise(not self.load.errors(since), "requests failed while the server came back")

    def drain(self):
        server = self.servers[2]
        since = time.monotonic()
        self.gate.server_verb("drain", server.name)
        drained = time.monotonic()
        self.await_requests(800, "requests while it drains")
        fresh = [o for o in self.load.outcomes(drained) if o.on_new_connection and o.backend == server.name]
        kept = sum(1 for o in self.load.outcomes(drained) if o.backend == server.name)
        self.line("mast-3 drained", since, f"{len(fresh)} new connections to it; open ones go on ({kept} requests)")
        self.promise(not self.load.errors(since), "requests failed while a server was drained")
        self.promise(not fresh, f"{len(fresh)} new connections went to the draining server")
        self.gate.server_verb("ready", server.name)

    def reload(self):
        since = time.monotonic()
        sockets = self.gate.listening_inodes()
        reopened = self.load.reopened
        longest = 0.0
        for round_number in range(1, 6):
            self.gate.pool()["idle_timeout"] = f"{round_number}h"
            self.gate.pool()["servers"][0]["weight"] = 100 + round_number
            self.gate.write()
            began = time.monotonic()
            self.gate.reload()
            longest = max(longest, time.monotonic() - began)
            self.await_requests(200, "requests between reloads")
        # Keep-alive clients have the lower numbers: a connection of theirs that is new means the old one was lost.
        dropped = self.load.reopened - reopened + sum(1 for o in self.load.outcomes(since) if o.client < KEEP_ALIVE and o.on_new_connection)
        same = sockets == self.gate.listening_inodes()
        self.line("5 reloads under load", since, f"{dropped} connections dropped, listeners {'kept' if same else 'rebound'}, {longest * 1000:.0f} ms at most")
        self.promise(not self.load.errors(since), "requests failed during reloads")
        self.promise(dropped == 0, f"{dropped} connections were dropped by reloads")
        self.promise(same, "a listener was rebound by a reload")

    def total(self):
        errors = self.load.errors()
        print(f"\n  {self.load.count():,} requests, {len(errors)} failed; the longest time without an answer for anybody: {self.load.longest_gap() * 1000:.0f} ms.")

    # ---- helpers ----
    def line(self, what, since, measured, failed=None):
        outcomes = self.load.outcomes(since)
        failed = failed or f"{sum(1 for o in outcomes if not o.ok)} failed"
        seen = f"{len(outcomes):>6,} requests, {failed}"
        print(f"  {what:<26}{seen:<46}{measured}", flush=True)

    def promise(self, kept, otherwise):
        if not kept:
            self.failures.append(otherwise)

    def shares(self, since):
        count = self.load.by_backend(since)
        return {name: 100 * count[name] / sum(count.values()) for name in sorted(count)}

    def await_requests(self, number, what):
        since, before = time.monotonic(), self.load.count()
        wait_for(lambda: self.load.count() >= before + number, 30, f"{number} requests: {what}")
        return since

    def event_time(self, identifier, server, not_before):
        """Wall time of the newest such event, in seconds; None when there is none yet."""
        for event in reversed(self.gate.events(identifier)):
            fields = event.get("fields", {})
            fields = fields if isinstance(fields, dict) else dict(fields)
            at = datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp()
            if fields.get("server") == server and at >= not_before - 0.001:
                return at
        return None


def next_lines(demo, forwarder):
    fairlead = os.path.join(os.path.relpath(BIN), "fairlead")
    curl = f"curl --cacert {demo.authority.cert} https://{demo.gate_node.address}:{PORT}/"
    if demo.lab.has_namespaces:
        curl = f"nsenter --net={demo.client.namespace_path} {curl}"
    yield f"export FAIRLEAD_SOCKET={demo.gate.socket_path}"
    yield f"{fairlead} status"
    yield f"{fairlead} server drain masters/mast-1"
    yield f"kill -9 {demo.servers[2].process.pid}; {fairlead} server list; {fairlead} events"
    yield curl
    yield f"curl http://127.0.0.1:{forwarder.port}/metrics"


def stay(demo):
    """Keeps the lab up until Ctrl-C, the admin API reachable from this machine's loopback."""
    with raw.TcpServer(demo.lab.host(), raw.forward_to(demo.gate_node, demo.admin)) as forwarder:
        print(f"\nStill up; admin API at http://127.0.0.1:{forwarder.port}/. Try, in another terminal:")
        for text in next_lines(demo, forwarder):
            print(f"  {text}")
        print("Ctrl-C ends everything.", flush=True)
        while demo.gate.process.running:
            time.sleep(0.5)
        print(f"fairleadd ended with {demo.gate.process.returncode}", file=sys.stderr)
        return 1


def leave_on_signals():
    def leave(number, _frame):
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)


def main():
    parser = argparse.ArgumentParser(description="The demonstration behind `make run`.")
    parser.add_argument("--loopback", action="store_true", help="no network namespaces, even where they are available")
    parser.add_argument("--exit", action="store_true", help="do not stay up on a terminal")
    options = parser.parse_args()
    leave_on_signals()
    try:
        with Lab("loopback" if options.loopback else None) as lab:
            demo = Demo(lab)
            try:
                good = demo.run()
            except (Timeout, RuntimeError) as problem:
                print(f"The demonstration failed: {problem}\nThe daemon's last words:\n{demo.gate.log_tail()}", file=sys.stderr)
                return 1
            for failure in demo.failures:
                print(f"  NOT AS PROMISED: {failure}", file=sys.stderr)
            if not good:
                return 1
            if sys.stdout.isatty() and not options.exit:
                return stay(demo)
            print("\nAll as promised, and nothing left behind. On a terminal it stays up and shows what to try next; the first steps: docs/start.md")
            return 0
    except KeyboardInterrupt:
        print("\nstopped; everything is removed")
        return 0 if sys.stdout.isatty() else 130


if __name__ == "__main__":
    sys.exit(main())
