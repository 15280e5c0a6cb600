#!/usr/bin/env python3
"""`make run`: gateways with real Corosync, TLS servers and clients in a lab; the virtual IP's holder is moved, killed, lost; servers come and go.

Everything runs in namespaces (`fairlead lab`) and is gone afterwards; without root or namespaces a smaller demonstration runs on loopback.
Exit code 0: all went as promised.
"""
import argparse
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(ROOT, "tests"), os.path.join(ROOT, "scripts")]

from demo import loopback, mission, testlab, versus   # noqa: E402
from drills import peers                              # noqa: E402


def versus_problem(no_lab):
    """Why the acts cannot be played with the others; None: they can."""
    if no_lab:
        return f"it needs the lab ({no_lab})"
    if absent := peers.missing([versus.PEER]):
        return f"{' and '.join(absent)} not installed; `make run VERSUS=1` installs them, as does scripts/setup.sh test versus"
    return None


def main():
    parser = argparse.ArgumentParser(description="The demonstration behind `make run`.")
    parser.add_argument("--loopback", action="store_true", help="no namespaces, even where they are available")
    parser.add_argument("--exit", action="store_true", help="do not stay up on a terminal")
    parser.add_argument("--only", nargs="+", default=(), choices=("move", "kill", "power", "servers"), help="only these acts")
    parser.add_argument("--versus", action="store_true", help="the acts once more with keepalived and HAProxy, side by side (make run VERSUS=1)")
    parser.add_argument("--delay", type=int, default=0, metavar="MS", help="stop the new holder for so long after the planned move: the figures have to show it")
    parser.add_argument("--name", default="demo", help="of the lab (another is taken when there is one of that name)")
    options = parser.parse_args()
    testlab.leave_on_signals()
    stay = sys.stdout.isatty() and not options.exit
    try:
        reason = "asked for" if options.loopback or os.environ.get("FL_LAB") == "loopback" else testlab.why_unavailable()
        if options.versus and (problem := versus_problem(reason)):
            print(f"No comparison with keepalived and HAProxy: {problem}", file=sys.stderr)
            return 1
        if reason:
            return loopback.run(reason, stay)
        return mission.run(stay, only=options.only, delay_ms=options.delay, compare=options.versus, name=options.name)
    except KeyboardInterrupt:
        print("\nstopped; everything is removed")
        return 0 if sys.stdout.isatty() else 130


if __name__ == "__main__":
    sys.exit(main())
