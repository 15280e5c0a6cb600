"""The manual pages: without a complaint of mandoc and groff, and with every verb, option and key in them."""
import itertools
import os
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support.fairlead import BIN, ROOT   # noqa: E402

PROGRAM = os.path.join(BIN, "fairlead")


def run(*argv, **options):
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL, **options)


class ManualTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="fairlead-man.")
        cls.addClassCleanup(folder.cleanup)
        done = run(PROGRAM, "__man", os.path.join(folder.name, "man"), "2026-01-31")
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        cls.pages = {name: os.path.join(folder.name, "man", name) for name in sorted(os.listdir(os.path.join(folder.name, "man")))}

    def shown(self, name):
        """As a person sees it, unwrapped."""
        done = run("man", "--no-hyphenation", "--no-justification", "-l", self.pages[name], env=dict(os.environ, MANWIDTH="2000", LC_ALL="C.UTF-8"))
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_there_is_a_page_for_each(self):
        for wanted in ("fairlead.1", "fairlead-vip.1", "fairlead-server.1", "fairlead-cluster.1", "fairleadd.8", "fairlead.yaml.5"):
            self.assertIn(wanted, self.pages)

    def test_mandoc_and_groff_have_no_complaint(self):
        for name, path in self.pages.items():
            with self.subTest(name):
                lint = run("mandoc", "-Tlint", "-Wall", path)
                self.assertEqual((lint.returncode, lint.stdout), (0, ""), lint.stderr)
                groff = run("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", path, env=dict(os.environ, MANROFFSEQ="", LC_ALL="C.UTF-8"))
                self.assertEqual((groff.returncode, groff.stderr), (0, ""))

    def test_every_verb_and_option_is_there(self):
        with open(os.path.join(ROOT, "docs/reference/cli.md"), encoding="utf-8") as file:
            sections = re.split(r"^### fairlead ", file.read(), flags=re.MULTILINE)[1:]
        self.assertGreater(len(sections), 50)
        for section in sections:
            verb = section.split("\n", 1)[0]
            words = verb.split()
            page = f"fairlead-{words[0]}.1"
            text = self.shown(page if page in self.pages else "fairlead.1")
            path = itertools.takewhile(lambda word: word[0] != "[" and not word.isupper(), words[1:] if page in self.pages else words)
            self.assertIn(" ".join(path), text, verb)
            for option in re.findall(r"^\| `(?:-\w, )?(--[a-z0-9-]+)", section, re.MULTILINE):
                self.assertIn(option, text, f"{verb}: {option}")

    def test_every_key_is_there_with_its_default_and_whether_it_wants_a_restart(self):
        with open(os.path.join(ROOT, "docs/reference/config.md"), encoding="utf-8") as file:
            rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in file if line.startswith("| `")]
        text = self.shown("fairlead.yaml.5")
        self.assertGreater(len(rows), 100)
        for key, kind, standard, *_ in rows:
            self.assertIn(f" {key.strip().strip('`')} ", text.replace("\n", " "), key)
            self.assertIn(kind.strip(), text, key)
            if standard.strip().startswith("`"):
                self.assertIn("default " + standard.strip().strip("`"), text, key)
        self.assertEqual(text.count("effective after a restart)"), sum("*Effective after a restart.*" in "|".join(row) for row in rows))

    def test_the_daemons_page_says_what_its_help_says(self):
        text = self.shown("fairleadd.8")
        offered = re.findall(r"^  (--[a-z-]+)", run(os.path.join(BIN, "fairleadd"), "--help").stdout, re.MULTILINE)
        self.assertIn("--release-vips", offered)
        for option in offered:
            self.assertIn(option, text)


if __name__ == "__main__":
    unittest.main()
