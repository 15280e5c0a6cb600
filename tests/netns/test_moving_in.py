"""docs/operating/moving-in.md: keepalived + HAProxy, then Pacemaker, hold the VIP, clients ask all the time; the page's commands bring Fairlead in, and
the others back. From keepalived the cluster is made beside it, where no Corosync ran. What is measured is printed; what is asserted: no two machines
answer at once, every client is served again, and silent watches are whole while nothing moves and end, instead of hanging, when something does."""
import collections
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
import unittest

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [TESTS, os.path.join(os.path.dirname(TESTS), "scripts")]

from demo.figures import figures, most_holders             # noqa: E402
from demo.records import Watch                             # noqa: E402
from demo.testlab import FAIRLEAD, LabClient, TestLab      # noqa: E402
from drills.pacemaker import PREPARE, cib                  # noqa: E402
from support.cluster_probe import main                     # noqa: E402
from support.corosync_lab import why_unavailable           # noqa: E402
from support.fairlead import ROOT                          # noqa: E402
from support.load import HttpConnection, error_kind        # noqa: E402
from support.waiting import SCALE, wait_for                # noqa: E402

GATEWAYS = 3
WATCHES = 8
BLOCK = re.compile(r"^```sh on (gate-\d)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# What systemd would do, on nodes that have none: starts a program, or ends it and waits for that. `enable` alone is for the next boot.
SYSTEMCTL = r"""#!/bin/bash
set -eu
verb=$1; shift
now=no
if [ "${1:-}" = --now ]; then now=yes; shift; fi
case $verb:$now in enable:no|disable:no) echo "$verb: $*"; exit 0 ;; esac
for unit in "$@"; do
  pid=/run/tour/$unit.pid
  case $verb in
    start|enable|restart)
      case $unit in
        keepalived) run=(keepalived -n -l -D -f /etc/keepalived/keepalived.conf -p /run/k.pid -r /run/v.pid) ;;
        haproxy) run=(haproxy -db -f /etc/haproxy/haproxy.cfg) ;;
        pacemaker) run=(env PCMK_logfile=/run/lab/pacemaker.log pacemakerd) ;;
        corosync) printf 'system {\n  sched_rr: no\n}\n' >>/etc/corosync/corosync.conf; run=(corosync -f) ;;
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
    timeout client 1h
    timeout server 1h
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
    unicast_src_ip {own}
    unicast_peer {{
        {peers}
    }}
    virtual_ipaddress {{
        192.168.4.20/24
    }}
}}
"""


def page():
    with open(os.path.join(ROOT, "docs", "operating", "moving-in.md"), encoding="utf-8") as file:
        return file.read()


class SilentWatches:
    """Connections of a client that has asked once and waits for what comes, as a watch of the API does."""

    def __init__(self, lab):
        self.lab = lab
        self.client = LabClient(lab.node("client")["keeper"])
        self.tls = ssl.create_default_context(cafile=os.path.join(lab.files("client"), "etc/lab/ca.crt"))
        self.open = []

    def begin(self):
        self.close()
        for _ in range(WATCHES):
            self.open.append(HttpConnection(self.client, self.lab.vip, self.tls, self.lab.vip[0], timeout=10 * SCALE))
            self.open[-1].get("/readyz")

    def speak(self):
        """{how each one ended, or "answered"}: after its silence each says something."""
        out = collections.Counter()
        for watch in self.open:
            try:
                out["answered" if watch.get("/readyz")[0] == 200 else "wrong"] += 1
            except (OSError, EOFError) as problem:
                out[error_kind(problem)] += 1
        return dict(out)

    def all_ended(self):
        return all(watch.closed_by_peer() for watch in self.open)

    def close(self):
        for watch in self.open:
            watch.close()
        self.open.clear()


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

    def prepare(self, corosync):
        """Fairlead is gone, the others' files are there. keepalived has no Corosync."""
        self.lab.end_programs(*(("fairleadd",) if corosync else ("fairleadd", "corosync")))
        self.watches = SilentWatches(self.lab)
        self.addCleanup(self.watches.close)
        gates = self.lab.nodes("gateway")
        own = {gate["name"]: next(link["address"] for link in gate["links"] if link["device"] == "lan") for gate in gates}
        servers = "".join(f"    server {n['name']} {n['links'][0]['address']}:6443\n" for n in self.lab.nodes("backend"))
        for rank, gate in enumerate(gates):
            name = gate["name"]
            keepalived = KEEPALIVED.format(name=name, state="BACKUP" if rank else "MASTER", priority=150 - 50 * rank, own=own[name],
                                           peers="\n        ".join(address for other, address in own.items() if other != name))
            self.write(name, "/run/tour/systemctl", SYSTEMCTL, 0o755)
            self.write(name, "/etc/haproxy/haproxy.cfg", HAPROXY.format(servers=servers))
            self.write(name, "/etc/keepalived/keepalived.conf", keepalived)
            self.write("gate-1", f"/run/move/{name}.conf", keepalived)
            os.unlink(self.lab.files(name) + "/etc/fairlead/fairlead.yaml")
            if not corosync:
                for file in ("corosync.conf", "authkey"):
                    os.unlink(f"{self.lab.files(name)}/etc/corosync/{file}")

    def steps(self):
        """The page's blocks by its headings: file, the same and a cluster beside keepalived, waiting (two gateways and a look), holder (address, then the
        rest), back (gate-1, let go, take, the others)."""
        text = page()
        parts = {title: BLOCK.findall(body) for title, body in re.findall(r"^##+ (.*?)\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)}
        return [parts[title] for title in ("1. The file", "From keepalived: a cluster beside it", "2. The gateways that wait", "3. The gateway that holds it",
                                           "The way back")]

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

    def make_cluster(self, blocks):
        """Beside keepalived, which holds the VIP and is not touched."""
        since = time.monotonic_ns()
        marked = self.run_in(*blocks[0])
        self.assertIn("# CHANGE: any name", marked)
        self.assertNotIn("192.0.2.", marked, "unicast tells each node's address")
        self.run_in(*blocks[1])
        bundle = self.lab.files("gate-1") + "/run/move/cluster"
        for node, text in blocks[2:]:
            os.makedirs(self.lab.files(node) + "/run/move")
            shutil.copy(bundle, self.lab.files(node) + "/run/move/cluster")
            self.run_in(node, text)
        wait_for(lambda: "Quorate:          Yes" in self.run_in("gate-1", "corosync-quorumtool -s || true"), 30, "Corosync has a quorum")
        self.assertEqual(self.lab.holder(), "gate-1")
        self.measured("keepalived: a cluster beside it", since)

    def tour(self, other, translate):
        """`translate`: of the page's commands, for what holds the VIP."""
        made, beside, waiting, holder, back = self.steps()
        self.watch = Watch(self.lab)
        self.addCleanup(self.watch.close)
        self.watch.await_quiet()
        self.watches.begin()
        if other == "keepalived":
            self.make_cluster(beside)
        else:
            for node, text in made:
                self.run_in(node, text)
            self.copy_file()

        since = time.monotonic_ns()
        for node, text in waiting[:2]:
            self.run_in(node, translate(text))
        wait_for(lambda: re.search(r"answers for the address", self.run_in("gate-2", "fairlead vip explain api")), 30, "Fairlead waits for the address")
        wait_for(lambda: self.run_in("gate-2", "fairlead vip explain api").count("could hold it") == 2, 30, "both could hold it")
        said = self.run_in(*waiting[2])
        self.assertIn("held nowhere", said)
        self.assertEqual(self.lab.holder(), "gate-1", f"{other} still has it")
        self.measured(f"{other}: waiting gateways", since)
        self.assertEqual(self.watches.speak(), {"answered": WATCHES}, "silent watches are whole: nothing has moved")

        since = time.monotonic_ns()
        self.run_in(holder[0][0], translate(holder[0][1]))
        self.measured(f"{other} -> Fairlead", since)
        ended = self.watches.speak()
        print(f"{WATCHES} silent watches, at their next word: {ended}", flush=True)
        self.assertEqual(sum(ended.get(how, 0) for how in ("reset", "closed")), WATCHES, "they end and can be opened anew, instead of hanging")
        self.watches.begin()
        self.assertIn(self.lab.holder(), ("gate-2", "gate-3"))
        if other == "keepalived":   # Pacemaker's HAProxy has ended with it.
            self.run_in(*holder[1])
        else:
            self.run_in("gate-1", "systemctl enable --now fairleadd")
        wait_for(lambda: len(re.findall("could hold it|holds it", self.run_in("gate-1", "fairlead vip explain api || true"))) == GATEWAYS, 30, "gate-1 is one of three")

        self.go_back(other, translate, back)
        self.assertEqual(most_holders(self.watch.record), 1)

    def go_back(self, other, translate, back):
        self.assertEqual(self.watches.speak(), {"answered": WATCHES}, "through Fairlead, silent since")
        since = time.monotonic_ns()
        for node, text in back[:3]:
            if other != "keepalived" and "haproxy" in text:
                text = "systemctl disable --now fairleadd\n"
            self.run_in(node, translate(text))
        wait_for(lambda: self.lab.holder() == "gate-1", 60, f"{other} holds it again")
        self.measured(f"Fairlead -> {other}", since)
        self.assertTrue(self.watches.all_ended(), "Fairlead ends what is open when it lets go of an address: nobody waits for the next word")
        for node, text in back[3:]:
            self.run_in(node, translate(text))
        self.watch.await_quiet()

    def test_keepalived_and_haproxy(self):
        with TestLab(self.folder, f"tour-{os.getpid()}", ("--nodes", str(GATEWAYS))) as self.lab:
            self.prepare(corosync=False)
            for gate in self.lab.nodes("gateway"):
                self.run_in(gate["name"], "systemctl enable --now haproxy keepalived")
            wait_for(lambda: self.lab.holder() == "gate-1", 30, "keepalived holds the VIP")
            self.tour("keepalived", lambda text: text)

    def test_pacemaker(self):
        with TestLab(self.folder, f"tour-{os.getpid()}", ("--nodes", str(GATEWAYS))) as self.lab:
            self.prepare(corosync=True)
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
