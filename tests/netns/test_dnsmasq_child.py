"""dnsmasq as dnsdhcp runs it: its bus with this process at the other end, its script's events, its supervision. Real dnsmasq."""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import dhcp                                              # noqa: E402
from support.cluster_probe import main, program                       # noqa: E402
from support.dnsmasq import DNS, DNSMASQ, POOL, ROUTER, DnsmasqTest, mac_of   # noqa: E402
from support.process import has_ended                                 # noqa: E402
from support.waiting import wait_for                                  # noqa: E402

MAC, OTHER = "52:54:00:00:00:01", "52:54:00:00:00:02"


class WithDnsmasq(DnsmasqTest):
    def setUp(self):
        super().setUp()
        self.gate = self.gates[0]

    def dhcp_client(self, mac=MAC):
        client = dhcp.Client(self.client, mac)
        self.addCleanup(client.close)
        return client

    def resolve(self, name):
        return self.client.run(["dig", f"@{DNS}", name, "+short", "+tries=1", "+time=1"]).stdout.split()


class BusTest(WithDnsmasq):
    def setUp(self):
        super().setUp()
        self.gate.start_with_probe()
        self.probe = self.gate.probe

    def test_dnsmasq_takes_this_process_for_a_bus(self):
        self.assertRegex(self.probe.lines("UP")[0]["version"], r"^2\.\d+")
        self.assertRegex(self.probe.ask("version")["version"], r"^2\.\d+")
        self.assertNotIn("DBus error", self.gate.dnsmasq.stderr())

    def test_a_lease_that_is_put_in_is_told_resolves_and_is_the_clients(self):
        self.gate.add_vips()
        self.probe.ask(f"add {POOL[1]} {MAC} mast-1 01:{MAC} 120", add=POOL[1])
        self.assertEqual(self.probe.wait("LEASE", kind="added")[0][""], f"LEASE kind=added address={POOL[1]} hardware={MAC} name=mast-1.lab.test")
        event = self.probe.wait("EVENT", action="add", address=POOL[1])[0]
        self.assertEqual((event["name"], event["interface"], event["left"]), ("mast-1", "-", "120"))
        wait_for(lambda: self.resolve("mast-1.lab.test") == [POOL[1]], 5, "its name")
        self.assertEqual(self.dhcp_client().until_answered()[1]["address"], POOL[1])

    def test_a_lease_that_is_put_in_again_is_renewed_renamed_or_another_clients(self):
        self.probe.ask(f"add {POOL[1]} {MAC} mast-1 - 120", add=POOL[1])
        self.probe.ask(f"add {POOL[1]} {MAC} mast-1 - 600", add=POOL[1])
        self.assertEqual(self.probe.wait("EVENT", action="old")[-1]["left"], "600")
        self.probe.ask(f"add {POOL[1]} {OTHER} mast-2 - 600", add=POOL[1])
        wait_for(lambda: [e for e in self.probe.lines("EVENT") if e["mac"] == OTHER and e["name"] == "mast-2"], 5, "another client's")

    def test_a_lease_put_in_without_a_client_id_keeps_that_of_the_one_before_unless_it_is_deleted_first(self):
        """What LeaseBook deletes first for, and that each deletion has an event of its own."""
        def ids_of(mac):
            return [e["client_id"] for e in self.probe.lines("EVENT") if e["mac"] == mac and e["action"] != "del"]

        self.probe.ask(f"add {POOL[1]} {OTHER} - 01:{OTHER} 120", add=POOL[1])
        self.probe.ask(f"add {POOL[1]} {MAC} - - 120", add=POOL[1])
        wait_for(lambda: ids_of(MAC), 5, "another client's")
        self.assertEqual(ids_of(MAC)[-1], f"01:{OTHER}", "and of the one before")
        for order in ("del {}", "add {} " + MAC + " - - 120", "del {}", "add {} " + MAC + " - - 600"):
            self.probe.tell(order.format(POOL[1]))
        self.probe.wait("EVENT", 2, action="del", address=POOL[1])
        self.assertEqual(self.probe.wait("EVENT", action="add", left="600")[-1]["client_id"], "-")

    def test_a_lease_is_deleted_once(self):
        self.probe.ask(f"add {POOL[1]} {MAC} mast-1 - 120", add=POOL[1])
        self.assertEqual(self.probe.ask(f"del {POOL[1]}")["there"], "1")
        self.assertEqual(self.probe.wait("LEASE", kind="deleted")[0]["address"], POOL[1])
        self.probe.wait("EVENT", action="del", address=POOL[1])
        self.assertEqual(self.probe.ask(f"del {POOL[1]}")["there"], "0")

    def test_counters_are_read_by_dnsmasqs_own_names(self):
        self.gate.add_vips()
        wait_for(lambda: self.resolve("static.lab.test"), 5, "DNS")
        metrics = self.metrics()
        self.assertGreaterEqual(int(metrics["dns_local_answered"]), 1)
        self.assertIn("dhcp_ack", metrics)

    def metrics(self):
        self.probe.tell("metrics")
        return wait_for(lambda: [a for a in self.probe.lines("ANSWER") if "metrics" in a], 5, "counters")[-1]

    def test_what_dnsmasq_refuses_is_an_answer(self):
        self.assertIn("Invalid HW address", self.probe.ask(f"add {POOL[1]} nonsense - - 120", add=POOL[1])[""])

    def test_one_lease_more_than_it_may_have_ends_dnsmasq(self):
        """Why dhcp-lease-max is not left to its default of 1000."""
        self.gate.dnsmasq.kill()
        self.gate.write_config("dhcp-lease-max=2")
        self.gate.start_with_probe()
        for i in range(3):
            self.probe.tell(f"add 10.77.8.{20 + i} 52:54:00:00:01:{i:02x} - - 120")
        self.probe.wait("LOST", 2)
        self.assertEqual(len([a for a in self.probe.lines("ANSWER") if a.get("ok") == "1"]), 2)
        self.assertEqual(len([a for a in self.probe.lines("ANSWER") if "error" in a]), 1, "the call without an answer is told")

    def test_many_leases_at_once_are_answered_each(self):
        for i in range(40):
            self.probe.tell(f"add 10.77.8.{20 + i} 52:54:00:00:01:{i:02x} - - 120")
        self.probe.wait("ANSWER", 40, ok="1")
        self.assertEqual(self.probe.ask("ping", "PONG")["calls"], "0")

    def test_a_frozen_dnsmasq_holds_nobody_up_and_a_call_ends_in_time(self):
        self.gate.dnsmasq.freeze()
        self.probe.tell("version")
        self.assertEqual(self.probe.ask("ping", "PONG")["calls"], "1", "the loop turns")
        self.assertIn("does not answer", self.probe.wait("ANSWER", version="?", timeout=15)[0][""])
        self.gate.dnsmasq.thaw()
        wait_for(lambda: self.probe.ask("version").get("version", "?") != "?", 10, "it is there again")

    def test_a_dnsmasq_that_is_gone_is_told_and_the_next_one_is_taken(self):
        self.gate.dnsmasq.kill()
        self.probe.wait("LOST")
        self.assertIn("dnsmasq is not on its bus", self.probe.ask("version", version="?")[""])
        self.gate.start_with_probe()
        self.assertEqual(len(self.probe.lines("UP")), 2)
        self.assertNotEqual(self.probe.ask("version")["version"], "?")


class ScriptTest(WithDnsmasq):
    def script(self, probe, *words, wrap=()):
        """fairlead-dhcp-event, run as dnsmasq runs it."""
        return self.gate.node.run([*wrap, program("fairlead-dhcp-event"), *words], env={**os.environ, **probe.environment()})

    def test_events_of_a_real_client_are_whole(self):
        self.gate.start_with_probe()
        self.gate.add_vips()
        node = self.bare_client("c2")
        self.must(node, ["busybox", "udhcpc", "-f", "-n", "-q", "-i", "eth0", "-s", "/bin/true", "-x", "hostname:kube-1", "-x", "0x3d:0102030405"])
        event = self.gate.probe.wait("EVENT", action="add")[0]
        mac = mac_of(node)
        self.assertEqual((event["mac"], event["name"], event["wish"], event["client_id"], event["interface"]),
                         (mac, "kube-1", "kube-1", "01:02:03:04:05", "eth0"))
        self.assertEqual(event["tags"].split(",")[-1], "eth0")
        self.assertLessEqual(int(event["left"]), 120)
        self.assertGreater(int(event["left"]), 110)

    def test_leases_survive_a_restart_through_init(self):
        probe = self.gate.start_probe()
        probe.tell(f"know {POOL[1]} {MAC} mast-1 01:{MAC} 120")
        probe.tell(f"know {POOL[0]} {OTHER} - - 90")
        probe.tell(f"know 10.77.8.30 {OTHER} gone - -1")
        self.gate.start_with_probe()
        self.assertEqual(len(probe.lines("INIT")), 1)
        known = {(POOL[1], MAC, "mast-1"), (POOL[0], OTHER, "-")}
        wait_for(lambda: {(e["address"], e["mac"], e["name"]) for e in probe.lines("EVENT") if e["action"] == "old"} == known, 5, "dnsmasq tells both")
        self.gate.add_vips()
        wait_for(lambda: self.resolve("mast-1.lab.test") == [POOL[1]], 5, "its name")
        self.assertEqual(self.dhcp_client(OTHER).until_answered()[1]["address"], POOL[0])

    def test_a_thousand_leases_go_through_init(self):
        probe = self.gate.start_probe()
        self.gate.write_config("dhcp-lease-max=5000")
        for i in range(2000):
            probe.tell(f"know 10.77.{100 + i // 250}.{1 + i % 250} 52:54:00:01:{i // 256:02x}:{i % 256:02x} host-{i} - 3600")
            if i % 100 == 99:
                probe.ask("ping", "PONG")   # The socket's queue is short.
        self.gate.start_with_probe()
        probe.wait("EVENT", 2000, action="old", timeout=60)

    def test_without_the_daemon_dnsmasq_does_not_start_with_no_leases(self):
        probe = self.gate.start_probe()
        probe.process.kill()
        done = self.gate.node.run([DNSMASQ, "--keep-in-foreground", "--log-facility=-", "--pid-file=", f"--conf-file={self.gate.config}", "--leasefile-ro",
                                   f"--dhcp-script={program('fairlead-dhcp-event')}"], env={**os.environ, **probe.environment()})
        self.assertEqual(done.returncode, 11, done.stderr)
        self.assertIn("lease-init script returned exit code 1", done.stderr)

    def test_a_frozen_daemon_holds_the_script_up_for_two_seconds_and_loses_no_event(self):
        probe = self.gate.start_probe()
        probe.process.freeze()
        begun = time.monotonic()
        done = self.script(probe, "init")
        self.assertEqual(done.returncode, 1)
        self.assertIn("does not tell its leases", done.stderr)
        self.assertLess(time.monotonic() - begun, 5)
        for i in range(10):
            self.assertEqual(self.script(probe, "add", MAC, f"10.77.8.{20 + i}").returncode, 0)
        probe.process.thaw()
        events = probe.wait("EVENT", 10, action="add")
        self.assertEqual([e["address"] for e in events], [f"10.77.8.{20 + i}" for i in range(10)], "in their order")

    def test_the_program_says_what_is_wrong(self):
        def run(*words, **env):
            return self.gate.node.run([program("fairlead-dhcp-event"), *words], env={"PATH": os.environ["PATH"], **env})

        self.assertEqual(run().returncode, 2)
        self.assertIn("FAIRLEAD_DHCP_SOCKET is not set", run("add", MAC, POOL[0]).stderr)
        self.assertIn("ENOENT", run("add", MAC, POOL[0], FAIRLEAD_DHCP_SOCKET=f"{self.gate.dir}/nowhere").stderr)
        for action in ("tftp", "arp-add", "arp-del", "relay-snoop"):
            self.assertEqual(run(action, "1", "2", "3").returncode, 0, action)
        probe = self.gate.start_probe()
        self.assertEqual(self.script(probe, "add", "no mac", POOL[0]).returncode, 0)
        self.assertIn("is not a hardware address", probe.wait("PROBLEM")[0][""])

    def test_another_user_is_not_listened_to(self):
        probe = self.gate.start_probe()
        os.chmod(os.path.join(probe.dir, "script"), 0o666)
        done = self.script(probe, "add", MAC, POOL[0], wrap=["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"])
        self.assertIn(done.returncode, (0, 1), done.stderr)   # It may be told before it has sent, or after.
        probe.ask("ping", "PONG")
        self.assertEqual(probe.lines("EVENT"), [])


class SupervisionTest(WithDnsmasq):
    def keep(self, *program_path):
        self.gate.write_config("leasefile-ro", f"dhcp-script={program('fairlead-dhcp-event')}")
        self.probe = self.gate.start_probe("--keep", self.gate.config, *program_path)
        return self.probe

    def take_port(self, port):
        code = f"import signal, socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('0.0.0.0', {port})); signal.pause()"
        holder = self.gate.node.spawn([sys.executable, "-c", code], "holder")
        wait_for(lambda: f"udp 0.0.0.0:{port}" in self.gate.bound(), 5, f"port {port} is taken")
        return holder

    def children(self, pid):
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]

    def test_it_is_ready_when_it_answers_and_stops_cleanly(self):
        probe = self.keep()
        probe.tell("run")
        started = probe.wait("STARTED")[0]
        self.assertRegex(started["version"], r"^2\.\d+")
        pid = probe.pid()
        helpers = self.children(pid)
        probe.tell("stop")
        probe.wait("STOPPED")
        self.assertEqual(probe.pid(), -1)
        for process in (pid, *helpers):
            wait_for(lambda p=process: has_ended(p), 5, f"process {process} ended")
        self.assertEqual(probe.lines("ENDED"), [])
        self.assertEqual(probe.lines("KILLED"), [])

    def test_a_killed_one_is_back_at_once_with_its_leases(self):
        probe = self.keep()
        probe.tell(f"know {POOL[1]} {MAC} mast-1 - 120")
        probe.tell("run")
        probe.wait("STARTED")
        self.gate.add_vips()
        wait_for(lambda: self.resolve("mast-1.lab.test") == [POOL[1]], 5, "its name")
        times = []
        for n in range(2, 5):
            pid = probe.pid()
            begun = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            probe.wait("STARTED", n)
            times.append(time.monotonic() - begun)
            self.assertNotEqual(probe.pid(), pid)
        wait_for(lambda: self.resolve("mast-1.lab.test") == [POOL[1]], 5, "its name again")
        self.assertEqual([e["next_ms"] for e in probe.lines("ENDED")], ["0", "200", "400"])
        self.assertEqual(probe.lines("ENDED")[0][""].partition("reason=")[2], "ended by signal 9")
        if os.environ.get("FL_FIGURES"):
            print(f"FIGURE back after kill -9 (back-off 0, 200, 400 ms): {[round(1000 * t) for t in times]} ms", flush=True)

    def test_it_ends_with_the_daemon_however_that_ends(self):
        probe = self.keep()
        probe.tell("run")
        probe.wait("STARTED")
        pid = probe.pid()
        helpers = self.children(pid)
        os.kill(probe.process.pid, signal.SIGKILL)
        for process in (pid, *helpers):
            wait_for(lambda p=process: has_ended(p), 5, f"process {process} ended")

    def test_reload_and_restart(self):
        probe = self.keep()
        probe.tell("run")
        probe.tell("reload")   # Before it has a handler: it comes when it is ready.
        probe.wait("STARTED")
        pid = probe.pid()
        probe.tell("reload")
        self.assertEqual(probe.pid(), pid)
        self.assertNotIn("error", probe.ask("version")[""], "SIGHUP did not end it")
        probe.tell("restart")
        probe.wait("STARTED", 2)
        self.assertNotEqual(probe.pid(), pid)
        self.assertEqual(probe.lines("ENDED"), [], "asked for: no failure")

    def test_a_frozen_one_is_killed_when_it_has_to_stop(self):
        probe = self.keep()
        probe.tell("run")
        probe.wait("STARTED")
        os.kill(probe.pid(), signal.SIGSTOP)
        probe.tell("stop")
        probe.wait("STOPPED", timeout=15)

    def test_a_crash_loop_is_said_once_with_the_reason(self):
        probe = self.keep()
        with open(self.gate.config, "a", encoding="ascii") as file:
            file.write("no-such-option\n")
        probe.tell("run")
        loop = probe.wait("CRASHLOOP", timeout=30)[0]
        self.assertIn("bad option at line", loop[""])
        self.assertEqual([e["next_ms"] for e in probe.lines("ENDED")][:5], ["0", "200", "400", "800", "1600"])
        self.gate.write_config("leasefile-ro", f"dhcp-script={program('fairlead-dhcp-event')}")
        probe.tell("restart")
        probe.wait("STARTED")
        self.assertEqual(len(probe.lines("CRASHLOOP")), 1)

    def test_a_taken_port_is_told_with_who_has_it(self):
        holder = self.take_port(67)
        probe = self.keep()
        probe.tell("run")
        ended = probe.wait("ENDED")[0][""]
        self.assertIn("exit code 2", ended)
        self.assertIn(f"(process {holder.pid}) has", ended)
        holder.kill()
        probe.wait("STARTED", timeout=30)

    def test_a_port_that_is_taken_when_the_virtual_ip_comes_is_told_too(self):
        probe = self.keep()
        probe.tell("run")
        probe.wait("STARTED")
        holder = self.take_port(53)
        self.gate.add_vips()
        self.assertIn(f"(process {holder.pid}) has", probe.wait("TAKEN", timeout=10)[0][""])
        self.assertEqual(probe.lines("ENDED"), [], "it goes on")

    def test_a_missing_or_old_dnsmasq_is_told_as_that(self):
        old = os.path.join(self.gate.dir, "old-dnsmasq")
        with open(old, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\necho 'Dnsmasq version 2.85  Copyright (c) 2000-2021 Simon Kelley'\n")
        os.chmod(old, 0o755)
        for path, words in ((f"{self.gate.dir}/nowhere", "install the package dnsmasq-base"), (old, "dnsmasq 2.85 is too old: 2.88 or newer")):
            probe = self.keep(path)
            probe.tell("run")
            self.assertIn(words, probe.wait("ENDED")[0][""])
            probe.tell("stop")
            probe.close()

    def test_it_runs_without_its_interface_and_serves_when_that_comes(self):
        self.gate.ip("link", "set", "dev", "eth0", "down")
        self.gate.ip("link", "set", "dev", "eth0", "name", "later0")
        probe = self.keep()
        probe.tell("run")
        probe.wait("STARTED")
        self.gate.ip("link", "set", "dev", "later0", "name", "eth0")
        self.gate.ip("link", "set", "dev", "eth0", "up")
        self.gate.add_vips(ROUTER, DNS)
        wait_for(lambda: self.resolve("static.lab.test") == ["10.77.7.7"], 10, "DNS")
        self.assertIsNotNone(self.dhcp_client().until_answered()[1])

    def test_one_that_never_gets_ready_is_killed_and_tried_again(self):
        silent = os.path.join(self.gate.dir, "silent-dnsmasq")
        with open(silent, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\n[ \"$1\" = --version ] && { echo 'Dnsmasq version 2.90  Copyright'; exit 0; }\nexec tail -f /dev/null\n")
        os.chmod(silent, 0o755)
        probe = self.keep(silent)
        probe.tell("run")
        self.assertIn("not ready in time", probe.wait("ENDED", timeout=20)[0][""])
        probe.tell("stop")
        probe.wait("STOPPED", timeout=15)


if __name__ == "__main__":
    main()
