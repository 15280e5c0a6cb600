#!/usr/bin/python3
"""Stands in for kube-apiserver: TLS, /readyz as the real one, and objects that live in the real etcd, so that every control plane has the
same ones and none has any when etcd has lost its quorum.

    stub_api.py --secure-port=6443 --tls-cert-file=... --tls-private-key-file=... --client-ca-file=... --etcd-servers=https://127.0.0.1:2379
                --etcd-cafile=... --etcd-certfile=... --etcd-keyfile=...
"""
import base64
import http.client
import http.server
import json
import ssl
import sys
import time

ROOT = "/registry/"
# As the controller of nodes, which waits for 40 s.
NODE_GRACE_S = 6


class Etcd:
    """etcd's v3 API through its JSON gateway, over connections that are kept."""

    def __init__(self, servers, ca, cert, key):
        self.servers = servers.split(",")
        self.context = ssl.create_default_context(cafile=ca)
        self.context.load_cert_chain(cert, key)
        self.idle = {server: [] for server in self.servers}  # Lists: taken from and put back by any thread.

    def call(self, path, body):
        error = None
        for server in self.servers:
            try:
                return self._ask(server, f"/v3/kv/{path}", json.dumps(body))
            except (OSError, http.client.HTTPException) as failed:
                error = failed
        raise OSError(f"etcd: {error}")

    def _ask(self, server, path, text):
        while True:
            kept = self.idle[server].pop() if self.idle[server] else None
            connection = kept or http.client.HTTPSConnection(server.removeprefix("https://"), timeout=2, context=self.context)
            try:
                connection.request("POST", path, text)
                answer = connection.getresponse()
                value = answer.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                if kept:
                    continue  # It was of an etcd that is gone.
                raise
            self.idle[server].append(connection)
            if answer.status != 200:
                raise OSError(f"{server}: {answer.status}")
            return json.loads(value)

    def range(self, prefix):
        found = self.call("range", {"key": _b64(prefix), "range_end": _b64(prefix[:-1] + chr(ord(prefix[-1]) + 1))})
        return [json.loads(base64.b64decode(kv["value"])) for kv in found.get("kvs", [])]

    def get(self, key):
        found = self.call("range", {"key": _b64(key)}).get("kvs", [])
        return json.loads(base64.b64decode(found[0]["value"])) if found else None

    def put(self, key, value):
        self.call("put", {"key": _b64(key), "value": _b64(json.dumps(value))})

    def delete(self, key):
        return int(self.call("deleterange", {"key": _b64(key)}).get("deleted", 0))


def _b64(text):
    return base64.b64encode(text.encode()).decode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    etcd = None
    version = ""

    def log_message(self, *_):
        pass

    def answer(self, status, value=None):
        body = b"ok" if value is None and status == 200 else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def key(self):
        """/stub/KIND/NAMESPACE[/NAME] -> the key in etcd; a trailing slash without a name."""
        parts = self.path.split("/")
        return ROOT + "/".join(parts[2:5]) + ("/" if len(parts) == 4 else "")

    def allowed(self):
        if self.connection.getpeercert():
            return True
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if "." not in token:
            return False
        secret = self.etcd.get(f"{ROOT}secrets/kube-system/bootstrap-token-{token.split('.')[0]}")
        return bool(secret) and secret["stub"]["secret"] == token.split(".")[1] and secret["stub"]["expires"] > time.time()

    def judged(self, key, items):
        """A node whose kubelet has not been heard of is not ready."""
        if key.startswith(f"{ROOT}nodes/"):
            beats = {lease["metadata"]["name"]: lease["renewed"] for lease in self.etcd.range(f"{ROOT}leases/kube-node-lease/")}
            for node in items:
                if time.time() - beats.get(node["metadata"]["name"], time.time()) > NODE_GRACE_S and "conditions" in node.get("status", {}):
                    node["status"]["conditions"] = [{"type": "Ready", "status": "Unknown"}]
        return items

    def do_GET(self):
        try:
            if self.path in ("/readyz", "/livez", "/healthz"):
                self.etcd.get(ROOT + "probe")
                return self.answer(200)
            if self.path == "/version":
                return self.answer(200, {"gitVersion": self.version})
            if self.path == "/cluster-info":
                return self.answer(200, self.etcd.get(f"{ROOT}configmaps/kube-public/cluster-info"))
            if not self.path.startswith("/stub/"):
                return self.answer(403, {"message": "forbidden"})
            if not self.allowed():
                return self.answer(401, {"message": "Unauthorized"})
            key = self.key()
            if key.endswith("/"):
                return self.answer(200, {"items": self.judged(key, self.etcd.range(key))})
            value = self.etcd.get(key)
            if value is not None:
                self.judged(key, [value])
            return self.answer(200, value) if value is not None else self.answer(404, {"message": "not found"})
        except OSError as error:
            return self.answer(500, {"message": str(error)})

    def do_PUT(self):
        value = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        try:
            if not self.allowed():
                return self.answer(401, {"message": "Unauthorized"})
            self.etcd.put(self.key(), value)
            return self.answer(200, value)
        except OSError as error:
            return self.answer(500, {"message": str(error)})

    def do_DELETE(self):
        try:
            if not self.allowed():
                return self.answer(401, {"message": "Unauthorized"})
            return self.answer(200, {}) if self.etcd.delete(self.key()) else self.answer(404, {"message": "not found"})
        except OSError as error:
            return self.answer(500, {"message": str(error)})


def main():
    flags = dict(argument.removeprefix("--").split("=", 1) for argument in sys.argv[1:] if argument.startswith("--") and "=" in argument)
    Handler.etcd = Etcd(flags["etcd-servers"], flags["etcd-cafile"], flags["etcd-certfile"], flags["etcd-keyfile"])
    Handler.version = flags.get("stub-version", "")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(flags["tls-cert-file"], flags["tls-private-key-file"])
    context.load_verify_locations(flags["client-ca-file"])
    context.verify_mode = ssl.CERT_OPTIONAL
    http.server.ThreadingHTTPServer.daemon_threads = True
    server = http.server.ThreadingHTTPServer((flags.get("bind-address", "0.0.0.0"), int(flags["secure-port"])), Handler)
    # The handshake belongs to the connection's own thread: one client that says nothing must not stop the others.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()


main()
