"""What each drill does to the lab. A case is called with a Scene when the prober has had its quiet moment; it returns when the deed is done.
On how many nodes the case makes sense, and how long it is watched at least, stand beside it; what is promised: tests/support/promises.py."""
import os
import signal
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Callable

from support.promises import OURS_ON_ONE_LINK, OURS_WITH_QDEVICE, PROMISES
from support.waiting import wait_for


MOVES_UNTIL_IT_STAYS = 4   # R17: more than 3 moves
MOVES_WINDOW_S = 60        # within a minute.
REPAIRS_MAX = 5            # Within that minute: the next deletion is the last.


class Scene:
    """The lab, who holds the VIP, and what of it was done that has to be undone."""

    def __init__(self, lab, lost_s):
        self.lab = lab
        self.lost_s = lost_s          # T + C: a lost node is noticed after so many seconds
        self.holder = lab.holder()
        self.standbys = [n["name"] for n in lab.nodes("gateway") if n["name"] != self.holder]
        self.gateways = None          # What runs instead of Fairlead, where that is so.
        self.plug = None              # What brings back who was cut off before.
        self._undo = []

    def undo(self):
        self.undo_steps()
        self.lab.heal()

    def undo_steps(self):
        for step in reversed(self._undo):
            step()
        self._undo.clear()

    def later(self, step):
        self._undo.append(step)

    def signal(self, program, number, name=None):
        os.kill(self.lab.pid(name or self.holder, program), number)

    def guard(self):
        """The holder's guard: the daemon's only child that is one."""
        for pid in _children(self.lab.pid(self.holder, "fairleadd")):
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if b"--guard" in file.read().split(b"\0"):
                    return pid
        raise RuntimeError(f"{self.holder} has no guard")

    def switch(self, *commands):
        self.lab.exec("switch", "sh", "-c", " && ".join(commands))

    def drop(self, *chains):
        """Rules of nftables on ports of the switch."""
        self.lab.exec("switch", "nft", "table netdev drill {\n" + "\n".join(chains) + "\n}\n")
        self.later(lambda: self.lab.exec("switch", "nft", "delete table netdev drill"))

    def ports(self, name, device=None):
        return [link["port"] for link in self.lab.node(name)["links"] if device in (None, link["device"])]


def _children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def descendants(pid):
    for child in _children(pid):
        yield child
        yield from descendants(child)


def processes_of(keeper):
    """Everything that runs in the node, whoever started it; not the keeper itself."""
    space = os.stat(f"/proc/{keeper}/ns/pid").st_ino
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and int(entry) != keeper and os.stat(f"/proc/{entry}/ns/pid").st_ino == space:
                yield int(entry)
        except OSError:
            continue   # It has just ended.


def _pass(seconds):
    time.sleep(seconds)   # tidy: a drill lasts as long as it lasts


# ---- processes ----
def kill_both(scene):
    """Stopped first: either would act on the other's death, which is not what happens to both at once."""
    both = (scene.guard(), scene.lab.pid(scene.holder, "fairleadd"))
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in both:
            os.kill(pid, number)


def freeze_node(scene):
    """Every process of the node stops; its kernel goes on, and answers. The address outlives them by its kernel lease at most."""
    processes = list(processes_of(scene.lab.node(scene.holder)["keeper"]))
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)

    def thaw():
        for pid in processes:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                continue
    scene.later(thaw)
    _pass(2 * scene.lost_s + 2)
    thaw()


def upgrade(scene):
    """As docs/operating/cluster.md has it: one node after the other, the holder last, each able to hold the VIP again before the next one. The
    release is the same before and after: there is no other."""
    for name in [*scene.standbys, scene.holder]:
        scene.signal("fairleadd", signal.SIGTERM, name)
        wait_for(lambda: not scene.lab.pid(name, "fairleadd"), 20, f"fairleadd has ended on {name}")
        scene.lab.heal()
        wait_for(lambda: able(scene.lab.gate(name)), 20, f"{name} could hold the VIP again")


# ---- cables ----
def cut_one_way(scene):
    """The switch sends nothing to the holder any more, on every port; what the holder sends arrives. In the node itself it would be too late:
    packet sockets, which hear ARP, are served before any filter."""
    scene.drop(*[f"chain {port} {{ type filter hook egress device {port} priority 0; policy drop; }}" for port in scene.ports(scene.holder)])


def lose_carrier(scene):
    (port,) = scene.ports(scene.holder, "lan")
    scene.switch(f"ip link set {port} down")
    scene.later(lambda: scene.switch(f"ip link set {port} up"))


def events_of_the_last_minute(scene, event):
    """How many there are on all gateways: what R17 and R20 count."""
    times = [one["time"] for gate in scene.lab.nodes("gateway") for one in scene.lab.gate(gate["name"]).events(event)]
    return sum(time.time() - datetime.fromisoformat(at).timestamp() <= MOVES_WINDOW_S + 1 for at in times)


def rest_before(scene):
    """Until no move counts any more."""
    wait_for(lambda: events_of_the_last_minute(scene, "VIP_ACQUIRED") == 0, MOVES_WINDOW_S + 10, "the last move was a minute ago", interval=0.5)


def rest_from_repairs(scene):
    """Until a deleted address is put back once more: the sixth time within a minute it is given up."""
    wait_for(lambda: events_of_the_last_minute(scene, "VIP_REPAIRED") < REPAIRS_MAX, MOVES_WINDOW_S + 10, "the address may be repaired", interval=0.5)


def flap_carrier(scene):
    """Whoever holds the VIP loses its carrier, again and again, each time when every carrier counts again (3 s). After the fourth move it stays."""
    gates = [scene.lab.gate(gate["name"]) for gate in scene.lab.nodes("gateway")]
    for _ in range(MOVES_UNTIL_IT_STAYS + 2):
        (port,) = scene.ports(scene.lab.holder(), "lan")
        scene.switch(f"ip link set {port} down", "sleep 0.2", f"ip link set {port} up")
        _pass(3)
        wait_for(lambda: scene.lab.holder() and all(able(gate) for gate in gates), 20, "every gateway could hold the VIP again")


def able(gate):
    """Whether it sees all nodes, and could hold the VIP."""
    status = gate.status()
    return all(n["online"] for n in status["cluster"]["nodes"]) and status["vips"][0]["eligible"].get(gate.name, {}).get("ok")


def unplug(scene, name):
    scene.later(scene.lab.unplug(name))


def cut_standby_before(scene):
    """The cut part has noticed, and the others, too."""
    scene.plug = scene.lab.unplug(scene.standbys[-1])
    scene.later(scene.plug)
    _pass(scene.lost_s + 1)


def plug_in_again(scene):
    """Until all are one again: that is what must cost nothing."""
    scene.plug()
    gates = [scene.lab.gate(gate["name"]) for gate in scene.lab.nodes("gateway")]
    wait_for(lambda: all(n["online"] for gate in gates for n in gate.status()["cluster"]["nodes"]), 30, "every gateway sees all others")


def silence_router(scene):
    """The router answers no ARP until the nodes have noticed (10 s) and R11 is disarmed: who holds stays. It goes on forwarding to the servers,
    for which the gateways have its MAC written down."""
    (link,) = [link for link in scene.lab.node("router")["links"] if link["device"] == "lan"]
    gates = scene.lab.nodes("gateway")
    for gate in gates:
        scene.lab.exec(gate["name"], "ip", "neigh", "replace", link["address"].partition("/")[0], "lladdr", link["mac"], "dev", "lan", "nud", "permanent")
    scene.drop(f"chain silent {{ type filter hook ingress device {link['port']} priority 0; arp operation reply drop; }}")
    scene.later(lambda: [scene.lab.exec(gate["name"], "ip", "neigh", "flush", "dev", "lan", "nud", "permanent") for gate in gates])
    wait_for(lambda: all(scene.lab.gate(gate["name"]).status()["cluster"]["tie_break"] == "disarmed" for gate in gates), 30,
             "the nodes have noticed that the router is silent")


# ---- power ----
def double_failure(scene):
    scene.lab.power_off(scene.holder)
    wait_for(lambda: scene.lab.holder() in scene.standbys, 10, "a second node holds the VIP")
    scene.lab.power_off(scene.lab.holder())


def all_off_before(scene):
    for gate in scene.lab.nodes("gateway"):
        scene.lab.power_off(gate["name"])


def one_idle_before(scene):
    """The first node has power and runs nothing, the others have none."""
    first, *others = [gate["name"] for gate in scene.lab.nodes("gateway")]
    scene.lab.end_programs("fairleadd", "corosync")
    for name in others:
        scene.lab.power_off(name)
    scene.standbys = [first]
    scene.later(lambda: scene.lab.power_off(first))   # What is started by hand goes with it; the lab starts its own.


def boot_alone(scene):
    (name,) = scene.standbys
    scene.lab.start(name, ["corosync", "-f"], f"corosync-{time.monotonic_ns()}")
    scene.lab.start(name, ["fairleadd", "--config", "/etc/fairlead/fairlead.yaml"], f"fairleadd-{time.monotonic_ns()}")


@dataclass(frozen=True)
class Case:
    name: str
    act: Callable
    nodes: tuple = (2, 3)
    watch: float = 1.0                # Seconds after the deed that are watched at least; and until service has been back for a second.
    lost: bool = False                # T + C longer: what is watched for comes when a lost node is noticed.
    slow_ms: int = 500                # An answer that took longer counts as none.
    before: Callable = None           # Done before the prober begins.
    calm: bool = False                # R17: after more than 3 moves in 60 s it would stay where it is.
    boots: bool = False               # Nothing is served before the deed: the outage is the time until something is.

    def watch_s(self, scene):
        return self.watch + (scene.lost_s if self.lost else 0)


# Those that need calm come after those that move nothing. One without a number of nodes is a variant's.
CASES = [
    Case("kill-server", lambda s: s.signal("nginx", signal.SIGKILL, "mast-1")),
    # A connection that meets the server without power is given to another after connect_timeout, 500 ms: that is an answer.
    Case("vanish-server", lambda s: unplug(s, "mast-1"), watch=4, slow_ms=900),
    Case("reload", lambda s: s.lab.exec(s.holder, "fairlead", "reload")),
    Case("lose-carrier", lose_carrier, calm=True),
    Case("delete-vip", lambda s: s.lab.exec(s.holder, "ip", "addr", "del", f"{s.lab.vip[0]}/24", "dev", "lan"), before=rest_from_repairs),
    Case("kill-standby", lambda s: s.lab.power_off(s.standbys[-1]), lost=True),
    Case("merge", plug_in_again, before=cut_standby_before, lost=True),
    Case("gateway-silent", lambda s: unplug(s, s.standbys[-1]), nodes=(2,), before=silence_router, lost=True),
    Case("flap-carrier", flap_carrier, before=rest_before, calm=True),
    Case("planned", lambda s: s.lab.exec(s.holder, "fairlead", "--yes", "vip", "move", "api")),
    Case("upgrade", upgrade),
    Case("kill-process", lambda s: s.signal("fairleadd", signal.SIGKILL)),
    Case("hang-process", lambda s: s.signal("fairleadd", signal.SIGSTOP)),
    Case("kill-both", kill_both, lost=True),
    Case("kill-node", lambda s: s.lab.power_off(s.holder), lost=True),
    Case("freeze-node", freeze_node),
    Case("cut-link", lambda s: unplug(s, s.holder), lost=True),
    Case("cut-link-oneway", cut_one_way, lost=True),
    Case("stop-corosync", lambda s: s.signal("corosync", signal.SIGTERM), lost=True),
    Case("kill-corosync", lambda s: s.signal("corosync", signal.SIGKILL), lost=True),
    Case("double-failure", double_failure, nodes=(5,), lost=True),
    Case("boot-both", lambda s: s.lab.heal(), before=all_off_before, boots=True),
    Case("boot-alone", boot_alone, nodes=(2,), before=one_idle_before, boots=True),
    Case("qdevice-loss", lambda s: s.signal("qnetd", signal.SIGKILL, "qnetd"), nodes=(), watch=3),
]


@dataclass(frozen=True)
class Variant:
    """Labs of another make, for cases in which it matters; in reports a system of its own."""
    system: str
    cases: tuple
    nodes: int
    options: tuple    # Of `fairlead lab up`.


VARIANTS = (
    Variant(OURS_WITH_QDEVICE, ("qdevice-loss", "kill-standby", "kill-node", "cut-link"), 2, ("--qdevice",)),
    Variant(OURS_ON_ONE_LINK, ("lose-carrier",), 3, ("--one-link",)),
)
NOT_HERE = {
    "mixed-version": "there is no earlier release",
}


def check_against(listed):
    """`listed`: what `fairlead drill list --json` says. What does not agree with it here, in words; empty: nothing."""
    here, names = {c.name for c in CASES}, [d["name"] for d in listed]
    out = [f"drill {name} is neither played here nor in NOT_HERE with a reason" for name in names if name not in here and not NOT_HERE.get(name)]
    out += [f"drill {name} is not in `fairlead drill list`" for name in sorted(here | set(NOT_HERE)) if name not in names]
    out += [f"drill {name} is played here and in NOT_HERE" for name in sorted(here & set(NOT_HERE))]
    out += [f"drill {d['name']}: promised is '{d['promise']}', judged is '{PROMISES[d['name']].outage}'" for d in listed
            if d["promise"] and d["name"] in here and d["promise"] != PROMISES[d["name"]].outage]
    return out
