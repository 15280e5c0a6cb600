#!/usr/bin/env python3
"""`make run-site`: the classic site in the lab, from bare machines by `fairlead bootstrap apply`; then the gateway that holds the VIP is switched off.

Everything runs in namespaces and is gone afterwards. Exit code 0: all went as promised.
"""
import argparse
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(ROOT, "tests"), os.path.join(ROOT, "scripts")]

from demo import testlab        # noqa: E402
from site_tour import tour      # noqa: E402
from support import dnsmasq, gluster_lab   # noqa: E402


def main():
    parser = argparse.ArgumentParser(description="The tour behind `make run-site`.")
    parser.add_argument("--exit", action="store_true", help="do not stay up on a terminal")
    options = parser.parse_args()
    reason = testlab.why_unavailable() or gluster_lab.why_unavailable() or dnsmasq.why_unavailable()
    if reason:
        print(f"make run-site: cannot be shown here: {reason}", file=sys.stderr)
        return 77
    testlab.leave_on_signals()
    try:
        return tour.run(stay=sys.stdout.isatty() and not options.exit)
    except KeyboardInterrupt:
        print("\nstopped; everything is removed")
        return 130


if __name__ == "__main__":
    sys.exit(main())
