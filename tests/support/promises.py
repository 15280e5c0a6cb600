"""What is promised of an outage, by drill, and Corosync's timing by profile: for the demonstration, the drills and tests.
The bounds are those of docs/internals/takeover.md, said as `fairlead drill list` says them."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Of a profile, in ms."""
    token: int
    consensus: int

    @property
    def lost_ms(self):
        """T + C: until a node that is gone is known to be."""
        return self.token + self.consensus


TIMING = {"vm": Timing(800, 960), "fast": Timing(400, 480)}
DEFAULTS_MS = {"lease": 2000, "guard.hang": 1000, "start_wait": 5000}   # fairlead.yaml's, which the lab leaves alone.
UNITS_MS = {"ms": 1, "s": 1000}


@dataclass(frozen=True)
class Promise:
    outage: str = ""        # Of new connections: "T + C + 350 ms". Empty: none, and `why` says why.
    why: str = ""
    least: str = ""         # Less cannot be: the rules forbid it, or the drill was wrong.
    failed_max: int = None  # Tries that may fail; None: as many as the outage takes.
    overlap_ms: int = 0     # So long may two stations answer for the address.
    moves: int = 1          # Of the VIP, as often as that and not once more; 0: the same gateway answers all the time. None: it depends.

    def outage_ms(self, profile):
        return in_ms(self.outage, TIMING[profile]) if self.outage else None

    def least_ms(self, profile):
        return in_ms(self.least, TIMING[profile]) if self.least else 0


_SERVED_ALL_THE_TIME = Promise("0", failed_max=0, moves=0)
PROMISES = {
    "planned": Promise("20 ms"),
    "upgrade": Promise("20 ms"),                     # When the holder's turn comes; the others' costs nothing.
    "kill-process": Promise("50 ms"),
    "hang-process": Promise("guard.hang + 300 ms"),
    "kill-both": Promise("lease + T + C + 500 ms", least="1500 ms"),   # The kernel keeps it at least so long: it is refreshed each 500 ms.
    "kill-node": Promise("T + C + 350 ms", least="C"),   # Sooner it was heard after its death.
    "kill-standby": _SERVED_ALL_THE_TIME,
    "freeze-node": Promise("lease + T + C + 500 ms", overlap_ms=50),   # Between its wake and its first turn.
    "cut-link": Promise("T + C + 350 ms", least="C"),
    "cut-link-oneway": Promise("5 s"),
    "lose-carrier": Promise("60 ms"),
    # The fourth move within a minute is the last; then it stays (R17) and is away with the carrier, for 200 ms, and until the kernel asks by ARP
    # once more for the servers' router, which it does each second. What a move by a lost carrier may take: lose-carrier.
    "flap-carrier": Promise("1260 ms", moves=4),
    "stop-corosync": Promise("T + C + 350 ms"),      # Deleted at once (R9); the others have to lose the node first.
    "kill-corosync": Promise("T + C + 350 ms"),
    "boot-both": Promise("start_wait", moves=0),   # They hear each other before it has passed (R13). From power on.
    "boot-alone": Promise("start_wait + 1 s", least="start_wait", moves=0),
    "gateway-silent": _SERVED_ALL_THE_TIME,
    "delete-vip": Promise("150 ms", moves=0),
    "double-failure": Promise(why="two faults within seconds: that it comes back, by one holder, is promised; how soon is not", moves=2),
    "merge": _SERVED_ALL_THE_TIME,
    "kill-server": Promise("0", failed_max=1, moves=0),   # The one that was on its way to that server.
    "vanish-server": _SERVED_ALL_THE_TIME,
    "reload": _SERVED_ALL_THE_TIME,
    "qdevice-loss": _SERVED_ALL_THE_TIME,
}
# Corosync waits for the device's decision (R12).
QDEVICE_PROMISES = {**PROMISES, "kill-node": Promise("5 s", least="C"), "cut-link": Promise("5 s", least="C")}
# Who has lost its only cable can tell nobody that it gives the VIP up.
ONE_LINK_PROMISES = {**PROMISES, "lose-carrier": PROMISES["cut-link"]}
OURS, OURS_WITH_QDEVICE, OURS_ON_ONE_LINK = "fairlead", "fairlead, qdevice", "fairlead, one link"
# By system of a drill's report; of others nothing is promised.
PROMISES_OF = {OURS: PROMISES, OURS_WITH_QDEVICE: QDEVICE_PROMISES, OURS_ON_ONE_LINK: ONE_LINK_PROMISES}


def in_ms(text, timing):
    """The value of a sum: "lease + T + C + 500 ms"."""
    words = {**DEFAULTS_MS, "T": timing.token, "C": timing.consensus, "0": 0}
    total = 0
    for term in text.split(" + "):
        number, _, unit = term.partition(" ")
        total += words[term] if term in words else int(number) * UNITS_MS[unit]
    return total
