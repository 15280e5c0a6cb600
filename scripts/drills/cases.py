"""What each drill does to the lab. A case is called with a Scene when the prober has had its quiet second; it returns when the deed is done.
How long is watched afterwards, and on how many nodes the case makes sense, stands beside it."""
import os
import signal
import time
from dataclasses import dataclass
from typing import Callable

from support.waiting import wait_for


class Scene:
    """The lab, who holds the VIP, and what of it was done that has to be undone."""

    def __init__(self, lab, timing_ms):
        self.lab = lab
        self.timing = timing_ms / 1000          # T + C: a lost node is noticed after so many seconds
        self.holder = lab.holder()
        self.standbys = [n["name"] for n in lab.nodes("gateway") if n["name"] != self.holder]
        self._undo = []

    def undo(self):
        for step in reversed(self._undo):
            step()
        self._undo.clear()
        self.lab.heal()

    def daemon(self, name=None):
        return self.lab.pid(name or self.holder, "fairleadd")

    def signal_daemon(self, number):
        os.kill(self.daemon(), number)

    def guard(self):
        """The holder's guard: the daemon's only child that is one."""
        for pid in _children(self.daemon()):
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if b"--guard" in file.read().split(b"\0"):
                    return pid
        raise RuntimeError(f"{self.holder} has no guard")

    def switch(self, *commands):
        self.lab.exec("switch", "sh", "-c", " && ".join(commands))

    def ports(self, name, device=None):
        return [link["port"] for link in self.lab.node(name)["links"] if device in (None, link["device"])]

    def unplug(self, name):
        """The cable is cut, the card sees nothing of it: its port leaves the bridge."""
        bridges = {link["port"]: link["device"] for link in self.lab.node(name)["links"]}
        self.switch(*[f"ip link set {port} nomaster" for port in bridges])
        return lambda: self.switch(*[f"ip link set {port} master {bridge}" for port, bridge in bridges.items()])

    def power_off(self, name):
        """Cut off first, then ended: nothing of it says goodbye."""
        keeper = self.lab.node(name)["keeper"]
        self.unplug(name)
        os.kill(keeper, signal.SIGKILL)

    def later(self, step):
        self._undo.append(step)


def _children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def processes_of(keeper):
    """Everything that runs in the node, whoever started it; not the keeper itself."""
    space = os.stat(f"/proc/{keeper}/ns/pid").st_ino
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and int(entry) != keeper and os.stat(f"/proc/{entry}/ns/pid").st_ino == space:
                yield int(entry)
        except OSError:
            continue   # It has just ended.


def descendants(pid):
    for child in _children(pid):
        yield child
        yield from descendants(child)


def _pass(seconds):
    time.sleep(seconds)   # tidy: a drill lasts as long as it lasts


def planned(scene):
    scene.lab.exec(scene.holder, "fairlead", "--yes", "vip", "move", "api")


def kill_both(scene):
    """The guard first: alone it would be started again within 100 ms."""
    guard, daemon = scene.guard(), scene.daemon()
    os.kill(guard, signal.SIGKILL)
    os.kill(daemon, signal.SIGKILL)


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
    _pass(2 * scene.timing + 2)
    thaw()


def cut_link(scene):
    scene.later(scene.unplug(scene.holder))


def cut_one_way(scene):
    """The switch sends nothing to the holder any more, on every port; what the holder sends arrives. In the node itself it would be too late:
    packet sockets, which hear ARP, are served before any filter."""
    rules = "table netdev drill {\n" + "".join(
        f"chain {port} {{ type filter hook egress device {port} priority 0; policy drop; }}\n" for port in scene.ports(scene.holder)) + "}\n"
    scene.lab.exec("switch", "nft", rules)
    scene.later(lambda: scene.lab.exec("switch", "nft", "delete table netdev drill"))


def lose_carrier(scene):
    (port,) = scene.ports(scene.holder, "lan")
    scene.switch(f"ip link set {port} down")
    scene.later(lambda: scene.switch(f"ip link set {port} up"))


def flap_carrier(scene):
    (port,) = scene.ports(scene.holder, "lan")
    scene.later(lambda: scene.switch(f"ip link set {port} up"))
    for _ in range(5):
        scene.switch(f"ip link set {port} down")
        _pass(0.2)
        scene.switch(f"ip link set {port} up")
        _pass(0.2)


def merge(scene):
    """A standby that was cut off comes back."""
    scene.unplug(scene.standbys[-1])()


def cut_standby_before(scene):
    scene.later(scene.unplug(scene.standbys[-1]))
    _pass(scene.timing + 1)


def double_failure(scene):
    scene.power_off(scene.holder)
    wait_for(lambda: scene.lab.holder() in scene.standbys, 10, "a second node holds the VIP")
    scene.power_off(scene.lab.holder())


def gateway_silent_before(scene):
    """The router has been silent for more than 10 s when the nodes lose each other: R11 is disarmed, the holder stays."""
    scene.later(scene.unplug("router"))
    _pass(12)


def kill_server(scene):
    os.kill(scene.lab.pid("mast-1", "nginx"), signal.SIGKILL)


def vanish_server(scene):
    scene.later(scene.unplug("mast-1"))


@dataclass(frozen=True)
class Case:
    name: str
    act: Callable
    bound: Callable = None            # (T + C in ms) -> promised outage in ms; None: none is stated
    nodes: tuple = (2, 3)
    watch: float = 2.0                # seconds after the deed, beside T + C
    before: Callable = None           # done before the prober begins
    loses_place: bool = True          # the VIP is expected elsewhere afterwards


GUARD_HANG = 1000
LEASE = 2000
CASES = [
    Case("planned", planned, lambda tc: 20),
    Case("kill-process", lambda s: s.signal_daemon(signal.SIGKILL), lambda tc: 50),
    Case("hang-process", lambda s: s.signal_daemon(signal.SIGSTOP), lambda tc: GUARD_HANG + 300),
    Case("kill-both", kill_both, lambda tc: LEASE + tc + 500, watch=4),
    Case("kill-node", lambda s: s.power_off(s.holder), lambda tc: tc + 350),
    Case("kill-standby", lambda s: s.power_off(s.standbys[-1]), lambda tc: 0, loses_place=False),
    Case("freeze-node", freeze_node, lambda tc: LEASE + tc + 500, watch=3),
    Case("cut-link", cut_link, lambda tc: tc + 350),
    Case("cut-link-oneway", cut_one_way, lambda tc: 5000, watch=5),
    Case("lose-carrier", lose_carrier),
    Case("flap-carrier", flap_carrier),
    Case("stop-corosync", lambda s: os.kill(s.lab.pid(s.holder, "corosync"), signal.SIGTERM), watch=3),
    Case("kill-corosync", lambda s: os.kill(s.lab.pid(s.holder, "corosync"), signal.SIGKILL), watch=3),
    Case("delete-vip", lambda s: s.lab.exec(s.holder, "ip", "addr", "del", f"{s.lab.vip[0]}/24", "dev", "lan"), loses_place=False),
    Case("double-failure", double_failure, nodes=(5,), watch=4),
    Case("merge", merge, lambda tc: 0, before=cut_standby_before, loses_place=False),
    Case("gateway-silent", lambda s: s.later(s.unplug(s.standbys[-1])), lambda tc: 0, nodes=(2,), before=gateway_silent_before, loses_place=False),
    Case("kill-server", kill_server, lambda tc: 0, loses_place=False),
    Case("vanish-server", vanish_server, loses_place=False),
    Case("reload", lambda s: s.lab.exec(s.holder, "fairlead", "reload"), lambda tc: 0, loses_place=False),
]
NOT_HERE = {
    "boot-both": "the prober needs a VIP that answers before the deed",
    "boot-alone": "likewise",
    "qdevice-loss": "needs corosync-qnetd in the lab",
    "mixed-version": "there is no earlier release",
    "upgrade": "a later release brings it",
}
