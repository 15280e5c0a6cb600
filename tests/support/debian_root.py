"""A Debian 12 with nothing on it but what a package needs, and systemd as its first process: where a package is installed, run and removed.

    root = fresh_root(folder, deb)                       # made once for a set of dependencies, never changed afterwards
    machine = Machine(lab.node("gate"), root, [deb])     # an overlay of it in memory; its own mounts, processes, host name, control group
    machine.run(["systemctl", "start", "fairleadd"])

A machine ends with the process that started it, and all it wrote with it.
"""
import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess

from support import netns
from support.process import start_time
from support.waiting import wait_for

SUITE = "bookworm"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_GROUP = "fairlead-machine."
# What would start by itself and is not the matter here.
_MASKED = ("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "logrotate.timer", "e2scrub_all.timer", "fstrim.timer", "corosync.service",
           "systemd-timesyncd.service", "nginx.service", "cron.service", "getty.target", "systemd-networkd.service", "systemd-networkd.socket")
_MOUNTS = """
device() { mknod -m 666 "$root/dev/$1" c $2 $3; }
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 none "$root/dev"
device null 1 3; device zero 1 5; device full 1 7; device random 1 8; device urandom 1 9; device tty 5 0
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t tmpfs none "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
"""
_CHROOT = """
set -e
mount --make-rprivate /
root=$1; files=$2; shift 2
""" + _MOUNTS + """
mount --bind "$files" "$root/mnt"
exec chroot "$root" "$@"
"""
# An overlay whose upper folder is memory: of the root itself nothing changes.
_BOOT = """
set -e
mount --make-rprivate /
base=$1; files=$2
mount -t tmpfs -o mode=755 none /mnt
mkdir /mnt/upper /mnt/work /mnt/new
mount -t overlay -o "lowerdir=$base,upperdir=/mnt/upper,workdir=/mnt/work" overlay /mnt/new
cp -r "$files" /mnt/new/srv/files
root=/mnt/new
""" + _MOUNTS + """
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs tmpfs "$root/sys/fs/cgroup" 2>/dev/null || true
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 none "$root/run"
mkdir -p "$root/run/lock"
hostname gate-1
cd "$root"
pivot_root . mnt
umount -l /mnt
exec env -i container=other PATH=""" + PATH + """ /lib/systemd/systemd --system --unit=basic.target --log-target=journal --show-status=0
"""


def cgroup_mount():
    """Where the unified hierarchy is, or None."""
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        return next((line.split()[1] for line in mounts if line.split()[2] == "cgroup2"), None)


def why_unavailable():
    """None when such a machine can be had here; else the reason."""
    reason = netns.why_unavailable()
    if reason:
        return reason
    for program in ("mmdebstrap", "lintian", "dh_builddeb", "unshare", "nsenter"):
        if shutil.which(program) is None:
            return f"{program} is not installed (scripts/setup.sh package)"
    place = cgroup_mount()
    if place is None:
        return "no cgroup2 is mounted: systemd cannot be started"
    return None if os.access(place, os.W_OK) else f"{place} cannot be written: systemd cannot be started"


def _quiet(argv, what, timeout):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise RuntimeError(f"{what} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


def _in_root(root, files, argv, timeout=600):
    environment = ["env", "-i", f"PATH={PATH}", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C"]
    return _quiet(["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", _CHROOT, "sh", root, files, *environment, *argv], argv[0], timeout)


def fresh_root(folder, deb, more=()):
    """The folder of a Debian with all that `deb` depends on and recommends, and the packages `more`, but without it. Needs a mirror the first time.
    Errors: NoMirror; RuntimeError with what apt said."""
    wanted = _quiet(["dpkg-deb", "-f", deb, "Depends", "Recommends"], "dpkg-deb", 20)
    key = hashlib.sha256(repr((SUITE, wanted, more, _MASKED)).encode()).hexdigest()[:12]
    root = os.path.join(folder, f"{SUITE}-{key}")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.isdir(root):
            return root
        making = root + ".making"
        for name in os.listdir(folder):   # Of other dependencies, or half made.
            if name.startswith(SUITE):
                shutil.rmtree(os.path.join(folder, name))
        try:
            _quiet(["mmdebstrap", "--quiet", "--variant=minbase", "--skip=cleanup/apt/lists", SUITE, making], "mmdebstrap", 900)
        except RuntimeError as error:
            raise NoMirror(str(error)) from error
        shutil.rmtree(os.path.join(making, "dev"))
        os.mkdir(os.path.join(making, "dev"))
        policy = os.path.join(making, "usr/sbin/policy-rc.d")
        with open(policy, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\nexit 101\n")
        os.chmod(policy, 0o755)
        if os.path.exists("/etc/resolv.conf"):
            shutil.copy("/etc/resolv.conf", os.path.join(making, "etc/resolv.conf"))
        files = os.path.dirname(os.path.abspath(deb))
        planned = _in_root(making, files, ["apt-get", "install", "-s", f"/mnt/{os.path.basename(deb)}"])
        own = _quiet(["dpkg-deb", "-f", deb, "Package"], "dpkg-deb", 20).strip()
        names = [line.split()[1] for line in planned.splitlines() if line.startswith("Inst ")]
        _in_root(making, files, ["apt-get", "install", "-y", "-q", *(n for n in names if n != own), *more])
        _in_root(making, files, ["apt-get", "clean"])
        os.unlink(policy)
        for unit in _MASKED:
            place = os.path.join(making, "etc/systemd/system", unit)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(place)
            os.symlink("/dev/null", place)
        os.rename(making, root)
    return root


class NoMirror(RuntimeError):
    """No Debian can be fetched from here."""


class Machine:
    """`node`: of a lab, whose network it has. `files`: a folder, found at /srv/files. Runs until close(), or until this process ends."""

    def __init__(self, node, root, files):
        self.node = node
        _remove_stale_groups()
        self.group = os.path.join(cgroup_mount(), f"{_GROUP}{os.getpid()}.{start_time(os.getpid())}.{node.name}")
        os.mkdir(self.group)
        self._keeper = None
        try:
            # The control group first, then a namespace of it, so that systemd finds it as the root of all.
            enter = 'echo 0 > "$0/cgroup.procs"; exec unshare --mount --pid --uts --ipc --cgroup --fork --kill-child sh -c "$1" sh "$2" "$3"'
            self._keeper = node.spawn(["sh", "-c", enter, self.group, _BOOT, root, files], "machine")
            self.pid = wait_for(self._first_process, 20, "systemd is started")
            wait_for(lambda: self.run(["systemctl", "is-system-running"]).stdout.strip() in ("running", "degraded"), 60,
                     f"systemd is up: {self._keeper.stderr()}")
        except BaseException:
            self.close()
            raise

    def _first_process(self):
        with open(f"/proc/{self._keeper.pid}/task/{self._keeper.pid}/children", encoding="ascii") as file:
            child = int(file.read().split()[0])
        with open(f"/proc/{child}/comm", encoding="ascii") as file:
            return child if file.read().strip() == "systemd" else None

    def run(self, argv, timeout=60):
        """Runs a command there; returns subprocess.CompletedProcess with text."""
        return self.node.run(["nsenter", "--target", str(self.pid), "--mount", "--pid", "--uts", "--ipc", "--cgroup", "env", "-i", f"PATH={PATH}", "LC_ALL=C",
                              "DEBIAN_FRONTEND=noninteractive", *argv], timeout=timeout)

    def must(self, argv, timeout=60):
        """Its output; AssertionError when it fails."""
        done = self.run(argv, timeout)
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(argv)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def path(self, name):
        """Where a file of the machine is for this process."""
        return f"/proc/{self.pid}/root{name}"

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def property(self, unit, name):
        return self.must(["systemctl", "show", "-P", name, unit]).strip()

    def close(self):
        if self._keeper:
            self._keeper.kill()
        wait_for(lambda: _remove_group(self.group), 20, f"{self.group} is empty")


def _remove_group(path):
    """True when it is gone. What still runs in it is ended."""
    if not os.path.isdir(path):
        return True
    with contextlib.suppress(OSError):
        with open(os.path.join(path, "cgroup.kill"), "w", encoding="ascii") as file:
            file.write("1")
    for folder, _, _ in os.walk(path, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(folder)
    return not os.path.isdir(path)


def _remove_stale_groups():
    place = cgroup_mount()
    for name in os.listdir(place):
        pid, _, rest = name[len(_GROUP):].partition(".")
        if name.startswith(_GROUP) and start_time(pid) != rest.partition(".")[0]:
            _remove_group(os.path.join(place, name))
