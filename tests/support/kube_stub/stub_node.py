#!/usr/bin/python3
"""Stands in for the programs of a Kubernetes node that no Debian package has: kubeadm, kubelet, kubectl and what they need of systemd and
packages. Each writes the files and prints the texts of the real one in the places where somebody looks; etcd is the real one.

    stub_node.py PROGRAM ARGUMENT...        (a machine's programs are links to tests/netns/stub_call.cc, which has stub_server.py do the same)

/etc/stub/fail   lines "POINT TEXT": the program prints TEXT at POINT and fails as the real one would (see stub_common.POINTS)
/etc/stub/hold   lines "POINT -": the program waits at POINT; /etc/stub/held says that it does, /etc/stub/go lets it go on
/var/log/stub.jsonl   every call: program, arguments, standard input
/var/log/stub_ends.jsonl   every call that came to its end: program, arguments, exit code, seconds since boot at its begin and its end
/var/log/stub_secrets   tokens and keys that were made here
"""
import importlib
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import stub_common  # noqa: E402

# Only the module of the one that is called is imported.
MODULES = {
    "stub_kubeadm": ("kubeadm",),
    "stub_kubectl": ("kubectl",),
    "stub_packages": ("apt-get", "apt-mark", "apt-cache", "dpkg-query", "dpkg"),
    "stub_system": ("kubelet", "systemctl", "containerd", "runc", "crictl", "ctr", "modprobe", "sysctl", "swapoff", "hostnamectl", "reboot", "curl", "gpg"),
}


def program_of(name):
    module = next(module for module, names in MODULES.items() if name in names)
    return getattr(importlib.import_module(module), name.replace("-", "_"))


def call(program, arguments):
    """The program's exit code."""
    try:
        code = program_of(program)(arguments)
    except stub_common.Failure as failure:
        print(failure.text, file=sys.stderr)
        code = failure.code
    stub_common.record_end(program, arguments, code)
    return code


if __name__ == "__main__":
    sys.exit(call(sys.argv[1], sys.argv[2:]))
