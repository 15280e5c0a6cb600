"""Every relative link in a Markdown file of the tree leads to a file, and every #anchor to a heading.

Run by CTest (label scripts) or by hand: python3 tests/scripts/links_test.py [ROOT]
"""
import os
import re
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
SKIPPED_FOLDERS = {".git", "build"}


def markdown_files(root):
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in SKIPPED_FOLDERS)
        yield from (os.path.join(folder, name) for name in sorted(names) if name.endswith(".md"))


def without_code(text):
    """Fenced blocks blanked, line numbers kept."""
    return FENCE.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def anchors_of(path):
    """Headings as GitHub names them: lower case, blanks to dashes, punctuation dropped."""
    with open(path, encoding="utf-8") as file:
        text = without_code(file.read())
    found = set()
    for heading in re.findall(r"^#+ +(.*?)\s*$", text, re.MULTILINE):
        name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        number = 0
        while (name if number == 0 else f"{name}-{number}") in found:
            number += 1
        found.add(name if number == 0 else f"{name}-{number}")
    return found


def broken_links(root):
    """'file:line: target: what is wrong' for each."""
    for path in markdown_files(root):
        with open(path, encoding="utf-8") as file:
            text = without_code(file.read())
        for number, line in enumerate(text.splitlines(), 1):
            for target in LINK.findall(CODE.sub("", line)):
                if re.match(r"[a-z]+:", target):
                    continue
                place, _, anchor = target.partition("#")
                full = os.path.normpath(os.path.join(os.path.dirname(path), place)) if place else path
                where = f"{os.path.relpath(path, root)}:{number}: {target}"
                if not os.path.exists(full):
                    yield f"{where}: no such file"
                elif anchor and full.endswith(".md") and anchor not in anchors_of(full):
                    yield f"{where}: no such heading"


class LinksTest(unittest.TestCase):
    def broken_in(self, files):
        with tempfile.TemporaryDirectory() as root:
            for path, text in files.items():
                os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                    file.write(text)
            return list(broken_links(root))

    def test_takes_what_exists_and_what_is_not_ours(self):
        self.assertEqual(self.broken_in({"a.md": "[b](d/b.md#the-end-of-it) [x](https://x.invalid/y) [self](#top)\n# Top\n", "d/b.md": "## The end, of `it`\n"}), [])

    def test_names_a_missing_file_with_its_place(self):
        self.assertEqual(self.broken_in({"d/a.md": "\n[b](../b.md)\n"}), ["d/a.md:2: ../b.md: no such file"])

    def test_names_a_missing_heading(self):
        self.assertEqual(self.broken_in({"a.md": "[b](b.md#two)\n", "b.md": "# One\n"}), ["a.md:1: b.md#two: no such heading"])

    def test_does_not_look_into_code(self):
        self.assertEqual(self.broken_in({"a.md": "`[b](c.md)`\n```\n[b](c.md)\n```\n"}), [])

    def test_every_link_of_this_tree_leads_somewhere(self):
        self.assertEqual(list(broken_links(ROOT)), [])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        problems = list(broken_links(sys.argv[1]))
        print("\n".join(problems))
        sys.exit(1 if problems else 0)
    unittest.main()
