"""Real servers behind the proxy: nginx and etcd with TLS, each on a node of the lab."""
import os
import shutil

from support.waiting import wait_for

_NGINX_CONF = """\
daemon off;
master_process off;
pid {dir}/{name}.pid;
error_log {dir}/{name}.error.log warn;
events {{ worker_connections {connections}; }}
http {{
  log_format lab '$msec $remote_addr:$remote_port "$request" $status "$http_user_agent" "$http_authorization"';
  access_log {dir}/{name}.access.log lab;
  client_body_temp_path {dir}/body;
  proxy_temp_path {dir}/proxy;
  fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi;
  scgi_temp_path {dir}/scgi;
  keepalive_requests 10000000;
  keepalive_timeout 1h;
  default_type text/plain;
  server {{
    listen {address}:{port}{listen_options} backlog=4096;
{tls}
    add_header X-Backend {name} always;
    location = /readyz {{ {ready} }}
    location / {{ return 200 "{name} $request_uri\\n"; }}
  }}
}}
"""


class Nginx:
    """One nginx process that answers every request with its own name (also in the header X-Backend)."""

    def __init__(self, node, certificate=None, *, name=None, port=None, client_ca=None, proxy_protocol=False, connections=4096):
        self.node = node
        self.name = name or node.name
        self.port = port or node.free_port()
        self.process = None
        self._config = os.path.join(node.dir, f"{self.name}.nginx.conf")
        self._certificate = certificate
        self._client_ca = client_ca
        self._options = (" ssl" if certificate else "") + (" proxy_protocol" if proxy_protocol else "")
        self._connections = connections
        self._write("return 200 'ok\\n';")

    @property
    def address(self):
        return f"{self.node.address}:{self.port}"

    def start(self):
        self.process = self.node.spawn([_program("nginx"), "-e", os.path.join(self.node.dir, f"{self.name}.error.log"),
                                        "-p", self.node.dir, "-c", self._config], self.name)
        _await_port(self)
        return self

    def kill(self):
        """SIGKILL; returns when the kernel has closed all its sockets."""
        self.process.kill()

    def set_ready_status(self, status):
        """What /readyz answers from the next start on."""
        self._write(f"return {status} 'set by the test\\n';")

    def access_log(self):
        with open(os.path.join(self.node.dir, f"{self.name}.access.log"), encoding="utf-8") as log:
            return log.read().splitlines()

    def _write(self, ready):
        tls = ""
        if self._certificate:
            tls = (f"    ssl_certificate {self._certificate.cert};\n    ssl_certificate_key {self._certificate.key};\n"
                   "    ssl_session_tickets off;")
            if self._client_ca:
                tls += f"\n    ssl_client_certificate {self._client_ca};\n    ssl_verify_client on;"
        with open(self._config, "w", encoding="utf-8") as file:
            file.write(_NGINX_CONF.format(dir=self.node.dir, name=self.name, address=self.node.address, port=self.port, tls=tls, ready=ready,
                                          listen_options=self._options, connections=self._connections))


class Etcd:
    """A single-member etcd that wants a client certificate; its health page is /health."""

    def __init__(self, node, certificate, client_ca, *, name=None):
        self.node = node
        self.name = name or node.name
        self.port = node.free_port()
        self._peer_port = self.port
        while self._peer_port == self.port:   # A free port may be named twice.
            self._peer_port = node.free_port()
        self.process = None
        self._certificate = certificate
        self._client_ca = client_ca
        self._data = os.path.join(node.dir, f"{self.name}.etcd")

    @property
    def address(self):
        return f"{self.node.address}:{self.port}"

    def start(self):
        client, peer = f"https://{self.address}", f"http://{self.node.address}:{self._peer_port}"
        shutil.rmtree(self._data, ignore_errors=True)
        self.process = self.node.spawn([
            _program("etcd"), "--name", self.name, "--data-dir", self._data, "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"{self.name}={peer}",
            "--cert-file", self._certificate.cert, "--key-file", self._certificate.key, "--client-cert-auth",
            "--trusted-ca-file", self._client_ca, "--unsafe-no-fsync", "--quota-backend-bytes", "16777216",
            "--heartbeat-interval", "20", "--election-timeout", "200", "--logger", "zap"], self.name)
        _await_port(self)
        return self

    def kill(self):
        self.process.kill()


def _program(name):
    # nginx lives in /usr/sbin, which is not on everybody's PATH.
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not found:
        raise RuntimeError(f"{name} is not installed: run scripts/setup.sh build test")
    return found


def _await_port(server):
    def accepts():
        if not server.process.running:
            raise RuntimeError(f"{server.name} ended with {server.process.returncode}: {server.process.stderr()[-2000:]}")
        server.node.connect((server.node.address, server.port), timeout=1).close()
        return True

    wait_for(accepts, 15, f"{server.name} accepts on {server.address}")
