"""Starting where something is in the way: each problem is named with its place and remedy."""
import os

from harness import EndToEnd, main
from support.waiting import wait_for


class StartProblemsTest(EndToEnd):
    def test_a_busy_port_is_named_and_the_other_listener_serves(self):
        with self.gate.listen() as taken:
            busy = taken.getsockname()[1]
            gate = self.gateway([self.raw_server("a")], start=False)
            gate.config["listeners"].append({"name": "busy", "bind": [f"{self.gate.address}:{busy}"], "pool": "masters"})
            gate.write()
            gate.start()

            event = wait_for(lambda: gate.events("LISTENER_FAILED"), 5, "the busy port is reported")[0]
            fields = dict(event["fields"])
            self.assertEqual((fields["listener"], fields["bind"]), ("busy", f"{self.gate.address}:{busy}"))
            self.assertIn("in use", fields["error"].lower())
            self.assertTrue(fields["hint"])
            self.assertEqual(self.ask(), "a")
            self.assertFalse(gate.listener_status("busy")["accepting"])

    def test_a_port_that_becomes_free_is_taken_by_itself_or_at_a_reload(self):
        taken, later = self.gate.listen(), self.gate.listen()
        busy = [sock.getsockname()[1] for sock in (taken, later)]
        gate = self.gateway([self.raw_server("a")], start=False)
        for port in busy:
            gate.config["listeners"].append({"name": f"busy-{port}", "bind": [f"{self.gate.address}:{port}"], "pool": "masters"})
        gate.write()
        gate.start()

        taken.close()
        wait_for(lambda: gate.listener_status(f"busy-{busy[0]}")["accepting"], 12, "it is tried again")
        done = gate.cli("reload", as_json=False)
        self.assertIn(f"not open: listener busy-{busy[1]}", done.stdout)
        later.close()
        done = gate.cli("reload", as_json=False)
        self.assertNotIn("not open", done.stdout)

        self.port = busy[0]
        self.assertEqual(self.ask(), "a")
        self.port = busy[1]
        self.assertEqual(self.ask(), "a")
        failed = [dict(e["fields"])["listener"] for e in gate.events("LISTENER_FAILED")]
        self.assertEqual(failed.count(f"busy-{busy[0]}"), 1, "no second event for a try that fails again")

    def test_an_address_that_is_not_here_yet_is_bound_all_the_same(self):
        gate = self.gateway([self.raw_server("a")], start=False)
        absent = "192.0.2.77" if self.lab.has_namespaces else "192.0.2.78"
        port = self.gate.free_port()
        gate.config["listeners"].append({"name": "vip", "bind": [f"{absent}:{port}"], "pool": "masters"})
        gate.write()
        gate.start()

        self.assertTrue(gate.listener_status("vip")["accepting"])
        self.assertEqual(self.ask(), "a")

    def test_a_second_daemon_with_the_same_socket_gives_up_and_says_why(self):
        first = self.gateway([self.raw_server("a")])
        port = self.port
        second = self.gateway([self.raw_server("b")], start=False)
        second.config["admin"]["socket"] = first.socket_path
        second.write()

        second.launch()

        self.assertEqual(second.process.wait(10), 1)
        self.assertIn(first.socket_path, second.log())
        self.port = port
        self.assertEqual(self.ask(), "a")
        self.assertEqual(first.get("/livez")[0], 200)

    def test_a_second_daemon_takes_no_connection_of_the_first(self):
        first = self.gateway([self.raw_server("a")])
        port = self.port
        second = self.gateway([self.raw_server("b")], start=False)
        second.config["admin"]["socket"] = first.socket_path
        second.config["listeners"] = first.config["listeners"]
        second.write()
        self.port = port

        second.launch()
        while second.process.running:
            self.assertEqual(self.ask(), "a")

        self.assertEqual(second.process.returncode, 1)
        self.assertIn("another fairleadd runs", second.log())
        self.assertNotIn("LISTENER_OPEN", second.log(), "it never had a share of the port")
        self.assertEqual({self.ask() for _ in range(20)}, {"a"})

    def test_a_socket_in_a_folder_that_does_not_exist(self):
        gate = self.gateway([self.raw_server("a")], start=False)
        gate.config["admin"]["socket"] = os.path.join(self.gate.dir, "missing", "fairlead.sock")
        gate.socket_path = gate.config["admin"]["socket"]
        gate.write()

        gate.start()   # The daemon makes the folder.

        self.assertEqual(gate.get("/livez")[0], 200)

    def test_a_busy_admin_port_is_reported_and_traffic_flows(self):
        with self.gate.listen() as taken:
            port = taken.getsockname()[1]
            if self.lab.has_namespaces:
                blocker = self.gate.socket()
                self.addCleanup(blocker.close)
                blocker.bind((self.gate.loopback, 0))
                blocker.listen()
                port = blocker.getsockname()[1]
            gate = self.gateway([self.raw_server("a")], admin={"listen": f"{self.gate.loopback}:{port}"}, start=False)
            gate.launch()

            failed = wait_for(lambda: gate.events("ADMIN_FAILED"), 10, "the busy port is reported")[0]
            self.assertIn(str(port), dict(failed["fields"])["address"])
            wait_for(lambda: self.ask() == "a", 10, "traffic flows")

    def test_a_log_file_that_cannot_be_written_is_named_on_standard_error_and_traffic_flows(self):
        path = os.path.join(self.gate.dir, "nowhere", "x.log")
        gate = self.gateway([self.raw_server("a")], log={"target": "file", "path": path}, start=False)

        gate.start()

        self.assertEqual(self.ask(), "a")
        failed = dict(wait_for(lambda: gate.events("LOG_TARGET_FAILED"), 5, "it is said")[0]["fields"])
        self.assertEqual((failed["path"], failed["using"]), (path, "stderr"))
        self.assertIn("LOG_TARGET_FAILED", gate.log())
        os.mkdir(os.path.dirname(path))
        gate.hang_up()
        wait_for(lambda: gate.events("CONFIG_APPLIED"), 5, "it is read again")
        wait_for(lambda: os.path.exists(path), 5, "the log goes where it should")

    def test_very_few_descriptors_are_named(self):
        gate = self.gateway([self.raw_server("a")], start=False)

        gate.launch(nofile=24)

        self.assertEqual(gate.process.wait(15), 1, gate.log())
        self.assertIn("descriptor limit is 24", gate.log())


if __name__ == "__main__":
    main()
