"""Gateways that run something else instead of Fairlead, in the same lab: what is common to all that Fairlead is compared with."""
import os
import signal
import subprocess
from dataclasses import dataclass
from typing import Callable

from drills.cases import Case, freeze_node, lose_carrier, processes_of, unplug

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


class Gateways:
    """`number`: of the run, for names of its own."""

    def __init__(self, lab, number):
        self.lab = lab
        self.number = number

    def start(self):
        """Ends Fairlead, starts the others; returns when clients are served as they would be from now on."""
        raise NotImplementedError

    def close(self):
        """Ends the others."""
        raise NotImplementedError

    def move(self, holder):
        """A planned move away from the holder, as people do it."""
        raise NotImplementedError

    def names(self):
        return [gate["name"] for gate in self.lab.nodes("gateway")]

    def write(self, node, name, text, mode=0o644):
        path = os.path.join(self.lab.files(node), "etc/lab", name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)

    def write_haproxy(self, node, check):
        servers = "".join(f"    server {n['name']} {n['links'][0]['address']}:6443 check\n" for n in self.lab.nodes("backend"))
        self.write(node, "haproxy.cfg", HAPROXY.format(check=check, servers=servers))

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

    def signal_all(self, node, program, number):
        """To every process of that name in the node; one at least."""
        found = self.pids(node, program)
        if not found:
            raise RuntimeError(f"no {program} runs on {node}")
        for pid in found:
            os.kill(pid, number)


@dataclass(frozen=True)
class Peer:
    """Something that Fairlead is compared with."""
    name: str
    programs: dict         # {program that has to be installed: arguments with which it says its version}
    gateways: Callable     # (lab, number) -> Gateways

    def version(self):
        """"Keepalived v2.2.7 (01/16,2022), HAProxy version 2.6.12-1+deb12u4 2026/10/17"."""
        said = []
        for program, arguments in self.programs.items():
            done = subprocess.run([program, *arguments], capture_output=True, text=True, check=True)
            said.append((done.stdout + done.stderr).splitlines()[0].partition(" - ")[0])
        return ", ".join(said)


# The cases they can play. The process is HAProxy: it is what serves, as fairleadd does.
CASES = [
    Case("planned", lambda s: s.gateways.move(s.holder)),
    Case("kill-process", lambda s: s.gateways.signal_all(s.holder, "haproxy", signal.SIGKILL)),
    Case("hang-process", lambda s: s.gateways.signal_all(s.holder, "haproxy", signal.SIGSTOP)),
    Case("kill-node", lambda s: s.lab.power_off(s.holder), watch=5),
    Case("kill-standby", lambda s: s.lab.power_off(s.standbys[-1]), watch=5),
    Case("freeze-node", freeze_node, watch=5),
    Case("cut-link", lambda s: unplug(s, s.holder), watch=5),
    Case("lose-carrier", lose_carrier, watch=5),
]
