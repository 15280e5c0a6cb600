"""Who takes part: how each is configured, started and named. A new one is a class and a line in `all_contenders`.

Equal work: one thread or worker process, TCP mode, least connections over three servers, timeouts of an hour, TCP checks once a second
(nginx's open-source stream module has passive checks only; the kernel has none and deals connections out in turn), a line in a file for each
connection that ends, limits for each client's address that never refuse (nginx knows none for the rate), TCP_NODELAY. Each configuration
stands in the report.
"""
import contextlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass

from .sandbox import Unavailable

# Limits of one client's address, counted by every proxy and reached by no load here: at most 10,000 connections, made in a second or more.
LIMITS = {"source_connections": 60000,   # nginx counts to 65,535
          "source_rate": 16000}          # new connections per second; Fairlead counts to that
CONNECTIONS_LOG = "connections.log"

HAPROXY = """global
    nbthread 1
    maxconn {connections}
    log stdout format raw local0
{globals}defaults
    mode tcp
    log global
    option tcplog
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    balance leastconn
{options}listen bench
    bind 127.0.0.1:{port}
    maxconn {connections}
    stick-table type ip size 100k expire 10s store conn_cur,conn_rate(1s)
    tcp-request connection track-sc0 src
    tcp-request connection reject if {{ sc0_conn_cur gt {source_connections} }}
    tcp-request connection reject if {{ sc0_conn_rate gt {source_rate} }}
{servers}"""

NGINX = """load_module {module};
worker_processes 1;
daemon off;
pid {directory}/nginx.pid;
error_log stderr crit;
events {{
    worker_connections {descriptors};
}}
stream {{
    log_format connection 'CONNECTION client=$remote_addr:$remote_port server=$upstream_addr connect=$upstream_connect_time '
                          'total=$session_time bytes_in=$bytes_received bytes_out=$bytes_sent status=$status at=$time_iso8601';
    access_log {directory}/{log} connection buffer=16k flush=10ms;
    limit_conn_zone $binary_remote_addr zone=sources:10m;
    upstream bench {{
        least_conn;
{servers}    }}
    server {{
        listen 127.0.0.1:{port};
        proxy_pass bench;
        proxy_connect_timeout 5s;
        proxy_timeout 1h;
        tcp_nodelay on;
        limit_conn sources {source_connections};
    }}
}}
"""

# The output hook: over lo a connection's first packet is translated where it is sent, the rest follows its conntrack entry.
NFTABLES = """table ip bench {{
    chain out {{
        type nat hook output priority -100;
        ip daddr 127.0.0.1 tcp dport {port} dnat to 127.0.0.1 : numgen inc mod {count} map {{ {choice} }}
    }}
}}
"""

FAIRLEAD = """apiVersion: fairlead/v1
kind: Gateway
node: bench
listeners:
  - name: bench
    bind: ["127.0.0.1:{port}"]
    pool: bench
    max_connections: {connections}
    per_source_connections: {source_connections}
    per_source_rate: {source_rate}
    log: true
pools:
  - name: bench
    balance: least_connections
    connect_timeout: 5s
    idle_timeout: 1h
    health: {{type: tcp, interval: 1s}}
    servers:
{servers}proxy: {{{proxy}}}
admin:
  socket: {directory}/fairlead.sock
  listen: "127.0.0.1:{admin_port}"
log: {{level: warning, target: file, path: {directory}/{log}}}
shutdown_grace: 1s
state_dir: {directory}/state
"""


def first_line(argv):
    """What a program says about its version; None when it cannot be run."""
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip().splitlines()[0] if done.stdout.strip() else ""


@dataclass(frozen=True)
class Place:
    """What a contender is given to be configured with."""
    directory: str
    port: int
    admin_port: int
    servers: list         # ports of the backends, all on 127.0.0.1
    descriptors: int      # the process's limit

    @property
    def connections(self):
        """Two descriptors each, some kept back for listeners and checks."""
        return (self.descriptors - 600) // 2

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        return path

    def server_lines(self, template):
        return "".join(template.format(number=i, port=port) for i, port in enumerate(self.servers, 1))


class Contender:
    """`name` is what --contenders and the report say; `bulk_only` keeps variants out of workloads where they are the same program."""
    name = ""
    title = ""
    proxies = True         # a process whose CPU time and memory can be read
    forwards = True        # the load goes to its port, not to the backends
    namespace_only = False  # changes the network it runs in: never the machine's own
    bulk_only = False
    cost_unknown = ""      # why it has no cost per unit, for the notes of the report
    log_name = ""          # file of the cell's directory in which it writes a line for each connection; empty: it logs none
    log_mark = b""         # what stands in each of these lines, and in no other line of that file

    def missing(self):
        """Why it cannot take part, or None."""
        raise NotImplementedError

    def version(self):
        raise NotImplementedError

    def configure(self, place):
        """Writes its files, or does what is to be done when it is no process (argv None). Returns (argv, configuration text).

        May raise Unavailable."""
        raise NotImplementedError


class Direct(Contender):
    """No proxy: what the load side alone can do. Its rate is the harness's own limit."""
    name, title, proxies, forwards = "direct", "no proxy", False, False

    def missing(self):
        return None

    def version(self):
        return "-"

    def configure(self, place):
        return None, "The client connects to the three backends itself."


CONNTRACK_REST = "nf_conntrack_tcp_timeout_time_wait"


class KernelForwarding(Contender):
    """nftables DNAT in the cell's namespace: what the network stack does by itself, without a second TCP connection. The limit."""
    name, title, proxies, namespace_only = "kernel", "kernel, nftables DNAT", False, True
    cost_unknown = ("its work is done by whoever sends the packet (over lo: the load side), in no process and on no CPU of its own, so the softirq time "
                    "of the proxy's CPU does not show it either. It is in the load's CPU time: see its rows 'load ...' and '... over direct'")

    def __init__(self):
        self._binary = shutil.which("nft") or "/usr/sbin/nft"

    def missing(self):
        return None if os.access(self._binary, os.X_OK) else "nft is not there (apt-get install nftables)"

    def version(self):
        found = re.search(r"v(\S+)", first_line([self._binary, "--version"]) or "")
        return f"nftables {found.group(1) if found else 'unknown'}"

    def configure(self, place):
        choice = ", ".join(f"{i} : {port}" for i, port in enumerate(place.servers))
        text = NFTABLES.format(port=place.port, count=len(place.servers), choice=choice)
        done = subprocess.run([self._binary, "-f", place.write("kernel.nft", text)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=20, check=False)
        if done.returncode != 0:
            lines = done.stdout.strip().splitlines() or ["no word"]
            raise Unavailable(f"nft ended with {done.returncode}: {lines[0]}")
        # Churn must not fill the table with connections that are over: two minutes each are more than a small machine has room for.
        with contextlib.suppress(OSError), open(f"/proc/sys/net/netfilter/{CONNTRACK_REST}", "w", encoding="ascii") as file:
            file.write("1")
            text += f"# sysctl net.netfilter.{CONNTRACK_REST}=1\n"
        return None, text


class Haproxy(Contender):
    log_name, log_mark = "output", b"] bench bench/"   # its standard output, beside what it says of its servers

    def __init__(self, name, title, binary, options="", global_options="", bulk_only=False, where="apt-get install haproxy"):
        self.name, self.title, self.bulk_only, self._where = name, title, bulk_only, where
        self._binary, self._options, self._globals = binary, options, global_options

    def missing(self):
        return None if self._binary and os.access(self._binary, os.X_OK) else f"{self._binary or self.title} is not there ({self._where})"

    def version(self):
        found = re.search(r"version (\S+)", first_line([self._binary, "-v"]) or "")
        return found.group(1) if found else "unknown"

    def configure(self, place):
        text = HAPROXY.format(port=place.port, connections=place.connections, **LIMITS, options=self._options, globals=self._globals,
                              servers=place.server_lines("    server s{number} 127.0.0.1:{port} check inter 1s\n"))
        return [self._binary, "-db", "-f", place.write("haproxy.cfg", text)], text


class Nginx(Contender):
    name, title = "nginx", "nginx stream"
    log_name, log_mark = CONNECTIONS_LOG, b"CONNECTION "
    _modules = ("/usr/lib/nginx/modules/ngx_stream_module.so", "/usr/share/nginx/modules/ngx_stream_module.so")

    def __init__(self):
        self._binary = shutil.which("nginx") or "/usr/sbin/nginx"
        self._module = next((path for path in self._modules if os.path.exists(path)), None)

    def missing(self):
        if not os.access(self._binary, os.X_OK):
            return "nginx is not there (apt-get install nginx-light)"
        return None if self._module else "nginx has no stream module (apt-get install libnginx-mod-stream)"

    def version(self):
        found = re.search(r"nginx/(\S+)", first_line([self._binary, "-v"]) or "")
        return found.group(1) if found else "unknown"

    def configure(self, place):
        text = NGINX.format(port=place.port, directory=place.directory, module=self._module, descriptors=min(place.descriptors, 32768),
                            log=CONNECTIONS_LOG, **LIMITS, servers=place.server_lines("        server 127.0.0.1:{port};\n"))
        return [self._binary, "-p", place.directory, "-c", place.write("nginx.conf", text), "-e", "stderr"], text


class Fairlead(Contender):
    """`proxy` is what stands in the file's proxy section: a variant (an engine, splice off) is another instance."""
    log_name, log_mark = CONNECTIONS_LOG, b" CONNECTION "

    def __init__(self, name, title, binary, proxy, bulk_only=False):
        self.name, self.title, self.bulk_only = name, title, bulk_only
        self._binary, self._proxy = binary, proxy

    def missing(self):
        return None if os.access(self._binary, os.X_OK) else f"{self._binary} is not built"

    def version(self):
        found = re.search(r"\d+\.\d+\S*", first_line([self._binary, "--version"]) or "")
        return found.group(0) if found else "unknown"

    def configure(self, place):
        text = FAIRLEAD.format(port=place.port, directory=place.directory, admin_port=place.admin_port, proxy=self._proxy, connections=place.connections,
                               log=CONNECTIONS_LOG, **LIMITS, servers=place.server_lines("      - {{name: s{number}, address: \"127.0.0.1:{port}\"}}\n"))
        os.makedirs(os.path.join(place.directory, "state"), exist_ok=True)
        return [self._binary, "--config", place.write("fairlead.yaml", text)], text


def all_contenders(fairleadd, haproxy3=None):
    """In the order of the report. `haproxy3`: path of a newer HAProxy, or of a script that becomes it (bench/haproxy3.sh makes one)."""
    haproxy = shutil.which("haproxy") or "/usr/sbin/haproxy"
    out = [
        Direct(),
        KernelForwarding(),
        Haproxy("haproxy", "HAProxy", haproxy),
        # splice-request and splice-response, not splice-auto: HAProxy 2.6's guess never started splicing in these workloads (strace).
        Haproxy("haproxy-splice", "HAProxy, splice", haproxy, options="    option splice-request\n    option splice-response\n",
                global_options="    maxpipes 64\n", bulk_only=True),
        Nginx(),
        Fairlead("fairlead-uring", "Fairlead, io_uring", fairleadd, "engine: io_uring, workers: 1"),
        Fairlead("fairlead-epoll", "Fairlead, epoll", fairleadd, "engine: epoll, workers: 1"),
    ]
    out.insert(4, Haproxy("haproxy-3", "HAProxy 3", haproxy3, where="none was named: --haproxy3 FILE; bench/haproxy3.sh fetches one"))
    return out
