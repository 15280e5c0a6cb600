"""apt and dpkg for the packages that come from elsewhere than Debian's own archive: known names can be installed, at any version; the real
dpkg-query answers for all others."""
import os
import re
import shutil
import subprocess

from stub_common import Failure, at, read_state, record, write, write_state

KUBE = ("kubeadm", "kubelet", "kubectl", "cri-tools", "kubernetes-cni")
OTHERS = ("curl gpg corosync dnsmasq-base nftables corosync-qdevice conntrackd iputils-ping runc docker.io containerd.io containerd chrony conntrack socat "
          "ethtool fairlead corosync-qnetd etcd-server etcd-client").split()


def _known(name):
    return name in KUBE or name in OTHERS


def apt_get(arguments):
    record("apt-get", arguments)
    words = [a for a in arguments if not a.startswith("-")]
    packages = read_state("packages", {})
    if not words or words[0] in ("update", "clean"):
        return 0
    if words[0] in ("install", "remove", "purge"):
        at(f"apt-{words[0]}:before")
        for word in words[1:]:
            name, _, version = word.partition("=")
            if "/" in name:
                name, version = _unpack(name)
            if words[0] != "install":
                packages.pop(name, None)
            elif not _known(name):
                raise Failure(f"E: Unable to locate package {name}", 100)
            elif name in read_state("held", []) and packages.get(name) not in (None, version) and "--allow-change-held-packages" not in arguments:
                raise Failure("E: Held packages were changed and -y was used without --allow-change-held-packages.", 100)
            else:
                # "1.36.4-*" is the newest build of that version.
                packages[name] = version.replace("*", "1.1") or packages.get(name) or "1.0-1"
        write_state("packages", packages)
        if "etcd-client" in packages and os.path.exists("/opt/etcd/etcdctl") and not os.path.exists("/usr/bin/etcdctl"):
            shutil.copy("/opt/etcd/etcdctl", "/usr/bin/etcdctl")
        at(f"apt-{words[0]}:after")
    return 0


def _unpack(path):
    """A package's file: what is in it comes to its place, and a daemon that runs is restarted, as Fairlead's own package does it."""
    name, version = (subprocess.run(["dpkg-deb", "-f", path, field], capture_output=True, text=True, check=True).stdout.strip() for field in ("Package", "Version"))
    subprocess.run(["dpkg-deb", "-x", path, "/"], check=True)
    if name == "fairlead" and subprocess.run(["systemctl", "is-active", "--quiet", "fairleadd"], check=False).returncode == 0:
        subprocess.run(["systemctl", "restart", "fairleadd"], check=True)
    return name, version


def apt_mark(arguments):
    record("apt-mark", arguments)
    held = set(read_state("held", []))
    if arguments and arguments[0] == "showhold":
        print("\n".join(sorted(held)))
        return 0
    if arguments and arguments[0] in ("hold", "unhold"):
        held = held | set(arguments[1:]) if arguments[0] == "hold" else held - set(arguments[1:])
        write_state("held", sorted(held))
    return 0


def apt_cache(arguments):
    record("apt-cache", arguments)
    return 0


def dpkg(arguments):
    if arguments and arguments[0] == "--print-architecture":
        print("amd64")
        return 0
    record("dpkg", arguments)
    if arguments and arguments[0] in ("-i", "--install"):
        return apt_get(["install", *arguments[1:]])
    return subprocess.run(["/usr/bin/dpkg", *arguments], check=False).returncode


def dpkg_query(arguments):
    """-W -f FORMAT NAME...: ours in the caller's format, the others by the real one."""
    packages = read_state("packages", {})
    held = read_state("held", [])
    form, names = "${Package}\t${Version}\n", []
    left = list(arguments)
    while left:
        word = left.pop(0)
        if word in ("-f", "--showformat"):
            form = left.pop(0)
        elif word.startswith(("-f=", "--showformat=")):
            form = word.split("=", 1)[1]
        elif word.startswith("-f") and len(word) > 2:
            form = word[2:]
        elif not word.startswith("-"):
            names.append(word)
    ours = [name for name in names if name in packages]
    for name in ours:
        values = {"Package": name, "Version": packages[name], "Status": f"{'hold' if name in held else 'install'} ok installed", "db:Status-Status": "installed",
                  "db:Status-Abbrev": "hi " if name in held else "ii ", "binary:Package": name, "Architecture": "amd64", "db:Status-Want": "hold" if name in held else "install"}
        print(re.sub(r"\$\{([^};]+)[^}]*\}", lambda found, v=values: v.get(found[1], ""), form).replace("\\n", "\n").replace("\\t", "\t"), end="")
    others = [name for name in names if name not in packages]
    # What is a stub here is never the host's own package of that name.
    images_only = ("etcd-client", "etcd-server") if os.path.exists("/opt/etcd") else ()
    others = [name for name in others if name not in (*KUBE, *images_only)]
    if not others:
        return 0 if len(ours) == len(names) else 1
    return subprocess.run(["/usr/bin/dpkg-query", "-W", f"-f={form}", *others], stderr=subprocess.DEVNULL, check=False).returncode


def install_now(versions):
    """For the lab: what an image had already."""
    write_state("packages", versions)
    write("/var/lib/stub/.made", "")
