"""A whole machine for a test: network, host name, /etc, /var/lib, /run of its own, and systemctl's place taken. Nothing of it is seen outside,
and nothing of it stays.

    machine = Machine(lab, "gate-1", {"corosync.service": ["corosync", "-f"]})
    machine.run("fairlead", "status")
"""
import os

from support.fairlead import BIN
from support.waiting import wait_for

# $1: a folder to build /etc in. Secrets of the host are in the copy: it is a tmpfs of this mount namespace.
_KEEPER = """set -e
hostname "$2"
mkdir "$1" && mount -t tmpfs none "$1" && cp -a /etc/. "$1" && rm -rf "$1/fairlead" "$1/corosync/authkey" && mount --bind "$1" /etc
mount -t tmpfs none /var/lib && mkdir -p /var/lib/corosync /var/lib/fairlead
mount -t tmpfs none /run && mkdir -p /run/fairlead /run/systemd/system
mount -t tmpfs none /dev/shm
echo ready
exec tail -f /dev/null
"""
# What systemd would do is done by the test: here it is only asked.
_SYSTEMCTL = """#!/bin/sh
echo "$*" >>/run/systemd/asked
case "$1" in is-active) exit 3 ;; esac
"""


class Machine:
    """`units`: what `systemctl start` or `restart` of them means."""

    def __init__(self, lab, name, units):
        self.host = lab.node(name)
        self.units = units
        self.started = []
        self.dir = self.host.dir
        self._programs = os.path.join(self.dir, "bin")
        os.mkdir(self._programs)
        with open(os.path.join(self._programs, "systemctl"), "w", encoding="ascii") as file:
            file.write(_SYSTEMCTL)
        os.chmod(file.name, 0o755)
        self._keeper = self.host.spawn(["unshare", "--mount", "--uts", "--propagation", "private", "sh", "-c", _KEEPER, "sh",
                                        os.path.join(self.dir, "etc"), name], "keeper")
        wait_for(lambda: self._keeper.running and "ready" in self._keeper.stdout(), 10, f"the machine is there: {self._keeper.stderr()}")
        self.root = f"/proc/{self._keeper.pid}/root"
        self._env = dict(os.environ, PATH=f"{self._programs}:{os.path.abspath(BIN)}:{os.environ['PATH']}")
        self._env.pop("FAIRLEAD_SOCKET", None)

    def _inside(self, argv):
        return ["nsenter", f"--mount=/proc/{self._keeper.pid}/ns/mnt", f"--uts=/proc/{self._keeper.pid}/ns/uts", *argv]

    def run(self, *argv):
        return self.host.run(self._inside(argv), env=self._env)

    def spawn(self, argv, name):
        return self.host.spawn(self._inside(argv), name, env=self._env)

    def read(self, path):
        with open(self.root + path, encoding="utf-8") as file:
            return file.read()

    def asked(self):
        """What systemctl was asked so far."""
        return self.read("/run/systemd/asked").splitlines() if os.path.exists(self.root + "/run/systemd/asked") else []

    def obey(self):
        """Starts what systemctl was asked to start, once."""
        for line in self.asked():
            verb, unit = line.split()[0], line.split()[-1]
            if verb in ("start", "restart") and unit in self.units and unit not in self.started:
                self.started.append(unit)
                self.spawn(self.units[unit], unit)
