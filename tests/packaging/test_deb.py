"""The Debian package: what lintian says, and what it does on a fresh Debian with systemd, from its installation to its purge."""
import ctypes
import glob
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import debian_root, dhcp, raw                      # noqa: E402
from support.backends import Nginx                              # noqa: E402
from support.debian_root import Machine, NoMirror, fresh_root   # noqa: E402
from support.fairlead import BIN, ROOT                          # noqa: E402
from support.lab import Lab                                     # noqa: E402
from support.pki import Authority                               # noqa: E402
from support.process import start_time                          # noqa: E402
from support.waiting import wait_for                            # noqa: E402

BUILD = os.path.dirname(os.path.abspath(BIN))
DOCS = "/usr/share/doc/fairlead"
VIP = "10.77.99.1"
RIGHTS = {"NET_BIND_SERVICE": 10, "NET_ADMIN": 12, "NET_RAW": 13, "IPC_LOCK": 14, "SYS_NICE": 23}
EXPOSURE_MAX = 3.0   # systemd-analyze security: 0 is sealed, 10 is unprotected.
EXAMPLES = ("standalone.yaml", "two-nodes.yaml")
MORE = ("logrotate", "nginx-light", "iproute2", "openssl")   # What is suggested, and used below.
CONFFILES = ("/etc/corosync/uidgid.d/fairlead", "/etc/logrotate.d/fairlead")


def bits(*names):
    return sum(1 << RIGHTS[name] for name in names)


def has_io_uring():
    """Whether the kernel gives rings to root here."""
    fd = ctypes.CDLL(None).syscall(425, 4, ctypes.create_string_buffer(120))
    if fd >= 0:
        os.close(fd)
    return fd >= 0


def build(out):
    done = subprocess.run([os.path.join(ROOT, "packaging/build_deb.sh"), BUILD, out], capture_output=True, text=True, timeout=300, check=False,
                          stdin=subprocess.DEVNULL, env={**os.environ, "DEB_BUILD_OPTIONS": "noautodbgsym"})
    if done.returncode != 0:
        raise RuntimeError(f"build_deb.sh ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return next(path for path in glob.glob(os.path.join(out, "fairlead_*.deb")))


def newer(deb, out):
    """The same package as version VERSION+1, with a changed conffile."""
    tree = os.path.join(out, "tree")
    subprocess.run(["dpkg-deb", "-R", deb, tree], check=True, timeout=60)
    for name, change in (("DEBIAN/control", lambda t: t.replace("\nVersion: ", "\nVersion: 9:", 1)), ("etc/logrotate.d/fairlead", lambda t: t + "# newer\n")):
        path = os.path.join(tree, name)
        with open(path, encoding="utf-8") as file:
            text = change(file.read())
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    path = os.path.join(out, "newer.deb")
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "-b", tree, path], check=True, timeout=60, capture_output=True)
    shutil.rmtree(tree)
    return path


class DebTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        reason = debian_root.why_unavailable()
        if reason:
            raise unittest.SkipTest(reason)
        # As the folder of a lab: what a killed run leaves of it goes with the next one.
        cls.out = tempfile.mkdtemp(prefix=f"fairlead-lab.{os.getpid()}.{start_time(os.getpid())}.")
        cls.addClassCleanup(shutil.rmtree, cls.out)
        cls.deb = build(cls.out)
        try:
            cls.root = fresh_root(os.path.join(BUILD, "package-root"), cls.deb, MORE)
        except NoMirror as error:
            raise unittest.SkipTest(f"no Debian can be fetched: {error}") from error
        cls.has_pages = bool(glob.glob(os.path.join(BUILD, "man", "*.[158]")))

    def machine(self, installed=True):
        """A fresh one, on the node "gate" of a lab of its own; "client" and "server" are others."""
        self.lab = Lab(mode="namespaces")
        self.addCleanup(self.lab.close)
        self.gate, self.client = self.lab.node("gate"), self.lab.node("client")
        machine = Machine(self.gate, self.root, self.out)
        self.addCleanup(machine.close)
        if installed:
            self.install(machine, self.deb)
        return machine

    @staticmethod
    def install(machine, deb):
        return machine.must(["apt-get", "install", "-y", "-q", f"/srv/files/{os.path.basename(deb)}"], timeout=300)

    def serve(self, machine, **more):
        """Starts the service with a listener on every address and one server. `more`: sections of the file."""
        server = raw.TcpServer(self.lab.node("server"), raw.named_echo("server"), name="server")
        self.addCleanup(server.close)
        config = {"apiVersion": "fairlead/v1", "node": "gate-1", "proxy": {"max_connections": 1000},
                  "listeners": [{"name": "web", "bind": ["0.0.0.0:80"], "pool": "servers", "max_connections": 100}],
                  "pools": [{"name": "servers", "health": {"type": "tcp"}, "servers": [{"name": "one", "address": server.address}]}], **more}
        machine.write("/etc/fairlead/fairlead.yaml", json.dumps(config))   # JSON is YAML, too.
        machine.must(["systemctl", "start", "fairleadd"])
        wait_for(lambda: self.status(machine)["ready"], 20, "it is ready")
        return config

    def status(self, machine):
        done = machine.run(["fairlead", "--json", "status"])
        return json.loads(done.stdout) if done.returncode == 0 else {"ready": False, "vips": []}

    def events(self, machine, identifier):
        found = [json.loads(line) for line in machine.must(["fairlead", "--json", "events"]).splitlines()]
        return [event for event in found if event["id"] == identifier]

    def answer(self, address):
        with self.client.connect((address, 80)) as sock:
            return raw.read_line(sock)

    def process(self, machine, pid, thread=None):
        text = machine.read(f"/proc/{pid}/task/{thread}/status" if thread else f"/proc/{pid}/status")
        return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)

    def has_vip(self):
        return f" {VIP}/" in self.gate.run(["ip", "-o", "addr", "show", "dev", "eth0"]).stdout

    def flights(self, machine):
        return sorted(machine.must(["find", "/var/lib/fairlead/blackbox", "-name", "*.fdata"]).split())

    def upgrade(self, machine):
        """To a newer version of the same; what apt said."""
        shutil.copy(newer(self.deb, self.out), machine.path("/srv/files/newer.deb"))
        done = machine.run(["apt-get", "install", "-y", "-q", "-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold",
                            "/srv/files/newer.deb"], timeout=300)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout + done.stderr

    # ---- the package ----
    def test_lintian_finds_nothing(self):
        done = subprocess.run(["lintian", "--allow-root", "--tag-display-limit", "0", self.deb], capture_output=True, text=True, timeout=120, check=False)
        found = [line for line in done.stdout.splitlines() if line[:2] in ("E:", "W:")]
        if not self.has_pages:
            print("no manual pages were built (target man): lintian's warnings of that are not counted")
            found = [line for line in found if " no-manual-page " not in line]
        self.assertEqual(found, [], done.stderr)

    def test_a_fresh_machine_gets_it_and_nothing_starts(self):
        machine = self.machine()
        self.assertEqual(machine.run(["systemctl", "is-enabled", "fairleadd"]).stdout.strip(), "disabled")
        machine.must(["systemctl", "start", "fairleadd"])   # ConditionPathExists.
        self.assertEqual(machine.run(["systemctl", "is-active", "fairleadd"]).stdout.strip(), "inactive")

        version = machine.must(["dpkg-query", "-W", "-f", "${Version}", "fairlead"])
        for program in (["fairlead", "version"], ["fairleadd", "--version"]):
            self.assertIn(version, machine.must(program))
        for name in EXAMPLES:
            done = machine.run(["fairlead", "check", f"{DOCS}/examples/{name}"])
            self.assertNotIn(": error: ", done.stdout + done.stderr)
        self.assertIn("fairlead", machine.must(["bash", "-c", ". /usr/share/bash-completion/completions/fairlead; complete -p fairlead"]))
        self.assertTrue(machine.read("/usr/share/zsh/vendor-completions/_fairlead").startswith("#compdef fairlead"))
        self.assertIn("complete -c fairlead", machine.read("/usr/share/fish/vendor_completions.d/fairlead.fish"))
        for page in glob.glob(os.path.join(BUILD, "man", "*.[158]")):
            machine.must(["gzip", "-t", f"/usr/share/man/man{page[-1]}/{os.path.basename(page)}.gz"])
        self.assertIn("ManageForeignRoutingPolicyRules=no", machine.read("/usr/lib/systemd/networkd.conf.d/50-fairlead.conf"))

        self.assertIn(":/var/lib/fairlead:/usr/sbin/nologin", machine.must(["getent", "passwd", "fairlead"]))
        modes = machine.must(["stat", "-c", "%n %a %U:%G", "/etc/fairlead", "/var/lib/fairlead", "/var/log/fairlead", "/run/fairlead"]).splitlines()
        self.assertEqual(modes, ["/etc/fairlead 755 root:root", "/var/lib/fairlead 750 fairlead:fairlead", "/var/log/fairlead 750 fairlead:fairlead",
                                 "/run/fairlead 755 fairlead:fairlead"])
        done = machine.run(["systemd-analyze", "verify", "--man=no", "/lib/systemd/system/fairleadd.service"])
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))
        last = machine.must(["systemd-analyze", "security", "--no-pager", "fairleadd"]).splitlines()[-1]
        print(last)
        self.assertLessEqual(float(last.split("fairleadd.service:")[1].split()[0]), EXPOSURE_MAX)

    # ---- the service ----
    def test_the_service_serves_and_moves_addresses_as_its_own_user(self):
        machine = self.machine()
        # It waits until it has lost the daemon's protection from the OOM killer.
        hook = {"command": ["/bin/sh", "-c", 'until read -r score </proc/self/oom_score_adj && [ "$score" -ge 0 ]; do :; done; '
                            "cat /proc/self/status > /var/lib/fairlead/hook.new; mv /var/lib/fairlead/hook.new /var/lib/fairlead/hook"], "timeout": "5s"}
        config = self.serve(machine, vips=[{"name": "api", "address": f"{VIP}/16", "interface": "eth0", "on_acquire": [hook]}])
        wait_for(self.has_vip, 20, "the VIP is here")
        self.assertEqual(self.answer(VIP), "server")
        if has_io_uring():
            self.assertEqual(self.status(machine)["engine"], "io_uring", "through the unit's system call filter")

        uid = machine.must(["id", "-u", "fairlead"]).strip()
        daemon = machine.property("fairleadd", "MainPID")
        for thread in os.listdir(machine.path(f"/proc/{daemon}/task")):
            found = self.process(machine, daemon, thread)
            self.assertEqual(found["Uid"].split(), [uid] * 4)
            self.assertEqual([int(found[key], 16) for key in ("CapPrm", "CapEff", "CapBnd", "CapAmb")], [bits(*RIGHTS)] * 3 + [0], found["Name"])
            self.assertEqual((found["NoNewPrivs"], found["Seccomp"]), ("1", "2"))
        guard = self.process(machine, self.events(machine, "GUARD_UP")[-1]["fields"]["pid"])
        self.assertEqual((guard["Name"], guard["Uid"].split()[0], int(guard["CapEff"], 16)), ("guard", uid, bits("NET_ADMIN", "SYS_NICE", "IPC_LOCK")))
        wait_for(lambda: os.path.exists(machine.path("/var/lib/fairlead/hook")), 10, "the hook ran")
        hook = dict(line.split(":\t", 1) for line in machine.read("/var/lib/fairlead/hook").splitlines() if ":\t" in line)
        self.assertEqual((hook["Uid"].split()[0], int(hook["CapPrm"], 16), int(hook["CapAmb"], 16)), (uid, 0, 0))
        self.assertEqual(self.events(machine, "VIP_START_PROBLEM"), [])
        self.assertEqual(self.events(machine, "TAKEOVER_NOT_HARDENED"), [])

        config["listeners"][0]["max_connections"] = 101
        machine.write("/etc/fairlead/fairlead.yaml", json.dumps(config))
        machine.must(["systemctl", "reload", "fairleadd"])
        wait_for(lambda: self.events(machine, "CONFIG_APPLIED"), 10, "it is applied")

        score = machine.read(f"/proc/{daemon}/oom_score_adj").strip()
        self.assertIn(score, ("-500", "0"), "0: systemd may not give it any")
        machine.must(["systemctl", "kill", "--signal=KILL", "--kill-whom=main", "fairleadd"])
        wait_for(lambda: machine.property("fairleadd", "NRestarts") == "1", 10, "it is started again")
        wait_for(lambda: self.has_vip() and self.status(machine)["ready"], 20, "the VIP is back")
        self.assertEqual(self.answer(VIP), "server")
        kept = self.flights(machine)
        self.assertEqual([event["fields"]["recorder"] for event in self.events(machine, "DAEMON_ENDED_BADLY")], kept)
        self.assertIn("VIP_ACQUIRED", machine.must(["fairlead", "blackbox", kept[0]]))

        # Through the unit's system call filter: what the handler does, none of it ends the process sooner.
        machine.must(["systemctl", "kill", "--signal=SEGV", "--kill-whom=main", "fairleadd"])
        wait_for(lambda: machine.property("fairleadd", "NRestarts") == "2", 10, "it is started again")
        wait_for(lambda: self.has_vip() and self.status(machine)["ready"], 20, "the VIP is back")
        crashed = self.flights(machine)
        self.assertEqual(crashed[:1], kept)
        self.assertEqual(len(crashed), 2)
        self.assertIn("DAEMON_CRASHED signal=SIGSEGV", machine.must(["fairlead", "blackbox", "--last", "1", crashed[1]]))
        machine.must(["systemctl", "stop", "fairleadd"])
        self.assertFalse(self.has_vip())
        self.assertEqual(machine.property("fairleadd", "Result"), "success")
        self.assertEqual(machine.read("/proc/sys/net/ipv4/conf/eth0/arp_ignore").strip(), "0", "as it was before")

    def test_a_daemon_that_hangs_is_started_again_and_logs_rotate(self):
        machine = self.machine()
        machine.write("/etc/systemd/system/fairleadd.service.d/quick.conf", "[Service]\nWatchdogSec=1s\nTimeoutAbortSec=500ms\n")
        machine.must(["systemctl", "daemon-reload"])
        log = "/var/log/fairlead/fairlead.log"
        self.serve(machine, log={"target": "file", "path": log})
        self.assertEqual(self.answer(self.gate.address), "server")

        before = machine.read(log)
        machine.must(["logrotate", "--force", "/etc/logrotate.d/fairlead"])
        wait_for(lambda: os.path.exists(machine.path(log)) and machine.read(f"{log}.1").startswith(before), 10, "there is a new file beside the old one")
        machine.must(["systemctl", "reload", "fairleadd"])
        wait_for(lambda: "CONFIG_APPLIED" in machine.read(log), 10, "the daemon writes to the new one")

        hung = machine.property("fairleadd", "MainPID")
        machine.must(["systemctl", "kill", "--signal=STOP", "--kill-whom=main", "fairleadd"])
        wait_for(lambda: machine.property("fairleadd", "MainPID") not in (hung, "0"), 20, "another one runs")
        wait_for(lambda: self.status(machine)["ready"], 20, "it is ready")
        self.assertEqual(self.answer(self.gate.address), "server")

    def test_it_serves_dns_and_dhcp_and_routes_as_its_own_user(self):
        machine = self.machine()
        router, dns = "10.77.9.254", "10.77.9.1"
        network = {"name": "lan", "interface": "eth0", "cidr": "10.77.0.0/16", "router": router, "dns": dns, "pool": ["10.77.8.10", "10.77.8.60"], "lease": "2m"}
        self.serve(machine, vips=[{"name": "api", "address": f"{VIP}/16", "interface": "eth0", "group": "gateway"}],
                   dnsdhcp={"follows": "gateway", "domain": "lab.test", "networks": [network], "records": [{"name": "static", "address": "10.77.7.7"}]},
                   router={"uplink": "eth9", "masquerade": True, "forward": [{"from": "lan", "to": ["uplink"]}]})
        wait_for(lambda: (self.status(machine).get("dhcp") or {"networks": [{"serving": False}]})["networks"][0]["serving"], 30, "the network is served")
        client = dhcp.Client(self.client, "52:54:00:00:09:01")
        self.addCleanup(client.close)
        ack = wait_for(client.lease, 20, "a lease")
        self.assertEqual((ack["kind"], dhcp.addresses(ack, 3), dhcp.addresses(ack, 6)), (dhcp.ACK, [router], [dns]))
        self.assertTrue(ack["address"].startswith("10.77.8."), ack)
        leases = json.loads(machine.must(["fairlead", "--json", "dhcp", "leases"]))["leases"]
        self.assertEqual([(lease["address"], lease["mac"]) for lease in leases], [(ack["address"], "52:54:00:00:09:01")])
        self.assertEqual(self.client.run(["dig", "+short", "+time=1", "+tries=5", f"@{dns}", "static.lab.test"]).stdout.strip(), "10.77.7.7")

        uid = machine.must(["id", "-u", "fairlead"]).strip()
        dnsmasq = self.process(machine, self.status(machine)["dhcp"]["dnsmasq"]["pid"])
        rights = bits("NET_ADMIN", "NET_RAW", "NET_BIND_SERVICE")
        self.assertEqual((dnsmasq["Name"], dnsmasq["Uid"].split(), int(dnsmasq["CapEff"], 16)), ("dnsmasq", [uid] * 4, rights))
        self.assertIn("masquerade", machine.must(["nft", "list", "table", "inet", "fairlead_router"]))
        self.assertEqual(machine.must(["cat", "/proc/sys/net/ipv4/ip_forward"]).strip(), "1")   # Who reads it is in that network.
        self.assertEqual(json.loads(machine.must(["fairlead", "--json", "router", "show"]))["state"], "in force")
        for problem in ("DNSDHCP_REFUSED", "DHCP_GATE_PROBLEM", "ROUTER_REFUSED", "DNSMASQ_ENDED", "LEASE_FILE_NOT_SAVED"):
            self.assertEqual(self.events(machine, problem), [])
        machine.must(["systemctl", "stop", "fairleadd"])
        running = [pid for pid in os.listdir(machine.path("/proc")) if pid.isdigit() and self.process(machine, pid)["Name"] in ("dnsmasq", "fairleadd")]
        self.assertEqual(running, [])

    def test_corosync_lets_the_service_in(self):
        machine = self.machine()
        machine.must(["systemctl", "unmask", "corosync"])
        nodes = [{"name": f"gate-{i}", "id": i, "links": [node.address]} for i, node in enumerate((self.gate, self.client), 1)]
        cluster = {"name": "test", "nodes": nodes, "tie_break": {"targets": [self.lab.node("router").address]}}
        machine.write("/etc/fairlead/fairlead.yaml", json.dumps({"apiVersion": "fairlead/v1", "cluster": cluster, "listeners": [], "pools": []}))
        machine.must(["fairlead", "cluster", "setup", "--no-start"])
        with open(machine.path("/etc/corosync/corosync.conf"), "a", encoding="ascii") as file:
            file.write("system {\n  sched_rr: no\n}\n")   # It would take a CPU from everything else here.
        entry = machine.path(CONFFILES[0])
        os.rename(entry, machine.path("/etc/corosync/away"))   # A Corosync from before the package.
        machine.must(["systemctl", "restart", "corosync"])
        self.serve(machine, cluster=cluster)
        wait_for(lambda: self.events(machine, "CLUSTER_REFUSED"), 20, "a Corosync that does not know of it refuses it")
        os.rename(machine.path("/etc/corosync/away"), entry)
        machine.must(["corosync-cfgtool", "-R"])
        wait_for(lambda: self.status(machine)["cluster"]["quorate"], 30, "it takes part")

    def test_a_lab_runs_from_the_installed_package(self):
        machine = self.machine()
        said = machine.must(["fairlead", "lab", "up", "--nodes", "1"], timeout=120)
        self.assertIn("is up after", said)
        status = json.loads(machine.must(["fairlead", "lab", "exec", "gate-1", "fairlead", "--json", "status"]))
        self.assertEqual(status["vips"][0]["state"], "held")
        machine.must(["fairlead", "lab", "down"])

    # ---- the tour ----
    def test_the_tour_of_the_installation_page_runs_as_it_stands_and_leaves_nothing(self):
        machine = self.machine(installed=False)
        fresh = self.listing(machine)
        masters = [self.lab.node(name) for name in ("mast-1", "mast-2")]
        authority = Authority(self.lab.dir)
        for node in masters:
            Nginx(node, authority.issue(node.name, [node.address]), port=6443).start()
        here = {"192.168.1.11": masters[0].address, "192.168.1.12": masters[1].address, "./fairlead_0.1.0_amd64.deb": f"/srv/files/{os.path.basename(self.deb)}"}
        with open(os.path.join(ROOT, "docs/operating/install.md"), encoding="utf-8") as page:
            lines = [line for block in re.findall(r"^```sh tour\n(.*?)^```$", page.read(), re.MULTILINE | re.DOTALL) for line in block.splitlines()]
        said = {}
        for line in lines:
            command = re.sub("|".join(map(re.escape, here)), lambda found: here[found.group()], line)
            said[line] = machine.must(["sh", "-c", re.sub("^apt ", "apt-get -y -q ", command)], timeout=300)
            if line.startswith("systemctl enable"):
                wait_for(lambda: [s["state"] for p in self.status(machine)["pools"] for s in p["servers"]] == ["up", "up"], 20, "both servers are up")
                self.assertEqual(self.asks(), "200 OK")
            if line.startswith("systemctl disable"):
                self.assertEqual(machine.run(["fairlead", "status"]).returncode, 4)
                with self.assertRaises(OSError):
                    self.asks()
        shown = {word: next(text for line, text in said.items() if word in line) for word in (" init ", " check ", " status", " drain ", " list", " ready ", " events")}
        self.assertIn("/etc/fairlead/fairlead.yaml: created", shown[" init "])
        self.assertIn("valid", shown[" check "])
        self.assertRegex(shown[" status"], r"(?m)^.*mast-1 .*up.*$")
        self.assertRegex(shown[" list"], r"(?m)^.*mast-1 .*drain.*$")
        self.assertIn("SERVER_ADMIN", shown[" events"])
        self.assertEqual(self.listing(machine) - fresh, set())
        self.assertEqual(fresh - self.listing(machine), set())

    def asks(self):
        """The status of /readyz through the gateway."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(self.client.connect((self.gate.address, 6443))) as connection:
            connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n")
            return connection.recv(4096).split(b"\r\n", 1)[0].decode().split(" ", 1)[1]

    # ---- upgrade, removal ----
    def test_an_upgrade_keeps_what_is_the_operators_and_purge_leaves_nothing(self):
        machine = self.machine(installed=False)
        fresh = self.listing(machine)
        self.install(machine, self.deb)
        lacking = {"tls": {"cert": "/no/such/cert", "key": "/no/such/key", "client_ca": "/no/such/ca"}}   # The daemon goes on without them.
        self.serve(machine, vips=[{"name": "api", "address": f"{VIP}/16", "interface": "eth0"}], admin=lacking)
        wait_for(self.has_vip, 20, "the VIP is here")
        machine.must(["fairlead", "vip", "disable", "api"])   # A wish, kept in state_dir.
        wait_for(lambda: not self.has_vip(), 10, "it is given up")
        machine.must(["systemctl", "enable", "fairleadd"])
        own = machine.read(CONFFILES[1]) + "# mine\n"
        machine.write(CONFFILES[1], own)
        config = machine.read("/etc/fairlead/fairlead.yaml")

        old = machine.property("fairleadd", "MainPID")
        said = self.upgrade(machine)
        self.assertRegex(said, ": warning: admin.tls.cert /no/such/cert: No such file", "it is told, and holds nothing up")
        self.assertNotIn(machine.property("fairleadd", "MainPID"), (old, "0"), "the new one runs")
        self.assertEqual(machine.run(["systemctl", "is-enabled", "fairleadd"]).stdout.strip(), "enabled")
        wait_for(lambda: self.status(machine)["ready"], 20, "it is ready")
        self.assertEqual(self.answer(self.gate.address), "server")
        self.assertFalse(self.has_vip(), "as an operator wanted")
        self.assertIn("api", machine.read("/var/lib/fairlead/wishes"))
        self.assertEqual((machine.read(CONFFILES[1]), machine.read("/etc/fairlead/fairlead.yaml")), (own, config))

        machine.must(["apt-get", "remove", "-y", "-q", "fairlead"])
        running = [pid for pid in os.listdir(machine.path("/proc")) if pid.isdigit() and self.process(machine, pid)["Name"] in ("fairleadd", "guard")]
        self.assertEqual(running, [], "it was stopped")
        self.assertEqual(machine.read("/etc/fairlead/fairlead.yaml"), config)
        self.assertTrue(os.path.exists(machine.path("/var/lib/fairlead/wishes")))

        machine.must(["apt-get", "purge", "-y", "-q", "fairlead"])
        self.assertEqual(self.listing(machine) - fresh, set())
        self.assertEqual(fresh - self.listing(machine), set())
        self.assertEqual(machine.run(["id", "-un", "fairlead"]).stdout.strip(), "fairlead", "the user stays, as is Debian's custom")

    def test_an_upgrade_that_would_not_start_leaves_the_daemon_running_and_says_what_to_do(self):
        machine = self.machine()
        machine.write("/etc/fairlead/token", "abcdef0123456789\n")
        machine.must(["chown", "root:fairlead", "/etc/fairlead/token"])
        machine.must(["chmod", "640", "/etc/fairlead/token"])
        config = self.serve(machine, vips=[{"name": "api", "address": f"{VIP}/16", "interface": "eth0"}])
        wait_for(self.has_vip, 20, "the VIP is here")
        config["pools"].append({"name": "more", "health": {"type": "https", "verify": False, "token_file": "/etc/fairlead/token"},
                                "servers": [{"name": "a", "address": "127.0.0.1:1"}]})
        config["admin"] = {"tls": {"cert": "/no/such/cert", "key": "/no/such/key", "client_ca": "/no/such/ca"}}
        machine.write("/etc/fairlead/fairlead.yaml", json.dumps(config, indent=1))
        machine.must(["chmod", "600", "/etc/fairlead/token"])
        machine.must(["mkdir", "-m", "700", "/var/lib/fairlead/lost+found"])   # As where it is a mount point.
        old = machine.property("fairleadd", "MainPID")

        said = self.upgrade(machine)

        self.assertEqual(machine.property("fairleadd", "MainPID"), old, "the old one runs")
        self.assertTrue(self.has_vip())
        self.assertEqual(self.answer(VIP), "server")
        line = 1 + machine.read("/etc/fairlead/fairlead.yaml").splitlines().index('    "token_file": "/etc/fairlead/token"')
        self.assertIn("fairleadd was NOT restarted", said)
        self.assertIn(f"/etc/fairlead/fairlead.yaml:{line}:", said)
        self.assertIn("/etc/fairlead/token: Permission denied (as user fairlead)", said)
        remedy = "fairleadd --check-start --user fairlead --config /etc/fairlead/fairlead.yaml && systemctl restart fairleadd"
        self.assertIn(remedy, said)
        self.assertRegex(said, ": warning: admin.tls.cert /no/such/cert: No such file", "what is not in the way")

        self.assertEqual(machine.run(["sh", "-c", remedy]).returncode, 3)
        self.assertEqual(machine.property("fairleadd", "MainPID"), old)
        machine.must(["chmod", "640", "/etc/fairlead/token"])
        machine.must(["sh", "-c", remedy])
        self.assertNotIn(machine.property("fairleadd", "MainPID"), (old, "0"))
        wait_for(lambda: self.has_vip() and self.status(machine)["ready"], 20, "the new one serves")

    def test_what_a_daemon_that_ran_as_root_left_is_the_new_ones(self):
        machine = self.machine()
        # As a version did that ran as root, from its unit and by hand.
        machine.write("/etc/systemd/system/fairleadd.service.d/root.conf", "[Service]\nUser=root\nGroup=root\n")
        machine.must(["systemctl", "daemon-reload"])
        self.serve(machine, vips=[{"name": "api", "address": f"{VIP}/16", "interface": "eth0"}], log={"target": "file", "path": "/var/log/fairlead/fairlead.log"})
        machine.must(["fairlead", "vip", "disable", "api"])
        machine.must(["systemctl", "kill", "--signal=KILL", "--kill-whom=main", "fairleadd"])
        wait_for(lambda: machine.property("fairleadd", "NRestarts") == "1" and self.status(machine)["ready"], 20, "it runs again, and left a recorder")
        owners = ["find", "/var/lib/fairlead", "/run/fairlead", "/var/log/fairlead", "-not", "-user", "fairlead"]
        self.assertIn("/var/lib/fairlead/wishes", machine.must(owners))
        machine.must(["rm", "-r", "/etc/systemd/system/fairleadd.service.d"])
        machine.must(["systemctl", "daemon-reload"])

        self.upgrade(machine)

        self.assertEqual(machine.must(owners), "")
        self.assertEqual(self.process(machine, machine.property("fairleadd", "MainPID"))["Uid"].split()[0], machine.must(["id", "-u", "fairlead"]).strip())
        wait_for(lambda: self.status(machine)["ready"], 20, "it serves")
        self.assertFalse(self.has_vip(), "as an operator wanted")
        for problem in ("VIP_START_PROBLEM", "WISHES_NOT_SAVED", "RECORDER_NOT_KEPT", "LOG_TARGET_FAILED"):
            self.assertEqual(self.events(machine, problem), [])
        machine.must(["fairlead", "vip", "enable", "api"])
        wait_for(self.has_vip, 20, "what was root's can be written")

    @staticmethod
    def listing(machine):
        """All files with owner and mode; without what every installation, and every start of systemd, changes."""
        found = machine.must(["find", "/", "-xdev", "(", "-path", "/tmp", "-o", "-path", "/var/tmp", "-o", "-path", "/srv", "-o", "-path", "/var/cache", "-o", "-path",
                              "/var/log/journal", "-o", "-path", "/var/lib/apt", "-o", "-path", "/var/lib/systemd/linger", "-o", "-path", "/var/lib/dpkg", ")", "-prune", "-o",
                              "!", "-name", "*-", "!", "-path", "/var/log/*.log*", "-printf", "%p %y %m %u:%g\n"])
        return set(found.splitlines())


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    result = unittest.main(exit=False, verbosity=2).result
    for test, reason in result.skipped:
        print(f"skipped {test}: {reason}")
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if result.testsRun == len(result.skipped) else 0)


if __name__ == "__main__":
    main()
