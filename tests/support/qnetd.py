"""corosync-qnetd on a node of a CorosyncLab, with its own CA, and corosync-qdevice on the others: certificates by the tools of the packages,
as an operator makes them (docs/operating/cluster.md)."""
import os
import shutil

from support.waiting import wait_for

_QNETD = "/etc/corosync/qnetd/nssdb"
_QDEVICE = "/etc/corosync/qdevice/net/nssdb"


def why_unavailable():
    """None when it can be run here; else the reason."""
    missing = [tool for tool in ("corosync-qnetd", "corosync-qdevice", "certutil") if shutil.which(tool) is None]
    return f"{', '.join(missing)} not installed" if missing else None


def with_qdevice(conf, host):
    """A corosync.conf of support.corosync_lab with a qdevice in place of two_node; timing as Fairlead renders it."""
    device = (f"  device {{\n    model: net\n    votes: 1\n    timeout: 1000\n    sync_timeout: 3000\n"
              f"    net {{\n      host: {host}\n      port: 5403\n      algorithm: ffsplit\n      tls: required\n    }}\n  }}\n")
    return conf.replace("  two_node: 1\n", "").replace("  wait_for_all: 0\n", f"  wait_for_all: 0\n{device}")


def _done(node, *argv):
    done = node.run(list(argv), timeout=60)
    if done.returncode != 0:
        raise RuntimeError(f"{argv} on {node.host.name}: {done.stdout}{done.stderr}")


def _copy(from_node, path, to_node, to_path):
    os.makedirs(os.path.dirname(to_node.root + to_path), exist_ok=True)
    shutil.copyfile(from_node.root + path, to_node.root + to_path)


class Qnetd:
    """`place`: the node it runs on; `nodes`: those it votes for, of cluster `name`."""

    def __init__(self, place, nodes, name="lab"):
        self.place = place
        self.nodes = nodes
        self.name = name
        self.process = None
        self.devices = {}

    def make_certificates(self):
        os.makedirs(f"{self.place.root}/etc/corosync/qnetd", exist_ok=True)
        _done(self.place, "corosync-qnetd-certutil", "-i", "-G")
        for node in self.nodes:
            _copy(self.place, f"{_QNETD}/qnetd-cacert.crt", node, "/run/ca.crt")
            _done(node, "corosync-qdevice-net-certutil", "-i", "-c", "/run/ca.crt")
        first = self.nodes[0]
        _done(first, "corosync-qdevice-net-certutil", "-r", "-n", self.name)
        _copy(first, f"{_QDEVICE}/qdevice-net-node.crq", self.place, "/run/node.crq")
        _done(self.place, "corosync-qnetd-certutil", "-s", "-c", "/run/node.crq", "-n", self.name)
        _copy(self.place, f"{_QNETD}/cluster-{self.name}.crt", first, "/run/cluster.crt")
        _done(first, "corosync-qdevice-net-certutil", "-M", "-c", "/run/cluster.crt")
        for node in self.nodes[1:]:
            _copy(first, f"{_QDEVICE}/qdevice-net-node.p12", node, "/run/node.p12")
            _done(node, "corosync-qdevice-net-certutil", "-m", "-c", "/run/node.p12")

    def start(self):
        self.process = self.place.spawn(["corosync-qnetd", "-f"], "qnetd")

    def start_devices(self):
        """After Corosync answers on each node; waits for the vote."""
        for node in self.nodes:
            wait_for(lambda n=node: n.run(["corosync-quorumtool", "-s"]).returncode in (0, 2), 20, "Corosync answers")
            self.devices[node.number] = node.spawn(["corosync-qdevice", "-f"], "qdevice")
        for node in self.nodes:
            wait_for(lambda n=node: f"Total votes:      {len(self.nodes) + 1}" in n.run(["corosync-quorumtool", "-s"]).stdout, 20,
                     "the device votes")
