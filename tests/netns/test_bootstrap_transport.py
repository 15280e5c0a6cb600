"""k8s-bootstrap over real sshd: connections, what is refused and why, files, scripts that outlive their connection, the lock, facts."""
import hashlib
import os
import re
import signal
import statistics
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import netns                                         # noqa: E402
from support.cluster_probe import main, program                   # noqa: E402
from support.lab import Lab                                       # noqa: E402
from support.ssh_machine import SshMachine, USER, make_key, why_unavailable    # noqa: E402
from support.waiting import SCALE, wait_for                       # noqa: E402


class SshTest(unittest.TestCase):
    def setUp(self):
        reason = netns.why_unavailable() or why_unavailable()
        if reason:
            self.skipTest(reason)
        self.lab = Lab("namespaces")
        self.addCleanup(self.lab.close)
        self.laptop = self.lab.node("laptop")
        self.key = make_key(os.path.join(self.laptop.dir, "key"))
        self.known = os.path.join(self.laptop.dir, "known_hosts")
        self.machines = {}

    def machine(self, name, **options):
        machine = SshMachine(self.lab, name, self.key)
        machine.server = machine.sshd(**options)
        self.machines[name] = machine
        return machine

    def site(self, *lines, user="root", name="site", addresses=()):
        """Path of a site of all machines, in the probe's few lines."""
        text = [f"machine {m.name} {dict(addresses).get(m.name, m.address)} control-plane" for m in self.machines.values()]
        text += [f"user {user}", f"key {self.key}", f"known {self.known}", "timeout 2s", *lines]
        path = os.path.join(self.laptop.dir, name)
        with open(path, "w", encoding="ascii") as file:
            file.write("\n".join(text) + "\n")
        return path

    def argv(self, site, *words):
        return [program("bootstrap_probe"), site, *words]

    def probe(self, site, *words, script=""):
        with self.laptop.entered():
            return subprocess.run(self.argv(site, *words), input=script.encode(), capture_output=True, timeout=60 * SCALE, check=False)

    def ask(self, site, *words, script=""):
        return self.probe(site, *words, script=script).stdout.decode()

    def start(self, site, *words, script=None):
        """Runs it beside the test; ended with it. Output: a file."""
        out = os.path.join(self.laptop.dir, f"out{len(os.listdir(self.laptop.dir))}")
        with self.laptop.entered(), open(out, "wb") as file:
            child = subprocess.Popen(self.argv(site, *words), stdin=subprocess.PIPE, stdout=file, stderr=subprocess.STDOUT)

        def end():
            child.kill()
            child.wait()
            if child.stdin:
                child.stdin.close()
        self.addCleanup(end)
        if script is not None:
            child.stdin.write(script.encode())
            child.stdin.close()
            child.stdin = None

        def said():
            with open(out, encoding="utf-8", errors="replace") as file:
                return file.read()
        child.said = said
        return child


class TransportTest(SshTest):
    def test_a_script_runs_as_root_with_its_exit_code_whoever_logs_in(self):
        machine = self.machine("mast-1", port=2022)
        for user in ("root", USER):
            site = self.site("port 2022", user=user)
            done = self.probe(site, "run", "mast-1", script="id -u; hostname; echo complaint >&2; exit 9")
            self.assertEqual(done.stdout.decode(), "EXIT 9\n0\nmast-1\n", done.stderr)
            self.assertEqual(done.stderr.decode(), "complaint\n")
        self.assertIn("mast-1 ssh-ed25519 ", open(self.known, encoding="ascii").read(), "filed under its name")
        self.assertEqual(os.stat(self.known).st_mode & 0o777, 0o600)
        self.assertIn("Accepted publickey for debian", machine.server.stderr())

    def test_exit_code_255_of_a_script_is_its_own(self):
        self.machine("mast-1")
        self.assertEqual(self.ask(self.site(), "run", "mast-1", script="exit 255"), "EXIT 255\n")

    def test_no_script_is_seen_in_a_list_of_processes(self):
        self.machine("mast-1")
        script = "s=canary; for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline; echo; done 2>/dev/null"
        listed = self.ask(self.site(user=USER), "run", "mast-1", script=script)
        self.assertIn("sudo -n", listed)
        self.assertNotIn("canary", listed)

    def test_noise_of_a_login_shell_is_no_output(self):
        machine = self.machine("mast-1")
        machine.shell(f"sed -i 's,^{USER}:.*,{USER}:x:4001:4001::/run/home:/bin/bash,' /etc/passwd; mkdir /run/home; "
                      "echo 'echo welcome; echo hello >&2' >/run/home/.bashrc; chown -R 4001 /run/home")
        done = self.probe(self.site(user=USER), "run", "mast-1", script="echo data")
        self.assertEqual((done.stdout, done.stderr), (b"EXIT 0\ndata\n", b""))

    def test_calls_share_a_connection_and_a_lost_one_is_made_again(self):
        machine = self.machine("mast-1")
        accepted = lambda: machine.server.stderr().count("Accepted publickey")    # noqa: E731
        child = self.start(self.site(), "twice", "mast-1")
        wait_for(lambda: child.said().count("EXIT 0") == 1, 20, "the first call")
        child.stdin.write(b"\n")
        child.stdin.flush()
        wait_for(lambda: child.said().count("EXIT 0") == 2, 20, "the second")
        self.assertEqual(accepted(), 1)
        child = self.start(self.site(), "twice", "mast-1")
        wait_for(lambda: child.said().count("EXIT 0") == 1, 20, "the first call")
        machine.end_sessions()
        child.stdin.write(b"\n")
        child.stdin.flush()
        wait_for(lambda: child.said().count("EXIT 0") == 2, 20, f"the second: {child.said()}")
        self.assertEqual(accepted(), 3)

    def test_a_killed_program_leaves_no_connection(self):
        machine = self.machine("mast-1")
        child = self.start(self.site(), "twice", "mast-1")
        wait_for(lambda: child.said().count("EXIT 0") == 1, 20, "the first call")
        folder = f"/tmp/fairlead-ssh-{child.pid}-"
        find = lambda: [f for f in os.listdir("/tmp") if os.path.join("/tmp", f).startswith(folder)]    # noqa: E731
        self.assertEqual(len(find()), 1)
        child.kill()
        child.wait()
        wait_for(lambda: "Disconnected from user root" in machine.server.stderr(), 10, "the connection is closed")
        self.assertEqual(self.ask(self.site(), "run", "mast-1"), "EXIT 0\n")
        self.assertEqual(find(), [], "its folder is swept by the next")

    def test_what_is_refused_names_the_machine_the_cause_and_the_remedy(self):
        machine = self.machine("mast-1")
        gone = SshMachine(self.lab, "mast-2", self.key)     # No sshd.
        self.machines["mast-2"] = gone
        away = self.machine("mast-3")
        away.host.vanish()
        site = self.site()
        refused = self.ask(site, "run", "mast-2")
        self.assertRegex(refused, r"ERROR unavailable mast-2 \(root@10\.77\.\S+ port 22\): nothing listens at port 22")
        start = time.monotonic()
        self.assertRegex(self.ask(site, "run", "mast-3"), r"ERROR unavailable mast-3 .*(did not answer in 2s|no route)")
        self.assertLess(time.monotonic() - start, 15 * SCALE)
        other = make_key(os.path.join(self.laptop.dir, "other"))
        with open(site, encoding="ascii") as file:
            text = file.read()
        with open(site, "w", encoding="ascii") as file:
            file.write(text.replace(f"key {self.key}", f"key {other}"))
        self.assertRegex(self.ask(site, "run", "mast-1"), r"ERROR permission mast-1 .*refuses the key \S+other as user root.*authorized_keys")
        unknown = self.site(name="unknown")
        with open(unknown, "a", encoding="ascii") as file:
            file.write(f"key {self.laptop.dir}/none\n")
        self.assertRegex(self.ask(unknown, "run", "mast-1"), r"ERROR not_found ssh.key: \S+none.*ssh-keygen -t ed25519")
        machine.shell("rm /etc/sudoers.d/debian")
        self.assertRegex(self.ask(self.site(user=USER), "run", "mast-1"), r"ERROR permission mast-1 .*sudo refuses debian.*NOPASSWD")
        machine.shell(f"sed -i 's,^{USER}:.*,{USER}:x:4001:4001::/tmp:/usr/sbin/nologin,' /etc/passwd")
        self.assertRegex(self.ask(self.site(user=USER), "run", "mast-1"), r"ERROR permission mast-1 .*nologin")

    def test_a_host_key_that_changed_is_a_conflict_and_nothing_runs(self):
        machine = self.machine("mast-1")
        self.assertEqual(self.ask(self.site(), "run", "mast-1"), "EXIT 0\n")
        machine.server.kill()
        machine.new_host_key()
        machine.sshd()
        said = self.ask(self.site(), "run", "mast-1", script="touch /run/ran")
        self.assertRegex(said, r"ERROR conflict mast-1 .*host key.*ssh-keygen -R mast-1 -f " + re.escape(self.known))
        self.assertFalse(os.path.exists(machine.root + "/run/ran"))
        subprocess.run(["ssh-keygen", "-q", "-R", "mast-1", "-f", self.known], check=True, capture_output=True)
        self.assertEqual(self.ask(self.site(), "run", "mast-1"), "EXIT 0\n", "the remedy is one")

    def test_a_certified_machine_has_to_show_its_certificate(self):
        machine = SshMachine(self.lab, "mast-1", self.key)
        self.machines["mast-1"] = machine
        authority = make_key(os.path.join(self.laptop.dir, "authority"))
        sign = lambda key, *options: subprocess.run(["ssh-keygen", "-q", "-s", authority, "-I", "x", *options, f"{key}.pub"], check=True)    # noqa: E731
        sign(machine.host_key, "-h", "-n", "mast-1")
        user = make_key(os.path.join(self.laptop.dir, "user"))
        sign(user, "-n", "root")
        machine.write("/etc/ssh/authority.pub", open(f"{authority}.pub", encoding="ascii").read())
        server = machine.sshd(certificate=True, trusted="/etc/ssh/authority.pub")
        public = open(f"{authority}.pub", encoding="ascii").read().strip()
        site = self.site(f"authority {public}", "certified mast-1", f"key {user}", f"certificate {user}-cert.pub")
        self.assertEqual(self.ask(site, "run", "mast-1"), "EXIT 0\n")
        self.assertEqual(open(self.known, encoding="ascii").read(), "", "nothing had to be taken on trust")
        self.assertIn("CA ED25519", server.stderr())
        server.kill()
        machine.sshd(trusted="/etc/ssh/authority.pub")
        self.assertRegex(self.ask(site, "run", "mast-1"), r"ERROR conflict mast-1 .*SSH authority")

    def test_machines_behind_jump_hosts(self):
        """laptop -> bastion -> door -> mast-1: each hop knows only the next network."""
        bastion, door, inner = self.machine("bastion"), self.machine("door", port=2222), self.machine("mast-1")
        addresses = {"door": "10.98.0.2", "mast-1": "10.99.0.2"}
        for box, own in ((bastion, ["10.98.0.1"]), (door, ["10.98.0.2", "10.99.0.1"]), (inner, ["10.99.0.2"])):
            for address in own:
                self.assertEqual(box.host.run(["ip", "addr", "add", f"{address}/24", "dev", "eth0"]).returncode, 0)
        direct = self.site(addresses=addresses.items())
        self.assertRegex(self.ask(direct, "run", "mast-1"), "no route to 10.99.0.2")
        site = self.site("jump bastion", "jump debian@10.98.0.2:2222", addresses=addresses.items(), user=USER)
        self.assertEqual(self.ask(site, "run", "mast-1", script="hostname"), "EXIT 0\nmast-1\n")
        known = open(self.known, encoding="ascii").read()
        self.assertEqual({line.split()[0] for line in known.splitlines()}, {"bastion", "jump.1", "mast-1"})
        inner.server.kill()
        self.assertRegex(self.ask(site, "run", "mast-1"), r"ERROR unavailable mast-1 .*the jump host jump.1 cannot reach 10.99.0.2 port 22")
        bastion.server.kill()
        self.assertRegex(self.ask(site, "run", "mast-1"), r"ERROR unavailable mast-1 is reached over bastion, and that is not: bastion .*nothing listens")

    def test_files_go_both_ways_whole_or_not_at_all(self):
        machine = self.machine("mast-1")
        source, back = os.path.join(self.laptop.dir, "source"), os.path.join(self.laptop.dir, "back")
        content = os.urandom(5_000_000)
        with open(source, "wb") as file:
            file.write(content)
        site = self.site(user=USER)
        self.assertEqual(self.ask(site, "put", "mast-1", source, "/var/lib/x/it's here", "0640"), "OK\n")
        there = machine.root + "/var/lib/x/it's here"
        with open(there, "rb") as file:
            self.assertEqual(hashlib.sha256(file.read()).digest(), hashlib.sha256(content).digest())
        self.assertEqual((os.stat(there).st_mode & 0o777, os.stat(there).st_uid), (0o640, 0))
        self.assertEqual(self.ask(site, "fetch", "mast-1", "/var/lib/x/it's here", back), "OK\n")
        with open(back, "rb") as file:
            self.assertEqual(file.read(), content)
        self.assertEqual(os.stat(back).st_mode & 0o777, 0o600)
        machine.write("/run/small/file", "old")
        self.assertRegex(self.ask(site, "put", "mast-1", source, "/run/small/file", "0644"), "ERROR limit_exceeded mast-1: put /run/small/file: the disk is full")
        self.assertEqual(os.listdir(machine.root + "/run/small"), ["file"], "nothing half-written stays")
        self.assertEqual(machine.read("/run/small/file"), "old")
        self.assertRegex(self.ask(site, "fetch", "mast-1", "/none", back), "ERROR not_found mast-1: fetch /none")

    def test_a_cut_in_the_middle_is_said_to_be_one(self):
        machine = self.machine("mast-1")
        child = self.start(self.site(), "run", "mast-1", "30", script="touch /run/began; timeout 20 tail -f /dev/null")
        wait_for(lambda: os.path.exists(machine.root + "/run/began"), 20, "it began")
        machine.end_sessions()
        child.wait(20 * SCALE)
        self.assertRegex(child.said(), "ERROR unavailable mast-1: the connection was cut while a script ran there")

    def test_a_script_that_takes_too_long_is_given_up(self):
        self.machine("mast-1")
        self.assertRegex(self.ask(self.site(), "run", "mast-1", "1", script="timeout 5 tail -f /dev/null"), "ERROR timeout mast-1: not done in 1s")

    def test_a_server_that_sheds_is_asked_again(self):
        self.machine("mast-1", startups="1:100:1")
        site = self.site()
        children = [self.start(site, "run", "mast-1", script="echo in") for _ in range(4)]
        for child in children:
            child.wait(30 * SCALE)
        # One comes in at once; who comes after it was sent away first. How many do within their tries is the machine's speed.
        self.assertGreaterEqual(sum("EXIT 0\nin\n" in child.said() for child in children), 2, [child.said() for child in children])


class StepTest(SshTest):
    EFFECT = "echo once >>/run/effect; touch /run/began; while [ ! -e /run/go ]; do timeout 0.05 tail -f /dev/null || true; done; echo said; echo X=1\n"

    def setUp(self):
        super().setUp()
        self.box = self.machine("mast-1")

    def step(self, *more, script=None, name="mast-1/join", site=None):
        return self.ask(site or self.site(), "step", "mast-1", "run-1", name, "25", *more, script=script if script is not None else self.EFFECT)

    def begin(self):
        child = self.start(self.site(), "step", "mast-1", "run-1", "mast-1/join", "25", script=self.EFFECT)
        wait_for(lambda: os.path.exists(self.box.root + "/run/began"), 20, f"it began: {child.said()}")
        return child

    def state(self):
        return [line for line in self.ask(self.site(), "facts").splitlines() if line.startswith("STEP ")]

    def effects(self):
        return self.box.read("/run/effect").count("once")

    def test_it_runs_once_and_its_record_is_a_fact(self):
        self.box.write("/run/go", "")
        self.assertEqual(self.step(), "STATE done 0 begun -\nsaid\nX=1\n")
        self.assertEqual(self.step(), "STATE done 0 found -\nsaid\nX=1\n")
        self.assertEqual(self.step("anew"), "STATE done 0 found -\nsaid\nX=1\n", "what is done is never run again")
        self.assertEqual(self.effects(), 1)
        self.assertEqual(self.state(), ["STEP mast-1 run-1 mast-1/join.0 done 0"])
        folder = self.box.root + "/var/lib/fairlead/bootstrap/runs/run-1/mast-1%2Fjoin.0"
        self.assertNotIn("script", os.listdir(folder))
        self.assertEqual(os.stat(folder).st_mode & 0o777, 0o700)
        self.assertEqual(self.ask(self.site(), "forget", "mast-1", "run-1"), "OK\n")
        self.assertEqual(os.listdir(self.box.root + "/var/lib/fairlead/bootstrap/runs"), [])

    def test_what_was_done_with_another_text_or_is_to_be_done_again_is_run(self):
        text = "echo once >>/run/effect; umask"
        self.assertEqual(self.step("anew", "one", script=text), "STATE done 0 begun -\n0022\n")
        self.assertEqual(self.step("anew", "one", script=text), "STATE done 0 found -\n0022\n")
        self.assertEqual(self.step("anew", "two", script=text + "; echo more"), "STATE done 0 begun -\n0022\nmore\n")
        self.assertEqual(self.step("again", "two", script=text), "STATE done 0 begun -\n0022\n")
        self.assertEqual(self.effects(), 3)
        self.assertEqual(self.state(), ["STEP mast-1 run-1 mast-1/join.0 done 0"])

    def test_one_that_fails_says_why_and_runs_again_only_when_told_so(self):
        failing = "echo once >>/run/effect; echo bad luck >&2; false; echo not reached"
        self.assertEqual(self.step(script=failing), "STATE failed 1 begun -\nbad luck\n")
        self.assertEqual(self.step(script=failing), "STATE failed 1 found -\nbad luck\n")
        self.assertEqual(self.effects(), 1)
        self.assertEqual(self.step("anew", script="echo once >>/run/effect; umask"), "STATE done 0 begun -\n0022\n")
        self.assertEqual(self.effects(), 2)

    def test_one_that_is_overdue_is_ended_on_the_machine(self):
        said = self.ask(self.site(), "step", "mast-1", "run-1", "slow", "1", script="timeout 9 tail -f /dev/null; echo survived >/run/survived")
        self.assertRegex(said, "STATE failed 124 begun overdue")
        self.assertFalse(os.path.exists(self.box.root + "/run/survived"))

    def test_it_goes_on_when_the_connection_is_cut_and_is_found_again(self):
        child = self.begin()
        self.box.end_sessions()
        wait_for(lambda: self.box.server.stderr().count("Accepted publickey") >= 2, 20, "it comes back by itself")
        self.box.write("/run/go", "")
        child.wait(20 * SCALE)
        self.assertEqual(child.said(), "STATE done 0 found -\nsaid\nX=1\n")
        self.assertEqual(self.effects(), 1)

    def test_it_goes_on_when_the_program_is_killed_and_is_found_again(self):
        child = self.begin()
        child.send_signal(signal.SIGKILL)
        child.wait()
        self.assertEqual(self.state(), ["STEP mast-1 run-1 mast-1/join.0 running 0"])
        again = self.start(self.site(), "step", "mast-1", "run-1", "mast-1/join", "25", script=self.EFFECT)
        wait_for(lambda: self.box.server.stderr().count("Accepted publickey") >= 3, 20, "the second is there")
        self.box.write("/run/go", "")
        again.wait(20 * SCALE)
        self.assertEqual(again.said(), "STATE done 0 found -\nsaid\nX=1\n")
        self.assertEqual(self.effects(), 1)

    def test_two_at_once_run_it_once(self):
        self.box.write("/run/go", "")
        site = self.site()
        children = [self.start(site, "step", "mast-1", "run-1", "mast-1/join", "25", script=self.EFFECT) for _ in range(4)]
        for child in children:
            child.wait(30 * SCALE)
        said = sorted(child.said().splitlines()[0] for child in children)
        self.assertEqual(said, ["STATE done 0 begun -"] + 3 * ["STATE done 0 found -"])
        self.assertEqual(self.effects(), 1)

    def test_after_a_reboot_it_is_interrupted_and_not_run_again_by_itself(self):
        child = self.begin()
        child.send_signal(signal.SIGKILL)
        child.wait()
        self.box.shell("for p in /proc/[0-9]*; do grep -aq '[b]ootstrap/runs/' $p/cmdline 2>/dev/null && kill -9 ${p#/proc/}; done; true")
        self.box.pretend("/proc/sys/kernel/random/boot_id", "another-boot\n")
        self.assertEqual(self.state(), ["STEP mast-1 run-1 mast-1/join.0 interrupted 0"])
        self.assertRegex(self.step(), "^STATE interrupted 0 found")
        self.assertEqual(self.effects(), 1)
        self.box.write("/run/go", "")
        self.assertRegex(self.step("anew"), "^STATE done 0 begun")
        self.assertEqual(self.effects(), 2)

    def test_a_full_disk_begins_nothing(self):
        self.box.shell("mkdir -p /var/lib/fairlead/bootstrap && mount --bind /run/small /var/lib/fairlead/bootstrap; dd if=/dev/zero of=/run/small/fill bs=1k 2>/dev/null; true")
        self.assertRegex(self.step(), "ERROR limit_exceeded mast-1: mast-1/join: the disk is full")
        self.assertFalse(os.path.exists(self.box.root + "/run/effect"))

    def test_the_same_over_the_local_transport(self):
        site = self.site(f"inside mast-1 {self.box.pid}", name="local")
        self.box.write("/run/go", "")
        self.assertEqual(self.step(site=site), "STATE done 0 begun -\nsaid\nX=1\n")
        self.assertEqual(self.step(site=site), "STATE done 0 found -\nsaid\nX=1\n")
        self.assertRegex(self.ask(site, "facts"), "FACT mast-1 host_name=mast-1 ")


class LockTest(SshTest):
    def hold(self, owner, token):
        child = self.start(self.site(), "lock", owner, token)
        wait_for(lambda: child.said() != "" or child.poll() is not None, 20, "an answer")
        return child

    def test_two_exclude_each_other_and_the_second_is_told_who(self):
        for name in ("mast-1", "mast-2"):
            self.machine(name)
        first = self.hold("anna", "token1")
        self.assertEqual(first.said(), "LOCKED\n")
        second = self.hold("bert", "token2")
        self.assertRegex(second.said(), r"ERROR conflict mast-1 is locked by anna on laptop, since 2026-11-27T00:00:00Z.*bootstrap unlock")
        self.assertIn("lock=anna on laptop", self.ask(self.site(), "facts"))
        first.stdin.close()
        first.wait(20 * SCALE)
        third = self.hold("bert", "token2")
        self.assertEqual(third.said(), "LOCKED\n")

    def test_all_or_none(self):
        one, two = self.machine("mast-1"), self.machine("mast-2")
        first = self.hold("anna", "token1")
        self.assertEqual(first.said(), "LOCKED\n")
        one.shell("rm /var/lib/fairlead/bootstrap/lock")
        self.assertRegex(self.hold("bert", "token2").said(), "ERROR conflict mast-2 is locked by anna")
        self.assertFalse(os.path.exists(one.root + "/var/lib/fairlead/bootstrap/lock"), "given back")
        two.server.kill()
        two.end_sessions()
        self.assertRegex(self.hold("bert", "token2").said(), "ERROR unavailable mast-2")
        self.assertFalse(os.path.exists(one.root + "/var/lib/fairlead/bootstrap/lock"), "given back")

    def test_a_dead_holder_s_lock_is_stale_after_a_minute_of_the_machine(self):
        box = self.machine("mast-1")
        first = self.hold("anna", "token1")
        first.send_signal(signal.SIGKILL)
        first.wait()
        beat = int(re.search("^beat (.*)$", box.read("/var/lib/fairlead/bootstrap/lock"), re.M)[1])
        box.pretend("/proc/uptime", f"{beat + 60}.00 1.00\n")
        self.assertRegex(self.hold("bert", "token2").said(), "ERROR conflict")
        box.shell("umount /proc/uptime")
        box.pretend("/proc/uptime", f"{beat + 61}.00 1.00\n")
        self.assertEqual(self.hold("bert", "token2").said(), "LOCKED\n")

    def test_it_outlives_a_reboot_and_a_step_of_the_clock(self):
        box = self.machine("mast-1")
        first = self.hold("anna", "token1")
        first.send_signal(signal.SIGKILL)
        first.wait()
        box.pretend("/proc/sys/kernel/random/boot_id", "another-boot\n")
        box.pretend("/proc/uptime", "20.00 1.00\n")
        self.assertRegex(self.hold("bert", "token2").said(), "ERROR conflict")

    def test_unlock_frees_it_and_says_whose_it_was(self):
        self.machine("mast-1")
        self.hold("anna", "token1")
        self.assertEqual(self.ask(self.site(), "unlock", "mast-1"), "WAS anna on laptop, since 2026-11-27T00:00:00Z\n")
        self.assertEqual(self.ask(self.site(), "unlock", "mast-1"), "WAS \n")
        self.assertEqual(self.hold("bert", "token2").said(), "LOCKED\n")


class FactsTest(SshTest):
    def test_twelve_machines_over_fresh_connections(self):
        for number in range(12):
            self.machine(f"m-{number:02}")
        self.machines["m-03"].write("/etc/kubernetes/admin.conf", "x")
        self.machines["m-04"].write("/etc/fairlead/stand-in-facts", "cpus=4\nswap=no\nmemory=4GiB\n")
        site = self.site("parallel 12")
        took, busy = [], max(1, os.getloadavg()[0] / os.cpu_count())     # Others may be at work here.
        for _ in range(10 if os.environ.get("FL_FIGURES") else 3):
            said = self.ask(site, "facts", "/etc/hosts", "/etc/none")
            self.assertEqual(said.count("\nFACT ") + said.startswith("FACT "), 12, said)
            took.append(int(re.search("^TOOK (.*)$", said, re.M)[1]))
        if os.environ.get("FL_FIGURES"):
            print(f"FIGURE facts of 12 machines, fresh ssh: n={len(took)} median={statistics.median(took)} min={min(took)} max={max(took)} ms", flush=True)
        self.assertLess(min(took), 3000 * SCALE * busy)
        facts = {m[1]: m[0] for m in re.finditer(r"FACT (\S+) .*", said)}
        self.assertIn(" admin=y ", facts["m-03"])
        self.assertIn(" admin=n etcd=n api=n ", facts["m-00"])
        self.assertIn(" cpus=4 memory=4294967296 swap=n ", facts["m-04"])
        self.assertIn("STANDIN m-04 swap", said)
        self.assertRegex(said, "FILE m-00 /etc/none false")
        self.assertRegex(said, r"PORT m-00 22 sshd")
        self.assertRegex(said, r"CARD m-00 eth0 \S+ 10\.77\.")
        offsets = [abs(int(m)) for m in re.findall(r"offset_ms=(-?\d+)", said)]
        errors = [int(m) for m in re.findall(r"error_ms=(\d+)", said)]
        self.assertTrue(all(o <= e + 1 for o, e in zip(offsets, errors)), (offsets, errors))
        hashes = lambda text: dict(re.findall(r"FILE (\S+) /etc/hosts true \d+ (\S+)", text))    # noqa: E731
        before = hashes(said)
        self.machines["m-07"].write("/etc/hosts", "changed by hand\n")
        after = hashes(self.ask(site, "facts", "/etc/hosts"))
        self.assertEqual([name for name in before if before[name] != after[name]], ["m-07"])

    def test_who_does_not_answer_is_unread_and_the_others_are_read(self):
        for name in ("mast-1", "mast-2"):
            self.machine(name)
        self.machines["mast-2"].server.kill()
        said = self.ask(self.site(), "facts")
        self.assertIn("FACT mast-1 ", said)
        self.assertRegex(said, r"UNREAD mast-2 mast-2 \(root@\S+ port 22\): nothing listens")


if __name__ == "__main__":
    main()
