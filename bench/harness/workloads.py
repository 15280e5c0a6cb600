"""What is run. Names follow one scheme: p = requests on kept connections, d/u = bulk down/up, the number = connections, s = short reply."""
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Workload:
    name: str
    title: str
    mode: str                      # of fairlead-loadgen
    arguments: tuple = ()
    unit: str = "request"          # what CPU is divided by: request, connection, GB; "idle" measures memory
    congestion_control: str = "reno"
    noise: float = 0.15            # (max - min) / median above which a cell is called noisy
    bulk: bool = field(default=False)

    @property
    def countable(self):
        """Whether it has a window that can begin and end at rest."""
        return self.unit in ("request", "connection", "GB")

    @property
    def cost_unit(self):
        return {"request": "us/request", "connection": "us/connection", "GB": "ms/GB", "idle": "B/connection"}[self.unit]

    @property
    def rate_unit(self):
        return {"request": "requests/s", "connection": "connections/s", "GB": "MB/s", "idle": None}[self.unit]

    def units_of(self, report):
        """How many units a load generator's report holds."""
        if self.unit == "connection":
            return report["connections"]
        if self.unit == "GB":
            return (report["received"] if self.mode == "download" else report["sent"]) / 1e9
        return report["replies"]


def _requests(name, connections, reply):
    return Workload(name, f"{connections} kept connections, 200 B -> {reply:,} B", "requests",
                    ("--connections", str(connections), "--request", "200", "--reply", str(reply)))


def _bulk(mode, connections, congestion_control):
    letter = "d" if mode == "download" else "u"
    suffix = "" if congestion_control == "reno" else "-" + congestion_control
    way = "to the client" if mode == "download" else "from the client"
    return Workload(f"{letter}{connections}{suffix}", f"bulk {way}, {connections} connection{'s' if connections > 1 else ''}, {congestion_control}", mode,
                    ("--connections", str(connections)), unit="GB", congestion_control=congestion_control, noise=0.20, bulk=True)


def idle_marks(descriptors):
    """1,000 and 10,000 connections, or as many thousands as the descriptor limit allows (two each in the proxy)."""
    return 1000, max(2000, min(10000, (descriptors - 500) // 2 // 1000 * 1000))


WORKLOADS = [
    _requests("p64s", 64, 200),
    _requests("p64", 64, 2000),
    _requests("p512s", 512, 200),
    _requests("p512", 512, 2000),
    Workload("churn", "connect, 200 B -> 200 B, close; 32 in parallel", "churn", ("--connections", "32", "--sources", "8"), unit="connection"),
    *[_bulk(mode, connections, cc) for cc in ("reno", "bbr") for mode in ("download", "upload") for connections in (1, 4)],
    Workload("idle", "memory of an idle connection after one request: growth of RSS from 1,000 to 10,000 connections", "idle", unit="idle", noise=0.10),
]
QUICK = ("p64s", "p64", "churn", "d4", "u4", "idle")
