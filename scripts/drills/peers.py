"""What Fairlead is compared with, in the same lab by the same prober: keepalived and HAProxy in three forms people run.

    keepalived-kubeadm   as the kubeadm guide for highly available clusters has it: a script every 3 s that asks the API through HAProxy, 10 failures
    keepalived-track     the process is looked for each second (`pgrep -x haproxy`), advertisements each second
    keepalived-fast      likewise, VRRP version 3 with advertisements each 100 ms

track_process, which hears of a death from the kernel, cannot be played here: the kernel tells only the first network namespace (netlink's process
connector; keepalived says "Failed to set/clear process event listen - Connection refused"). With it a killed HAProxy is noticed in milliseconds.

Each run begins with the lab as it is; Fairlead and Corosync are ended on every gateway, then these are started.
"""
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass

from drills.cases import Case, freeze_node, lose_carrier, processes_of, unplug
from support.waiting import wait_for

HAPROXY = """global
    maxconn 4000
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    balance leastconn
frontend api
    bind *:6443
    default_backend masters
backend masters
    option httpchk
    http-check connect ssl
    http-check send meth GET uri /readyz
    http-check expect status 200
    default-server verify none {check}
{servers}
"""
CHECK = """#!/bin/sh
curl -sfk --max-time 2 https://localhost:6443/readyz -o /dev/null
"""


@dataclass(frozen=True)
class Peer:
    name: str
    check: str          # of HAProxy's servers
    instance: str       # lines of the vrrp_instance
    beside: str = ""    # blocks beside it
    version: int = 2


_TRACKED = 'vrrp_script haproxy {\n  script "/usr/bin/pgrep -x haproxy"\n  interval 1\n  fall 1\n  rise 1\n}\n'
PEERS = [
    Peer("keepalived-kubeadm", "inter 10s downinter 5s rise 2 fall 2", "  advert_int 1\n  track_script { api }\n",
         'vrrp_script api {\n  script "/etc/lab/check.sh"\n  interval 3\n  weight -2\n  fall 10\n  rise 2\n}\n'),
    Peer("keepalived-track", "inter 1s rise 2 fall 2", "  advert_int 1\n  track_script { haproxy }\n", _TRACKED),
    Peer("keepalived-fast", "inter 1s rise 2 fall 2", "  advert_int 0.1\n  track_script { haproxy }\n", _TRACKED, version=3),
]


def keepalived_conf(peer, rank, vip):
    first = "MASTER" if rank == 0 else "BACKUP"
    return (f"global_defs {{\n  script_user root\n  enable_script_security\n  vrrp_version {peer.version}\n}}\n{peer.beside}"
            f"vrrp_instance api {{\n  state {first}\n  interface lan\n  virtual_router_id 51\n  priority {101 - rank}\n{peer.instance}"
            f"  virtual_ipaddress {{\n    {vip}/24\n  }}\n}}\n")


class PeerGateways:
    """Both programs on every gateway of the lab, instead of Fairlead."""

    def __init__(self, lab, peer, number):
        self.lab = lab
        self.peer = peer
        self.number = number

    def start(self):
        lab, peer = self.lab, self.peer
        gates = [g["name"] for g in lab.nodes("gateway")]
        lab.end_programs()
        servers = "".join(f"    server {n['name']} {n['links'][0]['address']}:6443 check\n" for n in lab.nodes("backend"))
        for rank, name in enumerate(gates):
            self.write(name, "haproxy.cfg", HAPROXY.format(check=peer.check, servers=servers))
            self.write(name, "keepalived.conf", keepalived_conf(peer, rank, lab.vip[0]))
            self.write(name, "check.sh", CHECK, 0o755)
            lab.start(name, ["haproxy", "-db", "-f", "/etc/lab/haproxy.cfg"], f"haproxy-{name}-{self.number}")
        for name in gates:
            wait_for(lambda name=name: self.answers(name, "localhost"), 30, f"HAProxy answers on {name}")
        logs = [lab.start(name, ["keepalived", "-n", "-l", "-D", "-f", "/etc/lab/keepalived.conf", "-p", "/run/k.pid", "-r", "/run/v.pid"],
                          f"keepalived-{name}-{self.number}") for name in gates]
        # Before its first verdict a script counts as failing, and the first failure of HAProxy would be noticed at once.
        wait_for(lambda: all(log.stderr().count(") succeeded") > log.stderr().count(") failed") for log in logs), 60, "keepalived's scripts succeed")
        wait_for(lambda: lab.holder() == gates[0], 90, f"{gates[0]} holds the VIP")
        wait_for(lambda: self.answers("client", lab.vip[0]), 30, "HAProxy answers through the VIP")

    def write(self, node, name, text, mode=0o644):
        path = os.path.join(self.lab.files(node), "etc/lab", name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)

    def answers(self, node, host):
        try:
            return self.lab.exec(node, "curl", "-sk", "--max-time", "1", f"https://{host}:6443/readyz")
        except RuntimeError:
            return False

    def pids(self, node, program):
        """Every process of that name in the node."""
        found = []
        for pid in processes_of(self.lab.node(node)["keeper"]):
            try:
                with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
                    if file.read().strip() == program:
                        found.append(pid)
            except OSError:
                continue
        return found

    def close(self):
        """Ends them in order where there is power; HAProxy, which may be stopped, at once."""
        for program, number in (("keepalived", signal.SIGTERM), ("haproxy", signal.SIGKILL)):
            for gate in self.lab.nodes("gateway"):
                for pid in self.pids(gate["name"], program) if gate["on"] else ():
                    _signal(pid, number)
        wait_for(lambda: not any(self.pids(g["name"], program) for g in self.lab.nodes("gateway") if g["on"] for program in ("keepalived", "haproxy")), 10,
                 "keepalived and HAProxy have ended")


def _signal(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass   # A child, which ended with its parent.


def _found(scene, program):
    """The processes of that name in the holder; one at least."""
    found = scene.gateways.pids(scene.holder, program)
    if not found:
        raise RuntimeError(f"no {program} runs on {scene.holder}")
    return sorted(found)


def _all(scene, program, number):
    for pid in _found(scene, program):
        os.kill(pid, number)


def planned(scene):
    """keepalived has no word for it; what people do is stop it where the address is. The first process is the parent, which ends the others."""
    os.kill(_found(scene, "keepalived")[0], signal.SIGTERM)


# The cases they can play. The process is HAProxy: it is what serves, as fairleadd does.
CASES = [
    Case("planned", planned),
    Case("kill-process", lambda s: _all(s, "haproxy", signal.SIGKILL)),
    Case("hang-process", lambda s: _all(s, "haproxy", signal.SIGSTOP)),
    Case("kill-node", lambda s: s.lab.power_off(s.holder), watch=5),
    Case("kill-standby", lambda s: s.lab.power_off(s.standbys[-1]), watch=5),
    Case("freeze-node", freeze_node, watch=5),
    Case("cut-link", lambda s: unplug(s, s.holder), watch=5),
    Case("lose-carrier", lose_carrier, watch=5),
]


def missing():
    """Their programs that are not installed."""
    return [program for program in ("keepalived", "haproxy") if not shutil.which(program)]


def versions():
    """"Keepalived v2.2.7 (01/16,2022), HAProxy version 2.6.12-1+deb12u4 2026/10/17"."""
    said = []
    for argv in (["keepalived", "--version"], ["haproxy", "-v"]):
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        said.append((done.stdout + done.stderr).splitlines()[0].partition(" - ")[0])
    return ", ".join(said)
