"""Runs what README.md tells a newcomer to run, and compares its transcript with what `make run` prints today.

Every ```sh block is run, in order, by one shell with the built programs on its PATH. Blocks of `make TARGET` lines are only checked to name
targets that exist: this test is run by one of them. Addresses, the CA and the folder are replaced by ones of a lab, so no port of the
machine is taken and nothing outside the lab's folder is written. Exit code 77: something this needs is missing here, and it says what.

By hand: python3 tests/scripts/readme_test.py
"""
import os
import re
import signal
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests"))

from support.backends import Nginx           # noqa: E402
from support.corosync_lab import why_unavailable   # noqa: E402
from support.fairlead import BIN             # noqa: E402
from support.lab import Lab                  # noqa: E402
from support.pki import Authority            # noqa: E402
from support.waiting import SCALE            # noqa: E402

LAB = f"readme-{os.getpid()}"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def read_readme():
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        return file.read()


def shape(line):
    """A line without its figures: timelines become one word, numbers #, runs of blanks one, names of engines one word."""
    line = re.sub(r"^ *[\d.!?-]{10}\|[\d.!?-]{60} ", "TIMELINE ", line)
    line = re.sub(r"\d[\d,.]*", "#", line)
    line = re.sub(r"\((io_uring|epoll)\)", "(engine)", line)
    return re.sub(r"\s+", " ", line).strip()


class ReadmeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        for program in ("fairleadd", "fairlead"):
            if not os.path.exists(os.path.join(BIN, program)):
                raise unittest.SkipTest(f"{BIN}/{program} is missing: make build")
        cls.text = read_readme()
        cls.blocks = [body for language, body in BLOCK.findall(cls.text) if language == "sh"]

    def test_begins_with_one_sentence_and_a_transcript(self):
        first, rest = self.text.split("\n", 1)
        self.assertRegex(first, r"^[A-Z].*\.$")
        self.assertNotIn(". ", first)
        self.assertTrue(rest.lstrip().startswith("```\n$ make run\n"), "the transcript follows the first sentence")

    def test_the_sections_come_in_the_order_of_who_reads_them(self):
        self.assertEqual(re.findall(r"^## (.*)$", self.text, re.MULTILINE),
                         ["What it is", "The two commands", "Two machines, five commands", "Coming from HAProxy, keepalived or Pacemaker", "A whole site",
                          "Break it yourself", "Your own servers in five minutes", "How fast", "Limits of this version", "Where to read on"])

    def test_the_import_is_made_as_it_stands(self):
        section = self.text.split("\n## Coming from HAProxy", 1)[1].split("\n## ", 1)[0]
        command = next(body for _, body in BLOCK.findall(section) if body.startswith("fairlead import "))
        with tempfile.TemporaryDirectory() as folder:
            for page in ("from-haproxy", "from-keepalived"):
                with open(os.path.join(ROOT, "docs", "operating", f"{page}.md"), encoding="utf-8") as file:
                    for name, text in re.findall(r"^```(?:haproxy|keepalived) (\S+)\n(.*?)^```$", file.read(), re.MULTILINE | re.DOTALL):
                        with open(os.path.join(folder, name), "w", encoding="utf-8") as out:
                            out.write(text)
            done = subprocess.run(["bash", "-euc", f"{command}fairlead check fairlead.yaml"], cwd=folder, capture_output=True, text=True, check=False,
                                  timeout=30 * SCALE, env={**os.environ, "PATH": f"{os.path.abspath(BIN)}:{os.environ['PATH']}"})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("fairlead.yaml: valid", done.stdout)
        self.assertRegex(done.stderr, r"(?m)^gate-1\.conf:\d+: ")

    def test_targets_of_make_exist_and_come_first(self):
        self.assertEqual(self.blocks[0], "make run\nmake test\n")
        for line in [line for block in self.blocks for line in block.splitlines() if line.startswith("make ")]:
            done = subprocess.run(line.split() + ["-n"], cwd=ROOT, capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, f"{line}: {done.stderr}")

    def test_every_other_block_runs(self):
        script = [block for block in self.blocks if not all(line.startswith("make ") for line in block.splitlines())]
        self.assertNotRegex("".join(script), r"(?m)^make ", "a block has make and other commands")
        no_lab = why_unavailable()
        if no_lab:
            print(f"the lab's commands are not run: {no_lab}")
            script = [block for block in script if "fairlead lab " not in block]
        with Lab() as lab:
            gate = lab.node("gate")
            authority = Authority(lab.dir)
            servers = []
            for node in (lab.node("mast-1"), lab.node("mast-2")):
                servers.append(Nginx(node, authority.issue(node.name, [node.address], [node.name])))
                servers[-1].start()
            stand_ins = {"127.0.0.1:16443": f"127.0.0.1:{gate.free_port()}", "127.0.0.1:9440": f"127.0.0.1:{gate.free_port()}",
                         "192.168.1.11:6443": servers[0].address, "192.168.1.12:6443": servers[1].address,
                         "/etc/kubernetes/pki/ca.crt": authority.cert, "/tmp/fairlead": os.path.join(gate.dir, "readme"),
                         "$PWD/build/bin": BIN}
            text = "set -euo pipefail\n" + "".join(script)
            for literal in stand_ins:
                self.assertIn(literal, text, "README.md no longer says this: bring stand_ins up to date")
            text = re.sub("|".join(map(re.escape, stand_ins)), lambda found: stand_ins[found.group()], text)  # One pass: a stand-in may contain a literal.
            output = self.run_shell(gate, text)
        if not no_lab:
            self.assertEqual(len(re.findall(r"^mast-[123] /hello$", output, re.MULTILINE)), 2, output)
            self.assertIn("fairleadd started again", output)
            self.assertIn("is gone.", output)
        self.assertIn("fairlead.yaml: valid", output)
        self.assertRegex(output, r"gate-1 .* READY")
        self.assertRegex(output, r"mast-1 +\S+ +up ")
        self.assertIn("balance least_connections -> round_robin", output)
        self.assertIn("1 change applied", output)
        self.assertIn("SERVER_ADMIN", output)

    def run_shell(self, node, text):
        """Runs it to its end in a session of its own, which is ended whatever happens."""
        with node.entered():
            shell = subprocess.Popen(["bash", "-c", text], cwd=node.dir, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                     text=True, start_new_session=True, env={**os.environ, "FAIRLEAD_LAB": LAB})
        self.addCleanup(subprocess.run, [os.path.join(BIN, "fairlead"), "lab", "--name", LAB, "down"], capture_output=True, check=False)
        try:
            output, _ = shell.communicate(timeout=60 * SCALE)
        except subprocess.TimeoutExpired:
            os.killpg(shell.pid, signal.SIGKILL)
            self.fail(f"the README's commands do not come to an end:\n{shell.communicate()[0]}")
        finally:
            if shell.returncode != 0:
                try:
                    os.killpg(shell.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        self.assertEqual(shell.returncode, 0, output)
        return output

    def test_the_transcript_is_what_the_demonstration_prints(self):
        no_lab = why_unavailable()
        if no_lab:
            self.skipTest(no_lab)
        transcript = next(body for language, body in BLOCK.findall(self.text) if body.startswith("$ make run\n"))
        done = subprocess.run([sys.executable, os.path.join(ROOT, "scripts", "run_demo.py"), "--exit"], capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, timeout=240 * SCALE, env={**os.environ, "FL_BIN": BIN})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        printed = iter([shape(line) for line in done.stdout.splitlines()])
        for line in transcript.splitlines()[1:]:
            if line and line != "...":
                self.assertIn(shape(line), printed, f"not printed, or not in this order: {line}\n{done.stdout}")


if __name__ == "__main__":
    result = unittest.main(exit=False, verbosity=2).result
    for test, reason in result.skipped:
        print(f"skipped {test}: {reason}")
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if result.testsRun == 0 or result.testsRun == len(result.skipped) else 0)
