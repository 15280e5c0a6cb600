"""docs/start.md: its commands run as they stand, and show what the page says they show."""
import os
import re
import subprocess

from harness import EndToEnd, main
from support.fairlead import BIN, ROOT

FOLDER = "/tmp/fairlead-start"


class StartPageTest(EndToEnd):
    needs_namespaces = True   # The page uses fixed ports of 127.0.0.1: here they are a namespace's own.

    def test_the_commands_of_the_page_work_in_their_order(self):
        with open(os.path.join(ROOT, "docs", "start.md"), encoding="utf-8") as page:
            blocks = re.findall(r"^```sh\n(.*?)^```$", page.read(), re.MULTILINE | re.DOTALL)
        blocks = [b.replace(FOLDER, os.path.join(self.gate.dir, "start")) for b in blocks if not b.startswith("make ")]
        self.assertGreater(len(blocks), 6)
        script = "set -eu\n" + "".join(f"echo '=== {number}'\n{block}" for number, block in enumerate(blocks))

        # In a process namespace of its own: whatever the page left running ends with the script, however that ends.
        run = self.gate.spawn(["unshare", "--fork", "--pid", "--mount-proc", "--kill-child", "bash", "-c", script], "page", env={"PATH": f"{BIN}:{os.environ['PATH']}"})
        try:
            code = run.wait(45)
        except subprocess.TimeoutExpired:
            code = "no end within 45 s"

        self.assertEqual(code, 0, run.stdout() + run.stderr())
        shown = re.split(r"^=== \d+\n", run.stdout(), flags=re.MULTILINE)[1:]
        turns, drained, reloaded, killed = (self._shown_by(text, blocks, shown) for text in ("fairlead status", "server drain", "--dry-run", "kill -9"))
        self.assertEqual((turns.count("I am one"), turns.count("I am two")), (2, 2))
        self.assertRegex(turns, r"one.*up")
        self.assertEqual((drained.count("I am one"), drained.count("I am two")), (0, 4))
        self.assertIn("SERVER_ADMIN", drained)
        self.assertIn("least_connections", reloaded)
        self.assertEqual((killed.count("I am one"), killed.count("I am two")), (4, 0))

    def _shown_by(self, command, blocks, shown):
        return next(output for block, output in zip(blocks, shown) if command in block)


if __name__ == "__main__":
    main()
