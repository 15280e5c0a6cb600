"""keepalived and HAProxy, in three forms people run:

    keepalived-kubeadm   as the kubeadm guide for highly available clusters has it: a script every 3 s that asks the API through HAProxy, 10 failures
    keepalived-track     the process is looked for each second (`pgrep -x haproxy`), advertisements each second
    keepalived-fast      likewise, VRRP version 3 with advertisements each 100 ms

track_process, which hears of a death from the kernel, cannot be played here: the kernel tells only the first network namespace (netlink's process
connector; keepalived says "Failed to set/clear process event listen - Connection refused"). With it a killed HAProxy is noticed in milliseconds.
"""
import os
import signal
from dataclasses import dataclass
from functools import partial

from drills.gateways import Gateways, Peer
from support.waiting import wait_for

CHECK = """#!/bin/sh
curl -sfk --max-time 2 https://localhost:6443/readyz -o /dev/null
"""


@dataclass(frozen=True)
class Form:
    name: str
    check: str          # of HAProxy's servers
    instance: str       # lines of the vrrp_instance
    beside: str = ""    # blocks beside it
    version: int = 2


_TRACKED = 'vrrp_script haproxy {\n  script "/usr/bin/pgrep -x haproxy"\n  interval 1\n  fall 1\n  rise 1\n}\n'
FORMS = [
    Form("keepalived-kubeadm", "inter 10s downinter 5s rise 2 fall 2", "  advert_int 1\n  track_script { api }\n",
         'vrrp_script api {\n  script "/etc/lab/check.sh"\n  interval 3\n  weight -2\n  fall 10\n  rise 2\n}\n'),
    Form("keepalived-track", "inter 1s rise 2 fall 2", "  advert_int 1\n  track_script { haproxy }\n", _TRACKED),
    Form("keepalived-fast", "inter 1s rise 2 fall 2", "  advert_int 0.1\n  track_script { haproxy }\n", _TRACKED, version=3),
]


def keepalived_conf(form, rank, vip):
    first = "MASTER" if rank == 0 else "BACKUP"
    return (f"global_defs {{\n  script_user root\n  enable_script_security\n  vrrp_version {form.version}\n}}\n{form.beside}"
            f"vrrp_instance api {{\n  state {first}\n  interface lan\n  virtual_router_id 51\n  priority {101 - rank}\n{form.instance}"
            f"  virtual_ipaddress {{\n    {vip}/24\n  }}\n}}\n")


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
            self.lab.start(name, ["haproxy", "-db", "-f", "/etc/lab/haproxy.cfg"], f"haproxy-{name}-{self.number}")
        for name in names:
            wait_for(lambda name=name: self.answers(name, "localhost"), 30, f"HAProxy answers on {name}")
        logs = [self.lab.start(name, ["keepalived", "-n", "-l", "-D", "-f", "/etc/lab/keepalived.conf", "-p", "/run/k.pid", "-r", "/run/v.pid"],
                               f"keepalived-{name}-{self.number}") for name in names]
        # Before its first verdict a script counts as failing, and the first failure of HAProxy would be noticed at once.
        wait_for(lambda: all(log.stderr().count(") succeeded") > log.stderr().count(") failed") for log in logs), 60, "keepalived's scripts succeed")
        wait_for(lambda: self.lab.holder() == names[0], 90, f"{names[0]} holds the VIP")
        wait_for(lambda: self.answers("client", self.lab.vip[0]), 30, "HAProxy answers through the VIP")

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
