"""Machines with a real sshd for a test: network, processes, host name, /etc, /var/lib, /run of their own, and users of their own. All of one
goes with its first process.

    door = SshMachine(lab, "bastion", key)
    door.sshd()
"""
import os
import shutil
import subprocess

from support.waiting import wait_for

USER = "debian"

# $1: a folder to build /etc in. Secrets of the host are in the copy: it is a tmpfs of this mount namespace.
_KEEPER = """set -e
hostname "$2"
mkdir "$1" && mount -t tmpfs none "$1" && cp -a /etc/. "$1"
rm -rf "$1/fairlead" "$1/corosync" "$1/kubernetes" "$1/ssh" && mkdir -p "$1/ssh/keys" && mount --bind "$1" /etc
sed -i 's,^root:.*,root:x:0:0:root:/run:/bin/sh,' /etc/passwd
echo 'debian:x:4001:4001::/tmp:/bin/sh' >>/etc/passwd
echo 'debian:x:4001:' >>/etc/group
echo 'debian:*:19000:0:99999:7:::' >>/etc/shadow
mkdir -p /etc/sudoers.d && echo 'debian ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/debian && chmod 440 /etc/sudoers.d/debian
echo "127.0.0.1 localhost $2.kube.demo $2" >/etc/hosts
mount -t tmpfs none /var/lib && mkdir -p /var/lib/fairlead
mount -t tmpfs none /run && mkdir -p /run/sshd
mkdir -p /run/small && mount -t tmpfs -o size=200k none /run/small
echo ready
exec bash -c 'tail -f /dev/null & while :; do wait; done'   # It reaps what has lost its parent.
"""
_CONFIG = """HostKey /etc/ssh/host_key
{certificate}AuthorizedKeysFile /etc/ssh/keys/%u
{trusted}StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
PidFile none
LogLevel VERBOSE
MaxStartups {startups}
"""


def why_unavailable():
    """None where such machines can be had; else the reason."""
    missing = [program for program in ("/usr/sbin/sshd", "/usr/bin/sudo", "/usr/bin/ssh") if not os.path.exists(program)]
    return f"not installed: {', '.join(missing)} (scripts/setup.sh)" if missing else None


def make_key(path, *options):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path, *options], check=True, stdin=subprocess.DEVNULL)
    return path


class SshMachine:
    """`key`: path of the key that may log in, as root and as `debian`."""

    def __init__(self, lab, name, key):
        self.name = name
        self.host = lab.node(name)
        self.address = self.host.address
        self.dir = self.host.dir
        self._count = 0
        self._keeper = self.host.spawn(
            ["unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private", "sh", "-c", _KEEPER, "sh",
             os.path.join(self.dir, "etc"), name], "keeper")
        wait_for(lambda: "ready" in self._keeper.stdout(), 20, f"{name} is there: {self._keeper.stderr()}")
        with open(f"/proc/{self._keeper.pid}/task/{self._keeper.pid}/children", encoding="ascii") as file:
            self.pid = int(file.read().split()[0])
        self.root = f"/proc/{self.pid}/root"
        for user in ("root", USER):
            shutil.copy(f"{key}.pub", f"{self.root}/etc/ssh/keys/{user}")
        self.new_host_key()

    def new_host_key(self):
        """As after an installation: the next sshd has it."""
        for suffix in ("", ".pub", "-cert.pub"):
            if os.path.exists(os.path.join(self.dir, "host_key" + suffix)):
                os.unlink(os.path.join(self.dir, "host_key" + suffix))
        self.host_key = make_key(os.path.join(self.dir, "host_key"))

    def inside(self, argv):
        return ["nsenter", "--target", str(self.pid), "--mount", "--uts", "--pid", "--", *argv]

    def run(self, *argv):
        return self.host.run(self.inside(argv))

    def shell(self, script):
        done = self.run("sh", "-c", script)
        assert done.returncode == 0, f"{self.name}: {script}: {done.stderr}"
        return done.stdout

    def sshd(self, port=22, startups="50:30:100", certificate=False, trusted=""):
        """Starts one; returns it. Its log: `.stderr()`."""
        self._count += 1
        suffixes = ["", ".pub"] + (["-cert.pub"] if certificate else [])
        for suffix in suffixes:
            shutil.copy(self.host_key + suffix, f"{self.root}/etc/ssh/host_key{suffix}")
            os.chmod(f"{self.root}/etc/ssh/host_key{suffix}", 0o600)
        with open(f"{self.root}/etc/ssh/sshd_config", "w", encoding="ascii") as file:
            file.write(_CONFIG.format(startups=startups, trusted=f"TrustedUserCAKeys {trusted}\n" if trusted else "",
                                      certificate="HostCertificate /etc/ssh/host_key-cert.pub\n" if certificate else ""))
        server = self.host.spawn(self.inside(["/usr/sbin/sshd", "-D", "-e", "-p", str(port), "-f", "/etc/ssh/sshd_config"]), f"sshd{self._count}")
        wait_for(lambda: "Server listening on 0.0.0.0" in server.stderr(), 10, f"{self.name}: sshd listens: {server.stderr()}")
        return server

    def end_sessions(self):
        """Cuts every connection that is there now: the processes that serve them are killed, the listener is not."""
        self.shell("for p in /proc/[0-9]*; do grep -aq '^sshd: .*\\(\\[priv\\]\\|@notty\\)' $p/cmdline 2>/dev/null && kill -9 ${p#/proc/}; done; true")

    def read(self, path):
        with open(self.root + path, encoding="utf-8") as file:
            return file.read()

    def write(self, path, text):
        os.makedirs(os.path.dirname(self.root + path), exist_ok=True)
        with open(self.root + path, "w", encoding="utf-8") as file:
            file.write(text)

    def pretend(self, path, text):
        """A file of /proc that says something else from now on."""
        self.write("/run/pretended", text)
        self.shell(f"mount --bind /run/pretended {path}")
