"""A lab: nodes with an address each, joined by a bridge. Real network namespaces where they can be had, else addresses of loopback.

    with Lab() as lab:
        gate, client = lab.node("gate"), lab.node("client")
        server = gate.spawn(["nginx", ...], "nginx")
        sock = client.connect((gate.address, 6443))

Namespaces have no names (support/netns.py) and children die with this process, so a lab leaves nothing behind even when it is killed.
What does stay then is its folder in the temp dir: the next lab removes those of processes that are gone.
"""
import contextlib
import os
import random
import shutil
import socket
import subprocess
import tempfile

from support import netns
from support.process import Spawner, start_time

_PREFIX = "fairlead-lab."


class Lab:
    """Any number of nodes. `mode`: auto, namespaces or loopback; also by the environment variable FL_LAB."""

    def __init__(self, mode=None):
        mode = mode or os.environ.get("FL_LAB", "auto")
        reason = netns.why_unavailable() if mode != "loopback" else "asked for"
        if mode == "namespaces" and reason:
            raise RuntimeError(f"network namespaces are not available: {reason}")
        self.loopback_reason = reason   # None: namespaces
        self.nodes = {}
        self._reservation = None
        remove_stale_labs()
        self.dir = tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}.{start_time(os.getpid())}.")
        os.chmod(self.dir, 0o755)       # tests look at it as another user, too
        self._spawner = Spawner()
        self._switch = None
        try:
            if self.loopback_reason is None:
                self._switch = netns.NetworkNamespace()
                with self._switch.entered():
                    _ip("link add name br0 type bridge", "link set dev br0 up")
            else:
                self._reserve_loopback()
        except BaseException:
            self.close()
            raise

    @property
    def switch(self):
        """The namespace of the bridge br0; None without namespaces."""
        return self._switch

    @property
    def has_namespaces(self):
        return self.loopback_reason is None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def node(self, name):
        """A new node, or the one of that name."""
        if name not in self.nodes:
            number = len(self.nodes) + 1
            make = NamespaceNode if self.has_namespaces else LoopbackNode
            self.nodes[name] = make(self, name, number)
        return self.nodes[name]

    def host(self):
        """The machine the lab runs on, as a node."""
        if "host" not in self.nodes:
            self.nodes["host"] = HostNode(self)
        return self.nodes["host"]

    def close(self):
        """Ends every child and removes all. May be called twice."""
        self._spawner.close()
        for node in self.nodes.values():
            node.close()
        self.nodes = {}
        if self._switch:
            self._switch.close()
            self._switch = None
        if self._reservation:
            self._reservation.close()
            self._reservation = None
        if os.environ.get("FL_KEEP"):
            print(f"lab: kept {self.dir}")
        else:
            shutil.rmtree(self.dir, ignore_errors=True)

    def _reserve_loopback(self):
        """A /24 of 127/8 for this lab alone: whoever holds UDP port 9440 of its .254 owns it."""
        for _ in range(1000):
            base = f"127.{random.randint(1, 254)}.{random.randint(0, 255)}"
            flag = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                flag.bind((f"{base}.254", 9440))
            except OSError:
                flag.close()
                continue
            self._reservation = flag
            self.loopback_base = base
            return
        raise RuntimeError("no free part of 127.0.0.0/8 found")


class Node:
    """One machine of the lab."""

    def __init__(self, lab, name):
        self.lab = lab
        self.name = name
        self.dir = os.path.join(lab.dir, name)
        os.mkdir(self.dir, 0o755)

    def spawn(self, argv, name, **options):
        """Starts a child here. Options: nofile, env, stderr (a descriptor; default: a file)."""
        return self.lab._spawner.start(argv, node=self, log_dir=self.dir, name=name, **options)

    def run(self, argv, timeout=20, **options):
        """Runs a command here to its end; returns subprocess.CompletedProcess with text."""
        with self.entered():
            return subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=timeout, check=False,
                                  stdin=subprocess.DEVNULL, **options)

    def socket(self, kind=socket.SOCK_STREAM, family=socket.AF_INET):
        """A socket of this node; any thread may use it."""
        with self.entered():
            return socket.socket(family, kind)

    def connect(self, address, timeout=5.0, receive_buffer=None, source=None):
        """A TCP connection from this node. `source`: another address of this node."""
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        sock = self.socket(family=family)
        try:
            if receive_buffer:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._bind_source(sock, source)
            sock.settimeout(timeout)
            sock.connect(address)
        except BaseException:
            sock.close()
            raise
        return sock

    def listen(self, port=0, backlog=4096, reuse_port=False):
        """A listening TCP socket on this node's address."""
        sock = self.socket()
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if reuse_port:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.bind((self.address, port))
            sock.listen(backlog)
        except BaseException:
            sock.close()
            raise
        return sock

    def free_port(self):
        """A port nobody has on this node's address. Addresses belong to one lab, so nobody else races for it."""
        with self.listen() as sock:
            return sock.getsockname()[1]


class NamespaceNode(Node):
    """A network namespace with eth0 (10.77.0.N/16, fd77::N/64) on the lab's bridge."""

    def __init__(self, lab, name, number):
        super().__init__(lab, name)
        self.address = f"10.77.0.{number}"
        self.address6 = f"fd77::{number:x}"
        self.loopback = "127.0.0.1"
        self._number = number
        self._extra = 0
        self._port = f"port{number}"
        self._namespace = netns.NetworkNamespace()
        with self._namespace.entered():
            _sysctl("net/ipv6/conf/default/accept_dad", 0)
            _sysctl("net/ipv4/ip_local_port_range", "10000 65000")
            _ip("link set dev lo up")
        with lab._switch.entered():
            _ip(f"link add name {self._port} type veth peer name eth0 netns {self._namespace.path}",
                f"link set dev {self._port} master br0 up")
        with self._namespace.entered():
            _ip("link set dev eth0 up", f"addr add {self.address}/16 dev eth0", f"addr add {self.address6}/64 dev eth0 nodad")

    @property
    def namespace_path(self):
        return self._namespace.path

    def entered(self):
        return self._namespace.entered()

    def _bind_source(self, sock, source):
        if source:
            sock.bind((source, 0))

    def add_address(self):
        """One more address on eth0; returns it."""
        self._extra += 1
        address = f"10.77.{self._number}.{self._extra}"
        with self.entered():
            _ip(f"addr add {address}/16 dev eth0")
        return address

    def vanish(self):
        """The machine is gone from the network: nothing answers, nothing refuses."""
        with self.lab._switch.entered():
            _ip(f"link set dev {self._port} down")

    def come_back(self):
        with self.lab._switch.entered():
            _ip(f"link set dev {self._port} up")

    def cut_off(self):
        """As vanish(), and its card sees nothing of it."""
        with self.lab._switch.entered():
            _ip(f"link set dev {self._port} nomaster")

    def plug_in(self):
        """After cut_off()."""
        with self.lab._switch.entered():
            _ip(f"link set dev {self._port} master br0")

    def close(self):
        self._namespace.close()


class HostNode(Node):
    """This machine itself: for what a person is to reach from a browser, and for nothing else."""

    def __init__(self, lab):
        super().__init__(lab, "host")
        self.address = "127.0.0.1"

    def entered(self):
        return contextlib.nullcontext()

    def _bind_source(self, sock, source):
        pass

    def close(self):
        pass


class LoopbackNode(Node):
    """An address of loopback. Cannot vanish; everything else is the same."""

    def __init__(self, lab, name, number):
        super().__init__(lab, name)
        self.address = f"{lab.loopback_base}.{number}"
        self.address6 = None
        self.loopback = self.address
        self._extra = 0

    def entered(self):
        return contextlib.nullcontext()

    def _bind_source(self, sock, source):
        sock.bind((source or self.address, 0))

    def add_address(self):
        self._extra += 1
        return f"{self.lab.loopback_base}.{100 + 10 * self._extra + int(self.address.rpartition('.')[2])}"

    def close(self):
        pass


def remove_stale_labs():
    """Removes the folders of labs whose process is gone (its children and namespaces went with it)."""
    for name in os.listdir(tempfile.gettempdir()):
        if not name.startswith(_PREFIX):
            continue
        pid, _, rest = name[len(_PREFIX):].partition(".")
        if start_time(pid) != rest.partition(".")[0]:
            shutil.rmtree(os.path.join(tempfile.gettempdir(), name), ignore_errors=True)


def _ip(*commands):
    done = subprocess.run(["ip", "-batch", "-"], input="\n".join(commands) + "\n", capture_output=True, text=True, timeout=20, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"ip {commands}: {done.stderr.strip()}")


def _sysctl(key, value):
    with open(f"/proc/sys/{key}", "w", encoding="ascii") as file:
        file.write(str(value))
