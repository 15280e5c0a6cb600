"""A gateway as a virtual machine: qemu by emulation, Debian's cloud kernel, and a file system in memory with this machine's corosync and
fairleadd. It stands on a node of a lab in the place of that node: with its address, behind its port of the bridge.

    guest = Guest(lab.node("gate-1"), {"corosync.conf": text, "authkey": key, "fairlead.yaml": text})
    guest.stop_clocks()     # as a hypervisor does that suspends a machine: its clocks stand still
    guest.go_on()
    guest.freeze()          # as a hypervisor without time for it: its clocks run on
    guest.thaw()
    guest.end()
"""
import contextlib
import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess

from support.fairlead import BIN
from support.waiting import wait_for

PACKAGE = "linux-image-cloud-amd64"
MODULES = ("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "failover", "net_failover",
           "virtio_net")   # In the order to load them.
PROGRAMS = ("corosync", "corosync-quorumtool", "ip")
DATA = ("/usr/lib/x86_64-linux-gnu/kronosnet",)   # libknet loads them when it runs.

_INIT = """#!/bin/busybox sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
/bin/busybox mkdir -p /proc /sys /dev /run /tmp /var/lib/corosync /var/log /root
/bin/busybox --install -s /bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mkdir -p /dev/shm
ln -s /run /var/run
mount -t tmpfs none /dev/shm
for module in @MODULES@; do insmod /modules/$module || echo "no $module"; done
sysctl -q -w net.ipv6.conf.default.accept_dad=0
/usr/sbin/ip link set lo up
/usr/sbin/ip link set eth0 up
/usr/sbin/ip addr add @ADDRESS@/16 dev eth0
hostname @NAME@
ulimit -n 4096
corosync -f >/dev/console 2>&1 &
fairleadd --config /etc/fairlead.yaml
echo "fairleadd ended with $?"
poweroff -f
"""


def why_unavailable():
    """None when a guest can be run here; else the reason."""
    for program in ("qemu-system-x86_64", "busybox", "apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            return f"{program} is not installed (scripts/setup.sh guest)"
    return None


def _kernel():
    """The folder of Debian's cloud kernel, taken out of its package: nothing is installed."""
    folder = os.path.join(os.path.dirname(BIN), "guest-kernel")
    if glob.glob(f"{folder}/boot/vmlinuz-*"):
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder + ".new", exist_ok=True)
    for attempt in ("with the lists there are", "with new ones"):
        depends = subprocess.run(["apt-cache", "depends", PACKAGE], capture_output=True, text=True, check=False).stdout
        package = re.search(r"Depends: (linux-image-\S+)", depends)
        if package and subprocess.run(["apt-get", "download", "-q", package.group(1)], cwd=folder + ".new", check=False).returncode == 0:
            break
        subprocess.run(["apt-get", "update", "-q"], check=True, capture_output=True)
    else:
        raise RuntimeError(f"apt-get download {PACKAGE}, {attempt}: it did not come")
    subprocess.run(["dpkg-deb", "-x", glob.glob(f"{folder}.new/*.deb")[0], folder + ".new"], check=True)
    os.rename(folder + ".new", folder)
    return folder


def _modules(kernel):
    found = [glob.glob(f"{kernel}/lib/modules/*/kernel/**/{name}.ko", recursive=True) for name in MODULES]
    return [paths[0] for paths in found if paths]   # One that is missing is built in.


def _libraries(program):
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return re.findall(r"(/\S+) \(0x", listed)


class Guest:
    def __init__(self, node, files):
        self.node = node
        self.name = node.name
        self.address = node.address
        self.mac = f"52:54:00:00:00:{int(node.address.rsplit('.', 1)[1]):02x}"
        self.dir = os.path.join(node.dir, "guest")
        self._qmp_path = os.path.join(self.dir, "qmp")
        self._console = os.path.join(self.dir, "console")
        os.makedirs(self.dir)
        kernel = _kernel()
        image = self._make_image(kernel, files)
        self._take_the_nodes_place()
        self.process = node.spawn(
            ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", "512", "-nodefaults", "-no-reboot", "-display", "none",
             "-kernel", glob.glob(f"{kernel}/boot/vmlinuz-*")[0], "-initrd", image, "-append", "console=ttyS0 quiet panic=-1",
             "-serial", f"file:{self._console}", "-qmp", f"unix:{self._qmp_path},server=on,wait=off",
             "-netdev", "tap,id=net,ifname=tap0,script=no,downscript=no", "-device", f"virtio-net-pci,netdev=net,mac={self.mac},romfile="],
            "qemu")

    def _take_the_nodes_place(self):
        for command in ("addr flush dev eth0", "link add br0 type bridge forward_delay 0", "link set eth0 master br0",
                        "tuntap add tap0 mode tap", "link set tap0 master br0", "link set tap0 up", "link set br0 up"):
            done = self.node.run(["ip", *command.split()])
            assert done.returncode == 0, done.stderr

    def _make_image(self, kernel, files):
        root = os.path.join(self.dir, "root")
        modules = _modules(kernel)
        self._copy("/bin/busybox" if os.path.exists("/bin/busybox") else shutil.which("busybox"), f"{root}/bin/busybox")
        for program in [*(shutil.which(p) for p in PROGRAMS), f"{BIN}/fairleadd"]:
            self._copy(program, f"{root}/usr/sbin/{os.path.basename(program)}")
            for library in _libraries(program):
                self._copy(library, root + library)
        for folder in DATA:
            for path in glob.glob(f"{folder}/*.so"):
                self._copy(path, root + path)
                for library in _libraries(path):
                    self._copy(library, root + library)
        for path in modules:
            self._copy(path, f"{root}/modules/{os.path.basename(path)}")
        subprocess.run(["strip", f"{root}/usr/sbin/fairleadd"], check=True)
        for name, data in files.items():
            path = f"{root}/etc/{name}" if name == "fairlead.yaml" else f"{root}/etc/corosync/{name}"
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(data if isinstance(data, bytes) else data.encode())
            os.chmod(path, 0o600)
        with open(f"{root}/init", "w", encoding="utf-8") as file:
            file.write(_INIT.replace("@ADDRESS@", self.address).replace("@NAME@", self.name)
                       .replace("@MODULES@", " ".join(os.path.basename(path) for path in modules)))
        os.chmod(f"{root}/init", 0o755)
        image = os.path.join(self.dir, "initramfs")
        subprocess.run(f"find . | busybox cpio -o -H newc >{image}", shell=True, cwd=root, check=True, capture_output=True)
        shutil.rmtree(root)
        return image

    @staticmethod
    def _copy(source, target):
        if not os.path.exists(target):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy(source, target)

    def console(self):
        with contextlib.suppress(OSError), open(self._console, encoding="utf-8", errors="replace") as file:
            return file.read()
        return ""

    def said(self, message):
        """How often the daemon logged it."""
        return len(re.findall(rf" {message} ", self.console()))

    def await_daemon(self, timeout=120):
        wait_for(lambda: self.said("DAEMON_STARTED") or not self.process.running, timeout, f"{self.name} has booted")
        if not self.process.running:
            raise RuntimeError(f"{self.name} ended:\n{self.console()[-2000:]}")

    def _ask(self, command):
        with socket.socket(socket.AF_UNIX) as qmp:
            qmp.settimeout(10)
            qmp.connect(self._qmp_path)
            answers = qmp.makefile()
            answers.readline()   # The greeting.
            for order in ("qmp_capabilities", command):
                qmp.sendall(json.dumps({"execute": order}).encode() + b"\n")
                while "return" not in (answer := json.loads(answers.readline())):
                    if "error" in answer:
                        raise RuntimeError(answer["error"])

    def stop_clocks(self):
        self._ask("stop")

    def go_on(self):
        self._ask("cont")

    def freeze(self):
        self.process.freeze()

    def thaw(self):
        self.process.signal(signal.SIGCONT)

    def end(self):
        self.process.kill()
