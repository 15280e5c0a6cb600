"""What happens to clients when a server is killed, comes back, is drained, and the daemon is reloaded: one line of a table each."""
import time
from datetime import datetime

from support.waiting import wait_for

# A request that began up to this long after the kill on a connection to the dead server was on its way when the news reached the client.
NEWS_S = 0.25


class ServerActs:
    """`gate`: a support.fairlead.Gateway. `servers`: three with name, kill() and start(). `load`: a running support.load.Load of which
    `keep_alive` clients keep their connection. `enough`: how many requests are waited for in each act;
    `least_share`: of them that every server has to answer when all are up, in percent."""

    def __init__(self, gate, servers, load, *, keep_alive, enough=800, least_share=20):
        self.gate = gate
        self.servers = servers
        self.load = load
        self.keep_alive = keep_alive
        self.enough = enough
        self.least_share = least_share
        self.failures = []

    def run(self):
        print(f"  {'what was done':<26}{'what the clients saw':<46}measured")
        self.balance()
        self.kill()
        self.bring_back()
        self.drain()
        self.reload()
        self.total()

    # ---- steps ----
    def balance(self):
        since = self.await_requests(2 * self.enough, "the first requests")
        shares = self.shares(since)
        self.line("nothing: 3 servers up", since, "  ".join(f"{name} {share:.0f} %" for name, share in shares.items()))
        self.promise(not self.load.errors(since), "requests failed before anything was done")
        self.promise(len(shares) == 3 and min(shares.values()) > self.least_share, f"the three servers do not share the work: {shares}")

    def kill(self):
        victim = self.servers[1]
        since, wall = time.monotonic(), time.time()
        victim.kill()
        dead, dead_wall = time.monotonic(), time.time()
        ejected = wait_for(lambda: self.event_time("SERVER_DOWN", victim.name, wall), 10, "the killed server is ejected") - dead_wall
        self.await_requests(self.enough, "requests after the kill")
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
        self.await_requests(self.enough, "requests after the return")
        self.line("mast-2 started again", since, f"first request after {first:.1f} s (2 good checks)")
        self.promise(not self.load.errors(since), "requests failed while the server came back")

    def drain(self):
        server = self.servers[2]
        since = time.monotonic()
        self.gate.server_verb("drain", server.name)
        drained = time.monotonic()
        self.await_requests(self.enough, "requests while it drains")
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
            self.await_requests(self.enough // 4, "requests between reloads")
        # Keep-alive clients have the lower numbers: a connection of theirs that is new means the old one was lost.
        dropped = self.load.reopened - reopened + sum(1 for o in self.load.outcomes(since) if o.client < self.keep_alive and o.on_new_connection)
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
