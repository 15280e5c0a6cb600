"""packaging/fairleadd.service does what the daemon and ha-rules R10 need of it, and docs/operating/running.md shows it as it is."""
import os
import re
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def lines_of(text):
    return [line for line in text.splitlines() if line and not line.startswith(("#", ";"))]


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


class UnitFileTest(unittest.TestCase):
    def setUp(self):
        self.unit = lines_of(read("packaging/fairleadd.service"))
        self.values = dict(line.split("=", 1) for line in self.unit if "=" in line)

    def test_daemon_and_guard_are_not_killed_together_and_leftovers_go(self):
        # systemd.kill(5): with mixed, what remains gets SIGKILL once the main process has exited; with process, only that one is signalled.
        for line in ("KillMode=process", "OOMPolicy=continue"):
            self.assertIn(line, self.unit)
        self.assertTrue([line for line in self.unit if re.fullmatch(r"ExecStopPost=-\S*/fairleadd --config \S+ --release-vips", line)])

    def test_an_invalid_file_does_not_restart_for_ever(self):
        self.assertIn("RestartPreventExitStatus=2 3", self.unit)
        self.assertEqual([line for line in self.unit if line.startswith("ExecStartPre")], [], "its exit code does not count there")

    def test_a_daemon_that_fails_again_and_again_is_started_for_ten_minutes_at_least(self):
        self.assertIn("Restart=on-failure", self.unit)
        self.assertEqual(self.values["StartLimitIntervalSec"], "1h", "systemd's own limit is 5 starts in 10 s, and then a human has to come")
        self.assertGreaterEqual(int(self.values["StartLimitBurst"]) * float(self.values["RestartSec"].removesuffix("ms")) / 1000, 8 * 60)

    def test_the_daemon_has_the_rights_it_keeps_and_no_others(self):
        header = read("daemon/privileges.h")
        kept = re.search(r"kDaemonCapabilities =(.*?);", header, re.DOTALL).group(1)
        names = sorted(re.findall(r"CAP_\w+", kept))
        self.assertEqual(sorted(self.values["AmbientCapabilities"].split()), names)
        self.assertEqual(sorted(self.values["CapabilityBoundingSet"].split()), names)
        self.assertEqual(self.values["User"], "fairlead")

    def test_reload_needs_no_package_that_a_small_debian_lacks(self):
        programs = [line.split("=", 1)[1].lstrip("-").split()[0] for line in self.unit if line.startswith("Exec")]
        self.assertEqual(set(programs), {"/usr/sbin/fairleadd", "/bin/sh"})

    def test_nothing_forbids_what_the_daemon_does(self):
        self.assertNotIn("ProtectKernelTunables=yes", self.unit, "R21: the interfaces' sysctls")
        self.assertNotIn("ProcSubset=pid", self.unit, "likewise")
        self.assertNotIn("RestrictRealtime=yes", self.unit, "R22")
        families = next(line for line in self.unit if line.startswith("RestrictAddressFamilies=")).split("=")[1].split()
        self.assertLessEqual({"AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET"}, set(families))
        calls = next(line for line in self.unit if line.startswith("SystemCallFilter=")).split("=")[1].split()
        self.assertLessEqual({"io_uring_setup", "io_uring_enter", "io_uring_register"}, set(calls))
        self.assertIn("LogsDirectory=fairlead", self.unit, "ProtectSystem=strict")
        self.assertIn("/var/log/fairlead/", read("tests/golden/config/log-file.expected"), "and the hint points there")

    def test_the_page_shows_lines_of_the_unit(self):
        shown = re.search(r"```ini\n(.*?)```", read("docs/operating/running.md"), re.DOTALL).group(1)
        self.assertEqual([line for line in lines_of(shown) if line not in self.unit], [])


if __name__ == "__main__":
    unittest.main()
