"""One cell: one contender, one workload, one round. Everything it starts is its own and ends with it."""
import contextlib
import json
import os
import random
import shlex
import socket
import struct
import subprocess
import tempfile
import time
from dataclasses import dataclass

from . import proc, tls
from .contenders import Place
from .sandbox import Unavailable, descendants, read_line, wait_until
from .workloads import COST_UNITS, idle_marks

SERVERS = 3
START_LIMIT = 10.0
PLANNED_LEAST = 0.95
SETTLE = 0.2        # after the first answer: the other servers' first checks
TURN = 0.15         # seconds of load until the next contender has it: machines change their speed for seconds at a time
LOGGED_LEAST = 0.95  # of the connections that ended: fewer lines would be less work than the others do
LOG_LIMIT = 3.0     # seconds after the load's end in which the last lines must have been written
MEMORY_FOLDER, MEMORY_FREE = "/dev/shm", 1 << 30   # files of a cell lie there when as many bytes are free: a disk would be measured too
# As bench/macro/message.h: magic, flags, length, length of the reply, tag.
HEADER = struct.Struct("=IIQQQ")
REQUEST_MAGIC, REPLY_MAGIC = 0x31514c46, 0x31524c46


class CellError(Exception):
    """The cell has no result: wrong bytes, lost connections, a process that died."""


def folder_in_memory():
    """Where the cell's files lie; None: where temporary files do (TMPDIR)."""
    with contextlib.suppress(OSError):
        free = os.statvfs(MEMORY_FOLDER)
        if os.access(MEMORY_FOLDER, os.W_OK) and os.path.ismount(MEMORY_FOLDER) and free.f_bavail * free.f_frsize >= MEMORY_FREE:
            return MEMORY_FOLDER
    return None


def lines_logged(contender, directory):
    """How many connections the contender has written a line about."""
    try:
        with open(os.path.join(directory, contender.log_name), "rb") as file:
            return sum(contender.log_mark in line for line in file)
    except OSError:
        return 0


def last_words(contender, directory):
    """What the proxy said last of anything but connections, to be put behind an error."""
    said = []
    for name in dict.fromkeys(("output", contender.log_name or "output")):
        with contextlib.suppress(OSError), open(os.path.join(directory, name), "rb") as file:
            said += [line.decode(errors="replace").strip() for line in file if not (contender.log_mark and contender.log_mark in line)]
    said = [line for line in said if line]
    return ": " + " | ".join(said[-3:]) if said else ""


def check_log(contender, directory, ended, limit=LOG_LIMIT):
    """Equal work: a proxy logs its connections. `ended`: how many of the load's have. Returns the lines; raises CellError when they are too few."""
    least = max(1, int(LOGGED_LEAST * ended))
    try:
        wait_until(lambda: lines_logged(contender, directory) >= least, limit, "")
    except Unavailable:
        raise CellError(f"{contender.name} logged {lines_logged(contender, directory):,} connections of {ended:,} that ended, less than {LOGGED_LEAST:.0%}: "
                        "without its log it does less work than the others") from None
    return lines_logged(contender, directory)


def answers(port):
    """Whether a request to this port is answered as the backend answers."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as sock:
            sock.sendall(HEADER.pack(REQUEST_MAGIC, 0, HEADER.size, HEADER.size, 7))
            got = b""
            while len(got) < HEADER.size:
                piece = sock.recv(HEADER.size - len(got))
                if not piece:
                    return False
                got += piece
            return HEADER.unpack(got)[0] == REPLY_MAGIC
    except OSError:
        return False


@contextlib.contextmanager
def no_result_on_errors():
    """A program that cannot be started or hangs, a pipe that broke, a report that lacks a figure: of this cell, not of the whole run."""
    try:
        yield
    except (OSError, subprocess.SubprocessError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise CellError(f"{type(error).__name__}: {error}") from error


def turns_of(seconds):
    """How many turns a contender's window is cut into."""
    return max(1, round(seconds / TURN))


def orders(contenders, turns, seed):
    """Who has the load after whom, turn by turn: shuffled, for who comes behind an idle CPU or always behind the same one has another cache than the
    others. The same seed gives the same orders."""
    chance = random.Random(seed)
    for _ in range(turns):
        yield chance.sample(contenders, len(contenders))


@dataclass(frozen=True)
class Started:
    """What a cell has when the load begins."""
    directory: str
    facts: dict
    backend: object
    targets: list          # ports the load connects to
    proxy: object          # None: no process
    config: str


class Cell:
    """Measures one contender at one workload. `folder`: where the files of a cell lie, the same for a whole run; None: TMPDIR."""

    def __init__(self, sandbox, processes, loadgen, cpus, folder=None):
        self._sandbox, self._processes, self._loadgen, self._cpus, self._folder = sandbox, processes, loadgen, cpus, folder

    @no_result_on_errors()
    def run(self, contender, workload, seconds, warmup):
        """Measures. Returns a dict of metrics and facts. Raises CellError or Unavailable."""
        if workload.tool:
            return self._run_tool(contender, workload, seconds)
        with self._started(contender, workload, seconds) as place:
            argv = self._argv(workload, place, seconds, warmup)
            load = self._processes.start(argv, self._cpus["load"], subprocess.PIPE)
            return self._result(contender, workload, place, load, seconds + warmup + 90)

    def run_in_turns(self, contenders, workload, seconds, warmup):
        """Measures all of them side by side: each has its network, its backend and its load, and only one load runs at a time, for TURN seconds. What
        makes the machine faster or slower for a while meets all alike. Returns {name: result, or the error there is instead}."""
        out, loads = {}, {}
        turns = turns_of(seconds)
        limit = len(contenders) * (seconds + warmup + 0.2 * turns + 5)
        with contextlib.ExitStack() as stack:
            for contender in contenders:
                with self._kept(out, contender, loads):
                    place = stack.enter_context(self._started(contender, workload, limit))
                    argv = self._argv(workload, place, seconds / turns, warmup) + ["--turns", str(turns)]
                    loads[contender.name] = place, self._processes.start(argv, self._cpus["load"], subprocess.PIPE, stdin=subprocess.PIPE)
                    self._await_rest(loads[contender.name][1], warmup + 30)
            for order in orders(contenders, turns, f"{workload.name} {contenders[0].name}"):
                for contender in order:
                    if contender.name not in out:
                        with self._kept(out, contender, loads):
                            self._one_turn(loads[contender.name][1])
            for contender in contenders:
                if contender.name not in out:
                    with self._kept(out, contender, loads):
                        place, load = loads[contender.name]
                        self._go_on(load)
                        out[contender.name] = self._result(contender, workload, place, load, 30)
        return out

    def _one_turn(self, load):
        self._go_on(load)
        self._await_rest(load, TURN + 30)

    @contextlib.contextmanager
    def _kept(self, out, contender, loads):
        """An error is this contender's: it ends, and the others go on."""
        try:
            with no_result_on_errors():
                yield
        except (CellError, Unavailable) as error:
            out[contender.name] = error
            if contender.name in loads:
                place, load = loads[contender.name]
                for process in filter(None, (load, place.proxy, place.backend)):
                    self._processes.stop(process)

    def _result(self, contender, workload, place, load, limit):
        """Of a load that ends by itself within `limit` seconds."""
        report = self._finished(contender, load, place, limit)
        counts = self._stop_backend(place.backend)
        self._check_counts(workload, report, counts)
        result = self._metrics(workload, report, bool(place.proxy))
        ended = counts["requests"] if workload.unit == "connection" else 1   # kept connections have hardly ended yet
        lines = check_log(contender, place.directory, ended) if contender.log_name else 0
        result.update(facts=place.facts, config=place.config, backend=counts, lines_logged=lines, load=self._told(load.args, place.backend.args))
        return result

    @staticmethod
    def _told(*commands):
        """The commands of both ends of the load, for the report."""
        return "\n".join(shlex.join([os.path.basename(argv[0]), *argv[1:]]) for argv in commands)

    def _run_tool(self, contender, workload, seconds):
        """The load is a tool of others: read what the proxy used from before its start until after its end, handshakes and all."""
        with self._started(contender, workload, seconds) as place:
            backend, pids = place.backend, descendants(place.proxy.pid) if place.proxy else []
            servers = descendants(backend.process.pid)
            proxy, load, busy, began = proc.use_of(pids), proc.use_of(servers), proc.machine_busy_ns(), time.monotonic()
            try:
                said, tool_ns = tls.run_tool(workload.tool, self._processes, self._cpus["load"], seconds, place.targets[0], backend)
            except tls.ToolError as error:
                raise CellError(str(error) + last_words(contender, place.directory)) from None
            elapsed = time.monotonic() - began
            load = proc.use_of(servers).since(load)
            load["cpu_ns"] += tool_ns
            report = {"seconds": said.seconds, "replies": said.requests, "proxy": proc.use_of(pids).since(proxy), "load": load,
                      "machine": {"busy_ns": int((proc.machine_busy_ns() - busy) * said.seconds / elapsed), "steal_ns": 0}}
            if place.proxy and (place.proxy.poll() is not None or report["proxy"]["missing"]):
                raise CellError("the proxy ended during the run" + last_words(contender, place.directory))
            result = self._metrics(workload, report, bool(place.proxy))
            command = tls.arguments(workload.tool, seconds, place.targets[0])
            lines = check_log(contender, place.directory, tls.TOOLS[workload.tool].connections) if contender.log_name else 0
            result.update(facts=place.facts, config=place.config, lines_logged=lines, load=self._told(command, backend.process.args) + "\n\n" + backend.config)
            return result

    @staticmethod
    def _check_counts(workload, report, counts):
        """Nothing was lost on the way, and as much was done as was planned."""
        if "events_in_all" in report and counts["events"] != report["events_in_all"]:
            raise CellError(f"{counts['events']} events were sent, {report['events_in_all']} arrived")
        for what, rate in workload.planned:
            if report[what] < PLANNED_LEAST * rate * report["seconds"]:
                raise CellError(f"{report[what] / report['seconds']:,.0f} {what} per second instead of {rate:,}: the load side or the proxy did not keep the rate")

    @no_result_on_errors()
    def count_calls(self, contender, workload, seconds, tool):
        """System calls per unit, counted over a window that begins and ends at rest: exact but for timers and health checks."""
        with self._started(contender, workload, seconds) as place:
            argv = self._argv(workload, place, seconds, 0.2) + ["--turns", "1"]
            load = self._processes.start(argv, self._cpus["load"], subprocess.PIPE, stdin=subprocess.PIPE)
            self._await_rest(load, 30)
            counter = tool(self._processes, descendants(place.proxy.pid), self._cpus["load"], place.directory)
            try:
                self._go_on(load)
                self._await_rest(load, seconds + 60)
                calls = counter.total()
            finally:
                counter.close()
            self._go_on(load)
            report = self._finished(contender, load, place, 90)
            self._stop_backend(place.backend)
            units = workload.units_of(report)
            if units <= 0:
                raise CellError("nothing was transferred while system calls were counted")
            return {"metrics": {f"syscalls/{workload.unit}": calls / units}, "facts": place.facts, "calls": calls, "units": units}

    @staticmethod
    def _await_rest(load, limit):
        try:
            line = read_line(load.stdout, limit)
        except Unavailable as error:
            raise CellError(f"the load did not come to rest: {error}") from None
        if b"quiet" in line:
            return
        with contextlib.suppress(ValueError, LookupError):
            errors = json.loads(line)["errors"]
            raise CellError(f"{errors['total']} errors, the first: {errors['first']}")
        raise CellError(f"the load generator said {line[:200]!r}")

    @staticmethod
    def _go_on(load):
        load.stdin.write(b"\n")
        load.stdin.flush()

    @contextlib.contextmanager
    def _started(self, contender, workload, seconds):
        """Everything but the load, in a fresh network; ended at the end."""
        facts = self._sandbox.fresh(workload.congestion_control, needed=workload.bulk)
        earlier = self._processes.running()
        with tempfile.TemporaryDirectory(prefix="fairlead-bench-", dir=self._folder) as directory:
            try:
                if workload.tool:
                    backend = tls.Backend(self._processes, self._sandbox, self._cpus["load"], directory, SERVERS)
                    servers, probe = backend.ports, tls.answers
                else:
                    backend, servers = self._start_backend(workload, seconds)
                    probe = answers
                proxy, port, config = self._start_contender(contender, directory, servers, probe)
                time.sleep(SETTLE)
                yield Started(directory, facts, backend, [port] if contender.forwards else servers, proxy, config)
            finally:
                self._processes.stop_all_but(earlier)

    def _argv(self, workload, place, seconds, warmup):
        argv = [self._loadgen, workload.mode, *workload.arguments, "--seconds", f"{seconds:g}", "--watch-load", str(place.backend.pid)]
        if workload.unit == "idle":
            argv += ["--settle", "0.3", "--drain", "60", "--marks", ",".join(map(str, idle_marks(self._sandbox.descriptors)))]
        else:
            argv += ["--warmup", f"{warmup:g}", "--drain", "5"]
        for target in place.targets:
            argv += ["--target", f"127.0.0.1:{target}"]
        for pid in descendants(place.proxy.pid) if place.proxy else []:
            argv += ["--watch", str(pid)]
        return argv

    def _finished(self, contender, load, place, limit):
        """The load generator's report, when it is one that counts."""
        try:
            out, _ = load.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            raise CellError("the load generator did not end in time") from None
        report = self._parse(out, "the load generator")
        if report["errors"]["total"] > 0:
            raise CellError(f"{report['errors']['total']} errors, the first: {report['errors']['first']}" + last_words(contender, place.directory))
        if place.proxy and (place.proxy.poll() is not None or report["proxy"]["missing"]):
            raise CellError("the proxy ended during the run" + last_words(contender, place.directory))
        return report

    def _start_backend(self, workload, seconds):
        ports = [self._sandbox.port() for _ in range(SERVERS)]
        argv = [self._loadgen, "serve", "--lifetime", f"{seconds + 120:g}", *workload.backend]
        for port in ports:
            argv += ["--listen", f"127.0.0.1:{port}"]
        backend = self._processes.start(argv, self._cpus["load"], subprocess.PIPE)
        self._parse(read_line(backend.stdout, START_LIMIT), "the backend")
        return backend, ports

    def _stop_backend(self, backend):
        backend.terminate()
        try:
            out, _ = backend.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            raise CellError("the backend did not end in time") from None
        counts = self._parse(out, "the backend")
        if counts["damaged"] or counts["foreign"] or counts["accept_failures"]:
            raise CellError(f"the backend counted {counts}")
        return counts

    def _start_contender(self, contender, directory, servers, probe):
        """Its process, if it is one, and its port, if it has one."""
        place = Place(directory=directory, port=self._sandbox.port(), admin_port=self._sandbox.port(), servers=servers,
                      descriptors=self._sandbox.descriptors)
        argv, config = contender.configure(place)
        if not contender.forwards:
            return None, None, config
        proxy = None
        if argv is not None:
            with open(os.path.join(directory, "output"), "wb") as output:
                proxy = self._processes.start(argv, self._cpus["proxy"], output)

        def ready():
            if proxy and proxy.poll() is not None:
                raise Unavailable(f"{contender.name} ended at once with {proxy.returncode}" + last_words(contender, directory))
            return probe(place.port)

        wait_until(ready, START_LIMIT, f"{contender.name} did not relay a request")
        return proxy, place.port, config

    @staticmethod
    def _parse(text, who):
        try:
            return json.loads(text)
        except ValueError:
            raise CellError(f"{who} said {text[:200]!r}") from None

    @staticmethod
    def _metrics(workload, report, proxied):
        """Metrics by unit; the first is the workload's own: cost per unit, where there is no process (direct, kernel) the rate."""
        if workload.unit == "idle":
            low, high = report["marks"][0], report["marks"][-1]
            each = (high["resident_bytes"] - low["resident_bytes"]) / (high["connections"] - low["connections"])
            facts = {"marks": report["marks"], "idle_cpu_ms": report["proxy"]["cpu_ns"] / 1e6}
            return {"metrics": {workload.cost_unit: each}, "report": report, "idle": facts}
        units = workload.units_of(report)
        if units <= 0:
            raise CellError("nothing was transferred in the measured window")
        proxy, load, seconds = report["proxy"], report["load"], report["seconds"]
        per = "request" if workload.unit == "latency" else workload.unit
        cost_unit, scale = COST_UNITS[per], 1e6 if per in ("GB", "mix") else 1e3     # ns -> ms or us
        metrics = {}
        if "latency" in report and report["latency"]["n"]:
            for unit, key in (("p99 us", "p99_ns"), ("p50 us", "p50_ns"), ("p99.9 us", "p999_ns"), ("max us", "max_ns")):
                metrics[unit] = report["latency"][key] / 1e3
            metrics["p99 us too late sent"] = report["send_lag"]["p99_ns"] / 1e3
        if proxied:
            metrics[cost_unit] = proxy["cpu_ns"] / units / scale
            for kind in ("voluntary", "involuntary"):
                metrics[f"{kind} switches/{'s' if per == 'mix' else per}"] = proxy[kind] / units
            metrics["% proxy CPU"] = proxy["cpu_ns"] / seconds / 1e7
            if "proxy_between_ns" in report and proxy["cpu_ns"]:
                metrics["% CPU between turns"] = 100 * report["proxy_between_ns"] / proxy["cpu_ns"]
        if workload.rate_unit:
            metrics[workload.rate_unit] = units * (1000 if per == "GB" else 1) / seconds
        metrics["load " + cost_unit] = load["cpu_ns"] / units / scale
        others = report["machine"]["busy_ns"] + report["machine"]["steal_ns"] - load["cpu_ns"] - (proxy["cpu_ns"] if proxied else 0)
        metrics["% other CPU"] = max(0.0, others / seconds / 1e7)
        main = workload.cost_unit if proxied or workload.unit == "latency" else workload.rate_unit
        if main and main not in metrics:
            raise CellError(f"the load generator's report holds nothing that {main} could be made of")
        # The main figure first, whatever it is.
        metrics = {unit: metrics[unit] for unit in sorted(metrics, key=lambda unit: unit != workload.cost_unit)}
        return {"metrics": metrics, "threads_ended": proxy["threads_ended"], "report": report}
