"""Which rights stay when everything runs that needs some: addresses, ARP, interfaces' settings, Corosync, guard, hooks. As root, and as another user."""
import os
import pwd
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import corosync_lab                                # noqa: E402
from support.cluster_probe import ClusterTest, main             # noqa: E402
from support.corosync_lab import CorosyncLab                    # noqa: E402
from support.dhcp_site import DhcpGatesTest                      # noqa: E402
from support.fairlead import BIN                                # noqa: E402
from support.vip_nodes import VipNode, holders                  # noqa: E402
from support.waiting import wait_for                            # noqa: E402

NUMBERS = {"NET_BIND_SERVICE": 10, "NET_ADMIN": 12, "NET_RAW": 13, "IPC_LOCK": 14, "SYS_NICE": 23}
SETPCAP = 8
USER = "nobody"
SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


def capabilities(names):
    return sum(1 << NUMBERS[name] for name in names)


DAEMON = capabilities(NUMBERS)
GUARD = capabilities(["NET_ADMIN", "SYS_NICE", "IPC_LOCK"])
DNSMASQ = capabilities(["NET_ADMIN", "NET_RAW", "NET_BIND_SERVICE"])


def fields(text):
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def status(path):
    with open(f"{path}/status", encoding="utf-8") as file:
        return fields(file.read())


def sets(of):
    return {name: int(of[name], 16) for name in SETS}


class PrivilegesTest(ClusterTest):
    def setUp(self):
        super().setUp()
        if os.environ.get("FL_SANITIZE") == "thread":
            self.skipTest("the sanitizer's own thread starts before main()")
        own = int(status("/proc/self")["CapEff"], 16)
        if DAEMON & ~own or not own >> SETPCAP & 1:
            self.skipTest("root has not the capabilities here that are to stay")

    def gates(self, user):
        """Two gateways in a cluster; their hooks write down what they may."""
        uidgid = f"uidgid {{\n  uid: {user}\n}}\n" if user else ""
        lab = CorosyncLab(2, lambda hosts: corosync_lab.config(hosts) + uidgid)
        self.addCleanup(lab.close)
        lab.start()
        gates = []
        for number in sorted(lab.nodes):
            node = lab.nodes[number]
            note = os.path.join(node.host.dir, f"node{number}", "state", "note")
            hook = {"command": ["/bin/sh", "-c", f"cat /proc/self/status > {note}.new && mv {note}.new {note}"], "timeout": "5s"}
            gate = VipNode(node, [n.host for n in lab.nodes.values()], self, vip={"on_acquire": [hook]})
            gate.note = note
            # The other node answers ARP, and is no router: enough for a tie-break here.
            gate.config["cluster"]["tie_break"] = {"targets": [lab.lab.node("router").address]}
            gate.write()
            if user:
                entry = pwd.getpwnam(user)
                for path in (gate.dir, os.path.join(gate.dir, "state")):
                    os.chown(path, entry.pw_uid, entry.pw_gid)
            gates.append(gate)
        for gate in gates:
            gate.start()
        wait_for(lambda: len(holders(gates)) == 1, 30, "one node holds the VIP")
        holder = holders(gates)[0]
        wait_for(lambda: os.path.exists(holder.note), 10, "its hook ran")
        return gates, holder

    def check(self, user):
        uid = pwd.getpwnam(user).pw_uid if user else 0
        gates, holder = self.gates(user)
        wait_for(lambda: holder.events("GUARD_UP"), 10, "the guard is up")
        daemon = holder.process.pid
        guard = int(holder.events("GUARD_UP")[-1]["fields"]["pid"])
        threads = [f"/proc/{daemon}/task/{tid}" for tid in os.listdir(f"/proc/{daemon}/task")]
        self.assertGreater(len(threads), 5)
        for path in threads:
            found = status(path)
            self.assertEqual(found["Uid"].split(), [str(uid)] * 4, found["Name"])
            self.assertEqual(sets(found), {"CapInh": 0, "CapPrm": DAEMON, "CapEff": DAEMON, "CapBnd": DAEMON, "CapAmb": 0}, found["Name"])
            self.assertEqual(found["NoNewPrivs"], "1", found["Name"])
        for tid in os.listdir(f"/proc/{guard}/task"):
            found = status(f"/proc/{guard}/task/{tid}")
            self.assertEqual(found["Uid"].split(), [str(uid)] * 4, found["Name"])
            self.assertEqual((int(found["CapPrm"], 16), int(found["CapEff"], 16)), (GUARD, GUARD), found["Name"])
        with open(holder.note, encoding="utf-8") as file:
            hook = fields(file.read())
        self.assertEqual(hook["Uid"].split(), [str(uid)] * 4, "who hooks are")
        self.assertEqual(sets(hook), {"CapInh": 0, "CapPrm": 0, "CapEff": 0, "CapBnd": DAEMON, "CapAmb": 0})
        # What it needed them for was done.
        self.assertEqual(holder.events("VIP_START_PROBLEM"), [])
        self.assertEqual(holder.events("TAKEOVER_NOT_HARDENED"), [])
        self.assertEqual(holder.host.run(["cat", "/proc/sys/net/ipv4/conf/eth0/arp_ignore"]).stdout.strip(), "1")
        other = next(gate for gate in gates if gate is not holder)
        holder.kill()
        wait_for(lambda: holders(gates) == [other], 10, "the guard gave it up and said so, and the other one has it")
        self.assertFalse(holder.has_vip())
        holder.start(ready=False)   # And takes part again: lock, journal and socket are its own.
        wait_for(lambda: len(holder.status()["cluster"]["nodes"]) == 2, 20, "it is back")

    def test_as_root_five_capabilities_stay_and_hooks_have_none(self):
        self.check(None)

    def test_as_the_owner_of_state_dir_the_same_ones_stay(self):
        self.check(USER)

    def test_release_vips_by_root_leaves_the_daemon_what_is_its_own(self):
        gates, holder = self.gates(USER)
        for gate in gates:
            gate.stop()
        done = holder.release_vips()
        self.assertEqual(done.returncode, 0, done.stderr)
        uid = pwd.getpwnam(USER).pw_uid
        state = holder.config["state_dir"]
        for name in os.listdir(state):
            self.assertEqual(os.stat(os.path.join(state, name)).st_uid, uid, name)
        holder.start(ready=False)

    def test_check_as_another_user_says_what_it_cannot_read(self):
        lab = CorosyncLab(1)
        self.addCleanup(lab.close)
        gate = VipNode(lab.nodes[1], None, self)
        os.chmod(gate.config_path, 0o600)
        command = [os.path.join(BIN, "fairleadd"), "--config", gate.config_path, "--check"]
        self.assertEqual(gate.node.run(command).returncode, 0)
        refused = gate.node.run([*command, "--user", USER])
        self.assertEqual(refused.returncode, 3, refused.stderr)
        self.assertIn("Permission denied", refused.stderr)
        self.assertEqual(gate.node.run([*command, "--user", "no-such-user"]).returncode, 2)


class DnsmasqPrivilegesTest(DhcpGatesTest):
    """dnsmasq and nft have the daemon's user, and of its capabilities what they need."""

    def children(self, user, *prefix):
        """(status of dnsmasq, of its helper, of an nft), while a gateway of `user` serves. `prefix`: what starts the daemon."""
        _, gate = self.prepared()
        gate.prefix = list(prefix)
        entry = pwd.getpwnam(user)
        for path in (gate.dir, gate.config["state_dir"], gate.config_path):
            os.chown(path, entry.pw_uid, entry.pw_gid)
        note = os.path.join(gate.config["state_dir"], "nft")
        real, noting = os.path.join(gate.dir, "sbin"), os.path.join(gate.dir, "noting-nft")
        os.mkdir(real)
        with open(noting, "w", encoding="ascii") as file:
            file.write(f'#!/bin/sh\ncat /proc/self/status > {note}.new && mv {note}.new {note}\nexec {real}/nft "$@"\n')
        os.chmod(noting, 0o755)
        mounts = f"mount --bind /usr/sbin {real} && mount -t tmpfs none /usr/sbin && ln -s {real}/* /usr/sbin/ && ln -sf {noting} /usr/sbin/nft"
        self.assertEqual(gate.node.run(["sh", "-c", mounts]).returncode, 0)
        gate.start()
        self.serving([gate])
        pid = gate.status()["dhcp"]["dnsmasq"]["pid"]
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            helper = int(file.read().split()[0])
        with open(note, encoding="ascii") as file:
            return status(f"/proc/{pid}"), status(f"/proc/{helper}"), fields(file.read())

    def check(self, *prefix):
        uid = pwd.getpwnam(USER).pw_uid
        dnsmasq, helper, nft = self.children(USER, *prefix)
        wanted = {"dnsmasq": (dnsmasq, DNSMASQ), "its helper, which runs the script": (helper, DNSMASQ), "nft": (nft, capabilities(["NET_ADMIN"]))}
        for what, (found, rights) in wanted.items():
            self.assertEqual(found["Uid"].split(), [str(uid)] * 4, what)
            self.assertEqual({name: value & ~rights for name, value in sets(found).items() if name != "CapBnd"},
                             {"CapInh": 0, "CapPrm": 0, "CapEff": 0, "CapAmb": 0}, what)
            self.assertEqual(int(found["CapBnd"], 16), DAEMON, what)
            self.assertEqual(found["NoNewPrivs"], "1", what)
        self.assertEqual(int(dnsmasq["CapEff"], 16), DNSMASQ)
        self.assertEqual(int(nft["CapEff"], 16), capabilities(["NET_ADMIN"]))

    def test_of_a_daemon_that_root_started(self):
        self.check()

    def test_of_a_daemon_that_was_started_as_its_user_with_ambient_capabilities(self):
        """As packaging/fairleadd.service does it."""
        names = ",".join(f"+{name.lower()}" for name in NUMBERS)
        self.check("setpriv", f"--reuid={USER}", f"--regid={pwd.getpwnam(USER).pw_gid}", "--clear-groups", f"--inh-caps=-all,{names}",
                   f"--ambient-caps=-all,{names}", f"--bounding-set=-all,{names}")


if __name__ == "__main__":
    main()
