"""I: how long a change of membership waits for corosync-qnetd, and whether votequorum answers meanwhile.

    python3 tests/experiments/corosync/qdevice.py [--runs 6]
"""
import argparse
import os
import re
import statistics
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from support import corosync_lab, qnetd                # noqa: E402
from support.promises import TIMING                    # noqa: E402
from support.waiting import wait_for                   # noqa: E402

_ASKED = "waiting for quorum device Qdevice poll"
_DONE = "Completed service synchronization"


def seconds(line):
    hours, minutes, rest = re.search(r"(\d+):(\d+):(\d+\.\d+)", line).groups()
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


def waited(text):
    """ms of the last wait in a Corosync's log; None: there was none."""
    lines = text.splitlines()
    asked = [i for i, line in enumerate(lines) if _ASKED in line]
    done = [line for line in lines[asked[-1]:] if _DONE in line] if asked else []
    return round(1000 * (seconds(done[0]) - seconds(lines[asked[-1]]))) if done else None


def vanish(lab, _):
    lab.nodes[2].vanish()


def ring_cut(lab, _):
    for a, b in ((1, 2), (2, 1)):
        lab.nodes[a].host.run(["nft", "table ip cut {\nchain in {\ntype filter hook input priority 0; "
                               f"ip saddr {lab.nodes[b].host.address} drop;\n}}\n}}\n"])


def vanish_and_no_qnetd(lab, device):
    device.process.kill()
    lab.nodes[2].vanish()


def run(profile, act):
    timing = TIMING[profile]

    def conf(hosts):
        return qnetd.with_qdevice(corosync_lab.config(hosts[:2], token=timing.token, consensus=timing.consensus), hosts[2].address)
    with corosync_lab.CorosyncLab(3, conf) as lab:
        device = qnetd.Qnetd(lab.nodes[3], [lab.nodes[1], lab.nodes[2]])
        device.make_certificates()
        device.start()
        lab.start([1, 2])
        device.start_devices()
        before = lab.nodes[1].corosync.stderr().count(_DONE)
        time.sleep(1)   # tidy: a heartbeat or two; the phase to them is what varies
        act(lab, device)
        wait_for(lambda: lab.nodes[1].corosync.stderr().count(_DONE) > before, 20, "node 1 has its next ring")
        quorate = lab.nodes[1].run(["corosync-quorumtool", "-s"]).stdout
        return waited(lab.nodes[1].corosync.stderr()), "Quorate:          Yes" in quorate


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=6)
    runs = parser.parse_args().runs
    for profile in ("vm", "fast"):
        for name, act in (("the other node vanishes", vanish), ("the ring is cut", ring_cut), ("both it and qnetd vanish", vanish_and_no_qnetd)):
            got = [run(profile, act) for _ in range(runs)]
            times = sorted(ms for ms, _ in got)
            print(f"{profile:5} {name:26} waited {times[0]} / {statistics.median(times):g} / {times[-1]} ms, quorate {sum(q for _, q in got)} of {len(got)}; "
                  f"load {os.getloadavg()[0]:.1f}", flush=True)


if __name__ == "__main__":
    main()
