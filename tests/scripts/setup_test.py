"""scripts/setup.sh with stand-ins for apt-get, dpkg-query and systemctl: no service starts, whatever goes wrong, and nothing is left."""
import os
import stat
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ALLOWS = "#!/bin/sh\nexit 0\n"


class SetupTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name
        for path in ("bin", "usr/sbin", "run/systemd/system", "lib/systemd/system"):
            os.makedirs(os.path.join(self.root, path))
        self.policy = os.path.join(self.root, "usr/sbin/policy-rc.d")
        self.stand_in("id", "echo 0")
        self.stand_in("dpkg-query", "exit 1")
        self.stand_in("systemctl", f'echo "$@" >>{self.root}/disabled')

    def stand_in(self, name, body):
        self.write(os.path.join(self.root, "bin", name), f"#!/bin/sh\n{body}\n")

    @staticmethod
    def write(path, text):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, stat.S_IRWXU)

    def read(self, name):
        path = os.path.join(self.root, name)
        if not os.path.exists(path):
            return ""
        with open(path, encoding="utf-8") as file:
            return file.read()

    def run_setup(self, apt_ends, group="test"):
        self.stand_in("apt-get", f"{self.policy} nginx start; echo $? >>{self.root}/asked; exit {apt_ends}")
        environment = dict(os.environ, PATH=f"{self.root}/bin:{os.environ['PATH']}", FL_SETUP_ROOT=self.root)
        return subprocess.run([os.path.join(ROOT, "scripts/setup.sh"), group], env=environment, capture_output=True, text=True, timeout=60, check=False)

    def test_what_came_half_way_does_not_start_at_the_next_boot(self):
        done = self.run_setup(apt_ends=1)

        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("disable -q nginx.service", self.read("disabled"))
        self.assertFalse(os.path.exists(self.policy))

    def test_what_the_drills_compare_with_does_not_start_either(self):
        self.run_setup(apt_ends=0, group="drill")

        for unit in ("keepalived", "pacemaker", "logd"):
            self.assertIn(f"disable -q {unit}.service", self.read("disabled"))

    def test_a_policy_that_allows_starts_steps_aside_and_comes_back(self):
        self.write(self.policy, ALLOWS)
        for apt_ends in (0, 1):
            done = self.run_setup(apt_ends)

            self.assertEqual(done.returncode, apt_ends, done.stderr)
            self.assertEqual(set(self.read("asked").split()), {"101"})
            self.assertEqual(self.read("usr/sbin/policy-rc.d"), ALLOWS)
        self.assertEqual(os.listdir(os.path.join(self.root, "usr/sbin")), ["policy-rc.d"])

    def test_a_service_that_was_here_before_is_left_alone(self):
        self.write(os.path.join(self.root, "lib/systemd/system/nginx.service"), "")
        self.run_setup(apt_ends=0)

        self.assertNotIn("nginx", self.read("disabled"))
        self.assertIn("haproxy", self.read("disabled"))


if __name__ == "__main__":
    unittest.main()
