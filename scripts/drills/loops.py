"""How late the gateways' control loops were in a run (R22). Each daemon is asked while the run goes on: one that is killed has said so before, and what
was late before the run is none of it."""
import http.client
import math
import os
import subprocess
import threading
import time
from dataclasses import dataclass, field

from support.fairlead import Gateway

POLL_S = 0.5
LOOK_S = 2.0     # So often it is looked up again where a node that has no power has its files.
STALE_S = 0.2    # A status is made each 100 ms: its daemon may be older than it says.


@dataclass
class _Life:
    """Of one daemon."""
    uptime_s: float = 0.0
    born: float = math.inf                        # By our clock, at the latest.
    late_us: dict = field(default_factory=dict)   # By second of its life.


class Loop:
    """What a node's daemons said, one life after the other."""

    def __init__(self, begin):
        self.begin = begin
        self._lives = []

    def heard(self, status, now):
        uptime = status["uptime_s"]
        if not self._lives or uptime < self._lives[-1].uptime_s:
            self._lives.append(_Life())
        life = self._lives[-1]
        life.uptime_s = uptime
        life.born = min(life.born, now - uptime)
        seconds = status["control_late_us_by_second"]
        life.late_us.update(enumerate(seconds, int(uptime) + 1 - len(seconds)))

    def worst_ms(self):
        """Of whole seconds after the begin; None: of none is known."""
        return max((late / 1000 for life in self._lives for second, late in life.late_us.items() if life.born + second >= self.begin + STALE_S), default=None)


class ControlLoops:
    """Of every gateway that has a daemon of ours, from entering to leaving."""

    def __init__(self, lab):
        self._lab = lab
        self._over = threading.Event()
        begin = time.monotonic()
        self._loops = {gate["name"]: Loop(begin) for gate in lab.nodes("gateway")}
        self._threads = [threading.Thread(target=self._listen, args=(name, loop), daemon=True) for name, loop in self._loops.items()]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        """After a last look at each."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def worst_ms(self):
        return max((late for loop in self._loops.values() if (late := loop.worst_ms()) is not None), default=None)

    def _listen(self, name, loop):
        daemon, looked = None, -math.inf
        is_last = False
        while not is_last:
            is_last = self._over.is_set()
            try:
                if daemon is None and time.monotonic() >= looked + LOOK_S:
                    looked = time.monotonic()
                    daemon = _Daemon(self._lab.files(name))
                if daemon:
                    loop.heard(daemon.status(), time.monotonic())
            except FileNotFoundError:
                daemon = None   # The node has no power, or its daemon is not there yet.
            except (OSError, ValueError, http.client.HTTPException, subprocess.SubprocessError):
                pass            # Its daemon does not answer just now.
            self._over.wait(POLL_S)


class _Daemon(Gateway):
    """Of a gateway of the lab, through the node's own files."""

    def __init__(self, files):
        self.socket_path = os.path.join(files, "run", "fairlead", "fairlead.sock")
