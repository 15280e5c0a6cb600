"""TLS end to end through the relay, with tools nobody here wrote at both ends: nginx serves HTTPS, wrk or h2load asks.

A cross-check: what these say of requests, errors and bytes is compared with each other, and any disagreement is no result.
"""
import math
import os
import re
import resource
import shutil
import socket
import ssl
import subprocess
from dataclasses import dataclass

from .sandbox import Unavailable, wait_until

BODY = 2000            # bytes of the file that is asked for
START_LIMIT = 10.0
NGINX = """worker_processes 1;
daemon off;
pid {directory}/backend.pid;
error_log stderr crit;
events {{
    worker_connections 4096;
}}
http {{
    access_log off;
    keepalive_requests 100000000;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    ssl_certificate {certificate}/cert.pem;
    ssl_certificate_key {certificate}/key.pem;
    ssl_protocols TLSv1.3;
    server {{
{listen}        http2_max_concurrent_streams 128;
        default_type text/plain;
        return 200 "{body}";
    }}
    server {{
        listen 127.0.0.1:{status};
        stub_status;
    }}
}}
"""


class ToolError(Exception):
    """What the tools said is no result."""


@dataclass(frozen=True)
class Said:
    """A tool's own report."""
    requests: int
    seconds: float


def _count(pattern, text):
    found = re.search(pattern, text)
    return int(found.group(1)) if found else 0


def parse_wrk(text):
    done = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m), ([\d.]+)(B|KB|MB|GB) read", text)
    if not done:
        raise ToolError(f"wrk said {text[-200:]!r}")
    errors = re.search(r"Socket errors:.*", text) or re.search(r"Non-2xx or 3xx responses:.*", text)
    if errors:
        raise ToolError(f"wrk: {errors.group(0)}")
    requests, seconds = int(done.group(1)), float(done.group(2)) * {"ms": 0.001, "s": 1, "m": 60}[done.group(3)]
    read = float(done.group(4)) * 1024 ** ("B", "KB", "MB", "GB").index(done.group(5))
    if read < 0.99 * requests * BODY:     # its figure has two decimals
        raise ToolError(f"wrk: {read:,.0f} bytes for {requests:,} replies of {BODY} and more")
    return Said(requests, seconds)


def parse_h2load(text):
    done = re.search(r"finished in ([\d.]+)(us|ms|s|m)", text)
    if not done or "requests:" not in text:
        raise ToolError(f"h2load said {text[-200:]!r}")
    bad = [kind for kind in ("failed", "errored", "timeout") if _count(rf"requests:.*?(\d+) {kind}", text)]
    bad += [kind for kind in ("3xx", "4xx", "5xx") if _count(rf"status codes:.*?(\d+) {kind}", text)]
    succeeded, good = _count(r"requests:.*?(\d+) succeeded", text), _count(r"status codes: (\d+) 2xx", text)
    if bad:
        raise ToolError("h2load: " + "; ".join(line for line in text.splitlines() if line.startswith(("requests:", "status codes:"))))
    data = _count(r"\((\d+)\) data", text)
    # Of a timed run it counts replies at their end and bytes when they come: what was under way at either edge may be in one and not the other.
    slack = 1000
    if abs(good - succeeded) > slack or abs(data - succeeded * BODY) > slack * BODY:
        raise ToolError(f"h2load: {succeeded:,} succeeded, {good:,} status codes, {data:,} bytes of data")
    return Said(succeeded, float(done.group(1)) * {"us": 1e-6, "ms": 0.001, "s": 1, "m": 60}[done.group(2)])


@dataclass(frozen=True)
class Tool:
    parse: object          # what it said -> Said
    arguments: tuple
    package: str
    duration: str          # how it wants the seconds
    connections: int
    streams: int = 1       # requests under way on each


TOOLS = {
    "wrk": Tool(parse_wrk, ("-t", "1", "-c", "64", "-d"), "wrk", "{seconds}s", connections=64),
    "h2load": Tool(parse_h2load, ("-t", "1", "-c", "32", "-m", "4", "-D"), "nghttp2-client", "{seconds}", connections=32, streams=4),
}


def missing(tool):
    """Why the workload of this tool cannot be run here, or None."""
    for program, package in ((tool, TOOLS[tool].package), ("nginx", "nginx-light"), ("openssl", "openssl")):
        if not shutil.which(program):
            return f"{program} is not there (apt-get install {package})"
    return None


def arguments(tool, seconds, port):
    return [tool, *TOOLS[tool].arguments, TOOLS[tool].duration.format(seconds=max(math.ceil(seconds), 1)), f"https://127.0.0.1:{port}/"]


def answers(port):
    """Whether a request over TLS to this port gets the whole body."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as plain, context.wrap_socket(plain) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
            got = b""
            while piece := sock.recv(65536):
                got += piece
        return got.startswith(b"HTTP/1.1 200") and len(got.partition(b"\r\n\r\n")[2]) == BODY
    except OSError:
        return False


class Backend:
    """nginx with three HTTPS listeners in one worker, and a page that says how many requests it has served."""

    def __init__(self, processes, sandbox, cpu, directory, count):
        self._make_certificate(directory)
        self.ports, self._status = [sandbox.port() for _ in range(count)], sandbox.port()
        listen = "".join(f"        listen 127.0.0.1:{port} ssl http2;\n" for port in self.ports)
        path = os.path.join(directory, "backend.conf")
        values = {"directory": directory, "certificate": directory, "listen": listen, "status": self._status}
        self.config = NGINX.format(**values, body=f"({BODY} bytes)")
        with open(path, "w", encoding="ascii") as file:
            file.write(NGINX.format(**values, body="x" * BODY))
        said = os.path.join(directory, "backend-said")
        with open(said, "wb") as output:
            self.process = processes.start(["nginx", "-p", directory, "-c", path, "-e", "stderr"], cpu, output)

        def ready():
            if self.process.poll() is not None:
                with open(said, encoding="utf-8", errors="replace") as file:
                    raise Unavailable(f"nginx as HTTPS server ended at once: {file.read().strip()[-300:]}")
            return all(answers(port) for port in self.ports)

        wait_until(ready, START_LIMIT, "nginx as HTTPS server did not answer")

    @staticmethod
    def _make_certificate(directory):
        done = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=bench",
                               "-keyout", os.path.join(directory, "key.pem"), "-out", os.path.join(directory, "cert.pem")],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30, check=False)
        if done.returncode != 0:
            raise Unavailable(f"openssl made no certificate: {done.stdout.strip()[-200:]}")

    def served(self):
        """Requests so far, this one included."""
        with socket.create_connection(("127.0.0.1", self._status), timeout=5) as sock:
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
            got = b""
            while piece := sock.recv(65536):
                got += piece
        found = re.search(rb"\n (\d+) (\d+) (\d+)", got)
        if not found:
            raise ToolError(f"nginx's status page said {got[-200:]!r}")
        return int(found.group(3))


def check_served(tool, replies, served):
    """What nginx has served is what the tool got, but for requests under way at its end and the question for the count itself. Raises ToolError."""
    if served < replies:
        raise ToolError(f"{tool} counts {replies:,} replies, nginx only {served:,} requests")
    most = replies + TOOLS[tool].connections * TOOLS[tool].streams + 1
    if served > most:
        raise ToolError(f"{tool} counts {replies:,} replies, nginx {served:,} requests, of which at most {most:,} can be the tool's: "
                        "the proxy moved more than was asked for")


def run_tool(tool, processes, cpu, seconds, port, backend):
    """(what the tool said, CPU time of the tool in ns). Raises ToolError."""
    before, spent = backend.served(), resource.getrusage(resource.RUSAGE_CHILDREN)
    process = processes.start(arguments(tool, seconds, port), cpu, subprocess.PIPE)
    try:
        out, _ = process.communicate(timeout=seconds + 30)
    except subprocess.TimeoutExpired:
        raise ToolError(f"{tool} did not end in time") from None
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    text = out.decode(errors="replace")
    if process.returncode != 0:
        raise ToolError(f"{tool} ended with {process.returncode}: {text.strip()[-200:]}")
    said = TOOLS[tool].parse(text)
    check_served(tool, said.requests, backend.served() - before)
    return said, int((now.ru_utime + now.ru_stime - spent.ru_utime - spent.ru_stime) * 1e9)
