"""One run of a drill in the lab: everything is well, the prober starts, the deed, the watch until service is back, the verdict, all mended."""
import contextlib
import json
import os
import signal
import socket
import time

from demo.testlab import FAIRLEAD, LabClient
from drills.cases import Scene, descendants
from drills.loops import ControlLoops
from drills.report import row_of_one, unsafe
from support.promises import OURS, TIMING
from support.waiting import wait_for

BACK_S = 1.0        # Service is back when it has been there for so long.
WATCH_MAX_S = 60    # Then it is not coming back.
QUIET_S = 0.5       # Of service before the deed.
POLL_S = 0.02
TRIES = 3           # Of a run in which the prober itself was too late to say anything.


class Service:
    """Whether the VIP is served, asked of it now and then from the lab's client: when to begin, and when a watch may end. The prober judges."""

    def __init__(self, lab):
        self.client = LabClient(lab.node("client")["keeper"])
        self.vip = lab.vip

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()

    def answers(self):
        try:
            with self.client.connect(self.vip, timeout=0.5) as sock:
                sock.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
                return bool(sock.recv(64))
        except (OSError, socket.timeout):
            return False

    def await_back(self, least_s, back_s=BACK_S, most_s=WATCH_MAX_S, *, clock=time.monotonic, rest=lambda: pause(POLL_S)):
        """For `least_s` at least, and until it answered each time for `back_s`; for `most_s` at most."""
        begun = back_since = clock()
        while (now := clock()) < begun + most_s:
            if not self.answers():
                back_since = clock()
            elif now >= max(begun + least_s, back_since + back_s):
                return True
            rest()
        return False


def settle(lab, profile, nodes, calm=False):
    """Every gateway serves and sees all others, and one holds the VIP; Corosync's timing is the one that bounds are made of. `calm`: no gateway
    says that the VIP moved too often to move again."""
    def quiet():
        gates = lab.nodes("gateway")
        for gate in gates:
            status = lab.gate(gate["name"]).status()
            if sum(n["online"] for n in status["cluster"]["nodes"]) != nodes or not status["vips"][0]["holder"]:
                return None
            if status["cluster"]["qdevice"] == "lost":
                return None
            if calm and status["vips"][0]["flapping"]:
                return None
            if not all(status["vips"][0]["eligible"].get(g["name"], {}).get("ok") for g in gates):
                return None
        return status["cluster"] if lab.holder() else None
    cluster = wait_for(quiet, 100 if calm else 40, "every gateway is a member and could hold the VIP")
    if (cluster["token_ms"], cluster["consensus_ms"]) != (TIMING[profile].token, TIMING[profile].consensus):
        raise RuntimeError(f"profile {profile} runs with token {cluster['token_ms']} ms and consensus {cluster['consensus_ms']} ms: not what is promised for")


def run_case(lab, folder, case, profile, nodes, system=OURS):
    def once():
        settle(lab, profile, nodes, case.calm)
        scene = Scene(lab, TIMING[profile].lost_ms / 1000)
        try:
            with ControlLoops(lab) as loops:
                verdict = play(lab, folder, case, scene)
        finally:
            scene.undo()
        return {"case": case.name, "system": system, "profile": profile, "nodes": nodes, "verdict": verdict, "loop_late_ms": loops.worst_ms()}
    return measured(once)


def measured(once):
    """A run, made again while the prober itself was too late to say how long an outage was. What must never be was seen however late it was: such
    a run is kept."""
    for _ in range(TRIES - 1):
        run = once()
        row = row_of_one(run)
        if not row["prober_too_late"] or unsafe(row):
            return run
        print(f"{run['case']}: the prober itself was {row['prober_late_ms_max']:.0f} ms late; once more", flush=True)
    return once()


def run_peer(lab, folder, peer, case, nodes, number):
    """The same with something else in Fairlead's place. Profile "-": none of ours."""
    settle(lab, "vm", nodes)
    with instead(lab, peer, number) as scene:
        verdict = play(lab, folder, case, scene)
    return {"case": case.name, "system": peer.name, "profile": "-", "nodes": nodes, "verdict": verdict, "loop_late_ms": None}


@contextlib.contextmanager
def instead(lab, peer, number):
    """A scene in which another does Fairlead's work; afterwards Fairlead does it again."""
    gateways = peer.gateways(lab, number)
    try:
        gateways.start()
        scene = Scene(lab, TIMING["vm"].lost_ms / 1000)   # Now: who holds the VIP is the other's choice.
        scene.gateways = gateways
        try:
            yield scene
        finally:
            scene.undo_steps()
    finally:
        gateways.close()
        lab.heal()


def play(lab, folder, case, scene):
    with Service(lab) as service:
        if case.before:
            case.before(scene)
        if not case.boots and not service.await_back(0, QUIET_S, 20):
            raise RuntimeError("the VIP is not served before anything is done")
        names = lab.macs()
        probe, out = start_probe(lab, folder, case.slow_ms)
        try:
            if not case.boots:
                pause(QUIET_S)
            case.act(scene)
            service.await_back(case.watch_s(scene))
            return named(end_probe(probe, out), names)
        finally:
            probe.kill()


def named(verdict, names):
    """The verdict with the names of gateways instead of their MACs. A station that is none of them stays a MAC."""
    def name(mac):
        return names.get(mac, mac)
    return {**verdict,
            "rounds_by_station": {name(mac): rounds for mac, rounds in verdict["rounds_by_station"].items()},
            "answered_by": [{**seen, "answered_by": sorted(map(name, seen["answered_by"]))} for seen in verdict["answered_by"]],
            "announcements": [{**seen, "from": name(seen["from"])} for seen in verdict["announcements"]]}


def start_probe(lab, folder, slow_ms):
    """A name of its own for each: what one wrote is not taken for the word of the next."""
    name = f"probe-{time.monotonic_ns()}"
    out = os.path.join(folder, f"{name}.json")
    probe = lab.start("client", [FAIRLEAD, "drill", "probe", f"{lab.vip[0]}:{lab.vip[1]}", "--slow", f"{slow_ms}ms", "--out", out], name)
    wait_for(lambda: "probing" in probe.stderr(), 10, "the prober runs")
    return probe, out


def end_probe(probe, out):
    os.kill(list(descendants(probe.pid))[-1], signal.SIGINT)   # `lab exec` leaves Ctrl-C to the program that it runs.
    wait_for(lambda: os.path.exists(out) or not probe.running, 10, "the prober's verdict")
    with open(out, encoding="utf-8") as file:
        return json.load(file)


def pause(seconds):
    time.sleep(seconds)
