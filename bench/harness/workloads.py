"""What is run. Names follow one scheme: p = requests on kept connections, d/u = bulk down/up, the number = connections, s = short reply.

watch, mixed and lat run at a fixed rate (an open loop); the others as fast as they are answered. tls-*: tools of others.
"""
from dataclasses import dataclass, field, replace

from . import tls
from .stats import FIRM_ROUNDS


COST_UNITS = {"request": "us/request", "connection": "us/connection", "GB": "ms/GB", "event": "us/event", "idle": "B/connection",
              "mix": "ms/s", "latency": "p99 us"}
RATE_UNITS = {"request": "requests/s", "connection": "connections/s", "GB": "MB/s", "event": "events/s", "latency": "requests/s"}
LATENCY_FRACTION = 0.15   # of the rate the reference reached in the calibration: one request at a time costs twice, and the CPU is to be idle most of the time


@dataclass(frozen=True)
class Workload:
    name: str
    title: str
    mode: str                      # of fairlead-loadgen
    arguments: tuple = ()
    unit: str = "request"          # what CPU is divided by: request, connection, GB, event, mix (a second of it); idle: memory; latency: time
    congestion_control: str = "reno"
    noise: float = 0.15            # width of the median's interval (stats.py), over it, above which a cell is noisy
    bulk: bool = field(default=False)
    backend: tuple = ()            # arguments of `fairlead-loadgen serve`
    planned: tuple = ()            # of (count of the report, per second): less than 95 % of one is no result
    tool: str = ""                 # the load is this program, the backend nginx over TLS (tls.py)
    calibrated: bool = False       # its --rate is LATENCY_FRACTION of what the reference reached
    rate: int = 0                  # requests per second it asks for; 0: not known beforehand (a closed loop, or not calibrated yet)
    rounds: int = 5                # of a full run, unless --rounds says otherwise
    seconds: float = 3.0           # of a full run's window, unless --seconds says otherwise

    @property
    def countable(self):
        """Whether it has a window that can begin and end at rest."""
        return self.unit in ("request", "connection", "GB", "event") and not self.tool

    @property
    def in_turns(self):
        """Whether the load goes to one contender after the other in short turns. Bulk does not: the last of its big messages would be much of a turn."""
        return self.unit in ("request", "connection", "event", "latency") and not self.tool

    @property
    def paced(self):
        """A fixed rate, the same for all: the proxy is not meant to be busy all the time."""
        return self.mode == "paced"

    @property
    def cost_unit(self):
        return COST_UNITS[self.unit]

    @property
    def rate_unit(self):
        return RATE_UNITS.get(self.unit)

    def units_of(self, report):
        """How many units a load generator's report holds."""
        if self.unit == "connection":
            return report["connections"]
        if self.unit == "GB":
            return (report["received"] if self.mode == "download" else report["sent"]) / 1e9
        if self.unit == "mix":
            return report["seconds"]
        return report["events"] if self.unit == "event" else report["replies"]

    def missing(self):
        """Why it cannot be run here, or None."""
        return tls.missing(self.tool) if self.tool else None

    def at_rate(self, rate):
        """The same at a rate that is known now."""
        return replace(self, title=f"{self.title}, {rate:,} requests/s", rate=rate, arguments=self.arguments + ("--rate", str(rate)), planned=(("replies", rate),))


def _requests(name, connections, reply):
    return Workload(name, f"{connections} kept connections, 200 B -> {reply:,} B", "requests",
                    ("--connections", str(connections), "--request", "200", "--reply", str(reply)), rounds=FIRM_ROUNDS, seconds=2.0)


def _bulk(mode, connections, congestion_control):
    letter = "d" if mode == "download" else "u"
    suffix = "" if congestion_control == "reno" else "-" + congestion_control
    way = "to the client" if mode == "download" else "from the client"
    return Workload(f"{letter}{connections}{suffix}", f"bulk {way}, {connections} connection{'s' if connections > 1 else ''}, {congestion_control}", mode,
                    ("--connections", str(connections)), unit="GB", congestion_control=congestion_control, noise=0.20, bulk=True, seconds=2.0)


def idle_marks(descriptors):
    """1,000 and 10,000 connections, or as many thousands as the descriptor limit allows (two each in the proxy)."""
    return 1000, max(2000, min(10000, (descriptors - 500) // 2 // 1000 * 1000))


WORKLOADS = [
    _requests("p64s", 64, 200),
    _requests("p64", 64, 2000),
    _requests("p512s", 512, 200),
    _requests("p512", 512, 2000),
    Workload("churn", "connect, 200 B -> 200 B, close; 32 in parallel", "churn", ("--connections", "32", "--sources", "8"), unit="connection",
             rounds=FIRM_ROUNDS, seconds=2.0),
    *[_bulk(mode, connections, cc) for cc in ("reno", "bbr") for mode in ("download", "upload") for connections in (1, 4)],
    Workload("watch", "1,000 mostly idle watches, 2,000 events of 300 B per second over all of them", "paced",
             ("--watches", "1000", "--event", "300"), unit="event", backend=("--event-rate", "2000"), planned=(("events", 2000),), rounds=10),
    Workload("mixed", "500 watches with 1,000 events/s, bursts of 32 requests (200 B -> 2,000 B) 40 times a second, 1 MiB down 100 times a second", "paced",
             ("--watches", "500", "--event", "300", "--connections", "64", "--rate", "1280", "--burst", "32", "--request", "200", "--reply", "2000",
              "--bulk-connections", "1", "--bulk-rate", "100", "--bulk-reply", str(1 << 20)),
             unit="mix", backend=("--event-rate", "1000"), planned=(("events", 1000), ("replies", 1280 + 100), ("received", 100 << 20))),
    Workload("lat", "latency, open loop: 64 connections, 200 B -> 2,000 B", "paced",
             ("--connections", "64", "--request", "200", "--reply", "2000"), unit="latency", noise=0.30, calibrated=True,
             rounds=10),
    Workload("tls-wrk", "HTTPS end to end, nginx asked by wrk: HTTP/1.1 over 64 connections, 2,000 B", "", tool="wrk"),
    Workload("tls-h2", "HTTPS end to end, nginx asked by h2load: HTTP/2, 32 connections with 4 streams each, 2,000 B", "", tool="h2load"),
    Workload("idle", "memory of an idle connection after one request: growth of RSS from 1,000 to 10,000 connections", "idle", unit="idle", noise=0.10),
]
QUICK = ("p64", "churn", "d4", "lat", "idle")
NOT_QUICK = ("kernel",)    # contenders a quick run does without
CALIBRATION = _requests("calibration", 64, 2000)    # closed loop over what `lat` then asks at a rate
