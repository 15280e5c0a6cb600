"""Feeds each check a tree that is wrong in one way: a check that cannot fail is a defect.

Run by CTest (label scripts) or by hand: python3 tests/scripts/checks_test.py
"""
import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
SCRIPTS = os.path.join(ROOT, "scripts")

EDGES = 'set(FL_ALLOWED_base "")\nset(FL_ALLOWED_net base)\nset(FL_ALLOWED_config base)\nset(FL_ALLOWED_lb base config net)\nset(FL_ALLOWED_admin base config)\n'
CATALOGUE = 'FL_MESSAGE(SERVER_UP, kNotice, "pool server")\nFL_MESSAGE(SERVER_DOWN, kWarning, "pool reason")\n'
USES = 'void f() { FL_LOG(SERVER_UP, "pool", p, "server", name(a, "x")); FL_LOG(SERVER_DOWN, "reason", r); }\n'
PARAGRAPH = "What happened, in a sentence or two that are long enough.\n"
ANSWERS = "\n- **Clients:** none.\n- **Look at:** it.\n- **Do:** nothing.\n- **Harmless when:** always.\n"
TABLE = ("<!-- table -->\n| event | severity | goes to |\n|---|---|---|\n| [SERVER_UP](#server_up) | notice | events |\n"
         "| [SERVER_DOWN](#server_down) | warning | events |\n<!-- end of table -->\n")
DOCUMENT = (f"# Events\n\n{TABLE}\n## Health\n\n### SERVER_UP\n`notice` pool server\n\n{PARAGRAPH}{ANSWERS}\n"
            f"### SERVER_DOWN\n`warning` pool reason\n\n{PARAGRAPH}{ANSWERS}")


class Tree(unittest.TestCase):
    SCRIPT = ""
    GOOD = {}

    def run_on(self, changes):
        """Runs the check on the good tree with `changes` (path: text, or None to remove); returns (exit code, output)."""
        with tempfile.TemporaryDirectory() as root:
            for path, text in {**self.GOOD, **changes}.items():
                if text is None:
                    continue
                full = os.path.join(root, path)
                os.makedirs(os.path.dirname(full), exist_ok=True)
                with open(full, "w", encoding="utf-8") as f:
                    f.write(text)
            done = subprocess.run([sys.executable, os.path.join(SCRIPTS, self.SCRIPT), root], capture_output=True, text=True, check=False)
            return done.returncode, done.stdout + done.stderr

    def assert_fine(self, changes=None):
        code, output = self.run_on(changes or {})
        self.assertEqual(code, 0, output)

    def assert_refused(self, changes, *parts):
        code, output = self.run_on(changes)
        self.assertEqual(code, 1, output)
        for part in parts:
            self.assertIn(part, output)


class LayersTest(Tree):
    SCRIPT = "check_layers.py"
    GOOD = {"cmake/FairleadModule.cmake": EDGES,
            "base/time.h": "#pragma once\n#include <chrono>\n",
            "base/system_clock.h": '#pragma once\n#include "base/time.h"\n',
            "net/engine.cc": '#include <liburing.h>\n#include "base/time.h"\n',
            "lb/core.h": '// fairlead: pure\n#pragma once\n#include "base/time.h"\n',
            "lb/core.cc": '// fairlead: pure\n#include "lb/core.h"\n// Clock::now( and <thread> in a comment are no sin.\nconst char* s = "x::now(";\n'}

    def test_takes_a_good_tree(self):
        self.assert_fine()

    def test_refuses_an_edge_that_is_not_in_the_list(self):
        self.assert_refused({"net/bad.cc": '#include "lb/core.h"\n'}, "net/bad.cc:1", "net/ may not include lb/")
        self.assert_refused({"admin/bad.cc": '\n#include "lb/core.h"\n'}, "admin/bad.cc:2")
        self.assert_refused({"base/bad.cc": '#  include "lb/core.h"\n'}, "base/bad.cc:1")

    def test_does_not_see_an_include_that_is_commented_out(self):
        self.assert_fine({"net/fine.cc": '// #include "lb/core.h"\n/*\n#include "lb/core.h"\n*/\n'})

    def test_refuses_tests_and_bench(self):
        self.assert_refused({"lb/bad.cc": '#include "tests/support/x.h"\n', "tests/support/x.h": ""}, "nothing may include tests/")

    def test_refuses_a_header_that_is_not_named_from_the_root(self):
        self.assert_refused({"lb/bad.cc": '#include "core.h"\n'}, "from the root")
        self.assert_refused({"lb/bad.cc": '#include "../net/x.h"\n'}, "from the root")
        self.assert_refused({"lb/bad.cc": '#include "lb/missing.h"\n'}, "does not exist")

    def test_refuses_a_library_away_from_its_home(self):
        self.assert_refused({"lb/bad.cc": "#include <liburing.h>\n"}, "its only homes are net/*")
        self.assert_refused({"lb/bad.cc": "#include <boost/asio/ip/tcp.hpp>\n"}, "lb/health_*")
        self.assert_fine({"lb/health_prober.cc": "#include <boost/asio/ip/tcp.hpp>\n"})
        self.assert_refused({"config/bad.cc": "#include <yaml-cpp/yaml.h>\n"}, "config/parse*")
        self.assert_refused({"lb/bad.cc": "#include <sys/epoll.h>\n"}, "net/*")
        self.assert_refused({"base/bad.cc": "#include <qb/qblog.h>\n"}, "base/qb_*")

    def test_refuses_a_library_without_a_home(self):
        self.assert_refused({"lb/bad.cc": "#include <nlohmann/json.hpp>\n"}, "without a home")

    def test_refuses_a_room_without_a_line(self):
        self.assert_refused({"vip/x.cc": "int x;\n"}, "vip/x.cc:1", "FL_ALLOWED_")

    def test_refuses_impurity_in_pure_files(self):
        for line, why in {"auto t = Clock::now();": "clock", "FL_LOG(X);": "logs", 'auto p = getenv("X");': "environment",
                          "std::this_thread::yield();": "threads", "int r = rand();": "unseeded"}.items():
            self.assert_refused({"lb/bad.cc": f"// fairlead: pure\nvoid f() {{\n{line}\n}}\n"}, "lb/bad.cc:3", why)
        for header in ("<thread>", "<mutex>", "<sys/socket.h>", "<netinet/in.h>", "<unistd.h>", "<arpa/inet.h>", '"base/system_clock.h"'):
            self.assert_refused({"lb/bad.cc": f"// fairlead: pure\n#include {header}\n"}, "lb/bad.cc:2", "pure")
            self.assert_fine({"lb/fine.cc": f"#include {header}\n"})

    def test_refuses_the_wall_clock_where_leases_are(self):
        for code in ("auto t = clock.wall();", "auto t = std::chrono::system_clock::now();", "clock_gettime(CLOCK_REALTIME, &t);",
                     "clock_gettime(CLOCK_REALTIME_COARSE, &t);", "gettimeofday(&t, nullptr);", "auto t = std::time(nullptr);", "time(&t);"):
            self.assert_refused({"vip/bad.cc": f"\n{code}\n"}, "vip/bad.cc:2", "wall clock")
            self.assert_refused({"daemon/takeover_bad.cc": f"\n{code}\n"}, "daemon/takeover_bad.cc:2", "wall clock")
        self.assert_fine({"net/fine.cc": "auto t = clock.wall();\n"})

    def test_refuses_a_pure_header_with_an_unmarked_source(self):
        self.assert_refused({"lb/core.cc": '#include "lb/core.h"\n'}, "lb/core.cc:1", "its header is pure")

    def test_refuses_an_empty_tree(self):
        code, _ = self.run_on({path: None for path in self.GOOD if not path.startswith("cmake")})
        self.assertEqual(code, 1)


class MessagesTest(Tree):
    SCRIPT = "check_messages.py"
    GOOD = {"base/messages.def": CATALOGUE, "lb/x.cc": USES, "docs/reference/events.md": DOCUMENT}

    def test_takes_a_good_tree(self):
        self.assert_fine()

    def test_refuses_an_unknown_message(self):
        self.assert_refused({"lb/y.cc": "void g() { FL_LOG(SERVER_GONE); }\n"}, "lb/y.cc:1", "SERVER_GONE is not in")
        self.assert_refused({"lb/y.cc": "auto g = MessageId::SERVER_GONE;\n"}, "SERVER_GONE is not in")

    def test_refuses_an_unused_message_also_when_a_comment_names_it(self):
        unused = {"lb/x.cc": '// FL_LOG(SERVER_DOWN);\nvoid f() { FL_LOG(SERVER_UP, "pool", p); }\n'}
        self.assert_refused(unused, "SERVER_DOWN is never used")

    def test_refuses_a_duplicate(self):
        self.assert_refused({"base/messages.def": CATALOGUE + 'FL_MESSAGE(SERVER_UP, kError, "pool")\n'}, "base/messages.def:3", "there twice")

    def test_refuses_a_line_it_cannot_read(self):
        self.assert_refused({"base/messages.def": CATALOGUE + "FL_MESSAGE(X, kError)\n"}, "not FL_MESSAGE")

    def test_refuses_a_key_the_catalogue_lacks(self):
        self.assert_refused({"lb/y.cc": 'void g() {\n  FL_LOG(SERVER_UP,\n         "pol", p);\n}\n'}, "lb/y.cc:2", "key 'pol'")
        self.assert_refused({"lb/y.cc": "void g() { FL_LOG(SERVER_UP, key, p); }\n"}, "no string literal")

    def test_refuses_a_key_every_line_has(self):
        self.assert_refused({"base/messages.def": CATALOGUE.replace("pool server", "pool id")}, "every line has a 'id'")

    def test_refuses_an_undocumented_message(self):
        self.assert_refused({"docs/reference/events.md": DOCUMENT.split("### SERVER_DOWN")[0]}, "SERVER_DOWN is not documented")
        self.assert_refused({"docs/reference/events.md": None}, "missing")

    def test_refuses_a_document_that_says_otherwise(self):
        self.assert_refused({"docs/reference/events.md": DOCUMENT.replace("`notice` pool server", "`error` pool server")}, "must be: `notice` pool server")
        self.assert_refused({"docs/reference/events.md": DOCUMENT.replace(PARAGRAPH, "Bad.\n", 1)}, "SERVER_UP: say what happened")
        self.assert_refused({"docs/reference/events.md": DOCUMENT + f"\n### OLD\n`notice`\n\n{PARAGRAPH}{ANSWERS}"}, "OLD is not in")

    def test_refuses_an_event_that_does_not_say_what_to_do(self):
        for answer in ("Clients", "Look at", "Do", "Harmless when"):
            self.assert_refused({"docs/reference/events.md": DOCUMENT.replace(f"- **{answer}:**", "- ", 1)}, "SERVER_UP: lines that begin with")

    def test_refuses_a_table_that_says_otherwise_and_writes_it(self):
        old = DOCUMENT.replace("| warning | events |", "| notice | events |")
        self.assert_refused({"docs/reference/events.md": old}, "the table is not true")
        self.assert_refused({"docs/reference/events.md": DOCUMENT.replace(TABLE, "")}, "comments around the table")
        with tempfile.TemporaryDirectory() as root:
            for path, text in {**self.GOOD, "docs/reference/events.md": old}.items():
                os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                    file.write(text)
            subprocess.run([sys.executable, os.path.join(SCRIPTS, self.SCRIPT), "--write", root], check=True, capture_output=True)
            with open(os.path.join(root, "docs/reference/events.md"), encoding="utf-8") as file:
                self.assertEqual(file.read(), DOCUMENT)


class TidyTest(Tree):
    SCRIPT = "tidy.py"
    GOOD = {"lb/x.h": "#pragma once\n", "lb/x.cc": '#include "lb/x.h"\n', "tests/unit/lb/x_test.cc": "int main() {}\n",
            "tests/e2e/run.py": "poll()\ntime.sleep(0.01)  # tidy: polls\n"}

    def test_takes_a_good_tree(self):
        self.assert_fine()

    def test_refuses_long_lines_and_files(self):
        self.assert_refused({"lb/x.cc": "//" + "x" * 139 + "\n"}, "lb/x.cc:1", "141 columns")
        self.assert_fine({"lb/x.cc": "//" + "x" * 138 + "\n"})
        for path in ("admin/web/x.js", "tests/browser/x.mjs"):
            self.assert_refused({path: "//" + "x" * 139 + "\n"}, f"{path}:1", "141 columns")
        self.assert_refused({"lb/x.cc": "int a;\n" * 651}, "651 lines")

    def test_refuses_an_open_task_without_an_issue(self):
        self.assert_refused({"lb/x.cc": "// TODO: later\n"}, "lb/x.cc:1")
        self.assert_fine({"lb/x.cc": "// TODO(#12): later\n"})

    def test_refuses_sleeping_tests(self):
        self.assert_refused({"tests/unit/lb/x_test.cc": "\nstd::this_thread::sleep_for(1s);\n"}, "x_test.cc:2", "does not sleep")
        self.assert_refused({"tests/unit/lb/x_test.cc": "usleep(10);\n"}, "does not sleep")
        self.assert_refused({"tests/e2e/run.py": "time.sleep(1)\n"}, "does not sleep")
        self.assert_refused({"tests/e2e/run.sh": "x; sleep 1\n"}, "does not sleep")
        self.assert_fine({"tests/unit/lb/x_test.cc": "// No sleep() here.\n", "lb/x.cc": "::sleep(1);\n"})

    def test_refuses_paths_of_one_machine(self):
        self.assert_refused({"docs/x.md": "see /home/" + "me/project/x\n"}, "docs/x.md:1", "one machine")

    def test_refuses_a_header_without_pragma_once_and_a_name_twice(self):
        self.assert_refused({"lb/y.h": "int x;\n"}, "no #pragma once")
        self.assert_refused({"net/x.cc": "int x;\n"}, "there twice")

    def test_refuses_a_header_that_is_not_the_first_of_its_own_file(self):
        self.assert_refused({"lb/x.cc": '#include <vector>\n#include "lb/x.h"\n'}, "lb/x.cc:1", "its own header comes first")
        self.assert_fine({"lb/x.cc": '// fairlead: pure\n#include "lb/x.h"\n#include <vector>\n'})


class SetupTest(unittest.TestCase):
    def test_names_an_unknown_package_group(self):
        done = subprocess.run([os.path.join(SCRIPTS, "setup.sh"), "nonsense"], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("no package group 'nonsense'", done.stderr)


if __name__ == "__main__":
    unittest.main()
