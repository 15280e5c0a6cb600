#!/usr/bin/python3
"""Stands in for the programs of a Kubernetes node that no Debian package has: kubeadm, kubelet, kubectl and what they need of systemd and
packages. Each writes the files and prints the texts of the real one in the places where somebody looks; etcd is the real one.

    stub_node.py PROGRAM ARGUMENT...        (the machine has a wrapper of each program's name that calls it so)

/etc/stub/fail   lines "POINT TEXT": the program prints TEXT at POINT and fails as the real one would (see stub_common.POINTS)
/etc/stub/hold   lines "POINT -": the program waits at POINT; /etc/stub/held says that it does, /etc/stub/go lets it go on
/var/log/stub.jsonl   every call: program, arguments, standard input
/var/log/stub_ends.jsonl   every call that came to its end: program, arguments, exit code, seconds since boot at its begin and its end
/var/log/stub_secrets   tokens and keys that were made here
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import stub_common  # noqa: E402
import stub_kubeadm  # noqa: E402
import stub_kubectl  # noqa: E402
import stub_packages  # noqa: E402
import stub_system  # noqa: E402

PROGRAMS = {
    "kubeadm": stub_kubeadm.main,
    "kubectl": stub_kubectl.main,
    "kubelet": stub_system.kubelet,
    "systemctl": stub_system.systemctl,
    "containerd": stub_system.containerd,
    "runc": stub_system.runc,
    "crictl": stub_system.crictl,
    "ctr": stub_system.ctr,
    "modprobe": stub_system.modprobe,
    "sysctl": stub_system.sysctl,
    "swapoff": stub_system.nothing,
    "hostnamectl": stub_system.hostnamectl,
    "reboot": stub_system.reboot,
    "curl": stub_system.curl,
    "gpg": stub_system.gpg,
    "apt-get": stub_packages.apt_get,
    "apt-mark": stub_packages.apt_mark,
    "apt-cache": stub_packages.apt_cache,
    "dpkg-query": stub_packages.dpkg_query,
    "dpkg": stub_packages.dpkg,
}


def main():
    program, arguments = sys.argv[1], sys.argv[2:]
    try:
        code = PROGRAMS[program](arguments)
    except stub_common.Failure as failure:
        print(failure.text, file=sys.stderr)
        code = failure.code
    stub_common.record_end(program, arguments, code)
    sys.exit(code)


main()
