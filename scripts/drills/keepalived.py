"""keepalived and HAProxy, in three forms people run:

    keepalived-kubeadm   as the kubeadm guide for highly available clusters has it: a script every 3 s that asks the API through HAProxy, 10 failures
    keepalived-track     HAProxy's end is told at once, advertisements each second
    keepalived-fast      likewise, VRRP version 3 with advertisements each 100 ms

Who wants a killed HAProxy to be noticed at once uses track_process, which hears of its end from the kernel. That cannot be played here: the kernel
tells only the first network namespace (netlink's process connector; keepalived says "Failed to set/clear process event listen - Connection refused").
In its place stands track_file: the shell that runs HAProxy writes 1 into a file when HAProxy has ended, and keepalived, which watches the file by
inotify, reads it. What follows is the same: with weight 0 the instance enters FAULT and says so with an advertisement of priority 0, and the next one
takes over after its skew time. From the kill to that advertisement, in the first namespace, where both can be tried, on a busy machine: 3.5 ms with
track_process, 4.3 ms with the file (medians, n = 15). As with track_process, a HAProxy that hangs is not noticed.

Nothing starts HAProxy again, just as nothing starts Fairlead again: what is measured is one that stays away. All else is keepalived's default:
3 advertisements and the skew time until a silent master is given up, 5 gratuitous ARPs at once and 5 after 5 s, no refresh of them, preemption,
multicast, no priority over other processes. The interface's carrier is watched. The priorities of the guide are next to each other, because a script
takes 2 away; elsewhere they are far apart, so that the skew times of two backups are, too: at 100 ms those of 100 and 99 are 0.4 ms apart, and both
have been seen to take over. Priorities near 255 make the skew time short, which is nearly all that a planned move and a killed HAProxy cost: with 254,
250 and 240 keepalived-fast was away for 4 to 5 ms and 7 to 17 ms (n = 3 each).
"""
import os
import re
import signal
from dataclasses import dataclass
from functools import partial

from drills.gateways import Gateways, Peer
from drills.measure import pause
from support.waiting import wait_for

GONE = "/run/haproxy.gone"   # 0 while HAProxy runs, 1 once it has ended.
SERVE = f"echo 0 > {GONE}; haproxy -db -f /etc/lab/haproxy.cfg; echo 1 > {GONE}"
CHECK = """#!/bin/sh
curl -sfk --max-time 2 https://localhost:6443/readyz -o /dev/null
"""


@dataclass(frozen=True)
class Form:
    name: str
    check: str          # of HAProxy's servers
    instance: str       # lines of the vrrp_instance
    beside: str         # blocks beside it
    version: int = 2
    priorities: tuple = (150, 100, 50)
    script: bool = False


_TRACKED = f'track_file haproxy {{\n  file "{GONE}"\n  weight 0\n}}\n'
FORMS = [
    Form("keepalived-kubeadm", "inter 10s downinter 5s rise 2 fall 2", "  advert_int 1\n  track_script { api }\n",
         'vrrp_script api {\n  script "/etc/lab/check.sh"\n  interval 3\n  weight -2\n  fall 10\n  rise 2\n}\n', priorities=(101, 100, 99), script=True),
    Form("keepalived-track", "inter 1s rise 2 fall 2", "  advert_int 1\n  track_file { haproxy }\n", _TRACKED),
    Form("keepalived-fast", "inter 1s rise 2 fall 2", "  advert_int 0.1\n  track_file { haproxy }\n", _TRACKED, version=3),
]


def keepalived_conf(form, rank, vip):
    first = "MASTER" if rank == 0 else "BACKUP"
    return (f"global_defs {{\n  script_user root\n  enable_script_security\n  vrrp_version {form.version}\n}}\n{form.beside}"
            f"vrrp_instance api {{\n  state {first}\n  interface lan\n  virtual_router_id 51\n  priority {form.priorities[rank]}\n{form.instance}"
            f"  virtual_ipaddress {{\n    {vip}/24\n  }}\n}}\n")


def state_of(log):
    """The state that keepalived's log says last: MASTER, BACKUP or FAULT; empty before the first."""
    return (re.findall(r"Entering (\w+) STATE", log) or [""])[-1]


class KeepalivedGateways(Gateways):
    """Both programs on every gateway."""

    def __init__(self, form, lab, number):
        super().__init__(lab, number)
        self.form = form

    def start(self):
        names = self.names()
        self.lab.end_programs("fairleadd", "corosync")
        for rank, name in enumerate(names):
            self.write_haproxy(name, self.form.check)
            self.write(name, "keepalived.conf", keepalived_conf(self.form, rank, self.lab.vip[0]))
            self.write(name, "check.sh", CHECK, 0o755)
            self.lab.start(name, ["sh", "-c", SERVE], f"haproxy-{name}-{self.number}")
        for name in names:
            wait_for(lambda name=name: self.answers(name, "localhost"), 30, f"HAProxy answers on {name}")
        logs = [self.lab.start(name, ["keepalived", "-n", "-l", "-D", "-f", "/etc/lab/keepalived.conf", "-p", "/run/k.pid", "-r", "/run/v.pid"],
                               f"keepalived-{name}-{self.number}") for name in names]
        if self.form.script:   # Before its first verdict it counts as failing, and the first failure of HAProxy would be noticed at once.
            wait_for(lambda: all(log.stderr().count(") succeeded") > log.stderr().count(") failed") for log in logs), 60, "keepalived's scripts succeed")
        wait_for(lambda: ["MASTER", *["BACKUP"] * (len(names) - 1)] == [state_of(log.stderr()) for log in logs], 90, f"{names[0]} is master, the others wait")
        wait_for(lambda: self.lab.holder() == names[0], 30, f"{names[0]} holds the VIP")
        wait_for(lambda: self.answers("client", self.lab.vip[0]), 30, "HAProxy answers through the VIP")
        pause(self.number % 10 * 0.3)   # Ten runs in a row meet every moment between two advertisements, and between two scripts (3 s).

    def close(self):
        """In order where there is power; HAProxy, which may be stopped, at once."""
        on = [gate["name"] for gate in self.lab.nodes("gateway") if gate["on"]]
        for program, number in (("keepalived", signal.SIGTERM), ("haproxy", signal.SIGKILL)):
            for name in on:
                for pid in self.pids(name, program):
                    try:
                        os.kill(pid, number)
                    except ProcessLookupError:
                        continue   # A child, which ended with its parent.
        wait_for(lambda: not any(self.pids(name, program) for name in on for program in ("keepalived", "haproxy")), 10, "keepalived and HAProxy have ended")

    def move(self, holder):
        """keepalived has no word for it: it is stopped where the address is. The first process is the parent, which ends the others."""
        os.kill(min(self.pids(holder, "keepalived")), signal.SIGTERM)


PEERS = [Peer(form.name, {"keepalived": ["--version"], "haproxy": ["-v"]}, partial(KeepalivedGateways, form)) for form in FORMS]
