"""A fairleadd under test: its configuration file, its process, its API over the unix socket and the `fairlead` command."""
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess

from support.waiting import wait_for

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("FL_BIN", os.path.join(ROOT, "build", "bin"))
_PLAIN = re.compile(r"[A-Za-z0-9/_.][A-Za-z0-9/_.\-]*")
_NOT_TEXT = re.compile(r"(true|false|null|yes|no|on|off|[0-9.]+)", re.IGNORECASE)


def to_yaml(value, indent=0):
    """Dicts, lists and scalars as YAML in the style of docs; text is quoted where a reader of YAML could take it for something else."""
    pad = "  " * indent
    if isinstance(value, dict):
        return "".join(f"{pad}{key}:" + _nested(item, indent) for key, item in value.items())
    return "".join(f"{pad}-" + _nested(item, indent) for item in value)


def _nested(item, indent):
    if isinstance(item, (dict, list)):
        return "\n" + to_yaml(item, indent + 1) if item else (" {}\n" if isinstance(item, dict) else " []\n")
    return f" {_scalar(item)}\n"


def _scalar(item):
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, (int, float)):
        return str(item)
    if _PLAIN.fullmatch(item) and not _NOT_TEXT.fullmatch(item):
        return item
    return json.dumps(item)
_SANITIZERS_WORD = re.compile(r"(ERROR|WARNING): \w+Sanitizer|runtime error: ")


def _end_in_order(process):
    """SIGTERM; a second one ends open connections at once. Returns the exit code."""
    for patience in (1, 15):
        process.signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(patience)
    process.kill()
    return process.returncode


class Gateway:
    """One fairleadd on a node. Its socket, log and configuration lie in the node's folder."""

    def __init__(self, node, config, *, name="gate", engine=None):
        self.node = node
        self.name = name
        self.dir = os.path.join(node.dir, name)
        os.makedirs(os.path.join(self.dir, "state"), exist_ok=True)
        self.config_path = os.path.join(self.dir, "fairlead.yaml")
        self.socket_path = os.path.join(self.dir, "fairlead.sock")
        self.arguments = []   # More of the daemon's.
        self.prefix = []      # What it is started by: a program that becomes it.
        self.process = None
        self._processes = []
        engine = engine or os.environ.get("FL_ENGINE", "auto")
        self.config = {"apiVersion": "fairlead/v1", "node": name, **config}
        self.config.setdefault("proxy", {}).setdefault("engine", engine)
        admin = self.config.setdefault("admin", {})
        admin.setdefault("socket", self.socket_path)
        admin.setdefault("listen", "")
        self.config.setdefault("state_dir", os.path.join(self.dir, "state"))
        self.config.setdefault("log", {"level": "info", "target": "stderr"})
        self.config.setdefault("shutdown_grace", "5s")
        self.write()

    # ---- file and process ----
    def write(self, text=None):
        """Writes the file: `config`, or this text. A running daemon reads it at the next reload."""
        with open(self.config_path + ".new", "w", encoding="utf-8") as file:
            file.write(to_yaml(self.config) if text is None else text)
        os.replace(self.config_path + ".new", self.config_path)

    def pool(self, name=None):
        return next(p for p in self.config["pools"] if name in (None, p["name"]))

    def listener(self, name=None):
        return next(entry for entry in self.config["listeners"] if name in (None, entry["name"]))

    def launch(self, *, nofile=None, stderr=None, env=None):
        """Starts the process and does not wait."""
        program = os.path.join(BIN, "fairleadd")
        if not os.path.exists(program):
            raise RuntimeError(f"{program} is missing: run `make build` (or set FL_BIN)")
        self.process = self.node.spawn([*self.prefix, program, "--config", self.config_path, *self.arguments], f"{self.name}.{len(self._processes) + 1}", nofile=nofile,
                                       stderr=stderr, env=env)
        self._processes.append(self.process)
        return self

    def start(self, ready=True, **options):
        """Starts it and waits until it can serve (`ready`), else until it is alive."""
        self.launch(**options)
        path = "/readyz" if ready else "/livez"
        wait_for(lambda: self._alive() and self.get(path)[0] == 200, 15, f"fairleadd answers {path} with 200; its log:\n{self.log_tail()}")
        return self

    def _alive(self):
        if not self.process.running:
            raise RuntimeError(f"fairleadd ended with {self.process.returncode}:\n{self.log_tail()}")
        return True

    def stop(self, timeout=10):
        return self.process.stop(timeout)

    def end(self):
        """What ends a test. Under a sanitizer in order, because only then it looks for leaks, and what it found is a failure."""
        if not os.environ.get("FL_SANITIZE"):
            if self.process:
                self.process.kill()
            return
        for process in self._processes:
            if process.running:
                process.thaw()
                code = _end_in_order(process)
                if code != 0:
                    raise AssertionError(f"{process.name} ended with {code}:\n{process.stderr()[-4000:]}")
            found = _SANITIZERS_WORD.search(process.stderr())
            if found:
                raise AssertionError(f"{process.name}:\n{process.stderr()[found.start():][:8000]}")

    def hang_up(self):
        """SIGHUP: reload."""
        self.process.signal(signal.SIGHUP)

    def log(self):
        return self.process.stderr() if self.process else ""

    def log_tail(self, lines=30):
        return "\n".join(self.log().splitlines()[-lines:])

    def check(self):
        """fairleadd --check on the file."""
        return self.node.run([os.path.join(BIN, "fairleadd"), "--config", self.config_path, "--check"])

    # ---- API ----
    def get(self, path):
        """(status, body) of a GET over the unix socket."""
        return self.request("GET", path)

    def request(self, method, path, body=None):
        connection = _UnixConnection(self.socket_path)
        try:
            headers = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def status(self):
        code, body = self.get("/api/v1/status")
        if code != 200:
            raise ValueError(f"status answered {code}: {body}")
        return json.loads(body)

    def metrics(self):
        """{'name{labels}': value} of /metrics."""
        values = {}
        for line in self.get("/metrics")[1].splitlines():
            if line and not line.startswith("#"):
                key, _, value = line.rpartition(" ")
                values[key] = float(value)
        return values

    def events(self, identifier=None):
        found = json.loads(self.get("/api/v1/events?limit=10000")[1])
        found = found.get("events", found) if isinstance(found, dict) else found
        return [e for e in found if identifier in (None, e["id"])]

    def connections(self):
        found = json.loads(self.get("/api/v1/connections?limit=10000")[1])
        return found.get("connections", found) if isinstance(found, dict) else found

    def listener_status(self, name=None):
        return next(entry for entry in self.status()["listeners"] if name in (None, entry["name"]))

    def server(self, name, pool=None):
        """The status of one server."""
        for entry in self.status()["pools"]:
            if pool in (None, entry["name"]):
                for server in entry["servers"]:
                    if server["name"] == name:
                        return server
        raise KeyError(name)

    def server_states(self, pool=None):
        entry = next(p for p in self.status()["pools"] if pool in (None, p["name"]))
        return {s["name"]: s["state"] for s in entry["servers"]}

    def wait_states(self, timeout=10, pool=None, **wanted):
        """Waits until the named servers are in these states: wait_states(mast_1="up"); an underscore stands for a dash."""
        wanted = {name.replace("_", "-"): state for name, state in wanted.items()}

        def reached():
            states = self.server_states(pool)
            return all(states[name] == state for name, state in wanted.items()) or None

        wait_for(reached, timeout, f"servers are {wanted}")

    def wait_all_up(self, timeout=10):
        wait_for(lambda: all(s["state"] == "up" for p in self.status()["pools"] for s in p["servers"]), timeout, "all servers are up")

    # ---- the command ----
    def cli(self, *arguments, user=None, as_json=True, check=True):
        """Runs `fairlead --socket ... ARGUMENTS`; returns subprocess.CompletedProcess."""
        options = {"user": user, "group": user, "extra_groups": []} if user is not None else {}
        done = self.node.run([os.path.join(BIN, "fairlead"), "--socket", self.socket_path, *(["--json"] if as_json else []), *arguments], **options)
        if check and done.returncode != 0:
            raise AssertionError(f"fairlead {' '.join(arguments)} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def server_verb(self, verb, name, *more, pool=None):
        return self.cli("server", verb, f"{pool or self.config['pools'][0]['name']}/{name}", *map(str, more))

    def reload(self, check=True):
        return self.cli("reload", check=check)

    def listening_inodes(self):
        """{(address, port): {inodes}} of the sockets the daemon listens on, from the kernel."""
        own = set()
        for descriptor in os.listdir(f"/proc/{self.process.pid}/fd"):
            try:
                target = os.readlink(f"/proc/{self.process.pid}/fd/{descriptor}")
            except FileNotFoundError:
                continue
            if target.startswith("socket:["):
                own.add(target[8:-1])
        found = {}
        with open(f"/proc/{self.process.pid}/net/tcp", encoding="ascii") as table:
            for line in list(table)[1:]:
                fields = line.split()
                if fields[3] == "0A" and fields[9] in own:
                    address, port = fields[1].split(":")
                    octets = bytes.fromhex(address)[::-1]
                    found.setdefault((".".join(map(str, octets)), int(port, 16)), set()).add(fields[9])
        return found


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
