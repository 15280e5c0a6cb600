"""Gateways with dnsdhcp on bad ground: a full disk, ports of others, no dnsmasq or an old one, damaged files. Each time an event says what is
wrong, the proxy and the VIPs serve on, and what is mended is taken up by itself."""
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support.cluster_probe import main, program                                      # noqa: E402
from support.dhcp_site import DNS, DOMAIN, POOL, DhcpClient, DhcpGatesTest, leases_of, with_dhcp   # noqa: E402
from support.vip_nodes import VIP, holders                                           # noqa: E402
from support.waiting import wait_for                                                 # noqa: E402

_HELLO = """
import socket
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", 6443))
s.listen(16)
print("listens", flush=True)
while True:
    c, _ = s.accept()
    c.sendall(b"hello")
    c.close()
"""
_OLD = "#!/bin/sh\necho 'Dnsmasq version 2.85  Copyright (c) 2000-2021 Simon Kelley'\n"


class DnsBadGroundTest(DhcpGatesTest):
    def ground(self):
        """A gateway that is not started yet, with a server behind its proxy."""
        cluster, gate = self.prepared()
        self.behind(gate)
        self.outside = cluster.lab.node("outside")
        return cluster.lab, gate

    def behind(self, gate):
        server = gate.host.spawn([sys.executable, "-c", _HELLO], "hello")
        wait_for(lambda: "listens" in server.stdout(), 10, "a server listens")

    def serves_on(self, gate):
        """The daemon is the one that was started, holds its VIP, and the proxy answers there."""
        self.assertTrue(gate.process.running, gate.log_tail())
        self.assertTrue(gate.has_vip())
        with self.outside.connect((VIP, 6443)) as sock:
            self.assertEqual(sock.recv(16), b"hello")

    def launch(self, gate):
        gate.start()
        wait_for(gate.has_vip, 15, "the VIP is there")

    def said(self, gate, identifier, words, key):
        """An event with these words."""
        return wait_for(lambda: [e for e in gate.events(identifier) if words in e["fields"][key]], 20, f"{identifier} says: {words}")[0]

    def sbin(self, gate, **programs):
        """The gate sees these programs in /usr/sbin (None: it is not there), and all others as they are."""
        real = os.path.join(gate.dir, "sbin")
        if not os.path.isdir(real):
            os.mkdir(real)
            script = f"mount --bind /usr/sbin {real} && mount -t tmpfs none /usr/sbin && ln -s {real}/* /usr/sbin/"
            self.assertEqual(gate.node.run(["sh", "-c", script]).returncode, 0)
        for name, path in programs.items():
            script = f"rm -f /usr/sbin/{name}" + (f" && ln -s {path} /usr/sbin/{name}" if path else "")
            self.assertEqual(gate.node.run(["sh", "-c", script]).returncode, 0)

    def real(self, gate, name):
        return os.path.join(gate.dir, "sbin", name)

    def take_port_67(self, gate):
        """A program of root's."""
        code = ("import signal, socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('0.0.0.0', 67)); "
                "print('bound', flush=True); signal.pause()")
        holder = gate.host.spawn([sys.executable, "-c", code], "holder")
        wait_for(lambda: "bound" in holder.stdout(), 10, "port 67 is taken")
        return holder

    def take_port_53(self, gate, uid):
        """Another dnsmasq, of a user of its own."""
        bind = "-all,+net_bind_service"
        holder = gate.host.spawn(["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", f"--inh-caps={bind}", f"--ambient-caps={bind}",
                                  "/usr/sbin/dnsmasq", "--keep-in-foreground", "--log-facility=-", "--pid-file=", "--conf-file=/dev/null", "--no-resolv",
                                  "--no-hosts", "--port=53"], "other-dnsmasq")
        wait_for(lambda: "started, version" in holder.stderr(), 10, "port 53 is taken")
        return holder

    def test_a_full_disk(self):
        lab, gate = self.ground()
        folder = os.path.join(gate.config["state_dir"], "dhcp")
        gate.node.run(["mkdir", "-p", folder])
        self.assertEqual(gate.node.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder]).returncode, 0)

        def fill():
            gate.node.run(["dd", "if=/dev/zero", f"of={folder}/fill", "bs=4k"])
        fill()
        self.launch(gate)
        self.said(gate, "DNSDHCP_REFUSED", "No space left", "error")
        self.serves_on(gate)
        gate.node.run(["rm", f"{folder}/fill"])
        self.serving([gate])
        self.assertEqual(len(gate.events("DNSDHCP_REFUSED")), 1, "said once")

        with self.subTest("it fills while dnsmasq serves: leases are given, and that they are not saved is said"):
            fill()
            client = DhcpClient(lab, "joiner")
            got = client.ask()
            self.assertIsNotNone(got)
            self.said(gate, "LEASE_FILE_NOT_SAVED", "No space left", "error")
            self.serves_on(gate)
            gate.node.run(["rm", f"{folder}/fill"])
            wait_for(lambda: got["ip"] in gate.node.run(["cat", f"{folder}/leases"]).stdout, 30, "saved when there is room")

        with self.subTest("a daemon that starts on it serves with the files of before"):
            gate.stop()
            fill()
            self.launch(gate)
            self.serving([gate])
            self.assertEqual(self.resolved(client.node, f"joiner.{DOMAIN}"), got["ip"])
            self.serves_on(gate)

    def test_port_67_is_another_programs(self):
        _, gate = self.ground()
        holder = self.take_port_67(gate)
        self.launch(gate)
        self.said(gate, "DNSMASQ_ENDED", "a process of user 0", "reason")   # The daemon may not look into root's processes.
        wait_for(lambda: gate.events("DNSMASQ_CRASH_LOOP"), 20, "that it cannot run is said")
        self.serves_on(gate)
        holder.kill()
        self.serving([gate])
        self.serves_on(gate)

    def test_port_53_is_another_programs(self):
        _, gate = self.ground()
        holder = self.take_port_53(gate, 64321)
        self.launch(gate)
        self.said(gate, "DNSMASQ_PORT_TAKEN", f"a process of user 64321, probably dnsmasq (process {holder.pid}), has 0.0.0.0:53", "what")
        self.serves_on(gate)
        holder.kill()
        wait_for(lambda: self.resolved(self.outside, f"static.{DOMAIN}") == "10.77.7.7", 40, "DNS is answered")
        wait_for(lambda: self.outside.run(["dig", "+tcp", "+short", "+time=1", "+tries=1", f"@{DNS}", f"static.{DOMAIN}"]).stdout.strip() == "10.77.7.7", 40,
                 "by TCP, too")
        self.serves_on(gate)

    def test_dnsmasq_is_missing(self):
        _, gate = self.ground()
        self.sbin(gate, dnsmasq=None)
        self.launch(gate)
        self.said(gate, "DNSDHCP_REFUSED", "install the package dnsmasq-base", "error")
        self.serves_on(gate)
        self.sbin(gate, dnsmasq=self.real(gate, "dnsmasq"))
        self.serving([gate])

    def test_dnsmasq_is_too_old(self):
        _, gate = self.ground()
        old = os.path.join(gate.dir, "old-dnsmasq")
        with open(old, "w", encoding="ascii") as file:
            file.write(_OLD)
        os.chmod(old, 0o755)
        self.sbin(gate, dnsmasq=old)
        self.launch(gate)
        self.said(gate, "DNSMASQ_CRASH_LOOP", "dnsmasq 2.85 is too old: 2.88 or newer is needed", "reason")
        self.serves_on(gate)
        self.sbin(gate, dnsmasq=self.real(gate, "dnsmasq"))
        self.serving([gate])

    def test_a_dnsmasq_that_does_not_start_with_a_new_configuration_gets_the_one_before(self):
        _, gate = self.ground()
        choosy = os.path.join(gate.dir, "choosy-dnsmasq")
        self.sbin(gate)
        with open(choosy, "w", encoding="ascii") as file:   # It passes --test: what keeps a dnsmasq from starting is not always in its files' words.
            file.write(f"#!/bin/sh\ncase \"$*\" in *--test*) ;; *) ! grep -q 192.0.2.99 {gate.config['state_dir']}/dhcp/dnsmasq.conf || exit 3;; esac\n"
                       f"exec {self.real(gate, 'dnsmasq')} \"$@\"\n")
        os.chmod(choosy, 0o755)
        self.sbin(gate, dnsmasq=choosy)
        self.launch(gate)
        self.serving([gate])
        gate.config["dnsdhcp"]["upstream"] = ["192.0.2.99"]
        gate.config["dnsdhcp"]["records"][0]["address"] = "10.77.7.8"
        gate.write()
        self.assertEqual(gate.reload(check=False).returncode, 0)
        self.said(gate, "DNSDHCP_REFUSED", "does not start with it, and has the files of before again", "error")
        self.serving([gate])
        self.assertEqual(self.resolved(self.outside, f"static.{DOMAIN}"), "10.77.7.7")
        self.assertEqual(gate.events("DNSMASQ_CRASH_LOOP"), [])
        self.serves_on(gate)

        with self.subTest("another configuration is taken"):
            gate.config["dnsdhcp"]["upstream"] = ["192.0.2.98"]
            gate.write()
            self.assertEqual(gate.reload(check=False).returncode, 0)
            wait_for(lambda: self.resolved(self.outside, f"static.{DOMAIN}") == "10.77.7.8", 20, "its names are there")
            self.serving([gate])

    def test_the_lease_file_is_damaged(self):
        lab, gate = self.ground()
        self.launch(gate)
        self.serving([gate])
        client = DhcpClient(lab, "joiner")
        got = client.ask()
        gate.stop()
        path = os.path.join(gate.config["state_dir"], "dhcp", "leases")
        with open(path, encoding="ascii") as file:
            lines = file.read().splitlines()
        self.assertIn(got["ip"], lines[1])
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join([lines[0], "10.77.8.11 lan no-mac 60 held 1.1 1 0.0 0 * *", "\x00\x7f nonsense", *lines[1:]]) + "\n")
        self.launch(gate)
        self.serving([gate])
        fields = gate.events("LEASE_FILE_DAMAGED")[-1]["fields"]
        self.assertEqual((fields["lines"], fields["first"], fields["aside"]), ("2", "2", path + ".damaged"))
        with open(path + ".damaged", encoding="utf-8") as file:
            self.assertEqual(file.read(), "10.77.8.11 lan no-mac 60 held 1.1 1 0.0 0 * *\n\x00\x7f nonsense\n")
        self.assertEqual([lease["address"] for lease in leases_of(gate)], [got["ip"]])
        self.assertEqual(self.resolved(client.node, f"joiner.{DOMAIN}"), got["ip"])
        self.serves_on(gate)

        with self.subTest("a digit that the disk changed: the address would be another one's"):
            gate.stop()
            with open(path, encoding="ascii") as file:
                lines = file.read().splitlines()
            self.assertIn(got["ip"], lines[1])
            with open(path, "w", encoding="utf-8") as file:
                file.write("\n".join([lines[0], lines[1].replace("10.77.8.", "10.77.9.", 1), *lines[2:]]) + "\n")
            self.launch(gate)
            self.serving([gate])
            fields = gate.events("LEASE_FILE_DAMAGED")[-1]["fields"]
            self.assertEqual((fields["lines"], fields["reason"]), ("1", "its checksum is another one"))
            self.assertEqual([lease["address"] for lease in leases_of(gate) if lease["address"].startswith("10.77.9.")], [])

        with self.subTest("a file that cannot be read"):
            gate.stop()
            with open(path, "ab") as file:
                file.truncate(17 << 20)
            self.launch(gate)
            self.serving([gate])
            fields = gate.events("LEASE_FILE_DAMAGED")[-1]["fields"]
            self.assertEqual((fields["lines"], fields["aside"]), ("0", path + ".unreadable"))
            self.assertEqual(os.path.getsize(path + ".unreadable"), 17 << 20)
            self.serves_on(gate)

    def test_the_bus_cannot_be_made(self):
        _, gate = self.ground()
        in_the_way = os.path.join(gate.dir, "dhcp-bus.sock")
        os.mkdir(in_the_way)
        self.launch(gate)
        self.said(gate, "DNSDHCP_REFUSED", "dhcp-bus.sock is there and is no socket: move it away", "error")
        self.serves_on(gate)
        self.assertIn("move it away", gate.cli("dhcp", "leases", as_json=False, check=False).stderr)
        os.rmdir(in_the_way)
        self.serving([gate])
        self.assertEqual(len(gate.events("DNSDHCP_REFUSED")), 1, "said once")

    def test_a_machine_that_was_removed_while_the_daemon_was_off_has_no_name_any_more(self):
        _, gate = self.ground()
        self.launch(gate)
        self.serving([gate])
        self.assertEqual(self.resolved(self.outside, f"mast-1.{DOMAIN}"), "10.77.7.11")
        gate.stop()
        gate.config["dnsdhcp"]["hosts"] = []
        gate.write()
        self.launch(gate)
        self.serving([gate])
        self.assertEqual(self.resolved(self.outside, f"mast-1.{DOMAIN}"), "")

    def test_a_lease_that_dnsmasq_refuses_is_put_again(self):
        lab, gate = self.ground()
        stranger = lab.node("stranger")
        for address in (POOL[0], POOL[1]):
            stranger.run(["ip", "addr", "add", f"{address}/16", "dev", "eth0"])   # The sweep finds them: dnsmasq is told.
        folder = os.path.join(gate.config["state_dir"], "dhcp")
        os.mkdir(folder)
        with open(os.path.join(folder, "refusals"), "w", encoding="ascii") as file:
            file.write("2")
        self.sbin(gate, dnsmasq=program("stubborn_dnsmasq"))
        self.launch(gate)

        def told():
            with open(os.path.join(folder, "told"), encoding="ascii") as file:
                return [line for line in file.read().splitlines() if "127.0.0.67" not in line]
        wait_for(lambda: sum(line.startswith("taken") for line in told()) == 2, 30, "both are taken in the end")
        for address in (POOL[0], POOL[1]):
            self.assertEqual([line for line in told() if line.endswith(address)], [f"refused {address}"] * 2 + [f"taken {address}"])
        self.assertEqual(len(gate.events("LEASE_NOT_FED")), 1, "said once")
        pauses = [event for event in gate.events("DHCP_GATE_CLOSED") if "dnsmasq has to learn" in str(event)]
        self.assertGreaterEqual(len(pauses), 2, "each time while nothing was given (I8)")
        self.serves_on(gate)

    def test_a_gateway_whose_dnsmasq_cannot_run_gives_its_addresses_to_one_where_it_can(self):
        gates = self.gates(2, prepare=lambda _cluster: with_dhcp)
        first = self.serving(gates)
        other = next(gate for gate in gates if gate is not first)
        for gate in gates:
            self.behind(gate)
        self.outside = self.lab.lab.node("outside")
        self.sbin(first, dnsmasq=None)
        os.kill(first.status()["dhcp"]["dnsmasq"]["pid"], signal.SIGKILL)
        wait_for(lambda: first.events("DNSMASQ_CRASH_LOOP"), 20, "it cannot run")
        wait_for(lambda: holders(gates) == [other], 30, "the other one has the addresses")
        self.assertIs(self.serving(gates), other)
        self.serves_on(other)
        reason = first.status()["vips"][0]["eligible"][first.name]["reason"]
        self.assertIn("dnsmasq ends again and again", reason)
        self.sbin(first, dnsmasq=self.real(first, "dnsmasq"))
        wait_for(lambda: first.status()["vips"][0]["eligible"][first.name]["ok"], 60, "it could have them again")
        self.assertEqual(holders(gates), [other], "and leaves them where they are")


if __name__ == "__main__":
    main()
