"""What the stubs share: the record of calls, failures on demand, files, the API as a client."""
import base64
import json
import os
import subprocess
import sys
import time

LOG = "/var/log/stub.jsonl"
ENDS = "/var/log/stub_ends.jsonl"
SECRETS = "/var/log/stub_secrets"
STATE = "/var/lib/stub"
ETC = "/etc/kubernetes"
PKI = f"{ETC}/pki"
# A machine that has no package of etcd has the programs here only, as a container image would.
ETCD, ETCDCTL = (f"/opt/etcd/{name}" if os.path.exists(f"/opt/etcd/{name}") else name for name in ("etcd", "etcdctl"))
# Where a failure or a pause can be asked for: "init:before", "init:after-etcd", "init:after", "join:before", "join:after-member", ...
POINTS = ("before", "after-etcd", "after-member", "after")


class Failure(Exception):
    def __init__(self, text, code=1):
        super().__init__(text)
        self.text, self.code = text, code


def record(program, arguments, text=""):
    line = {"program": program, "arguments": arguments, "stdin": text,
            "environment": {k: v for k, v in os.environ.items() if k.startswith("KUBE") or k.lower().endswith("_proxy")}}
    with open(LOG, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def record_end(program, arguments, code):
    """With its own time, from the start of the process on."""
    with open("/proc/self/stat", encoding="ascii") as stat:
        began = int(stat.read().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    with open(ENDS, "a", encoding="utf-8") as file:
        file.write(json.dumps({"program": program, "arguments": arguments, "code": code, "began": began, "ended": time.clock_gettime(time.CLOCK_BOOTTIME)}) + "\n")


def record_secret(text):
    """What was made here and must stand nowhere else."""
    with open(os.open(SECRETS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="utf-8") as file:
        file.write(text + "\n")


def at(point):
    """A point where the test may want this machine to fail, or to wait while it does something to the operator's program."""
    for name, text in _lines("/etc/stub/fail"):
        if name == point:
            raise Failure(text.replace("\\n", "\n"))
    if [point] in [line[:1] for line in _lines("/etc/stub/hold")] and not os.path.exists("/etc/stub/go"):
        write("/etc/stub/held", point + "\n")
        wait_for(lambda: os.path.exists("/etc/stub/go"), 60, f"the test says go on at {point}")


def _lines(path):
    try:
        with open(path, encoding="utf-8") as file:
            return [line.rstrip("\n").split(" ", 1) for line in file if " " in line]
    except FileNotFoundError:
        return []


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    beside = path + ".stub"
    with open(beside, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
    os.rename(beside, path)


def read(path, default=None):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        if default is None:
            raise
        return default


def read_state(name, default):
    return json.loads(read(f"{STATE}/{name}.json", json.dumps(default)))


def write_state(name, value):
    write(f"{STATE}/{name}.json", json.dumps(value, indent=1))


def run(*argv, text=None, check=True):
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise Failure(f"{' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}")
    return done


def host_name():
    return os.uname().nodename.split(".")[0]


def address_of_default_device():
    """The first address that is not loopback's: what kubeadm takes when it is told none."""
    for line in run("ip", "-o", "-4", "addr", "show", "scope", "global").stdout.splitlines():
        return line.split()[3].split("/")[0]
    raise Failure("no address")


def wait_for(condition, seconds, what):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        value = condition()
        if value:
            return value
        time.sleep(0.05)  # tidy: polls
    raise Failure(f"timed out waiting for the condition: {what}")


class Api:
    """A client of the stub API server, by a kubeconfig file or by a server with a token. What only it needs is imported here: most calls of a
    stub have no API to ask, and there are hundreds in a run."""

    def __init__(self, server, context):
        self.server, self.context, self.token = server.rstrip("/"), context, None

    @classmethod
    def by_kubeconfig(cls, path):
        import ssl

        import yaml
        if not os.path.exists(path):
            raise Failure(f"error: stat {path}: no such file or directory")
        config = yaml.safe_load(read(path))
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        cert, key = (_temporary(base64.b64decode(user[f"client-{part}-data"]).decode()) for part in ("certificate", "key"))
        try:
            context.load_cert_chain(cert, key)
        finally:
            os.unlink(cert)
            os.unlink(key)
        return cls(cluster["server"], context)

    @classmethod
    def by_token(cls, endpoint, token):
        """Before the CA is known: the answer to the first question says it (cluster-info)."""
        import ssl
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        api = cls(f"https://{endpoint}", context)
        api.token = token
        return api

    def ask(self, method, path, body=None, timeout=5):
        """(status, object). Connection problems are status 0."""
        import urllib.error
        import urllib.request
        request = urllib.request.Request(self.server + path, method=method, data=None if body is None else json.dumps(body).encode())
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        try:
            with urllib.request.urlopen(request, timeout=timeout, context=self.context) as answer:
                body = answer.read() or b"null"
                return answer.status, body.decode() if body == b"ok" else json.loads(body)
        except urllib.error.HTTPError as error:
            return error.code, None
        except (OSError, ValueError) as error:
            return 0, str(error)

    def get(self, kind, namespace="", name=None):
        """The object, None when there is none; a list without a name. A Failure as kubectl's when nobody answers."""
        path = f"/stub/{kind}/{namespace or '-'}" + (f"/{name}" if name else "")
        status, value = self.ask("GET", path)
        if status == 404:
            return None
        if status != 200:
            raise Failure(f"The connection to the server {self.server.removeprefix('https://')} was refused - did you specify the right host or port? "
                          f"({status} {value or ''})")
        return value if name else value["items"]

    def put(self, kind, namespace, name, value):
        status, said = self.ask("PUT", f"/stub/{kind}/{namespace or '-'}/{name}", value)
        if status not in (200, 201):
            raise Failure(f"Error from server: {status} {said or ''}")

    def delete(self, kind, namespace, name):
        status, said = self.ask("DELETE", f"/stub/{kind}/{namespace or '-'}/{name}")
        if status == 404:
            raise Failure(f'Error from server (NotFound): {kind} "{name}" not found')
        if status != 200:
            raise Failure(f"Error from server: {status} {said or ''}")

    def ready(self):
        return self.ask("GET", "/readyz", timeout=2)[0] == 200


def _temporary(text):
    import tempfile
    fd, path = tempfile.mkstemp()
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def standard_input():
    return "" if sys.stdin.isatty() else sys.stdin.read()
