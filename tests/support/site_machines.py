"""Machines of a site for `fairlead bootstrap`: each has networks, a root file system, processes and a real sshd of its own; what Kubernetes
would bring is a stub (kube_stub/), etcd, Corosync and fairleadd are real.

    with Site({"mast": "192.168.1.0/24"}) as site:
        mast = site.machine("mast-1", {"mast": "192.168.1.11"})
        operator = site.operator()
        operator.run("fairlead", "bootstrap", "plan", site_file)
        mast.read("/etc/kubernetes/admin.conf")

A machine's root is an overlay over this machine's: what it writes lies in the lab's folder and goes with it. Its processes are in a PID
namespace, so that they all end with its keeper.
"""
import compileall
import contextlib
import ipaddress
import os
import shutil
import stat
import subprocess
import uuid

from support.fairlead import BIN
from support.lab import Lab
from support.waiting import wait_for

_STUB = os.path.join(os.path.dirname(os.path.abspath(__file__)), "kube_stub")
_STUB_CALL = "/usr/local/sbin/stub_call"
_STUB_PROGRAMS = ("kubeadm kubectl kubelet systemctl containerd runc crictl ctr modprobe sysctl swapoff hostnamectl reboot curl gpg apt-get apt-mark apt-cache "
                  "dpkg-query dpkg").split()
# What a namespace has not got of its own, or not as a machine of the field has it.
_STAND_INS = ("systemd=yes\ncgroup_version=2\ncpus=2\nmemory=4GiB\nswap=no\nmodules.overlay=yes\nmodules.br_netfilter=yes\n"
              "sysctls.net.bridge.bridge-nf-call-iptables=1\nsysctls.net.bridge.bridge-nf-call-ip6tables=1\n")
# $1: the machine's folder, $2: its name. The last command is PID 1 there: bash, because it reaps what others leave.
_KEEPER = """set -e
hostname "$2"
mount -t overlay overlay -o lowerdir=/,upperdir="$1/upper",workdir="$1/work" "$1/root"
cd "$1/root"
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
for at in run tmp var/tmp dev/shm root; do mkdir -p "$at"; mount -t tmpfs -o mode=0755 none "$at"; done
chmod 1777 tmp var/tmp dev/shm
mkdir -p run/sshd run/fairlead run/systemd/system run/stub
cp "$1/boot_id" run/stub/boot_id
mount --bind run/stub/boot_id proc/sys/kernel/random/boot_id
exec chroot . /bin/bash -c 'echo ready; while :; do sleep 3600 & wait $!; done'
"""
_SSHD_CONFIG = """Include /etc/ssh/sshd_config.d/*.conf
Port 22
HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile /etc/ssh/authorized_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
PermitRootLogin prohibit-password
StrictModes no
MaxStartups 100
MaxSessions 100
SetEnv PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
Subsystem sftp internal-sftp
"""


def why_unavailable():
    """None when such machines can be made here; else the reason."""
    from support import netns
    for program, package in (("/usr/sbin/sshd", "openssh-server"), ("/usr/bin/etcd", "etcd-server"), ("/usr/sbin/corosync", "corosync")):
        if not os.path.exists(program):
            return f"{program} is missing (package {package})"
    return netns.why_unavailable()


class Site:
    """Networks by name, and machines on them."""

    def __init__(self, networks):
        self.networks = {name: ipaddress.ip_network(cidr) for name, cidr in networks.items()}
        self.lab = Lab(mode="namespaces")
        self.machines = {}
        try:
            with self.lab._switch.entered():
                for number in range(len(self.networks)):
                    _ip("link", "add", "name", f"net{number}", "type", "bridge")
                    _ip("link", "set", "dev", f"net{number}", "up")
            self.key = os.path.join(self.lab.dir, "operator_key")
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key], check=True)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def machine(self, name, addresses, gateway=None, packages=None, etcd_in_images_only=False):
        """`addresses`: network -> address. `packages`: what the image had already, name -> version. `etcd_in_images_only`: etcd and etcdctl are
        not on its PATH, until a package brings them."""
        self.machines[name] = SiteMachine(self, name, addresses, gateway, packages or {}, etcd_in_images_only)
        return self.machines[name]

    def operator(self):
        """The operator's machine: in every network, without a stub."""
        addresses = {name: str(network.broadcast_address - 4) for name, network in self.networks.items()}
        self.machines["operator"] = SiteMachine(self, "operator", addresses, None, None)
        return self.machines["operator"]

    def plug_in(self, host, port, network):
        """A card of the network's name for a node, whose other end is `port` of its bridge; returns the bridge."""
        bridge = f"net{list(self.networks).index(network)}"
        with self.lab._switch.entered():
            _ip("link", "add", "name", port, "type", "veth", "peer", "name", network[:15], "netns", host.namespace_path)
            _ip("link", "set", "dev", port, "master", bridge, "up")
        with host.entered():
            _ip("link", "set", "dev", network[:15], "up")
        return bridge

    def stubs(self):
        """The stubs' folder, compiled once for all machines."""
        folder = os.path.join(self.lab.dir, "kube_stub")
        if not os.path.exists(folder):
            shutil.copytree(_STUB, folder, ignore=shutil.ignore_patterns("__pycache__"))
            compileall.compile_dir(folder, ddir="/opt/kube_stub", quiet=2)
        return folder

    def close(self):
        with contextlib.ExitStack() as everything:   # One that fails keeps no other from going.
            everything.callback(self.lab.close)
            for machine in self.machines.values():
                everything.callback(machine.close)


def _ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


class SiteMachine:
    """One of them. `root` is its file system as this process sees it."""

    def __init__(self, site, name, addresses, gateway, packages, etcd_in_images_only=False):
        self.site, self.name, self.addresses = site, name, addresses
        self.is_stub = packages is not None
        self.packages, self.etcd_in_images_only = packages, etcd_in_images_only
        self.host = site.lab.node(name)
        self.dir = self.host.dir
        for folder in ("upper", "work", "root"):
            os.mkdir(os.path.join(self.dir, folder))
        self._keeper = self._sshd = None
        self._plug_in(gateway)
        self._prepare(packages)
        self.boot()

    def _plug_in(self, gateway):
        number = len(self.site.machines)
        self._ports = {}   # Of the switch: its bridge.
        with self.host.entered():
            _ip("link", "del", "eth0")
        for index, (network, address) in enumerate(self.addresses.items()):
            port = f"m{number}p{index}"
            self._ports[port] = self.site.plug_in(self.host, port, network)
            with self.host.entered():
                _ip("addr", "add", f"{address}/{self.site.networks[network].prefixlen}", "dev", network[:15])
        if gateway:
            with self.host.entered():
                _ip("route", "add", "default", "via", gateway)

    def _upper(self, path, text, mode=0o644):
        """A file of the machine before it is mounted."""
        full = os.path.join(self.dir, "upper", path.lstrip("/"))
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(full, mode)

    def _prepare(self, packages):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", os.path.join(self.dir, "host_key")], check=True)
        for ending, mode in (("", 0o600), (".pub", 0o644)):
            with open(os.path.join(self.dir, "host_key" + ending), encoding="utf-8") as key:
                self._upper("/etc/ssh/ssh_host_ed25519_key" + ending, key.read(), mode)
        with open(self.site.key + ".pub", encoding="utf-8") as key:
            self._upper("/etc/ssh/authorized_keys", key.read())
        self._upper("/etc/ssh/sshd_config", _SSHD_CONFIG)
        self._upper("/etc/hostname", self.name + "\n")
        self._upper("/etc/machine-id", uuid.uuid4().hex + "\n")
        for program in ("fairlead", "fairleadd", "fairlead-dhcp-event"):
            target = os.path.join(self.dir, "upper/usr/local/bin", program)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.symlink(os.path.join(os.path.abspath(BIN), program), target)
        self._upper("/etc/resolv.conf", "options timeout:1 attempts:1\n")
        if not self.is_stub:
            with open(self.site.key, encoding="utf-8") as key:
                self._upper("/etc/ssh/operator_key", key.read(), 0o600)
            return
        self._upper("/etc/fairlead/stand-in-facts", f"{_STAND_INS}product_uuid={uuid.uuid4()}\n")
        shutil.copytree(self.site.stubs(), os.path.join(self.dir, "upper/opt/kube_stub"))
        folder = os.path.join(self.dir, "upper/usr/local/sbin")
        os.makedirs(folder, exist_ok=True)
        shutil.copy(os.path.join(BIN, "stub_call"), folder)  # Not a link out of the machine: where that leads nowhere, the real program would be called.
        for program in _STUB_PROGRAMS:
            os.symlink("stub_call", os.path.join(folder, program))
        # Facts ask real servers by curl.
        os.unlink(os.path.join(folder, "curl"))
        stub = f'exec {_STUB_CALL} curl "$@"'
        self._upper("/usr/local/sbin/curl", f'#!/bin/sh\ncase "$*" in *//pkgs.k8s.io/* | *//download.docker.com/*) {stub} ;; esac\nexec /usr/bin/curl "$@"\n', 0o755)
        import json
        self._upper("/var/lib/stub/packages.json", json.dumps(packages))
        if self.etcd_in_images_only:
            self._hide_etcd()

    def _hide_etcd(self):
        os.makedirs(os.path.join(self.dir, "upper/opt/etcd"))
        os.makedirs(os.path.join(self.dir, "upper/usr/bin"), exist_ok=True)
        for program in ("etcd", "etcdctl"):
            shutil.copy(os.path.realpath(f"/usr/bin/{program}"), os.path.join(self.dir, "upper/opt/etcd", program))
            os.mknod(os.path.join(self.dir, "upper/usr/bin", program), stat.S_IFCHR, 0)  # An overlay's word for "deleted".

    def install_anew(self):
        """Another machine of its name and addresses: nothing of what was on it, and another host key."""
        self.power_off()
        for folder in ("upper", "work"):
            shutil.rmtree(os.path.join(self.dir, folder))
            os.mkdir(os.path.join(self.dir, folder))
        for ending in ("", ".pub"):
            os.unlink(os.path.join(self.dir, "host_key" + ending))
        self._prepare(self.packages)
        self.boot()

    def boot(self):
        with open(os.path.join(self.dir, "boot_id"), "w", encoding="ascii") as file:
            file.write(f"{uuid.uuid4()}\n")
        self._keeper = self.host.spawn(["unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--propagation", "private", "sh", "-c", _KEEPER, "sh",
                                        self.dir, self.name], f"keeper-{uuid.uuid4().hex[:6]}")
        wait_for(lambda: self._keeper.running and "ready" in self._keeper.stdout(), 20, f"{self.name} is there: {self._keeper.stderr()}")
        with open(f"/proc/{self._keeper.pid}/task/{self._keeper.pid}/children", encoding="ascii") as children:
            self.pid = int(children.read().split()[0])
        self.root = f"/proc/{self.pid}/root"
        self.start_sshd()
        if self.is_stub:
            stubs = self.spawn(["/usr/bin/python3", "-B", "/opt/kube_stub/stub_server.py"], f"stubs-{uuid.uuid4().hex[:6]}")
            wait_for(lambda: "ready" in stubs.stdout(), 60, f"the stubs of {self.name}: {stubs.stderr()}")

    def start_sshd(self):
        self._sshd = self.host.spawn(self.inside(["/usr/sbin/sshd", "-D", "-e"]), f"sshd-{uuid.uuid4().hex[:6]}")
        wait_for(self._answers, 20, f"sshd of {self.name}: {self._sshd.stderr()}")

    def stop_sshd(self):
        self._sshd.kill()

    def new_host_key(self):
        """As after an installation."""
        path = f"{self.root}/etc/ssh/ssh_host_ed25519_key"
        os.unlink(path)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True, stdin=subprocess.DEVNULL)
        self.stop_sshd()
        self.start_sshd()

    def _answers(self):
        with self.host.connect((next(iter(self.addresses.values())), 22), timeout=1) as sock:
            return sock.recv(4) == b"SSH-"

    def power_off(self):
        """Everything in it ends at once."""
        self._keeper.kill()

    def lose(self):
        """As power_off(), and nothing of it says goodbye: it is cut off first, and its cards see nothing of that."""
        with self.site.lab._switch.entered():
            for port in self._ports:
                _ip("link", "set", "dev", port, "nomaster")
        self.power_off()

    def reboot(self):
        self.power_off()
        self.boot()

    def inside(self, argv):
        return ["nsenter", f"--mount=/proc/{self.pid}/ns/mnt", f"--uts=/proc/{self.pid}/ns/uts", f"--ipc=/proc/{self.pid}/ns/ipc", f"--pid=/proc/{self.pid}/ns/pid",
                f"--root={self.root}", f"--wd={self.root}", *argv]

    def run(self, *argv, timeout=60, env=None):
        return self.host.run(self.inside(argv), timeout=timeout, env=env)

    def spawn(self, argv, name, env=None):
        return self.host.spawn(self.inside(argv), name, env=env)

    def read(self, path):
        with open(self.root + path, encoding="utf-8") as file:
            return file.read()

    def write(self, path, text, mode=0o644):
        full = self.root + path
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(full, mode)

    def exists(self, path):
        return os.path.lexists(self.root + path)

    def mode(self, path):
        return stat.S_IMODE(os.stat(self.root + path).st_mode)

    def calls(self, program=None):
        """What the stubs were called with: [{"program", "arguments", "stdin"}]."""
        import json
        if not self.exists("/var/log/stub.jsonl"):
            return []
        lines = [json.loads(line) for line in self.read("/var/log/stub.jsonl").splitlines()]
        return [line for line in lines if program in (None, line["program"])]

    def ends(self, program=None):
        """Of those calls that came to their end: [{"program", "arguments", "code", "began", "ended"}], seconds since boot."""
        import json
        if not self.exists("/var/log/stub_ends.jsonl"):
            return []
        lines = [json.loads(line) for line in self.read("/var/log/stub_ends.jsonl").splitlines()]
        return [line for line in lines if program in (None, line["program"])]

    def end_sessions(self):
        """Cuts every ssh connection that is there now: the processes that serve them are killed, the listener is not."""
        self.run("sh", "-c", "for p in /proc/[0-9]*; do grep -aq '^sshd: .*\\(\\[priv\\]\\|@notty\\)' $p/cmdline 2>/dev/null && kill -9 ${p#/proc/}; done; true")

    def fail_at(self, point, text):
        self.write("/etc/stub/fail", f"{point} {text}\n")

    def hold_at(self, point):
        """The next program that comes to this point waits there."""
        for name in ("held", "go"):
            if self.exists(f"/etc/stub/{name}"):
                os.unlink(f"{self.root}/etc/stub/{name}")
        self.write("/etc/stub/hold", f"{point} -\n")

    def is_held(self):
        return self.exists("/etc/stub/held")

    def let_go(self):
        self.write("/etc/stub/hold", "")
        self.write("/etc/stub/go", "")

    def close(self):
        if self._keeper:
            self._keeper.kill()
