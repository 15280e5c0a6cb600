"""A VM host for tests: a network namespace with a site file in it, a tiny image, and fairlead; with a libvirtd of its own when asked for.

The image's system is a boot sector: it says `fairlead guest` on its serial port, sleeps, and powers itself off when its power button is
pressed (ACPI, by the ports that qemu's q35 firmware sets). It needs no kernel and boots by emulation in a second.
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile

from support import netns
from support.fairlead import BIN
from support.waiting import wait_for

WORDS = b"fairlead guest\r\n"
_LIBVIRT_FOLDERS = ("/etc/libvirt", "/var/lib/libvirt", "/var/cache/libvirt", "/var/log/libvirt")


def why_unavailable(*programs):
    reason = netns.why_unavailable()
    for program in ("qemu-system-x86_64", "qemu-img", "xorriso", "ssh-keygen", *programs):
        if reason is None and shutil.which(program) is None:
            reason = f"{program} is not installed (scripts/setup.sh test guest)"
    if reason is None and not os.path.exists("/dev/net/tun"):
        reason = "no /dev/net/tun: VMs would have no cards"
    return reason


def boot_sector():
    code = bytearray()
    for byte in WORDS:
        code += bytes((0xba, 0xf8, 0x03, 0xb0, byte, 0xee))       # mov dx, 0x3f8; mov al, BYTE; out dx, al
    code += bytes((0xba, 0x02, 0x06, 0xb8, 0x00, 0x01, 0xef))     # PM1 enable (0x602): the power button
    code += bytes((0xfb, 0xf4))                                   # sti; hlt: the timer wakes it
    code += bytes((0xba, 0x00, 0x06, 0xed, 0xf6, 0xc4, 0x01))     # PM1 status (0x600): was it pressed?
    code += bytes((0x74, 0xf5))                                   # jz back to sti
    code += bytes((0xba, 0x04, 0x06, 0xb8, 0x00, 0x20, 0xef))     # PM1 control (0x604): sleep state 5
    code += bytes((0xf4, 0xeb, 0xfd))
    assert len(code) <= 510
    return bytes(code.ljust(510, b"\0")) + b"\x55\xaa"


class VmHost:
    """`with VmHost("qemu") as host`."""

    def __init__(self, driver, libvirtd=False):
        self.driver = driver
        self.libvirtd = libvirtd
        self.folder = tempfile.mkdtemp(prefix="fl-vms.")   # Short: sockets lie below it.
        self.site = os.path.join(self.folder, "site.yaml")
        self.state = os.path.join(self.folder, "s")
        self.namespace = netns.NetworkNamespace()
        self.env = {}
        self._mounts = None
        self._made = []

    def __enter__(self):
        try:
            self._write_site()
            self._write_image()
            if self.libvirtd:
                self._start_libvirtd()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for folder, _, names in os.walk(self.folder):
            for name in names:
                if name == "pid" or name.endswith(".pid"):   # Ours, and libvirt's own.
                    self._kill(os.path.join(folder, name))
        if self._mounts:
            self._mounts.send_signal(signal.SIGTERM)
            self._mounts.wait(20)
            self._mounts = None
        for folder in self._made:   # Mounted on in a mount namespace that is gone; here they are empty.
            if os.path.isdir(folder):
                os.rmdir(folder)
        self.namespace.close()
        shutil.rmtree(self.folder)

    @staticmethod
    def _kill(path):
        try:
            with open(path, encoding="ascii") as file:
                pid = int(file.read())
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if b"qemu-system" in file.read():
                    os.kill(pid, signal.SIGKILL)
        except (OSError, ValueError):
            pass

    def _write_site(self):
        key = os.path.join(self.folder, "key")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "anna@laptop", "-f", key], check=True)
        text = subprocess.run([f"{BIN}/fairlead", "bootstrap", "init", "--output", "-"], capture_output=True, text=True, check=True).stdout
        for before, after in (("external: true, router: 10.0.2.1}", "external: true, router: 10.0.2.1, attach: br0}"),
                              ("~/.ssh/id_ed25519", key), ("./demo.state", self.state)):
            assert before in text, before
            text = text.replace(before, after)
        text += f"vms: {{driver: {self.driver}, image: base, sizes: {{control-plane: {{cpus: 1, memory: 256MiB, disk: 64MiB}}}}}}\n"
        with open(self.site, "w", encoding="utf-8") as file:
            file.write(text)

    def _write_image(self):
        os.makedirs(f"{self.state}/images", mode=0o700)
        os.chmod(self.state, 0o700)
        raw = os.path.join(self.folder, "raw")
        with open(raw, "wb") as file:
            file.write(boot_sector().ljust(1 << 20, b"\0"))
        subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, f"{self.state}/images/base.qcow2"], check=True)

    def _start_libvirtd(self):
        """A libvirtd in mounts of its own: its folders, its /run, and the user it runs machines as."""
        etc = os.path.join(self.folder, "etc")
        os.makedirs(etc)
        with open(f"{etc}/qemu.conf", "w", encoding="ascii") as file:
            file.write('user = "root"\ngroup = "root"\ndynamic_ownership = 0\nremember_owner = 0\ncgroup_controllers = []\n'
                       'security_driver = "none"\nnamespaces = []\nstdio_handler = "file"\n')
        with open(f"{etc}/libvirtd.conf", "w", encoding="ascii") as file:
            file.write(f'auth_unix_rw = "none"\nlisten_tls = 0\nlog_outputs = "3:file:{self.folder}/libvirtd.log"\n')
        self._made = [folder for folder in _LIBVIRT_FOLDERS if not os.path.isdir(folder)]   # Before the mounts.
        script = ["set -e", f"cd {self.folder}"]
        for folder in _LIBVIRT_FOLDERS:
            name = "etc" if folder == "/etc/libvirt" else folder.strip("/").replace("/", "-")
            script += [f"mkdir -p {folder} {name}", f"mount --bind {name} {folder}"]
        for name, line in (("passwd", "libvirt-qemu:x:64055:64055::/nonexistent:/usr/sbin/nologin"), ("group", "libvirt-qemu:x:64055:")):
            script += [f"cp /etc/{name} {name}", f"echo {line} >>{name}", f"mount --bind {name} /etc/{name}"]
        script += ["mkdir -p /var/log/libvirt/qemu", "mkdir run", "mount --bind run /run", "ip link set lo up", "echo mounted", "exec libvirtd -f /etc/libvirt/libvirtd.conf"]
        with self.namespace.entered():
            self._mounts = subprocess.Popen(["unshare", "-m", "--propagation", "private", "bash", "-c", "\n".join(script)],
                                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self._mounts.stdout.readline() == "mounted\n"
        wait_for(lambda: self.run("virsh", "-c", "qemu:///system", "uri").returncode == 0 or self._mounts.poll() is not None, 60,
                 "libvirtd answers")
        assert self._mounts.poll() is None, self._log()

    def _log(self):
        with open(f"{self.folder}/libvirtd.log", encoding="utf-8") as file:
            return file.read()[-2000:]

    def run(self, *argv, env=None, timeout=120):
        """The CompletedProcess of a program on the host."""
        inside = ["nsenter", "-t", str(self._mounts.pid), "-m", "-n"] if self._mounts else []
        with self.namespace.entered():
            return subprocess.run([*inside, *argv], capture_output=True, text=True, check=False, timeout=timeout, stdin=subprocess.DEVNULL,
                                  env={**os.environ, **self.env, **(env or {})}, cwd="/")

    def fairlead(self, *words, **options):
        return self.run(f"{BIN}/fairlead", "machine", words[0], "--site", self.site, *words[1:], **options)

    def states(self):
        done = self.fairlead("list", "--json")
        assert done.returncode == 0, done.stderr
        return {one["machine"]: one["state"] for one in json.loads(done.stdout)}

    def vm_folder(self, machine):
        return f"{self.state}/vms/{machine}"

    def ask_qemu(self, machine, command, arguments=None):
        """By its own monitor, not by the program under test. None: nobody is there."""
        with socket.socket(socket.AF_UNIX) as qmp:
            qmp.settimeout(20)
            try:
                qmp.connect(f"{self.vm_folder(machine)}/qmp")
            except OSError:
                return None
            answers = qmp.makefile()
            answers.readline()
            for order, words in (("qmp_capabilities", None), (command, arguments)):
                qmp.sendall(json.dumps({"execute": order, **({"arguments": words} if words else {})}).encode() + b"\n")
                while "return" not in (answer := json.loads(answers.readline())):
                    assert "error" not in answer, answer
            return answer["return"]

    def pid(self, machine):
        with open(f"{self.vm_folder(machine)}/pid", encoding="ascii") as file:
            return int(file.read())

    def console(self, machine):
        with open(f"{self.vm_folder(machine)}/console.log", "rb") as file:
            return file.read()
