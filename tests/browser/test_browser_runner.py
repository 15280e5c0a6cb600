"""What runs the browser's tests (chromium.py): a run that takes too long is ended with all it started, and said to be so."""
import os
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import chromium                               # noqa: E402
from support.cluster_probe import main        # noqa: E402

# As playwright starts its browser: in a session of its own, so that a signal to our group does not reach it.
HANGS = """
const {spawn} = require('node:child_process');
const child = spawn('cat', {stdio: ['pipe', 'ignore', 'ignore'], detached: true});
require('node:fs').writeFileSync(process.env.FL_NOTE, String(child.pid));
require('node:fs').mkdtempSync(require('node:os').tmpdir() + '/profile-');
console.log('it hangs');
setInterval(() => {}, 1000);
"""


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@unittest.skipUnless(shutil.which("node"), "node is not installed (scripts/setup.sh browser)")
class BrowserRunnerTest(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())

    def run_script(self, text, timeout):
        script = os.path.join(self.folder, "script.cjs")
        with open(script, "w", encoding="utf-8") as file:
            file.write(text)
        return chromium.run(script, timeout=timeout, FL_NOTE=os.path.join(self.folder, "note"))

    def test_what_takes_too_long_is_ended_with_its_children(self):
        code, said = self.run_script(HANGS, timeout=3)
        self.assertEqual((code, said), (None, "it hangs\n"))
        with open(os.path.join(self.folder, "note"), encoding="utf-8") as file:
            child = int(file.read())
        self.assertFalse(is_alive(child), "the detached child went with it")

    def test_the_exit_code_and_all_output_come_back(self):
        code, said = self.run_script("console.log('one'); console.error('two'); process.exitCode = 3;", timeout=20)
        self.assertEqual((code, said), (3, "one\ntwo\n"))

    def test_its_temporary_files_are_gone(self):
        code, said = self.run_script("console.log(require('node:fs').mkdtempSync(require('node:os').tmpdir() + '/profile-'));", timeout=20)
        self.assertEqual(code, 0, said)
        self.assertFalse(os.path.exists(said.strip()), said)


if __name__ == "__main__":
    main()
