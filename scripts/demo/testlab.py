"""The lab of the demonstration: `fairlead lab up --attach`, and what of it has to be known here. It ends with this process, however that ends."""
import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess

from support.fairlead import BIN, Gateway
from support.process import Spawner, has_ended
from support.waiting import wait_for

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
FAIRLEAD = os.path.join(BIN, "fairlead")


class _Here:
    """Where children of this process run: on the machine itself."""

    @staticmethod
    def entered():
        return contextlib.nullcontext()


class TestLab:
    """`name` is taken; with a number when there is one of that name already."""

    def __init__(self, folder, name="demo", options=()):
        self.folder = folder
        self._spawner = Spawner()
        self._taken = {}
        self._ending = []   # Keepers that were killed: all of a node ends with its keeper, and that takes a moment.
        self._options = options
        self.name = name
        try:
            self._up(options)
        except BaseException:
            self.close()
            raise
        self.vip = (self.status()["vip"]["address"], self.status()["vip"]["port"])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _up(self, options):
        for name in (self.name, f"{self.name}-{os.getpid()}"):
            if os.path.exists(f"/run/fairlead-lab/{name}/state") and self._is_up(name):
                continue
            self.name = name
            self._attached = self.spawn([FAIRLEAD, "lab", "--name", name, "up", "--attach", *options], f"lab-{name}")
            wait_for(lambda: "is up after" in self._attached.stdout() or not self._attached.running, 60, f"lab {name} is up")
            if self._attached.running:
                return
            if "another `fairlead lab` is at work" not in self._attached.stderr():
                break
        raise RuntimeError(f"fairlead lab up: {self._attached.stderr().strip()}")

    @staticmethod
    def _is_up(name):
        return subprocess.run([FAIRLEAD, "lab", "--name", name, "status"], capture_output=True, check=False).returncode == 0

    def close(self):
        attached = getattr(self, "_attached", None)
        if attached and attached.running:
            attached.stop(15)
        self._spawner.close()

    # ---- the command ----
    def command(self, *arguments):
        done = subprocess.run([FAIRLEAD, "lab", "--name", self.name, *arguments], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise RuntimeError(f"fairlead lab {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def exec(self, node, *argv):
        return self.command("exec", node, *argv)

    def heal(self):
        """Daemons that ended, nodes that were switched off, ports that were taken down or from their bridge are there again. Rules of nftables, tc and
        stopped processes are left as they are."""
        wait_for(lambda: all(map(has_ended, self._ending)), 10, "what was switched off has ended")   # `lab up` takes one that is ending for alive.
        self._ending.clear()
        self.command("up", *self._options)

    def status(self):
        return json.loads(subprocess.run([FAIRLEAD, "lab", "--name", self.name, "status", "--json"], capture_output=True, text=True, check=True).stdout)

    def start(self, node, argv, name):
        """A child in a node; it ends with this process. Its standard output goes to FOLDER/NAME.stdout."""
        return self.spawn([FAIRLEAD, "lab", "--name", self.name, "exec", node, *argv], name)

    def spawn(self, argv, name):
        return self._spawner.start(argv, node=_Here, log_dir=self.folder, name=name)

    # ---- nodes ----
    def node(self, name):
        return next(n for n in self.status()["nodes"] if n["name"] == name)

    def nodes(self, role):
        return [n for n in self.status()["nodes"] if n["role"] == role]

    def holder(self):
        holders = self.status()["vip"]["holders"]
        return holders[0] if len(holders) == 1 else None

    def files(self, node):
        """The node's file tree, as this machine sees it."""
        return os.path.join("/proc", str(self.node(node)["keeper"]), "root")

    def pid(self, node, program):
        return next(p["pid"] for p in self.node(node)["programs"] if p["name"] == program)

    def macs(self):
        """{mac of the service link: name of the gateway}"""
        return {link["mac"]: n["name"] for n in self.nodes("gateway") for link in n["links"] if link["device"] == "lan"}

    def end_programs(self, *names):
        """On every gateway, which keeps its power."""
        def running():
            return [program["pid"] for gate in self.nodes("gateway") for program in gate["programs"] if program["name"] in names and program["pid"]]
        for pid in running():
            os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not running() and not self.status()["vip"]["holders"], 20, f"{' and '.join(names)} have ended on every gateway")

    def gate(self, name):
        return LabGate(self, self.node(name))

    # ---- cables and power ----
    def unplug(self, name):
        """Cuts the node off, and its cards see nothing of it: its ports leave their bridges. Returns what plugs them in again."""
        ports = self._ports(name)
        self.exec("switch", "sh", "-c", self._cut(ports))
        return lambda: self.exec("switch", "sh", "-c", " && ".join(f"ip link set {port} master {bridge}" for port, bridge in ports.items()))

    def power_off(self, name):
        self.power_switch(name)()

    def power_switch(self, name):
        """What switches a node off, at once when it is called: cut off first, then ended, so that nothing of it says goodbye. Its cards keep their
        carrier: a daemon that saw its service link go would hand the address over by the ring, and a machine without power cannot."""
        keeper, cut = self.node(name)["keeper"], self._cut(self._ports(name))

        def off():
            self.exec("switch", "sh", "-c", cut)
            os.kill(keeper, signal.SIGKILL)
            self._ending.append(keeper)
        return off

    def _ports(self, name):
        """{port of the switch: its bridge}"""
        return {link["port"]: link["device"] for link in self.node(name)["links"]}

    @staticmethod
    def _cut(ports):
        return " && ".join(f"ip link set {port} nomaster" for port in ports)


class LabGate(Gateway):
    """The daemon of a gateway, reached through the node's own files."""

    def __init__(self, lab, node):
        self.name = node["name"]
        self.node = _Machine
        root = f"/proc/{node['keeper']}/root"
        self.socket_path = f"{root}/run/fairlead/fairlead.sock"
        self.config_path = f"{root}/etc/fairlead/fairlead.yaml"
        self.config = {"pools": [{"name": "masters", "servers": [{}]}]}
        with open(self.config_path, encoding="utf-8") as file:
            self._text = file.read()
        self.process = type("Daemon", (), {"pid": lab.pid(node["name"], "fairleadd")})


    def write(self, text=None):
        """The node's file with what `pool()` says about idle_timeout and the first server's weight."""
        pool = self.pool()
        text = self._text.replace("    balance:", f"    idle_timeout: {pool.get('idle_timeout', '1h')}\n    balance:")
        text = text.replace(":6443\"}", f":6443\", weight: {pool['servers'][0].get('weight', 100)}}}", 1)
        with open(self.config_path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(self.config_path + ".new", self.config_path)


class _Machine:
    @staticmethod
    def run(argv, **options):
        return subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=20, check=False, stdin=subprocess.DEVNULL, **options)


class LabClient:
    """A node for support.load: its sockets are made in the network of the lab's client."""

    def __init__(self, keeper):
        self._network = os.open(f"/proc/{keeper}/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    def connect(self, address, timeout=5.0, receive_buffer=None, source=None):
        del receive_buffer, source
        _enter(self._network)
        try:
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        finally:
            _enter(_home)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(timeout)
            sock.connect(address)
        except BaseException:
            sock.close()
            raise
        return sock

    def close(self):
        os.close(self._network)


def _enter(descriptor):
    """The calling thread alone."""
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def why_unavailable():
    """None when a lab can be made here; else the reason."""
    if os.geteuid() != 0:
        return "not root"
    tried = subprocess.run(["unshare", "--mount", "--net", "--uts", "--pid", "--fork", "--mount-proc", "mount", "-t", "tmpfs", "none", "/run"],
                           capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        return (tried.stderr.strip().splitlines() or ["namespaces cannot be made"])[-1]
    return None


def leave_on_signals():
    """What would end this process unheard ends it in order: nothing of a lab stays, not even its folder."""
    def leave(number, _frame):
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
