"""docs/operating/moving-in.md: keepalived + HAProxy, then Pacemaker, hold the VIP, clients ask all the time; the page's commands bring Fairlead in, and
the others back. What is measured is printed; what is asserted: no two machines answer at once, and every client is served again."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [TESTS, os.path.join(os.path.dirname(TESTS), "scripts")]

from demo.figures import figures, most_holders             # noqa: E402
from demo.records import Watch                             # noqa: E402
from demo.testlab import FAIRLEAD, TestLab                 # noqa: E402
from drills.pacemaker import PREPARE, cib                  # noqa: E402
from support.cluster_probe import main                     # noqa: E402
from support.corosync_lab import why_unavailable           # noqa: E402
from support.fairlead import ROOT                          # noqa: E402
from support.waiting import SCALE, wait_for                # noqa: E402

GATEWAYS = 3
BLOCK = re.compile(r"^```sh on (gate-\d)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# What systemd would do, on nodes that have none: starts a program, or ends it and waits for that.
SYSTEMCTL = r"""#!/bin/bash
set -eu
verb=$1; shift
[ "${1:-}" != --now ] || shift
for unit in "$@"; do
  pid=/run/tour/$unit.pid
  case $verb in
    start|enable)
      case $unit in
        keepalived) run=(keepalived -n -l -D -f /etc/keepalived/keepalived.conf -p /run/k.pid -r /run/v.pid) ;;
        haproxy) run=(haproxy -db -f /etc/haproxy/haproxy.cfg) ;;
        pacemaker) run=(env PCMK_logfile=/run/lab/pacemaker.log pacemakerd) ;;
        fairleadd) run=(fairleadd --config /etc/fairlead/fairlead.yaml) ;;
        *) echo "Unit $unit.service not found." >&2; exit 5 ;;
      esac
      setsid "${run[@]}" >>/run/tour/$unit.log 2>&1 </dev/null &
      echo $! >"$pid" ;;
    stop|disable)
      kill "$(cat "$pid")"
      while kill -0 "$(cat "$pid")" 2>/dev/null; do sleep 0.01; done ;;
  esac
  echo "$unit: $verb"
done
"""
# The shape that the kubeadm guide gives to both.
HAPROXY = """global
    log stdout format raw local0
    maxconn 4000
defaults
    mode tcp
    log global
    option tcplog
    timeout connect 5s
    timeout client 35s
    timeout server 35s
frontend kube-api
    bind *:6443
    default_backend masters
backend masters
    option httpchk
    http-check connect ssl
    http-check send meth GET uri /readyz
    http-check expect status 200
    balance roundrobin
    default-server check inter 1s fall 2 rise 2 verify required ca-file /etc/lab/ca.crt
{servers}"""
KEEPALIVED = """global_defs {{
    router_id {name}
    vrrp_version 3
}}
vrrp_instance api {{
    state {state}
    interface lan
    virtual_router_id 51
    priority {priority}
    advert_int 1
    virtual_ipaddress {{
        192.168.4.20/24
    }}
}}
"""


def page():
    with open(os.path.join(ROOT, "docs", "operating", "moving-in.md"), encoding="utf-8") as file:
        return file.read()


class MovingInTest(unittest.TestCase):
    def setUp(self):
        reason = why_unavailable()
        if reason:
            self.skipTest(reason)
        self.folder = tempfile.mkdtemp(prefix="fairlead-tour-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.blocks = BLOCK.findall(page())

    def run_in(self, node, text):
        done = subprocess.run([FAIRLEAD, "lab", "--name", self.lab.name, "exec", node, "bash", "-euo", "pipefail", "-c", "PATH=/run/tour:$PATH\n" + text],
                              capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=90 * SCALE)
        self.assertEqual(done.returncode, 0, f"on {node}:\n{text}{done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def write(self, node, path, text, mode=0o644):
        path = self.lab.files(node) + path
        folder = os.path.dirname(path)
        if os.path.islink(folder):   # The machine's: the node gets one of its own.
            os.unlink(folder)
        os.makedirs(folder, exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)

    def prepare(self):
        """Fairlead is gone, the others' files are there."""
        self.lab.end_programs("fairleadd")
        servers = "".join(f"    server {n['name']} {n['links'][0]['address']}:6443\n" for n in self.lab.nodes("backend"))
        for rank, gate in enumerate(self.lab.nodes("gateway")):
            self.write(gate["name"], "/run/tour/systemctl", SYSTEMCTL, 0o755)
            self.write(gate["name"], "/etc/haproxy/haproxy.cfg", HAPROXY.format(servers=servers))
            self.write(gate["name"], "/etc/keepalived/keepalived.conf",
                       KEEPALIVED.format(name=gate["name"], state="BACKUP" if rank else "MASTER", priority=150 - 50 * rank))
            os.unlink(self.lab.files(gate["name"]) + "/etc/fairlead/fairlead.yaml")

    def steps(self):
        """The page's blocks by its headings: file, waiting (two gateways and a look), holder (address, then the rest), back (gate-1, let go, take, the others)."""
        text = page()
        parts = {title: BLOCK.findall(body) for title, body in re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)}
        return [parts[title] for title in ("1. The file", "2. The gateways that wait", "3. The gateway that holds it", "The way back")]

    def copy_file(self):
        with open(self.lab.files("gate-1") + "/etc/fairlead/fairlead.yaml", encoding="utf-8") as file:
            text = file.read()
        for name in ("gate-2", "gate-3"):
            self.write(name, "/etc/fairlead/fairlead.yaml", text)

    def measured(self, what, since, least_s=1, most_s=60):
        seen = figures(self.watch.record, since, self.watch.await_back(since, least_s=least_s, most_s=most_s))
        print(f"{what}: no answer for {seen.outage_ms:.0f} ms; {seen.probes_failed} of {seen.probes} new connections and {seen.requests_failed} of "
              f"{seen.requests} requests failed, {seen.resets} resets, at most {seen.holders} answered ARP at once", flush=True)
        self.assertLessEqual(seen.holders, 1, what)
        return seen

    def tour(self, other, translate):
        """`translate`: of the page's commands, for what holds the VIP."""
        made, waiting, holder, back = self.steps()
        for node, text in made:
            self.run_in(node, text)
        self.copy_file()
        self.watch = Watch(self.lab)
        self.addCleanup(self.watch.close)
        self.watch.await_quiet()

        since = time.monotonic_ns()
        for node, text in waiting[:2]:
            self.run_in(node, translate(text))
        wait_for(lambda: re.search(r"answers for the address", self.run_in("gate-2", "fairlead vip explain api")), 30, "Fairlead waits for the address")
        wait_for(lambda: self.run_in("gate-2", "fairlead vip explain api").count("could hold it") == 2, 30, "both could hold it")
        said = self.run_in(*waiting[2])
        self.assertIn("held nowhere", said)
        self.assertEqual(self.lab.holder(), "gate-1", f"{other} still has it")
        self.measured(f"{other}: waiting gateways", since)

        since = time.monotonic_ns()
        self.run_in(holder[0][0], translate(holder[0][1]))
        self.measured(f"{other} -> Fairlead", since)
        self.assertIn(self.lab.holder(), ("gate-2", "gate-3"))
        if other == "keepalived":   # Pacemaker's HAProxy has ended with it.
            self.run_in(*holder[1])
        else:
            self.run_in("gate-1", "systemctl enable --now fairleadd")
        wait_for(lambda: len(re.findall("could hold it|holds it", self.run_in("gate-1", "fairlead vip explain api || true"))) == GATEWAYS, 30, "gate-1 is one of three")

        self.go_back(other, translate, back)
        self.assertEqual(most_holders(self.watch.record), 1)

    def go_back(self, other, translate, back):
        since = time.monotonic_ns()
        for node, text in back[:3]:
            if other != "keepalived" and "haproxy" in text:
                text = "systemctl disable --now fairleadd\n"
            self.run_in(node, translate(text))
        wait_for(lambda: self.lab.holder() == "gate-1", 60, f"{other} holds it again")
        self.measured(f"Fairlead -> {other}", since)
        for node, text in back[3:]:
            self.run_in(node, translate(text))
        self.watch.await_quiet()

    def test_keepalived_and_haproxy(self):
        with TestLab(self.folder, f"tour-{os.getpid()}", ("--nodes", str(GATEWAYS))) as self.lab:
            self.prepare()
            for gate in self.lab.nodes("gateway"):
                self.run_in(gate["name"], "systemctl enable --now haproxy keepalived")
            wait_for(lambda: self.lab.holder() == "gate-1", 30, "keepalived holds the VIP")
            self.tour("keepalived", lambda text: text)

    def test_pacemaker(self):
        with TestLab(self.folder, f"tour-{os.getpid()}", ("--nodes", str(GATEWAYS))) as self.lab:
            self.prepare()
            for gate in self.lab.nodes("gateway"):
                self.write(gate["name"], "/etc/lab/cib.xml", cib(self.lab.vip[0]))
                self.write(gate["name"], "/etc/lab/haproxy.cfg", open(self.lab.files(gate["name"]) + "/etc/haproxy/haproxy.cfg", encoding="utf-8").read())
                self.run_in(gate["name"], PREPARE)
            for gate in self.lab.nodes("gateway"):
                self.run_in(gate["name"], "systemctl enable --now pacemaker")
            wait_for(lambda: self.lab.holder() is not None, 60, "Pacemaker holds the VIP")
            if self.lab.holder() != "gate-1":
                self.run_in(self.lab.holder(), "crm_resource --move --resource vip --node gate-1 && crm_resource --wait --timeout 60s && crm_resource --clear --resource vip")
            wait_for(lambda: self.lab.holder() == "gate-1", 30, "gate-1 has it")
            self.tour("pacemaker", self.for_pacemaker)

    @staticmethod
    def for_pacemaker(text):
        text = text.replace("haproxy keepalived", "keepalived").replace("keepalived haproxy", "keepalived")
        return text.replace("keepalived", "pacemaker")


if __name__ == "__main__":
    main()
