"""The commands of docs/: a block that says where it runs (```sh on gate-1) is run there, in a lab, in the page's order.

    ```sh on NODE    a gateway of the lab, its client, or "holder" and "standby": a gateway that has the VIP, and one that has not

A page finds the lab whole. A command that can run and is in no such block has to be named below, with the reason.
"""
import os
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "scripts"))

from demo.testlab import FAIRLEAD, TestLab       # noqa: E402
from drills.measure import settle                # noqa: E402
from support.cluster_probe import main           # noqa: E402
from support.corosync_lab import why_unavailable   # noqa: E402
from support.fairlead import ROOT                # noqa: E402
from support.waiting import SCALE                # noqa: E402

GATEWAYS = 3
PROGRAMS = ("fairlead|fairleadd|curl|corosync-\\w+|systemctl|apt|apt-get|dpkg|crm|crm_\\w+|pcs|cibadmin|journalctl|promtool|openssl|tar|rm|cp|mv|ssh|scp|ip|make|sed|"
            "echo|printf|install|chmod|chown|getent|kubectl|kubeadm|docker|python3|source")
COMMAND = re.compile(rf"\s*(?:gate-\d# |\$ )?((?:{PROGRAMS}) .*)")
# Commands that are shown with what they say or cannot run in a lab: page, their beginning, why not here.
ELSEWHERE = [
    ("docs/operating/bootstrap.md", "fairlead bootstrap", "machines with sshd and stubs of kubeadm: tests/netns/test_bootstrap.py"),
    ("docs/operating/bootstrap.md", "openssl enc -d", "an archive and its passphrase: Archive.WithAPassphraseNothingCanBeReadWithoutIt"),
    ("docs/operating/cluster.md", "fairlead cluster setup", "tests/netns/test_cluster_verbs.py"),
    ("docs/operating/cluster.md", "fairlead cluster join", "tests/netns/test_cluster_verbs.py"),
    ("docs/operating/cluster.md", "fairlead init", "tests/netns/test_first_pair.py"),
    *[(f"docs/operating/from-{other}.md", verb, "tests/unit/migrate/documents_test.cc") for other in ("haproxy", "keepalived", "pacemaker")
      for verb in ("fairlead import", "fairlead check")],
    ("docs/operating/cluster.md", "fairlead status", "the lab's settle() and tests/e2e"),
    ("docs/operating/drills.md", "fairlead --server", "certificates of one's own: tests/netns/test_drill.py"),
    ("docs/operating/split-brain.md", "fairlead vip force", "two nodes have to be lost: tests/netns/test_operators.py"),
    ("docs/reference/cli.md", "fairlead [OPTIONS]", "a synopsis"),
    ("docs/operating/cluster.md", "rm /etc/corosync/authkey", "tests/netns/test_cluster_verbs.py"),
    *[("docs/operating/cluster.md", f"systemctl enable {unit}", "no systemd in a lab: tests/netns/test_first_pair.py obeys it") for unit in ("corosync", "--now fairleadd")],
    ("docs/operating/cluster.md", "ip -br address", "shown with what it says on two machines: tests/netns/test_two_nodes.py"),
    ("docs/operating/connection-log.md", "journalctl", "no journal in a lab: tests/e2e/test_connection_log.py reads the same lines"),
    ("docs/operating/drills.md", "make drill", "hours: make test-long"),
    ("docs/operating/from-pacemaker.md", "crm configure show", "Pacemaker's own; its output is tests/golden/import/pacemaker-crm"),
    *[("docs/operating/health-checks.md", program, "a Kubernetes cluster with its CA's key") for program in ("openssl", "kubectl")],
    ("docs/operating/install.md", "apt install", "tests/packaging/test_deb.py"),
    ("docs/operating/install.md", "cp ", "needs systemd-networkd"),
    *[("docs/operating/install.md", program, "tests/packaging/test_deb.py runs them") for program in ("fairlead ", "systemctl ", "apt purge")],
    *[("docs/operating/images.md", verb, "minutes of fetching and emulation: tests/netns/test_image.py") for verb in ("fairlead image", "fairlead machine create")],
    ("docs/operating/machines.md", "fairlead machine", "a VM host with an image: tests/netns/test_machines.py"),
    ("docs/operating/machines.md", "fairlead bootstrap apply", "tests/netns/test_bootstrap.py"),
    ("docs/operating/storage.md", "fairlead storage", "machines with glusterd: tests/netns/test_storage.py"),
    *[("docs/operating/running.md", command, "no systemd in a lab: tests/netns/test_trace.py gives the option itself") for command in ("printf", "systemctl")],
    *[("docs/internals/performance.md", command, "minutes of a quiet machine: bench/tests/") for command in ("make bench", "python3 bench/micro.py")],
]
OWN_TEST = {"docs/operating/moving-in.md": "test_moving_in.py"}   # Pages that need another lab.
# Pages whose ```sh blocks another test runs as they stand.
PLAIN_SH = {"docs/start.md": "tests/e2e/test_start_page.py", "docs/operating/dnsdhcp.md": "tests/netns/test_dnsdhcp_tour.py"}
PLACED = re.compile(r"^```sh on (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def pages():
    for folder, _, files in os.walk(os.path.join(ROOT, "docs")):
        for name in sorted(files):
            if name.endswith(".md"):
                path = os.path.join(folder, name)
                with open(path, encoding="utf-8") as file:
                    yield os.path.relpath(path, ROOT), file.read()


class DocsTest(unittest.TestCase):
    def test_the_blocks_of_each_page_run(self):
        reason = why_unavailable()
        if reason:
            self.skipTest(reason)
        placed = {path: blocks for path, text in pages() if path not in OWN_TEST and
                  (blocks := [(m[1], m[2], text[:m.start()].count("\n") + 1) for m in PLACED.finditer(text)])}
        self.assertIn("docs/operating/backup.md", placed, "the blocks are found")
        folder = tempfile.mkdtemp(prefix="fairlead-docs-")
        self.addCleanup(subprocess.run, ["rm", "-rf", folder], check=True)
        with TestLab(folder, f"docs-{os.getpid()}", ("--nodes", str(GATEWAYS))) as lab:
            for path, blocks in placed.items():
                with self.subTest(page=path):
                    lab.heal()
                    settle(lab, "vm", GATEWAYS)
                    self._run_page(lab, path, blocks)

    def _run_page(self, lab, path, blocks):
        for where, text, line in blocks:
            node = self._node(lab, where)
            done = subprocess.run([FAIRLEAD, "lab", "--name", lab.name, "exec", node, "bash", "-euo", "pipefail", "-c", text], capture_output=True, text=True,
                                  check=False, stdin=subprocess.DEVNULL, timeout=60 * SCALE)
            self.assertEqual(done.returncode, 0, f"{path}:{line} on {node}:\n{text}{done.stdout}{done.stderr}")
            self.assertTrue(done.stdout.strip(), f"{path}:{line}: a block that shows nothing\n{text}")

    @staticmethod
    def _node(lab, where):
        if where not in ("holder", "standby"):
            return where
        holder = lab.holder()
        return holder if where == "holder" else next(gate["name"] for gate in lab.nodes("gateway") if gate["name"] != holder)

    def test_what_can_run_is_in_a_block_that_runs(self):
        unknown, used = [], set()
        for path, text in pages():
            for line, command in self._shown_only(text, path in PLAIN_SH):
                found = next((e for e in ELSEWHERE if e[0] == path and command.startswith(e[1])), None)
                used.add(found)
                if found is None:
                    unknown.append(f"{path}:{line}: {command}")
        self.assertEqual(unknown, [], "put them into a block ```sh on NODE, or into ELSEWHERE with the reason")
        self.assertEqual(set(ELSEWHERE) - used, set(), "nothing like this is there any more")

    @staticmethod
    def _shown_only(text, plain_sh_runs):
        """(line, command) in blocks that no test runs: plain fences, ```sh without a place, and indented ones."""
        fence = None
        for number, line in enumerate(text.splitlines(), 1):
            if line.startswith("```"):
                fence = line[3:] if fence is None else None
            elif (fence is not None and not fence.startswith("sh on ") and not (fence == "sh" and plain_sh_runs)) or (fence is None and line.startswith("    ")):
                command = COMMAND.match(line)
                if command:
                    yield number, command[1]


if __name__ == "__main__":
    main()
